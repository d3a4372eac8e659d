//! The publish protocol: request, upload, confirm, receipt.
//!
//! | step | handler | what becomes true |
//! |---|---|---|
//! | request | [`request()`] | an intent stands; the client holds uploads bound to it |
//! | upload | the blob store | the bytes are staged |
//! | confirm | [`confirm()`] | the bytes are checked, promoted, reserved; the last one seals the train |
//! | status | [`status()`] | where an intent stands |
//!
//! Every step may be repeated, after any crash, with the same end.

pub(crate) mod confirm;
mod contents;
mod dependencies;
#[cfg(test)]
mod faults;
mod identity;
pub(crate) mod imported;
mod posted;
pub(crate) mod rehearse;
pub(crate) mod request;
pub(crate) mod status;
mod subject;
mod turns;
mod whole;

pub use confirm::confirm;
pub use identity::receipt;
pub use imported::import_release;
pub(crate) use posted::{Posted, posted};
pub use rehearse::{rehearse, simulate};
pub(crate) use request::replayed;
pub use request::request;
pub use status::status;
pub(crate) use subject::identifier;
pub use turns::Turns;
