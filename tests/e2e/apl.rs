//! A package of APL from nothing to published and consumed: on disk, through CI, and by a client that
//! follows APM's documents.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::process::Command;

use packhouse_tests::{TestRegistry, binary, copy, example, http};
use serde_json::{Value, json};

/// `packhouse apl … --json`: the exit code, and what it answered.
fn apl(arguments: &[&str], token: &str) -> (i32, Value) {
    let output = Command::new(binary::packhouse())
        .arg("apl")
        .args(arguments)
        .arg("--json")
        .env("PACKHOUSE_TOKEN", token)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"));
    let code = output.status.code().unwrap();
    assert_eq!(answer["rc"], code, "rc is the exit code: {answer}");
    assert_eq!(answer["msg"] == "", code == 0, "a message says what is wrong: {answer}");
    (code, answer)
}

fn new_token(registry: &TestRegistry, prefix: &str) -> String {
    let new = json!({ "label": "test", "prefix": prefix, "actions": ["publish"], "days": 1 });
    let url = format!("{}/v1/admin/tokens", registry.url());
    let (status, body) = http::post(&url, &registry.admin_token(), &new);
    assert_eq!(status, 200, "{body}");
    body["token"].as_str().unwrap().to_owned()
}

/// A zip of the example, as `zip` would name it.
fn zipped(folder: &Path) -> String {
    let packed = folder.join("moon.zip");
    let output = Command::new(binary::packhouse())
        .args(["pack", "-o", packed.to_str().unwrap()])
        .arg(example("apl-package"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    packed.to_str().unwrap().to_owned()
}

#[test]
fn a_registry_on_disk_is_made_filled_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let zip = zipped(folder.path());
    let uri = format!("file://{}/my%20apl", folder.path().display());
    assert_eq!(apl(&["list", "--uri", &uri], "").0, 3, "nothing there");
    assert_eq!(apl(&["new", "--uri", &uri, "--type", "remote"], "").0, 2);
    assert_eq!(apl(&["new", "--uri", &uri], "").0, 0);
    let (_, added) = apl(&["add", &zip, "--uri", &uri], "");
    assert_eq!(added["id"], "Acme-Moon-v0.3.0");
    assert_eq!(apl(&["add", &zip, "--uri", &uri], "").0, 5, "a version is added once");
    let (_, listed) = apl(&["list", "--uri", &uri, "--name", "oo", "--version", "^0"], "");
    assert_eq!(listed["packages"][0]["group"], "Acme");
    assert_eq!(apl(&["list", "--uri", &uri, "--name", "("], "").0, 2);
    let (_, got) = apl(&["get", "Acme-Moon-0.3.0", "--uri", &uri], "");
    assert!(std::fs::read(got["path"].as_str().unwrap()).unwrap().starts_with(b"PK"));
    let (_, tree) = apl(&["tree", "Acme-Moon-v0.3.0", "--uri", &uri], "");
    assert_eq!(tree["tree"][0]["dependencies"], json!([]));
    assert_eq!(apl(&["create-index", "--uri", &uri, "--force"], "").0, 0);
    assert_eq!(apl(&["get", "Acme-Sun-v1.0.0", "--uri", &uri], "").0, 3);
    assert_eq!(apl(&["new", "--uri", "ftp://example.org"], "").0, 2);
}

#[test]
fn a_package_is_published_from_ci_and_by_a_post_and_apms_clients_read_both() {
    let registry = TestRegistry::start();
    let folder = tempfile::tempdir().unwrap();
    let uri = format!("{}/apl", registry.url());
    // From CI, as any package.
    let project = folder.path().join("moon");
    copy(&example("apl-package"), &project);
    registry.ci("acme/apl-moon").tag("v0.3.0").publish(&project).ok();
    let shown = registry.get("/v1/package/acme/Acme-Moon");
    assert_eq!(shown["info"]["version"], "0.3.0");

    // A client that follows the documents: list, get, dependencies.
    let (status, listed) = http::get(&format!("{uri}/v1/packages?group=^Acme$"), &[]);
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    assert_eq!((status, &listed["packages"][0]["version"]), (200, &json!("0.3.0")));
    let (status, zip) = http::get(&format!("{uri}/api/v1/packages/Acme-Moon-0.3.0"), &[]);
    assert!(status == 200 && zip.starts_with(b"PK"));

    // Posted by a token of another owner: another name is free, this one is held.
    let rival = new_token(&registry, "rival/");
    let path = folder.path().join("moon.zip");
    std::fs::write(&path, &zip).unwrap();
    let path = path.to_str().unwrap();
    let (code, refused) = apl(&["add", path, "--uri", &uri], &rival);
    assert_eq!(code, 5, "{refused}");
    assert!(refused["msg"].as_str().unwrap().contains("held by `acme/Acme-Moon`"), "{refused}");
    let config = project.join("apl-project.json");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text
        .replace("\"Moon\"", "\"Sun\"")
        .replace("\"dependencies\": []", "\"dependencies\": [\"Acme-Moon-v0.3.0@M\"]");
    std::fs::write(&config, text).unwrap();
    let sun = folder.path().join("sun.zip");
    let packed = Command::new(binary::packhouse())
        .args(["pack", "-q", "-o"])
        .arg(&sun)
        .arg(&project)
        .output()
        .unwrap();
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let sun = sun.to_str().unwrap();
    assert_eq!(apl(&["add", sun, "--uri", &uri], "").0, 4, "no token");
    assert_eq!(apl(&["add", sun, "--uri", &uri], &rival).1["id"], "Acme-Sun-v0.3.0");
    let shown = registry.get("/v1/package/rival/acme-sun");
    assert_eq!(shown["info"]["version"], "0.3.0", "a release like any other");

    // The registry module over HTTP.
    assert_eq!(apl(&["new", "--uri", &uri], "").0, 0);
    let (_, listed) = apl(&["list", "--uri", &uri], "");
    assert_eq!(listed["packages"].as_array().unwrap().len(), 2);
    let into = folder.path().join("vendor");
    let (_, got) =
        apl(&["get", "Acme-Sun-v0.3.0", "--uri", &uri, "--into", into.to_str().unwrap()], "");
    assert!(got["path"].as_str().unwrap().ends_with("vendor/Acme-Sun-v0.3.0.zip"), "{got}");
    let (_, tree) = apl(&["tree", "Acme-Sun-v0.3.0", "--uri", &uri], "");
    assert_eq!(tree["tree"][0]["dependencies"][0]["alias"], "M", "{tree}");
    let (_, flat) =
        apl(&["tree", "Acme-Sun-v0.3.0", "--uri", &uri, "--flat", "--strategy", "mvs"], "");
    assert_eq!(flat["tree"][0]["id"], "Acme-Moon-v0.3.0");
    assert_eq!(apl(&["get", "Acme-Sun-v9.0.0", "--uri", &uri], "").0, 3);
}
