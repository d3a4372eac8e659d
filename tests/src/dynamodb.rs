//! DynamoDB for tests: a real server of its protocol in a process and a folder of its own.

use std::net::SocketAddr;
use std::path::PathBuf;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use packhouse_lambda::dynamo::create_table;

use crate::binary::root;
use crate::registry::free_port;
use crate::server::ServerProcess;

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
    process: ServerProcess,
}

impl TestDynamo {
    /// Starts a server without tables.
    pub fn start(server: Server) -> Self {
        let (package, program) = match server {
            Server::ExtendDb => ("@extenddb/linux-x64", "extenddb"),
            Server::Dynoxide => ("@dynoxide/linux-x64", "dynoxide"),
        };
        let (program, port) = (tools().join(package).join(program), free_port());
        let process = ServerProcess::start(&program, port, |command, _| {
            command.arg("serve").args(["--port", &port.to_string()]);
            if server == Server::ExtendDb {
                command.arg("--foreground");
            }
        });
        Self { process }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.process.address
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
        self.process.url()
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
