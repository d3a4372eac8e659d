//! What pages tell people to type, typed in a shell.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::binary::{packhouse, root};

/// The `sh` blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(page)).expect("the page");
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == "```sh" {
            let block: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push(block.join("\n"));
        }
    }
    found
}

/// A shell in a folder that looks like a checkout, with `packhouse` on its `PATH` and nothing else
/// of this process's environment.
pub struct Shell {
    folder: tempfile::TempDir,
}

impl Default for Shell {
    fn default() -> Self {
        Self::new()
    }
}

impl Shell {
    /// One in an empty folder.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        std::os::unix::fs::symlink(packhouse(), bin.join("packhouse")).expect("a link");
        std::os::unix::fs::symlink(root().join("examples"), folder.path().join("examples"))
            .expect("a link");
        Self { folder }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `bash` with a script.
    pub fn bash(&self, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command
            .args(["-euo", "pipefail", "-c", script])
            .current_dir(self.path())
            .env_clear()
            .env("PATH", format!("{}:{path}", self.path().join("bin").display()))
            .env("HOME", self.path())
            .env("TMPDIR", self.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a script to its end: its standard output.
    #[track_caller]
    pub fn run(&self, script: &str, environment: &[(&str, &str)]) -> String {
        let output =
            self.bash(script).envs(environment.iter().copied()).output().expect("bash runs");
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{}:\n{out}\n{err}\n{script}", output.status);
        out.into_owned()
    }
}
