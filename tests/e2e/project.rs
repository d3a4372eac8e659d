//! A project and its dependencies: resolved, locked, installed, verified; and everything that is in
//! the way is told before anything is changed.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use packhouse_tests::git_http::backend;
use packhouse_tests::liar::{Liar, Reply};
use packhouse_tests::{Outcome, Runs as _, TestRegistry, plain};

/// Publishes a circuit that needs `dependencies`.
fn release(
    registry: &TestRegistry,
    identifier: &str,
    version: &str,
    dependencies: &[&str],
) -> Outcome {
    release_for(registry, identifier, version, dependencies, "^0.14.0")
}

fn release_for(
    registry: &TestRegistry,
    identifier: &str,
    version: &str,
    dependencies: &[&str],
    client: &str,
) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let needs: String = dependencies.iter().map(|d| format!("  - {d}\n")).collect();
    let needs = if needs.is_empty() { String::new() } else { format!("dependencies:\n{needs}") };
    let manifest = format!(
        "requires-atopile: {client}\npackage:\n  identifier: {identifier}\n  version: {version}\n  repository: https://github.com/{identifier}\n  license: MIT\n  summary: A part\n{needs}"
    );
    std::fs::write(dir.path().join("ato.yaml"), manifest).unwrap();
    std::fs::write(dir.path().join("README.md"), format!("# {identifier} {version}\n")).unwrap();
    std::fs::write(dir.path().join("part.ato"), format!("module Part:\n    pass # {version}\n"))
        .unwrap();
    registry.ci(identifier).tag(&format!("v{version}")).publish(dir.path()).ok()
}

/// A folder with a manifest, and a cache that may be shared.
struct Project {
    dir: tempfile::TempDir,
    url: String,
    cache: PathBuf,
}

impl Project {
    fn new(registry: &TestRegistry, manifest: (&str, &str)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("board")).unwrap();
        let cache = dir.path().join("cache");
        let project = Self { url: registry.url(), cache, dir };
        project.write(manifest.0, manifest.1);
        project
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("board").join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.path(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = plain(arguments);
        command
            .current_dir(self.path(""))
            .env("PACKHOUSE_REGISTRY", &self.url)
            .env("HOME", self.dir.path())
            .env("PACKHOUSE_CACHE_DIR", &self.cache);
        command.outcome()
    }

