//! The registry on AWS, as far as it runs here: the real `bootstrap` in processes of its own, driven
//! through the Lambda runtime API, over servers of DynamoDB's and S3's protocols.
//!
//! [`front`] plays the CDN and the function URLs, [`queue`] brings the worker its jobs, [`runtime`] is what
//! Lambda does with a process.

mod front;
mod queue;
mod runtime;
pub mod wire;

use std::sync::{Arc, Mutex};

use packhouse_core::secret::Secret;
use packhouse_registry::auth::ApiToken;

use crate::binary;
use crate::dynamodb::{self, Server, TestDynamo};
use crate::s3::{self, TestS3};
use crate::sqs::{self, TestSqs};
use front::{Front, Functions};
use queue::Queue;
pub use runtime::{Function, Invoked};

/// What the CDN proves itself with.
pub const ORIGIN_SECRET: &str = "the-secret-between-cdn-and-function";
/// Processes of one function: each has one request at a time.
const CONCURRENCY: usize = 4;

/// A registry on AWS for one test.
pub struct AwsRegistry {
    /// The ledger's server.
    pub dynamo: TestDynamo,
    /// The blobs' server.
    pub s3: TestS3,
    /// The jobs' server.
    pub sqs: TestSqs,
    queue: String,
    table: String,
    admin: ApiToken,
    log: Arc<Mutex<String>>,
    front: Front,
}

/// How the functions are configured.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The issuer beside GitHub's.
    pub issuer: String,
    /// More variables.
    pub environment: Vec<(String, String)>,
}

impl AwsRegistry {
    /// Starts the stores and the functions.
    pub fn start(settings: &Settings) -> Self {
        let dynamo = TestDynamo::start(Server::ExtendDb);
        let table = "packhouse".to_owned();
        dynamo.create_table(&table);
        let s3 = TestS3::start();
        let sqs = TestSqs::start();
        let queue = sqs::wait(sqs.create_queue());
        let admin = ApiToken::random().expect("a token");
        let log = Arc::new(Mutex::new(String::new()));
        let front = Front::bind();
        let mut started = Self { dynamo, s3, sqs, queue, table, admin, log, front };
        started.restart(settings);
        started
    }

    /// Starts the functions anew on the same stores, as a deployment does.
    pub fn restart(&mut self, settings: &Settings) {
        self.front.serve(None);
        let function = |role| self.function(role, settings);
        self.front.serve(Some(Functions {
            read: function("read"),
            publish: function("publish"),
            worker: function("worker"),
            queue: Queue::new(&self.sqs.url(), &self.queue),
        }));
    }

    /// One more function on the same stores.
    pub fn function(&self, role: &str, settings: &Settings) -> Function {
        let concurrency = if role == "worker" { 1 } else { CONCURRENCY };
        let environment = self.environment(role, settings);
        Function::start(binary::bootstrap(), &environment, concurrency, Arc::clone(&self.log))
    }

    /// The environment of a function.
    pub fn environment(&self, role: &str, settings: &Settings) -> Vec<(String, String)> {
        let mut all = [
            ("PACKHOUSE_ROLE", role.to_owned()),
            ("PACKHOUSE_TABLE", self.table.clone()),
            ("PACKHOUSE_BUCKET", s3::BUCKET.to_owned()),
            ("PACKHOUSE_QUEUE_URL", self.queue.clone()),
            ("PACKHOUSE_PUBLIC_URL", self.url()),
            ("PACKHOUSE_ORIGIN_SECRET", ORIGIN_SECRET.to_owned()),
            ("PACKHOUSE_ADMIN_TOKEN_SHA256", self.admin.sha256().hex()),
            ("PACKHOUSE_ISSUERS", settings.issuer.clone()),
            ("PACKHOUSE_S3_PATH_STYLE", "true".to_owned()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamo.url()),
            ("AWS_ENDPOINT_URL_S3", self.s3.url()),
            ("AWS_ENDPOINT_URL_SQS", self.sqs.url()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", dynamodb::ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", dynamodb::SECRET_KEY.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
        all.extend(settings.environment.iter().cloned());
        all
    }

    /// Sends an event to the worker; its answer.
    pub fn work(&self, event: &str) -> serde_json::Value {
        match self.front.work(event) {
            Invoked::Answered { body, .. } => serde_json::from_slice(&body).expect("JSON"),
            other => panic!("the worker: {other:?}"),
        }
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        self.front.url()
    }

    /// The operator's first token.
    pub fn admin_token(&self) -> Secret {
        self.admin.secret()
    }

    /// All that the functions logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }
}
