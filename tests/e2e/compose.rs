//! process-bigraph's packages: published, registered, audited, listed and taken out again.

use std::path::Path;
use std::process::Command;

use packhouse_tests::git_http::backend;
use packhouse_tests::github::{FakeGitHub, Fault, File};
use packhouse_tests::liar::Liar;
use packhouse_tests::{Options, Outcome, Runs as _, TestRegistry, copy, example, http, plain};
use serde_json::{Value, json};

const MANIFEST: &str = "[project]\nname = \"pbg-cells\"\nversion = \"0.1.0\"\n\
    requires-python = \">=3.11\"\ndependencies = [\"Bigraph_Schema (>=1)\", \"process-bigraph\"]\n";
const SOURCE: &str = "import process_bigraph as pb\n\n\nclass Grow(pb.Process):\n    def inputs(self):\n        \
    return {\"mass\": \"float\"}\n\n\nclass Record(pb.Emitter): ...\n";

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn cells(folder: &Path, manifest: &str) {
    write(folder, "pyproject.toml", manifest);
    write(folder, "src/pbg_cells/__init__.py", "");
    write(folder, "src/pbg_cells/deep/grow.py", SOURCE);
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

/// `packhouse compose …` of somebody with the operator's token.
fn compose(registry: &TestRegistry, arguments: &[&str]) -> Outcome {
    let mut command = plain(&[&["compose"], arguments].concat());
    command.env("PACKHOUSE_REGISTRY", registry.url());
    command.env("PACKHOUSE_TOKEN", registry.admin_token()).outcome()
}

fn names(listed: &Value) -> Vec<&str> {
    listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

/// A repository whose one commit has the package of cells.
fn committed(work: &Path) {
    cells(work, MANIFEST);
    git(work, &["init", "--quiet", "--initial-branch=main"]);
    git(work, &["add", "."]);
    git(work, &["commit", "--quiet", "-m", "one"]);
}

#[test]
fn a_published_package_appears_by_itself_and_a_yanked_one_is_gone() {
    let registry = TestRegistry::start();
    let folder = tempfile::tempdir().unwrap();
    copy(&example("python-process"), folder.path());
    let ci = registry.ci("acme/pbg-growth").tag("v0.2.0");
    ci.publish(folder.path()).ok();
    let listed = registry.get("/compose/v1/packages");
    assert_eq!(names(&listed), ["pbg-growth"], "{listed}");
    let package = registry.get(&format!("/compose/v1/packages/{}", listed[0]["id"]));
    let growth = &package["processes"][0];
    assert_eq!(growth["module"], "pbg_growth.processes");
    assert_eq!(growth["inputs"], "{\"population\":\"float\"}");
    let found = compose(&registry, &["processes", "--source", "db"]).ok().json();
    assert_eq!(names(&found), ["Growth"]);
    let union = compose(&registry, &["processes"]).ok().json();
    assert!(names(&union).contains(&"Composite") && names(&union).contains(&"Growth"));
    let (status, body) = registry.fetch("/compose/v1/steps?source=databse");
    assert_eq!(status, 422, "{}", String::from_utf8_lossy(&body));

    let taken = r#"{"package_type": "pypi", "name": "PBG.growth", "compute": []}"#;
    write(folder.path(), "outline.json", taken);
    let file = folder.path().join("outline.json");
    let told = compose(&registry, &["package-register", "--from-file", file.to_str().unwrap()]);
    assert_eq!(told.code, 5, "{told}");
    assert!(told.stderr.contains("Package 'PBG.growth' already registered (id="), "{told}");

    ci.run(&["yank", "acme/pbg-growth@0.2.0", "--reason", "wrong rate"]).ok();
    assert_eq!(registry.get("/compose/v1/packages"), json!([]));
    assert_eq!(compose(&registry, &["processes", "--source", "db"]).ok().stdout, "");
}

#[test]
fn a_repository_and_a_folder_have_the_same_outline_and_nothing_is_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (work, served) = (dir.path().join("work"), dir.path().join("served"));
    committed(&work);
    let commit = git(&work, &["rev-parse", "HEAD"]);
    write(&work, "src/pbg_cells/deep/grow.py", "");
    git(&work, &["commit", "--quiet", "-am", "two"]);
    std::fs::create_dir_all(&served).unwrap();
    git(&work, &["clone", "--quiet", "--bare", ".", served.join("cells.git").to_str().unwrap()]);
    git(&served.join("cells.git"), &["config", "uploadpack.allowReachableSHA1InWant", "true"]);
    let server = Liar::start(move |request| backend(&served, request));
    let url = format!("{}/cells.git", server.url);
    let arguments = ["--source-host", "127.0.0.1"].map(str::to_owned).to_vec();
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });

    let by_git = compose(&registry, &["package-register", &url, "--ref", &commit]).ok().json();
    assert_eq!(by_git["processes"][0]["module"], "pbg_cells.deep.grow");
    assert_eq!(by_git["steps"][0]["name"], "Record");
    let again = compose(&registry, &["package-register", &url, "--ref", &commit]);
    assert_eq!(again.code, 5, "{again}");
    let head = compose(&registry, &["package-audit", &url]).ok();
    assert!(head.stdout.contains("  WARN  Process/Step subclasses"), "{head}");
    for (target, why) in [
        ("https://elsewhere.example/x", "this registry reads repositories of `127.0.0.1`"),
        ("file:///etc", "only `https://` is"),
        (&*format!("{}/nothing.git", server.url), "cannot be read"),
    ] {
        let told = compose(&registry, &["package-audit", target]);
        assert_eq!(told.code, 2, "{told}");
        assert!(told.stderr.contains(why), "{told}");
    }
    let left = std::fs::read_dir(registry.data().join("sources")).unwrap().count();
    assert_eq!(left, 0, "no clone stays");

    let folder = dir.path().join("folder");
    cells(&folder, &MANIFEST.replace("pbg-cells", "pbg-folder"));
    let audit = compose(&registry, &["package-audit", folder.to_str().unwrap()]).ok();
    assert!(audit.stdout.contains("found 2: Grow (Process), Record (Step)"), "{audit}");
    let by_folder = compose(&registry, &["package-register", folder.to_str().unwrap()]).ok().json();
    for kind in ["processes", "steps"] {
        let plain = |package: &Value| {
            let mut classes = package[kind].clone();
            for class in classes.as_array_mut().unwrap() {
                class.as_object_mut().unwrap().remove("database_id");
            }
            classes
        };
        assert_eq!(plain(&by_git), plain(&by_folder), "{kind}");
    }
}

