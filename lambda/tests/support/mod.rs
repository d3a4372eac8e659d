//! Ledgers on real servers of DynamoDB's protocol.
#![allow(dead_code)] // each test file takes what it needs

use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use packhouse_lambda::dynamo::{DynamoLedger, MemoryRecords, Records, create_table};
use packhouse_registry::ports::IntentId;
use packhouse_tests::dynamodb::{ACCESS_KEY, SECRET_KEY, Server, TestDynamo};

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

/// A client of the server at `endpoint`.
pub(crate) fn client(endpoint: &str) -> Client {
    let keys = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests");
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}
