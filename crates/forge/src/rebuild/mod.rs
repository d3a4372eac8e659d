//! Packages rebuilt from the history of a git repository: which versions there were, and the tree of
//! each.
//!
//! A version is its tag's commit; without a tag, the first commit whose manifest says it, on the
//! default branch where that says it at all. Two candidates with other files are told, never guessed.
//! What cannot be rebuilt is told with a reason, also where git cannot read one commit of many.

mod find;
mod pack;
#[cfg(test)]
mod tests;

use packhouse_core::escape::excerpt;
use packhouse_core::identifier::Identifier;
use packhouse_core::snapshot::PatternError;
use packhouse_core::version::Version;

use crate::git::GitError;

pub use find::find;
pub use pack::{Rebuilt, Workshop};

/// Why a history cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Git.
    #[error(transparent)]
    Git(#[from] GitError),
    /// A list of folders that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// More than is read.
    #[error("the history says more than {0} versions: name package folders with `--path`")]
    TooMany(usize),
}

/// A version that a history says there was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The package.
    pub identifier: Identifier,
    /// The version.
    pub version: Version,
    /// The format's id.
    pub format: &'static str,
    /// Whether the manifest says no version, and gets the tag's.
    pub of_tag: bool,
    /// The package's folder; empty at the root.
    pub folder: String,
    /// The place of the commit in the history.
    pub commit: usize,
    /// The tag that names it.
    pub tag: Option<String>,
}

/// Something that is not rebuilt, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// The package, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// The version, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Why, for programs; `docs/importing.md` lists them.
    pub code: &'static str,
    /// Why, in one sentence.
    pub reason: String,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The tag, made printable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The folder or manifest in the repository, made printable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl Skipped {
    fn new(code: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { identifier: None, version: None, code, reason, commit: None, tag: None, path: None }
    }

    fn of(mut self, identifier: &Identifier, version: &Version) -> Self {
        self.identifier = Some(identifier.to_string());
        self.version = Some(version.text().to_owned());
        self
    }

    fn at(mut self, commit: &str, tag: Option<&str>, path: &str) -> Self {
        self.commit = Some(commit.to_owned());
        self.tag = tag.map(|tag| excerpt(tag, 250));
        self.path = Some(excerpt(path, 250));
        self
    }
}

/// How it is told that a commit could not be read.
fn unread(error: &RebuildError) -> (&'static str, String) {
    match error {
        RebuildError::Git(GitError::Long(..)) => ("too-large", error.to_string()),
        // Where the repository lies is known to whoever named it, or of no use.
        RebuildError::Git(GitError::Refused { said, .. }) => ("unreadable", said.clone()),
        _ => ("unreadable", error.to_string()),
    }
}
