//! DynamoDB for tests: a real server of its protocol in a process and a folder of its own.

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use packhouse_lambda::dynamo::create_table;

use crate::binary::root;
use crate::registry::free_port;

/// The access key that the servers know: the one of AWS's documentation.
pub const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// Its secret.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// Which server: two that were written apart from one another, so that one's defect is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Checks signatures, pages at 1 MB, remembers request tokens.
    ExtendDb,
    /// Ten times as fast.
    Dynoxide,
}

/// A server that runs until it is dropped.
pub struct TestDynamo {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl TestDynamo {
    /// Starts a server without tables. `tests/run` installs them below `target/tools`.
    pub fn start(server: Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let port = free_port();
        let (package, program) = match server {
            Server::ExtendDb => ("@extenddb/linux-x64", "extenddb"),
            Server::Dynoxide => ("@dynoxide/linux-x64", "dynoxide"),
        };
        let path = tools().join(package).join(program);
        let mut command = Command::new(&path);
        command.arg("serve").args(["--port", &port.to_string()]);
        if server == Server::ExtendDb {
            command.arg("--foreground");
        }
        let child = command
            .current_dir(&folder)
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}; `tests/run` installs it", path.display()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let started = Self { address, child, _folder: folder };
        let end = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "{program} does not answer on {address}");
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a table as the registry wants it.
    pub fn create_table(&self, name: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let made = runtime.block_on(create_table(&client(&self.url()), name));
        made.expect("the table can be made");
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for TestDynamo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of the server at `endpoint`.
pub fn client(endpoint: &str) -> Client {
    let keys = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "tests");
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(keys)
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

/// Where `tests/run` installs what comes from npm.
fn tools() -> PathBuf {
    root().join("target/tools/node_modules")
}
