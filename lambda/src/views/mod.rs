//! What is made from the ledger and kept on S3, so that no reader waits for it to be made: the index
//! file of each package, and the catalogue.
//!
//! The feed of events is written in the same transaction as everything that it tells of, so it is the
//! list of what has to be made: [`Drain`] reads it from where the last one stopped, and says in the
//! [`Manifest`] how far it came. Nothing that it does depends on who else does the same.

mod catalogue;
mod drain;
mod index;
mod manifest;

pub use catalogue::ViewCatalogue;
pub use drain::{Drain, Drained};
pub use index::{ViewIndexFiles, index_key};
pub use manifest::Manifest;
