//! F Prime: packages that are published with a proof, and installed by the client that there is.
#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::path::Path;

use packhouse_tests::binary::root;
use packhouse_tests::fppm::{git, project, stock};
use packhouse_tests::git_http::backend;
use packhouse_tests::liar::Liar;
use packhouse_tests::{Ci, Options, Runs as _, TestRegistry, copy, example, plain};

/// A folder with the example package, called `name`, of which the public repository is at `repository`.
fn package(folder: &Path, name: &str, repository: &str) {
    copy(&example("fppm-thermometer"), folder);
    let path = folder.join("package.yaml");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    let text = text.replace("acme/Thermometer", name);
    let text = text.replace("https://github.com/acme/fprime-thermometer", repository);
    std::fs::write(path, text).expect("written");
}

/// A job for a tag.
fn job(registry: &TestRegistry, repository: &str, tag: &str) -> Ci {
    registry.ci(repository).tag(tag).env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", tag)
}

/// A job of a repository that nobody else can read.
fn private(registry: &TestRegistry, repository: &str, tag: &str) -> Ci {
    job(registry, repository, tag).claim("repository_visibility", "private")
}

fn text(registry: &TestRegistry, path: &str) -> String {
    let (status, body) = registry.fetch(path);
    let text = String::from_utf8_lossy(&body).into_owned();
    assert_eq!(status, 200, "{path}: {text}");
    text
}

#[test]
fn the_stock_client_installs_from_the_registrys_own_repository() {
    let (registry, dir) = (TestRegistry::start(), tempfile::tempdir().expect("a folder"));
    let folder = dir.path().join("package");
    package(&folder, "acme/Thermometer", "");
    for version in ["1.0.0", "1.1.0", "2.0.0-rc.1"] {
        std::fs::write(folder.join("CHANGES"), version).expect("written");
        private(&registry, "acme/fprime", &format!("v{version}")).publish(&folder).ok();
    }
    let orbiter = dir.path().join("orbiter");
    project(&orbiter);
    let url = format!("{}/fppm/registry.yaml", registry.url());
    stock(&orbiter, &["registries", "--add", &url], "").ok();
    let installed = stock(&orbiter, &["install", "--package", "acme/Thermometer"], "y\ny\n").ok();
    let place = orbiter.join("_fprime_packages/acme.Thermometer");
    let version = || std::fs::read_to_string(place.join("CHANGES")).expect("installed");
    assert_eq!(version(), "1.1.0", "{installed}");
    // Another version, by the tag that each release has, and back.
    for wanted in ["1.0.0", "2.0.0-rc.1", "1.1.0"] {
        let tag = format!("v{wanted}");
        let arguments = ["install", "--package", "acme/Thermometer", "--version", &tag];
        let changed = stock(&orbiter, &arguments, "y\ny\n").ok();
        assert_eq!(version(), wanted, "{changed}");
    }
    git(&place, &["fsck", "--strict"]);
    assert_eq!(git(&place, &["tag"]), "v1.0.0\nv1.1.0\nv2.0.0-rc.1");
    // The files are those of the release, byte for byte.
    let released = std::fs::read(folder.join("package.yaml")).expect("a file");
    assert_eq!(std::fs::read(place.join("package.yaml")).expect("a file"), released);
    // Prereleases have a namespace of their own.
    let devel = stock(&orbiter, &["install", "--package", "acmeDevel/Thermometer"], "y\ny\n").ok();
    let place = orbiter.join("_fprime_packages/acmeDevel.Thermometer/CHANGES");
    assert_eq!(std::fs::read_to_string(place).expect("installed"), "2.0.0-rc.1", "{devel}");
    // A new release is found by those who have it already.
    std::fs::write(folder.join("CHANGES"), "1.2.0").expect("written");
    private(&registry, "acme/fprime", "v1.2.0").publish(&folder).ok();
    stock(&orbiter, &["install", "--package", "acme/Thermometer"], "y\ny\n").ok();
    assert_eq!(version(), "1.2.0");
}

