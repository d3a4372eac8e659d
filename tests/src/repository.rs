//! Git repositories of stories, and their import.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Outcome, Runs as _, TestRegistry, plain};

/// A repository with a work tree, which vanishes with it.
pub struct Repository(tempfile::TempDir);

impl Default for Repository {
    fn default() -> Self {
        Self::new()
    }
}

impl Repository {
    /// An empty one, on the branch `main`.
    pub fn new() -> Self {
        let repository = Self(tempfile::tempdir().expect("a folder"));
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    /// One of a commit for each of the list's (paths and contents), as `git fast-import` makes it.
    pub fn of(commits: &[Vec<(String, String)>]) -> Self {
        use std::fmt::Write as _;
        let repository = Self::new();
        let mut stream = String::new();
        for (at, files) in commits.iter().enumerate() {
            let _ = writeln!(stream, "commit refs/heads/main");
            let seconds = 1_700_000_000 + at;
            let _ = writeln!(stream, "committer t <t@example.org> {seconds} +0000\ndata 1\nx");
            for (path, text) in files {
                let _ = writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len());
            }
        }
        repository.git_with(&["fast-import", "--quiet"], stream.as_bytes());
        repository
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("file://{}", self.path().display())
    }

    /// Runs git as a person would; what it answers.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_with(arguments, b"")
    }

    /// The same with something to read.
    #[track_caller]
    pub fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(["-c", "commit.gpgsign=false", "-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git runs");
        let mut pipe = child.stdin.take().expect("stdin is piped");
        std::io::Write::write_all(&mut pipe, input).expect("git reads");
        drop(pipe);
        let done = child.wait_with_output().expect("git ends");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// Writes files and commits all that lies there; the commit.
    #[track_caller]
    pub fn commit(&self, files: &[(String, String)]) -> String {
        for (path, text) in files {
            let path = self.path().join(path);
            let folder = path.parent().expect("a folder");
            std::fs::create_dir_all(folder).expect("a folder");
            std::fs::write(path, text).expect("written");
        }
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// The manifest of a circuit.
pub fn manifest(identifier: &str, version: &str) -> String {
    format!(
        "requires-atopile: ^0.12.0\npackage:\n  identifier: {identifier}\n  version: {version}\n  \
         repository: https://github.com/acme/packages\n  license: MIT\n  summary: A part.\n  \
         authors:\n    - name: A\n      email: a@example.org\nbuilds:\n  default:\n    entry: p.ato:P\n"
    )
}

/// The files of a version of a circuit in `folder`.
pub fn version_of(identifier: &str, folder: &str, version: &str) -> Vec<(String, String)> {
    let text = format!("module P:\n    pass\n# {version}\n");
    vec![
        (format!("{folder}/ato.yaml"), manifest(identifier, version)),
        (format!("{folder}/p.ato"), text),
        (format!("{folder}/README.md"), format!("# {identifier}\n")),
    ]
}

/// `packhouse admin import SOURCE --json`, ready to run.
pub fn importing(registry: &TestRegistry, source: &str, more: &[&str]) -> Command {
    let mut arguments = vec!["admin", "import", source, "--json"];
    arguments.extend(more);
    let mut command = plain(&arguments);
    command.env("PACKHOUSE_REGISTRY", registry.url());
    command.env("PACKHOUSE_TOKEN", registry.admin_token());
    command
}

/// The same of a folder, run.
pub fn import(registry: &TestRegistry, source: &Path, more: &[&str]) -> Outcome {
    importing(registry, source.to_str().expect("UTF-8"), more).outcome()
}

/// A number of a report.
#[track_caller]
pub fn count(report: &Value, name: &str) -> u64 {
    report["counts"][name].as_u64().unwrap_or_else(|| panic!("no count {name}: {report}"))
}

/// A report as lines: what became of each version, then what was left out. Commits are shown by their
/// place in `commits`.
pub fn told(report: &Value, commits: &[&str]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let named = |row: &Value| format!("{}@{}", text(&row["identifier"]), text(&row["version"]));
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let mut lines = Vec::new();
    for row in list("versions") {
        let mut line = format!("{} {}", named(&row), text(&row["status"]));
        if let Some(reason) = row["reason"].as_str() {
            line += &format!(" ({}): {reason}", text(&row["code"]));
        }
        lines.push(line);
    }
    for row in list("skipped") {
        let (tag, path) = (text(&row["tag"]), text(&row["path"]));
        let (code, reason) = (text(&row["code"]), text(&row["reason"]));
        lines.push(format!("{} tag {tag} in {path:?} {code}: {reason}", named(&row)));
    }
    for line in &mut lines {
        for (at, commit) in commits.iter().enumerate() {
            *line = line.replace(commit, &format!("<{at}>"));
            *line = line.replace(&commit[..12], &format!("<{at}>"));
        }
    }
    lines
}
