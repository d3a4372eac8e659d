//! S3 for tests: its protocol with signatures, checksums and conditions really checked (by `s3s`),
//! over a bucket in memory that keeps versions and decides conditions atomically.

mod bucket;
mod service;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

use bucket::Bucket;
pub use bucket::Version;

/// The access key that the server knows: a function has one for all of AWS.
pub use crate::dynamodb::{ACCESS_KEY, SECRET_KEY};
/// The one bucket.
pub const BUCKET: &str = "packhouse-tests";

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused with `SlowDown` before anything is done.
    SlowDown,
    /// Done, and answered with `InternalError`.
    AnswerLost,
    /// Done after a while.
    Slow(Duration),
    /// Refused with `ConditionalRequestConflict`, as S3 does to writers of one key at one time.
    Conflict,
}

type Plan = Box<dyn FnMut(&str, &str) -> Option<Fault> + Send>;

/// What the server was asked, and what it is to do wrong.
#[derive(Default)]
struct State {
    bucket: Bucket,
    seen: Vec<(String, String)>,
    plan: Option<Plan>,
}

/// A server that runs until it is dropped.
pub struct TestS3 {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl TestS3 {
    /// Starts a server with the empty bucket [`BUCKET`].
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let mut builder = S3ServiceBuilder::new(service::Service::new(Arc::clone(&state)));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket that does not block");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let service = service.clone();
                tokio::spawn(async move {
                    let server = auto::Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { address, state, runtime: Some(runtime) }
    }

    /// Its endpoint, for clients with path-style addresses.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets `plan` say of every (operation, key) from now on what becomes of it.
    pub fn plan(&self, plan: impl FnMut(&str, &str) -> Option<Fault> + Send + 'static) {
        lock(&self.state).plan = Some(Box::new(plan));
    }

    /// Only the next request with this operation suffers.
    pub fn fail_next(&self, operation: &'static str, fault: Fault) {
        let mut left = Some(fault);
        self.plan(move |asked, _| (asked == operation).then(|| left.take()).flatten());
    }

    /// No more faults.
    pub fn calm(&self) {
        lock(&self.state).plan = None;
    }

    /// (operation, key) of every request since the last time that this was asked.
    pub fn seen(&self) -> Vec<(String, String)> {
        std::mem::take(&mut lock(&self.state).seen)
    }

    /// Puts a new version of an object behind the registry's back.
    pub fn overwrite(&self, key: &str, bytes: &[u8]) {
        lock(&self.state).bucket.overwrite(key, bytes.to_vec().into());
    }

    /// Keys with an object, ascending.
    pub fn keys(&self) -> Vec<String> {
        lock(&self.state).bucket.keys()
    }

    /// The object at a key as it is now.
    pub fn object(&self, key: &str) -> Option<Version> {
        lock(&self.state).bucket.newest(key).cloned()
    }
}

impl Drop for TestS3 {
    /// In the background: a test may end inside a runtime of its own.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
