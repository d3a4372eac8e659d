//! The harness: a registry in a process of its own, an issuer that misbehaves on demand, CI jobs.
#![allow(clippy::expect_used, clippy::unwrap_used)] // a harness that cannot go on should say so and stop

pub mod ato;
pub mod binary;
pub mod ci;
pub mod http;
pub mod issuer;
pub mod registry;

pub use ci::{Ci, Outcome, Runs, plain};
pub use registry::{Options, TestRegistry, copy, example};
