//! Fetching by identifier: the right version, the right bytes, and nothing outside of its folder.

use std::path::Path;
use std::time::Duration;

use insta::assert_snapshot;
use packhouse_core::archive;
use packhouse_core::digest::Digest;
use packhouse_core::tree::Tree;
use packhouse_tests::liar::{Liar, Reply, Request, forward};
use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Outcome, Runs as _, TestRegistry, plain};
use serde_json::{Value, json};

fn released(registry: &TestRegistry, identifier: &str, version: &str) {
    let ci = registry.ci(identifier).tag(&format!("v{version}"));
    let parcel = Parcel::new(identifier, version, version);
    let (status, body) = Raw { url: registry.url(), ci }.publish(&parcel);
    assert_eq!(status, 200, "{body}");
}

/// `packhouse ARGUMENTS` in `dir`, with a cache of its own.
fn packhouse(url: &str, dir: &Path, arguments: &[&str]) -> Outcome {
    let mut command = plain(arguments);
    command.current_dir(dir).env("PACKHOUSE_REGISTRY", url).env("HOME", dir.join("home"));
    command.outcome()
}

fn mark(registry: &TestRegistry, arguments: &[&str]) {
    let mut command = plain(arguments);
    command
        .env("PACKHOUSE_REGISTRY", registry.url())
        .env("PACKHOUSE_TOKEN", registry.admin_token());
    command.outcome().ok();
}

/// What lies in `dir`, hidden files included, the caches' folder excepted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "home");
    names.sort();
    names
}

