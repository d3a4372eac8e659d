//! Indices: a pack put in, several made into one, signed ones believed and others not.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use packhouse_core::attune::checksum::Checksum;
use serde_json::{Value, json};

use super::place::*;

/// Writes a key as PEM into `key.pem`, and answers its public half.
pub fn key(place: &Place, name: &str) -> String {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let pem = STANDARD.encode(pkcs8.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    std::fs::write(place.path(name), pem).unwrap();
    STANDARD.encode(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap().public_key().as_ref())
}

fn written(place: &Place, name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(place.path(name)).unwrap()).unwrap()
}

#[test]
fn an_index_is_kept_with_the_verbs() {
    let place = Place::new();
    place.folder("weather", &borrowed(&weather("weather", "1.2.0", "")));
    place.folder("almanac", &borrowed(&weather("almanac", "0.1.0", "")));
    let empty = serde_json::to_string(&index(vec![])).unwrap();
    std::fs::write(place.path("index.json"), &empty).unwrap();
    let git = ["-g", "https://example.org/w.git", "-r", "v1.2.0"];
    let update = |folder: &str, more: &[&str]| {
        let first = ["index-update", "-i", "index.json", folder];
        place.attune(&first.iter().chain(&git).chain(more).copied().collect::<Vec<_>>())
    };
    let answer = update("weather", &["-j"]).ok().json();
    assert_eq!((&answer["action"], &answer["pack_ref"]), (&json!("added"), &json!("weather")));
    assert_eq!(answer["statistics"]["actions"], 1);
    let first = written(&place, "index.json");
    assert_ne!(first["last_updated"], "2026-01-02T00:00:00Z");
    update("almanac", &[]).ok();
    let second = written(&place, "index.json");
    let refs: Vec<_> = second["packs"].as_array().unwrap().iter().map(|p| &p["ref"]).collect();
    assert_eq!(refs, ["almanac", "weather"]);
    let content = checksum(&tree(&weather("weather", "1.2.0", ""), ""));
    assert_eq!(second["packs"][1]["install_sources"][0]["checksum"], json!(content));

    // The same again changes nothing; another content needs `--update`.
    assert_eq!(update("weather", &["-j"]).ok().json()["action"], "unchanged");
    assert_eq!(written(&place, "index.json"), second);
    place.folder("weather", &borrowed(&weather("weather", "1.3.0", "")));
    let refused = update("weather", &[]);
    assert_eq!(refused.code, 5, "{refused}");
    assert_eq!(written(&place, "index.json"), second);
    let key = key(&place, "key.pem");
    update("weather", &["--update", "--sign-key", "key.pem"]).ok();
    assert_eq!(written(&place, "index.json")["packs"][1]["version"], "1.3.0");
    place.attune(&["index-validate", "index.json", "--key", &key]).ok();
    std::fs::write(place.path("index.json.sig"), STANDARD.encode([0; 64])).unwrap();
    assert_eq!(place.attune(&["index-validate", "index.json", "--key", &key]).code, 6);

    // What an index cannot hold is refused before it is touched.
    for (more, words) in [
        (vec!["-g", "http://example.org/w.git"], "https"),
        (vec!["-g", "https://u:p@example.org/w.git"], "leave out user"),
        (vec![], "--git-url"),
        (vec!["-a", "https://example.org/w.zip", "--archive-checksum", "md5:00"], "sha256:"),
    ] {
        let first = ["index-update", "-i", "index.json", "weather", "--update"];
        let all: Vec<&str> = first.iter().chain(&more).copied().collect();
        let before = written(&place, "index.json");
        let outcome = place.attune(&all);
        assert!(outcome.code == 2 && outcome.stderr.contains(words), "{more:?}: {outcome}");
        assert_eq!(written(&place, "index.json"), before);
    }
    let yaml =
        place.attune(&["index-entry", "weather", "-g", "https://example.org/w.git", "-f", "yaml"]);
    assert!(yaml.ok().stdout.starts_with("\"ref\": \"weather\"\n"));
}

