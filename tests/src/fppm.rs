//! The stock client of F Prime, in its own environment, and projects for it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::binary::root;

/// Runs the stock client in `folder` with answers to its questions; a `.gitconfig` there is git's.
///
/// # Panics
///
/// Where `tests/run` did not install it: a story without the stock client would prove nothing.
pub fn stock(folder: &Path, arguments: &[&str], answers: &str) -> Outcome {
    let program = root().join("target/tools-fppm/bin/fppm");
    assert!(program.exists(), "`tests/run` installs the stock client");
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", folder.join(".gitconfig"))
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the stock client runs");
    // It may end before it asked for all of them.
    let _ = child.stdin.take().expect("a pipe").write_all(answers.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A project with the files that the client looks for.
pub fn project(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let text = "project:\n  author: Ada\n  description: An orbiter\n  name: Orbiter\n";
    std::fs::write(folder.join("project.yaml"), text).expect("written");
    std::fs::write(folder.join("project.cmake"), "# what is built\n").expect("written");
    std::fs::write(folder.join(".gitignore"), "build-*\n").expect("written");
}

/// Runs git in `folder`; what it says.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .expect("git runs");
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
}
