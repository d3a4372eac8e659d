//! Packages out of git repositories, each commit fetched once.

use packhouse_client::ClientError;
use packhouse_client::cache::Cache;
use packhouse_client::project::source::Git;
use packhouse_core::digest::TreeDigest;
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use packhouse_forge::git::Remote;

/// Where the cache keeps which tree a commit has.
const KEPT: &str = "git";

/// Repositories, as the `git` program reads them.
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
        let failed = |error: packhouse_forge::git::GitError| ClientError::Usage {
            message: format!("the repository `{shown}` cannot be read: {error}"),
            help: "look at its address, and at the branch, tag or commit behind `#`".to_owned(),
        };
        let limits = Limits::default();
        let remote =
            Remote::fetch(url, commit.or(reference), place.path(), &limits).map_err(failed)?;
        let commit = remote.commit().as_str().to_owned();
        let tree = remote.tree(folder, &limits).map_err(failed)?;
        let digest = self.cache.insert_tree(&tree)?;
        self.cache.put_index(KEPT, &key(&commit), digest.to_string().as_bytes())?;
        Ok((commit, tree))
    }
}
