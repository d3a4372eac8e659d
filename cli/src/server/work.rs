//! The worker beside the server: jobs from the data folder's queue, so that of all processes on one
//! folder, one does them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use packhouse_embedded::{EmbeddedJobs, FileBlobs};
use packhouse_forge::{github, review};
use packhouse_registry::app::App;
use packhouse_registry::ports::{Job, Jobs, PullRequest, StoreError, StoreResult, Taken};
use packhouse_registry::{log, work};
use tokio::sync::{Notify, watch};

use super::listen;

/// How often expired intents and what they staged are swept.
const SWEEP: Duration = Duration::from_secs(60);
/// When staged bytes are nobody's: longer than an intent and an upload live.
const ORPHAN: Duration = Duration::from_secs(2 * 3600);
/// After which a job is somebody else's: its process died.
const LEASE: SignedDuration = SignedDuration::from_mins(10);
/// How long a review may take.
const REVIEW: Duration = Duration::from_secs(300);

/// The queue, which wakes this process's worker: what another process queues is done within a minute.
#[derive(Clone)]
pub(super) struct Waking {
    jobs: EmbeddedJobs,
    wake: Arc<Notify>,
}

impl Waking {
    pub(super) fn new(jobs: EmbeddedJobs) -> Self {
        Self { jobs, wake: Arc::default() }
    }
}

#[async_trait]
impl Jobs for Waking {
    async fn enqueue(&self, job: Job, now: Timestamp) -> StoreResult<()> {
        self.jobs.enqueue(job, now).await?;
        self.wake.notify_one();
        Ok(())
    }

    async fn take(&self, now: Timestamp, lease: SignedDuration) -> StoreResult<Option<Taken>> {
        self.jobs.take(now, lease).await
    }

    async fn finish(&self, taken: &Taken, now: Timestamp) -> StoreResult<()> {
        self.jobs.finish(taken, now).await
    }

    async fn fail(&self, taken: &Taken, now: Timestamp) -> StoreResult<()> {
        self.jobs.fail(taken, now).await
    }
}

/// Does the jobs.
pub(super) struct Worker {
    pub(super) app: App,
    pub(super) jobs: Waking,
    pub(super) blobs: Arc<FileBlobs>,
    pub(super) github: Option<github::App>,
}

impl Worker {
    /// Works until `stop` says true.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) {
        let mut stopped = std::pin::pin!(listen::stopped(stop));
        let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + SWEEP, SWEEP);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let sweep = tokio::select! {
                () = stopped.as_mut() => return,
                () = self.jobs.wake.notified() => false,
                _ = tick.tick() => true,
            };
            // Dropped where the server stops: what was begun is due again after its lease.
            let round = tokio::select! {
                () = stopped.as_mut() => return,
                round = self.round(sweep) => round,
            };
            if let Err(error) = round {
                log::error(&format!("the queue of jobs is tried again in a minute: {error}"));
            }
        }
    }

    async fn round(&self, sweep: bool) -> StoreResult<()> {
        if sweep {
            self.jobs.jobs.enqueue(Job::Sweep, self.app.clock.now()).await?;
        }
        work::work_off(&self.app, &self.jobs, LEASE, |job| self.job(job)).await.map(drop)
    }

    async fn job(&self, job: Job) -> StoreResult<()> {
        match job {
            Job::Sweep => {
                self.blobs.discard_orphans(ORPHAN).await?;
                work::sweep(&self.app).await.map(drop)
            }
            // Each process keeps its views in memory, and answers all downloads itself.
            Job::Views | Job::Downloads => Ok(()),
            // Each process watches the folder that it was given.
            Job::Advisories => Ok(()),
            Job::Review(pull) => self.review(&pull).await,
        }
    }

    async fn review(&self, pull: &PullRequest) -> StoreResult<()> {
        let Some(app) = &self.github else { return Ok(()) };
        let reviewed = tokio::time::timeout(REVIEW, review::installed(&self.app, app, pull)).await;
        let late = || StoreError::Unavailable(format!("more than {} s", REVIEW.as_secs()));
        let reviewed = reviewed.map_err(|_| late())?;
        let reviewed = reviewed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        log::info(&format!("review: {reviewed}"));
        Ok(())
    }
}
