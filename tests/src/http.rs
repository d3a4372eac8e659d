//! Plain HTTP for tests: statuses are answers, redirects are never followed.

use std::time::Duration;

/// An agent that follows nothing and keeps every status.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .into()
}

/// Status and body of a GET.
pub fn get(url: &str, headers: &[(&str, &str)]) -> (u16, Vec<u8>) {
    let mut request = agent().get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.call())
}

/// Status and body of a request with a body.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, Vec<u8>) {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(agent().run(request.body(body).expect("the request is one")))
}

/// Status and JSON of a POST of JSON with a bearer token.
pub fn post(url: &str, token: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("content-type", "application/json")];
    if !token.is_empty() {
        headers.push(("authorization", bearer.as_str()));
    }
    let (status, body) = send("POST", url, &headers, body.to_string().as_bytes());
    let json = serde_json::from_slice(&body);
    (status, json.unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into()))
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, Vec<u8>) {
    match result {
        Ok(response) => {
            let status = response.status().as_u16();
            (status, crate::registry::read_all(response.into_body().into_reader()))
        }
        // No answer at all: the server died.
        Err(error) => (0, error.to_string().into_bytes()),
    }
}
