//! `packhouse demo`: the whole story on this machine, told by the very commands that a user types.
//!
//! The registry is a process of this binary with an issuer of its own; each publish is a process
//! with the environment of a CI job. What the demo says that it expects, it checks.

mod examples;
mod tampered;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::args;
use crate::ui::Ui;

/// The packages that are published: folder, repository of the job, tag, identifier.
const PACKAGES: &[(&str, &str, &str, &str)] = &[
    ("ato-sensor", "acme/sensor", "v1.0.0", "acme/sensor"),
    ("ato-board", "acme/board", "v0.3.0", "acme/board"),
    ("python-process", "acme/pbg-growth", "v0.2.0", "acme/pbg-growth"),
    ("attune-pack", "acme/disk-watch", "v1.1.0", "acme/disk-watch"),
    ("fppm-thermometer", "acme/thermometer", "v1.0.0", "acme/Thermometer"),
    ("apl-package", "acme/apl-moon", "v0.3.0", "acme/Acme-Moon"),
    ("kicad-block", "acme/usb-c-sink", "v1.0.0", "acme/usb-c-sink"),
    ("packhouse-lib", "acme/units", "v2.1.0", "acme/units"),
];

/// Tells the story; fails where anything goes otherwise than it says.
pub(crate) fn run(args: &args::Demo, ui: &Ui) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir().context("cannot make a folder for the demo")?;
    let packages = folder.path().join("packages");
    examples::write(&packages)?;
    let mut registry = Registry::start(&folder.path().join("registry"))?;
    let demo = Demo { url: registry.url.clone(), packages: &packages, ui };

    demo.chapter("1. A registry with a local issuer, on SQLite and files")?;
    demo.say(&format!(
        "It listens on {}; everything is in {}.",
        demo.url,
        folder.path().display()
    ))?;

    demo.chapter(
        "2. Publish packages of all formats, as CI jobs of their repositories at their tags",
    )?;
    let mut digests = Vec::new();
    for (name, repository, tag, identifier) in PACKAGES {
        let digest = demo.publish(name, repository, tag)?;
        digests.push((*identifier, *tag, digest));
    }
    demo.say("acme/board depends on acme/sensor: a consumer is told so by the index, before any download.")?;
    demo.say("Again, with the same content: the same receipt, and no error.")?;
    demo.publish("ato-sensor", "acme/sensor", "v1.0.0")?;

    demo.chapter("3. Refused, with the reason")?;
    demo.say("Other bytes than announced, sent to the upload address:")?;
    tampered::show(&demo)?;
    demo.say("A job of another repository:")?;
    demo.refused("mallory/sensor", "refs/tags/v1.0.0", "wrong-repository")?;
    demo.say("A job of the right repository, but on a branch:")?;
    demo.refused("acme/sensor", "refs/heads/main", "wrong-ref")?;

    demo.chapter("4. Fetch by identifier, as anybody, and verify")?;
    let consumer = folder.path().join("consumer");
    for (identifier, tag, digest) in &digests {
        demo.fetch(&consumer, identifier, tag.trim_start_matches('v'), digest)?;
    }

    demo.chapter("5. What to try next")?;
    demo.advice(args.keep)?;
    if args.keep {
        registry.wait()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The teller.
struct Demo<'a> {
    url: String,
    packages: &'a Path,
    ui: &'a Ui,
}

