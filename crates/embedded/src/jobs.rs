//! [`Jobs`] in the ledger's database: of all processes on one data folder, one does a job.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use packhouse_registry::ports::jobs::{ATTEMPTS, pause};
use packhouse_registry::ports::{IntentId, Job, Jobs, StoreResult, Taken};
use rusqlite::params;

use crate::database::Durability;
use crate::fault;
use crate::ledger::EmbeddedLedger;
use crate::rows::{column, json};

/// The queue of a data folder. A power cut may lose what was queued in the last moments: all jobs are
/// of the kind that comes again.
#[derive(Clone)]
pub struct EmbeddedJobs {
    ledger: EmbeddedLedger,
}

impl EmbeddedJobs {
    /// The queue beside this ledger.
    pub fn new(ledger: &EmbeddedLedger) -> Self {
        Self { ledger: ledger.clone() }
    }
}

#[async_trait]
impl Jobs for EmbeddedJobs {
    async fn enqueue(&self, job: Job, now: Timestamp) -> StoreResult<()> {
        let sql = "INSERT INTO jobs (name, job, due) VALUES (?1, ?2, ?3)
            ON CONFLICT (name) DO UPDATE SET again = receipt IS NOT NULL";
        let record = json("job", &job)?;
        let write = self.ledger.write(Durability::Deferred, move |rows| {
            rows.run(sql, params![job.key(), record, now.as_microsecond()]).map(drop)
        });
        write.await
    }

    async fn take(&self, now: Timestamp, lease: SignedDuration) -> StoreResult<Option<Taken>> {
        let sql = "UPDATE jobs SET due = ?2, attempts = attempts + 1, receipt = ?3
            WHERE name = (SELECT name FROM jobs WHERE due <= ?1 ORDER BY due LIMIT 1)
            RETURNING job, attempts";
        let receipt = IntentId::random()?.to_string();
        let write = self.ledger.write(Durability::Deferred, move |rows| {
            let values = params![now.as_microsecond(), (now + lease).as_microsecond(), receipt];
            let taken = rows.all(sql, values, |row| {
                let attempt = row.get(1).map_err(fault::sqlite)?;
                Ok(Taken { job: column("job", row, 0)?, receipt: receipt.clone(), attempt })
            })?;
            Ok(taken.into_iter().next())
        });
        write.await
    }

    async fn finish(&self, taken: &Taken, now: Timestamp) -> StoreResult<()> {
        let again = "UPDATE jobs SET due = ?3, attempts = 0, receipt = NULL, again = 0
            WHERE name = ?1 AND receipt = ?2 AND again = 1";
        let done = "DELETE FROM jobs WHERE name = ?1 AND receipt = ?2";
        let (name, receipt) = (taken.job.key(), taken.receipt.clone());
        let write = self.ledger.write(Durability::Deferred, move |rows| {
            rows.run(again, params![name, receipt, now.as_microsecond()])?;
            rows.run(done, params![name, receipt]).map(drop)
        });
        write.await
    }

    async fn fail(&self, taken: &Taken, now: Timestamp) -> StoreResult<()> {
        let again = "UPDATE jobs SET due = ?3, receipt = NULL
            WHERE name = ?1 AND receipt = ?2 AND attempts < ?4";
        let gone = "DELETE FROM jobs WHERE name = ?1 AND receipt = ?2";
        let (name, receipt) = (taken.job.key(), taken.receipt.clone());
        let due = (now + pause(taken.attempt)).as_microsecond();
        let write = self.ledger.write(Durability::Deferred, move |rows| {
            rows.run(again, params![name, receipt, due, ATTEMPTS])?;
            rows.run(gone, params![name, receipt]).map(drop)
        });
        write.await
    }
}