#[test]
fn the_stock_client_installs_from_the_publishers_repository() {
    let (registry, dir) = (TestRegistry::start(), tempfile::tempdir().expect("a folder"));
    let root = dir.path().join("git");
    let bare = root.join("acme/thermometer.git");
    std::fs::create_dir_all(&bare).expect("a folder");
    git(&bare, &["init", "--quiet", "--bare", "."]);
    let forge = Liar::start(move |request| backend(&root, request));
    let folder = dir.path().join("package");
    package(&folder, "acme/Thermometer", &format!("{}/acme/thermometer.git", forge.url));
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "."]);
    git(&folder, &["commit", "--quiet", "-m", "one"]);
    git(&folder, &["tag", "v1.0.0"]);
    let commit = git(&folder, &["rev-parse", "HEAD"]);
    let to = bare.to_str().expect("UTF-8");
    git(&folder, &["push", "--quiet", to, "main", "v1.0.0"]);
    job(&registry, "acme/thermometer", "v1.0.0").claim("sha", &commit).publish(&folder).ok();
    let exported = text(&registry, "/fppm/registry.yaml");
    assert!(exported.contains(&format!("stable: \"{commit}\"")), "{exported}");
    assert!(
        exported.contains(&format!("git: \"{}/acme/thermometer.git\"", forge.url)),
        "{exported}"
    );
    let orbiter = dir.path().join("orbiter");
    project(&orbiter);
    let url = format!("{}/fppm/acme/registry.yaml", registry.url());
    stock(&orbiter, &["registries", "--add", &url], "").ok();
    stock(&orbiter, &["install", "--package", "acme/Thermometer"], "y\ny\n").ok();
    let place = orbiter.join("_fprime_packages/acme.Thermometer");
    assert_eq!(git(&place, &["rev-parse", "HEAD"]), commit);
    assert!(forge.seen().iter().any(|request| request.path.contains("git-upload-pack")));
}

#[test]
fn a_private_registry_shows_its_packages_to_those_with_a_password() {
    let options = Options { arguments: vec!["--private".to_owned()], ..Options::default() };
    let (registry, dir) = (TestRegistry::with(options), tempfile::tempdir().expect("a folder"));
    let folder = dir.path().join("package");
    package(&folder, "acme/Thermometer", "");
    let reading = private(&registry, "acme/fprime", "v1.0.0");
    reading.env("PACKHOUSE_TOKEN", &registry.admin_token()).publish(&folder).ok();
    let (status, body) = registry.fetch("/fppm/registry.yaml");
    let body = String::from_utf8_lossy(&body);
    assert_eq!((status, body.starts_with("error: \"")), (401, true), "{body}");
    let orbiter = dir.path().join("orbiter");
    project(&orbiter);
    let address = format!("{}/fppm/registry.yaml", registry.url());
    // The client takes the refusal for a registry that lacks everything, and says so tidily.
    let refused = stock(&orbiter, &["registries", "--add", &address], "");
    assert_eq!(refused.code, 1, "{refused}");
    assert!(!refused.to_string().contains("Traceback"), "{refused}");
    let login = format!("http://reader:{}@", registry.admin_token());
    let url = address.replace("http://", &login);
    stock(&orbiter, &["registries", "--add", &url], "").ok();
    // A token for one owner reads that owner's packages.
    let mut create = plain(&["admin", "token", "create", "--label", "acme", "--action", "read"]);
    create.args(["--days", "1"]);
    create.args(["--prefix", "acme/"]);
    create.env("PACKHOUSE_REGISTRY", registry.url());
    let created = create.env("PACKHOUSE_TOKEN", registry.admin_token()).outcome().ok();
    let bearer = format!("Bearer {}", created.stdout.trim());
    for (path, status) in [
        ("/fppm/acme/registry.yaml", 200),
        ("/fppm/git/acme/Thermometer.git/info/refs", 200),
        ("/fppm/git/other/Thermometer.git/info/refs", 403),
        ("/fppm/other/registry.yaml", 403),
        ("/fppm/registry.yaml", 403),
    ] {
        let url = format!("{}{path}", registry.url());
        let answer = packhouse_tests::http::get(&url, &[("authorization", &bearer)]);
        assert_eq!(answer.0, status, "{path}");
    }
    // Git asks its own keeper of passwords.
    let store = format!("{login}{}\n", registry.url().trim_start_matches("http://"));
    std::fs::write(orbiter.join(".git-credentials"), store).expect("written");
    let installed = stock(&orbiter, &["install", "--package", "acme/Thermometer"], "y\ny\n");
    assert!(!orbiter.join("_fprime_packages/acme.Thermometer").exists(), "{installed}");
    let config = "[credential]\n\thelper = store\n";
    std::fs::write(orbiter.join(".gitconfig"), config).expect("written");
    stock(&orbiter, &["install", "--package", "acme/Thermometer"], "y\ny\n").ok();
    assert!(orbiter.join("_fprime_packages/acme.Thermometer/package.yaml").exists());
}