    /// What is told, without what differs from run to run.
    fn told(&self, arguments: &[&str]) -> String {
        self.run(arguments)
            .told()
            .replace(&self.url, "REGISTRY")
            .replace(self.dir.path().to_str().unwrap(), "DIR")
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

fn snapshot_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                files.push((
                    entry.path().display().to_string(),
                    std::fs::read(entry.path()).unwrap(),
                ));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn ten_packages_are_synced_cold_warm_offline_and_healed() {
    let registry = TestRegistry::start();
    let mut manifest = "# my board\nrequires-atopile: ^0.14.0\ndependencies: # parts\n".to_owned();
    release(&registry, "acme/base", "1.0.0", &[]);
    for number in 0..9 {
        let identifier = format!("acme/part{number}");
        release(&registry, &identifier, "1.0.0", &["acme/base@1.0.0"]);
        manifest.push_str(&format!(
            "  - type: registry\n    identifier: {identifier}\n    release: 1.0.0 # fixed\n"
        ));
    }
    manifest.push_str("  - acme/base@1.0.0\n");
    let project = Project::new(&registry, ("ato.yaml", &manifest));
    let cold = project.run(&["sync", "--json"]).ok().json();
    assert_eq!((cold["steps"].as_array().unwrap().len(), &cold["downloaded"]), (10, &10.into()));
    let lock = project.read("packhouse.lock");
    assert!(
        lock.contains("[[package]]\nidentifier = \"acme/base\"\nversion = \"1.0.0\"\nregistry = "),
        "{lock}"
    );
    assert!(
        lock.contains("repository-id = ") && lock.contains("workflow = \".github/workflows/"),
        "{lock}"
    );
    let meta = project.read(".ato/modules/acme/part3/.package_meta.json");
    let meta: serde_json::Value = serde_json::from_str(&meta).unwrap();
    assert_eq!(
        (meta["identifier"].as_str(), meta["version"].as_str()),
        (Some("acme/part3"), Some("1.0.0"))
    );
    assert!(meta["file_checksums"]["part.ato"].as_str().is_some_and(|hex| hex.len() == 64));

    let before = snapshot_of(&project.path(""));
    let warm = project.run(&["sync", "--json", "--locked"]).ok().json();
    assert_eq!(warm["steps"].as_array().unwrap().len(), 0);
    project.run(&["verify"]).ok();
    project.run(&["sync", "--offline"]).ok();
    project.run(&["sync", "--frozen", "--offline"]).ok();
    assert_eq!(snapshot_of(&project.path("")), before);

    // From the cache alone.
    std::fs::remove_dir_all(project.path(".ato")).unwrap();
    let offline = project.run(&["sync", "--offline", "--json"]).ok().json();
    assert_eq!(
        (offline["steps"].as_array().unwrap().len(), &offline["downloaded"]),
        (10, &0.into())
    );

    // A vandal in the cache: same size, other bytes.
    std::fs::remove_dir_all(project.path(".ato")).unwrap();
    let tree = std::fs::read_dir(project.cache.join("v1/trees")).unwrap().flatten().next().unwrap();
    let file = tree.path().join("files/part.ato");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes.iter().map(|b| b ^ 1).collect::<Vec<_>>()).unwrap();
    let healed = project.run(&["sync", "--json"]).ok().json();
    assert_eq!((&healed["healed"], &healed["downloaded"]), (&1.into(), &1.into()));
    project.run(&["verify"]).ok();
    project.run(&["cache", "verify"]).ok();
    assert_eq!(project.read("ato.yaml"), manifest);
}

#[test]
fn what_cannot_be_resolved_is_explained_and_changes_nothing() {
    let registry = TestRegistry::start();
    for version in ["1.0.0", "2.0.0"] {
        release(&registry, "acme/hub", version, &[]);
    }
    release(&registry, "acme/amp", "1.0.0", &["acme/hub@1.0.0"]);
    release(&registry, "acme/buf", "1.0.0", &["acme/hub@2.0.0"]);
    release(&registry, "acme/yanked", "1.0.0", &[]);
    release_for(&registry, "acme/new", "1.0.0", &[], "^1.0.0");
    let mut command =
        plain(&["yank", "acme/yanked@1.0.0", "--reason", "burns", "--replacement", "1.0.1"]);
    command
        .env("PACKHOUSE_REGISTRY", registry.url())
        .env("PACKHOUSE_TOKEN", registry.admin_token());
    command.outcome().ok();
    let late = release(&registry, "acme/late", "1.0.0", &["acme/yanked@1.0.0"]);
    let warned = "every release of dependency `acme/yanked` that fits `1.0.0` is yanked";
    assert!(late.stderr.contains(warned), "{late}");
    let told = |needs: &str| {
        let manifest = format!("package: {{identifier: acme/board}}\ndependencies: [{needs}]\n");
        let project = Project::new(&registry, ("ato.yaml", &manifest));
        let text = project.told(&["sync", "--tool", "atopile=0.14.2"]);
        assert!(!project.path("packhouse.lock").exists() && !project.path(".ato").exists());
        let page =
            std::fs::read_to_string(packhouse_tests::binary::root().join("docs/projects.md"))
                .unwrap();
        for line in text.lines().filter(|line| !line.starts_with("exit ")) {
            assert!(page.contains(&format!("    {line}\n")), "the page lacks: {line}");
        }
        text
    };
    assert_snapshot!(told("acme/amp@1.0.0, acme/buf@1.0.0"));
    assert_snapshot!(told("acme/hub@3.0.0"));
    assert_snapshot!(told("acme/hbu@1.0.0"));
    assert_snapshot!(told("acme/yanked@1.0.0"));
    assert_snapshot!(told("acme/new@1.0.0"));
}

#[test]
fn packages_that_need_each_other_are_refused() {
    let registry = TestRegistry::start();
    release(&registry, "acme/one", "1.0.0", &[]);
    release(&registry, "acme/two", "1.0.0", &["acme/one"]);
    release(&registry, "acme/one", "1.1.0", &["acme/two@1.0.0"]);
    let project = Project::new(
        &registry,
        ("ato.yaml", "package: {identifier: acme/board}\ndependencies: [acme/one@1.1.0]\n"),
    );
    assert_snapshot!(project.told(&["sync"]));
    assert!(!project.path("packhouse.lock").exists());
}

#[test]
fn dependencies_are_added_updated_shown_and_removed() {
    let registry = TestRegistry::start();
    release(&registry, "acme/base", "1.0.0", &[]);
    release(&registry, "acme/sensor", "1.0.0", &["acme/base@1.0.0"]);
    let project = Project::new(
        &registry,
        ("ato.yaml", "# board\nrequires-atopile: ^0.14.0\npackage: {identifier: acme/board}\n"),
    );
    project.run(&["add", "acme/sensor"]).ok();
    assert_snapshot!(project.read("ato.yaml"), @"
    # board
    requires-atopile: ^0.14.0
    package: {identifier: acme/board}
    dependencies:
      - type: registry
        identifier: acme/sensor
        release: 1.0.0
    ");
    release(&registry, "acme/base", "1.1.0", &[]);
    release(&registry, "acme/sensor", "1.1.0", &["acme/base@1.1.0"]);
    assert_snapshot!(project.run(&["outdated"]).ok().stdout, @"
    acme/base    1.0.0 -> 1.1.0
    acme/sensor  1.0.0 -> 1.1.0
    ");
    project.run(&["update"]).ok();
    assert_snapshot!(project.run(&["tree"]).ok().stdout, @"
    acme/board
    └── acme/sensor@1.1.0
        └── acme/base@1.1.0
    ");
    assert_snapshot!(project.run(&["why", "acme/base"]).ok().stdout, @"acme/board → acme/sensor@1.1.0 → acme/base@1.1.0");
    assert_eq!(project.run(&["remove", "acme/snsor"]).code, 3);
    project.run(&["remove", "acme/sensor"]).ok();
    assert!(!project.path(".ato/modules/acme").exists());
    assert_eq!(project.run(&["list"]).ok().stdout, "");
    assert!(project.read("ato.yaml").ends_with("dependencies: []\n"));
}

#[test]
fn local_edits_are_never_overwritten_unless_it_is_asked_for() {
    let registry = TestRegistry::start();
    release(&registry, "acme/part", "1.0.0", &[]);
    release(&registry, "acme/part", "1.1.0", &[]);
    let project = Project::new(&registry, ("ato.yaml", "dependencies: [acme/part@1.0.0]\n"));
    project.run(&["sync"]).ok();
    project.write(".ato/modules/acme/part/part.ato", "module Mine:\n    pass\n");
    project.write(".ato/modules/acme/part/new.ato", "");
    assert_snapshot!(project.told(&["sync"]));
    let lock = project.read("packhouse.lock");
    for arguments in [&["update"][..], &["remove", "acme/part"]] {
        assert_eq!(project.run(arguments).code, 5);
        assert_eq!(
            (project.read("packhouse.lock"), project.read("ato.yaml").as_str()),
            (lock.clone(), "dependencies: [acme/part@1.0.0]\n")
        );
    }
    assert_eq!(project.run(&["verify"]).code, 6);
    assert!(project.read(".ato/modules/acme/part/part.ato").contains("Mine"));
    project.run(&["sync", "--force"]).ok();
    project.run(&["verify"]).ok();
    assert!(!project.path(".ato/modules/acme/part/new.ato").exists());
}

#[test]
fn folders_and_repositories_are_dependencies_too() {
    let registry = TestRegistry::start();
    release(&registry, "acme/base", "1.2.0", &[]);
    let project = Project::new(
        &registry,
        ("packhouse.yaml", "package: {identifier: acme/kit, version: 0.1.0}\n"),
    );
    let driver = project.dir.path().join("driver");
    std::fs::create_dir_all(driver.join("packages/driver")).unwrap();
    let inner =
        "package: {identifier: acme/driver, version: 1.0.0}\ndependencies: [acme/base@^1]\n";
    std::fs::write(driver.join("packages/driver/packhouse.yaml"), inner).unwrap();
    commit(&driver);
    std::fs::rename(driver.join(".git"), project.dir.path().join("driver.git")).unwrap();
    let spec =
        format!("git://file://{}/driver.git#main:packages/driver", project.dir.path().display());
    project.run(&["add", &spec]).ok();
    let lock = project.read("packhouse.lock");
    assert!(lock.contains("commit = \"") && lock.contains("identifier = \"acme/base\""), "{lock}");
    assert!(project.path(".packhouse/modules/acme/driver/packhouse.yaml").exists());
    project.run(&["sync", "--offline", "--locked"]).ok();
    // The folder itself instead.
    project.write("packhouse.yaml", "package: {identifier: acme/kit, version: 0.1.0}\ndependencies: [\"file://../driver/packages/driver\"]\n");
    assert_eq!(project.run(&["sync", "--locked"]).code, 1);
    project.run(&["sync"]).ok();
    assert!(project.read("packhouse.lock").contains("file = \"../driver/packages/driver\""));
    std::fs::write(driver.join("packages/driver/more"), "").unwrap();
    project.run(&["sync"]).ok();
    assert!(project.path(".packhouse/modules/acme/driver/more").exists());
    // A path names no package, so the lockfile tells which dependency is meant.
    project.run(&["remove", "acme/driver"]).ok();
    assert!(!project.read("packhouse.yaml").contains("file://"));
    assert!(!project.path(".packhouse/modules/acme").exists());
}

#[test]
fn repositories_are_read_over_http_and_lead_nowhere_else() {
    let registry = TestRegistry::start();
    let project = Project::new(
        &registry,
        ("packhouse.yaml", "package: {identifier: acme/kit, version: 0.1.0}\n"),
    );
    let root = project.dir.path().join("served");
    std::fs::create_dir_all(root.join("driver")).unwrap();
    let manifest = "package: {identifier: acme/driver, version: 1.0.0}\n";
    std::fs::write(root.join("driver/packhouse.yaml"), manifest).unwrap();
    commit(&root.join("driver"));
    std::fs::rename(root.join("driver/.git"), root.join("driver.git")).unwrap();
    let server = Liar::start(move |request| backend(&root, request));
    let there = format!("{}/driver.git", server.url);
    let elsewhere = Liar::start({
        let server = server.url.clone();
        move |request| Reply::new(302, "").header("location", &format!("{server}{}", request.path))
    });
    let locked = Liar::start(|_| Reply::new(401, "").header("www-authenticate", "Basic realm=x"));
    let untouched = project.read("packhouse.yaml");
    for url in [&elsewhere.url, &locked.url] {
        let refused = project.run(&["add", &format!("git://{url}/driver.git#main")]);
        assert_eq!(refused.code, 2, "{refused}");
        assert!(refused.stderr.contains("cannot be read"), "{refused}");
        assert_eq!(project.read("packhouse.yaml"), untouched);
        assert!(!project.path("packhouse.lock").exists());
    }
    project.run(&["add", &format!("git://{there}#main")]).ok();
    assert!(project.path(".packhouse/modules/acme/driver/packhouse.yaml").exists());
    assert!(project.read("packhouse.lock").contains(&format!("git = \"{there}\"")));
    project.run(&["sync", "--offline", "--locked"]).ok();
    project.run(&["remove", "acme/driver"]).ok();
    assert!(!project.path(".packhouse/modules/acme").exists());
}

#[test]
fn two_syncs_at_once_and_killed_ones_leave_whole_packages() {
    let registry = TestRegistry::start();
    for number in 0..6 {
        release(&registry, &format!("acme/part{number}"), "1.0.0", &[]);
    }
    let needs: Vec<_> = (0..6).map(|number| format!("acme/part{number}@1.0.0")).collect();
    let manifest = format!("dependencies: [{}]\n", needs.join(", "));
    let (one, mut two) = (
        Project::new(&registry, ("ato.yaml", &manifest)),
        Project::new(&registry, ("ato.yaml", &manifest)),
    );
    two.cache = one.cache.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| one.run(&["sync"]).ok());
        scope.spawn(|| two.run(&["sync"]).ok());
        scope.spawn(|| one.run(&["sync"]).ok());
    });
    for project in [&one, &two] {
        project.run(&["verify"]).ok();
    }
    for wait_ms in [1, 5, 10, 20, 40, 80] {
        let _ = std::fs::remove_dir_all(one.path(".ato"));
        let _ = std::fs::remove_dir_all(&one.cache);
        let mut command = plain(&["sync"]);
        command
            .current_dir(one.path(""))
            .env("PACKHOUSE_REGISTRY", &one.url)
            .env("HOME", one.dir.path())
            .env("PACKHOUSE_CACHE_DIR", &one.cache);
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        child.kill().unwrap(); // SIGKILL
        child.wait().unwrap();
        for number in 0..6 {
            let module = one.path(&format!(".ato/modules/acme/part{number}"));
            if module.exists() {
                assert_eq!(std::fs::read_dir(&module).unwrap().count(), 4, "whole or not at all");
            }
        }
        one.run(&["sync"]).ok();
        one.run(&["verify"]).ok();
    }
}

#[test]
fn a_lockfile_by_hand_and_a_manifest_that_lies_are_refused() {
    let registry = TestRegistry::start();
    release(&registry, "acme/part", "1.0.0", &[]);
    let project = Project::new(&registry, ("ato.yaml", "dependencies: [acme/part@1.0.0]\n"));
    project.run(&["sync"]).ok();
    let lock = project.read("packhouse.lock");
    let before = snapshot_of(&project.path(".ato"));
    let digest = lock.lines().find(|line| line.starts_with("tree-digest")).unwrap().to_owned();
    for (text, code) in [
        ("<<<<<<< ours\n".to_owned() + &lock, 2),
        (lock.replace("schema = 1", "schema = 2"), 2),
        (lock.replace("bytes = ", "bites = "), 2),
        (lock.replace(&digest, "tree-digest = \"x\""), 2),
        // Other content than the registry's is never installed.
        (lock.replace(&digest, &format!("tree-digest = \"{}\"", "0".repeat(64))), 6),
        (lock.replace(&project.url, "https://packages.example.org"), 0),
    ] {
        project.write("packhouse.lock", &text);
        let outcome = project.run(&["sync"]);
        assert_eq!(outcome.code, code, "{}", outcome.stderr);
        if code != 0 {
            assert_eq!(project.read("packhouse.lock"), text);
            assert_eq!(snapshot_of(&project.path(".ato")), before);
        }
    }
    assert_eq!(project.read("packhouse.lock"), lock);
}
