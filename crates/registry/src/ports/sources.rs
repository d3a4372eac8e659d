//! Sources: packages that lie somewhere else, fetched as data.

use async_trait::async_trait;
use packhouse_core::tree::Tree;

/// A tree, and the commit that it is of.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The files.
    pub tree: Tree,
    /// The commit's full name.
    pub commit: String,
}

/// Why a source cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// An address, a reference or a content that is refused, with the reason: the caller's mistake.
    #[error("{0}")]
    Refused(String),
    /// There is no such folder.
    #[error("Path not found: {0}")]
    Missing(String),
}

/// Trees from elsewhere. What is fetched is bounded and read as data: nothing of it is run, no hook, no
/// filter, no submodule; no address but those that the operator allows is asked, no redirect followed,
/// no password asked for, and nothing of a fetch is left behind.
#[async_trait]
pub trait Sources: Send + Sync {
    /// The tree of the repository at `address`, at a branch, tag or commit; its default branch where
    /// `reference` is `None`.
    ///
    /// # Errors
    ///
    /// [`SourceError::Refused`].
    async fn git(&self, address: &str, reference: Option<&str>) -> Result<Fetched, SourceError>;

    /// The package in a folder of the registry's machine, with what its ignore files leave.
    ///
    /// # Errors
    ///
    /// [`SourceError`].
    async fn folder(&self, path: &str) -> Result<Tree, SourceError>;
}
