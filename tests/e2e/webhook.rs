//! The registry's GitHub App: deliveries that are signed become a comment and a check, everything
//! else becomes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use packhouse_tests::github::{
    APP, FakeGitHub, Fault, File, INSTALLATION, Pull, app_key, signature,
};
use packhouse_tests::http::send;
use packhouse_tests::raw::{Raw, parcel_of};
use packhouse_tests::{Options, TestRegistry};
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef-of-the-test";
const REPOSITORY: &str = "acme/sensor";

const MANIFEST: &str = "package:\n  identifier: acme/sensor\n  version: 1.0.0\n  summary: Reads a sensor\n  license: MIT\n  repository: https://github.com/acme/sensor\n";
const CONFLICT: &str = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n";

struct App {
    github: FakeGitHub,
    registry: TestRegistry,
    _files: tempfile::TempDir,
}

fn app() -> App {
    app_of(&[])
}

/// A registry with its App, and these arguments besides.
fn app_of(more: &[&str]) -> App {
    let github = FakeGitHub::start();
    let files = tempfile::tempdir().unwrap();
    let (key, secret) = (files.path().join("key.pem"), files.path().join("secret"));
    std::fs::write(&key, app_key()).unwrap();
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let arguments = [
        ("--github-app", APP.1.to_string()),
        ("--github-app-key", path(&key)),
        ("--github-webhook-secret", path(&secret)),
        ("--github-api", github.url()),
    ];
    let arguments = arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
    let arguments = arguments.chain(more.iter().map(|text| (*text).to_owned())).collect();
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    App { github, registry, _files: files }
}

fn files<'a>(more: &[(&'a str, &'a [u8])]) -> Vec<(&'a str, &'a [u8])> {
    let mut all: Vec<(&str, &[u8])> = vec![
        ("packhouse.yaml", MANIFEST.as_bytes()),
        ("README.md", b"# Sensor\n\nReads a sensor.\n"),
        ("LICENSE", b"MIT\n"),
    ];
    all.extend(more);
    all
}

fn delivery(number: u64) -> Vec<u8> {
    json!({
        "action": "synchronize",
        "number": number,
        "installation": { "id": INSTALLATION },
        "repository": { "full_name": REPOSITORY },
        "pull_request": { "number": number, "head": { "repo": { "full_name": "stranger/sensor" } } },
    })
    .to_string()
    .into_bytes()
}

impl App {
    /// A pull request from a fork with these files on top of the base's.
    fn pull(&self, number: u64, more: &[(&str, &[u8])]) -> String {
        let base = self.github.commit(&files(&[]));
        let head = self.github.commit(&files(more));
        let from = "stranger/sensor".to_owned();
        self.github.pull(REPOSITORY, number, Pull { head: head.clone(), base, from, open: true });
        head
    }

    fn deliver(&self, body: &[u8], headers: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/github/webhook", self.registry.url());
        let (status, answer) = send("POST", &url, headers, body);
        (status, serde_json::from_slice(&answer).unwrap_or_default())
    }

