//! Programs that are started: without input, with a bounded life and bounded words.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The most that a program may say, in bytes.
const SAID_BYTES: u64 = 16 << 20;
/// How much of it is kept: the end.
const KEPT_BYTES: u64 = 16 << 10;

/// How a program ended.
pub(super) struct Ended {
    /// Its exit code; `None` where it was stopped.
    pub(super) code: Option<i32>,
    /// Whether it was stopped, because it took too long or said too much.
    pub(super) stopped: bool,
    /// The end of what it said, on both streams.
    pub(super) said: String,
}

/// Runs `command` for at most `patience`. What it says goes through a file: whoever it started and
/// left running cannot keep us waiting by holding a pipe.
pub(super) fn run(mut command: Command, patience: Duration) -> std::io::Result<Ended> {
    let mut said = tempfile::tempfile()?;
    command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said.try_clone()?);
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt as _;
        command.process_group(0);
    }
    let mut child = command.spawn()?;
    let begun = Instant::now();
    let mut pause = Duration::from_millis(1);
    let (code, stopped) = loop {
        if let Some(status) = child.try_wait()? {
            break (status.code(), false);
        }
        if begun.elapsed() > patience || said.metadata()?.len() > SAID_BYTES {
            stop_group(child.id());
            let _ = child.kill();
            let _ = child.wait();
            break (None, true);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    };
    Ok(Ended { code, stopped, said: tail(&mut said)? })
}

/// Ends what the program started, too.
fn stop_group(id: u32) {
    if cfg!(unix) {
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{id}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

fn tail(said: &mut File) -> std::io::Result<String> {
    let length = said.metadata()?.len();
    said.seek(std::io::SeekFrom::Start(length.saturating_sub(KEPT_BYTES)))?;
    let mut bytes = Vec::new();
    said.take(KEPT_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_is_heard_and_stopped_in_time() {
        let ended = run(sh("echo hi; echo there >&2; exit 3"), Duration::from_secs(20)).unwrap();
        assert_eq!((ended.code, ended.stopped, &*ended.said), (Some(3), false, "hi\nthere\n"));
        let begun = Instant::now();
        let ended = run(sh("sleep 60 & sleep 60"), Duration::from_millis(200)).unwrap();
        assert!(ended.stopped && begun.elapsed() < Duration::from_secs(30));
        let ended = run(sh("while :; do echo 0123456789; done"), Duration::from_secs(60)).unwrap();
        assert!(ended.stopped && ended.said.len() as u64 <= KEPT_BYTES);
    }
}
