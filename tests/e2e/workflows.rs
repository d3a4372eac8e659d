//! The workflows and scripts of `docs/workflows` do what they say, with nothing changed but the registry's
//! address and the program: run by `act`, or by the shell that people would run them with.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

use std::path::{Path, PathBuf};
use std::process::Command;

use packhouse_tests::act::{Repository, output};
use packhouse_tests::binary;
use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Outcome, Runs as _, TestRegistry, example, http};
use serde_json::{Value, json};

fn documented(file: &str) -> PathBuf {
    binary::root().join("docs/workflows").join(file)
}

/// A documented workflow, for this registry and with this program.
fn adapted(file: &str, registry: &TestRegistry) -> String {
    let text = std::fs::read_to_string(documented(file)).unwrap();
    let address = "          registry: https://packages.example.org\n";
    assert!(text.contains(address), "{file}");
    let program = binary::packhouse().display();
    let ours =
        format!("          registry: {}\n          binary-path: {program}\n", registry.url());
    text.replace(address, &ours)
}

fn policy(registry: &TestRegistry, identifier: &str, policy: &Value) {
    let url = format!("{}/v1/package/{identifier}/-/policy", registry.url());
    let bearer = format!("Bearer {}", registry.admin_token());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let (status, body) = http::send("PUT", &url, &headers, policy.to_string().as_bytes());
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
}

/// `acme/kit` with the three packages that the monorepo's workflows name.
fn monorepo() -> Repository {
    let repository = Repository::new("acme/kit");
    for name in ["base", "sensor", "board"] {
        let manifest =
            format!("package:\n  identifier: acme/{name}\n  version: 1.0.0\n  license: MIT\n");
        repository.write(&format!("packages/{name}/packhouse.yaml"), &manifest);
        repository.write(&format!("packages/{name}/README.md"), "# A part\n");
    }
    repository
}

#[test]
fn a_tag_publishes_the_package_at_the_root() {
    let registry = TestRegistry::start();
    let repository = Repository::new("acme/sensor");
    packhouse_tests::copy(&example("ato-sensor"), &repository.path());
    repository.write(".github/workflows/publish.yml", &adapted("publish.yml", &registry));
    repository.commit("one");
    repository.git(&["tag", "v1.0.0"]);
    let ci = registry.ci("acme/sensor").tag("v1.0.0");
    repository.push_tag("v1.0.0").tokens(&ci.token_url()).outcome().ok();
    assert_eq!(registry.get("/v1/package/acme/sensor")["info"]["version"], "1.0.0");
}

#[test]
fn a_monorepo_publishes_a_train_and_from_its_branch() {
    let registry = TestRegistry::start();
    let repository = monorepo();
    for name in ["base", "sensor", "board"] {
        let train = json!({ "kind": "train", "tag": "release-*", "environment": "release" });
        policy(&registry, &format!("acme/{name}"), &train);
    }
    let workflow = ".github/workflows/publish.yml";
    repository.write(workflow, &adapted("publish-monorepo.yml", &registry)).commit("one");
    repository.git(&["tag", "release-2026.1"]);
    let ci = registry.ci("acme/kit").tag("release-2026.1").claim("environment", "release");
    let run = repository.push_tag("release-2026.1").tokens(&ci.token_url()).outcome().ok();
    assert_eq!(output(&run, "status").as_deref(), Some("published"));
    assert_eq!(registry.get("/v1/packages/all")["packages"].as_array().unwrap().len(), 3);

    // From the branch: one version is raised, the others changed without one, and stay.
    for name in ["base", "sensor", "board"] {
        policy(&registry, &format!("acme/{name}"), &json!({ "kind": "branch", "branch": "main" }));
        repository.write(&format!("packages/{name}/new.txt"), "new\n");
    }
    let raised = "package:\n  identifier: acme/base\n  version: 1.1.0\n  license: MIT\n";
    repository.write("packages/base/packhouse.yaml", raised);
    repository.write(workflow, &adapted("publish-from-branch.yml", &registry)).commit("two");
    let ci = registry.ci("acme/kit").branch("main").claim("ref_protected", "true");
    let event = json!({ "ref": "refs/heads/main", "repository": { "full_name": "acme/kit" } });
    let run = repository.run("push", event).tokens(&ci.token_url()).outcome().ok();
    let results: Value = serde_json::from_str(&output(&run, "results").unwrap()).unwrap();
    let statuses: Vec<_> = results.as_array().unwrap().iter().map(|p| &p["status"]).collect();
    assert_eq!(statuses, ["published", "skipped", "skipped"], "{run}");
    assert_eq!(registry.get("/v1/package/acme/base")["info"]["version"], "1.1.0");
}

