//! One call of the `git` program: what it may reach, and what bounds it.
//!
//! Its time and its answer are bounded always; a call that reaches another machine also in what it
//! writes to the disk. Git starts programs of its own for that (`git-remote-https`, `ssh`, `index-pack`),
//! which outlive it where git alone is ended: so it gets a process group, and the group is ended.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use packhouse_core::escape::{excerpt, printable};

use super::{Checkout, GitError, OUTPUT_BYTES};

/// The longest that a call may take which reads one commit.
const PATIENCE: Duration = Duration::from_secs(20);
/// The longest that a call may take which reads a whole history, or reaches another machine.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(300);
/// How often it is looked at what git has written.
const LOOK: Duration = Duration::from_millis(50);
/// The most that is kept of what git says on standard error: its end, which has the reason.
const SAID_BYTES: usize = 4096;
/// What a small file takes on a disk.
const BLOCK_BYTES: u64 = 4096;

/// What a call may reach that is not on this machine's disk.
#[derive(Clone, Copy)]
pub(super) struct Reach<'a> {
    /// The one protocol that is spoken.
    pub(super) protocol: &'a str,
    /// The most that the repository may take on the disk, in bytes; `None` where nothing is written.
    pub(super) bytes: Option<u64>,
    /// The longest that it may take.
    pub(super) patience: Duration,
}

impl Checkout {
    /// Runs one git command whose answer is text. Arguments are written in this crate, or
    /// [`Commit`](super::Commit)s.
    pub(super) fn git(&self, verb: &'static str, args: &[&str]) -> Result<String, GitError> {
        let text = self.run(verb, args, None, OUTPUT_BYTES)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Runs one git command; it may answer `limit` bytes.
    pub(super) fn run(
        &self,
        verb: &'static str,
        args: &[&str],
        input: Option<Vec<u8>>,
        limit: u64,
    ) -> Result<Vec<u8>, GitError> {
        self.call(verb, args, input, limit, None)
    }

    /// Runs one git command that reaches another machine.
    pub(super) fn reach(
        &self,
        verb: &'static str,
        args: &[&str],
        reach: Reach<'_>,
    ) -> Result<Vec<u8>, GitError> {
        self.call(verb, args, None, OUTPUT_BYTES, Some(reach))
    }

    fn call(
        &self,
        verb: &'static str,
        args: &[&str],
        input: Option<Vec<u8>>,
        limit: u64,
        reach: Option<Reach<'_>>,
    ) -> Result<Vec<u8>, GitError> {
        let mut command = self.command(verb, args, reach);
        command
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => GitError::NoProgram(e),
            _ => GitError::Io(verb, e),
        })?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
            // A git that does not read says why by itself.
            std::thread::spawn(move || std::io::Write::write_all(&mut pipe, &input));
        }
        // Nobody waits for these where git is ended: a program that it started may hold the pipes.
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let text = std::thread::spawn(move || start(out, limit + 1));
        let said = std::thread::spawn(move || end(err));
        let status = match self.wait(verb, &mut child, reach) {
            Ok(status) => status,
            Err(error) => {
                stop(&mut child, reach.is_some());
                return Err(error);
            }
        };
        let text = text.join().unwrap_or_default();
        let said = said.join().unwrap_or_default();
        if text.len() as u64 > limit {
            return Err(GitError::Long(verb, limit));
        }
        if !status.success() {
            return Err(GitError::Refused {
                folder: printable(&self.folder.to_string_lossy()),
                said: excerpt(&without_progress(&String::from_utf8_lossy(&said)), 300),
            });
        }
        // What came faster than anybody looked.
        self.within(reach)?;
        Ok(text)
    }

    fn command(&self, verb: &'static str, args: &[&str], reach: Option<Reach<'_>>) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if steers(&name) {
                command.env_remove(name);
            }
        }
        command
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", if cfg!(windows) { "NUL" } else { "/dev/null" })
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_ALLOW_PROTOCOL", reach.map_or("", |reach| reach.protocol))
            .env("LC_ALL", "C")
            .args(["--no-pager", "--no-replace-objects"])
            // What a checkout's own configuration could have git run, or reach.
            .args(["-c", "protocol.allow=never", "-c", "core.fsmonitor=false"])
            .args(["-c", "core.hooksPath=/dev/null", "-c", "core.untrackedCache=false"])
            .args(["-c", "submodule.recurse=false", "-c", "core.quotePath=false"])
            // A server that says nothing for a minute says nothing at all.
            .args(["-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60"])
            .args([
                "-c",
                "http.followRedirects=false",
                "-c",
                "core.sshCommand=ssh -o BatchMode=yes",
            ])
            // CI containers often run as another user than the checkout's, which is harmless where
            // git only reads. `status` may run filters that the checkout configures: it is left to
            // git's own judgement of whose checkout it is.
            .args((verb != "status").then_some(["-c", "safe.directory=*"]).into_iter().flatten())
            .arg(verb)
            .args(args)
            .current_dir(&self.folder);
        if let (Some(header), Some(_)) = (&self.header, reach) {
            // In its environment: arguments are seen by everybody on the machine.
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", "http.extraHeader")
                .env("GIT_CONFIG_VALUE_0", header.reveal());
        }
        #[cfg(unix)]
        if reach.is_some() {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        command
    }

    /// Refuses what git has written where it is too much.
    fn within(&self, reach: Option<Reach<'_>>) -> Result<(), GitError> {
        match reach.and_then(|reach| reach.bytes) {
            Some(limit) if bytes_in(&self.folder) > limit => Err(GitError::Large(limit)),
            _ => Ok(()),
        }
    }

    /// Waits until git has ended, has taken too long, or has written too much.
    fn wait(
        &self,
        verb: &'static str,
        child: &mut Child,
        reach: Option<Reach<'_>>,
    ) -> Result<ExitStatus, GitError> {
        let patience = match reach {
            Some(reach) => reach.patience,
            None if matches!(verb, "rev-list" | "diff-tree" | "checkout") => LONG_PATIENCE,
            None => PATIENCE,
        };
        let begun = Instant::now();
        let (mut looked, mut pause) = (begun, Duration::from_micros(200));
        loop {
            if let Some(status) = child.try_wait().map_err(|e| GitError::Io(verb, e))? {
                return Ok(status);
            }
            if begun.elapsed() > patience {
                return Err(GitError::Slow(verb, patience.as_secs()));
            }
            if looked.elapsed() > LOOK {
                self.within(reach)?;
                looked = Instant::now();
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }
}

/// Ends git, and where it leads a process group all that it started.
fn stop(child: &mut Child, leads: bool) {
    #[cfg(unix)]
    if leads && let Ok(id) = i32::try_from(child.id()) {
        use nix::sys::signal::{Signal, killpg};
        // The id is git's as long as nobody waited for it.
        let _ = killpg(nix::unistd::Pid::from_raw(id), Signal::SIGKILL);
    }
    #[cfg(not(unix))]
    let _ = leads;
    let _ = child.kill();
    let _ = child.wait();
}

/// Whether a variable steers git or the programs that it starts.
fn steers(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("GIT_")
        || name.starts_with("SSH_ASKPASS")
        || name == "PAGER"
        || name == "EDITOR"
}

/// At most the first `limit` bytes; the rest is drained, so that git does not wait for a reader, and a
/// git that never ends is stopped by the clock.
fn start(from: Option<impl Read>, limit: u64) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut from) = from {
        let _ = Read::by_ref(&mut from).take(limit).read_to_end(&mut kept);
        let _ = std::io::copy(&mut from, &mut std::io::sink());
    }
    kept
}

