//! The verbs of the stock `ato` that read: `add`, `sync` and `package verify`, request by request, as
//! 0.12.5 and 0.15.9 make them. A key that is missing panics, as Python's KeyError ends the client.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http;

/// A version of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// One package after the other, dependencies from what was unpacked.
    V0_12_5,
    /// All releases first, then all downloads in parallel.
    V0_15_9,
}

impl Release {
    /// What it calls itself.
    pub fn agent(self) -> &'static str {
        match self {
            Self::V0_12_5 => "atopile/0.12.5 (linux; 3.13.1)",
            Self::V0_15_9 => "atopile/0.15.9 (linux; 3.14.8)",
        }
    }
}

/// Requests in their order, each with the status of its answer.
#[derive(Default)]
pub struct Wire(Mutex<Vec<String>>);

impl Wire {
    /// Writes down a request by its path, in which a digest is `<digest>`; panics at a redirect, which
    /// the client never follows.
    #[track_caller]
    pub fn asked(&self, method: &str, url: &str, status: u16) {
        assert!(!(300..400).contains(&status), "{method} {url} is redirected: {status}");
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        let parts = path.split('/').map(|part| if part.len() == 64 { "<digest>" } else { part });
        self.note(&format!("{method} /{} {status}", parts.collect::<Vec<_>>().join("/")));
    }

    /// Writes down something else.
    pub fn note(&self, what: &str) {
        self.0.lock().expect("the log").push(what.to_owned());
    }

    /// What was written down since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("the log"))
    }
}

/// A project in which the client runs.
pub struct Workspace {
    registry: String,
    release: Release,
    /// The project's folder.
    pub folder: tempfile::TempDir,
    log: Mutex<Vec<String>>,
    /// The same requests by method, path and status.
    pub wire: Wire,
    /// When each parallel download was complete.
    arrivals: Mutex<Vec<Instant>>,
}

/// What `ato` does with a release: the version, where to get it, what it needs.
struct Chosen {
    identifier: String,
    version: String,
    url: String,
    filename: String,
    needs: Vec<(String, Option<String>)>,
}

