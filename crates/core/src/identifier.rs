//! Identifiers: what a package is called on every registry of this kind.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `owner/name` or `owner/name/sub`: compared, ordered and hashed by its key (lower case), shown in
/// the spelling that was given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier {
    key: String,
    spelling: String,
}

/// Why a text is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// One part only.
    #[error("`{0}` has no owner: write `owner/name`, for example `acme/sensor`")]
    NoOwner(String),
}

impl Identifier {
    /// The lower-case form by which identifiers are compared; safe in URLs, object keys and paths.
    pub fn key(&self) -> &str {
        &self.key
    }
    /// The owner's part, as spelled.
    pub fn owner(&self) -> &str {
        self.spelling.split('/').next().unwrap_or(&self.spelling)
    }
    /// The last part, as spelled.
    pub fn name(&self) -> &str {
        self.spelling.rsplit('/').next().unwrap_or(&self.spelling)
    }
    /// The form that look-alikes share.
    pub fn skeleton(&self) -> String {
        skeleton(&self.key)
    }
}

/// The form that look-alike names share.
pub fn skeleton(text: &str) -> String {
    todo!("{text}")
}

impl FromStr for Identifier {
    type Err = IdentifierError;
    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        todo!("{text}")
    }
}
impl TryFrom<String> for Identifier {
    type Error = IdentifierError;
    fn try_from(text: String) -> Result<Self, IdentifierError> {
        text.parse()
    }
}
impl From<Identifier> for String {
    fn from(id: Identifier) -> Self {
        id.spelling
    }
}
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling)
    }
}
impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Identifier {}
impl PartialOrd for Identifier {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Identifier {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}
impl std::hash::Hash for Identifier {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}
