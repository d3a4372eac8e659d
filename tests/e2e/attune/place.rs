//! A folder of packs, packs to put into it, and a server that has them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use packhouse_core::attune::checksum::{self, Checksum};
use packhouse_core::tree::Tree;
use packhouse_tests::git_http::backend;
use packhouse_tests::liar::{Liar, Reply};
use packhouse_tests::{Outcome, Runs as _, plain};
use serde_json::{Value, json};

/// Files by the path that they are asked for at.
type Files = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A folder for one story.
pub struct Place {
    pub dir: tempfile::TempDir,
    /// Serves `files`, and the repositories below `git`.
    pub server: Liar,
    files: Files,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repositories = dir.path().join("git");
        std::fs::create_dir(&repositories).unwrap();
        let files: Files = Arc::default();
        let known = files.clone();
        let server = Liar::start(move |request| {
            if request.path.starts_with("/git/") {
                let mut request = request.clone();
                request.path = request.path.trim_start_matches("/git").to_owned();
                return backend(&repositories, &request);
            }
            let files = known.lock().unwrap();
            match files.iter().find(|(path, _)| *path == request.path) {
                Some((_, bytes)) => Reply::new(200, bytes.clone()),
                None => Reply::new(404, "nothing"),
            }
        });
        Self { dir, server, files }
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Serves `bytes` at `path`, in place of what was there.
    pub fn serve(&self, path: &str, bytes: impl Into<Vec<u8>>) -> String {
        let mut files = self.files.lock().unwrap();
        files.retain(|(known, _)| known != path);
        files.push((path.to_owned(), bytes.into()));
        format!("{}{path}", self.server.url)
    }

    /// No longer serves `path`.
    pub fn withdraw(&self, path: &str) {
        self.files.lock().unwrap().retain(|(known, _)| known != path);
    }

    /// Writes a pack's folder, and answers its path.
    pub fn folder(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = self.path(name);
        for (path, text) in files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    /// `packhouse attune ARGUMENTS` in the folder.
    pub fn attune(&self, arguments: &[&str]) -> Outcome {
        self.with_path(arguments, None)
    }

    /// The same with a folder of programs before all others.
    pub fn with_path(&self, arguments: &[&str], programs: Option<&Path>) -> Outcome {
        let all: Vec<&str> = ["attune"].iter().chain(arguments).copied().collect();
        let mut command = plain(&all);
        if let Some(programs) = programs {
            let path = std::env::var("PATH").unwrap();
            command.env("PATH", format!("{}:{path}", programs.display()));
        }
        let scratch = self.path("scratch");
        std::fs::create_dir_all(&scratch).unwrap();
        command.env("TMPDIR", scratch).current_dir(self.dir.path()).outcome()
    }

    /// All that commands left in the folder of temporary files.
    pub fn scratch(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        list(&self.path("scratch"), &self.path("scratch"), &mut found);
        found
    }

    /// The record of an installed pack.
    pub fn record(&self, pack: &str) -> Value {
        let bytes = std::fs::read(self.path(&format!("packs/.packhouse/{pack}.json"))).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// Every file below `packs` with its bytes, the lock excepted.
    pub fn packs(&self) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        list(&self.path("packs"), &self.path("packs"), &mut found);
        found.retain(|(path, _)| path != ".packhouse/lock");
        found.sort();
        found
    }
}

fn list(root: &Path, folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.push((name + "/", Vec::new()));
            list(root, &path, found);
        } else {
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
    // Folders that hold something else than records are told by what they hold.
    found.retain(|(name, _)| name != ".packhouse/");
}

/// The files of a pack called `name`.
pub fn weather(name: &str, version: &str, more: &str) -> Vec<(&'static str, String)> {
    vec![
        (
            "pack.yaml",
            format!(
                "ref: {name}\nlabel: Weather\nversion: {version}\ndescription: Rain or not\n\
                 author: Ada\nlicense: MIT\ntags: [rain]\nruntime_deps: ['python3>=3.8', shell]\n\
                 testing:\n  runners:\n    shell: {{type: script, entry_point: tests/run.sh, timeout: 30}}\n{more}"
            ),
        ),
        ("actions/ask.yaml", format!("ref: {name}.ask\ndescription: Asks\n")),
        ("actions/ask.sh", "echo rain\n".to_owned()),
        ("tests/run.sh", "test -f pack.yaml && echo left > behind\n".to_owned()),
    ]
}

/// The same as a tree.
pub fn tree(files: &[(&str, String)], below: &str) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.insert(format!("{below}{path}").parse().unwrap(), text.as_bytes(), false);
    }
    tree
}

pub fn borrowed<'a>(files: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    files.iter().map(|(path, text)| (*path, text.as_str())).collect()
}

pub fn zip(tree: &Tree) -> Vec<u8> {
    packhouse_core::archive::pack(tree).unwrap().bytes
}

pub fn tar_gz(tree: &Tree) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, file) in tree.iter() {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, path.as_str(), &file.bytes[..]).unwrap();
    }
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar.into_inner().unwrap()).unwrap();
    gz.finish().unwrap()
}

pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(["-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A repository below `git` with a pack at `v1` and another commit on `main`; the commit of `v1`.
pub fn repository(place: &Place, name: &str) -> String {
    let files = weather("weather", "1.0.0", "");
    let folder = place.folder(&format!("git/{name}"), &borrowed(&files));
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "one"]);
    git(&folder, &["tag", "v1"]);
    let first = git(&folder, &["rev-parse", "HEAD"]);
    place.folder(&format!("git/{name}"), &borrowed(&weather("weather", "1.1.0", "")));
    git(&folder, &["commit", "--quiet", "-am", "two"]);
    git(&folder, &["branch", "next"]);
    first
}

/// An entry of an index, as read tolerantly: its sources are on this machine.
pub fn entry(name: &str, version: &str, source: Value) -> Value {
    json!({
        "ref": name, "label": "Weather", "description": "Rain or not", "version": version,
        "author": "Ada", "license": "MIT", "keywords": ["rain"], "runtime_deps": [],
        "install_sources": [source],
        "contents": {"actions": [], "sensors": [], "triggers": [], "rules": [], "workflows": []},
    })
}

pub fn index(entries: Vec<Value>) -> Value {
    json!({
        "registry_name": "Ours", "registry_url": "https://packs.example.org", "version": "1.0",
        "last_updated": "2026-01-02T00:00:00Z", "packs": entries,
    })
}

pub fn checksum(tree: &Tree) -> Checksum {
    checksum::of_tree(tree)
}