impl Workspace {
    /// An empty project.
    pub fn new(registry: &str, release: Release) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, arrivals) = (Mutex::default(), Mutex::default());
        let wire = Wire::default();
        Self { registry: registry.to_owned(), release, folder, log, wire, arrivals }
    }

    /// The requests since the last call, by their numbers in order: `5 acme/sensor`.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().expect("the log"))
    }

    /// The median time between two parallel downloads that were complete, since the last call. Single
    /// ones say little: a busy machine hands over two answers at once that were sent one by one.
    pub fn typical_gap(&self) -> Option<Duration> {
        let mut arrivals = std::mem::take(&mut *self.arrivals.lock().expect("arrivals"));
        arrivals.sort();
        let mut gaps: Vec<_> = arrivals.windows(2).map(|pair| pair[1] - pair[0]).collect();
        gaps.sort();
        gaps.get(gaps.len() / 2).copied()
    }

    /// `ato sync` with these dependencies in `ato.yaml`.
    pub fn sync(&self, dependencies: &[(&str, Option<&str>)]) -> Result<(), String> {
        let owned = |(id, pin): &(&str, Option<&str>)| ((*id).to_owned(), pin.map(str::to_owned));
        let mut queue: Vec<_> = dependencies.iter().map(owned).collect();
        let (mut seen, mut missing) = (BTreeSet::new(), Vec::new());
        let mut at = 0;
        while let Some((identifier, pin)) = queue.get(at).cloned() {
            at += 1;
            if !seen.insert(identifier.clone()) {
                continue; // the first one seen wins, whatever the others pin
            }
            if self.module(&identifier).exists() {
                queue.extend(self.installed(&identifier).needs);
                continue;
            }
            let chosen = self.choose(&identifier, pin.as_deref())?;
            if self.release == Release::V0_12_5 {
                self.get("4", &identifier, &format!("/releases/{}", chosen.version))?;
                self.install(&chosen, &self.download(&chosen));
                queue.extend(self.installed(&identifier).needs);
            } else {
                queue.extend(chosen.needs.clone());
                missing.push(chosen);
            }
        }
        self.download_all(&missing, |chosen, zip| self.install(chosen, zip));
        Ok(())
    }

    /// `ato add`: 0.15.9 installs what is named, and only downloads what that needs.
    pub fn add(&self, identifier: &str, pin: Option<&str>) -> Result<(), String> {
        if self.release == Release::V0_12_5 {
            return self.sync(&[(identifier, pin)]);
        }
        let chosen = self.choose(identifier, pin)?;
        self.install(&chosen, &self.download(&chosen));
        for (child, pin) in &chosen.needs {
            if !self.module(child).exists() {
                let chosen = self.choose(child, pin.as_deref())?;
                self.download(&chosen);
            }
        }
        Ok(())
    }

    /// `ato package verify`: each dependency, and the package itself where it was published.
    pub fn verify(&self, own: &str, dependencies: &[(&str, &str)]) -> Result<(), String> {
        for (identifier, pin) in dependencies {
            self.get("3", identifier, "").map(|body| package(&body))?;
            let body = self.get("4", identifier, &format!("/releases/{pin}"))?;
            release_info(key(&body, "info"));
        }
        let latest = package(&self.get("3", own, "")?);
        let body = self.get("4", own, &format!("/releases/{latest}"))?;
        key(&body, "readme");
        release_info(key(&body, "info"));
        Ok(())
    }

    /// What is installed of a package; panics unless its files are those of `.package_meta.json`,
    /// which 0.12 does not write.
    pub fn installed(&self, identifier: &str) -> Installed {
        let folder = self.module(identifier);
        let output = python(INSTALLED, &[folder.as_os_str()], b"");
        let found: Value = serde_json::from_slice(&output).expect("JSON");
        let meta = &found["meta"];
        if self.release == Release::V0_15_9 {
            assert_eq!(key(meta, "schema_version"), 1);
            assert_eq!(text(meta, "identifier"), identifier);
            for name in ["source", "installed_at", "installed_by"] {
                key(meta, name);
            }
            assert_eq!(key(meta, "file_checksums"), &found["files"], "{identifier} was edited");
        }
        let yaml = found["yaml"].as_str().expect("ato.yaml");
        let mut tree = packhouse_core::tree::Tree::default();
        tree.insert("ato.yaml".parse().expect("a path"), yaml.as_bytes(), false);
        let format = packhouse_core::formats::by_id("ato").expect("the format");
        let packhouse_core::formats::Found::Package(manifest) = format.read(&tree) else {
            panic!("Invalid dist, can't load manifest: {yaml}");
        };
        let needs = manifest.dependencies.iter().filter_map(|dependency| {
            let packhouse_core::manifest::Target::Registry { identifier } = &dependency.target
            else {
                return None;
            };
            let pin = dependency.requirement.as_ref().map(|r| r.text().to_owned());
            Some((identifier.to_string(), pin))
        });
        let version = manifest.version.as_ref().expect("a version").value.to_string();
        Installed { version, needs: needs.collect() }
    }

    /// Where a package is installed.
    pub fn module(&self, identifier: &str) -> PathBuf {
        self.folder.path().join(".ato/modules").join(identifier)
    }

    /// The release to install: request 5, and the server's order.
    fn choose(&self, identifier: &str, pin: Option<&str>) -> Result<Chosen, String> {
        let body = self.get("5", identifier, "/releases")?;
        let releases = key(&body, "releases").as_array().expect("a list");
        let mut fitting = releases
            .iter()
            .map(|info| (release_info(info), info))
            .filter(|(_, i)| pin.is_none_or(|pin| text(i, "version") == pin));
        let own = if self.release == Release::V0_15_9 { [0, 15, 9] } else { [0, 12, 5] };
        let found = match pin {
            Some(pin) => fitting.next().ok_or(format!("Release not found: {identifier}@{pin}"))?,
            None => fitting
                .find(|(_, info)| admits(text(info, "requires_atopile"), own))
                .ok_or("No compatible versions were found")?,
        };
        if !admits(text(found.1, "requires_atopile"), own) {
            return Err(format!("{identifier} requires atopile {}", found.1["requires_atopile"]));
        }
        Ok(found.0)
    }

    /// Requests 3, 4 and 5.
    fn get(&self, number: &str, identifier: &str, rest: &str) -> Result<Value, String> {
        let url = format!("{}/v1/package/{identifier}{rest}", self.registry);
        let (status, body) = self.fetch(number, identifier, &url);
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        assert!(body.is_object(), "JSON that is no object ends the client: {body}");
        if status == 200 { Ok(body) } else { Err(format!("{status} {}", text(&body, "detail"))) }
    }

    fn download(&self, chosen: &Chosen) -> Vec<u8> {
        let (status, zip) = self.fetch("6", &chosen.identifier, &chosen.url);
        assert_eq!(status, 200, "{}: redirects are never followed", chosen.url);
        zip
    }

    fn download_all(&self, missing: &[Chosen], install: impl Fn(&Chosen, &[u8])) {
        let zips: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = missing
                .iter()
                .map(|chosen| {
                    scope.spawn(|| {
                        let zip = self.download(chosen);
                        self.arrivals.lock().expect("arrivals").push(Instant::now());
                        zip
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a download")).collect()
        });
        missing.iter().zip(&zips).for_each(|(chosen, zip)| install(chosen, zip));
    }

    /// A GET; 0.15 tries three times more where the server is busy.
    fn fetch(&self, number: &str, identifier: &str, url: &str) -> (u16, Vec<u8>) {
        let headers = [("user-agent", self.release.agent()), ("accept", "*/*")];
        let waits: &[u64] = if self.release == Release::V0_15_9 { &[1, 2, 4] } else { &[] };
        let mut waits = waits.iter();
        loop {
            self.log.lock().expect("the log").push(format!("{number} {identifier}"));
            let (status, body) = http::get(url, &headers);
            self.wire.asked("GET", url, status);
            match waits.next() {
                Some(wait) if matches!(status, 502..=504) => {
                    std::thread::sleep(Duration::from_secs(*wait));
                }
                _ => return (status, body),
            }
        }
    }

    fn install(&self, chosen: &Chosen, zip: &[u8]) {
        let cache = self.folder.path().join(".ato/modules/.cache");
        std::fs::create_dir_all(&cache).expect("the cache");
        assert!(!chosen.filename.contains(['/', '\\']), "{}", chosen.filename);
        std::fs::write(cache.join(&chosen.filename), zip).expect("the download");
        let folder = self.module(&chosen.identifier);
        let meta = if self.release == Release::V0_15_9 { "meta" } else { "" };
        let names = [chosen.identifier.as_str(), chosen.version.as_str(), meta].map(AsRef::as_ref);
        python(INSTALL, &[&[folder.as_os_str()], &names[..]].concat(), zip);
        assert_eq!(self.installed(&chosen.identifier).version, chosen.version);
    }
}

/// An installed package.
pub struct Installed {
    /// What its `ato.yaml` says.
    pub version: String,
    /// What that names, with pins.
    pub needs: Vec<(String, Option<String>)>,
}

/// Hashes of what `.package_meta.json` has hashes of.
const HASHES: &str = "
import hashlib, io, json, os, sys, zipfile
from pathlib import Path
def hashes(root):
    paths = [p.relative_to(root) for p in root.rglob('*') if p.is_file()]
    shown = [p for p in paths if not any(x.startswith('.') or x == '__pycache__' for x in p.parts)]
    return {str(p): hashlib.sha256((root / p).read_bytes()).hexdigest() for p in shown}
root = Path(sys.argv[1])
";
const INSTALL: &str = "
with zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read())) as archive:
    # The order of entries is the packer's: the client looks its manifest up by name.
    assert 'ato.yaml' in archive.namelist(), archive.namelist()
    archive.extractall(root)
