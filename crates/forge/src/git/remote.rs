//! One commit of a repository somewhere else, fetched as data.
//!
//! The commit goes into a bare repository of its own, one level deep: no work tree, no hooks, no
//! submodules, no filters, objects checked as they come. Only the protocol of the address is allowed,
//! no redirect is followed, and nothing asks for a password. Time and bytes are bounded.

use std::path::Path;

use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;

use super::run::{LONG_PATIENCE, Reach};
use super::{Checkout, Commit, GitError, is_commit};
use crate::whole::Whole;

/// All branches and tags.
const EVERYTHING: [&str; 2] = ["refs/heads/*:refs/heads/*", "refs/tags/*:refs/tags/*"];

/// A commit that was fetched.
pub struct Remote {
    checkout: Checkout,
    commit: Commit,
}

impl Remote {
    /// Fetches what `reference` names at `url` (its default branch where there is none) into `folder`,
    /// an empty folder.
    ///
    /// `url` is `https://`, `ssh://`, `file://`, or `http://` of this machine; `reference` a branch, a
    /// tag or the full name of a commit.
    ///
    /// # Errors
    ///
    /// [`GitError::Refused`] for an address or a name that is none of these, and what git says;
    /// [`GitError::Slow`], and [`GitError::Large`] past `limits`.
    pub fn fetch(
        url: &str,
        reference: Option<&str>,
        folder: &Path,
        limits: &Limits,
    ) -> Result<Self, GitError> {
        let refused = |said: String| GitError::Refused { folder: without_credentials(url), said };
        if let Some(reference) = reference.filter(|reference| !is_plain(reference)) {
            let said = format!("`{}` is no branch, tag or commit", excerpt(reference, 100));
            return Err(refused(said));
        }
        let fetched = self::fetch(url, &[reference.unwrap_or("HEAD")], true, folder, limits);
        let (checkout, name) = match (fetched, reference) {
            (Err(GitError::Refused { said, .. }), Some(commit)) if is_tips_only(&said, commit) => {
                (self::fetch(url, &EVERYTHING, false, folder, limits)?, commit)
            }
            (fetched, _) => (fetched?, "FETCH_HEAD"),
        };
        let name = format!("{name}^{{commit}}");
        let named = checkout.git("rev-parse", &["--verify", "--end-of-options", &name]);
        // The folder is a temporary one, and nothing to look at.
        let named = named.map_err(|_| refused("it has no such commit".to_owned()))?;
        let commit = named.trim().parse().map_err(refused)?;
        Ok(Self { checkout, commit })
    }

    /// The commit.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// The files of `path` (all where it is empty) in the commit.
    ///
    /// # Errors
    ///
    /// [`GitError::Refused`] for a link, a submodule, an unsafe name, or more than `limits` allow.
    pub fn tree(&self, path: &str, limits: &Limits) -> Result<Tree, GitError> {
        let refused = |said: String| GitError::Refused { folder: excerpt(path, 200), said };
        let listing = self.checkout.listing(&self.commit)?;
        let whole = Whole::of(&listing, path, limits).map_err(refused)?;
        let contents = self.checkout.contents(&listing, &whole.paths)?;
        whole.tree(&contents).map_err(refused)
    }
}

/// Whether a server refused a commit because it gives the tips of branches and tags only. So do those of
/// git's older protocol, which an `sshd` speaks that hands over no `GIT_PROTOCOL`, as Debian's does not.
fn is_tips_only(said: &str, reference: &str) -> bool {
    is_commit(reference) && said.contains("unadvertised object")
}

/// Fetches `wanted` of `url` into a bare repository in `folder`: one commit deep where `shallow`, with
/// all that is behind it otherwise. `wanted` are checked names, or texts of this crate. A repository that
/// is there already takes more.
///
/// # Errors
///
/// [`GitError::Refused`] for an address that is none, and what git says; [`GitError::Slow`], and
/// [`GitError::Large`] past `limits`.
pub(super) fn fetch(
    url: &str,
    wanted: &[&str],
    shallow: bool,
    folder: &Path,
    limits: &Limits,
) -> Result<Checkout, GitError> {
    let refused = |said: String| GitError::Refused { folder: without_credentials(url), said };
    let protocol = protocol(url)
        .ok_or_else(|| refused("an address is `https://…`, `ssh://…` or `file://…`".to_owned()))?;
    let checkout = Checkout { folder: folder.to_owned(), header: None };
    checkout.git("init", &["--quiet", "--bare", "--template="])?;
    // Somebody who is gone cannot be told of progress, which ends a git that was left alone.
    let mut args = vec!["--progress", "--no-tags", "--no-recurse-submodules"];
    // Without it, git leaves out what a shallow repository has, and says that all is well.
    args.push(if shallow { "--depth=1" } else { "--update-shallow" });
    args.extend(["--no-write-commit-graph", "--no-auto-gc", "--end-of-options"]);
    args.push(url.strip_suffix('/').unwrap_or(url));
    args.extend(wanted);
    let reach = Reach { protocol, bytes: Some(limits.repository_bytes), patience: LONG_PATIENCE };
    checkout.reach("fetch", &args, reach).map_err(|error| match error {
        // The folder is a temporary one, and nothing to look at.
        GitError::Refused { said, .. } => refused(said),
        error => error,
    })?;
    Ok(checkout)
}

