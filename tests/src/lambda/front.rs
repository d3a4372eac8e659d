//! The CDN with the function URLs behind it: HTTP requests become events, answers become HTTP.

use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::ORIGIN_SECRET;
use super::queue::Queue;
use super::runtime::{Function, Invoked};
use super::wire::{Message, answer};

/// What stands behind the CDN, and beside it.
pub(super) struct Functions {
    pub(super) read: Function,
    pub(super) publish: Function,
    pub(super) worker: Function,
    pub(super) queue: Queue,
}

/// A server that listens until it is dropped; without functions it answers 502.
pub(super) struct Front {
    address: SocketAddr,
    functions: Arc<RwLock<Option<Functions>>>,
    ended: Arc<std::sync::atomic::AtomicBool>,
}

impl Front {
    pub(super) fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let functions: Arc<RwLock<Option<Functions>>> = Arc::default();
        let ended = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (held, stops) = (Arc::clone(&functions), Arc::clone(&ended));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stops.load(std::sync::atomic::Ordering::Acquire) {
                    return;
                }
                let functions = Arc::clone(&held);
                std::thread::spawn(move || serve(client, &functions));
            }
        });
        Self { address, functions, ended }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends an event to the worker.
    pub(super) fn work(&self, event: &str) -> Invoked {
        let functions = self.functions.read().expect("the functions");
        functions.as_ref().map_or(Invoked::Lost, |functions| functions.worker.invoke(event))
    }

    /// Sends requests to these functions from now on; the earlier ones end.
    pub(super) fn serve(&self, functions: Option<Functions>) {
        *self.functions.write().expect("the functions") = functions;
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.ended.store(true, std::sync::atomic::Ordering::Release);
        let _ = TcpStream::connect(self.address);
        self.serve(None);
    }
}

fn serve(mut client: TcpStream, functions: &RwLock<Option<Functions>>) {
    let _ = client.set_nodelay(true);
    let Ok(reading) = client.try_clone() else { return };
    let peer = client.peer_addr().map_or_else(|_| String::new(), |peer| peer.ip().to_string());
    let mut reading = BufReader::new(reading);
    while let Some(request) = Message::read(&mut reading) {
        let (method, _) = request.target();
        let reads = matches!(method, "GET" | "HEAD" | "OPTIONS");
        let event = event(&request, &peer).to_string();
        let invoked = {
            let functions = functions.read().expect("the functions");
            match functions.as_ref() {
                None => Invoked::Lost,
                Some(functions) if reads => functions.read.invoke(&event),
                Some(functions) => {
                    let invoked = functions.publish.invoke(&event);
                    functions.queue.deliver(&functions.worker);
                    invoked
                }
            }
        };
        let bodiless = method == "HEAD";
        if respond(&mut client, invoked, bodiless).is_err() {
            return;
        }
    }
}

/// The event of a function URL (payload format 2.0) for a request.
fn event(request: &Message, peer: &str) -> Value {
    let (method, target) = request.target();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &request.headers {
        let joined = match headers.get(name) {
            Some(before) => format!("{},{value}", before.as_str().unwrap_or_default()),
            None => value.clone(),
        };
        headers.insert(name.clone(), json!(joined));
    }
    headers.remove("transfer-encoding");
    headers.insert("host".to_owned(), json!("abc.lambda-url.us-east-1.on.aws"));
    headers.insert("x-packhouse-origin".to_owned(), json!(ORIGIN_SECRET));
    headers.insert("x-packhouse-viewer".to_owned(), json!(peer));
    headers.insert("x-forwarded-proto".to_owned(), json!("https"));
    headers.insert("x-forwarded-port".to_owned(), json!("443"));
    let text = std::str::from_utf8(&request.body);
    let is_text = text.is_ok() && request.header("content-type") == Some("application/json");
    let body =
        if is_text { text.unwrap_or_default().to_owned() } else { BASE64.encode(&request.body) };
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.us-east-1.on.aws",
            "domainPrefix": "abc",
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.1", "userAgent": request.header("user-agent") },
            "requestId": "b3d4",
            "routeKey": "$default",
            "stage": "$default",
            "time": "26/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_795_694_400_000_u64,
        },
        "body": body,
        "isBase64Encoded": !is_text,
    })
}

/// Writes what the function answered: a JSON prelude, eight zero bytes, and the body.
fn respond(client: &mut TcpStream, invoked: Invoked, bodiless: bool) -> std::io::Result<()> {
    let Invoked::Answered { body, streamed: true } = invoked else {
        let text = format!("{invoked:?}");
        return answer(
            client,
            502,
            &[("content-length", &text.len().to_string())],
            text.as_bytes(),
        );
    };
    let split = body.windows(8).position(|bytes| bytes == [0; 8]).unwrap_or(body.len());
    let prelude: Value = serde_json::from_slice(&body[..split]).unwrap_or_default();
    let content = body.get(split + 8..).unwrap_or_default();
    let status = prelude["statusCode"].as_u64().unwrap_or(502) as u16;
    let mut headers: Vec<(String, String)> = Vec::new();
    for (name, value) in prelude["headers"].as_object().into_iter().flatten() {
        let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        headers.extend(
            values.iter().map(|v| (name.clone(), v.as_str().unwrap_or_default().to_owned())),
        );
    }
    // The CDN says when it answers.
    let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default();
    if let Ok(date) = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
        headers.push(("date".to_owned(), date));
    }
    let unsaid = !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    if unsaid && !matches!(status, 204 | 304) {
        headers.push(("content-length".to_owned(), content.len().to_string()));
    }
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    answer(client, status, &headers, if bodiless { b"" } else { content })
}
