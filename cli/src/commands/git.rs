//! Packages out of git repositories: fetched as data, into a folder that is gone when it was read.

use std::path::Path;

use packhouse_client::ClientError;
use packhouse_client::cache::Cache;
use packhouse_client::project::source::Git;
use packhouse_core::digest::TreeDigest;
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use packhouse_forge::git::{GitError, Remote};

/// Where the cache keeps which tree a commit has.
const KEPT: &str = "git";

/// Repositories, as the `git` program reads them, each commit fetched once.
pub(crate) struct Repositories<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) offline: bool,
}

impl Git for Repositories<'_> {
    fn tree(
        &self,
        url: &str,
        reference: Option<&str>,
        commit: Option<&str>,
        folder: Option<&str>,
    ) -> Result<(String, Tree), ClientError> {
        let folder = folder.unwrap_or_default();
        let key = |commit: &str| format!("{url}\n{commit}\n{folder}");
        if let Some(commit) = commit
            && let Some(kept) = self.cache.index(KEPT, &key(commit))
            && let Some(digest) = std::str::from_utf8(&kept).ok().and_then(|hex| hex.parse().ok())
            && let Ok(tree) = self.cache.read(TreeDigest(digest))
        {
            return Ok((commit.to_owned(), tree));
        }
        let shown = excerpt(url, 200);
        if self.offline {
            return Err(ClientError::Missing {
                message: format!(
                    "the repository `{shown}` is not in the cache, and `--offline` fetches nothing"
                ),
                help: "run it once without `--offline`".to_owned(),
            });
        }
        let place = self.cache.scratch()?;
        let (commit, tree) = read(url, commit.or(reference), folder, place.path(), "`#`")?;
        let digest = self.cache.insert_tree(&tree)?;
        self.cache.put_index(KEPT, &key(&commit), digest.to_string().as_bytes())?;
        Ok((commit, tree))
    }
}

/// Repositories that are read anew each time.
pub(crate) struct Uncached;

impl Git for Uncached {
    fn tree(
        &self,
        url: &str,
        reference: Option<&str>,
        commit: Option<&str>,
        folder: Option<&str>,
    ) -> Result<(String, Tree), ClientError> {
        let place = tempfile::tempdir()?;
        read(url, commit.or(reference), folder.unwrap_or_default(), place.path(), "`--ref`")
    }
}

/// The commit that `wanted` names at `url`, and its tree below `folder`; `behind` is where people write
/// that name.
fn read(
    url: &str,
    wanted: Option<&str>,
    folder: &str,
    place: &Path,
    behind: &str,
) -> Result<(String, Tree), ClientError> {
    let failed = |error: GitError| {
        let help = format!("look at its address, and at the branch, tag or commit behind {behind}");
        refused(format!("the repository `{}` cannot be read", excerpt(url, 200)), error, help)
    };
    let limits = Limits::default();
    let remote = Remote::fetch(url, wanted, place, &limits).map_err(failed)?;
    let tree = remote.tree(folder, &limits).map_err(failed)?;
    Ok((remote.commit().as_str().to_owned(), tree))
}

/// What git said of a repository. The folder that it names is one of ours, and tells nobody anything.
pub(crate) fn refused(what: String, error: GitError, help: impl Into<String>) -> ClientError {
    let message = match error {
        GitError::Refused { said, .. } => format!("{what}: {said}"),
        error => format!("{what}: {error}"),
    };
    ClientError::Usage { message, help: help.into() }
}
