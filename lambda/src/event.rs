//! Events of function URLs (payload format 2.0) as HTTP requests.
//!
//! `lambda_http` would do this, and panics over hosts, ports, schemes, query strings and Base64 that
//! the front of AWS keeps out and an emulator or a direct invocation does not. Here each field is
//! parsed into a type that cannot be wrong, and what does not parse is an answer with status 400.

use std::collections::HashMap;
use std::net::IpAddr;

use axum::body::Body;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use packhouse_core::secret::Secret;
use packhouse_registry::spacing::ClientAddr;
use serde::Deserialize;

/// The header with which the CDN proves that a request came through it.
pub const ORIGIN: &str = "x-packhouse-origin";
/// The header in which the CDN names the client's address; it removes one that a client sent.
const VIEWER: &str = "x-packhouse-viewer";

/// Why an event is no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Not the event of a function URL.
    #[error("the event is not one of a function URL: {0}")]
    Shape(String),
    /// The path or the query cannot stand in a request.
    #[error("the path or query is not one: {0}")]
    Target(String),
    /// A header has a name or value that no header has.
    #[error("the header `{0}` is not one")]
    Header(String),
    /// The body is said to be Base64, and is not.
    #[error("the body is not Base64")]
    Body,
    /// It did not come through the CDN.
    #[error("the request did not come through the registry's address")]
    Origin,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    #[serde(default)]
    cookies: Vec<String>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: Context,
}

#[derive(Deserialize)]
struct Context {
    http: Http,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    #[serde(default)]
    source_ip: String,
}

/// The request in an event. Its URI is path and query alone; the client's address, as the CDN tells
/// it, is an extension.
///
/// # Errors
///
/// [`EventError`]; [`EventError::Origin`] where no header [`ORIGIN`] has one of `secrets`.
pub fn request(event: &str, secrets: &[Secret]) -> Result<Request<Body>, EventError> {
    let event: Event = serde_json::from_str(event).map_err(|e| EventError::Shape(e.to_string()))?;
    let target = if event.raw_query_string.is_empty() {
        event.raw_path
    } else {
        format!("{}?{}", event.raw_path, event.raw_query_string)
    };
    if !target.starts_with('/') {
        return Err(EventError::Target("it does not start with `/`".to_owned()));
    }
    let uri: Uri = target.parse().map_err(|e| EventError::Target(format!("{e}")))?;
    let method = Method::from_bytes(event.request_context.http.method.as_bytes())
        .map_err(|e| EventError::Shape(e.to_string()))?;
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = uri;
    *request.method_mut() = method;
    let headers = request.headers_mut();
    for (name, value) in &event.headers {
        let wrong = || EventError::Header(name.chars().take(64).collect());
        let (name, value) = (HeaderName::try_from(name), HeaderValue::try_from(value));
        headers.append(name.map_err(|_| wrong())?, value.map_err(|_| wrong())?);
    }
    if !event.cookies.is_empty()
        && let Ok(cookies) = HeaderValue::try_from(event.cookies.join("; "))
    {
        headers.insert(header::COOKIE, cookies);
    }
    let presented = headers.remove(ORIGIN);
    if !presented.is_some_and(|value| is_known(value.as_bytes(), secrets)) {
        return Err(EventError::Origin);
    }
    let viewer = headers.remove(VIEWER);
    let viewer = viewer.as_ref().and_then(|value| value.to_str().ok());
    let source = viewer.unwrap_or(&event.request_context.http.source_ip);
    if let Ok(address) = source.parse::<IpAddr>() {
        request.extensions_mut().insert(ClientAddr(address));
    }
    let body = event.body.unwrap_or_default();
    let bytes = if event.is_base64_encoded {
        let decoded = base64::engine::general_purpose::STANDARD.decode(body);
        Bytes::from(decoded.map_err(|_| EventError::Body)?)
    } else {
        Bytes::from(body)
    };
    request.headers_mut().remove(header::TRANSFER_ENCODING);
    request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    *request.body_mut() = Body::from(bytes);
    Ok(request)
}