#[test]
fn every_scalar_of_the_export_is_a_text_to_yaml_1_1() {
    let arguments =
        ["--fppm-name", "on", "--fppm-publisher", "1_000", "--fppm-description", "2026-03-01"];
    let options =
        Options { arguments: arguments.map(str::to_owned).to_vec(), ..Options::default() };
    let (registry, dir) = (TestRegistry::with(options), tempfile::tempdir().expect("a folder"));
    assert!(text(&registry, "/fppm/registry.yaml").ends_with("namespaces: []\n"));
    for (at, name) in ["1e3", "no", "nothing"].iter().enumerate() {
        let folder = dir.path().join(name);
        package(&folder, &format!("acme/{name}"), "");
        let path = folder.join("package.yaml");
        let manifest = std::fs::read_to_string(&path).expect("a manifest");
        let manifest =
            manifest.replace("Reads a temperature over I2C and reports it as telemetry", "'~'");
        std::fs::write(path, manifest).expect("written");
        let ci = private(&registry, &format!("acme/r{at}"), "v1.0.0");
        ci.publish(&folder).ok();
    }
    let exported = text(&registry, "/fppm/Acme/registry.yaml");
    // The stock client's own reader of YAML.
    let program = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin.read())))";
    let mut python = std::process::Command::new(root().join("target/tools-fppm/bin/python"))
        .args(["-c", program])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("python runs");
    std::io::Write::write_all(&mut python.stdin.take().expect("a pipe"), exported.as_bytes())
        .expect("python reads");
    let read = python.wait_with_output().expect("python ends").stdout;
    let read: serde_json::Value = serde_json::from_slice(&read).expect("JSON");
    fn texts(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Array(items) => !items.is_empty() && items.iter().all(texts),
            serde_json::Value::Object(map) => !map.is_empty() && map.values().all(texts),
            other => other.is_string(),
        }
    }
    assert!(texts(&read), "{read}");
    assert_eq!((&read["name"], &read["publisher"]), (&"on".into(), &"1_000".into()));
    let packages = &read["namespaces"][0]["acme"];
    let names: Vec<_> = packages
        .as_array()
        .expect("a list")
        .iter()
        .flat_map(|p| p.as_object().expect("a map").keys().cloned())
        .collect();
    assert_eq!(names, ["1e3", "no", "nothing"]);
    assert_eq!(packages[0]["1e3"]["stable"].as_str().map(str::len), Some(40));
    assert!(
        exported.starts_with("# warning: `acme/nothing` begins with the name of `acme/no`"),
        "{exported}"
    );

    // What is yanked is not stable any more, and what is not there is told as a map.
    let mut yank = plain(&["yank", "acme/1e3@1.0.0", "--reason", "burns"]);
    yank.env("PACKHOUSE_REGISTRY", registry.url()).env("PACKHOUSE_TOKEN", registry.admin_token());
    yank.outcome().ok();
    assert!(!text(&registry, "/fppm/registry.yaml").contains("\"1e3\""));
    assert!(text(&registry, "/fppm/git/acme/1e3.git/info/refs").contains("refs/tags/v1.0.0"));
    for path in [
        "/fppm/other/registry.yaml",
        "/fppm/git/acme/other.git/info/refs",
        "/fppm/git/acme/no.git/objects/00/11",
    ] {
        let (status, body) = registry.fetch(path);
        let body = String::from_utf8_lossy(&body);
        assert!(status == 404 && body.starts_with("error: \""), "{path}: {status} {body}");
    }
}

