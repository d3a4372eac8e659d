//! Versions: a text and the order it is compared by.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The order by which a format compares versions.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Semantic Versioning 2.0.0.
    SemVer,
    /// Python's PEP 440.
    Pep440,
}

/// A version as its publisher wrote it. Two versions are equal when their keys are: build metadata
/// is kept in [`Version::text`] and is no part of the key; in PEP 440 `1.0` and `1.0.0` are one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    order: Order,
    text: String,
}

/// Why a text is no version of an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {order} version: {reason}")]
pub struct VersionError {
    /// What was found, made printable.
    pub text: String,
    /// The order that was asked for, for example `semantic`.
    pub order: &'static str,
    /// What would be right.
    pub reason: String,
}

impl Version {
    /// Parses `text` (1 to 128 bytes) in `order`.
    pub fn parse(order: Order, text: &str) -> Result<Self, VersionError> {
        todo!("{order:?} {text}")
    }
    /// The order.
    pub fn order(&self) -> Order {
        self.order
    }
    /// As the publisher wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The canonical text: what makes two versions one. Safe in URLs, object keys and file names.
    pub fn key(&self) -> &str {
        todo!()
    }
    /// Whether it is a prerelease (SemVer: has one; PEP 440: a, b, rc or dev).
    pub fn is_prerelease(&self) -> bool {
        todo!()
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order && self.key() == other.key()
    }
}
impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
