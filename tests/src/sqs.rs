//! SQS for tests: ministack, a server of its protocol, in a process of its own.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::QueueAttributeName;
use packhouse_registry::ports::IntentId;
use packhouse_registry::ports::jobs::ATTEMPTS;

use crate::binary::root;
use crate::dynamodb::{ACCESS_KEY, SECRET_KEY};
use crate::registry::free_port;
use crate::server::ServerProcess;

/// A server that runs until it is dropped.
pub struct TestSqs {
    process: ServerProcess,
}

impl TestSqs {
    /// Starts a server without queues.
    pub fn start() -> Self {
        let (program, port) = (root().join("target/tools-aws/bin/ministack"), free_port());
        let process = ServerProcess::start(&program, port, |command, folder| {
            command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1");
            command.env("IOT_MTLS_ENABLED", "0").env("TMPDIR", folder);
        });
        Self { process }
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        self.process.url()
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
