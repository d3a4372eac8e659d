//! Every kind of source ends in the same files and a record that says where they are from.

use packhouse_core::attune::checksum::{Checksum, Rule};
use packhouse_core::digest::Digest;
use serde_json::{Value, json};

use super::place::*;

#[test]
fn a_pack_is_installed_from_git() {
    let place = Place::new();
    let first = repository(&place, "weather.git");
    let url = format!("{}/git/weather.git", place.server.url);
    for (reference, version) in [
        (None, "1.1.0"),
        (Some("next"), "1.1.0"),
        (Some("v1"), "1.0.0"),
        (Some(first.as_str()), "1.0.0"),
    ] {
        let mut arguments = vec!["install", &url, "--force", "--json"];
        arguments.extend(reference.into_iter().flat_map(|reference| ["--ref", reference]));
        let outcome = place.attune(&arguments).ok();
        let last: Value = serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap();
        assert_eq!(last["event"], "Installed");
        let record = place.record("weather");
        assert_eq!(last["pack"], record);
        let content = checksum(&tree(&weather("weather", version, ""), ""));
        assert_eq!(record["version"], version);
        assert_eq!(record["kind"], "git");
        assert_eq!(record["url"], url);
        assert_eq!(record["git_ref"], json!(reference));
        assert_eq!(record["content"], json!(content), "{reference:?}");
        assert_eq!(record["checksum"], json!(content));
        assert_eq!(record["tests"]["status"], "passed");
        assert_eq!(record["validation"]["valid"], true);
        if version == "1.0.0" {
            assert_eq!(record["commit"], first);
        }
    }
    let files: Vec<String> = place.packs().into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        files,
        [
            ".packhouse/weather.json",
            "weather/",
            "weather/actions/",
            "weather/actions/ask.sh",
            "weather/actions/ask.yaml",
            "weather/pack.yaml",
            "weather/tests/",
            "weather/tests/run.sh",
        ]
    );
}

#[test]
fn a_pack_is_installed_from_archives_and_folders() {
    let place = Place::new();
    let files = weather("weather", "1.0.0", "");
    let whole = tree(&files, "weather-1.0.0/");
    let (zip, tar) = (zip(&whole), tar_gz(&whole));
    let folder = place.folder("mine", &borrowed(&files)).to_str().unwrap().to_owned();
    std::fs::write(place.path("here.tgz"), &tar).unwrap();
    let content = checksum(&tree(&files, ""));
    for (source, kind, checksum) in [
        (place.serve("/w.zip", zip.clone()), "archive", Checksum::of_bytes(&zip)),
        (place.serve("/w.tar.gz", tar.clone()), "archive", Checksum::of_bytes(&tar)),
        (place.serve("/w.tgz", tar.clone()), "archive", Checksum::of_bytes(&tar)),
        ("here.tgz".to_owned(), "archive", Checksum::of_bytes(&tar)),
        ("./mine".to_owned(), "folder", content),
        (folder, "folder", content),
    ] {
        place.attune(&["install", &source, "--force", "--skip-tests"]).ok();
        let record = place.record("weather");
        assert_eq!(record["kind"], kind, "{source}");
        assert_eq!(record["checksum"], json!(checksum), "{source}");
        assert_eq!(record["content"], json!(content), "{source}");
        assert_eq!(record["tests"], Value::Null);
    }
    let shown = place.attune(&["show", "weather", "--json"]).ok().json();
    assert_eq!(shown["changed"], false);
    std::fs::write(place.path("packs/weather/actions/ask.sh"), "echo sun\n").unwrap();
    assert_eq!(place.attune(&["show", "weather", "-j"]).ok().json()["changed"], true);
    assert_eq!(place.attune(&["list", "-j"]).ok().json()["packs"][0]["version"], "1.0.0");
    place.attune(&["uninstall", "weather"]).ok();
    assert!(place.packs().is_empty(), "{:?}", place.packs());
    assert_eq!(place.attune(&["uninstall", "weather"]).code, 3);
}

