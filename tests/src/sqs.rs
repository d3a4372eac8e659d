//! SQS for tests: ministack, a server of its protocol, in a process of its own.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use packhouse_registry::ports::IntentId;
use packhouse_registry::ports::jobs::ATTEMPTS;

use crate::binary::root;
use crate::dynamodb::{ACCESS_KEY, SECRET_KEY};
use crate::registry::free_port;

/// A server that runs until it is dropped.
pub struct TestSqs {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl TestSqs {
    /// Starts a server without queues. `tests/run` installs it below `target/tools-aws`.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let port = free_port();
        let path = root().join("target/tools-aws/bin/ministack");
        let child = Command::new(&path)
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("IOT_MTLS_ENABLED", "0")
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}; `tests/run` installs it", path.display()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let started = Self { address, child, _folder: folder };
        let end = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "ministack does not answer on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A new queue as `template.yaml` makes it, with one beside it for what failed; its URL.
    pub async fn create_queue(&self) -> String {
        let client = client(&self.url());
        let name = IntentId::random().expect("randomness").to_string();
        let failed = client.create_queue().queue_name(format!("{name}-failed")).send().await;
        failed.expect("a queue can be made");
        let policy = format!(
            "{{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:000000000000:{name}-failed\",\
             \"maxReceiveCount\":\"{ATTEMPTS}\"}}"
        );
        let made = client
            .create_queue()
            .queue_name(name)
            .attributes(QueueAttributeName::RedrivePolicy, policy)
            .send();
        made.await.expect("a queue can be made").queue_url.expect("it has a URL")
    }
}

impl Drop for TestSqs {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits on a thread without a runtime.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// A client of the server at `endpoint`.
pub fn client(endpoint: &str) -> Client {
    let keys = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}
