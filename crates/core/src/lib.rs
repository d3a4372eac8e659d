//! Nouns and rules of Packhouse, pure: no async, no network, no clock, no environment.
//!
//! Start with [`identifier`], [`version`] and [`manifest`]; a [`tree`] of files becomes a manifest
//! through [`formats`], findings through [`audit`], and bytes through [`archive`]. [`claims`] and
//! [`policy`] decide who may publish; [`api`] is what goes over the wire.

pub mod api;
pub mod apl;
pub mod archive;
pub mod attune;
pub mod audit;
pub mod claims;
pub mod compose;
pub mod digest;
pub mod escape;
pub mod formats;
pub mod fppm;
pub mod identifier;
pub mod kicad;
pub mod limits;
pub mod lock;
pub mod manifest;
pub mod policy;
pub mod python;
pub mod quality;
pub mod release;
pub mod report;
pub mod requirement;
pub mod resolve;
pub mod review;
pub mod search;
pub mod secret;
pub mod snapshot;
pub mod source;
pub mod tree;
pub mod version;
