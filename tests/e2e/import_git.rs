//! A dead registry is rebuilt from the git history of its packages.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use packhouse_tests::{Outcome, Runs as _, TestRegistry, plain};
use serde_json::Value;

const PACKAGES: usize = 30;
const VERSIONS: usize = 200;

fn git(folder: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// A repository with one commit for each of the list's (paths and contents), as `git fast-import`
/// makes it.
fn repository(commits: &[Vec<(String, String)>]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
    let mut stream = String::new();
    for (at, files) in commits.iter().enumerate() {
        let _ = writeln!(stream, "commit refs/heads/main");
        let _ =
            writeln!(stream, "committer t <t@example.org> {} +0000\ndata 1\nx", 1_700_000_000 + at);
        for (path, text) in files {
            let _ = writeln!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len());
        }
    }
    let mut child = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .spawn()
        .expect("git runs");
    let mut input = child.stdin.take().expect("stdin is piped");
    std::io::Write::write_all(&mut input, stream.as_bytes()).expect("git reads");
    drop(input);
    assert!(child.wait().expect("git ends").success());
    dir
}

fn manifest(identifier: &str, version: &str) -> String {
    format!(
        "requires-atopile: ^0.12.0\npackage:\n  identifier: {identifier}\n  version: {version}\n  \
         repository: https://github.com/acme/packages\n  license: MIT\n  summary: A part.\n  \
         authors:\n    - name: A\n      email: a@example.org\nbuilds:\n  default:\n    entry: p.ato:P\n"
    )
}

fn version_of(identifier: &str, folder: &str, version: &str) -> Vec<(String, String)> {
    let text = format!("module P:\n    pass\n# {version}\n");
    vec![
        (format!("{folder}/ato.yaml"), manifest(identifier, version)),
        (format!("{folder}/p.ato"), text),
        (format!("{folder}/README.md"), format!("# {identifier}\n")),
    ]
}

fn import(registry: &TestRegistry, source: &Path, more: &[&str]) -> Outcome {
    let source = source.to_str().expect("UTF-8");
    let mut arguments = vec!["admin", "import", source, "--json"];
    arguments.extend(more);
    let mut command = plain(&arguments);
    command.env("PACKHOUSE_REGISTRY", registry.url());
    command.env("PACKHOUSE_TOKEN", registry.admin_token());
    command.outcome()
}

fn count(report: &Value, name: &str) -> u64 {
    report["counts"][name].as_u64().unwrap_or_else(|| panic!("no count {name}: {report}"))
}

