//! The harness of the end-to-end stories: a registry in a process of its own, an issuer that
//! misbehaves on demand, CI jobs. What it starts listens on loopback and ends when dropped.

pub mod act;
pub mod ato;
pub mod ato_verbs;
pub mod binary;
pub mod ci;
pub mod claim_set;
pub mod dynamodb;
pub mod fppm;
pub mod git_http;
pub mod github;
pub mod http;
pub mod issuer;
pub mod lambda;
pub mod leaks;
pub mod liar;
pub mod proxy;
pub mod raw;
pub mod registry;
pub mod repository;
pub mod s3;
mod server;
pub mod shell;
pub mod sqs;
pub mod sshd;

pub use ci::{Ci, Outcome, Runs, plain};
pub use registry::{Options, TestRegistry, copy, example};
