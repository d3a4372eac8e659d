//! A block of kicad-tools: audited, published, found by its block's name, and used by a board from a
//! registry, a repository and a folder.

use std::path::{Path, PathBuf};

use packhouse_tests::git_http::backend;
use packhouse_tests::liar::Liar;
use packhouse_tests::{Outcome, Runs as _, TestRegistry, copy, example, plain};

/// A place for blocks and boards, with a cache of its own.
struct Desk {
    dir: tempfile::TempDir,
    url: String,
}

impl Desk {
    fn new(registry: &TestRegistry) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), url: registry.url() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// The example as `folder`, with each of `changes` made in its manifest.
    fn block(&self, folder: &str, changes: &[(&str, &str)]) -> PathBuf {
        let block = self.path(folder);
        copy(&example("kicad-block"), &block);
        let file = block.join("kicad-tools-block.yaml");
        let mut text = std::fs::read_to_string(&file).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{text}");
            text = text.replace(from, to);
        }
        std::fs::write(file, text).unwrap();
        block
    }

    /// An empty board in `folder`.
    fn board(&self, folder: &str) {
        std::fs::create_dir_all(self.path(folder)).unwrap();
        let manifest = self.path(folder).join("packhouse.yaml");
        std::fs::write(manifest, "package: {identifier: acme/board}\n").unwrap();
    }

    /// `packhouse` in `folder`, where no tool is on the PATH but git.
    fn run(&self, folder: &str, arguments: &[&str]) -> Outcome {
        let mut command = plain(arguments);
        command
            .current_dir(self.path(folder))
            .env("PACKHOUSE_REGISTRY", &self.url)
            .env("HOME", self.dir.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("PACKHOUSE_CACHE_DIR", self.path("cache"));
        command.outcome()
    }
}

/// Makes a folder a repository of one commit.
fn commit(folder: &Path) {
    for arguments in [
        &["init", "--quiet", "--initial-branch=main"][..],
        &["add", "."],
        &["commit", "--quiet", "-m", "one"],
    ] {
        let mut command = std::process::Command::new("git");
        command.current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.org"]).args(arguments);
        assert!(command.output().unwrap().status.success());
    }
}

/// The installed file of this name below `folder`.
fn installed(folder: &Path, name: &str) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false if entry.file_name() == name => return Some(entry.path()),
                false => {}
            }
        }
    }
    None
}

#[test]
fn a_block_is_published_found_by_its_block_and_told_with_what_it_needs() {
    let registry = TestRegistry::start();
    let desk = Desk::new(&registry);
    let block = desk.block("block", &[("name: usb-c-sink\n", "name: power-inlet\n")]);
    registry.ci("acme/usb-c-sink").tag("v1.0.0").publish(&block).ok();
    let found = desk.run("", &["search", "power-inlet", "--json"]).ok().json();
    assert_eq!(found.pointer("/hits/0/identifier").unwrap(), "acme/usb-c-sink", "{found}");
    let info = desk.run("", &["info", "acme/usb-c-sink", "--json"]).ok().json();
    let version = &info["index"]["versions"][0];
    let names: Vec<_> = version["requires"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["kicad-tools", "kicad-footprints:Resistor_SMD", "kicad-symbols:Device"],
        "its own library is not among them: {version}"
    );
    let told = desk.run("", &["info", "acme/usb-c-sink"]).ok().stdout;
    let outside = "kicad-tools >=0.10, kicad-footprints:Resistor_SMD, kicad-symbols:Device";
    assert!(told.contains(outside), "{told}");
    let release = registry.get("/v1/package/acme/usb-c-sink/-/manifest/1.0.0");
    let export = &release["exports"][0];
    assert_eq!((&export["kind"], &export["name"]), (&"block".into(), &"power-inlet".into()));
}

#[test]
fn a_name_without_an_owner_gets_the_repository_s() {
    let registry = TestRegistry::start();
    let desk = Desk::new(&registry);
    let block = desk.block("block", &[("name: acme/usb-c-sink", "name: usb-c-sink")]);
    registry.ci("lab/anything").tag("v1.0.0").publish(&block).ok();
    let index = registry.get("/index/lab/usb-c-sink.json");
    assert_eq!(index["native"]["ecosystem"], "kicad", "{index}");
}