if sys.argv[4]:
    meta = {'schema_version': 1, 'identifier': sys.argv[2], 'version': sys.argv[3],
        'source': {'type': 'registry', 'url': 'https://packages.atopileapi.com', 'ref': None, 'path': None},
        'installed_at': '2026-11-27T12:00:00', 'installed_by': '0.15.9', 'file_checksums': hashes(root)}
    (root / '.package_meta.json').write_text(json.dumps(meta))
";
const INSTALLED: &str = "
meta = root / '.package_meta.json'
meta = json.loads(meta.read_text()) if meta.exists() else None
print(json.dumps({'meta': meta, 'files': hashes(root), 'yaml': (root / 'ato.yaml').read_text()}))
";

fn python(program: &str, arguments: &[&std::ffi::OsStr], input: &[u8]) -> Vec<u8> {
    let mut python = Command::new("python3")
        .args(["-c", &format!("{HASHES}{program}")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    python.stdin.take().expect("stdin").write_all(input).expect("python reads");
    let output = python.wait_with_output().expect("python ends");
    assert!(output.status.success(), "python3 does it");
    output.stdout
}

/// A key as the client looks it up.
#[track_caller]
fn key<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or_else(|| panic!("KeyError: '{name}' in {value}"))
}

#[track_caller]
fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    key(value, name).as_str().unwrap_or_else(|| panic!("`{name}` is no text in {value}"))
}

