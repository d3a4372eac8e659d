//! A pack's own tests, run on this machine and nowhere else.
//!
//! They run in a copy of the pack, so that what they write is no part of what is installed, and with an
//! environment that holds nothing of ours: no token, no home.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use packhouse_core::attune::Flaw;
use packhouse_core::attune::testing::{self, Kind, Runner};
use packhouse_core::escape::printable;
use packhouse_core::manifest::Manifest;
use packhouse_core::tree::Tree;
use serde::{Deserialize, Serialize};

use super::child;
use crate::error::ClientError;
use crate::extract;

/// What a pack's tests said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// `passed`, `failed` (and that blocks), `warned` (failed, and the pack says that it may), `none`.
    pub status: String,
    /// Passed runners over all of them.
    pub pass_rate: f64,
    /// Each runner.
    pub runners: Vec<RunnerResult>,
}

/// What one runner said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerResult {
    /// What the pack calls it.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// Its exit code; `null` where it was stopped or could not be started.
    pub exit_code: Option<i32>,
    /// How long it took.
    pub duration_ms: u64,
    /// The end of what it said, printable, one line each.
    pub output: Vec<String>,
}

/// Runs the tests of the pack `tree` in a copy of it below `scratch`.
///
/// # Errors
///
/// [`Failed::Flaw`] for a description of tests that cannot be used, [`Failed::Client`] for a copy that
/// cannot be made. A test that fails is a result.
pub fn test(tree: &Tree, manifest: &Manifest, scratch: &Path) -> Result<TestResult, Failed> {
    let tests = testing::testing(&manifest.original)?;
    let missing = tests.runners.iter().find(|r| tree.get(r.entry_point.as_str()).is_none());
    if let Some(runner) = missing {
        return Err(Failed::Flaw(Flaw {
            place: format!("pack.yaml: testing.runners.{}.entry_point", printable(&runner.name)),
            reason: format!("`{}` is no file of the pack", runner.entry_point),
        }));
    }
    if tests.runners.is_empty() {
        let status = "none".to_owned();
        return Ok(TestResult { status, pass_rate: 1.0, runners: Vec::new() });
    }
    let copy = tempfile::Builder::new().prefix("test-").tempdir_in(scratch).map_err(io)?;
    let pack = copy.path().join("pack");
    write_tree(tree, &pack)?;
    let mut results = Vec::new();
    for runner in &tests.runners {
        results.push(run(runner, tree, &pack, copy.path()));
    }
    let passed = results.iter().filter(|result| result.passed).count();
    let pass_rate = passed as f64 / results.len() as f64;
    let status = match (pass_rate >= tests.min_pass_rate, tests.warn_only) {
        (true, _) => "passed",
        (false, true) => "warned",
        (false, false) => "failed",
    };
    Ok(TestResult { status: status.to_owned(), pass_rate, runners: results })
}

/// Why tests could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The pack describes them wrongly.
    #[error(transparent)]
    Flaw(#[from] Flaw),
    /// This machine could not.
    #[error(transparent)]
    Client(#[from] ClientError),
}

fn io(error: std::io::Error) -> Failed {
    Failed::Client(error.into())
}

/// Writes `tree` into the new folder `to`.
pub(super) fn write_tree(tree: &Tree, to: &Path) -> Result<(), ClientError> {
    fs_err::create_dir_all(to)?;
    for (path, file) in tree.iter() {
        extract::write(
            &to.join(path.as_str()),
            &file.bytes,
            extract::Mode { executable: file.executable, writable: true },
        )?;
    }
    Ok(())
}

fn run(runner: &Runner, tree: &Tree, pack: &Path, home: &Path) -> RunnerResult {
    let entry = runner.entry_point.as_str();
    let mut command = match runner.kind {
        Kind::Script => {
            let first = tree.text(entry).and_then(|text| text.lines().next()).unwrap_or_default();
            let mut command = Command::new(if first.contains("bash") { "bash" } else { "sh" });
            command.arg(entry);
            command
        }
        Kind::Unittest | Kind::Pytest => {
            let module = if runner.kind == Kind::Pytest { "pytest" } else { "unittest" };
            let mut command = Command::new("python3");
            command.args(["-m", module, entry]);
            command
        }
        Kind::Node => {
            let mut command = Command::new("node");
            command.arg(entry);
            command
        }
    };
    command.current_dir(pack).env_clear();
    command.envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("HOME", home).env("TMPDIR", home).env("LC_ALL", "C.UTF-8");
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let begun = Instant::now();
    let ended = child::run(command, Duration::from_secs(runner.timeout_seconds));
    let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let lines = |text: &str| text.lines().map(printable).collect::<Vec<_>>();
    let (exit_code, mut output) = match ended {
        Ok(ended) => {
            let mut output = lines(&ended.said);
            if ended.stopped {
                let seconds = runner.timeout_seconds;
                output.push(format!("stopped: it took more than {seconds} s, or said too much"));
            }
            (ended.code, output)
        }
        Err(error) => (None, vec![format!("it could not be started: {error}")]),
    };
    output.drain(..output.len().saturating_sub(200));
    let name = printable(&runner.name);
    RunnerResult { name, passed: exit_code == Some(0), exit_code, duration_ms, output }
}
