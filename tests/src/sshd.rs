//! Repositories over ssh, as Debian's `sshd` and `git-shell` serve them: unprivileged, on a free port, with
//! a host key and a client key of their own.
//!
//! An `sshd` that is not root's lets in its own user only. Where the tests are root's, that is [`USER`], who
//! may run nothing but `git-shell`.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::registry::free_port;
use crate::server::ServerProcess;

/// The user that `tests/run` makes where it is root's.
const USER: &str = "packhouse-git";
const SSHD: &str = "/usr/sbin/sshd";

/// What a client believes of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Its host key.
    Right,
    /// Another host key under its name.
    Wrong,
    /// Nothing.
    Nothing,
}

/// A server that runs until it is dropped.
pub struct Sshd {
    process: ServerProcess,
    folder: tempfile::TempDir,
    user: String,
}

impl Sshd {
    /// Starts one. `accept` are the variables that clients may send: `GIT_PROTOCOL` for git's present
    /// protocol; a server that is told nothing of it speaks the older one, as Debian's does.
    pub fn start(accept: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        mode(folder.path(), 0o755);
        for name in ["host", "other", "client"] {
            said(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", ""])
                    .arg("-f")
                    .arg(path(name)),
            );
        }
        let root = said(Command::new("id").arg("-u")) == "0";
        let user = if root { USER.to_owned() } else { said(Command::new("id").arg("-un")) };
        if root {
            let id = said(Command::new("id").args(["-u", USER])).parse().expect("a number");
            chown(path("host"), Some(id), None).expect("root may give it away");
        }
        let port = free_port();
        let show = |name: &str| path(name).display().to_string();
        let accept = accept.map(|names| format!("AcceptEnv {names}\n")).unwrap_or_default();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             AllowUsers {user}\nAuthenticationMethods publickey\nUsePAM no\nStrictModes no\n{accept}\
             SetEnv GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=*\n",
            show("host"),
            show("client.pub"),
        );
        std::fs::write(path("sshd_config"), config).expect("the configuration");
        assert!(Path::new(SSHD).exists(), "{SSHD} is missing: `tests/run` installs it");
        let program = if root { "setpriv" } else { SSHD };
        let process = ServerProcess::start(Path::new(program), port, |command, _| {
            if root {
                let group = said(Command::new("id").args(["-g", USER]));
                command.args(["--reuid", USER, "--regid", &group, "--clear-groups", SSHD]);
            }
            command.arg("-D").arg("-f").arg(path("sshd_config"));
        });
        Self { process, folder, user }
    }

    /// The address of a repository, which everybody on this machine must be able to read.
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@{}{}", self.user, self.process.address, repository.display())
    }

    /// A folder with a program `ssh`: the system's, told where this client's key and its knowledge of
    /// hosts are. OpenSSH looks for both below the home folder of the user's account, whatever `HOME` says.
    pub fn client(&self, known: Known) -> PathBuf {
        let folder = self.folder.path().join(format!("{known:?}"));
        std::fs::create_dir(&folder).expect("each is made once");
        let at = self.process.address;
        let host = |name: &str| {
            let key = std::fs::read_to_string(self.folder.path().join(name)).expect("a key");
            format!("[{}]:{} {key}", at.ip(), at.port())
        };
        let hosts = match known {
            Known::Right => host("host.pub"),
            Known::Wrong => host("other.pub"),
            Known::Nothing => String::new(),
        };
        std::fs::write(folder.join("known_hosts"), hosts).expect("the hosts");
        let config = format!(
            "Host *\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n  \
             GlobalKnownHostsFile /dev/null\n",
            self.folder.path().join("client").display(),
            folder.join("known_hosts").display(),
        );
        std::fs::write(folder.join("config"), config).expect("the configuration");
        let system = said(Command::new("sh").args(["-c", "command -v ssh"]));
        let script =
            format!("#!/bin/sh\nexec {system} -F {} \"$@\"\n", folder.join("config").display());
        std::fs::write(folder.join("ssh"), script).expect("the program");
        mode(&folder.join("ssh"), 0o755);
        folder
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode");
}

/// What a program says that must succeed.
fn said(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{command:?}: {e}; `tests/run` installs it"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {told}; `tests/run` prepares it");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
