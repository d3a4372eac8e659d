//! The Lambda runtime API: processes of a function ask it for events and bring it their answers.

use std::collections::HashMap;
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::wire::{Message, answer};
use crate::registry::drain;

/// How long an invocation may take: what the functions are given on AWS.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How an invocation ended.
#[derive(Clone, Debug)]
pub enum Invoked {
    /// With an answer; whether it was streamed.
    Answered {
        /// What the process sent.
        body: Vec<u8>,
        /// `Lambda-Runtime-Function-Response-Mode: streaming`.
        streamed: bool,
    },
    /// With an error that the process reported.
    Failed(String),
    /// Not at all: the process ended, or took too long.
    Lost,
}

struct Invocation {
    id: u64,
    event: String,
    answer: Sender<Invoked>,
}

type Waiting = Mutex<HashMap<u64, Sender<Invoked>>>;

/// A function with its processes, which end with it.
pub struct Function {
    queue: Mutex<Sender<Invocation>>,
    next: AtomicU64,
    ended: Arc<AtomicBool>,
    children: Vec<Child>,
}

impl Function {
    /// Starts `processes` of the binary with this environment and no other.
    pub fn start(
        binary: &Path,
        environment: &[(String, String)],
        processes: usize,
        log: Arc<Mutex<String>>,
    ) -> Self {
        let (queue, events) = channel();
        let events = Arc::new(Mutex::new(events));
        let ended = Arc::new(AtomicBool::new(false));
        let children = (0..processes).map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
            let address = listener.local_addr().expect("an address").to_string();
            let (events, ended) = (Arc::clone(&events), Arc::clone(&ended));
            std::thread::spawn(move || serve(&listener, &events, &ended));
            let mut child = Command::new(binary)
                .env_clear()
                .envs(environment.iter().map(|(name, value)| (name, value)))
                .env("AWS_LAMBDA_RUNTIME_API", address)
                .env("AWS_LAMBDA_FUNCTION_NAME", "packhouse")
                .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
                .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the function starts");
            drain(child.stdout.take().expect("stdout is piped"), Arc::clone(&log));
            drain(child.stderr.take().expect("stderr is piped"), Arc::clone(&log));
            child
        });
        let children = children.collect();
        Self { queue: Mutex::new(queue), next: AtomicU64::new(1), ended, children }
    }

    /// Sends an event to a process that is free, and waits for its answer.
    pub fn invoke(&self, event: &str) -> Invoked {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = channel();
        let invocation = Invocation { id, event: event.to_owned(), answer };
        let sent = self.queue.lock().expect("the queue").send(invocation);
        if sent.is_err() {
            return Invoked::Lost;
        }
        answered.recv_timeout(TIMEOUT + Duration::from_secs(10)).unwrap_or(Invoked::Lost)
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Serves one process on all its connections.
fn serve(
    listener: &TcpListener,
    events: &Arc<Mutex<Receiver<Invocation>>>,
    ended: &Arc<AtomicBool>,
) {
    let waiting: Arc<Waiting> = Arc::default();
    let _ = listener.set_nonblocking(true);
    while !ended.load(Ordering::Acquire) {
        match listener.accept() {
            Ok((stream, _)) => {
                let _ = stream.set_nonblocking(false);
                let (events, waiting) = (Arc::clone(events), Arc::clone(&waiting));
                let ended = Arc::clone(ended);
                std::thread::spawn(move || connection(stream, &events, &waiting, &ended));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn connection(
    mut stream: TcpStream,
    events: &Mutex<Receiver<Invocation>>,
    waiting: &Waiting,
    ended: &AtomicBool,
) {
    let _ = stream.set_nodelay(true);
    let Ok(reading) = stream.try_clone() else { return };
    let mut reading = BufReader::new(reading);
    while let Some(request) = Message::read(&mut reading) {
        let (_, path) = request.target();
        let accepted = if path.ends_with("/invocation/next") {
            let Some(invocation) = next(events, ended) else { return };
            let deadline = SystemTime::now() + TIMEOUT;
            let deadline = deadline.duration_since(UNIX_EPOCH).expect("after 1970");
            let id = invocation.id.to_string();
            waiting.lock().expect("the invocations").insert(invocation.id, invocation.answer);
            answer(
                &mut stream,
                200,
                &[
                    ("content-type", "application/json"),
                    ("content-length", &invocation.event.len().to_string()),
                    ("lambda-runtime-aws-request-id", &id),
                    ("lambda-runtime-deadline-ms", &deadline.as_millis().to_string()),
                    ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:x:1:function:f"),
                    ("lambda-runtime-trace-id", "Root=1-0-0"),
                ],
                invocation.event.as_bytes(),
            )
        } else {
            let id = path.rsplit('/').nth(1).and_then(|id| id.parse().ok()).unwrap_or(0);
            if let Some(asked) = waiting.lock().expect("the invocations").remove(&id) {
                let streamed = request.header("lambda-runtime-function-response-mode");
                let streamed = streamed == Some("streaming");
                let broken = request.header("lambda-runtime-function-error-type").is_some();
                let text = || String::from_utf8_lossy(&request.body).into_owned();
                let _ = asked.send(match path.ends_with("/response") && !broken {
                    true => Invoked::Answered { body: request.body.clone(), streamed },
                    false => Invoked::Failed(text()),
                });
            }
            answer(&mut stream, 202, &[("content-length", "0")], b"")
        };
        if accepted.is_err() {
            return;
        }
    }
}

/// The next event for a process that asks for one.
fn next(events: &Mutex<Receiver<Invocation>>, ended: &AtomicBool) -> Option<Invocation> {
    while !ended.load(Ordering::Acquire) {
        let event = events.lock().expect("the queue").recv_timeout(Duration::from_millis(20));
        if let Ok(event) = event {
            return Some(event);
        }
    }
    None
}
