//! A registry for one test: the real binary in a process of its own, an issuer beside it, a data
//! folder that vanishes. With `PACKHOUSE_TEST_BACKEND=aws` it is the functions on AWS instead.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::binary;
use crate::ci::Ci;
use crate::issuer::TestIssuer;
use crate::lambda::{AwsRegistry, Settings};

/// How a registry is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// More arguments of `packhouse serve`.
    pub arguments: Vec<String>,
    /// More variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Whether the binary has failpoints.
    pub failpoints: bool,
    /// Where it says that it is reached: a server of the test in front of it.
    pub public_url: Option<String>,
}

/// A registry that is running, or was.
pub struct TestRegistry {
    /// Signs the tokens of its CI jobs.
    pub issuer: Arc<TestIssuer>,
    folder: tempfile::TempDir,
    port: u16,
    options: Options,
    process: Option<Process>,
    aws: Option<AwsRegistry>,
}

struct Process {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl TestRegistry {
    /// Starts a registry with an empty data folder.
    pub fn start() -> Self {
        Self::with(Options::default())
    }

    /// Starts a registry with options.
    pub fn with(options: Options) -> Self {
        Self::on(std::env::var("PACKHOUSE_TEST_BACKEND").as_deref() == Ok("aws"), options)
    }

    /// Starts a registry on AWS, whatever the environment says.
    pub fn on_aws(options: Options) -> Self {
        Self::on(true, options)
    }

    fn on(aws: bool, options: Options) -> Self {
        let mut registry = Self {
            issuer: Arc::new(TestIssuer::start()),
            folder: tempfile::tempdir().expect("a folder for the data"),
            port: if options.public_url.is_some() { free_port() } else { 0 },
            options,
            process: None,
            aws: None,
        };
        if aws {
            registry.aws = Some(AwsRegistry::start(&registry.functions()));
            return registry;
        }
        registry.restart();
        registry
    }

    /// The options as functions have them.
    fn functions(&self) -> Settings {
        assert!(!self.options.failpoints, "functions have no failpoints");
        let mut issuers = self.issuer.url().to_owned();
        let mut environment = self.options.environment.clone();
        let mut variable = |name: &str, value: String| environment.push((name.to_owned(), value));
        if let Some(url) = &self.options.public_url {
            variable("PACKHOUSE_PUBLIC_URL", url.clone());
        }
        let mut arguments = self.options.arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().expect("the option has a value").clone();
            match argument.as_str() {
                "--private" => variable("PACKHOUSE_PRIVATE", "true".to_owned()),
                "--issuer" => issuers = format!("{issuers} {}", value()),
                "--github-app" => variable("PACKHOUSE_GITHUB_APP_ID", value()),
                "--github-app-key" => variable("PACKHOUSE_GITHUB_APP_KEY", contents(&value())),
                "--github-webhook-secret" => {
                    variable("PACKHOUSE_GITHUB_WEBHOOK_SECRET", contents(&value()));
                }
                "--github-api" => variable("PACKHOUSE_GITHUB_API", value()),
                "--compose-compat" => variable("PACKHOUSE_COMPOSE_COMPAT", value()),
                "--motd" => variable("PACKHOUSE_MOTD", value()),
                "--limit" => {
                    let limit = value();
                    let (name, value) = limit.split_once('=').expect("a name and a value");
                    variable("PACKHOUSE_LIMITS", format!("{{\"{name}\": {value}}}"));
                }
                other => panic!("functions do not take `{other}`"),
            }
        }
        Settings { issuer: issuers, environment }
    }

