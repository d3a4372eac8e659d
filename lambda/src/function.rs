//! What a function does with one event.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use axum::response::{IntoResponse as _, Response};
use http::Method;
use jiff::SignedDuration;
use packhouse_core::api::ErrorCode;
use packhouse_forge::{github, review};
use packhouse_registry::advisories::{self, Scope};
use packhouse_registry::app::{App, Service, Settings};
use packhouse_registry::compat::{self, Ecosystems};
use packhouse_registry::error::ApiError;
use packhouse_registry::log;
use packhouse_registry::oidc::{Issuer, Verifier};
use packhouse_registry::ports::{
    Action, Job, Jobs as _, Ledger as _, PullRequest, StoreError, StoreResult, SystemClock,
    TokenRecord,
};
use packhouse_registry::publish::Turns;
use packhouse_registry::read::Reads;
use packhouse_registry::router::{Registry, router};
use packhouse_registry::webhook::Webhook;
use packhouse_registry::work;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::access_logs;
use crate::aws;
use crate::config::{Config, Role};
use crate::dynamo::{DynamoLedger, DynamoTurns};
use crate::event::{self, EventError};
use crate::jobs::{Asked, SqsJobs};
use crate::observe::Line;
use crate::s3::{S3Advisories, S3Blobs, S3Logs, S3Records, S3Views};
use crate::views::{Drain, ViewCatalogue, ViewIndexFiles};

/// What is left of a function's time when it gives up: enough to say so.
const MARGIN: Duration = Duration::from_millis(500);
/// How long the operator's first token lives.
const FIRST_TOKEN_DAYS: i64 = 366;
/// What a worker leaves of its time when it starts no further portion of views: a base of 100,000
/// packages takes seconds.
const VIEWS_MARGIN: Duration = Duration::from_secs(30);
/// What it leaves when it gives a review up, to say so.
const REVIEW_MARGIN: Duration = Duration::from_secs(2);
/// Where the CDN's logs lie in their bucket.
const LOGS: &str = "cdn/";
/// How old a log may be that is counted: CloudFront may deliver late, and hours may fail.
const LOGS_BACK: SignedDuration = SignedDuration::from_hours(6);
/// How long an answer may wait for its job to be queued. The schedule does what got lost.
const QUEUEING: Duration = Duration::from_secs(1);

/// A function: the registry on its stores.
pub struct Function {
    config: Config,
    ledger: Arc<DynamoLedger>,
    app: App,
    registry: Registry,
    jobs: Option<SqsJobs>,
    drain: Drain,
    logs: Option<S3Logs>,
    advisories: S3Advisories,
    warm: AtomicBool,
}

/// A function has no disk and no `git`: it reads repositories by their archives.
fn compose(config: &Config) -> compat::compose::Setup {
    let sources = github::GitHubSources::new(&config.github_api, &config.limits);
    compat::compose::Setup { sources: Some(Arc::new(sources)), as_code: config.compose_as_code }
}