#[test]
fn the_version_that_is_meant_is_fetched() {
    let registry = TestRegistry::start();
    for version in ["0.9.0", "1.0.0", "1.2.0", "2.0.0", "3.0.0-rc.1"] {
        released(&registry, "acme/kit", version);
    }
    mark(&registry, &["yank", "acme/kit@2.0.0", "--reason", "burns", "--replacement", "1.2.0"]);
    let dir = tempfile::tempdir().unwrap();
    let fetch = |wanted: &str| {
        let outcome = packhouse(
            &registry.url(),
            dir.path(),
            &["fetch", "--json", "--force", "--to", "out", wanted],
        );
        match outcome.code {
            0 => outcome.json()["packages"][0]["version"].as_str().unwrap().to_owned(),
            _ => outcome.json()["error"]["message"].as_str().unwrap().to_owned(),
        }
    };
    let wanted = [
        "acme/kit",
        "ACME/Kit",
        "acme/kit@1.0.0",
        "acme/kit@^1",
        "acme/kit@~1.0",
        "acme/kit@>=0.9, <1.2",
        "acme/kit@2.0.0",
        "acme/kit@^2",
        "acme/kit@3.0.0-rc.1",
        "acme/kit@^3",
        "acme/kit@^3.0.0-rc.0",
        "acme/kit@v1.0.0",
        "acme/kit@latest",
        "acme/kit@*",
        "acme/kti",
    ];
    let table: Vec<_> =
        wanted.iter().map(|wanted| format!("{wanted}: {}", fetch(wanted))).collect();
    assert_snapshot!(table.join("\n").replace(&registry.url(), "REGISTRY"), @"
    acme/kit: 1.2.0
    ACME/Kit: 1.2.0
    acme/kit@1.0.0: 1.0.0
    acme/kit@^1: 1.2.0
    acme/kit@~1.0: 1.0.0
    acme/kit@>=0.9, <1.2: 1.0.0
    acme/kit@2.0.0: 2.0.0
    acme/kit@^2: `acme/kit` has no version `^2`
    acme/kit@3.0.0-rc.1: 3.0.0-rc.1
    acme/kit@^3: `acme/kit` has no version `^3`
    acme/kit@^3.0.0-rc.0: 3.0.0-rc.1
    acme/kit@v1.0.0: `acme/kit` has no version `v1.0.0`
    acme/kit@latest: `acme/kit` has no version `latest`
    acme/kit@*: 1.2.0
    acme/kti: there is no package `acme/kti` at REGISTRY
    ");

    let fetch = |arguments: &[&str]| {
        packhouse(&registry.url(), dir.path(), &[&["fetch"], arguments].concat())
    };
    assert_snapshot!(fetch(&["acme/kit@2.0.0", "--to", "yanked"]).told(), @"
    exit 0
    warning: `acme/kit@2.0.0` is yanked: burns; use `1.2.0`
    Fetched acme/kit@2.0.0 (447 B), every byte checked
    yanked
    ");
    mark(&registry, &["admin", "quarantine", "acme/kit@1.2.0", "--reason", "malware\u{1b}[2J"]);
    mark(&registry, &["admin", "remove", "acme/kit@0.9.0", "--reason", "court order"]);
    assert_snapshot!(fetch(&["acme/kit@1.2.0", "--to", "q"]).told(), @r"
    exit 3
    error: `acme/kit@1.2.0` is quarantined: malware\u{1b}[2J
    hint: choose another version
    ");
    assert_snapshot!(fetch(&["acme/kit@0.9.0", "--to", "r"]).told(), @"
    exit 3
    error: `acme/kit@0.9.0` was removed: court order
    hint: choose another version
    ");
    assert_snapshot!(fetch(&["acme/kti"]).told(), @"
    exit 3
    error: there is no package `acme/kti` at REGISTRY
    hint: did you mean `acme/kit`?
    ");
}

#[test]
fn what_is_there_is_kept_unless_it_is_to_be_replaced() {
    let registry = TestRegistry::start();
    released(&registry, "acme/kit", "1.0.0");
    released(&registry, "acme/other", "1.0.0");
    let dir = tempfile::tempdir().unwrap();
    let fetch = |arguments: &[&str]| {
        packhouse(&registry.url(), dir.path(), &[&["fetch"], arguments].concat())
    };
    assert_snapshot!(fetch(&["acme/kit", "acme/other", "--into", "deep/folder"]).told(), @"
    exit 0
    Fetched acme/kit@1.0.0 (446 B), every byte checked
    Fetched acme/other@1.0.0 (447 B), every byte checked
    deep/folder/acme-kit-1.0.0
    deep/folder/acme-other-1.0.0
    ");
    assert_snapshot!(fetch(&["acme/kit", "--into", "deep/folder"]).told(), @"
    exit 0
    Unchanged acme/kit@1.0.0 (446 B), every byte checked
    deep/folder/acme-kit-1.0.0
    ");
    let mine = dir.path().join("deep/folder/acme-kit-1.0.0/mine.txt");
    std::fs::write(&mine, "work of a day").unwrap();
    assert_snapshot!(fetch(&["acme/kit", "--into", "deep/folder"]).told(), @"
    exit 2
    error: `deep/folder/acme-kit-1.0.0` exists already and is not `acme/kit@1.0.0`
    hint: choose another place with `--to` or `--into`, or replace it with `--force`
    ");
    assert!(mine.exists());
    fetch(&["acme/kit", "--into", "deep/folder", "--force"]).ok();
    assert!(!mine.exists());
    let zip = fetch(&["acme/kit", "--archive"]).ok();
    let bytes = std::fs::read(dir.path().join(zip.stdout.trim())).unwrap();
    let index = registry.get("/index/acme/kit.json");
    assert_eq!(index["versions"][0]["digest"], Digest::of(&bytes).hex().as_str());
    packhouse(&registry.url(), dir.path(), &["verify", zip.stdout.trim(), "acme/kit@1.0.0"]).ok();
    assert_snapshot!(fetch(&["acme/kit", "acme/kit@1.0.0"]).told(), @"
    exit 2
    error: `acme/kit@1.0.0` and `acme/kit@1.0.0` would both become `./acme-kit-1.0.0`
    hint: fetch them one by one with `--to`
    ");
    // One that cannot be had does not take the others along.
    std::fs::write(dir.path().join("acme-kit-1.0.0.zip"), "mine").unwrap();
    assert_snapshot!(fetch(&["acme/kit", "acme/other", "--archive"]).told(), @"
    exit 2
    Fetched acme/other@1.0.0 (447 B), every byte checked
    error: `./acme-kit-1.0.0.zip` exists already and is not `acme/kit@1.0.0`
    hint: choose another place with `--to` or `--into`, or replace it with `--force`
    ");
    assert_eq!(fetch(&["acme/kit", "acme/other", "--to", "x"]).code, 2, "one place for two");
    assert_eq!(names(dir.path()), ["acme-kit-1.0.0.zip", "acme-other-1.0.0.zip", "deep"]);
}

#[test]
fn many_packages_come_at_once() {
    let registry = TestRegistry::start();
    let wanted: Vec<_> = (0..30).map(|n| format!("acme/kit-{n}")).collect();
    wanted.iter().for_each(|name| released(&registry, name, "1.0.0"));
    let dir = tempfile::tempdir().unwrap();
    let mut arguments = vec!["fetch", "--into", "all"];
    arguments.extend(wanted.iter().map(String::as_str));
    let outcome = packhouse(&registry.url(), dir.path(), &arguments).ok();
    assert_eq!(outcome.stdout.lines().count(), 30);
    for name in wanted {
        let folder = dir.path().join("all").join(format!("{}-1.0.0", name.replace('/', "-")));
        assert_eq!(std::fs::read_to_string(folder.join("content.txt")).unwrap(), "1.0.0");
    }
}

/// A registry that holds `zip` as `acme/kit@1.0.0`, and says whatever `index` makes of it.
fn holding(
    zip: Vec<u8>,
    tree_digest: &str,
    blob: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static,
) -> Liar {
    let index = json!({"schema": 1, "identifier": "acme/kit", "latest": "1.0.0", "versions": [{
        "version": "1.0.0", "order": "semver", "format": "packhouse", "digest": Digest::of(&zip).hex(),
        "tree_digest": tree_digest, "bytes": zip.len(), "released_at": "2026-01-01T00:00:00Z",
        "publisher": {"kind": "open"},
    }]});
    Liar::start(move |request| match request.path.as_str() {
        "/index/acme/kit.json" => Reply::json(200, &index),
        path if path.starts_with("/blobs/") => {
            blob(request, Reply::new(200, zip.clone()).header("etag", "\"e\""))
        }
        _ => Reply::json(404, &json!({})),
    })
}

fn noise(bytes: u32) -> (Vec<u8>, String) {
    let noise: Vec<u8> =
        (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 ^ (n >> 9) as u8).collect();
    let mut tree = Tree::default();
    let manifest = "package:\n  identifier: acme/kit\n  version: 1.0.0\n";
    tree.insert("packhouse.yaml".parse().unwrap(), manifest.as_bytes(), false);
    for (at, part) in noise.chunks(1 << 20).enumerate() {
        // Sealed, so that nothing makes them smaller.
        let sealed: Vec<u8> = part.chunks(32).flat_map(|c| *Digest::of(c).as_bytes()).collect();
        tree.insert(format!("part-{at}").parse().unwrap(), sealed, false);
    }
    let archive = archive::pack(&tree).unwrap();
    (archive.bytes, archive.tree_digest.to_string())
}

#[test]
fn a_download_that_was_killed_goes_on_where_it_was() {
    let (zip, tree_digest) = noise(5 << 20);
    assert!(zip.len() > 3 << 20);
    let half = zip.len() / 2;
    let liar = holding(zip.clone(), &tree_digest, move |_, reply| Reply {
        cut: Some(half),
        hang: Duration::from_secs(30),
        ..reply
    });
    let dir = tempfile::tempdir().unwrap();
    let mut command = plain(&["fetch", "acme/kit", "--to", "out"]);
    command
        .current_dir(dir.path())
        .env("PACKHOUSE_REGISTRY", &liar.url)
        .env("HOME", dir.path().join("home"));
    let mut child = command.spawn().unwrap();
    let partials = dir.path().join("home/.cache/packhouse/partial");
    let size = || {
        let files = std::fs::read_dir(&partials).into_iter().flatten().flatten();
        files.filter_map(|file| Some(file.metadata().ok()?.len())).max().unwrap_or(0)
    };
    for _ in 0..2000 {
        if size() >= half as u64 / 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = size();
    assert!(kept >= half as u64 / 2, "what came is kept: {kept} of {half}");
    assert!(!dir.path().join("out").exists());
    // The second run asks for the rest only, and only of the same bytes.
    let rest = holding(zip.clone(), &tree_digest, move |request, reply| {
        let from = request.header("range").and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        match from {
            Some(from) => {
                let range = format!("bytes {from}-{}/{}", reply.body.len() - 1, reply.body.len());
                Reply { status: 206, body: reply.body[from..].to_vec(), ..reply.clone() }
                    .header("content-range", &range)
            }
            None => reply,
        }
    });
    packhouse(&rest.url, dir.path(), &["fetch", "acme/kit", "--to", "out"]).ok();
    let asked: Vec<_> = rest.seen().into_iter().filter(|r| r.path.starts_with("/blobs/")).collect();
    assert_eq!(asked.len(), 1);
    let range: u64 = asked[0]
        .header("range")
        .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap();
    assert!(range >= kept && range <= half as u64, "{range} of {kept}");
    assert!(dir.path().join("out/part-0").exists());
    assert_eq!(size(), 0, "nothing partial is left");
    // An interrupt leaves nothing half done beside the target.
    assert_eq!(names(dir.path()), ["out"]);
}

#[test]
fn other_bytes_than_promised_are_refused_and_gone() {
    let (zip, tree_digest) = noise(2 << 20);
    let dir = tempfile::tempdir().unwrap();
    let fetch = |liar: &Liar, more: &[&str]| {
        packhouse(&liar.url, dir.path(), &[&["fetch", "acme/kit", "--to", "out"], more].concat())
    };
    let flipped = holding(zip.clone(), &tree_digest, |_, mut reply| {
        let middle = reply.body.len() / 2;
        reply.body[middle] ^= 1;
        reply
    });
    assert_snapshot!(fetch(&flipped, &[]).told(), @"
    exit 6
    error: the archive of `acme/kit@1.0.0` has sha256:HEX, the index promised sha256:HEX
    hint: do not use these bytes; tell the registry's operator if it repeats
    ");
    assert_eq!(fetch(&flipped, &["--archive"]).code, 6);
    let longer = holding(zip.clone(), &tree_digest, |_, mut reply| {
        reply.body.push(0);
        reply
    });
    assert!(matches!(fetch(&longer, &[]).code, 6 | 7));
    let shorter = holding(zip.clone(), &tree_digest, |_, mut reply| {
        reply.body.pop();
        reply
    });
    assert!(matches!(fetch(&shorter, &[]).code, 6 | 7));
    // The right digest of the archive, and the wrong one of its content.
    let other_tree = holding(zip.clone(), &Digest::of(b"other").hex(), |_, reply| reply);
    assert_snapshot!(fetch(&other_tree, &[]).told(), @"
    exit 6
    error: the content has the tree digest HEX, but HEX was promised
    ");
    assert_eq!(fetch(&other_tree, &["--archive"]).code, 6);
    assert!(names(dir.path()).is_empty());
    let partials = dir.path().join("home/.cache/packhouse/partial");
    assert_eq!(std::fs::read_dir(partials).map_or(0, Iterator::count), 0);
}

#[test]
fn an_archive_cannot_write_outside_of_its_folder() {
    let mut tree = Tree::default();
    tree.insert("a/b/c.txt".parse().unwrap(), *b"hello", false);
    let honest = archive::pack(&tree).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("x/y");
    std::fs::create_dir_all(&root).unwrap();
    for name in [
        "../../b.t",
        "/tmp/ph.x",
        "a/../../x",
        "C:/bb.txt",
        "a\\..\\c.t",
        "a/b/\0.tx",
        ".git/conf",
        "a//b/c.t",
        "a/b/con.t",
        "a/b/c.t.",
    ] {
        let (old, new) = (b"a/b/c.txt", [name.as_bytes(), b"xxxxxxxxx"].concat());
        let mut evil = honest.bytes.clone();
        while let Some(at) = evil.windows(old.len()).position(|window| window == old) {
            evil[at..at + old.len()].copy_from_slice(&new[..old.len()]);
        }
        let liar = holding(evil, &honest.tree_digest.to_string(), |_, reply| reply);
        let outcome = packhouse(&liar.url, &root, &["fetch", "acme/kit", "--to", "out"]);
        assert_eq!(outcome.code, 6, "{name:?}: {outcome}");
        let kept = packhouse(&liar.url, &root, &["fetch", "acme/kit", "--archive"]);
        assert_eq!(kept.code, 6, "{name:?}: {kept}");
        assert!(names(&root).is_empty() && names(&dir.path().join("x")) == ["y"], "{name:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let registry = TestRegistry::start();
    released(&registry, "acme/kit", "1.0.0");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    for into in ["file", "file/deeper"] {
        let outcome =
            packhouse(&registry.url(), dir.path(), &["fetch", "acme/kit", "--into", into]);
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains("file"), "{outcome}");
    }
    assert_eq!(names(dir.path()), ["file"]);
    // Neither home nor a cache is needed.
    let mut bare = plain(&["fetch", "acme/kit", "--to", "out"]);
    bare.current_dir(dir.path())
        .env("PACKHOUSE_REGISTRY", registry.url())
        .env("TMPDIR", "/nowhere");
    bare.outcome().ok();
}

#[test]
fn a_private_registry_is_read_with_a_token() {
    let registry = TestRegistry::with(packhouse_tests::Options {
        arguments: vec!["--private".to_owned()],
        ..Default::default()
    });
    released(&registry, "acme/kit", "1.0.0");
    let dir = tempfile::tempdir().unwrap();
    let denied = packhouse(&registry.url(), dir.path(), &["fetch", "acme/kit"]);
    assert_snapshot!(denied.told(), @"
    exit 4
    error: this request needs a token and carries none
    hint: send `Authorization: Bearer <token>`: the ID token of a CI job, or an API token
      see: `packhouse explain token-missing`
    ");
    let made: Outcome = {
        let mut command =
            plain(&["admin", "token", "create", "--label", "x", "--action", "read", "--days", "1"]);
        command
            .env("PACKHOUSE_REGISTRY", registry.url())
            .env("PACKHOUSE_TOKEN", registry.admin_token());
        command.outcome().ok()
    };
    let file = dir.path().join("token");
    std::fs::write(&file, &made.stdout).unwrap();
    let token_file: &str = file.to_str().unwrap();
    packhouse(&registry.url(), dir.path(), &["fetch", "acme/kit", "--token-file", token_file]).ok();
    packhouse(&registry.url(), dir.path(), &["info", "acme/kit", "--token-file", token_file]).ok();
    let found: Value = packhouse(
        &registry.url(),
        dir.path(),
        &["search", "kit", "--json", "--token-file", token_file],
    )
    .ok()
    .json();
    assert_eq!(found["hits"][0]["identifier"], "acme/kit");
    // A real network in between changes nothing.
    let to = registry.url();
    let liar = Liar::start(move |request| forward(&to, request));
    packhouse(
        &liar.url,
        dir.path(),
        &["fetch", "acme/kit", "--to", "again", "--token-file", token_file],
    )
    .ok();
}