/// The last [`SAID_BYTES`].
fn end(from: Option<impl Read>) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; SAID_BYTES]);
    let Some(mut from) = from else { return kept };
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..count]);
        kept.drain(..kept.len().saturating_sub(SAID_BYTES));
    }
    kept
}

/// What git said but for its counting (`Receiving objects: 42% (…)`).
fn without_progress(said: &str) -> String {
    let counts = |line: &&str| line.contains("% (") || line.starts_with("remote: Enumerating");
    let lines = said.split(['\r', '\n']).map(str::trim);
    lines.filter(|line| !line.is_empty() && !counts(line)).collect::<Vec<_>>().join("\n")
}

/// What the files in `folder` take on the disk; what vanishes meanwhile takes nothing.
fn bytes_in(folder: &Path) -> u64 {
    let (mut bytes, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len().next_multiple_of(BLOCK_BYTES),
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkout() -> (tempfile::TempDir, Checkout) {
        let dir = tempfile::tempdir().unwrap();
        let checkout = Checkout { folder: dir.path().to_owned(), header: None };
        checkout.git("init", &["--quiet", "--bare", "--template="]).unwrap();
        (dir, checkout)
    }

    #[test]
    fn a_server_that_is_silent_ends_with_all_that_git_started() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a.git", server.local_addr().unwrap());
        let (_dir, checkout) = checkout();
        let patience = Duration::from_millis(700);
        let reach = Reach { protocol: "http", bytes: Some(1 << 20), patience };
        let begun = Instant::now();
        let slow = checkout.reach("fetch", &["--progress", "--end-of-options", &url], reach);
        assert!(matches!(slow, Err(GitError::Slow("fetch", 0))), "{slow:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        // Whoever asked is gone: the connection ends.
        let (mut stream, _) = server.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut asked = Vec::new();
        stream.read_to_end(&mut asked).unwrap();
        assert!(asked.starts_with(b"GET /a.git/info/refs"));
    }

    #[test]
    fn what_git_says_last_is_told_without_its_counting() {
        let said = "remote: Enumerating objects: 5, done.\nReceiving objects:  20% (1/5)\r\
                    Receiving objects: 100% (5/5), done.\nfatal: early EOF\n";
        assert_eq!(without_progress(said), "fatal: early EOF");
        let long = [&[b'a'; 9_000][..], b"fatal: x"].concat();
        let kept = end(Some(&long[..]));
        assert!(kept.len() == SAID_BYTES && kept.ends_with(b"fatal: x"));
    }
}