/// An address as it may be shown and recorded: without user, password, query and fragment.
pub fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return excerpt(url, 400) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    excerpt(&format!("{scheme}://{host}{path}"), 400)
}

/// The one protocol that an address speaks.
pub(super) fn protocol(url: &str) -> Option<&'static str> {
    let clean = url.len() <= 2_000 && url.bytes().all(|b| b.is_ascii_graphic());
    let (scheme, rest) = url.split_once("://").filter(|_| clean)?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?;
    let here = ["127.0.0.1", "localhost"].iter().any(|name| {
        host == *name || host.strip_prefix(name).is_some_and(|port| port.starts_with(':'))
    });
    match scheme {
        "https" if !host.is_empty() => Some("https"),
        "ssh" if !host.is_empty() && !authority.starts_with('-') && !host.starts_with('-') => {
            Some("ssh")
        }
        "file" => Some("file"),
        "http" if here => Some("http"),
        _ => None,
    }
}

/// Whether a name is one that git can take for nothing else.
pub(crate) fn is_plain(reference: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"._/-@+".contains(&b);
    !reference.is_empty()
        && reference.len() <= 250
        && reference.bytes().all(word)
        && reference.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !reference.contains("..")
        && !reference.contains("@{")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::fixture::Repository;

    #[test]
    fn an_address_speaks_one_protocol() {
        for (url, spoken) in [
            ("https://example.org/a.git", Some("https")),
            ("ssh://git@example.org/a.git", Some("ssh")),
            ("file:///srv/a.git", Some("file")),
            ("http://127.0.0.1:8000/a.git", Some("http")),
            ("http://localhost.example.org/a.git", None),
            ("http://example.org/a.git", None),
            ("ext::sh -c x", None),
            ("ssh://-oProxyCommand=x/a.git", None),
            ("--upload-pack=x", None),
            ("https:///a.git", None),
        ] {
            assert_eq!(protocol(url), spoken, "{url}");
        }
        for reference in ["main", "v1.2.3", "feature/x", "0123456789012345678901234567890123456789"]
        {
            assert!(is_plain(reference));
        }
        for reference in [
            "",
            "-x",
            "--upload-pack=x",
            "+main",
            "a:b",
            "a..b",
            "a\nb",
            "refs/heads/*",
            "HEAD@{1}",
        ] {
            assert!(!is_plain(reference), "{reference}");
        }
    }

    #[test]
    fn an_address_is_shown_without_credentials() {
        for (url, shown) in [
            ("https://x:secret@example.org/a/b.git?token=1", "https://example.org/a/b.git"),
            ("ssh://git@example.org/a/b.git", "ssh://example.org/a/b.git"),
            ("file:///srv/a", "file:///srv/a"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
        let into = tempfile::tempdir().unwrap();
        let url = "http://x:secret@example.org/a/b.git";
        let error = Remote::fetch(url, None, into.path(), &Limits::default()).err().unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_repository_over_the_limit_is_given_up() {
        let repository = Repository::new();
        let mut noise = 1_u64;
        let mut next = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (noise >> 56) as u8
        };
        let bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(2 << 20).collect();
        repository.commit(&[("noise", &bytes)]);
        let url = repository.url();
        let limits = Limits { repository_bytes: 1 << 20, ..Limits::default() };
        let into = tempfile::tempdir().unwrap();
        let error = Remote::fetch(&url, None, into.path(), &limits).err().unwrap();
        assert_eq!(
            error.to_string(),
            "the repository has more than 1048576 bytes (`repository_bytes`)"
        );
        let limits = Limits { repository_bytes: 3 << 20, ..Limits::default() };
        let into = tempfile::tempdir().unwrap();
        assert!(Remote::fetch(&url, None, into.path(), &limits).is_ok());
    }

    #[test]
    fn a_commit_of_a_repository_becomes_a_tree() {
        let repository = Repository::new();
        repository.commit(&[("packages/a/ato.yaml", b"a: b\n"), ("top", b"")]);
        repository.git(&["tag", "v1"]);
        let (url, limits) = (repository.url(), Limits::default());
        for reference in [None, Some("main"), Some("v1")] {
            let into = tempfile::tempdir().unwrap();
            let remote = Remote::fetch(&url, reference, into.path(), &limits).unwrap();
            let tree = remote.tree("packages/a", &limits).unwrap();
            assert_eq!(tree.text("ato.yaml"), Some("a: b\n"));
            assert_eq!(tree.len(), 1);
            assert_eq!(remote.tree("", &limits).unwrap().len(), 2);
        }
        std::os::unix::fs::symlink("top", repository.path().join("packages/a/link")).unwrap();
        repository.commit(&[]);
        let into = tempfile::tempdir().unwrap();
        let remote = Remote::fetch(&url, None, into.path(), &limits).unwrap();
        assert!(remote.tree("packages/a", &limits).is_err());
        let into = tempfile::tempdir().unwrap();
        assert!(Remote::fetch(&url, Some("--upload-pack=x"), into.path(), &limits).is_err());
    }
}