    /// Starts it again on the same data and port, killing it first where it runs.
    pub fn restart(&mut self) {
        if let Some(mut aws) = self.aws.take() {
            aws.restart(&self.functions());
            self.aws = Some(aws);
            return;
        }
        self.kill();
        let binary = match self.options.failpoints {
            true => binary::packhouse_with_failpoints(),
            false => binary::packhouse(),
        };
        let mut child = Command::new(binary)
            .arg("serve")
            .arg("--data")
            .arg(self.data())
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .args(["--issuer", self.issuer.url()])
            .args(self.options.public_url.iter().flat_map(|url| ["--public-url", url]))
            .args(&self.options.arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(self.options.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let log = Arc::new(Mutex::new(String::new()));
        drain(child.stderr.take().expect("stderr is piped"), log.clone());
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the server says where it listens");
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let Some(url) = url else {
            std::thread::sleep(Duration::from_millis(100));
            panic!("the server did not start: {line}{}", log.lock().expect("the log"));
        };
        // With a public address it names that one, and not where it listens.
        let port = url.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.expect("the address ends in a port");
        if self.options.public_url.is_none() {
            self.port = port;
        }
        drain(stdout, log.clone());
        self.process = Some(Process { child, log });
    }

    /// Other options from the next start on.
    pub fn set(&mut self, change: impl FnOnce(&mut Options)) {
        change(&mut self.options);
    }

    /// Kills it with SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server runs").child.id()
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        match &self.aws {
            Some(aws) => aws.url(),
            None => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// Where uploads go.
    pub fn store_url(&self) -> String {
        self.aws.as_ref().map_or_else(|| self.url(), |aws| aws.s3.url())
    }

    /// Whether it is the functions on AWS.
    pub fn is_on_aws(&self) -> bool {
        self.aws.is_some()
    }

    /// Sends an event to the worker on AWS; its answer.
    pub fn work(&self, event: &str) -> serde_json::Value {
        self.aws.as_ref().expect("it is on AWS").work(event)
    }

    /// Whether a blob is kept from the CDN, which reads the store itself; never where there is none.
    pub fn withholds(&self, digest: &packhouse_core::digest::Digest) -> bool {
        let blob = self.aws.as_ref().map(|aws| aws.s3.object(&format!("blobs/sha256/{digest}")));
        blob.flatten().is_some_and(|blob| !blob.tags.is_empty())
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The operator's token that the first start wrote into the data folder.
    pub fn admin_token(&self) -> String {
        if let Some(aws) = &self.aws {
            return aws.admin_token().reveal().to_owned();
        }
        let text = std::fs::read_to_string(self.data().join("admin-token"));
        text.expect("the first start leaves an admin token").trim().to_owned()
    }

    /// The most memory that the server had, in KiB; `None` where it is no process of its own, or the
    /// system does not tell.
    pub fn peak_kib(&self) -> Option<u64> {
        let process = self.process.as_ref()?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id()));
        let line = status.ok()?.lines().find(|line| line.starts_with("VmHWM:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// All that it logged so far.
    pub fn log(&self) -> String {
        if let Some(aws) = &self.aws {
            return aws.log();
        }
        self.process
            .as_ref()
            .map_or_else(String::new, |process| process.log.lock().expect("the log").clone())
    }

    /// Waits until the log has `text`; `false` after ten seconds.
    pub fn wait_for_log(&self, text: &str) -> bool {
        let end = Instant::now() + Duration::from_secs(10);
        while Instant::now() < end {
            if self.log().contains(text) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// A CI job of `repository` (`owner/name`) that publishes here.
    pub fn ci(&self, repository: &str) -> Ci {
        Ci::new(self.url(), self.issuer.clone(), repository)
    }

    /// The JSON at `path`, read as anybody.
    pub fn get(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.fetch(path);
        assert_eq!(status, 200, "GET {path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("the answer is JSON")
    }

    /// Status and body at `path`, read as anybody.
    pub fn fetch(&self, path: &str) -> (u16, Vec<u8>) {
        crate::http::get(&format!("{}{path}", self.url()), &[])
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            crate::leaks::none_in(&self.log());
        }
        self.kill();
    }
}

fn contents(path: &str) -> String {
    std::fs::read_to_string(path).expect("the file can be read").trim().to_owned()
}

/// A port that is free, and that nobody gets who asks the system for any: it lies below those.
pub(crate) fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = std::process::id().wrapping_mul(7919) % 12_000;
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 20_000 + (own as u16).wrapping_add(step) % 12_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Gathers what a process writes, line by line: several processes may write into one log.
pub(crate) fn drain(from: impl std::io::Read + Send + 'static, to: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        let (mut from, mut line) = (BufReader::new(from), Vec::new());
        while let Ok(1..) = from.read_until(b'\n', &mut line) {
            to.lock().expect("the log").push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}

/// An example package of the repository.
pub fn example(name: &str) -> PathBuf {
    let folder = binary::root().join("examples").join(name);
    assert!(folder.is_dir(), "there is no example {name}");
    folder
}

/// Copies a folder, so that a test may change it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder can be read").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("the file can be copied");
        }
    }
}

/// Reads a whole body of at most 256 MiB.
pub(crate) fn read_all(from: impl std::io::Read) -> Vec<u8> {
    let mut body = Vec::new();
    let _ = from.take(256 << 20).read_to_end(&mut body);
    body
}
