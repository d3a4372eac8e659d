//! The registry's ports on SQLite and files, for one host and any number of processes on it.
//!
//! [`DataDir`] is the folder and what it promises; [`EmbeddedLedger`] is SQLite in WAL mode;
//! [`FileBlobs`] are files named by their digest. What a row names is durable before the row is.

mod blobs;
mod database;
mod fault;
mod folder;
mod ledger;
mod rows;

pub use blobs::FileBlobs;
pub use folder::{DataDir, FolderError, Mode};
pub use ledger::EmbeddedLedger;
