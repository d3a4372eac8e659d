//! A server for tests, in a process and a folder of its own.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen: the machine may be busy.
const LONGEST: Duration = Duration::from_secs(60);

/// A process that listens, and ends when it is dropped.
pub(crate) struct ServerProcess {
    pub(crate) address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl ServerProcess {
    /// Starts a program that `tests/run` installs; `configure` tells it the port, and gets its folder.
    pub(crate) fn start(
        program: &Path,
        port: u16,
        configure: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let mut command = Command::new(program);
        command
            .current_dir(&folder)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        configure(&mut command, folder.path());
        let child = command.spawn();
        let child =
            child.unwrap_or_else(|e| panic!("{}: {e}; `tests/run` installs it", program.display()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let started = Self { address, child, _folder: folder };
        let end = Instant::now() + LONGEST;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "{} does not answer on {address}", program.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }

    /// Its endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