impl Demo<'_> {
    fn chapter(&self, title: &str) -> anyhow::Result<()> {
        self.ui.print(&format!("\n{}\n", self.ui.bold(title)))
    }

    fn say(&self, text: &str) -> anyhow::Result<()> {
        self.ui.print(&format!("  {text}\n"))
    }

    /// Shows a command as a user would type it, and lines of what it answered.
    fn show(&self, command: &str, lines: &str) -> anyhow::Result<()> {
        self.ui.print(&format!("  {}\n", self.ui.dim(&format!("$ {command}"))))?;
        for line in lines.lines() {
            self.ui.print(&format!("    {line}\n"))?;
        }
        Ok(())
    }

    /// `packhouse` as a job of `repository` at `git_ref`.
    fn job(&self, repository: &str, git_ref: &str) -> anyhow::Result<Command> {
        let query = |text: &str| packhouse_client::url::encode(text);
        let mut command = self.packhouse()?;
        let token_url = format!(
            "{}/_dev/token?repository={}&ref={}",
            self.url,
            query(repository),
            query(git_ref)
        );
        command
            .env("ACTIONS_ID_TOKEN_REQUEST_URL", token_url)
            .env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "demo");
        // F Prime's packages take their version from the tag.
        if let Some(tag) = git_ref.strip_prefix("refs/tags/") {
            command.env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", tag);
        }
        Ok(command)
    }

    /// `packhouse` with nothing of the caller's that could be a token or a CI's.
    fn packhouse(&self) -> anyhow::Result<Command> {
        let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
        for (name, _) in std::env::vars_os() {
            let name_text = name.to_string_lossy();
            let foreign = ["PACKHOUSE_", "GITHUB_", "ACTIONS_", "CI"];
            if foreign.iter().any(|prefix| name_text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command.env("PACKHOUSE_REGISTRY", &self.url).env("NO_COLOR", "1").stdin(Stdio::null());
        Ok(command)
    }

    /// Publishes an example; answers the digest of its receipt.
    fn publish(&self, name: &str, repository: &str, tag: &str) -> anyhow::Result<String> {
        let mut command = self.job(repository, &format!("refs/tags/{tag}"))?;
        command.current_dir(self.packages).args(["publish", name, "--json"]);
        let output = command.output().context("cannot run the publish")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "publishing {name} failed:\n{errors}{text}");
        let answer: Value = serde_json::from_str(&text).context("the receipt is no JSON")?;
        let receipt = &answer["packages"][0]["receipt"];
        let field = |key: &str| receipt[key].as_str().unwrap_or_default().to_owned();
        let (identifier, version, digest) =
            (field("identifier"), field("version"), field("digest"));
        ensure!(digest.len() == 64, "the receipt has no digest: {text}");
        let line = format!("{identifier}@{version}  sha256:{digest}");
        self.show(&format!("packhouse publish {name}"), &line)?;
        Ok(digest)
    }

    /// Publishes the sensor where it must be refused with `code`.
    fn refused(&self, repository: &str, git_ref: &str, code: &str) -> anyhow::Result<()> {
        let mut command = self.job(repository, git_ref)?;
        command.current_dir(self.packages).args(["publish", "ato-sensor"]);
        let output = command.output().context("cannot run the publish")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(4) && errors.contains(code),
            "this publish should have been refused with {code}: {:?}\n{errors}",
            output.status.code()
        );
        let told: Vec<&str> = errors.lines().filter(|line| !line.contains("request:")).collect();
        self.show("packhouse publish ato-sensor", &told.join("\n"))
    }

    /// Fetches a release as anybody, and holds it against the publisher's receipt.
    fn fetch(
        &self,
        into: &Path,
        identifier: &str,
        version: &str,
        digest: &str,
    ) -> anyhow::Result<()> {
        let mut command = self.packhouse()?;
        let folder = into.join(identifier);
        command.args(["fetch", identifier, "--json", "--to"]).arg(&folder);
        let output = command.output().context("cannot run the fetch")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "fetching {identifier} failed:\n{errors}{text}");
        ensure!(text.contains(digest), "{identifier} is not what was published:\n{text}");
        let mut verify = self.packhouse()?;
        verify.arg("verify").arg(&folder).arg(format!("{identifier}@{version}"));
        let verified = verify.output().context("cannot run verify")?;
        ensure!(
            verified.status.success(),
            "verifying {identifier} failed:\n{}",
            String::from_utf8_lossy(&verified.stderr)
        );
        let line = format!("sha256:{digest} as in the receipt, files verified");
        self.show(&format!("packhouse fetch {identifier}"), &line)
    }

    fn advice(&self, keep: bool) -> anyhow::Result<()> {
        if !keep {
            self.say(
                "packhouse demo --keep        the same, and the registry stays for a look around",
            )?;
            self.say("packhouse init               a manifest for a package of your own")?;
            self.say("packhouse audit              what a publish would say about it")?;
            return self.say("packhouse serve --help       a registry of your own");
        }
        let url = &self.url;
        self.say(&format!("open {url}/p/acme/sensor in a browser"))?;
        self.say(&format!("export PACKHOUSE_REGISTRY={url}"))?;
        self.say("packhouse info acme/board")?;
        self.say("packhouse search temperature")?;
        self.say(&format!("curl {url}/index/acme/board.json"))?;
        self.say(&format!("packhouse serve keeps running at {url}: end it with Ctrl-C"))
    }
}

/// The registry's process; it ends with this value.
struct Registry {
    child: Child,
    url: String,
}

impl Registry {
    fn start(data: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("where is this program?")?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--dev-issuer", "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the registry")?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout);
            lines.read_line(&mut line).context("the registry says nothing")?;
            // What it says later is read and dropped, so that it never waits for a reader.
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        }
        match line.split_whitespace().find(|word| word.starts_with("http://")) {
            Some(url) => Ok(Self { url: url.to_owned(), child }),
            None => {
                let _ = child.kill();
                bail!("the registry did not start; `packhouse serve --help` tells more")
            }
        }
    }
}

impl Registry {
    /// Waits until Ctrl-C ends the registry. The demo itself outlives it, to take its folder away.
    fn wait(&mut self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Asking for the signal once keeps it from ending this process for good.
        runtime.block_on(async {
            let _ = tokio::time::timeout(std::time::Duration::ZERO, tokio::signal::ctrl_c()).await;
        });
        self.child.wait().context("cannot wait for the registry")?;
        Ok(())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = std::io::stdout().flush();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
