//! A proxy in front of a DynamoDB server: it counts requests by their operation, and brings about
//! what no such server does by itself: lost requests, lost answers, throttling, conflicts of
//! transactions, batches that are answered in part.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection breaks before the server has it.
    NotReached,
    /// The server carries it out, and the answer gets lost.
    AnswerLost,
    /// The server is asked after a while.
    Slow(Duration),
    /// The server is not asked; this exception is the answer, by the name in DynamoDB's reference.
    Exception(&'static str),
    /// A `TransactWriteItems` is cancelled with this reason for its first action.
    Cancelled(&'static str),
    /// A `BatchGetItem` answers that it got to none of its keys.
    Unprocessed,
}

/// A request as the proxy saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its place among all requests, from 0.
    pub number: usize,
    /// `GetItem`, `TransactWriteItems`, ...
    pub operation: String,
    /// Bytes of the request.
    pub sent: usize,
}

type Plan = Box<dyn FnMut(&Seen) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    plan: Option<Plan>,
}

/// A proxy that runs until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl Proxy {
    /// Stands in front of the server at `upstream` (`127.0.0.1:8000`).
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (held, ends) = (Arc::clone(&state), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                let state = Arc::clone(&held);
                std::thread::spawn(move || serve(client, upstream, &state));
            }
        });
        Self { address, state, stopped }
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets `plan` say of every request from now on what becomes of it.
    pub fn plan(&self, plan: impl FnMut(&Seen) -> Option<Fault> + Send + 'static) {
        lock(&self.state).plan = Some(Box::new(plan));
    }

    /// Only the request with this number, counted from now on, suffers.
    pub fn fail_nth(&self, number: usize, fault: Fault) {
        self.forget();
        self.plan(move |seen| (seen.number == number).then(|| fault.clone()));
    }

    /// No more faults.
    pub fn calm(&self) {
        lock(&self.state).plan = None;
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state).seen.clone()
    }

    /// Forgets the requests so far; the next one has number 0.
    pub fn forget(&self) {
        lock(&self.state).seen.clear();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection of a client, until either side ends it.
fn serve(client: TcpStream, upstream: SocketAddr, state: &Mutex<State>) {
    let _ = client.set_nodelay(true);
    let Ok(mut answers) = client.try_clone() else { return };
    let mut requests = BufReader::new(client);
    let mut server: Option<BufReader<TcpStream>> = None;
    while let Some(request) = message(&mut requests) {
        let operation = header(&request.head, "x-amz-target").unwrap_or_default();
        let operation = operation.rsplit('.').next().unwrap_or_default().to_owned();
        let fault = {
            let mut state = lock(state);
            let seen = Seen { number: state.seen.len(), operation, sent: request.body.len() };
            state.seen.push(seen.clone());
            state.plan.as_mut().and_then(|plan| plan(&seen))
        };
        let made_up = match &fault {
            Some(Fault::NotReached) => return,
            Some(Fault::Exception(name)) => Some((400, exception(name))),
            Some(Fault::Cancelled(code)) => Some((400, cancelled(code, &request.body))),
            Some(Fault::Unprocessed) => Some((200, unprocessed(&request.body))),
            Some(Fault::Slow(time)) => {
                std::thread::sleep(*time);
                None
            }
            Some(Fault::AnswerLost) | None => None,
        };
        let answer = match made_up {
            Some((status, body)) => http(status, &body),
            None => {
                let Some(answer) = forward(&mut server, upstream, &request) else { return };
                answer
            }
        };
        if matches!(fault, Some(Fault::AnswerLost)) || answers.write_all(&answer).is_err() {
            return;
        }
    }
}

struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    fn bytes(&self) -> Vec<u8> {
        [self.head.as_bytes(), &self.body].concat()
    }
}

/// One message with a `Content-Length`; `None` at the end.
fn message(from: &mut BufReader<TcpStream>) -> Option<Message> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = header(&head, "content-length").and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).ok()?;
    Some(Message { head, body })
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut named = lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    named.next().map(|(_, value)| value.trim().to_owned())
}

fn forward(
    server: &mut Option<BufReader<TcpStream>>,
    upstream: SocketAddr,
    request: &Message,
) -> Option<Vec<u8>> {
    // A server may close a connection that rested: then there is a fresh one.
    for _ in 0..2 {
        let connection = match server.as_mut() {
            Some(connection) => connection,
            None => {
                let fresh = TcpStream::connect(upstream).ok()?;
                let _ = fresh.set_nodelay(true);
                server.insert(BufReader::new(fresh))
            }
        };
        let sent = connection.get_mut().write_all(&request.bytes()).is_ok();
        if let Some(answer) = sent.then(|| message(connection)).flatten() {
            return Some(answer.bytes());
        }
        *server = None;
    }
    None
}

fn http(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let kind = "application/x-amz-json-1.0";
    let length = body.len();
    format!("HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn exception(name: &str) -> Value {
    json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{name}"), "message": "planned" })
}

fn cancelled(code: &str, request: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(request).expect("the request is JSON");
    let actions = request["TransactItems"].as_array().map_or(0, Vec::len);
    let reasons: Vec<Value> =
        (0..actions).map(|n| json!({ "Code": if n == 0 { code } else { "None" } })).collect();
    let mut answer = exception("TransactionCanceledException");
    answer["CancellationReasons"] = json!(reasons);
    answer
}

fn unprocessed(request: &[u8]) -> Value {
    let request: Value = serde_json::from_slice(request).expect("the request is JSON");
    json!({ "Responses": {}, "UnprocessedKeys": request["RequestItems"] })
}
