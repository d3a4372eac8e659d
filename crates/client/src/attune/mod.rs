//! Packs of Attune: found through indices, fetched, checked, tested, and moved into a folder of packs.
//!
//! [`source`] reads what somebody asks for, [`indices`] finds a pack by its ref, [`fetch`] brings it,
//! [`install()`] does all of it and leaves a [`record`] or nothing. [`runtimes`] and [`runner`] are the
//! only places that start programs: interpreters that are asked for their version, and a pack's own
//! tests. [`sign`] makes and checks signatures.

mod child;
pub mod event;
pub mod fetch;
pub mod folder;
pub mod indices;
pub mod install;
pub mod record;
pub mod runner;
pub mod runtimes;
pub mod sign;
pub mod source;
mod web;

pub use event::Event;
pub use install::{Install, InstallError, install};
