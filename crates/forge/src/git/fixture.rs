//! Small repositories to test with, made by the `git` program.

use std::path::Path;
use std::process::{Command, Stdio};

use packhouse_core::limits::Limits;

use super::History;

/// A repository with a work tree, which vanishes with it.
pub(crate) struct Repository(tempfile::TempDir);

impl Repository {
    /// An empty one, on the branch `main`.
    pub(crate) fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// Its folder.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Runs git as a person would; what it answers.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(["-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"])
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {args:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes files and commits all that lies there; the commit.
    pub(crate) fn commit(&self, files: &[(&str, &[u8])]) -> String {
        for (path, bytes) in files {
            let path = self.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Its history, read where it lies.
    pub(crate) fn history(&self) -> History {
        History::of(self.path()).unwrap()
    }

    /// Its history, fetched into an empty folder.
    pub(crate) fn fetched(&self, into: &Path) -> History {
        History::fetch(&self.url(), into, &Limits::default()).unwrap()
    }
}