/// Reads a release's information, every key of it.
fn release_info(info: &Value) -> Chosen {
    described(info);
    for name in ["builds", "artifacts", "layouts", "git_ref", "yanked_at", "yanked_reason"] {
        key(info, name);
    }
    key(info, "import_statements");
    for name in ["requires_atopile", "download_url", "filename"] {
        text(info, name);
    }
    assert_eq!(text(key(info, "hashes"), "sha256").len(), 64);
    assert!(key(info, "size").is_u64(), "{info}");
    if info["artifacts"].is_object() {
        for artifact in key(&info["artifacts"], "artifacts").as_array().expect("a list") {
            text(artifact, "filename");
            text(artifact, "url");
            key(artifact, "size");
            text(key(artifact, "hashes"), "sha256");
        }
    }
    let requires = key(key(info, "dependencies"), "requires").as_array().expect("a list");
    let needs = requires.iter().map(|need| {
        assert!(need.get("type").is_none_or(|kind| kind == "registry"), "{need}");
        let release = need.get("release").and_then(Value::as_str).map(str::to_owned);
        (text(need, "identifier").to_owned(), release)
    });
    Chosen {
        identifier: text(info, "identifier").to_owned(),
        version: text(info, "version").to_owned(),
        url: text(info, "download_url").to_owned(),
        filename: text(info, "filename").to_owned(),
        needs: needs.collect(),
    }
}

/// Reads a package; its latest version.
fn package(body: &Value) -> String {
    key(body, "readme");
    let info = key(body, "info");
    described(info);
    text(info, "version").to_owned()
}

/// The keys that a package and a release have both.
fn described(info: &Value) {
    for name in ["created_at", "released_at", "key", "repository", "license", "summary", "url"] {
        text(info, name);
    }
    for name in ["homepage", "readme_url"] {
        assert!(key(info, name).is_null() || info[name].is_string(), "{info}");
    }
    for author in key(info, "authors").as_array().expect("a list") {
        text(author, "name");
        text(author, "email");
    }
    for name in ["total_downloads", "this_week_downloads", "this_month_downloads"] {
        key(key(info, "stats"), name);
    }
}

/// The client's matcher of `requires_atopile`; panics at what it raises an error for.
pub fn admits(spec: &str, own: [u64; 3]) -> bool {
    spec.trim().split("||").any(|all| all.split(',').all(|term| term_admits(term.trim(), own)))
}

fn term_admits(term: &str, own: [u64; 3]) -> bool {
    if term == "*" {
        return true;
    }
    let operators = ["^", "~", "!", "==", ">=", "<=", ">", "<"];
    let found = operators.iter().find_map(|o| Some((*o, term.strip_prefix(o)?)));
    let (operator, rest) = found.unwrap_or(("^", term));
    let rest = rest.strip_prefix('v').unwrap_or(rest);
    let numbers: Result<Vec<u64>, _> = rest.split('.').map(str::parse).collect();
    let numbers = numbers.unwrap_or_else(|_| panic!("Invalid version spec: `{term}`"));
    let at = |place: usize| numbers.get(place).copied().unwrap_or_default();
    let named = [at(0), at(1), at(2)];
    match operator {
        "^" => own >= named && own[0] == named[0],
        "~" => own >= named && own[..2] == named[..2],
        "!" => own != named,
        "==" => own == named,
        ">=" => own >= named,
        "<=" => own <= named,
        ">" => own > named,
        _ => own < named,
    }
}

/// Counts of requests by their number.
pub fn counted(requests: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for request in requests {
        let number = request.split(' ').next().unwrap_or_default();
        *counts.entry(number.to_owned()).or_default() += 1;
    }
    counts
}