#[test]
fn a_block_comes_from_the_registry_a_repository_or_a_folder() {
    let registry = TestRegistry::start();
    let desk = Desk::new(&registry);
    let block = desk.block("block", &[]);
    registry.ci("acme/usb-c-sink").tag("v1.0.0").publish(&block).ok();
    desk.board("from-registry");
    desk.run("from-registry", &["add", "acme/usb-c-sink", "--kicad-tools-version", "0.10.1"]).ok();
    desk.board("from-folder");
    desk.run("from-folder", &["add", "file://../block"]).ok();
    let root = desk.path("repositories");
    commit(&desk.block("repositories/block", &[]));
    std::fs::rename(root.join("block/.git"), root.join("block.git")).unwrap();
    let server = Liar::start(move |request| backend(&root, request));
    desk.board("from-repository");
    desk.run("from-repository", &["add", &format!("git://{}/block.git#main", server.url)]).ok();
    for board in ["from-registry", "from-repository", "from-folder"] {
        let listed = desk.run(board, &["list"]).ok().stdout;
        assert!(listed.contains("acme/usb-c-sink"), "{board}: {listed}");
        let sheet = installed(&desk.path(board), "usb-c-sink.kicad_sch");
        assert!(sheet.is_some(), "{board}: the sheet is not installed");
        desk.run(board, &["verify"]).ok();
    }
}

#[test]
fn a_block_for_another_kicad_tools_is_no_answer_and_an_audit_says_so() {
    let registry = TestRegistry::start();
    let desk = Desk::new(&registry);
    let old = desk.block("old", &[(">=0.10", ">=0.8,<0.10")]);
    registry.ci("acme/usb-c-sink").tag("v1.0.0").publish(&old).ok();
    let new = desk.block("new", &[("version: 1.0.0", "version: 1.1.0")]);
    registry.ci("acme/usb-c-sink").tag("v1.1.0").publish(&new).ok();
    for (tool, version) in [("0.9.4", "1.0.0"), ("0.10.1", "1.1.0")] {
        let board = format!("board-{tool}");
        desk.board(&board);
        desk.run(&board, &["add", "acme/usb-c-sink@>=1", "--kicad-tools-version", tool]).ok();
        let listed = desk.run(&board, &["list"]).ok().stdout;
        assert!(listed.contains(version), "{tool}: {listed}");
    }
    desk.board("board");
    let before = std::fs::read(desk.path("board/packhouse.yaml")).unwrap();
    let refused =
        desk.run("board", &["add", "acme/usb-c-sink@=1.1.0", "--kicad-tools-version", "0.9.4"]);
    assert_ne!(refused.code, 0, "{refused}");
    assert!(refused.stderr.contains("kicad-tools"), "{refused}");
    assert_eq!(std::fs::read(desk.path("board/packhouse.yaml")).unwrap(), before);
    let audited = desk.run("new", &["audit", "--kicad-tools-version", "0.9.4"]);
    assert_eq!(audited.code, 1, "{audited}");
    assert!(audited.stdout.contains("tool-version"), "{audited}");
    desk.run("new", &["audit", "--kicad-tools-version", "0.10.1"]).ok();
    let wrong = desk.run("new", &["audit", "--kicad-tools-version", "new"]);
    assert_eq!(wrong.code, 2, "{wrong}");
}

#[test]
fn a_block_with_a_broken_file_is_not_published() {
    let registry = TestRegistry::start();
    let desk = Desk::new(&registry);
    let block = desk.block("block", &[]);
    std::fs::write(block.join("sheets/usb-c-sink.kicad_sch"), "EESchema Schematic").unwrap();
    let refused = registry.ci("acme/usb-c-sink").tag("v1.0.0").publish(&block);
    assert_eq!(refused.code, 1, "{refused}");
    assert!(format!("{refused}").contains("kicad-file"), "{refused}");
    assert_eq!(registry.fetch("/index/acme/usb-c-sink.json").0, 404);
}