/// `publish.sh` in `folder`, with a token of these actions.
fn by_hand(registry: &TestRegistry, folder: &Path, token: &str, arguments: &[&str]) -> Outcome {
    let mut command = Command::new("bash");
    command
        .arg(documented("publish.sh"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("PACKHOUSE", binary::packhouse())
        .env("PACKHOUSE_REGISTRY", registry.url())
        .env("PACKHOUSE_WAIT_SECONDS", "0")
        .env("PACKHOUSE_TOKEN", token)
        .stdin(std::process::Stdio::null());
    command.outcome()
}

#[test]
fn the_script_publishes_by_hand_with_a_token_that_can_do_nothing_else() {
    let registry = TestRegistry::start();
    let wanted =
        json!({ "label": "by hand", "prefix": "acme/sensor", "actions": ["publish"], "days": 1 });
    let url = format!("{}/v1/admin/tokens", registry.url());
    let (_, made) = http::post(&url, &registry.admin_token(), &wanted);
    let token = made["token"].as_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    packhouse_tests::copy(&example("ato-sensor"), folder.path());
    let run = by_hand(&registry, folder.path(), token, &[]);
    assert_eq!(run.code, 2, "nobody can be asked: {run}");
    by_hand(&registry, folder.path(), token, &["--yes", "--receipt", "receipt.json"]).ok();
    assert_eq!(registry.get("/v1/package/acme/sensor")["info"]["version"], "1.0.0");
    let receipt = std::fs::read_to_string(folder.path().join("receipt.json")).unwrap();
    assert!(receipt.contains("\"published\""), "{receipt}");
    std::fs::remove_file(folder.path().join("receipt.json")).unwrap();
    by_hand(&registry, folder.path(), token, &["--yes"]).ok();
    // Other content under the version, and another package than the token's.
    std::fs::write(folder.path().join("more.txt"), "more\n").unwrap();
    let run = by_hand(&registry, folder.path(), token, &["--yes"]);
    assert_eq!(run.code, 5, "{run}");
    let manifest = folder.path().join("ato.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("acme/sensor", "acme/other")).unwrap();
    let run = by_hand(&registry, folder.path(), token, &["--yes"]);
    assert_eq!(run.code, 4, "{run}");
}

/// `index.py` of the index repository.
fn index(arguments: &[&str]) -> Outcome {
    Command::new("python3").arg(documented("index-repository/index.py")).args(arguments).outcome()
}

#[test]
fn an_index_repository_follows_a_registry_and_sees_what_was_changed() {
    let registry = TestRegistry::start();
    let publish = |identifier: &str, version: &str| {
        let ci = registry.ci("acme/sensor").tag(&format!("v{version}"));
        let raw = Raw { url: registry.url(), ci };
        let (status, body) = raw.publish(&Parcel::new(identifier, version, version));
        assert_eq!(status, 200, "{body}");
    };
    publish("acme/sensor", "1.0.0");
    let folder = tempfile::tempdir().unwrap();
    let (copy, base) = (folder.path().join("copy"), folder.path().join("base"));
    std::fs::create_dir(&copy).unwrap();
    let path = copy.to_str().unwrap();
    index(&["update", path, "--registry", &registry.url()]).ok();
    index(&["validate", path, "--registry", &registry.url()]).ok();
    packhouse_tests::copy(&copy, &base);
    publish("acme/sensor", "1.1.0");
    publish("acme/board", "1.0.0");
    index(&["update", path, "--registry", &registry.url()]).ok();
    index(&["validate", path, "--base", base.to_str().unwrap(), "--registry", &registry.url()])
        .ok();
    let file = copy.join("index/acme/sensor.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("1.1.0"), "{text}");
    // A digest that somebody changed by hand is seen without the registry.
    let index_file: Value = serde_json::from_str(&text).unwrap();
    let digest = index_file["versions"][0]["digest"].as_str().unwrap();
    std::fs::write(&file, text.replace(digest, &"0".repeat(64))).unwrap();
    let run = index(&["validate", path, "--base", base.to_str().unwrap()]);
    assert_eq!(run.code, 1, "{run}");
}
