//! What workers do, on every store.

use std::future::Future;

use jiff::SignedDuration;

use crate::app::Service;
use crate::log;
use crate::ports::{Job, Jobs, StoreResult};

/// Intents that are dropped at once.
const SWEPT: u32 = 200;

/// Drops intents that expired, with what was uploaded for them, and used tokens that are no good any
/// more; how many intents. May be repeated, and several may do it at once.
///
/// # Errors
///
/// Those of the stores. What was dropped before is gone; the uploads of the intents of one portion
/// may stay behind, for the store's own clean-up of what is staged too long.
pub async fn sweep(service: &Service) -> StoreResult<usize> {
    let mut dropped = 0;
    loop {
        let gone = service.ledger.sweep(service.clock.now(), SWEPT).await?;
        for intent in &gone {
            service.blobs.discard(intent).await?;
        }
        dropped += gone.len();
        if gone.len() < SWEPT as usize {
            return Ok(dropped);
        }
    }
}

/// Does the jobs that are due, one after the other, each at most `lease` long; how many. One that
/// fails is logged, rests, and is tried again.
///
/// # Errors
///
/// Those of the queue.
pub async fn work_off<F: Future<Output = StoreResult<()>>>(
    service: &Service,
    jobs: &dyn Jobs,
    lease: SignedDuration,
    run: impl Fn(Job) -> F,
) -> StoreResult<usize> {
    let mut done = 0;
    while let Some(taken) = jobs.take(service.clock.now(), lease).await? {
        match run(taken.job.clone()).await {
            Ok(()) => jobs.finish(&taken, service.clock.now()).await?,
            Err(error) => {
                let (name, attempt) = (taken.job.name(), taken.attempt);
                log::error(&format!("the job `{name}` failed for the {attempt}. time: {error}"));
                jobs.fail(&taken, service.clock.now()).await?;
            }
        }
        done += 1;
    }
    Ok(done)
}