#[test]
fn a_name_that_begins_with_anothers_is_warned_of_by_the_audit_and_at_the_publish() {
    let (registry, dir) = (TestRegistry::start(), tempfile::tempdir().expect("a folder"));
    let folder = |name: &str| {
        let folder = dir.path().join(name);
        package(&folder, &format!("acme/{name}"), "");
        folder
    };
    let first = private(&registry, "acme/one", "v1.0.0").publish(&folder("Thermometer")).ok();
    assert!(!first.to_string().contains("begins with"), "{first}");
    // Another owner's, and one that only ends alike, are nobody's business.
    private(&registry, "other/two", "v1.0.0").publish(&folder("ThermometerX")).ok();
    private(&registry, "acme/three", "v1.0.0").publish(&folder("LogThermometer")).ok();
    let told = "`acme/ThermometerLog` begins with the name of `acme/Thermometer`";
    let log = folder("ThermometerLog");
    let job = private(&registry, "acme/four", "v1.0.0");
    let audit = job.run(&["audit", log.to_str().expect("UTF-8"), "--format", "human"]).ok();
    let lines: Vec<_> = audit.stdout.lines().filter(|l| l.contains("[fppm-prefix]")).collect();
    assert!(lines.len() == 1 && lines[0].contains(told), "{audit}");
    let second = job.publish(&log).ok();
    assert!(second.stderr.contains(told), "{second}");
    let info = plain(&["info", "acme/ThermometerLog@1.0.0", "--json"])
        .env("PACKHOUSE_REGISTRY", registry.url())
        .outcome()
        .ok();
    assert!(info.stdout.contains("begins with the name of"), "it stands with the release: {info}");
}