#[test]
fn a_failed_check_is_exit_1_and_registers_nothing_unless_that_is_asked_for() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    cells(dir.path(), "[project]\nname = \"pbg-bad\"\n");
    let folder = dir.path().to_str().unwrap();
    let told = compose(&registry, &["package-audit", folder]);
    assert_eq!(told.code, 1, "{told}");
    assert!(told.stdout.contains("  FAIL  bigraph-schema dep"), "{told}");
    let told = compose(&registry, &["package-register", folder]);
    assert_eq!(told.code, 1, "{told}");
    assert!(told.stderr.contains("  FAIL: bigraph-schema dep — not declared"), "{told}");
    assert_eq!(registry.get("/compose/v1/packages"), json!([]));
    compose(&registry, &["package-register", folder, "--no-audit"]).ok();
    assert_eq!(names(&registry.get("/compose/v1/packages")), ["pbg-bad"]);
    let without = plain(&["compose", "package-register", folder, "--no-audit"])
        .env("PACKHOUSE_REGISTRY", registry.url())
        .outcome();
    assert_eq!(without.code, 4, "{without}");
}

#[test]
fn an_audit_as_json_lists_what_a_package_exports() {
    let dir = tempfile::tempdir().unwrap();
    cells(dir.path(), MANIFEST);
    let told = plain(&["audit", dir.path().to_str().unwrap(), "--json"]).outcome();
    let exports = &told.json()["packages"][0]["exports"];
    assert_eq!(
        exports[0],
        json!({ "kind": "process", "module": "pbg_cells.deep.grow", "name": "Grow",
            "path": "src/pbg_cells/deep/grow.py", "line": 4, "relation": "direct",
            "chain": ["process_bigraph.composite.Process"], "inputs": { "mass": "float" },
            "outputs": null, "config": null, "summary": null })
    );
    assert_eq!(exports[1]["relation"], "indirect");
    assert_eq!(exports[1]["chain"][0], "process_bigraph.emitter.Emitter");
}

