//! A CI job, as GitHub Actions would run it: the real binary with the job's environment.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::binary;
use crate::issuer::{REQUEST_TOKEN, TestIssuer};

/// A CI job of one repository.
#[derive(Clone)]
pub struct Ci {
    registry: String,
    issuer: Arc<TestIssuer>,
    repository: String,
    claims: Vec<(String, String)>,
    environment: Vec<(String, String)>,
}

impl Ci {
    pub(crate) fn new(registry: String, issuer: Arc<TestIssuer>, repository: &str) -> Self {
        let run = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let run = run.map_or(1, |since| since.as_nanos()).to_string();
        Self {
            registry,
            issuer,
            repository: repository.to_owned(),
            claims: vec![("run_id".to_owned(), run)],
            environment: Vec::new(),
        }
    }

    /// The same job at a tag.
    #[must_use]
    pub fn tag(self, tag: &str) -> Self {
        self.claim("ref", &format!("refs/tags/{tag}")).claim("ref_type", "tag")
    }

    /// The same job on a branch.
    #[must_use]
    pub fn branch(self, branch: &str) -> Self {
        self.claim("ref", &format!("refs/heads/{branch}")).claim("ref_type", "branch")
    }

    /// The same job with another claim in its tokens.
    #[must_use]
    pub fn claim(mut self, name: &str, value: &str) -> Self {
        self.claims.retain(|(known, _)| known != name);
        self.claims.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same job with another variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A token of this job for `audience`.
    pub fn token(&self, audience: &str) -> String {
        let (status, body) = crate::http::get(
            &format!("{}&audience={}", self.token_url(), escape(audience)),
            &[("authorization", &format!("bearer {REQUEST_TOKEN}"))],
        );
        assert_eq!(status, 200, "the issuer answers");
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        json["value"].as_str().expect("a token").to_owned()
    }

    /// `ACTIONS_ID_TOKEN_REQUEST_URL` of this job.
    pub fn token_url(&self) -> String {
        let mut url = format!(
            "{}/token?api-version=2.0&repository={}",
            self.issuer.url(),
            escape(&self.repository)
        );
        for (name, value) in &self.claims {
            url.push_str(&format!("&{name}={}", escape(value)));
        }
        url
    }

    /// Runs `packhouse` with `arguments` in the job.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Outcome {
        self.command(arguments).outcome()
    }

    /// The command that [`Ci::run`] runs.
    pub fn command<S: AsRef<std::ffi::OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = plain(arguments);
        command
            .env("PACKHOUSE_REGISTRY", &self.registry)
            .env("GITHUB_ACTIONS", "true")
            .env("CI", "true")
            .env("GITHUB_REPOSITORY", &self.repository)
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", self.token_url())
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", REQUEST_TOKEN)
            .envs(self.environment.iter().cloned());
        command
    }

    /// `packhouse publish FOLDER`.
    pub fn publish(&self, folder: &Path) -> Outcome {
        self.run(&[Path::new("publish"), folder])
    }
}

/// `packhouse` with `arguments` and an environment that holds nothing but `PATH`.
pub fn plain<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(binary::packhouse());
    command
        .args(arguments)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub trait Runs {
    /// Its exit code and all that it printed.
    fn outcome(&mut self) -> Outcome;
}

impl Runs for Command {
    #[track_caller]
    fn outcome(&mut self) -> Outcome {
        let output = self.output().expect("the command runs");
        let outcome = Outcome {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        // The one command whose result is a secret prints it to stdout.
        let makes_token = self.get_args().any(|argument| argument == "create");
        crate::leaks::none_in(&outcome.stderr);
        if !makes_token {
            crate::leaks::none_in(&outcome.stdout);
        }
        outcome
    }
}

/// What a command ended with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// The result.
    pub stdout: String,
    /// What people read.
    pub stderr: String,
}

impl Outcome {
    /// Asserts that it went well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        self
    }

    /// The result as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{self}"))
    }
}

impl Outcome {
    /// What a person reads, for snapshots: `exit N`, stderr, stdout, with all that differs from run
    /// to run replaced: addresses, digests, ids of tokens, times, temporary folders; masked tokens and numbers of requests are left out.
    pub fn told(&self) -> String {
        let text = self.to_string();
        let lines = text.lines().filter(|line| !line.starts_with("::add-mask::"));
        let lines = lines.filter(|line| !line.starts_with("  request: "));
        lines.map(plain_line).collect::<Vec<_>>().join("\n")
    }
}

/// A line without what differs from run to run.
fn plain_line(line: &str) -> String {
    let temporary = std::env::temp_dir().join(".tmp").to_string_lossy().into_owned();
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("http://127.0.0.1:") {
            out.push_str("REGISTRY");
            rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
            continue;
        }
        if let Some(after) = rest.strip_prefix(&*temporary) {
            out.push_str("DIR");
            rest = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
            continue;
        }
        let run = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let time = rest.len() > 10 && rest.as_bytes()[10] == b'T' && rest.starts_with("20");
        if run >= 40 || run == 12 {
            out.push_str("HEX");
            rest = &rest[run..];
        } else if time {
            out.push_str("TIME");
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "-:T.Z".contains(c));
        } else {
            let count = run.max(c.len_utf8());
            out.push_str(&rest[..count]);
            rest = &rest[count..];
        }
    }
    out.trim_end().to_owned()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit {}\n{}{}", self.code, self.stderr, self.stdout)
    }
}

/// Percent-encodes a value of a query.
pub fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes()
        .map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}