#[test]
fn a_monorepo_of_thirty_packages_is_rebuilt_and_goes_on() {
    let commits: Vec<_> = (0..VERSIONS)
        .map(|at| {
            let name = format!("part-{:02}", at % PACKAGES);
            let version = format!("0.{}.0", at / PACKAGES + 1);
            version_of(&format!("acme/{name}"), &format!("packages/{name}"), &version)
        })
        .collect();
    let monorepo = repository(&commits);
    let registry = TestRegistry::start();
    let planned = import(&registry, monorepo.path(), &["--dry-run"]).ok().json();
    assert_eq!(count(&planned, "would_import"), VERSIONS as u64, "{planned}");
    assert_eq!(registry.get("/v1/events?after=0")["events"].as_array().map(Vec::len), Some(0));

    let (begun, told) = (Instant::now(), monorepo.path().join("../import-report.json"));
    let told = told.to_str().expect("UTF-8");
    let report = import(&registry, monorepo.path(), &["--report", told]).ok().json();
    eprintln!("{VERSIONS} versions rebuilt in {:?}", begun.elapsed());
    assert_eq!(count(&report, "imported"), VERSIONS as u64, "{report}");
    assert_eq!((count(&report, "packages"), count(&report, "skipped")), (PACKAGES as u64, 0));
    let written: Value =
        serde_json::from_slice(&std::fs::read(told).expect("a report")).expect("JSON");
    assert_eq!(written, report);
    std::fs::remove_file(told).expect("the report goes");
    let index = registry.get("/index/acme/part-00.json");
    assert_eq!(index["latest"], "0.7.0");
    let publisher = &index["versions"][0]["publisher"];
    assert_eq!(publisher["kind"], "imported", "{index}");
    assert_eq!(publisher["commit"].as_str().map(str::len), Some(40));

    let feed = registry.get("/v1/events?after=0&limit=1000");
    let again = import(&registry, monorepo.path(), &[]).ok().json();
    assert_eq!(count(&again, "already_there"), VERSIONS as u64);
    assert_eq!(registry.get("/v1/events?after=0&limit=1000"), feed);

    // A project that needs them syncs again.
    let board = tempfile::tempdir().expect("a folder");
    let pins: String = (0..10).map(|at| format!("  - acme/part-{at:02}@0.6.0\n")).collect();
    let text = format!("requires-atopile: ^0.14.0\ndependencies:\n{pins}");
    std::fs::write(board.path().join("ato.yaml"), text).expect("written");
    let mut sync = plain(&["sync"]);
    sync.current_dir(board.path()).env("PACKHOUSE_REGISTRY", registry.url());
    sync.env("HOME", board.path()).env("PACKHOUSE_CACHE_DIR", board.path().join("cache"));
    sync.outcome().ok();
    let lock = std::fs::read_to_string(board.path().join("packhouse.lock")).expect("a lockfile");
    assert_eq!(lock.matches("[[package]]").count(), 10, "{lock}");
    assert!(board.path().join(".ato/modules/acme/part-09/ato.yaml").exists());

    // The first publish from CI is a first publish: the owner's repositories may, others may not.
    let next = tempfile::tempdir().expect("a folder");
    for (path, text) in version_of("acme/part-00", ".", "0.8.0") {
        std::fs::write(next.path().join(path), text).expect("written");
    }
    let stranger = registry.ci("other/packages").tag("v0.8.0").publish(next.path());
    assert_eq!(stranger.code, 4, "{stranger}");
    registry.ci("acme/packages").tag("v0.8.0").publish(next.path()).ok();
    // It pins: another repository of the same owner comes too late.
    std::fs::write(next.path().join("ato.yaml"), manifest("acme/part-00", "0.9.0"))
        .expect("written");
    let late = registry.ci("acme/other").tag("v0.9.0").publish(next.path());
    assert_eq!(late.code, 4, "{late}");
}

#[test]
fn what_cannot_be_rebuilt_is_told_and_the_rest_is_imported() {
    let broken = vec![("a/ato.yaml".to_owned(), "package: [".to_owned())];
    let repository = repository(&[
        version_of("acme/amp", "a", "1.0.0"),
        broken,
        version_of("acme/amp", "a", "1.1.0"),
        version_of("acme/twice", "t", "1.0.0"),
    ]);
    let path = repository.path();
    git(path, &["tag", "odd", "main^{tree}"]);
    git(path, &["tag", "twice-v1.0.0", "main"]);
    // Two tags that name one version, and say different files.
    git(path, &["checkout", "--quiet", "--force", "main"]);
    std::fs::write(path.join("t/more"), "x").expect("written");
    std::os::unix::fs::symlink("more", path.join("a/link")).expect("linked");
    std::fs::write(path.join("a/ato.yaml"), manifest("acme/amp", "1.2.0")).expect("written");
    git(path, &["add", "."]);
    git(path, &["commit", "--quiet", "-m", "x"]);
    git(path, &["tag", "twice@1.0.0"]);
    let reference = |name: &str| path.join(".git/refs/tags").join(name);
    let main = path.join(".git/refs/heads/main");
    std::fs::copy(&main, reference("--output=pwned")).expect("a hostile ref");
    let registry = TestRegistry::start();
    // Git itself refuses to read a repository with such a name.
    std::fs::copy(&main, reference("--upload-pack=touch pwned")).expect("a broken ref");
    assert_eq!(import(&registry, path, &[]).code, 2);
    std::fs::remove_file(reference("--upload-pack=touch pwned")).expect("removed");
    let report = import(&registry, path, &[]).ok().json();
    assert_eq!(count(&report, "imported"), 2, "{report}");
    let codes = report["skipped"].as_array().expect("a list").iter();
    let mut codes: Vec<_> = codes.filter_map(|skipped| skipped["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["ambiguous", "broken-manifest", "odd-tag", "refused"], "{report}");
    assert!(!path.join("pwned").exists());
    assert_eq!(registry.fetch("/index/acme/twice.json").0, 404);
}
