//! Packages that lie elsewhere: repositories of allowed hosts through `git`, folders of this machine.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use packhouse_client::walk::{Choice, walk};
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use packhouse_forge::git::Remote;
use packhouse_registry::ports::sources::{Fetched, SourceError, Sources};
use tokio::sync::Semaphore;

/// Repositories that are fetched at once; who comes later waits.
const AT_ONCE: usize = 2;

/// Hosts whose repositories are read where no other is named.
pub(crate) const HOSTS: [&str; 3] = ["codeberg.org", "github.com", "gitlab.com"];

/// Sources by `git` and from this machine.
pub(super) struct LocalSources {
    hosts: Vec<String>,
    scratch: PathBuf,
    limits: Limits,
    turns: Semaphore,
}

impl LocalSources {
    /// Reads repositories of `hosts`, in folders below `data` that vanish after each.
    pub(super) fn new(hosts: &[String], data: &Path, limits: &Limits) -> Self {
        let hosts = match hosts {
            [] => HOSTS.map(str::to_owned).to_vec(),
            named => named.to_vec(),
        };
        let scratch = data.join("sources");
        Self { hosts, scratch, limits: limits.clone(), turns: Semaphore::new(AT_ONCE) }
    }

    /// Whether an address is one that is fetched: https to an allowed host, without a name or password
    /// in it; http to this machine where that is allowed by its name.
    fn allowed(&self, address: &str) -> Result<(), SourceError> {
        let shown = excerpt(address, 300);
        let refused = |why: String| Err(SourceError::Refused(format!("`{shown}` {why}")));
        let Some((scheme, rest)) = address.split_once("://") else {
            return refused("is not fetched: write `https://host/owner/repository`".to_owned());
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return refused("holds a user's name or a password: leave it out".to_owned());
        }
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let here = matches!(host, "127.0.0.1" | "localhost");
        if scheme != "https" && !(scheme == "http" && here) {
            return refused("is not fetched: only `https://` is".to_owned());
        }
        if !self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) {
            let hosts = self.hosts.join("`, `");
            return refused(format!(
                "is not fetched: this registry reads repositories of `{hosts}`"
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Sources for LocalSources {
    async fn git(&self, address: &str, reference: Option<&str>) -> Result<Fetched, SourceError> {
        self.allowed(address)?;
        let busy = |_| SourceError::Refused("the registry is stopping: try again".to_owned());
        let _turn = self.turns.acquire().await.map_err(busy)?;
        let (address, reference) = (address.to_owned(), reference.map(str::to_owned));
        let (scratch, limits) = (self.scratch.clone(), self.limits.clone());
        let fetch = move || fetch(&address, reference.as_deref(), &scratch, &limits);
        let done = tokio::task::spawn_blocking(fetch).await;
        done.unwrap_or_else(|_| {
            Err(SourceError::Refused("the repository cannot be read".to_owned()))
        })
    }

    async fn folder(&self, path: &str) -> Result<Tree, SourceError> {
        let (text, limits) = (path.to_owned(), self.limits.clone());
        let read = move || {
            let missing = || SourceError::Missing(excerpt(&text, 300));
            let home = text.strip_prefix("~/").zip(crate::ui::var("HOME"));
            let place = match home {
                Some((rest, home)) => PathBuf::from(home).join(rest),
                None => PathBuf::from(&text),
            };
            if !place.is_dir() {
                return Err(missing());
            }
            let walked = walk(&place, &Choice::default(), &limits);
            walked.map(|walked| walked.tree).map_err(|e| SourceError::Refused(e.to_string()))
        };
        let done = tokio::task::spawn_blocking(read).await;
        done.unwrap_or_else(|_| Err(SourceError::Refused("the folder cannot be read".to_owned())))
    }
}

fn fetch(
    address: &str,
    reference: Option<&str>,
    scratch: &Path,
    limits: &Limits,
) -> Result<Fetched, SourceError> {
    // Where the registry keeps its files is nobody's business.
    let scratch_name = scratch.display().to_string();
    let refused = |error: &dyn std::fmt::Display| {
        let why = excerpt(&error.to_string().replace(&scratch_name, "…"), 500);
        SourceError::Refused(format!("`{}` cannot be read: {why}", excerpt(address, 300)))
    };
    std::fs::create_dir_all(scratch).map_err(|e| refused(&e))?;
    let folder = tempfile::tempdir_in(scratch).map_err(|e| refused(&e))?;
    let remote =
        Remote::fetch(address, reference, folder.path(), limits).map_err(|e| refused(&e))?;
    let tree = remote.tree("", limits).map_err(|e| refused(&e))?;
    Ok(Fetched { tree, commit: remote.commit().as_str().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_hosts_are_asked_and_only_by_https() {
        let dir = tempfile::tempdir().unwrap();
        let sources = LocalSources::new(&[], dir.path(), &Limits::default());
        assert!(sources.allowed("https://github.com/acme/pbg-cells").is_ok());
        for address in [
            "http://github.com/acme/x",
            "https://evil.example/acme/x",
            "https://github.com.evil.example/x",
            "https://me:pw@github.com/x",
            "https://github.com@evil.example/x",
            "ssh://git@github.com/x",
            "git@github.com:acme/x",
            "file:///etc",
            "ext::sh -c x",
            "--upload-pack=x",
            "http://127.0.0.1:1/x",
            "https://evil.example?github.com/x",
        ] {
            assert!(sources.allowed(address).is_err(), "{address}");
        }
        let here = LocalSources::new(&["127.0.0.1".to_owned()], dir.path(), &Limits::default());
        assert!(here.allowed("http://127.0.0.1:8000/x.git").is_ok());
        assert!(here.allowed("https://github.com/acme/x").is_err());
    }
}
