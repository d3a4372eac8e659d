//! What a checkout says of itself, asked from the `git` program.
//!
//! Nothing of a user's reaches git as an option, no transport is allowed, no hook, pager or prompt
//! runs, no configuration outside of the checkout counts, and time and output are bounded. Names
//! that git answers (tags, branches, addresses) are strangers' texts: they are checked here and
//! never go into another command.

mod clone;
#[cfg(test)]
pub(crate) mod fixture;
mod history;
mod remote;
mod run;

use std::path::{Path, PathBuf};

use packhouse_core::escape::{excerpt, printable};
use packhouse_core::secret::Secret;
use packhouse_core::snapshot::{Contents, Entry, Kind, Listing};

pub use clone::{Cloned, look_up};
pub use history::{Changed, History, Made, Tag};
pub(crate) use remote::is_plain;
pub use remote::{Remote, without_credentials};

/// The most that one call of git may answer, in bytes.
const OUTPUT_BYTES: u64 = 1 << 20;
/// The most that a listing of a commit may have, in bytes: some hundred thousand files.
const LISTING_BYTES: u64 = 64 << 20;

/// Why git could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no `git` program.
    #[error("the program `git` is not there ({0}): install it")]
    NoProgram(std::io::Error),
    /// The folder is not in a checkout, or git does not trust it.
    #[error("`git` cannot read `{folder}`: {said}")]
    Refused {
        /// The folder.
        folder: String,
        /// What git said, printable.
        said: String,
    },
    /// It took too long.
    #[error("`git {0}` took more than {1} s")]
    Slow(&'static str, u64),
    /// It said too much.
    #[error("`git {0}` answered more than {1} bytes")]
    Long(&'static str, u64),
    /// It fetched too much.
    #[error("the repository has more than {0} bytes (`repository_bytes`)")]
    Large(u64),
    /// It could not be run.
    #[error("`git {0}` could not be run: {1}")]
    Io(&'static str, std::io::Error),
}

/// A checkout.
#[derive(Clone, Debug)]
pub struct Checkout {
    folder: PathBuf,
    /// What goes to the server with each request over HTTP.
    header: Option<Secret>,
}

impl Checkout {
    /// The checkout that `folder` lies in; `None` where it lies in none.
    ///
    /// # Errors
    ///
    /// [`GitError`] where git is missing or refuses for another reason.
    pub fn find(folder: &Path) -> Result<Option<Self>, GitError> {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        if !absolute.ancestors().any(|above| above.join(".git").exists()) {
            return Ok(None);
        }
        let checkout = Self { folder: absolute, header: None };
        checkout.git("rev-parse", &["--is-inside-work-tree"])?;
        Ok(Some(checkout))
    }

    /// The folder's path within the checkout, `/` between parts and none at the end; empty at its
    /// root.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn prefix(&self) -> Result<String, GitError> {
        let prefix = self.git("rev-parse", &["--show-prefix"])?;
        Ok(prefix.trim_end_matches(['\n', '/']).to_owned())
    }

    /// The commit that is checked out; `None` before the first commit.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn head(&self) -> Result<Option<Commit>, GitError> {
        match self.git("rev-parse", &["--verify", "--quiet", "--end-of-options", "HEAD^{commit}"]) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(GitError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of all tags on the commit that is checked out, in git's order. A name may hold any
    /// character that git allows in one: it is for comparing, and for showing once escaped.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn tags(&self) -> Result<Vec<String>, GitError> {
        if self.head()?.is_none() {
            return Ok(Vec::new());
        }
        let format = "--format=%(refname:strip=2)";
        let listed = self.git("for-each-ref", &[format, "--points-at=HEAD", "refs/tags/"])?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// The branch that is checked out; `None` on a detached commit.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn branch(&self) -> Result<Option<String>, GitError> {
        match self.git("symbolic-ref", &["--quiet", "--short", "HEAD"]) {
            Ok(text) => Ok(Some(text.trim_end().to_owned()).filter(|name| !name.is_empty())),
            Err(GitError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the folder has changes that are not committed; files that git ignores do not count.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn is_dirty(&self) -> Result<bool, GitError> {
        match self.git(
            "status",
            &["--porcelain=v1", "--untracked-files=normal", "--ignore-submodules=all", "--", "."],
        ) {
            Ok(text) => Ok(!text.trim().is_empty()),
            Err(GitError::Long(..)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// `owner/name` of the repository that `origin` points at, where it is on a forge.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn repository(&self) -> Result<Option<String>, GitError> {
        match self.git("config", &["--local", "--get", "remote.origin.url"]) {
            Ok(url) => Ok(repository_of(url.trim())),
            Err(GitError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The commit that a pull request is compared with: the first parent of the merge that GitHub
    /// made of it (`refs/pull/N/merge`), else what the checked-out commit has in common with `base`.
    /// `None` where the checkout does not hold it: it is a shallow one.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn compared_with(&self, head: &Commit, base: &Commit) -> Result<Option<Commit>, GitError> {
        if let [first, second] = &self.parents()?[..]
            && second == head
        {
            return Ok(self.holds(first)?.then(|| first.clone()));
        }
        if !self.holds(base)? {
            return Ok(None);
        }
        match self.git("merge-base", &["--end-of-options", "HEAD", &base.0]) {
            Ok(text) => Ok(text.trim().parse().ok()),
            Err(GitError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The parents of the commit that is checked out; a shallow checkout may know of none.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn parents(&self) -> Result<Vec<Commit>, GitError> {
        // What the commit itself says: where the history is cut, `rev-list` hides its parents.
        let commit = self.git("cat-file", &["commit", "HEAD"])?;
        let header = commit.lines().take_while(|line| !line.is_empty());
        Ok(header.filter_map(|line| line.strip_prefix("parent ")?.parse().ok()).collect())
    }

    /// Whether `commit` is in the checkout.
    fn holds(&self, commit: &Commit) -> Result<bool, GitError> {
        match self.git("cat-file", &["-e", &format!("{}^{{commit}}", commit.0)]) {
            Ok(_) => Ok(true),
            Err(GitError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Every file of `commit`.
    ///
    /// # Errors
    ///
    /// [`GitError`]; [`GitError::Long`] for a repository of some hundred thousand files.
    pub fn listing(&self, commit: &Commit) -> Result<Listing, GitError> {
        let args = ["-r", "-z", "--long", "--full-tree", "--end-of-options", &commit.0];
        let listed = self.run("ls-tree", &args, None, LISTING_BYTES)?;
        let mut listing = Listing::default();
        for line in listed.split(|byte| *byte == 0) {
            // `<mode> <type> <object> <size>\t<path>`
            let mut halves = line.splitn(2, |byte| *byte == b'\t');
            let (Some(about), Some(path)) = (halves.next(), halves.next()) else { continue };
            let (Ok(about), Ok(path)) = (std::str::from_utf8(about), std::str::from_utf8(path))
            else {
                listing.insert_not_utf8(path);
                continue;
            };
            let about: Vec<&str> = about.split_ascii_whitespace().collect();
            let [mode, _, id, size] = about[..] else { continue };
            if let (Some(kind), true) = (kind(mode), is_commit(id)) {
                let entry = Entry { kind, id: id.to_owned(), bytes: size.parse().unwrap_or(0) };
                listing.insert(path.to_owned(), entry);
            }
        }
        Ok(listing)
    }

    /// The contents of `wanted`, which are paths of `listing`. The caller bounds what is wanted.
    ///
    /// # Errors
    ///
    /// [`GitError`]; [`GitError::Refused`] where an object is missing or not the listed one.
    pub fn contents(&self, listing: &Listing, wanted: &[String]) -> Result<Contents, GitError> {
        let entries: Vec<(&String, &Entry)> =
            wanted.iter().filter_map(|path| Some((path, listing.get(path)?))).collect();
        let asked: String = entries.iter().map(|(_, entry)| format!("{}\n", entry.id)).collect();
        let bytes: u64 = entries.iter().map(|(_, entry)| entry.bytes + 120).sum();
        let answer = self.run("cat-file", &["--batch"], Some(asked.into_bytes()), bytes)?;
        let broken = |path: &str| GitError::Refused {
            folder: printable(&self.folder.to_string_lossy()),
            said: format!("the object of `{}` cannot be read", excerpt(path, 200)),
        };
        let (mut rest, mut contents) = (&answer[..], Contents::new());
        for (path, entry) in entries {
            // `<object> blob <size>\n<bytes>\n`
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| broken(path))?;
            let expected = format!("{} blob {}", entry.id, entry.bytes);
            let size = usize::try_from(entry.bytes).unwrap_or(usize::MAX);
            let body = rest.get(end + 1..).and_then(|body| body.get(..size));
            let body = body.filter(|_| rest[..end] == *expected.as_bytes());
            let body = body.ok_or_else(|| broken(path))?;
            contents.insert(path.clone(), body.into());
            rest = rest.get(end + 1 + size + 1..).unwrap_or_default();
        }
        Ok(contents)
    }
}

/// The full name of a commit: 40 or 64 hex digits, so it is never an option or another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit(String);

impl Commit {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Commit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if is_commit(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("`{}` is not a commit: it has 40 hex digits", excerpt(text, 100)))
        }
    }
}

/// What a mode in a tree of git says; `None` for a folder.
pub(crate) fn kind(mode: &str) -> Option<Kind> {
    Some(match mode {
        "100644" | "100664" => Kind::File { executable: false },
        "100755" => Kind::File { executable: true },
        "120000" => Kind::Link,
        "160000" => Kind::Submodule,
        _ => return None,
    })
}

/// Whether `text` is git's full name of an object: 40 or 64 hex digits.
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `owner/name` of an address of a forge, without a final `.git`: `https://host/owner/name`,
/// `ssh://git@host/owner/name`, `git@host:owner/name`.
pub fn repository_of(url: &str) -> Option<String> {
    let path = match url.split_once("://") {
        Some(("https" | "http" | "ssh" | "git", rest)) => rest.split_once('/')?.1,
        Some(_) => return None,
        None => url.split_once(':').filter(|(host, _)| !host.contains('/'))?.1,
    };
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.split_once('/')?;
    let plain = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && !part.starts_with(['-', '.'])
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    (plain(owner) && plain(name)).then(|| format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Runs git as a person would, to make a repository.
    fn git(dir: &Path, args: &[&str]) {
        let status = Command::new("git")
            .args([
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(["-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"])
            .args(args)
            .current_dir(dir)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "git {args:?}");
    }

    fn repository() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "-q"]);
        std::fs::write(dir.path().join("a"), "1").unwrap();
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "-q", "-m", "one"]);
        dir
    }

    fn checkout(dir: &Path) -> Checkout {
        Checkout::find(dir).unwrap().unwrap()
    }

    #[test]
    fn a_checkout_tells_commit_tags_branch_and_changes() {
        let dir = repository();
        git(dir.path(), &["tag", "v1.0.0"]);
        git(dir.path(), &["tag", "-a", "-m", "x", "annotated"]);
        git(dir.path(), &["remote", "add", "origin", "git@github.com:acme/sensor.git"]);
        std::fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
        let here = checkout(dir.path());
        assert!(here.head().unwrap().is_some());
        assert_eq!(here.tags().unwrap(), ["annotated", "v1.0.0"]);
        assert_eq!(here.branch().unwrap().as_deref(), Some("main"));
        assert_eq!(here.repository().unwrap().as_deref(), Some("acme/sensor"));
        assert!(!here.is_dirty().unwrap());
        assert_eq!(here.prefix().unwrap(), "");
        assert_eq!(checkout(&dir.path().join("sub/deep")).prefix().unwrap(), "sub/deep");
        std::fs::write(dir.path().join("b"), "").unwrap();
        assert!(here.is_dirty().unwrap());
        git(dir.path(), &["checkout", "-q", "--detach"]);
        assert_eq!(here.branch().unwrap(), None);
    }

    #[test]
    fn a_commit_is_read_as_data() {
        let dir = repository();
        let script = dir.path().join("run me.sh");
        std::fs::write(&script, "#!/bin/sh\n").unwrap();
        std::fs::write(dir.path().join("empty"), "").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::{PermissionsExt as _, symlink};
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            symlink("/etc/passwd", dir.path().join("link")).unwrap();
        }
        git(dir.path(), &["add", "."]);
        git(dir.path(), &["commit", "-q", "-m", "two"]);
        std::fs::write(dir.path().join("a"), "changed, and not committed").unwrap();
        let here = checkout(dir.path());
        let head = here.head().unwrap().unwrap();
        let listing = here.listing(&head).unwrap();
        let paths: Vec<_> = listing.paths().map(str::to_owned).collect();
        let contents = here.contents(&listing, &paths).unwrap();
        assert_eq!(&*contents["a"], b"1");
        assert_eq!(&*contents["empty"], b"");
        if cfg!(unix) {
            assert_eq!(paths, ["a", "empty", "link", "run me.sh"]);
            assert_eq!(&*contents["link"], b"/etc/passwd");
            assert_eq!(listing.get("link").unwrap().kind, Kind::Link);
            assert_eq!(listing.get("run me.sh").unwrap().kind, Kind::File { executable: true });
        }
        let none: Commit = "0".repeat(40).parse().unwrap();
        assert!(here.listing(&none).is_err());
        for text in ["--help", "HEAD", "", &"g".repeat(40)] {
            assert!(text.parse::<Commit>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pull_request_is_compared_with_what_it_started_from() {
        let dir = repository();
        let at = |here: &Checkout| here.head().unwrap().unwrap();
        let here = checkout(dir.path());
        let started = at(&here);
        git(dir.path(), &["checkout", "-q", "-b", "change"]);
        git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "change"]);
        let change = at(&here);
        git(dir.path(), &["checkout", "-q", "main"]);
        git(dir.path(), &["commit", "-q", "--allow-empty", "-m", "meanwhile"]);
        let main = at(&here);
        git(dir.path(), &["checkout", "-q", "change"]);
        assert_eq!(here.compared_with(&change, &main).unwrap(), Some(started));
        // GitHub's merge: its first parent is what the pull request is merged into.
        git(dir.path(), &["checkout", "-q", "--detach", "main"]);
        git(dir.path(), &["merge", "-q", "--no-ff", "-m", "merge", "change"]);
        assert_eq!(here.compared_with(&change, &main).unwrap(), Some(main.clone()));
        let unknown: Commit = "0".repeat(40).parse().unwrap();
        git(dir.path(), &["checkout", "-q", "change"]);
        assert_eq!(here.compared_with(&change, &unknown).unwrap(), None);
        // A shallow clone knows the names of parents that it does not hold.
        let shallow = tempfile::tempdir().unwrap();
        git(dir.path(), &["checkout", "-q", "--detach", "main"]);
        git(dir.path(), &["merge", "-q", "--no-ff", "-m", "merge", "change"]);
        git(dir.path(), &["branch", "merged"]);
        let url = format!("file://{}", dir.path().display());
        git(shallow.path(), &["clone", "-q", "--depth=1", "--branch=merged", &url, "."]);
        assert_eq!(checkout(shallow.path()).compared_with(&change, &main).unwrap(), None);
    }

    #[test]
    fn what_is_not_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Checkout::find(dir.path()).unwrap().is_none());
        git(dir.path(), &["init", "-q"]);
        let here = checkout(dir.path());
        assert_eq!((here.head().unwrap(), here.repository().unwrap()), (None, None));
        assert!(here.tags().unwrap().is_empty());
        std::fs::create_dir(dir.path().join("x")).unwrap();
        std::fs::write(dir.path().join("x/.git"), "gitdir: /nowhere\n").unwrap();
        assert!(matches!(Checkout::find(&dir.path().join("x")), Err(GitError::Refused { .. })));
    }

    #[test]
    fn hostile_tags_are_names_and_nothing_else() {
        let dir = repository();
        let names = [
            "$(touch${IFS}pwned)",
            "a;touch-pwned",
            "`touch-pwned`",
            "v1.0.0'\"",
            "x%0A",
            "v1.0.0\u{202e}",
        ];
        for name in names {
            git(dir.path(), &["tag", "--", name]);
        }
        // `git tag` itself refuses a leading dash; a repository made by other tools may have one.
        let head = checkout(dir.path()).head().unwrap().unwrap();
        for name in ["--upload-pack=touch pwned", "-c"] {
            let path = dir.path().join(".git/refs/tags").join(name);
            std::fs::write(path, format!("{}\n", head.as_str())).unwrap();
        }
        let tags = checkout(dir.path()).tags().unwrap();
        assert!(names.iter().all(|name| tags.iter().any(|tag| tag == name)), "{tags:?}");
        assert!(!dir.path().join("pwned").exists() && !dir.path().join("-pwned").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_checkouts_configuration_runs_nothing() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = repository();
        let trap = dir.path().join(".git/trap");
        std::fs::write(&trap, "#!/bin/sh\ntouch \"$(dirname \"$0\")/pwned\"\n").unwrap();
        std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o755)).unwrap();
        let trap = trap.to_str().unwrap();
        for key in [
            "core.fsmonitor",
            "core.pager",
            "core.editor",
            "core.sshCommand",
            "diff.external",
            "pager.status",
            "alias.status",
        ] {
            git(dir.path(), &["config", key, trap]);
        }
        let hooks = dir.path().join(".git/hooks");
        std::fs::create_dir_all(&hooks).unwrap();
        std::fs::copy(trap, hooks.join("post-index-change")).unwrap();
        let here = checkout(dir.path());
        here.tags().unwrap();
        here.is_dirty().unwrap();
        here.branch().unwrap();
        here.repository().unwrap();
        assert!(!dir.path().join(".git/pwned").exists() && !hooks.join("pwned").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_strangers_checkout_is_read_and_its_filters_do_not_run() {
        use std::os::unix::fs::{PermissionsExt as _, chown};
        let dir = repository();
        git(dir.path(), &["tag", "v1.0.0"]);
        let trap = dir.path().join(".git/trap");
        std::fs::write(&trap, "#!/bin/sh\ntouch \"$(dirname \"$0\")/pwned\"\ncat\n").unwrap();
        std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o755)).unwrap();
        git(dir.path(), &["config", "filter.x.clean", trap.to_str().unwrap()]);
        std::fs::write(dir.path().join(".git/info/attributes"), "* filter=x\n").unwrap();
        std::fs::write(dir.path().join("a"), "2").unwrap();
        // Only root can make it a stranger's.
        let owned = [dir.path().to_owned(), dir.path().join(".git")];
        if owned.iter().any(|path| chown(path, Some(12345), None).is_err()) {
            return;
        }
        let here = checkout(dir.path());
        assert_eq!(here.tags().unwrap(), ["v1.0.0"]);
        assert!(matches!(here.is_dirty(), Err(GitError::Refused { .. })));
        assert!(!dir.path().join(".git/pwned").exists());
    }

    #[test]
    fn an_address_names_a_repository() {
        for url in [
            "https://github.com/acme/sensor",
            "https://x@github.com/acme/sensor.git/",
            "git@github.com:acme/sensor.git",
            "ssh://git@host:22/acme/sensor",
        ] {
            assert_eq!(repository_of(url).as_deref(), Some("acme/sensor"), "{url}");
        }
        for url in [
            "",
            "/srv/git/x.git",
            "file:///a/b",
            "ext::sh -c x",
            "https://github.com/acme",
            "git@host:a/b/c",
            "https://h/-c/x",
            "https://h/a/..",
            "https://h/a b/c",
        ] {
            assert_eq!(repository_of(url), None, "{url}");
        }
    }
}
