//! GitHub Actions on this machine: `act` runs a repository's workflows with our own actions, without a
//! container. What GitHub itself answers (tokens, the API) is the test's own.

use std::path::PathBuf;
use std::process::Command;

use crate::binary;
use crate::ci::{Outcome, Runs as _};

/// The commit by which the documented workflows pin our actions, as long as there is no release.
pub const PINNED: &str = "0000000000000000000000000000000000000000";

/// A repository with a checkout, workflows and events.
pub struct Repository {
    folder: tempfile::TempDir,
    name: String,
}

/// A run of a workflow.
pub struct Run<'a> {
    repository: &'a Repository,
    event: String,
    payload: serde_json::Value,
    environment: Vec<(String, String)>,
    inputs: Vec<String>,
}

impl Repository {
    /// An empty repository called `owner/name`.
    pub fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let made = Self { folder, name: name.to_owned() };
        std::fs::create_dir(made.path()).expect("the checkout's folder");
        made.git(&["init", "-q", "-b", "main", "."]);
        made.git(&["remote", "add", "origin", &format!("https://github.com/{name}.git")]);
        made
    }

    /// The checkout.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("checkout")
    }

    /// Runs git in it; what it says.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
            .args(["-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("the file can be written");
        self
    }

    /// Takes a file away.
    pub fn remove(&self, path: &str) -> &Self {
        std::fs::remove_file(self.path().join(path)).expect("the file is there");
        self
    }

    /// Commits everything; the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A run that an event starts, with its payload.
    pub fn run(&self, event: &str, payload: serde_json::Value) -> Run<'_> {
        let environment = vec![("NO_COLOR".to_owned(), "1".to_owned())];
        let (event, inputs) = (event.to_owned(), Vec::new());
        Run { repository: self, event, payload, environment, inputs }
    }

    /// The run of a pushed tag.
    pub fn push_tag(&self, tag: &str) -> Run<'_> {
        let (owner, name) = self.name.split_once('/').expect("owner and name");
        let repository = serde_json::json!({ "full_name": self.name, "name": name, "owner": { "login": owner, "name": owner } });
        let git_ref = format!("refs/tags/{tag}");
        let payload =
            serde_json::json!({ "ref": git_ref, "ref_type": "tag", "repository": repository });
        self.run("push", payload)
    }
}

impl Run<'_> {
    /// With another variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a job's tokens, as `permissions: {id-token: write}` gives them.
    #[must_use]
    pub fn tokens(self, url: &str) -> Self {
        self.env("ACTIONS_ID_TOKEN_REQUEST_URL", url)
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", crate::issuer::REQUEST_TOKEN)
    }

    /// With another argument of `act`.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.inputs.push(argument.to_owned());
        self
    }

    /// The command that runs it.
    pub fn command(&self) -> Command {
        let folder = self.repository.folder.path();
        let actions = folder.join("actions/action");
        if !actions.exists() {
            crate::copy(&binary::root().join("action"), &actions);
        }
        let event = folder.join("event.json");
        std::fs::write(&event, self.payload.to_string()).expect("the event can be written");
        let local = format!("packhouse/packhouse@{PINNED}={}", folder.join("actions").display());
        let mut command = Command::new(binary::root().join("target/tools/bin/act"));
        command
            .arg(&self.event)
            .args(["--platform", "ubuntu-24.04=-self-hosted", "--local-repository", &local])
            .arg("--eventpath")
            .arg(&event)
            .args(&self.inputs)
            .current_dir(self.repository.path())
            .env_clear()
            .env("PATH", path())
            .env("HOME", folder.join("home"));
        for (name, value) in &self.environment {
            command.args(["--env", &format!("{name}={value}")]);
        }
        command
    }

    /// Runs it to its end.
    pub fn outcome(&self) -> Outcome {
        self.command().outcome()
    }
}

/// `PATH` without our own tools in front: a workflow finds what a runner has.
fn path() -> std::ffi::OsString {
    std::env::var_os("PATH").unwrap_or_default()
}

/// What a step set as its output `name`, as `act` tells it.
pub fn output(run: &Outcome, name: &str) -> Option<String> {
    let mark = format!("::set-output:: {name}=");
    let text = format!("{}\n{}", run.stdout, run.stderr);
    let line = text.lines().find(|line| line.contains(&mark))?;
    Some(line.split_once(&mark)?.1.to_owned())
}
