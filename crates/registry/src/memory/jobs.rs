//! [`Jobs`] in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::ports::jobs::{ATTEMPTS, pause};
use crate::ports::{Job, Jobs, StoreResult, Taken};

/// A queue that lives as long as the value.
#[derive(Default)]
pub struct MemoryJobs {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: BTreeMap<Job, Waiting>,
    takes: u64,
}

struct Waiting {
    due: Timestamp,
    attempts: u32,
    /// The take that holds it.
    receipt: Option<String>,
    /// Whether it was queued once more while it was held.
    again: bool,
}

impl MemoryJobs {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Jobs for MemoryJobs {
    async fn enqueue(&self, job: Job, now: Timestamp) -> StoreResult<()> {
        let mut queue = self.queue();
        let fresh = Waiting { due: now, attempts: 0, receipt: None, again: false };
        let waiting = queue.waiting.entry(job).or_insert(fresh);
        waiting.again = waiting.receipt.is_some();
        Ok(())
    }

    async fn take(&self, now: Timestamp, lease: SignedDuration) -> StoreResult<Option<Taken>> {
        let mut queue = self.queue();
        queue.takes += 1;
        let receipt = queue.takes.to_string();
        let due = queue.waiting.iter_mut().filter(|(_, waiting)| waiting.due <= now);
        let Some((job, waiting)) = due.min_by_key(|(_, waiting)| waiting.due) else {
            return Ok(None);
        };
        waiting.due = now + lease;
        waiting.attempts += 1;
        waiting.receipt = Some(receipt.clone());
        Ok(Some(Taken { job: job.clone(), receipt, attempt: waiting.attempts }))
    }

    async fn finish(&self, taken: &Taken, now: Timestamp) -> StoreResult<()> {
        let mut queue = self.queue();
        let held = queue.waiting.get_mut(&taken.job);
        let held = held.filter(|held| held.receipt.as_ref() == Some(&taken.receipt));
        match held {
            Some(held) if held.again => {
                *held = Waiting { due: now, attempts: 0, receipt: None, again: false };
            }
            Some(_) => drop(queue.waiting.remove(&taken.job)),
            None => {}
        }
        Ok(())
    }

    async fn fail(&self, taken: &Taken, now: Timestamp) -> StoreResult<()> {
        let mut queue = self.queue();
        let held = queue.waiting.get_mut(&taken.job);
        let held = held.filter(|held| held.receipt.as_ref() == Some(&taken.receipt));
        match held {
            Some(held) if held.attempts < ATTEMPTS => {
                (held.due, held.receipt) = (now + pause(held.attempts), None);
            }
            Some(_) => drop(queue.waiting.remove(&taken.job)),
            None => {}
        }
        Ok(())
    }
}
