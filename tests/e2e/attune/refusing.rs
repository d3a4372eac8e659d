//! What is refused leaves no trace: the folder of packs is as it was, and so are temporary folders.

use std::os::unix::fs::PermissionsExt as _;

use packhouse_core::attune::checksum::Checksum;
use packhouse_core::digest::Digest;
use packhouse_tests::sshd::{Known, Sshd};
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
        assert!(place.scratch().is_empty(), "{arguments:?}: {:?}", place.scratch());
    }
    let twice = place.attune(&["install", "./git/weather.git"]);
    assert_eq!(twice.code, 2, "{twice}");
    assert!(twice.stderr.contains("is installed already"), "{twice}");
    assert!(place.packs() == before);
}

/// Every kind of source, as the arguments that install `pack` from it.
struct Sources<'a> {
    place: &'a Place,
    ssh: &'a Sshd,
}

impl Sources<'_> {
    /// Puts a pack everywhere; `promised` is the checksum that indices name, if not the right one.
    fn of(&self, pack: &[(&'static str, String)], promised: Option<Checksum>) -> Vec<Vec<String>> {
        let place = self.place;
        let whole = tree(pack, "");
        for left in ["git/pack.git/actions", "git/pack.git/tests", "folder"] {
            let _ = std::fs::remove_dir_all(place.path(left));
        }
        let folder = place.folder("git/pack.git", &borrowed(pack));
        if !folder.join(".git").exists() {
            git(&folder, &["init", "--quiet"]);
        }
        git(&folder, &["add", "--all"]);
        git(&folder, &["commit", "--quiet", "--allow-empty", "-m", "next"]);
        git(&folder, &["tag", "--force", "v1"]);
        let http = format!("{}/git/pack.git", place.server.url);
        let (zip, tar) = (zip(&whole), tar_gz(&whole));
        let zip_url = place.serve("/pack.zip", zip.clone());
        let tar_url = place.serve("/pack.tar.gz", tar.clone());
        std::fs::write(place.path("pack.zip"), &zip).unwrap();
        std::fs::write(place.path("pack.tgz"), &tar).unwrap();
        place.folder("folder", &borrowed(pack));
        let indexed = |name: &str, source: serde_json::Value| {
            let text = index(vec![entry("pack", "1.0.0", source)]).to_string();
            place.serve(&format!("/{name}.json"), text)
        };
        let of_git = promised.unwrap_or(checksum(&whole));
        let of_zip = promised.unwrap_or(Checksum::of_bytes(&zip));
        let by_git = json!({"type": "git", "url": http, "ref": "v1", "checksum": of_git});
        let by_zip = json!({"type": "archive", "url": zip_url, "checksum": of_zip});
        let (by_git, by_zip) = (indexed("by-git", by_git), indexed("by-zip", by_zip));
        let ssh = self.ssh.url(&folder);
        let rows = [
            &[&*http][..],
            &[&http, "--ref", "v1"],
            &[&ssh, "--ref", "v1"],
            &[&zip_url],
            &[&tar_url],
            &["./folder"],
            &["pack.zip"],
            &["pack.tgz"],
            &["pack", "--index", &by_git],
            &["pack@1.0.0", "--index", &by_zip],
        ];
        rows.map(|row| row.iter().map(|text| (*text).to_owned()).collect()).to_vec()
    }
}

#[test]
fn every_source_that_fails_leaves_nothing_behind() {
    let place = Place::new();
    std::fs::set_permissions(place.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let sshd = Sshd::start(None);
    let programs = sshd.client(Known::Right);
    let sources = Sources { place: &place, ssh: &sshd };
    let pack = |more: &str, test: &str| {
        let mut files = weather("pack", "1.0.0", more);
        files[3].1 = test.to_owned();
        files
    };
    let refused = |what: &str, row: &[String], code: i32, words: &str| {
        let all: Vec<&str> =
            ["install"].into_iter().chain(row.iter().map(String::as_str)).collect();
        let outcome = place.with_path(&all, Some(&programs));
        assert_eq!(outcome.code, code, "{what} {row:?}\n{outcome}");
        assert!(outcome.stderr.contains(words), "{what} {row:?}\n{outcome}");
        // Not even the folder of packs was made.
        assert!(!place.path("packs").exists(), "{what} {row:?}: {:?}", place.packs());
        assert!(place.scratch().is_empty(), "{what} {row:?}: {:?}", place.scratch());
    };
    // What is in the pack: whichever way it comes.
    for (what, files, code, words) in [
        ("a dependency", pack("dependencies: [gone]\n", ""), 1, "`pack` needs the pack `gone`"),
        ("a runtime", pack("python: '99.0'\n", ""), 1, "99.0"),
        ("a test", pack("", "exit 4\n"), 1, "`shell` exit code 4"),
        ("a manifest", vec![("pack.yaml", "ref: ../up\nversion: 1.0.0\n".to_owned())], 2, "1:6"),
    ] {
        for row in sources.of(&files, None) {
            refused(what, &row, code, words);
        }
    }
    // What is not there.
    let right = pack("", "");
    for row in sources.of(&right, None) {
        let mut row: Vec<String> = row.iter().map(|text| text.replace("v1", "v2")).collect();
        let (code, words) = match row[0].as_str() {
            "pack" | "pack@1.0.0" => {
                row[0] = row[0].replace("pack", "absent");
                (3, "no index has the pack `absent`")
            }
            "./folder" | "pack.zip" | "pack.tgz" => {
                row[0] = format!("{}.none", row[0]);
                (2, "no address, no path")
            }
            url if url.contains(".git") => {
                if row.len() == 1 {
                    row.extend(["--ref", "v2"].map(str::to_owned));
                }
                (2, "cannot be read")
            }
            _ => {
                row[0] = row[0].replace("pack", "absent");
                (3, "there is nothing at")
            }
        };
        refused("nothing there", &row, code, words);
    }
    // Other content than was promised: by an index, or by a signature.
    let other = Checksum(Digest::of(b"other"));
    let key = super::indices::key(&place, "key.pem");
    for mut row in sources.of(&right, Some(other)) {
        let words = match row[0].as_str() {
            "pack" | "pack@1.0.0" => "is not what the index promises",
            path if path.ends_with(".zip") || path.ends_with("gz") => {
                std::fs::write(place.path("other"), "other bytes").unwrap();
                place.attune(&["checksum", "other", "--sign-key", "key.pem"]).ok();
                let signature = std::fs::read(place.path("other.sig")).unwrap();
                std::fs::write(place.path(&format!("{path}.sig")), &signature).ok();
                place.serve("/pack.zip.sig", signature.clone());
                place.serve("/pack.tar.gz.sig", signature);
                row.extend(["--key".to_owned(), key.clone()]);
                "its signature is not of the configured key"
            }
            // Nothing is promised of a folder or a repository by itself.
            _ => continue,
        };
        refused("other content", &row, 6, words);
    }
    // All of them work.
    for row in sources.of(&right, None) {
        let all: Vec<&str> =
            ["install", "--force"].into_iter().chain(row.iter().map(String::as_str)).collect();
        place.with_path(&all, Some(&programs)).ok();
        assert_eq!(place.record("pack")["version"], "1.0.0", "{row:?}");
        assert!(place.scratch().is_empty(), "{row:?}: {:?}", place.scratch());
    }
}

#[test]
fn content_that_is_not_the_promised_one_is_had_from_a_source_that_keeps_its_promise() {
    let place = Place::new();
    repository(&place, "weather.git");
    let archive = zip(&tree(&weather("weather", "1.0.0", ""), ""));
    let wrong = Checksum(Digest::of(b"other"));
    let git_url = format!("{}/git/weather.git", place.server.url);
    let of_git = json!({"type": "git", "url": git_url, "ref": "v1", "checksum": wrong});
    let url = place.serve("/w.zip", archive.clone());
    let listed = |of_archive: serde_json::Value| {
        let mut entry = entry("weather", "1.0.0", of_git.clone());
        entry["install_sources"] = json!([of_git, of_archive]);
        place.serve("/index.json", index(vec![entry]).to_string())
    };
    let unproven = json!({"type": "archive", "url": url});
    for of_archive in [unproven, json!({"type": "archive", "url": url, "checksum": wrong})] {
        let index = listed(of_archive);
        let refused = place.attune(&["install", "weather", "--index", &index]);
        assert_eq!(refused.code, 6, "{refused}");
        assert!(
            refused.stderr.contains("weather.git` is not what the index promises"),
            "{refused}"
        );
        assert!(!place.path("packs").exists());
    }
    let right = json!({"type": "archive", "url": url, "checksum": Checksum::of_bytes(&archive)});
    let outcome = place.attune(&["install", "weather", "--index", &listed(right)]).ok();
    assert!(outcome.stderr.contains("is not what the index promises"), "{outcome}");
    assert_eq!(place.record("weather")["kind"], "archive");
    assert_eq!(place.record("weather")["verified"], "index");
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
