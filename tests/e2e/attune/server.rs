//! The registry as an index, and as what installs packs.

use packhouse_core::attune::index;
use packhouse_tests::http::{get, post, send};
use packhouse_tests::{Options, Runs as _, TestRegistry, plain};
use serde_json::{Value, json};

use super::indices::key;
use super::place::*;

fn publish(registry: &TestRegistry, place: &Place, name: &str, version: &str) {
    publish_more(registry, place, name, version, "");
}

/// With more in its manifest; answers its files.
fn publish_more(
    registry: &TestRegistry,
    place: &Place,
    name: &str,
    version: &str,
    more: &str,
) -> packhouse_core::tree::Tree {
    let mut files = weather(name, version, more);
    files.push(("README.md", "# A pack\n".to_owned()));
    let folder = place.folder(&format!("from/{name}-{version}"), &borrowed(&files));
    let ci = registry.ci(&format!("acme/{name}")).tag(&format!("v{version}"));
    ci.publish(&folder).ok();
    tree(&files, "")
}

#[test]
fn published_packs_are_an_index_that_clients_install_from() {
    let place = Place::new();
    let public = key(&place, "key.pem");
    let file = place.path("key.pem").to_str().unwrap().to_owned();
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
fn a_pack_is_exported_with_its_repository_before_its_archive() {
    let place = Place::new();
    let registry = TestRegistry::start();
    let address = "repository: https://git.example.org/acme/weather\n";
    let whole = publish_more(&registry, &place, "weather", "1.0.0", address);
    // Of another repository than the token proves, and with more than is published.
    let foreign = "repository: https://git.example.org/other/almanac\n";
    publish_more(&registry, &place, "almanac", "1.0.0", foreign);
    let folder = place.path("from/tides-1.0.0");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(".packhouseignore"), "notes\n").unwrap();
    let address = "repository: https://git.example.org/acme/tides\n";
    publish_more(&registry, &place, "tides", "1.0.0", address);
    let index = registry.get("/attune/index.json");
    let sources: Vec<_> =
        index["packs"].as_array().unwrap().iter().map(|pack| &pack["install_sources"]).collect();
    let kinds = |sources: &Value| {
        let kinds = sources.as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap());
        kinds.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        sources.iter().map(|s| kinds(s)).collect::<Vec<_>>(),
        [vec!["archive"], vec!["archive"], vec!["git", "archive"],]
    );
    let git = &sources[2][0];
    assert_eq!(git["url"], "https://git.example.org/acme/weather");
    assert_eq!(git["checksum"], json!(checksum(&whole)));
    assert_eq!(git["ref"].as_str().map(str::len), Some(40), "{git}");
    let text = index.to_string().replace(&registry.url(), "https://packages.example.org");
    index::strict(text.as_bytes()).unwrap();
}

#[test]
fn a_pack_that_is_not_published_here_is_listed_until_a_package_has_its_name() {
    let place = Place::new();
    let registry = TestRegistry::start();
    let url = format!("{}/attune/listings/tides", registry.url());
    let source = json!({"type": "git", "url": "https://example.org/tides.git", "ref": "v1",
        "checksum": packhouse_core::attune::checksum::Checksum::of_bytes(b"")});
    let listed = entry("tides", "1.0.0", source.clone());
    let put = |method: &str, token: &str, body: &Value| {
        let auth = format!("Bearer {token}");
        let mut headers = vec![("content-type", "application/json")];
        if !token.is_empty() {
            headers.push(("authorization", &auth));
        }
        let (status, body) = send(method, &url, &headers, body.to_string().as_bytes());
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    let shown = || {
        let index = registry.get("/attune/index.json");
        let found = index["packs"].as_array().unwrap().iter().map(|pack| pack["version"].clone());
        (index["last_updated"].as_str().unwrap().to_owned(), found.collect::<Vec<_>>())
    };
    let token = registry.admin_token();
    assert_eq!(put("PUT", "", &listed).0, 401);
    let (status, answer) = put("PUT", &token, &entry("tides", "one", source.clone()));
    assert_eq!((status, &answer["code"]), (422, &json!("VALIDATION_ERROR")), "{answer}");
    assert_eq!(answer["details"][0]["place"], "pack.version");
    assert_eq!(put("PUT", &token, &entry("tide", "1.0.0", source.clone())).0, 400);
    assert_eq!(put("DELETE", &token, &json!(null)).0, 404);
    assert_eq!(shown().1, Vec::<Value>::new());
    let (status, answer) = put("PUT", &token, &listed);
    assert_eq!((status, &answer["data"]["version"]), (200, &json!("1.0.0")), "{answer}");
    put("PUT", &token, &entry("tides", "1.1.0", source));
    assert_eq!(shown().1, ["1.1.0"]);
    let before = shown().0;
    assert_eq!(put("DELETE", &token, &json!(null)).0, 200);
    assert_eq!(shown().1, Vec::<Value>::new());
    assert!(shown().0 >= before);
    assert_eq!(put("PUT", &token, &listed).0, 200);
    publish(&registry, &place, "tides", "3.0.0");
    assert_eq!(shown().1, ["3.0.0"]);
    let (status, answer) = put("PUT", &token, &listed);
    assert_eq!((status, &answer["code"]), (409, &json!("CONFLICT")), "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("the package `acme/tides`"), "{answer}");
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
}

#[test]
fn a_registry_that_keeps_no_packs_says_why() {
    let registry = TestRegistry::start();
    let url = format!("{}/attune/api/v1/packs/install", registry.url());
    let (status, answer) = post(&url, "", &json!({"source": "weather"}));
    assert_eq!((status, answer["code"].as_str()), (501, Some("NOT_IMPLEMENTED")), "{answer}");
    let aws = std::env::var("PACKHOUSE_TEST_BACKEND").is_ok_and(|backend| backend == "aws");
    let why = if aws { "functions keep no packs" } else { "started without a folder" };
    assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    assert!(answer["details"].as_str().unwrap().contains("packhouse attune install"), "{answer}");
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
