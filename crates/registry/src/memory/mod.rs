//! The ports in memory: for tests, and as the plainest statement of what they mean.

mod blobs;
mod ledger;
mod rows;

pub use blobs::MemoryBlobs;
pub use ledger::MemoryLedger;