impl Function {
    /// Connects what the role needs. Nothing is asked of the stores yet.
    ///
    /// # Errors
    ///
    /// Where TLS cannot be set up.
    pub async fn new(config: Config) -> anyhow::Result<Self> {
        let (shared, keys) = aws::configuration().await?;
        let dynamo = aws_sdk_dynamodb::Client::new(&shared);
        let s3 = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(config.path_style)
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(Duration::from_secs(3))
                    .operation_timeout(Duration::from_secs(7))
                    .build(),
            )
            .build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let records = Arc::new(S3Records::new(s3.clone(), config.bucket.clone()));
        let ledger = Arc::new(DynamoLedger::new(&dynamo, config.table.clone(), records));
        let logs = config.log_bucket.as_ref();
        let logs = logs.map(|bucket| S3Logs::new(s3.clone(), bucket, LOGS));
        let views = S3Views::new(s3.clone(), config.bucket.clone());
        let advisories = S3Advisories::new(s3.clone(), config.bucket.clone());
        let catalogue = ViewCatalogue::new(views.clone(), ledger.clone());
        let blobs = Arc::new(S3Blobs::new(s3, keys, config.bucket.clone()));
        let queue = config.queue.as_ref();
        let jobs = queue.map(|url| SqsJobs::new(aws_sdk_sqs::Client::new(&shared), url));
        let webhook = jobs.clone().filter(|_| !config.webhook_secrets.is_empty());
        let webhook = webhook
            .map(|jobs| Webhook { secrets: config.webhook_secrets.clone(), jobs: Arc::new(jobs) });
        let mut issuers = vec![Issuer::github()];
        issuers.extend(config.issuers.iter().cloned());
        let settings = Settings {
            public_url: config.public_url.clone(),
            files_url: config.files_url.clone(),
            private: config.private,
            open: false,
            loopback_only: false,
            limits: config.limits.clone(),
            motd: config.motd.clone(),
            github_app: config.github_app,
        };
        let app: App = Arc::new(Service {
            settings,
            ledger: ledger.clone(),
            blobs,
            clock: Arc::new(SystemClock),
            verifier: Verifier::new(issuers),
            turns: Turns::default(),
            webhook,
            ecosystems: Ecosystems { compose: compose(&config), fppm: config.fppm.clone() },
            reads: Reads::default()
                .with_views(catalogue, ViewIndexFiles::new(views.clone()))
                .with_turns(DynamoTurns::new(&dynamo, config.table.clone())),
        });
        let drain = Drain::new(app.clone(), views);
        let packs = "functions keep no packs: they have no disk and start no programs";
        let beside = packhouse_registry::compat::attune::without(packs);
        let registry = router(app.clone(), beside);
        let warm = AtomicBool::new(false);
        Ok(Self { config, ledger, app, registry, jobs, drain, logs, advisories, warm })
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.config.role
    }

    /// Registers the operator's first token, whose hash the stack was given. One that is known, and
    /// one that was revoked, stays as it is.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn register_admin_token(&self) -> StoreResult<()> {
        let Some(sha256) = self.config.admin_token else { return Ok(()) };
        if self.ledger.token(&sha256).await?.is_some() {
            return Ok(());
        }
        let now = self.app.clock.now();
        let life = SignedDuration::from_hours(24 * FIRST_TOKEN_DAYS);
        let record = TokenRecord {
            id: sha256.hex()[..12].to_owned(),
            sha256,
            label: "first operator".to_owned(),
            prefix: String::new(),
            actions: vec![Action::Read, Action::Publish, Action::Yank, Action::List, Action::Admin],
            created_at: now,
            expires_at: now.checked_add(life).unwrap_or(now),
            revoked_at: None,
        };
        self.ledger.put_token(&record).await
    }

    /// Answers the event of a function URL, in time.
    pub async fn answer(
        &self,
        event: &str,
        aws_request_id: &str,
        deadline: SystemTime,
    ) -> Response {
        let started = Instant::now();
        let cold = !self.warm.swap(true, Ordering::AcqRel);
        let (method, path, response) = match event::request(event, &self.config.origin_secrets) {
            Ok(request) => {
                let (method, path) = (request.method().clone(), request.uri().path().to_owned());
                let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
                let work = self.handle(request);
                let answer = tokio::time::timeout(left.saturating_sub(MARGIN), work).await;
                let response = answer.unwrap_or_else(|_| {
                    ApiError::new(
                        ErrorCode::Unavailable,
                        "the registry's stores took too long",
                        "try again in a few seconds; repeating a publish is safe",
                    )
                    .retry_after(2)
                    .into_response()
                });
                (method, path, response)
            }
            Err(error) => (Method::GET, "?".to_owned(), refused(&error)),
        };
        let response = packhouse_registry::compat::shaped(&path, response).await;
        let request_id = response.headers().get("x-request-id");
        Line {
            role: self.config.role,
            method: method.as_str(),
            path: &path,
            status: response.status().as_u16(),
            took: started.elapsed(),
            cold,
            request_id: request_id.and_then(|id| id.to_str().ok()).unwrap_or_default(),
            aws_request_id,
            at_ms: self.app.clock.now().as_millisecond(),
        }
        .write();
        response
    }

    async fn handle(&self, request: http::Request<axum::body::Body>) -> Response {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if self.config.role == Role::Read && !reads {
            let message = format!("this function only reads, and was sent {}", request.method());
            let help = "send it to the registry's address, which knows where it belongs";
            return ApiError::new(ErrorCode::BadRequest, message, help).into_response();
        }
        if let Err(error) = self.ledger.refresh().await {
            return ApiError::from(error).into_response();
        }
        let newest = self.ledger.newest_event();
        let Ok(response) = self.registry.clone().oneshot(request).await;
        if self.ledger.newest_event() != newest {
            self.enqueue(Job::Views).await;
        }
        response
    }

    /// Queues a job if it can be done soon.
    async fn enqueue(&self, job: Job) {
        let Some(jobs) = &self.jobs else { return };
        let queued =
            tokio::time::timeout(QUEUEING, jobs.enqueue(job.clone(), self.app.clock.now()));
        match queued.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                log::error(&format!("`{}` waits for the schedule: {error}", job.name()))
            }
            Err(_) => log::error(&format!("`{}` waits for the schedule: SQS is slow", job.name())),
        }
    }

    /// Does what a schedule or the queue asks for, and says what it did; to the queue, which of its
    /// messages are to be brought again.
    ///
    /// # Errors
    ///
    /// Those of the stores, where the schedule asked; all of it may be repeated.
    pub async fn work(&self, event: &str, deadline: SystemTime) -> StoreResult<Value> {
        let left = deadline.duration_since(SystemTime::now()).unwrap_or_default();
        let end = Instant::now() + left.saturating_sub(REVIEW_MARGIN);
        let messages = match Asked::read(event) {
            Asked::Queue(messages) => messages,
            Asked::Schedule => {
                let swept = self.run(Job::Sweep, end).await?;
                let views = self.run(Job::Views, end).await?;
                return Ok(json!({ "sweep": swept, "views": views }));
            }
            Asked::Job(job) => return self.run(job, end).await,
        };
        // Reviews take longest and can wait: what others queued must not suffer from a stranger's tree.
        let mut messages = messages;
        messages.sort_by_key(|(_, job)| matches!(job, Ok(Job::Review(_))));
        let mut failed = Vec::new();
        let mut done: Vec<Job> = Vec::new();
        for (id, job) in messages {
            let result = match job {
                // What the batch asks for twice is done once.
                Ok(job) if done.contains(&job) => Ok(()),
                Ok(job) => {
                    let did = self.run(job.clone(), end).await;
                    did.map(|_| done.push(job)).map_err(|e| e.to_string())
                }
                Err(why) => Err(why),
            };
            if let Err(why) = result {
                log::error(&format!("a job failed and comes again: {why}"));
                failed.push(json!({ "itemIdentifier": id }));
            }
        }
        Ok(json!({ "batchItemFailures": failed }))
    }

    /// Counts the downloads in the CDN's logs, and makes the views of the packages concerned.
    async fn count(&self, until: Instant) -> StoreResult<Value> {
        let Some(logs) = &self.logs else { return Ok(json!("there are no logs")) };
        let since = self.app.clock.now() - LOGS_BACK;
        let mut taken = access_logs::take_in(logs, &self.ledger, since).await?;
        let packages = std::mem::take(&mut taken.packages);
        let views = self.drain.run(packages, until).await?;
        Ok(json!({ "logs": taken, "views": views }))
    }

    /// Matches all packages with the advisories in the bucket, and makes the views of those that have
    /// other ones now.
    async fn scan(&self, until: Instant) -> StoreResult<Value> {
        let Some(advisories) = self.advisories.read().await? else {
            return Ok(json!("there are no advisories"));
        };
        self.ledger.refresh().await?;
        let changed = advisories::scan(&self.app, &advisories, &Scope::All).await?;
        let (read, count) = (advisories.len(), changed.len());
        let views = self.drain.run(changed.into_iter().collect(), until).await?;
        Ok(json!({ "advisories": read, "changed": count, "views": views }))
    }

    /// Reviews a pull request, in the time that is left.
    async fn review(&self, pull: &PullRequest, end: Instant) -> StoreResult<Value> {
        let Some(app) = &self.config.github else { return Ok(json!("there is no App")) };
        self.ledger.refresh().await?;
        let reviewed = tokio::time::timeout_at(end, review::installed(&self.app, app, pull)).await;
        let late = |_| StoreError::Unavailable("the time is over".to_owned());
        let reviewed = reviewed.map_err(late)?;
        reviewed
            .map(|did| json!(did.to_string()))
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// Does a job; what it did.
    async fn run(&self, job: Job, end: Instant) -> StoreResult<Value> {
        let until = end.checked_sub(VIEWS_MARGIN).unwrap_or_else(Instant::now);
        self.ledger.settle_sealed().await?;
        let did = match job {
            Job::Sweep => json!({ "intents": work::sweep(&self.app).await? }),
            Job::Views => json!(self.drain.run(BTreeSet::new(), until).await?),
            Job::Downloads => self.count(until).await?,
            Job::Advisories => self.scan(until).await?,
            Job::Review(ref pull) => self.review(pull, end).await?,
        };
        log::info(&format!("{}: {did}", job.name()));
        Ok(did)
    }
}

fn refused(error: &EventError) -> Response {
    let code = match error {
        EventError::Origin => ErrorCode::Forbidden,
        _ => ErrorCode::BadRequest,
    };
    let help = match error {
        EventError::Origin => "use the registry's public address",
        _ => "send a well-formed HTTP request",
    };
    ApiError::new(code, error.to_string(), help).into_response()
}
