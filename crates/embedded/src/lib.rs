//! The registry's ports on SQLite and files, for one host and any number of processes on it.
//!
//! [`DataDir`] is the folder and what it promises; [`EmbeddedLedger`] is SQLite in WAL mode;
//! [`FileBlobs`] are files named by their digest. What a row names is durable before the row is.

mod blobs;
mod database;
mod fault;
mod folder;
mod jobs;
mod ledger;
mod rows;

pub use blobs::FileBlobs;
pub use folder::{DataDir, FolderError, Mode};
pub use jobs::EmbeddedJobs;
pub use ledger::EmbeddedLedger;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use packhouse_registry::app::PublicUrl;
    use packhouse_registry::ports::Ledger;
    use tempfile::TempDir;

    use super::*;

    fn folder() -> (DataDir, TempDir) {
        let temporary = tempfile::tempdir().unwrap();
        (DataDir::open(temporary.path().join("data"), Mode::Checked).unwrap(), temporary)
    }

    mod ledger {
        use super::*;

        async fn make() -> (Arc<dyn Ledger>, TempDir) {
            let (folder, temporary) = folder();
            (Arc::new(EmbeddedLedger::open(&folder).unwrap()), temporary)
        }
        packhouse_registry::ledger_conformance!(make);
    }

    mod jobs {
        use packhouse_registry::conformance::jobs::Timed;

        use super::*;

        async fn make() -> (Arc<Timed<EmbeddedJobs>>, TempDir) {
            let (folder, temporary) = folder();
            let ledger = EmbeddedLedger::open(&folder).unwrap();
            (Arc::new(Timed::simulated(EmbeddedJobs::new(&ledger))), temporary)
        }
        packhouse_registry::jobs_conformance!(make);
    }

    mod blobs {
        use super::*;

        async fn make() -> (Arc<FileBlobs>, TempDir) {
            let (folder, temporary) = folder();
            let url = PublicUrl::parse("http://127.0.0.1:1").unwrap();
            (Arc::new(FileBlobs::open(&folder, &url).unwrap()), temporary)
        }
        packhouse_registry::blobs_conformance!(make);
    }
}
