//! The worker beside the server: jobs from the data folder's queue, so that of all processes on one
//! folder, one does them.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use packhouse_embedded::{EmbeddedJobs, FileBlobs};
use packhouse_registry::app::App;
use packhouse_registry::ports::{Job, Jobs as _, StoreResult};
use packhouse_registry::{log, work};
use tokio::sync::watch;

use super::listen;

/// How often expired intents and what they staged are swept.
const SWEEP: Duration = Duration::from_secs(60);
/// When staged bytes are nobody's: longer than an intent and an upload live.
const ORPHAN: Duration = Duration::from_secs(2 * 3600);
/// After which a job is somebody else's: its process died.
const LEASE: SignedDuration = SignedDuration::from_mins(10);

/// Works until `stop` says true.
pub(super) async fn run(
    app: App,
    jobs: EmbeddedJobs,
    blobs: Arc<FileBlobs>,
    stop: watch::Receiver<bool>,
) {
    let mut stopped = std::pin::pin!(listen::stopped(stop));
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + SWEEP, SWEEP);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopped.as_mut() => return,
            _ = tick.tick() => {
                if let Err(error) = round(&app, &jobs, &blobs).await {
                    log::error(&format!("the queue of jobs is tried again in a minute: {error}"));
                }
            }
        }
    }
}

async fn round(app: &App, jobs: &EmbeddedJobs, blobs: &FileBlobs) -> StoreResult<()> {
    jobs.enqueue(Job::Sweep, app.clock.now()).await?;
    let run = |job: Job| async move {
        match job {
            Job::Sweep => {
                blobs.discard_orphans(ORPHAN).await?;
                work::sweep(app).await.map(drop)
            }
            // Each process keeps its views in memory, and answers all downloads itself.
            Job::Views | Job::Downloads => Ok(()),
        }
    };
    work::work_off(app, jobs, LEASE, run).await.map(drop)
}
