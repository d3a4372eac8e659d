//! An index is held against every rule.

use super::*;
use serde_json::json;

fn good() -> Value {
    let hex = "0".repeat(64);
    json!({
        "registry_name": "Ours", "registry_url": "https://127.0.0.1:8443/x", "version": "1.0",
        "last_updated": "2026-01-31T12:00:00Z",
        "packs": [{
            "ref": "core", "label": "Core", "description": "", "version": "1.0.0",
            "author": "Ada", "license": "MIT", "keywords": ["a"], "runtime_deps": ["shell"],
            "install_sources": [
                {"type": "git", "url": "https://example.org/core.git", "ref": "v1", "checksum": format!("sha256:{hex}")},
                {"type": "archive", "url": "https://example.org/core.zip", "checksum": format!("sha256:{hex}")},
            ],
            "contents": {"actions": [{"name": "ask", "description": "Asks"}], "sensors": [],
                "triggers": [], "rules": [], "workflows": []},
        }],
    })
}

fn told(value: &Value) -> String {
    let flaws = strict(value.to_string().as_bytes()).unwrap_err();
    flaws.iter().map(|flaw| format!("{flaw}\n")).collect()
}

/// `good` with the value at `pointer` replaced, or taken out.
fn with(pointer: &str, value: Option<Value>) -> Value {
    let mut index = good();
    let (above, key) = pointer.rsplit_once('/').unwrap();
    let above = index.pointer_mut(above).unwrap();
    match (above, value) {
        (Value::Object(map), Some(value)) => drop(map.insert(key.to_owned(), value)),
        (Value::Object(map), None) => drop(map.remove(key)),
        (Value::Array(list), Some(value)) => list.push(value),
        _ => panic!("{pointer}"),
    }
    index
}

#[test]
fn a_valid_index_comes_back_as_it_was() {
    let index = strict(good().to_string().as_bytes()).unwrap();
    let text = index.text().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), good());
    assert_eq!(index.packs[0].sources().len(), 2);
    assert!(read(text.as_bytes()).unwrap().flaws.is_empty());
}

#[test]
fn every_rule_has_an_index_that_breaks_it() {
    let source = "/packs/0/install_sources/0";
    let cases = [
        ("/registry_name", Some(json!(""))),
        ("/registry_url", Some(json!("http://example.org"))),
        ("/version", Some(json!("2.0"))),
        ("/last_updated", Some(json!("today"))),
        ("/extra", Some(json!(1))),
        ("/packs/0/ref", Some(json!("Core"))),
        ("/packs/0/ref", Some(json!("../core"))),
        ("/packs/0/version", Some(json!("1.0"))),
        ("/packs/0/version", Some(json!(1.0))),
        ("/packs/0/version", Some(json!("1.0.0-rc.1+b"))),
        ("/packs/0/label", Some(json!(" "))),
        ("/packs/0/license", None),
        ("/packs/0/keywords", Some(json!(["a", "a"]))),
        ("/packs/0/keywords", None),
        ("/packs/0/homepage", Some(json!("ftp://x"))),
        ("/packs/0/email", Some(json!(null))),
        ("/packs/0/homepage", Some(json!("https://"))),
        ("/packs/0/repository", Some(json!("http://example.org/x"))),
        ("/packs/0/dependencies", Some(json!(["core"]))),
        ("/packs/0/dependencies", Some(json!({"core": "1.0"}))),
        ("/packs/0/dependencies", Some(json!({"packs": [1], "python_version": 3}))),
        ("/packs/0/meta", Some(json!({"downloads": -1, "stars": "many"}))),
        ("/packs/0/meta", Some(json!({"tested_attune_versions": "1.0"}))),
        ("/packs/0/install_sources", Some(json!([]))),
        (&format!("{source}/type"), Some(json!("svn"))),
        (&format!("{source}/url"), Some(json!("https://u:p@example.org/x.git"))),
        (&format!("{source}/url"), Some(json!("https://example.org/x.git?a"))),
        (&format!("{source}/ref"), Some(json!("--upload-pack=x"))),
        (&format!("{source}/checksum"), Some(json!("md5:00"))),
        (&format!("{source}/checksum"), Some(json!(format!("SHA256:{}", "0".repeat(64))))),
        (&format!("{source}/mirror"), Some(json!("x"))),
        ("/packs/0/contents/actions", Some(json!(3))),
        ("/packs/0/contents/rules", None),
        ("/packs/0/contents/actions/-", Some(json!({"name": "ask", "description": ""}))),
        ("/packs/-", Some(good()["packs"][0].clone())),
    ];
    let all: String = cases.into_iter().map(|(at, value)| told(&with(at, value))).collect();
    insta::assert_snapshot!(all);
}

#[test]
fn what_the_earlier_program_wrote_is_read() {
    let entry = json!({
        "ref": "weather", "label": "Weather", "description": "d", "version": "1.2.0",
        "author": "Unknown", "license": "UNLICENSED", "runtime_deps": [],
        "install_sources": [{"type": "git", "url": "https://example.org/w.git", "ref": "v1.2.0"}],
        "contents": {"actions": 2, "sensors": 0, "triggers": 0, "rules": 0, "workflows": 0},
    });
    let index = json!({"version": "1.0", "generated_at": "x", "packs": [entry]});
    let found = read(index.to_string().as_bytes()).unwrap();
    assert_eq!(found.index.packs[0].version, "1.2.0");
    assert!(found.flaws.iter().any(|flaw| flaw.place == "packs[0].contents.actions"));
    assert!(strict(index.to_string().as_bytes()).is_err());
}

#[test]
fn what_nobody_could_use_is_refused_with_its_place() {
    let mut wrong = vec![
        (b"{".to_vec(), "line 1, column 1"),
        (b"[]".to_vec(), "index"),
        (b"{}".to_vec(), "packs"),
        (vec![b' '; INDEX_BYTES as usize + 1], "index"),
    ];
    wrong.push((b"[".repeat(100_000), "line 1, column 128"));
    for (at, place) in [("ref", "packs[0].ref"), ("version", "packs[0].version")] {
        let index = with(&format!("/packs/0/{at}"), None);
        wrong.push((index.to_string().into_bytes(), place));
    }
    for (bytes, place) in wrong {
        let flaws = read(&bytes).unwrap_err();
        assert_eq!(flaws[0].place, place, "{flaws:?}");
    }
}