    fn signed(&self, event: &str, body: &[u8]) -> (u16, Value) {
        let signature = signature(SECRET, body);
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", event),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-hub-signature-256", &signature),
        ];
        self.deliver(body, &headers)
    }

    /// Waits until a review of the pull request came to its end.
    fn reviewed(&self, number: u64) {
        let told = format!("{REPOSITORY}#{number} at ");
        self.until("the review", |_| self.registry.log().contains(&told));
    }

    /// Waits until `done` says so.
    fn until(&self, what: &str, done: impl Fn(&FakeGitHub) -> bool) {
        let begun = Instant::now();
        while !done(&self.github) {
            let log = self.registry.log();
            assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come about:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_pull_request_from_a_fork_gets_a_comment_and_a_check() {
    let app = app();
    let head = app.pull(12, &[("notes.txt", CONFLICT.as_bytes())]);
    let (status, answer) = app.signed("pull_request", &delivery(12));
    let accepted = (status, answer["status"].as_str());
    assert_eq!(accepted, (202, Some("accepted")), "{}", app.registry.log());
    app.reviewed(12);
    let comments = app.github.comments(12);
    assert_eq!(comments.len(), 1);
    assert_eq!(comments[0].login, "packhouse-registry[bot]");
    assert!(comments[0].body.contains("`notes.txt:1`"), "{}", comments[0].body);
    assert!(
        comments[0].body.contains("then tag `v1.0.0` would publish `1.0.0`"),
        "{}",
        comments[0].body
    );
    let check = &app.github.checks()[0];
    assert_eq!(check["head_sha"], head.as_str());
    assert_eq!((&check["conclusion"], &check["external_id"]), (&json!("failure"), &json!("12")));
    assert_eq!(check["output"]["annotations"][0]["path"], "notes.txt");

    // The same bytes again are known, and a new delivery about the same state writes nothing.
    let (status, answer) = app.signed("pull_request", &delivery(12));
    assert_eq!((status, answer["status"].as_str()), (200, Some("already-handled")));
    let unchanged = |app: &App| app.registry.log().matches("comment unchanged").count();
    app.until("the review of a repeated delivery", |_| unchanged(&app) >= 1);
    app.github.calls();
    let other = String::from_utf8(delivery(12)).unwrap().replace("synchronize", "reopened");
    assert_eq!(app.signed("pull_request", other.as_bytes()).0, 202);
    app.until("the second review", |_| unchanged(&app) >= 2);
    let wrote = app.github.calls();
    assert!(
        !wrote.iter().any(|call| call.contains("comments") && !call.starts_with("GET")),
        "{wrote:?}"
    );

    // Mended: the comment goes, the check turns green.
    app.pull(12, &[("notes.txt", b"1\n")]);
    let request = json!({
        "action": "rerequested", "installation": { "id": INSTALLATION },
        "repository": { "full_name": REPOSITORY }, "check_run": { "external_id": "12" },
    });
    assert_eq!(app.signed("check_run", request.to_string().as_bytes()).0, 202);
    app.until("the green check", |github| {
        github.checks().iter().any(|c| c["conclusion"] == "success")
    });
    app.until("the comment's end", |github| github.comments(12).is_empty());
}

#[test]
fn a_private_registry_tells_a_stranger_nothing_of_other_packages() {
    let app = app_of(&["--private"]);
    let folder = tempfile::tempdir().unwrap();
    let secret = MANIFEST.replace("acme/sensor", "acme/hidden");
    std::fs::write(folder.path().join("packhouse.yaml"), &secret).unwrap();
    std::fs::write(folder.path().join("hush.txt"), "hush").unwrap();
    let parcel = parcel_of(folder.path(), "acme/hidden", "1.0.0", "packhouse");
    let ci = app.registry.ci("acme/hidden").tag("v1.0.0");
    let raw = Raw { url: app.registry.url(), ci };
    assert_eq!(raw.publish(&parcel).0, 200);
    // The pull request's author says that it is that package, or depends on it.
    let needs = "dependencies:\n  - identifier: acme/hidden\n    version: \"1\"\n  - identifier: acme/nothing\n    version: \"1\"\n";
    let claimed = [("packhouse.yaml", secret.as_bytes())];
    let needing = format!("{MANIFEST}{needs}");
    let depends = [("packhouse.yaml", needing.as_bytes())];
    for (number, files) in [(1, &claimed), (2, &depends)] {
        app.pull(number, &[&files[..], &[("a.txt", CONFLICT.as_bytes())]].concat());
        assert_eq!(app.signed("pull_request", &delivery(number)).0, 202);
        app.until("the comment", |github| !github.comments(number).is_empty());
        let said = app.github.comments(number)[0].body.clone();
        assert!(said.contains("not known: this registry is private"), "{said}");
        for hidden in ["hush", "What differs", "is released", "dependency-missing"] {
            assert!(!said.contains(hidden), "{hidden} in {said}");
        }
    }
}

#[test]
fn what_is_not_signed_as_it_should_be_does_nothing() {
    let app = app();
    app.pull(12, &[("notes.txt", CONFLICT.as_bytes())]);
    let body = delivery(12);
    let right = signature(SECRET, &body);
    let event = ("x-github-event", "pull_request");
    let code = |answer: &Value| answer["error"]["code"].as_str().unwrap_or_default().to_owned();
    let forged = signature("another secret", &body);
    // The same JSON in other bytes.
    let value: Value = serde_json::from_slice(&body).unwrap();
    let encoded = serde_json::to_vec_pretty(&value).unwrap();
    let cases: [(&str, &[u8], &str); 4] = [
        ("forged", &body, &forged),
        ("re-encoded", &encoded, &right),
        ("no signature at all", &body, "sha256="),
        ("an older kind of signature", &body, "sha1=757107ea0eb2509fc211221cce984b8a37570b6d"),
    ];
    for (what, body, signature) in cases {
        let (status, answer) = app.deliver(body, &[event, ("x-hub-signature-256", signature)]);
        assert_eq!((status, code(&answer).as_str()), (401, "signature-invalid"), "{what}");
    }
    assert_eq!(app.deliver(&body, &[event]).0, 401, "without a header");
    let huge = vec![b' '; (1 << 20) + 1];
    let signed = signature(SECRET, &huge);
    let (status, answer) = app.deliver(&huge, &[event, ("x-hub-signature-256", &signed)]);
    assert_eq!((status, code(&answer).as_str()), (413, "too-large"));
    for (event, body) in
        [("ping", "{\"zen\": \"Keep it\"}"), ("pull_request", "[]"), ("push", "{}")]
    {
        let (status, answer) = app.signed(event, body.as_bytes());
        assert_eq!((status, answer["status"].as_str()), (200, Some("nothing-to-do")), "{event}");
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(app.github.calls(), [""; 0], "nobody asked GitHub for anything");
    // A registry without an App has no such address to speak of.
    let without = TestRegistry::start();
    let (status, _) = send("POST", &format!("{}/github/webhook", without.url()), &[], &body);
    assert_eq!(status, 404);
}

#[test]
fn faults_and_limits_of_github_are_waited_for() {
    let app = app();
    app.pull(12, &[("notes.txt", CONFLICT.as_bytes())]);
    let fault = |call: &str, status, headers: &[(&str, &str)], times| Fault {
        call: call.to_owned(),
        status,
        headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        times,
    };
    app.github.fail(fault("GET /repos/acme/sensor/pulls/12", 502, &[], 1));
    app.github.fail(fault("git/trees", 0, &[], 1));
    app.github.fail(fault(
        "POST /repos/acme/sensor/issues/12/comments",
        403,
        &[("retry-after", "1")],
        1,
    ));
    app.github.fail(fault("POST /repos/acme/sensor/check-runs", 429, &[("retry-after", "1")], 1));
    assert_eq!(app.signed("pull_request", &delivery(12)).0, 202);
    app.reviewed(12);
    assert_eq!(app.github.checks().len(), 1);
    assert_eq!(app.github.comments(12).len(), 1);
}

#[test]
fn a_hostile_tree_is_reviewed_or_refused_within_bounds() {
    let app = app();
    let base = app.github.commit(&files(&[]));
    let file = |mode, bytes: &[u8]| File { mode, bytes: bytes.into(), unarchived: false };
    let mut tree: BTreeMap<String, File> = files(&[])
        .into_iter()
        .map(|(path, bytes)| (path.to_owned(), file("100644", bytes)))
        .collect();
    let pull = |number, tree: BTreeMap<String, File>| {
        let head = app.github.commit_of(tree);
        let from = "stranger/sensor".to_owned();
        app.github.pull(REPOSITORY, number, Pull { head, base: base.clone(), from, open: true });
        app.signed("pull_request", &delivery(number));
        let name = number.to_string();
        let of = |check: &Value| check["external_id"] == name.as_str();
        app.reviewed(number);
        app.github.checks().into_iter().find(of).unwrap()
    };
    // Links out of the repository, names that Windows cannot have, a file beyond all limits that
    // packs to nothing, one that the archive leaves out, and a submodule.
    tree.insert("link".to_owned(), file("120000", b"../../../etc/passwd"));
    tree.insert("con.txt".to_owned(), file("100644", b"x"));
    tree.insert("../escape".to_owned(), file("100644", b"x"));
    tree.insert("bomb".to_owned(), file("100644", &vec![0; 130 << 20]));
    tree.insert("module".to_owned(), file("160000", b""));
    let unarchived = File { unarchived: true, ..file("100644", CONFLICT.as_bytes()) };
    tree.insert("not-in-the-archive.txt".to_owned(), unarchived);
    for at in 0..60 {
        tree.insert(format!("many/{at}"), file("100644", format!("{at}").as_bytes()));
    }
    let check = pull(1, tree.clone());
    assert_eq!(check["conclusion"], "failure");
    let said = &app.github.comments(1)[0].body;
    for what in ["links", "windows-names", "unsafe-path", "limits", "`not-in-the-archive.txt:1`"] {
        assert!(said.contains(what), "{what} in {said}");
    }
    // More files than a package may have: told, and not read.
    for at in 0..12_000 {
        tree.insert(format!("data/{at}"), file("100644", b"x"));
    }
    app.github.calls();
    let check = pull(2, tree.clone());
    assert_eq!(check["conclusion"], "failure");
    assert!(app.github.comments(2)[0].body.contains("files of"), "{:?}", app.github.comments(2));
    let calls = app.github.calls();
    assert!(!calls.iter().any(|call| call.contains("tarball")), "nothing was downloaded");
    // Packages in packages, over the same bytes again and again.
    let mut nested = tree.clone();
    nested.retain(|path, _| !path.starts_with("data/") && path != "bomb");
    let random: Vec<u8> =
        (0..8u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for depth in 1..30 {
        let manifest = MANIFEST.replace("acme/sensor", &format!("acme/n{depth}"));
        nested.insert(
            format!("{}packhouse.yaml", "n/".repeat(depth)),
            file("100644", manifest.as_bytes()),
        );
    }
    nested.insert(format!("{}data.bin", "n/".repeat(29)), file("100644", &random));
    let check = pull(4, nested);
    assert_eq!(check["conclusion"], "neutral");
    assert!(check["output"]["summary"].as_str().unwrap().contains("at most 128.0 MiB"), "{check}");
    // More than GitHub lists.
    for at in 0..100_001 {
        tree.insert(format!("flood/{at}"), file("100644", b"x"));
    }
    let check = pull(3, tree);
    assert_eq!(check["conclusion"], "neutral");
    assert!(
        check["output"]["summary"].as_str().unwrap().contains("more files than GitHub lists"),
        "{check}"
    );
    assert!(app.github.comments(3).is_empty());
    if let Some(peak) = app.registry.peak_kib() {
        println!("the server's memory at its peak: {} MiB", peak >> 10);
        assert!(peak < 700 << 10, "{peak} KiB");
    }
}
