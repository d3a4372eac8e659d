//! Work that no answer waits for.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::StoreResult;

/// How often a job is tried before it is given up.
pub const ATTEMPTS: u32 = 5;

/// Work that no answer waits for. Every job may be done twice, and by several workers at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
pub enum Job {
    /// Drops what expired and was never published.
    Sweep,
    /// Makes the views of what changed.
    Views,
    /// Counts the downloads that a CDN answered.
    Downloads,
    /// Matches the latest releases with the advisories that the operator put beside them.
    Advisories,
    /// Reviews a pull request as it is by then.
    Review(PullRequest),
}

/// A pull request of a repository that the App is installed in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PullRequest {
    /// The installation, which is what the App acts as.
    pub installation: u64,
    /// `owner/name` at the time.
    pub repository: String,
    /// Its number.
    pub number: u64,
}

impl Job {
    /// Its kind: `sweep`, `views`, `downloads`, `advisories`, `review`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Views => "views",
            Self::Downloads => "downloads",
            Self::Advisories => "advisories",
            Self::Review(_) => "review",
        }
    }

    /// What is the same for jobs that do the same: of those a queue may keep one.
    pub fn key(&self) -> String {
        match self {
            Self::Review(pull) => format!("review {}#{}", pull.repository, pull.number),
            other => other.name().to_owned(),
        }
    }
}

/// A job that was taken from the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The job.
    pub job: Job,
    /// The queue's name of this very take.
    pub receipt: String,
    /// How often it was taken, this time included.
    pub attempt: u32,
}

/// A queue of jobs. A job that was taken and neither finished nor failed is due again once its lease
/// is over, so it is done at least once, perhaps twice, in no particular order.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Queues a job, due at once. A queue may keep one that waits already instead of a second; one
    /// that is being done is done once more.
    async fn enqueue(&self, job: Job, now: Timestamp) -> StoreResult<()>;

    /// Takes a job that is due; nobody else gets it until `lease` (whole seconds) is over.
    async fn take(&self, now: Timestamp, lease: SignedDuration) -> StoreResult<Option<Taken>>;

    /// The job is done. After the lease this changes nothing, or what the next taker holds.
    async fn finish(&self, taken: &Taken, now: Timestamp) -> StoreResult<()>;

    /// The job failed: it is due again after [`pause`]; after [`ATTEMPTS`] the queue gives it up.
    async fn fail(&self, taken: &Taken, now: Timestamp) -> StoreResult<()>;
}

/// How long a job rests after it failed for the nth time: 10 s, 20 s, 40 s...
pub fn pause(attempt: u32) -> SignedDuration {
    SignedDuration::from_secs(10 << attempt.saturating_sub(1).min(6))
}
