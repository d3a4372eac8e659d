//! A full clone of a repository somewhere else, with one commit checked out.
//!
//! Whoever installs packages of F Prime works on in the clone, and its stock client fetches in it. So
//! unlike [`Remote`](super::Remote) it has a work tree; no hook, filter or submodule is run or
//! followed, and a commit with links is refused before any file of it is written.

use std::path::Path;

use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;
use packhouse_core::secret::Secret;
use packhouse_core::snapshot::Kind;

use super::remote::{is_plain, protocol};
use super::run::{LONG_PATIENCE, Reach};
use super::{Checkout, Commit, GitError};

/// A clone.
pub struct Cloned {
    checkout: Checkout,
    commit: Commit,
}

impl Cloned {
    /// Clones `url` into `folder`, an empty folder, and checks out what `reference` names: a tag, else a
    /// commit, else a branch. Where `header` is given, it goes to `url` with each request over HTTP.
    ///
    /// `url` is `https://`, `ssh://`, `git@host:path`, `file://` or an absolute path, or `http://` of
    /// this machine.
    ///
    /// # Errors
    ///
    /// [`GitError::Refused`] for an address or a name that is none of these, for a name that is not
    /// there, and what git says.
    pub fn make(
        url: &str,
        reference: &str,
        header: Option<&Secret>,
        folder: &Path,
    ) -> Result<Self, GitError> {
        let refused = |said: String| GitError::Refused { folder: excerpt(url, 300), said };
        let address = address(url);
        let spoken = protocol(&address).ok_or_else(|| {
            refused(
                "an address is `https://…`, `ssh://…`, `git@host:…`, `file://…` or a path"
                    .to_owned(),
            )
        })?;
        if !is_plain(reference) {
            let said = format!("`{}` is no branch, tag or commit", excerpt(reference, 100));
            return Err(refused(said));
        }
        let checkout = Checkout { folder: folder.to_owned(), header: header.cloned() };
        checkout.git("init", &["--quiet", "--template="])?;
        // What `fppm` fetches from later; the header stays out of it.
        checkout.git("remote", &["add", "--", "origin", &address])?;
        let fetch = |wanted: &[&str]| {
            // Somebody who is gone cannot be told of progress, which ends a git that was left alone.
            let mut args = vec!["--progress", "--no-recurse-submodules", "--no-write-commit-graph"];
            args.extend(["--no-auto-gc", "--end-of-options", "origin"]);
            args.extend(wanted);
            let bytes = Some(Limits::default().repository_bytes);
            let reach = Reach { protocol: spoken, bytes, patience: LONG_PATIENCE };
            checkout.reach("fetch", &args, reach)
        };
        fetch(&["+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"])?;
        let find = || {
            let names = [
                format!("refs/tags/{reference}"),
                hex(reference).unwrap_or_default().to_owned(),
                format!("refs/remotes/origin/{reference}"),
            ];
            names.iter().filter(|name| !name.is_empty()).find_map(|name| {
                let wanted = format!("{name}^{{commit}}");
                let args = ["--verify", "--quiet", "--end-of-options", &wanted];
                checkout.git("rev-parse", &args).ok()?.trim().parse::<Commit>().ok()
            })
        };
        let mut commit = find();
        // A commit that no branch holds any more can be asked for by its name, where the server lets.
        if commit.is_none() && reference.len() == 40 && hex(reference).is_some() {
            fetch(&[reference])?;
            commit = find();
        }
        let commit = commit.ok_or_else(|| {
            refused(format!("it has no tag, commit or branch `{}`", excerpt(reference, 100)))
        })?;
        let listing = checkout.listing(&commit)?;
        let link = listing
            .paths()
            .find(|path| listing.get(path).is_some_and(|entry| entry.kind == Kind::Link));
        if let Some(path) = link {
            let said = format!("`{}` is a link, which could lead anywhere", excerpt(path, 200));
            return Err(refused(said));
        }
        checkout.git("checkout", &["--quiet", "--detach", &commit.0])?;
        Ok(Self { checkout, commit })
    }

    /// The commit that is checked out.
    pub fn commit(&self) -> &Commit {
        &self.commit
    }

    /// Whether a file differs from the commit's.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn is_dirty(&self) -> Result<bool, GitError> {
        self.checkout.is_dirty()
    }
}

/// The commit that a tag, else a branch, of `url` names now; `None` where it has neither. `HEAD` is what the
/// repository has checked out. The full name of a commit is itself, and nobody is asked.
///
/// # Errors
///
/// [`GitError::Refused`] for an address or a name that is none, and what git says.
pub fn look_up(url: &str, reference: &str) -> Result<Option<Commit>, GitError> {
    if let Ok(commit) = reference.parse() {
        return Ok(Some(commit));
    }
    let refused =
        |said: &str| GitError::Refused { folder: excerpt(url, 300), said: said.to_owned() };
    let address = address(url);
    let spoken = protocol(&address).ok_or_else(|| {
        refused("an address is `https://…`, `ssh://…`, `git@host:…`, `file://…` or a path")
    })?;
    if !is_plain(reference) {
        return Err(refused("no branch, tag or commit is called so"));
    }
    // In no repository, so that none has a say.
    let checkout = Checkout { folder: std::env::temp_dir(), header: None };
    let (tag, branch) = (format!("refs/tags/{reference}"), format!("refs/heads/{reference}"));
    let peeled = format!("{tag}^{{}}");
    let branch = if reference == "HEAD" { reference.to_owned() } else { branch };
    let args = ["--quiet", "--end-of-options", &address, &tag, &peeled, &branch];
    let reach = Reach { protocol: spoken, bytes: None, patience: LONG_PATIENCE };
    let listed = checkout.reach("ls-remote", &args, reach)?;
    let listed = String::from_utf8_lossy(&listed);
    let named = |name: &str| {
        let line =
            listed.lines().filter_map(|line| line.split_once('\t')).find(|(_, n)| *n == name);
        line.and_then(|(commit, _)| commit.parse().ok())
    };
    // An annotated tag names an object of its own; what it is about stands beside it.
    Ok(named(&peeled).or_else(|| named(&tag)).or_else(|| named(&branch)))
}