#[test]
fn another_registrys_packages_are_listed_and_installed() {
    let (registry, dir) = (TestRegistry::start(), tempfile::tempdir().expect("a folder"));
    let root = dir.path().join("git");
    let upstream = root.join("bus.git");
    std::fs::create_dir_all(&upstream).expect("a folder");
    git(&upstream, &["init", "--quiet"]);
    std::fs::write(upstream.join("CHANGES"), "one").expect("written");
    git(&upstream, &["add", "."]);
    git(&upstream, &["commit", "--quiet", "-m", "one"]);
    git(&upstream, &["tag", "-a", "-m", "one", "v1.0"]);
    let commit = git(&upstream, &["rev-parse", "HEAD"]);
    let forge = Liar::start(move |request| backend(&root, request));
    let bus = format!("{}/bus.git", forge.url);
    let folder = dir.path().join("package");
    package(&folder, "acme/Thermometer", "");
    private(&registry, "acme/fprime", "v1.0.0").publish(&folder).ok();

    // Shapes that the stock client does not read, a package that stands here, and one that nobody can reach.
    let file = dir.path().join("registry.yaml");
    let offered = format!(
        "name: n\npublisher: p\ndescription: d\nupdated-on: u\nnamespaces:\n  - other:\n    - Bus:\n      - git: {bus}\n      - stable: v1.0\n    - Path: {{git: /srv/x.git, stable: v1}}\n  - acme:\n    - Thermometer: {{git: {bus}, stable: v1.0}}\n"
    );
    std::fs::write(&file, offered).expect("written");
    let file = file.to_str().expect("UTF-8");
    let import = |token: Option<&str>, more: &[&str]| {
        let mut command = plain(&[&["fppm", "import", file, "--json"][..], more].concat());
        command.env("PACKHOUSE_REGISTRY", registry.url());
        command.envs(token.map(|token| ("PACKHOUSE_TOKEN", token)));
        command.outcome()
    };
    let admin = registry.admin_token();
    assert_eq!(import(None, &[]).code, 4);
    let checked = import(None, &["--dry-run"]);
    assert_eq!(checked.json()["packages"].as_array().map(Vec::len), Some(3), "{checked}");
    let mut create = plain(&["admin", "token", "create", "--label", "lists", "--action", "list"]);
    create.args(["--days", "1"]);
    create.args(["--prefix", "fppm:other/"]);
    create.env("PACKHOUSE_REGISTRY", registry.url()).env("PACKHOUSE_TOKEN", &admin);
    let created = create.outcome().ok();
    let token = created.stdout.trim();
    let results = |outcome: &packhouse_tests::Outcome| {
        let told = outcome.json();
        let all = told["packages"].as_array().expect("a list").clone();
        all.iter()
            .map(|one| {
                format!(
                    "{} {}",
                    one["name"].as_str().expect("a name"),
                    one["result"].as_str().expect("a result")
                )
            })
            .collect::<Vec<_>>()
    };
    let imported = import(Some(token), &[]);
    assert_eq!(
        results(&imported),
        ["other/Bus listed", "other/Path refused", "acme/Thermometer refused"],
        "{imported}"
    );
    assert_eq!(imported.code, 1);
    assert!(text(&registry, "/fppm/registry.yaml").contains("stable: \"v1.0\""));
    // With the commit instead of the tag, by asking the repository.
    let again = import(Some(token), &["--resolve"]);
    assert_eq!(results(&again)[0], "other/Bus listed", "{again}");
    assert_eq!(results(&import(Some(token), &["--resolve"]))[0], "other/Bus unchanged");
    // A package that was published here comes before what is said of it.
    assert_eq!(
        results(&import(Some(&admin), &["--resolve"])).last().map(String::as_str),
        Some("acme/Thermometer refused")
    );
    let exported = text(&registry, "/fppm/registry.yaml");
    assert!(exported.contains(&format!("stable: \"{commit}\"")), "{exported}");
    assert_eq!(exported.matches("Thermometer").count(), 2, "{exported}");
    assert!(text(&registry, "/fppm/other/registry.yaml").contains("\"Bus\""));

    let orbiter = dir.path().join("orbiter");
    project(&orbiter);
    let url = format!("{}/fppm/registry.yaml", registry.url());
    stock(&orbiter, &["registries", "--add", &url], "").ok();
    stock(&orbiter, &["install", "--package", "other/Bus"], "y\ny\n").ok();
    assert_eq!(git(&orbiter.join("_fprime_packages/other.Bus"), &["rev-parse", "HEAD"]), commit);
    // What was taken out may be listed again.
    let listings = format!("{}/fppm/listings", registry.url());
    let out = serde_json::json!({"packages": [{"name": "other/Bus"}]});
    let (status, answer) = packhouse_tests::http::post(&listings, token, &out);
    assert_eq!((status, &answer["packages"][0]["result"]), (200, &"removed".into()), "{answer}");
    assert!(!text(&registry, "/fppm/registry.yaml").contains("Bus"));
    assert_eq!(results(&import(Some(token), &["--resolve"]))[0], "other/Bus listed");
    assert!(text(&registry, "/fppm/other/registry.yaml").contains("\"Bus\""));
    let (status, body) = packhouse_tests::http::send("POST", &listings, &[], b"{\"packages\": []}");
    let body = String::from_utf8_lossy(&body);
    assert!(status == 401 && body.starts_with("error: \""), "{status} {body}");
}
