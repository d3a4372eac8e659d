//! The registry service as a library on its ports.
//!
//! Start with [`router`] (all routes), `publish` (the protocol) and [`ports`] (what a store must do).

pub mod app;
pub mod dev_issuer;
pub mod error;
pub mod ledger;
pub mod log;
pub mod memory;
pub mod oidc;
pub mod ports;
pub mod request_id;
pub mod uploads;
