//! The harness of the end-to-end stories. What it starts listens on loopback and ends when dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness that cannot go on panics")]

pub mod claim_set;
pub mod issuer;
