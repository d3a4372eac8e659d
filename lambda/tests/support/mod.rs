//! Ledgers on real servers of DynamoDB's protocol.
#![allow(dead_code)] // each test file takes what it needs

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use packhouse_core::limits::Limits;
use packhouse_lambda::dynamo::{DynamoLedger, MemoryRecords, Records, create_table};
use packhouse_lambda::s3::{S3Blobs, S3Views};
use packhouse_lambda::views::{Drain, Drained, ViewCatalogue, ViewIndexFiles};
use packhouse_registry::app::{App, PublicUrl, Service, Settings};
use packhouse_registry::oidc::Verifier;
use packhouse_registry::ports::{IntentId, StoreResult, SystemClock};
use packhouse_registry::publish::Turns;
use packhouse_registry::read::Reads;
use packhouse_tests::dynamodb::{Server, TestDynamo, client};
use packhouse_tests::s3::{self, TestS3};
use tokio::time::Instant;
use tower::ServiceExt as _;

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
    let retries =
        RetryConfig::standard().with_max_attempts(4).with_initial_backoff(Duration::from_millis(5));
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

/// A registry as a function has it, on a table and a bucket.
pub(crate) struct Registry {
    pub(crate) ledger: Arc<DynamoLedger>,
    pub(crate) app: App,
    pub(crate) drain: Drain,
    router: packhouse_registry::router::Registry,
}

impl Registry {
    /// The registry on `store`, reached at `endpoint`, and on `s3`.
    pub(crate) fn new(store: &Store, endpoint: &str, s3: &TestS3) -> Self {
        let ledger = Arc::new(store.ledger_at(endpoint));
        let views = S3Views::new(s3_client(&s3.url(), keys()), s3::BUCKET);
        let catalogue = ViewCatalogue::new(views.clone(), ledger.clone());
        let index_files = ViewIndexFiles::new(views.clone());
        let app: App = Arc::new(Service {
            settings: Settings {
                public_url: PublicUrl::parse("https://packages.example.org").unwrap(),
                files_url: None,
                private: false,
                open: false,
                loopback_only: false,
                limits: Limits::default(),
                motd: None,
                github_app: None,
            },
            ledger: ledger.clone(),
            blobs: Arc::new(blobs_on(s3)),
            clock: Arc::new(SystemClock),
            verifier: Verifier::default(),
            turns: Turns::default(),
            webhook: None,
            ecosystems: Default::default(),
            reads: Reads::default().with_views(catalogue, index_files),
        });
        let drain = Drain::new(app.clone(), views);
        let router = packhouse_registry::router::router(app.clone(), axum::Router::new());
        Self { ledger, app, drain, router }
    }

    /// Drains all that there is.
    pub(crate) async fn drain(&self) -> StoreResult<Drained> {
        self.drain.run(BTreeSet::new(), Instant::now() + Duration::from_secs(600)).await
    }

    /// Answers a GET as a function does, without its cache of answers.
    pub(crate) async fn get(&self, path: &str) -> (u16, Vec<u8>) {
        self.ledger.refresh().await.unwrap();
        let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let Ok(response) = self.router.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 64 << 20).await.unwrap();
        (status, body.to_vec())
    }

    /// The JSON that a GET answers.
    pub(crate) async fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }
}
