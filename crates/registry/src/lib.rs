//! The registry service as a library on its ports.
//!
//! Start with [`router`] (all routes), `publish` (the protocol) and [`ports`] (what a store must do).

pub mod admin;
pub mod advisories;
pub mod app;
pub mod auth;
pub mod cache;
pub mod catalogue;
pub mod compat;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod dev_issuer;
pub mod downloads;
pub mod error;
pub mod extract;
#[cfg(any(test, feature = "conformance", feature = "failpoints"))]
pub mod faulty;
pub mod guard;
pub mod ledger;
pub mod log;
pub mod manage;
pub mod memory;
pub mod oidc;
pub mod openapi;
pub mod pages;
pub mod ports;
pub mod publish;
pub mod rate;
pub mod read;
pub mod request_id;
pub mod router;
pub mod spacing;
pub mod transfer;
pub mod uploads;
pub mod urls;
pub mod webhook;
pub mod work;