#[test]
fn three_indices_become_one() {
    let place = Place::new();
    let pack = |name: &str, version: &str, of: &str| {
        let source = json!({"type": "git", "url": "https://example.org/x.git", "ref": "v1",
            "checksum": Checksum::of_bytes(b"")});
        let mut entry = entry(name, version, source);
        entry["author"] = json!(of);
        entry
    };
    let write = |of: &str, time: &str, packs: &[(&str, &str)]| {
        let mut index = index(packs.iter().map(|(name, v)| pack(name, v, of)).collect());
        index["registry_name"] = json!(of);
        index["last_updated"] = json!(time);
        std::fs::write(place.path(&format!("{of}.json")), index.to_string()).unwrap();
    };
    let (one, two) = ("2026-01-02T00:00:00Z", "2026-02-02T00:00:00Z");
    let first =
        [("ten", "1.9.0"), ("pre", "2.0.0-rc.9"), ("out", "2.0.0-rc.1"), ("tie", "1.0.0+a")];
    write("a", one, &first);
    write(
        "b",
        two,
        &[("ten", "1.10.0"), ("pre", "2.0.0-rc.10"), ("out", "2.0.0"), ("tie", "1.0.0+b")],
    );
    write("c", one, &[("ten", "1.9.9"), ("pre", "2.0.0-beta"), ("tie", "1.0.0"), ("new", "0.1.0")]);
    let merge = |more: &[&str]| {
        let inputs = ["a.json", "b.json", "c.json"];
        let all: Vec<&str> = ["index-merge"].iter().chain(more).chain(&inputs).copied().collect();
        place.attune(&all)
    };
    let answer = merge(&["-o", "all.json", "-j"]).ok().json();
    let counts = ["sources_count", "total_loaded", "unique_packs", "duplicates_resolved"];
    assert_eq!(counts.map(|key| answer[key].as_u64().unwrap()), [3, 12, 5, 7]);
    let all = written(&place, "all.json");
    let mut expected = index(vec![
        pack("new", "0.1.0", "c"),
        pack("out", "2.0.0", "b"),
        pack("pre", "2.0.0-rc.10", "b"),
        pack("ten", "1.10.0", "b"),
        pack("tie", "1.0.0+a", "a"),
    ]);
    expected["registry_name"] = json!("a");
    expected["last_updated"] = json!(two);
    assert_eq!(all, expected);
    place.attune(&["index-validate", "all.json"]).ok();
    assert_eq!(merge(&["-o", "all.json"]).code, 2);
    merge(&["--file", "all.json", "--output", "json", "--force"]).ok();
    // A broken or missing input leaves the old file.
    std::fs::write(place.path("c.json"), "{\"packs\": [{}]}").unwrap();
    let broken = merge(&["--output", "all.json", "--force"]);
    assert!(broken.code == 1 && broken.stderr.contains("packs[0].ref"), "{broken}");
    std::fs::remove_file(place.path("c.json")).unwrap();
    assert_eq!(merge(&["-o", "all.json", "-f"]).code, 2);
    assert_eq!(written(&place, "all.json"), all);
    let refused = place.attune(&["index-validate", "all.json.none"]);
    assert_eq!(refused.code, 2);
}

#[test]
fn a_signed_index_is_believed_and_others_are_not() {
    let place = Place::new();
    let archive = zip(&tree(&weather("weather", "1.0.0", ""), ""));
    let url = place.serve("/w.zip", archive.clone());
    let source = json!({"type": "archive", "url": url, "checksum": Checksum::of_bytes(&archive)});
    let state = |time: &str| {
        let mut index = index(vec![entry("weather", "1.0.0", source.clone())]);
        index["last_updated"] = json!(time);
        index.to_string()
    };
    let (public, other) = (key(&place, "key.pem"), key(&place, "other.pem"));
    // Serves a state with the signature that `key` makes of it.
    let serve = |text: &str, key: &str| {
        std::fs::write(place.path("index.json"), text).unwrap();
        place.attune(&["checksum", "index.json", "--sign-key", key]).ok();
        place.serve("/index.json.sig", std::fs::read(place.path("index.json.sig")).unwrap());
        place.serve("/index.json", text)
    };
    let install = |key: &str| {
        let url = format!("{}/index.json", place.server.url);
        place.attune(&["install", "weather", "--force", "--index", &url, "--index-key", key])
    };
    serve(&state("2026-03-01T00:00:00Z"), "key.pem");
    install(&public).ok();
    let before = place.packs();
    for (text, key, words) in [
        (state("2026-03-02T00:00:00Z"), "other.pem", "not of the configured key"),
        (state("2026-02-01T00:00:00Z"), "key.pem", "an old state is served"),
    ] {
        serve(&text, key);
        let refused = install(&public);
        assert!(refused.code == 6 && refused.stderr.contains(words), "{refused}");
        assert!(place.packs() == before);
    }
    serve(&state("2026-03-03T00:00:00Z"), "key.pem");
    assert_eq!(install(&other).code, 6);
    place.withdraw("/index.json.sig");
    let refused = install(&public);
    assert!(refused.code == 6 && refused.stderr.contains("is not signed"), "{refused}");
    assert!(place.packs() == before);
    serve(&state("2026-03-03T00:00:00Z"), "key.pem");
    install(&public).ok();

    // An archive by itself, with its signature beside it.
    std::fs::write(place.path("w.zip"), &archive).unwrap();
    let unsigned = place.attune(&["install", "w.zip", "--force", "--key", &public]);
    assert!(unsigned.code == 6 && unsigned.stderr.contains("is not signed"), "{unsigned}");
    place.attune(&["checksum", "w.zip", "--sign-key", "key.pem"]).ok();
    place.attune(&["install", "w.zip", "--force", "--key", &public]).ok();
    assert_eq!(place.record("weather")["verified"], "signature");
    assert_eq!(place.attune(&["install", "w.zip", "--force", "--key", &other]).code, 6);
}
