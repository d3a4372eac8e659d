//! Repositories of packs: a commit is fetched as data into a folder that is gone when it was read.

use packhouse_client::ClientError;
use packhouse_client::project::source::Git;
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use packhouse_forge::git::{GitError, Remote};

/// The `git` program.
pub(crate) struct Repositories;

impl Git for Repositories {
    fn tree(
        &self,
        url: &str,
        reference: Option<&str>,
        commit: Option<&str>,
        folder: Option<&str>,
    ) -> Result<(String, Tree), ClientError> {
        let place = tempfile::tempdir()?;
        let failed = |error: GitError| ClientError::Usage {
            message: format!("the repository `{}` cannot be read: {error}", excerpt(url, 200)),
            help: "look at its address, and at the branch, tag or commit behind `--ref`".to_owned(),
        };
        let limits = Limits::default();
        let remote =
            Remote::fetch(url, commit.or(reference), place.path(), &limits).map_err(failed)?;
        let tree = remote.tree(folder.unwrap_or_default(), &limits).map_err(failed)?;
        Ok((remote.commit().as_str().to_owned(), tree))
    }
}
