//! F Prime's distributed registries: the files that its client reads and writes.
//!
//! [`registry`] reads `registry.yaml` and [`export`] writes it, [`project`] is `project.yaml`, [`lock`] what our own client keeps
//! beside it; [`git`] makes a release the commit of a repository. Reading is tolerant, since people
//! write these files by hand; writing is strict: the stock client reads YAML 1.1, in which `1.0` and
//! `on` are no texts.

pub mod clash;
pub mod cmake;
pub mod export;
pub mod git;
pub mod lock;
pub mod project;
mod reference;
pub mod registry;
mod shortname;
mod text;

pub use reference::{Commit, is_reference};
pub use shortname::{Shortname, ShortnameError};
pub use text::quoted;
