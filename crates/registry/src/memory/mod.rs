//! The ports in memory: for tests, and as the plainest statement of what they mean.

mod blobs;
mod jobs;
mod ledger;
mod rows;

pub use blobs::MemoryBlobs;
pub use jobs::MemoryJobs;
pub use ledger::MemoryLedger;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::app::PublicUrl;
    use crate::ports::Ledger;

    mod ledger {
        use super::*;

        async fn make() -> (Arc<dyn Ledger>, ()) {
            (Arc::new(MemoryLedger::new()), ())
        }
        crate::ledger_conformance!(make);
    }

    mod jobs {
        use super::*;

        async fn make() -> (Arc<crate::conformance::jobs::Timed<MemoryJobs>>, ()) {
            (Arc::new(crate::conformance::jobs::Timed::simulated(MemoryJobs::default())), ())
        }
        crate::jobs_conformance!(make);
    }

    mod blobs {
        use super::*;

        async fn make() -> (Arc<MemoryBlobs>, ()) {
            let url = PublicUrl::parse("http://127.0.0.1:1").unwrap();
            (Arc::new(MemoryBlobs::new(&url, [7; 32])), ())
        }
        crate::blobs_conformance!(make);
    }
}
