//! Ledgers on real servers of DynamoDB's protocol.
#![allow(dead_code)] // each test file takes what it needs

use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use packhouse_lambda::dynamo::{DynamoLedger, MemoryRecords, Records, create_table};
use packhouse_lambda::s3::S3Blobs;
use packhouse_registry::ports::IntentId;
use packhouse_tests::dynamodb::{Server, TestDynamo, client};
use packhouse_tests::s3::{self, TestS3};

/// A table on a server, and what lies beside it.
pub(crate) struct Store {
    pub(crate) server: Arc<TestDynamo>,
    pub(crate) table: String,
    pub(crate) records: Arc<dyn Records>,
}

impl Store {
    /// An empty table on a server that the tests of one file share.
    pub(crate) async fn on(server: Server) -> Self {
        let server = shared(server);
        let table = format!("packhouse-{}", IntentId::random().unwrap());
        create_table(&client(&server.url()), &table).await.unwrap();
        Self { server, table, records: Arc::new(MemoryRecords::default()) }
    }

    /// A ledger as one more function would have it.
    pub(crate) fn ledger(&self) -> DynamoLedger {
        self.ledger_at(&self.server.url())
    }

    /// A ledger that reaches the table at this endpoint.
    pub(crate) fn ledger_at(&self, endpoint: &str) -> DynamoLedger {
        DynamoLedger::new(&client(endpoint), self.table.clone(), Arc::clone(&self.records))
    }
}

/// The running server of this kind, or a fresh one; it ends with its last user.
fn shared(kind: Server) -> Arc<TestDynamo> {
    static SHARED: [Mutex<Weak<TestDynamo>>; 2] =
        [Mutex::new(Weak::new()), Mutex::new(Weak::new())];
    let place = usize::from(kind == Server::Dynoxide);
    let mut held = SHARED[place].lock().unwrap_or_else(PoisonError::into_inner);
    held.upgrade().unwrap_or_else(|| {
        let started = Arc::new(TestDynamo::start(kind));
        *held = Arc::downgrade(&started);
        started
    })
}

/// Blobs in the bucket of a server.
pub(crate) fn blobs_on(server: &TestS3) -> S3Blobs {
    let keys = keys();
    S3Blobs::new(s3_client(&server.url(), keys.clone()), keys, s3::BUCKET)
}

/// The keys that the S3 server knows.
pub(crate) fn keys() -> SharedCredentialsProvider {
    let keys = Credentials::new(s3::ACCESS_KEY, s3::SECRET_KEY, None, None, "tests");
    SharedCredentialsProvider::new(keys)
}

/// A client of the S3 server at `endpoint`.
pub(crate) fn s3_client(endpoint: &str, keys: SharedCredentialsProvider) -> aws_sdk_s3::Client {
    let retries = RetryConfig::standard()
        .with_max_attempts(4)
        .with_initial_backoff(std::time::Duration::from_millis(5));
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        .endpoint_url(endpoint)
        .force_path_style(true)
        .retry_config(retries)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
