//! Repositories of GitHub as sources of packages, for registries that have neither disk nor `git`: the
//! commit is resolved, its files are listed, and its archive is read as it comes.

use async_trait::async_trait;
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use packhouse_registry::ports::sources::{Fetched, SourceError, Sources};
use serde::Deserialize;

use super::{GitHub, GitHubError};
use crate::git::is_plain;
use crate::whole::Whole;

/// Public repositories of one GitHub.
#[derive(Clone, Debug)]
pub struct GitHubSources {
    api: String,
    limits: Limits,
}

#[derive(Deserialize)]
struct Resolved {
    sha: String,
}

impl GitHubSources {
    /// Reads repositories of the GitHub whose API is at `api`, up to `limits`. Nobody's token is used.
    pub fn new(api: &str, limits: &Limits) -> Self {
        Self { api: api.trim_end_matches('/').to_owned(), limits: limits.clone() }
    }

    /// `owner/name` of an address of this GitHub.
    fn repository(&self, address: &str) -> Result<String, SourceError> {
        let site = site(&self.api);
        let refused = |why: &str| {
            Err(SourceError::Refused(format!("`{}` is not fetched: {why}", excerpt(address, 300))))
        };
        let rest = match address.strip_prefix(&*site) {
            Some(rest) if rest.starts_with('/') => rest,
            _ => {
                return refused(&format!(
                    "this registry has no git and reads archives of `{site}` only; audit the package where \
                     it lies with `packhouse compose package-audit`, and register its outline"
                ));
            }
        };
        let rest = rest.trim_matches('/');
        let rest = rest.strip_suffix(".git").unwrap_or(rest);
        let word = |part: &str| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            !part.is_empty()
                && part.len() <= 100
                && part.bytes().all(fits)
                && !part.bytes().all(|b| b == b'.')
        };
        match rest.split_once('/') {
            Some((owner, name)) if word(owner) && word(name) => Ok(format!("{owner}/{name}")),
            _ => refused(&format!("write `{site}/owner/repository`")),
        }
    }

    async fn fetch(&self, repository: &str, reference: &str) -> Result<Fetched, String> {
        let said = |error: GitHubError| match error.status() {
            Some(404 | 422) => {
                format!("GitHub has no public `{repository}` with `{}`", excerpt(reference, 100))
            }
            _ => error.to_string(),
        };
        let github = GitHub::anonymous(&self.api).map_err(said)?;
        let path = format!("/repos/{repository}/commits/{reference}");
        let Resolved { sha: commit } = github.get(&path).await.map_err(said)?;
        if !crate::git::is_commit(&commit) {
            return Err("GitHub names no commit".to_owned());
        }
        let listing = github.listing(repository, &commit).await.map_err(said)?;
        let whole = Whole::of(&listing, "", &self.limits)?;
        let contents = github.archived(repository, &commit, &listing, &whole.paths).await;
        Ok(Fetched { tree: whole.tree(&contents.map_err(said)?)?, commit })
    }
}

/// Where people see what is at `api`.
fn site(api: &str) -> String {
    api.replace("://api.github.com", "://github.com").trim_end_matches("/api/v3").to_owned()
}

#[async_trait]
impl Sources for GitHubSources {
    async fn git(&self, address: &str, reference: Option<&str>) -> Result<Fetched, SourceError> {
        let repository = self.repository(address)?;
        let reference = reference.unwrap_or("HEAD");
        let shown = excerpt(address, 300);
        let unread = |why: String| {
            let why = excerpt(&why, 500);
            SourceError::Refused(format!("`{shown}` cannot be read: {why}"))
        };
        if !is_plain(reference) {
            let reference = excerpt(reference, 100);
            return Err(unread(format!("`{reference}` is no branch, tag or commit")));
        }
        self.fetch(&repository, reference).await.map_err(unread)
    }

    async fn folder(&self, path: &str) -> Result<Tree, SourceError> {
        Err(SourceError::Missing(excerpt(path, 300)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_repositories_of_this_github_are_asked() {
        let of = |api: &str, address: &str| {
            GitHubSources::new(api, &Limits::default()).repository(address).ok()
        };
        let github = crate::github::API;
        for address in [
            "https://github.com/acme/pbg-cells",
            "https://github.com/acme/pbg-cells.git",
            "https://github.com/acme/pbg-cells/",
        ] {
            assert_eq!(of(github, address).as_deref(), Some("acme/pbg-cells"), "{address}");
        }
        let enterprise = "https://git.example.org/api/v3";
        assert_eq!(of(enterprise, "https://git.example.org/a/b").as_deref(), Some("a/b"));
        assert_eq!(of(enterprise, "https://github.com/a/b"), None);
        for address in [
            "http://github.com/acme/x",
            "https://gitlab.com/acme/x",
            "https://github.com.evil.example/acme/x",
            "https://github.com@evil.example/acme/x",
            "https://github.com:443/acme/x",
            "https://api.github.com/acme/x",
            "https://github.com/acme",
            "https://github.com/acme/x/../../user",
            "https://github.com/acme/..",
            "https://github.com/acme/x?y",
            "https://github.com/acme/x#y",
            "https://github.com/acme/x%2f",
            "git@github.com:acme/x",
            "ssh://git@github.com/acme/x",
            "file:///etc",
        ] {
            assert_eq!(of(github, address), None, "{address}");
        }
    }
}
