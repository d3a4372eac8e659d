//! The registry as an index, and as what installs packs.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use packhouse_core::attune::index;
use packhouse_tests::http::{get, post, send};
use packhouse_tests::{Options, Runs as _, TestRegistry, plain};
use serde_json::{Value, json};

use super::place::*;

fn publish(registry: &TestRegistry, place: &Place, name: &str, version: &str) {
    let folder =
        place.folder(&format!("from/{name}-{version}"), &borrowed(&weather(name, version, "")));
    std::fs::write(folder.join("README.md"), "# A pack\n").unwrap();
    let ci = registry.ci(&format!("acme/{name}")).tag(&format!("v{version}"));
    ci.publish(&folder).ok();
}

fn key(place: &Place) -> (String, String) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let file = place.path("key.pem");
    let text = STANDARD.encode(pkcs8.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    std::fs::write(&file, pem).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    (file.to_str().unwrap().to_owned(), STANDARD.encode(pair.public_key().as_ref()))
}

#[test]
fn published_packs_are_an_index_that_clients_install_from() {
    let place = Place::new();
    let (file, public) = key(&place);
    let arguments = vec!["--attune-sign-key".to_owned(), file];
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    publish(&registry, &place, "weather", "1.9.0");
    publish(&registry, &place, "weather", "1.10.0");
    publish(&registry, &place, "weather", "2.0.0-rc.1");
    publish(&registry, &place, "almanac", "0.1.0");
    let url = format!("{}/attune/index.json", registry.url());
    let (status, body) = get(&url, &[]);
    assert_eq!(status, 200);
    let found = index::read(&body).unwrap();
    // Nothing but its plain http, which is this machine's, is against format 1.0.
    for flaw in &found.flaws {
        assert!(flaw.place.ends_with("url"), "{flaw}");
    }
    let versions: Vec<_> =
        found.index.packs.iter().map(|p| (p.reference.as_str(), p.version.as_str())).collect();
    assert_eq!(versions, [("almanac", "0.1.0"), ("weather", "1.10.0")]);
    let weather = found.index.get("weather").unwrap();
    assert_eq!((weather.label.as_str(), weather.author.as_str()), ("Weather", "Ada"));
    assert_eq!(weather.contents.actions[0].name, "ask");
    let secured = String::from_utf8(body.clone())
        .unwrap()
        .replace(&registry.url(), "https://packages.example.org");
    index::strict(secured.as_bytes()).unwrap();

    let install = ["install", "weather", "--index", &url, "--index-key", &public];
    place.attune(&install).ok();
    let record = place.record("weather");
    assert_eq!((&record["version"], &record["verified"]), (&json!("1.10.0"), &json!("index")));
    assert_eq!(
        place
            .attune(&["search", "rain", "--index", &url, "-j"])
            .ok()
            .json()
            .as_array()
            .unwrap()
            .len(),
        2
    );

    // What is yanked leaves the index, and time goes on.
    let mut yank = plain(&["yank", "acme/weather@1.10.0", "--reason", "burns"]);
    yank.env("PACKHOUSE_REGISTRY", registry.url()).env("PACKHOUSE_TOKEN", registry.admin_token());
    yank.outcome().ok();
    let (_, body) = get(&url, &[]);
    let later = index::read(&body).unwrap().index;
    assert_eq!(later.get("weather").unwrap().version, "1.9.0");
    assert!(!later.is_older_than(&found.index.last_updated));
    place.attune(&[&install[..], &["--force"]].concat()).ok();
}

#[test]
fn a_server_installs_for_whoever_has_a_token() {
    let place = Place::new();
    let packs = place.path("packs");
    let arguments = vec!["--attune-packs-dir".to_owned(), packs.to_str().unwrap().to_owned()];
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    let url = format!("{}/attune/api/v1/packs/install", registry.url());
    let token = registry.admin_token();
    let refused = |token: &str, body: Value, status: u16, code: &str| {
        let (found, answer) = post(&url, token, &body);
        assert_eq!((found, answer["code"].as_str()), (status, Some(code)), "{body}: {answer}");
        assert!(answer["error"].is_string(), "{answer}");
        assert!(place.packs().is_empty(), "{body}");
    };
    refused("", json!({"source": "weather"}), 401, "UNAUTHORIZED");
    refused(&token, json!({"from": "weather"}), 400, "BAD_REQUEST");
    refused(&token, json!({"source": "weather"}), 404, "NOT_FOUND");
    refused(&token, json!({"source": "Weather!"}), 400, "BAD_REQUEST");
    // What is this machine's is not a stranger's to name.
    for source in [
        "/etc/passwd",
        "./packs",
        "file:///srv/x.git",
        "ssh://git@127.0.0.1/x",
        "http://127.0.0.1/x.zip",
    ] {
        refused(&token, json!({ "source": source }), 403, "FORBIDDEN");
    }
    refused(&token, json!({"source": "https://127.0.0.1:1/x.zip"}), 502, "INTERNAL_SERVER_ERROR");
    let none = TestRegistry::start();
    let url = format!("{}/attune/api/v1/packs/install", none.url());
    let (status, answer) = post(&url, "", &json!({"source": "weather"}));
    assert_eq!((status, answer["code"].as_str()), (501, Some("NOT_IMPLEMENTED")));
}

#[test]
fn a_server_on_this_machine_installs_and_tells_how() {
    let place = Place::new();
    let packs = place.path("packs");
    let arguments = ["--attune-packs-dir", packs.to_str().unwrap(), "--open"];
    let arguments = arguments.map(str::to_owned).to_vec();
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    let url = format!("{}/attune/api/v1/packs/install", registry.url());
    let folder = place.folder("mine", &borrowed(&weather("weather", "1.0.0", "")));
    let source = folder.to_str().unwrap();
    let (status, answer) = post(&url, "", &json!({ "source": source }));
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["data"]["pack"], place.record("weather"));
    assert_eq!(answer["data"]["test_result"]["status"], "passed");
    assert_eq!(answer["data"]["tests_skipped"], false);
    let (status, answer) = post(&url, "", &json!({ "source": source }));
    assert_eq!((status, answer["code"].as_str()), (409, Some("CONFLICT")));
    let needing =
        place.folder("needing", &borrowed(&weather("needing", "1.0.0", "dependencies: [gone]\n")));
    let (status, answer) = post(&url, "", &json!({ "source": needing.to_str().unwrap() }));
    assert_eq!((status, &answer["details"]["valid"]), (400, &json!(false)), "{answer}");
    assert_eq!(answer["details"]["pack_deps"][0]["pack_ref"], "gone");

    let body = json!({"source": source, "force": true}).to_string();
    let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
    let (status, stream) = send("POST", &url, &headers, body.as_bytes());
    let stream = String::from_utf8(stream).unwrap();
    assert_eq!(status, 200);
    let names: Vec<_> = stream.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("StepStarted", "Result"), "{stream}");
    let last = stream.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
    assert_eq!(serde_json::from_str::<Value>(last).unwrap()["status"], 201);
}