#[test]
fn aws_reads_github_by_the_archive_of_a_commit_and_finds_what_git_finds() {
    let dir = tempfile::tempdir().unwrap();
    let (work, served) = (dir.path().join("work"), dir.path().join("served"));
    committed(&work);
    std::fs::create_dir_all(&served).unwrap();
    git(&work, &["clone", "--quiet", "--bare", ".", served.join("cells.git").to_str().unwrap()]);
    let server = Liar::start(move |request| backend(&served, request));
    let arguments = ["--source-host", "127.0.0.1"].map(str::to_owned).to_vec();
    let here = TestRegistry::with(Options { arguments, ..Options::default() });
    let by_git = compose(&here, &["package-register", &format!("{}/cells.git", server.url)]).ok();

    let github = FakeGitHub::start();
    let files = [
        ("pyproject.toml", MANIFEST),
        ("src/pbg_cells/__init__.py", ""),
        ("src/pbg_cells/deep/grow.py", SOURCE),
    ];
    let commit = github.commit(&files.map(|(path, text)| (path, text.as_bytes())));
    github.name("acme/pbg-cells", "v1.0.0", &commit);
    let file = |text: &str, mode| File { mode, bytes: text.as_bytes().into(), unarchived: false };
    let mut odd: std::collections::BTreeMap<String, File> =
        files.iter().map(|(path, text)| ((*path).to_owned(), file(text, "100644"))).collect();
    odd.insert("link".to_owned(), file("pyproject.toml", "120000"));
    github.name("acme/pbg-cells", "linked", &github.commit_of(odd));
    let arguments = ["--github-api".to_owned(), github.url()].to_vec();
    let aws = TestRegistry::on_aws(Options { arguments, ..Options::default() });
    let url = format!("{}/acme/pbg-cells.git", github.url());

    let audit = compose(&aws, &["package-audit", &url, "--ref", "v1.0.0"]).ok();
    assert!(audit.stdout.contains("found 2: Grow (Process), Record (Step)"), "{audit}");
    let calls = github.calls();
    assert!(calls.contains(&format!("GET /archive/{commit}")), "{calls:?}");
    let by_archive = compose(&aws, &["package-register", &url, "--ref", &commit]).ok();
    let plain = |outcome: &Outcome, kind: &str| {
        let mut classes = outcome.json()[kind].clone();
        for class in classes.as_array_mut().unwrap() {
            class.as_object_mut().unwrap().remove("database_id");
        }
        classes
    };
    for kind in ["processes", "steps"] {
        assert_eq!(plain(&by_git, kind), plain(&by_archive, kind), "{kind}");
    }
    assert_eq!(by_git.json()["audit"], by_archive.json()["audit"]);

    let lost = Fault {
        call: "GET /archive/".to_owned(),
        status: 302,
        times: 1,
        headers: vec![("location".to_owned(), "http://127.0.0.1:1/elsewhere".to_owned())],
    };
    for (address, reference, why) in [
        ("https://gitlab.com/acme/x", "main", "this registry has no git and reads archives of"),
        (&*url, "linked", "`link` is a link or a submodule"),
        (&*url, "v9", "GitHub has no public `acme/pbg-cells` with `v9`"),
        (&*url.replace("pbg-cells", "secret"), "v1.0.0", "GitHub has no public `acme/secret`"),
        (&*url, "v1.0.0", "the download is answered with 302"),
    ] {
        if why.ends_with("302") {
            github.fail(lost.clone());
        }
        let told = compose(&aws, &["package-audit", address, "--ref", reference]);
        assert_eq!(told.code, 2, "{told}");
        assert!(told.stderr.contains(why), "{told}");
    }
    let audit = format!("{}/compose/v1/packages/audit", aws.url());
    let told = http::post(&audit, &aws.admin_token(), &json!({ "target": "/etc" }));
    assert_eq!(
        told,
        (404, json!({ "detail": "Path not found: /etc" })),
        "a function reads no folder"
    );
}

#[test]
fn an_installation_that_is_asked_for_is_skipped_and_said_so() {
    let dir = tempfile::tempdir().unwrap();
    cells(dir.path(), MANIFEST);
    let folder = dir.path().to_str().unwrap();
    let told = plain(&["compose", "package-audit", folder, "--install"]).outcome().ok();
    assert!(told.stdout.contains("  WARN  pip install -e .\n         skipped: "), "{told}");
    for arguments in [
        &["compose", "package-audit", folder][..],
        &["compose", "package-audit", folder, "--install", "--no-install"],
    ] {
        let told = plain(arguments).outcome().ok();
        assert!(!told.stdout.contains("pip install"), "{told}");
    }
}

#[test]
fn pins_that_cannot_be_met_are_told_and_no_audit_is_remembered() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let manifest =
        MANIFEST.replace("\"process-bigraph\"]", "\"process-bigraph>=2\", \"Process_Bigraph<2\"]");
    cells(dir.path(), &manifest);
    let folder = dir.path().to_str().unwrap();
    let told = compose(&registry, &["package-audit", folder]).ok();
    let line = "`process-bigraph` is asked for as `>=2`, and `<2`: no version is that";
    assert!(
        told.stdout.contains(&format!("  WARN  dependency-conflict\n         {line}")),
        "{told}"
    );
    let told = plain(&["audit", folder]).outcome();
    assert_eq!(told.code, 1, "{told}");
    assert!(format!("{told}").contains(line), "{told}");

    let package = compose(&registry, &["package-register", folder, "--no-audit"]).ok().json();
    assert_eq!(package["audit"], json!({ "asked": false, "failed": null }));
    let id = package["database_id"].to_string();
    let again = compose(&registry, &["package-get", &id]).ok().json();
    assert_eq!(again["audit"], package["audit"]);
}