/// Whether `presented` is one of `secrets`; it takes as long for a near miss as for a far one.
fn is_known(presented: &[u8], secrets: &[Secret]) -> bool {
    use packhouse_core::digest::Digest;
    let hash = |bytes: &[u8]| *Digest::of(bytes).as_bytes();
    let presented = hash(presented);
    secrets.iter().any(|secret| {
        let held = hash(secret.reveal().as_bytes());
        held.iter().zip(presented).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn read(event: serde_json::Value) -> Result<Request<Body>, EventError> {
        request(&event.to_string(), &[Secret::new("another secret, for now"), Secret::new(SECRET)])
    }

    fn event(path: &str, query: &str) -> serde_json::Value {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
            "headers": { "host": "x.lambda-url.example", "x-packhouse-origin": SECRET, "accept": "*/*" },
            "requestContext": { "http": { "method": "GET", "path": path, "sourceIp": "192.0.2.7" },
                "stage": "$default" },
            "isBase64Encoded": false,
        })
    }

    #[test]
    fn a_request_comes_out_as_it_went_in() {
        let mut whole = event("/v1/package/acme/s%C3%A9nsor", "after=1&x=%20");
        whole["requestContext"]["http"]["method"] = json!("POST");
        whole["body"] = json!("AAEC/w==");
        whole["isBase64Encoded"] = json!(true);
        whole["cookies"] = json!(["a=1", "b=2"]);
        let request = read(whole).unwrap();
        assert_eq!(request.uri(), "/v1/package/acme/s%C3%A9nsor?after=1&x=%20");
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()["content-length"], "4");
        assert_eq!(request.headers()["cookie"], "a=1; b=2");
        assert_eq!(request.headers()["host"], "x.lambda-url.example");
        assert!(!request.headers().contains_key(ORIGIN), "nothing behind sees the secret");
        let address = request.extensions().get::<ClientAddr>().unwrap().0;
        assert_eq!(address.to_string(), "192.0.2.7");
    }

    #[test]
    fn the_cdn_says_who_asks() {
        for viewer in ["198.51.100.9", "2001:db8::1"] {
            let mut seen = event("/", "");
            seen["headers"][VIEWER] = json!(viewer);
            let request = read(seen).unwrap();
            assert_eq!(request.extensions().get::<ClientAddr>().unwrap().0.to_string(), viewer);
        }
    }

    #[test]
    fn what_did_not_come_through_the_cdn_is_refused() {
        for secret in [json!(null), json!(""), json!("0123456789abcdef0123456789abcdeX")] {
            let mut direct = event("/", "");
            match secret.as_str() {
                Some(text) => direct["headers"][ORIGIN] = json!(text),
                None => drop(direct["headers"].as_object_mut().unwrap().remove(ORIGIN)),
            }
            assert_eq!(read(direct).unwrap_err(), EventError::Origin);
        }
        let alone = request(&event("/", "").to_string(), &[]);
        assert_eq!(alone.unwrap_err(), EventError::Origin, "no secret is no open door");
    }

    #[test]
    fn malformed_events_are_errors_and_no_panics() {
        for host in ["", "a b", "[::1", "x:99999", "\u{0}"] {
            let mut odd = event("/", "");
            odd["headers"]["host"] = json!(host);
            odd["headers"]["x-forwarded-proto"] = json!("ht tp");
            let _ = read(odd);
        }
        assert!(matches!(read(event("/", "a b")), Err(EventError::Target(_))));
        assert!(matches!(read(event("", "")), Err(EventError::Target(_))));
        assert!(matches!(read(event("*", "")), Err(EventError::Target(_))));
        assert!(matches!(read(event("http://elsewhere/", "")), Err(EventError::Target(_))));
        let mut odd = event("/", "");
        odd["headers"]["a b"] = json!("c");
        assert_eq!(read(odd).unwrap_err(), EventError::Header("a b".to_owned()));
        let mut odd = event("/", "");
        odd["body"] = json!("no base64!");
        odd["isBase64Encoded"] = json!(true);
        assert_eq!(read(odd).unwrap_err(), EventError::Body);
        for shape in
            [json!(null), json!([]), json!({}), json!({ "requestContext": {} }), json!("x")]
        {
            assert!(matches!(read(shape), Err(EventError::Shape(_))));
        }
        let mut odd = event("/", "");
        odd["requestContext"]["http"]["method"] = json!("G E T");
        assert!(matches!(read(odd), Err(EventError::Shape(_))));
    }
}
