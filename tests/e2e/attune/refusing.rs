//! What is refused leaves no trace: the folder of packs is as it was, and so are temporary folders.

use packhouse_core::attune::checksum::Checksum;
use packhouse_core::digest::Digest;
use serde_json::json;

use super::place::*;

#[test]
fn nothing_is_left_behind() {
    let place = Place::new();
    let files = weather("weather", "1.0.0", "");
    let whole = tree(&files, "");
    let repository = place.folder("git/weather.git", &borrowed(&files));
    git(&repository, &["init", "--quiet"]);
    git(&repository, &["add", "."]);
    git(&repository, &["commit", "--quiet", "-m", "one"]);
    let url = &place.server.url;
    let git_url = format!("{url}/git/weather.git");
    let wrong = Checksum(Digest::of(b"other bytes"));
    let archive = tar_gz(&whole);
    let archive_url = place.serve("/w.tar.gz", archive.clone());
    let indexed = |name: &str, version: &str, source: serde_json::Value| {
        let path = format!("/{name}.json");
        place.serve(&path, index(vec![entry("weather", version, source)]).to_string())
    };
    let of_git = json!({"type": "git", "url": git_url, "ref": "main", "checksum": wrong});
    let of_archive = json!({"type": "archive", "url": archive_url, "checksum": wrong});
    let right =
        json!({"type": "archive", "url": archive_url, "checksum": Checksum::of_bytes(&archive)});
    let (by_git, by_archive) =
        (indexed("git", "1.0.0", of_git), indexed("tar", "1.0.0", of_archive));
    let other_version = indexed("other", "2.0.0", right);
    let needing = weather("needing", "1.0.0", "dependencies: [gone]\n");
    place.folder("needing", &borrowed(&needing));
    let needing_url = place.serve("/n.zip", zip(&tree(&needing, "")));
    let mut linked = weather("linked", "1.0.0", "");
    place.folder("linked", &borrowed(&linked));
    std::os::unix::fs::symlink("/etc/passwd", place.path("linked/link")).unwrap();
    linked.truncate(0);
    place.folder("broken", &[("pack.yaml", "ref: ../up\nversion: 1\n")]);
    place.folder("empty", &[("README.md", "")]);
    std::fs::write(place.path("cut.tgz"), &archive[..archive.len() / 2]).unwrap();
    let mut endless = json!([]);
    for _ in 0..100 {
        endless = json!([endless]);
    }
    let deep = place.serve("/deep.json", json!({"packs": endless}).to_string());

    // An installed pack that all of it must leave alone.
    place.attune(&["install", "./git/weather.git"]).ok();
    let before = place.packs();
    let scratch = place.path("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let cases: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["weather", "--index", &by_git], 6, "is not what the index promises"),
        (vec!["weather", "--index", &by_archive], 6, "is not what the index promises"),
        (vec!["weather", "--index", &other_version], 6, "what it leads to is `weather` 1.0.0"),
        (vec!["weather@3.0.0", "--index", &other_version], 3, "has `weather` at version 2.0.0"),
        (vec!["absent", "--index", &by_git], 3, "no index has the pack `absent`"),
        (vec![&git_url, "--ref", "nowhere"], 2, "cannot be read"),
        (vec![&git_url, "--ref", "--upload-pack=touch x"], 2, ""),
        (vec!["git://127.0.0.1/x.git"], 2, "in the clear"),
        (vec!["http://example.org/w.zip"], 2, "plain `http` is for this machine only"),
        (vec!["./needing"], 1, "`needing` needs the pack `gone`"),
        (vec![&needing_url], 1, "`needing` needs the pack `gone`"),
        (vec!["./linked"], 2, "`link` is a link or a special file"),
        (vec!["./broken"], 2, "pack.yaml:1:6"),
        (vec!["./empty"], 2, "holds no pack"),
        (vec!["cut.tgz"], 2, "in the archive is damaged"),
        (vec!["weather", "--index", &deep], 2, "packs[0]"),
        (vec!["./git/weather.git", "--key", "x"], 2, "no Ed25519 public key"),
        (vec!["weather", "--no-registry"], 2, "no address"),
    ];
    for (arguments, code, words) in cases {
        let all: Vec<&str> = ["install", "--force"].into_iter().chain(arguments.clone()).collect();
        let outcome = place.attune(&all);
        assert_eq!(outcome.code, code, "{arguments:?}\n{outcome}");
        assert!(outcome.stderr.contains(words), "{arguments:?}\n{outcome}");
        assert!(place.packs() == before, "{arguments:?}: {:?}", place.packs());
    }
    let twice = place.attune(&["install", "./git/weather.git"]);
    assert_eq!(twice.code, 2, "{twice}");
    assert!(twice.stderr.contains("is installed already"), "{twice}");
    assert!(place.packs() == before);
}

#[test]
fn an_index_that_cannot_be_had_does_not_let_the_next_one_answer() {
    let place = Place::new();
    let archive = zip(&tree(&weather("weather", "9.0.0", ""), ""));
    let url = place.serve("/w.zip", archive.clone());
    let source = json!({"type": "archive", "url": url, "checksum": Checksum::of_bytes(&archive)});
    let theirs =
        place.serve("/theirs.json", index(vec![entry("weather", "9.0.0", source)]).to_string());
    let ours = format!("{}/ours.json", place.server.url);
    let config = format!(
        "pack_registry:\n  indices:\n  - {{url: '{theirs}', name: theirs}}\n  - {{url: '{ours}', name: ours, priority: 1}}\n"
    );
    std::fs::write(place.path("attune.yaml"), config).unwrap();
    let refused = place.attune(&["install", "weather"]);
    assert_eq!(refused.code, 3, "{refused}");
    assert!(place.packs().is_empty());
    // Looking is no installing: what can be had is shown, and what cannot is told.
    let found = place.attune(&["search", "RAIN", "-j"]).ok();
    assert_eq!(found.json()[0]["registry"], "theirs");
    assert!(found.stderr.contains("warning: there is nothing at"), "{found}");
    assert_eq!(place.attune(&["search", "rain", "-r", "ours"]).code, 3);
    place.serve("/ours.json", index(vec![]).to_string());
    place.attune(&["install", "weather"]).ok();
    assert_eq!(place.record("weather")["registry"], "theirs");
    let listed = place.attune(&["registries", "-j"]).ok().json();
    assert_eq!((&listed[0]["name"], &listed[1]["name"]), (&json!("ours"), &json!("theirs")));
}