#[test]
fn a_pack_is_installed_by_its_ref() {
    let place = Place::new();
    let first = repository(&place, "weather.git");
    let git_url = format!("{}/git/weather.git", place.server.url);
    let files = tree(&weather("weather", "1.0.0", ""), "");
    let texts = packhouse_core::attune::checksum::files(&files);
    let archive = tar_gz(&files);
    let archive_url = place.serve("/w.tar.gz", archive.clone());
    for (rule, verified) in [(Rule::V1, "index, rule v1"), (Rule::V0, "index, rule v0")] {
        let checksum = Checksum(rule.of(&texts));
        let source = json!({"type": "git", "url": git_url, "ref": first, "checksum": checksum});
        let index = index(vec![entry("weather", "1.0.0", source)]);
        let url = place.serve("/index.json", index.to_string());
        place.attune(&["install", "weather@1.0.0", "--index", &url, "--force"]).ok();
        let record = place.record("weather");
        assert_eq!(record["verified"], verified);
        assert_eq!((&record["commit"], &record["registry"]), (&json!(first), &json!(url)));
    }
    // A repository that is gone: the archive behind it answers, with a checksum of its own.
    let gone = json!({"type": "git", "url": format!("{}/git/gone.git", place.server.url), "ref": "v1",
        "checksum": format!("sha256:{}", Digest::of(b"x"))});
    let mut entry = entry("weather", "1.0.0", gone);
    let behind =
        json!({"type": "archive", "url": archive_url, "checksum": Checksum::of_bytes(&archive)});
    entry["install_sources"].as_array_mut().unwrap().push(behind);
    let url = place.serve("/index.json", index(vec![entry]).to_string());
    let outcome = place.attune(&["install", "weather", "--index", &url, "--force"]).ok();
    assert!(outcome.stderr.contains("⚠ the repository"), "{outcome}");
    assert_eq!(place.record("weather")["kind"], "archive");
}

#[test]
fn what_a_pack_needs_is_followed() {
    let place = Place::new();
    let needing =
        |name: &str, needs: &str| weather(name, "1.0.0", &format!("dependencies: [{needs}]\n"));
    place.folder("a", &borrowed(&needing("a", "'b@>=1.0'")));
    place.folder("b", &borrowed(&needing("b", "c")));
    place.folder("c", &borrowed(&needing("c", "")));
    let outcome = place.attune(&["install", "./a", "--json"]);
    assert_eq!(outcome.code, 1, "{outcome}");
    let last: Value = serde_json::from_str(outcome.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "Failed");
    assert_eq!(last["validation"]["pack_deps"][0]["pack_ref"], "b");
    assert_eq!(last["validation"]["runtime_deps"][0]["satisfied"], true);
    place.attune(&["install", "./b", "--skip-deps"]).ok();
    let outcome = place.attune(&["install", "./a"]);
    assert!(
        outcome.stderr.contains("`b` needs the pack `c` (*): it is not installed"),
        "{outcome}"
    );
    place.attune(&["install", "./c"]).ok();
    place.attune(&["install", "./a"]).ok();
    let refused = place.attune(&["uninstall", "c"]);
    assert_eq!(refused.code, 2, "{refused}");
    place.attune(&["uninstall", "c", "--force"]).ok();
}

#[test]
fn a_packs_own_tests_run_in_a_copy() {
    let place = Place::new();
    let mut files = weather("weather", "1.0.0", "");
    files[3].1 = "echo one; test -z \"$PACKHOUSE_TOKEN\" || exit 9; exit 4\n".to_owned();
    place.folder("mine", &borrowed(&files));
    let outcome = place.attune(&["test", "./mine", "--detailed"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.stdout.contains("✗ shell") && outcome.stdout.contains("    one"), "{outcome}");
    let outcome = place.attune(&["install", "./mine"]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert!(outcome.stderr.contains("`shell` exit code 4: one"), "{outcome}");
    assert!(place.packs().is_empty());
    place.attune(&["install", "./mine", "--skip-tests"]).ok();
    assert_eq!(place.attune(&["test", "weather", "-j"]).json()["result"]["pass_rate"], 0.0);
}
