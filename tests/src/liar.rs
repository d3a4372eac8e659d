//! A server on a free loopback port that answers whatever a test tells it to: a hostile registry, a
//! bad network in front of a real one, a stranger's host.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether it carries any credential: in its headers, its path or its body.
    pub fn has_credential(&self, secrets: &[&str]) -> bool {
        let text = format!("{self:?}{}", String::from_utf8_lossy(&self.body));
        self.header("authorization").is_some()
            || self.header("cookie").is_some()
            || secrets.iter().any(|secret| text.contains(secret))
    }
}

/// What is answered.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status; 0 closes the connection without a word.
    pub status: u16,
    /// Headers, `content-length` excepted.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The length that is announced, where it is not the body's.
    pub announced: Option<u64>,
    /// Only so many bytes of the body are sent.
    pub cut: Option<usize>,
    /// How long the connection then stands still before it is closed.
    pub hang: Duration,
    /// The body is repeated for ever, without a length.
    pub endless: bool,
}

impl Reply {
    /// An answer without headers of its own.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

/// The server; it listens as long as the process lives.
pub struct Liar {
    /// Where it is reached.
    pub url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Arc<Answer>>>,
}

impl Liar {
    /// Starts a server that answers with `answer`, which runs once for each request.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Mutex<Arc<Answer>>> = Arc::new(Mutex::new(Arc::new(answer)));
        let (log, say) = (seen.clone(), answer.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, say) = (log.clone(), say.clone());
                std::thread::spawn(move || serve(stream, &log, &say));
            }
        });
        Self { url, seen, answer }
    }

    /// Answers otherwise from now on.
    pub fn say(&self, answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.answer.lock().expect("the answer") = Arc::new(answer);
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().expect("the log").clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.seen.lock().expect("the log").clear();
    }

    /// Waits until `count` requests came; `false` after 20 seconds.
    pub fn wait_for(&self, count: usize) -> bool {
        for _ in 0..4000 {
            if self.seen().len() >= count {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

/// What the server at `to` answers to `request`.
pub fn forward(to: &str, request: &Request) -> Reply {
    let mut call = ureq::http::Request::builder()
        .method(request.method.as_str())
        .uri(format!("{to}{}", request.path));
    let hop = ["host", "connection", "content-length", "accept-encoding"];
    for (name, value) in request.headers.iter().filter(|(name, _)| !hop.contains(&name.as_str())) {
        call = call.header(name, value);
    }
    let agent = crate::http::agent();
    let answer = match &request.body[..] {
        [] if request.method == "GET" => agent.run(call.body(()).expect("the request is one")),
        body => agent.run(call.body(body).expect("the request is one")),
    };
    let Ok(answer) = answer else { return Reply::default() };
    let (parts, body) = answer.into_parts();
    let drop = ["connection", "content-length", "transfer-encoding"];
    let headers = parts.headers.iter().filter(|(name, _)| !drop.contains(&name.as_str()));
    Reply {
        status: parts.status.as_u16(),
        headers: headers
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect(),
        body: crate::registry::read_all(body.into_reader()),
        ..Reply::default()
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Request>>, say: &Mutex<Arc<Answer>>) {
    let Ok(copy) = stream.try_clone() else { return };
    let mut reader = BufReader::new(copy);
    let Some(request) = read(&mut reader) else { return };
    log.lock().expect("the log").push(request.clone());
    let answer = say.lock().expect("the answer").clone();
    let reply = answer(&request);
    let mut stream = stream;
    // The client may be gone; that is its business.
    let _ = write(&mut stream, &request, &reply);
    std::thread::sleep(reply.hang);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
    let _ = stream.read(&mut [0; 64]); // lets the client read before the socket is gone
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request { method, path, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}

fn write(stream: &mut TcpStream, request: &Request, reply: &Reply) -> std::io::Result<()> {
    if reply.status == 0 {
        return Ok(());
    }
    write!(stream, "HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status)?;
    for (name, value) in &reply.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    if reply.endless {
        stream.write_all(b"\r\n")?;
        loop {
            stream.write_all(&reply.body)?;
        }
    }
    let length = reply.announced.unwrap_or(reply.body.len() as u64);
    write!(stream, "content-length: {length}\r\n\r\n")?;
    if request.method != "HEAD" {
        let sent = reply.cut.unwrap_or(reply.body.len()).min(reply.body.len());
        stream.write_all(&reply.body[..sent])?;
    }
    stream.flush()
}