/// `git@host:path` and absolute paths as URLs; others as they are.
fn address(text: &str) -> String {
    if text.starts_with('/') {
        return format!("file://{text}");
    }
    match text.split_once(':') {
        Some((host, path))
            if !text.contains("://") && host.contains('@') && !host.contains('/') =>
        {
            format!("ssh://{host}/{}", path.trim_start_matches('/'))
        }
        _ => text.to_owned(),
    }
}

/// A text that can be the beginning of a commit's name, or all of it.
fn hex(text: &str) -> Option<&str> {
    let fits = (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn git(folder: &Path, args: &[&str]) -> String {
        let done = Command::new("git")
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(args)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
        for version in ["v1", "v2"] {
            std::fs::write(dir.path().join("a"), version).unwrap();
            git(dir.path(), &["add", "."]);
            git(dir.path(), &["commit", "--quiet", "-m", version]);
            git(dir.path(), &["tag", version]);
        }
        // A branch of the same name as a tag: the tag is meant.
        git(dir.path(), &["branch", "v1"]);
        git(dir.path(), &["branch", "vnext"]);
        dir
    }

    #[test]
    fn a_tag_a_commit_and_a_branch_are_checked_out() {
        let dir = repository();
        let (old, new) = (
            git(dir.path(), &["rev-parse", "v1^{commit}"]),
            git(dir.path(), &["rev-parse", "main"]),
        );
        let url = dir.path().to_str().unwrap();
        git(dir.path(), &["checkout", "--quiet", "--detach", "main"]);
        git(dir.path(), &["tag", "-f", "v1", &old]);
        for (wanted, commit) in
            [("v1", &old), (&old[..10], &old), ("main", &new), ("vnext", &new), (&new, &new)]
        {
            let into = tempfile::tempdir().unwrap();
            let clone = Cloned::make(url, wanted, None, into.path()).unwrap();
            assert_eq!(clone.commit().as_str(), commit, "{wanted}");
            assert_eq!(git(into.path(), &["rev-parse", "HEAD"]), **commit);
            assert!(!clone.is_dirty().unwrap());
            std::fs::write(into.path().join("a"), "mine").unwrap();
            assert!(clone.is_dirty().unwrap());
            // What the stock client does in it.
            git(into.path(), &["fetch"]);
            git(into.path(), &["stash"]);
        }
    }

    #[test]
    fn what_a_tag_names_is_looked_up_without_a_clone() {
        let dir = repository();
        let url = dir.path().to_str().unwrap();
        git(dir.path(), &["tag", "-a", "-m", "x", "v3", "v1^{commit}"]);
        let look =
            |name: &str| look_up(url, name).unwrap().map(|commit| commit.as_str().to_owned());
        let old = git(dir.path(), &["rev-parse", "refs/tags/v1"]);
        assert_eq!((look("v1"), look("v3")), (Some(old.clone()), Some(old.clone())));
        assert_eq!(look("main"), Some(git(dir.path(), &["rev-parse", "main"])));
        assert_eq!(look("HEAD"), Some(git(dir.path(), &["rev-parse", "HEAD"])));
        assert_eq!((look("v9"), look(&old)), (None, Some(old)));
        assert!(look_up(url, "--upload-pack=x").is_err() && look_up("ext::sh", "v1").is_err());
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        let dir = repository();
        let url = dir.path().to_str().unwrap();
        let try_it = |url: &str, wanted: &str| {
            let into = tempfile::tempdir().unwrap();
            let refused = Cloned::make(url, wanted, None, into.path()).err();
            (refused.map(|e| e.to_string()).unwrap_or_default(), into.path().join("a").exists())
        };
        for (url, wanted, why) in [
            (url, "v9", "has no tag, commit or branch `v9`"),
            (url, "--upload-pack=x", "is no branch, tag or commit"),
            ("ext::sh -c x", "v1", "an address is"),
            ("-x", "v1", "an address is"),
            ("http://example.org/a.git", "v1", "an address is"),
        ] {
            let (said, there) = try_it(url, wanted);
            assert!(said.contains(why) && !there, "{url} {wanted}: {said}");
        }
        std::os::unix::fs::symlink("/etc", dir.path().join("link")).unwrap();
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "--quiet", "-m", "link"]);
        let (said, there) = try_it(url, "main");
        assert!(said.contains("`link` is a link") && !there, "{said}");
        assert!(try_it(url, "v1").0.is_empty());
    }

    #[test]
    fn every_form_of_an_address_becomes_one() {
        for (text, url) in [
            ("git@example.org:a/b.git", "ssh://git@example.org/a/b.git"),
            ("/srv/a.git", "file:///srv/a.git"),
            ("https://example.org/a", "https://example.org/a"),
            ("ext::sh", "ext::sh"),
        ] {
            assert_eq!(address(text), url);
        }
    }
}
