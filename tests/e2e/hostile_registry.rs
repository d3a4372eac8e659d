//! A registry that lies, seen from the outside of the real program: it gets no token for anybody but
//! itself, no credential goes where it points, and it steers neither memory nor terminal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use insta::assert_snapshot;
use packhouse_tests::issuer::REQUEST_TOKEN;
use packhouse_tests::liar::{Liar, Reply, Request, forward};
use packhouse_tests::{Ci, Outcome, Runs as _, TestRegistry, plain};
use serde_json::{Value, json};

fn package(dir: &Path) -> PathBuf {
    let files = [
        (
            "packhouse.yaml",
            "package:\n  identifier: acme/kit\n  version: 1.0.0\n  repository: https://github.com/acme/kit\n  license: MIT\n  summary: Measures.\n",
        ),
        ("README.md", "# Kit\n"),
        ("LICENSE", "MIT License\n"),
    ];
    for (name, text) in files {
        std::fs::write(dir.join(name), text).unwrap();
    }
    dir.to_owned()
}

/// A job whose registry is `url`.
fn job(registry: &TestRegistry, url: &str) -> Ci {
    registry.ci("acme/kit").tag("v1.0.0").env("PACKHOUSE_REGISTRY", url)
}

fn fetch(url: &str, dir: &Path, arguments: &[&str]) -> Outcome {
    let mut command = plain(arguments);
    command.current_dir(dir).env("PACKHOUSE_REGISTRY", url).env("HOME", dir).outcome()
}

/// The audience of the token that a request carries.
fn audience(request: &Request) -> Option<String> {
    let token = request.header("authorization")?.strip_prefix("Bearer ")?;
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    Some(claims["aud"].as_str()?.to_owned())
}

/// The answer to a publish request that sends the upload to `upload`.
fn asked(upload: &str, headers: &Value) -> Reply {
    Reply::json(
        200,
        &json!({
            "status": "ok", "release_id": "r", "expires_at": "2030-01-01T00:00:00Z",
            "upload_info": {"url": "", "fields": {}}, "artifacts_upload_info": {"url": "", "fields": {}},
            "upload": {"url": upload, "headers": headers},
        }),
    )
}

/// What a registry says of a package that it does not hold.
fn nothing() -> Reply {
    Reply::json(404, &json!({"detail": "no", "error": {"code": "not-found", "message": "no"}}))
}

#[test]
fn what_a_relay_gets_is_worth_nothing_at_the_registry_it_relays_to() {
    let registry = TestRegistry::start();
    let to = registry.url();
    let relay = Liar::start(move |request| forward(&to, request));
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path());
    assert_snapshot!(job(&registry, &relay.url).publish(&folder).told(), @"
    exit 4
    error: claim `aud` is `packhouse:REGISTRY:acme/kit@1.0.0:sha256:HEX`, expected `packhouse:REGISTRY:acme/kit@1.0.0:sha256:HEX`
      while: asking to publish `acme/kit@1.0.0`
    hint: ask for a token with exactly this audience: it names the registry, the package, the version and the bytes that are published
      see: `packhouse explain wrong-audience`
    ::error title=packhouse%3A wrong-audience::claim `aud` is `packhouse:REGISTRY:acme/kit@1.0.0:sha256:HEX`, expected `packhouse:REGISTRY:acme/kit@1.0.0:sha256:HEX`%0Ahint: ask for a token with exactly this audience: it names the registry, the package, the version and the bytes that are published
    ");
    assert_eq!(registry.fetch("/index/acme/kit.json").0, 404);
    let audiences: Vec<_> = relay.seen().iter().filter_map(audience).collect();
    assert!(!audiences.is_empty());
    for audience in audiences {
        let bound = format!("packhouse:{}:acme/kit@1.0.0:sha256:", relay.url);
        assert!(audience.starts_with(&bound), "{audience}");
    }
}

#[test]
fn no_hint_of_a_registry_changes_the_audience_that_is_asked_for() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path());
    // The job's token service, which writes down what it is asked.
    let service = Liar::start(|_| Reply::json(200, &json!({"value": "a.b.c"})));
    let victim = "https://victim.example";
    let hinting = move |status: u16, body: Value| {
        Reply::json(status, &body)
            .header(
                "www-authenticate",
                &format!("Bearer audience=\"{victim}\", realm=\"{victim}\""),
            )
            .header("x-oidc-audience", victim)
            .header("link", &format!("<{victim}>; rel=\"audience\""))
    };
    let refusal = json!({"detail": "x", "audience": victim, "error": {
        "code": "wrong-audience", "message": "ask for another", "help": format!("ask for {victim}"),
        "facts": {"claim": "aud", "expected": victim},
    }});
    let evil = Liar::start(move |request| match request.method.as_str() {
        "GET" if request.path.starts_with("/index/") => hinting(404, refusal.clone()),
        "GET" => hinting(200, json!({"audience": victim, "token_audience": victim})),
        _ => hinting(401, refusal.clone()),
    });
    let url = format!("{}/token?api-version=2.0", service.url);
    let ci = job(&registry, &evil.url).env("ACTIONS_ID_TOKEN_REQUEST_URL", &url);
    for arguments in
        [&["publish"][..], &["publish", "--dry-run"], &["publish", "--skip-duplicate-versions"]]
    {
        assert_eq!(ci.command(arguments).arg(&folder).outcome().code, 4);
    }
    for arguments in [
        &["yank", "acme/kit@1.0.0", "--reason", "x"][..],
        &["deprecate", "acme/kit@1.0.0", "--reason", "x"],
        &["policy", "set", "acme/kit", "--branch", "main"],
    ] {
        assert_eq!(ci.run(arguments).code, 4);
    }
    let asked = service.seen();
    assert!(asked.len() >= 6, "every command asked: {}", asked.len());
    let origin = evil.url.replace(':', "%3A").replace('/', "%2F");
    for request in asked {
        let (_, audience) = request.path.split_once("audience=").unwrap();
        let kinds = [
            "packhouse",
            "packhouse-rehearse",
            "packhouse-yank",
            "packhouse-policy",
            "packhouse-deprecate",
        ];
        let ours = kinds
            .iter()
            .any(|kind| audience.starts_with(&format!("{kind}%3A{origin}%3Aacme%2Fkit")));
        assert!(ours && !request.path.contains("victim"), "{}", request.path);
        assert_eq!(request.path.matches("audience=").count(), 1, "{}", request.path);
    }
    // The job's own credential never left for the registry.
    assert!(evil.seen().iter().all(|request| !format!("{request:?}").contains(REQUEST_TOKEN)));
}

#[test]
fn an_upload_elsewhere_gets_the_bytes_and_no_credential() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path());
    let elsewhere = Liar::start(|_| Reply::new(200, ""));
    let (target, upload_headers) = (elsewhere.url.clone(), json!({"x-amz-meta": "1"}));
    let evil = Liar::start(move |request| match request.path.as_str() {
        "/v1/publish" => asked(&format!("{target}/bucket"), &upload_headers),
        _ => nothing(),
    });
    let ci = job(&registry, &evil.url).env("PACKHOUSE_TOKEN", "pkh_secret-of-the-operator");
    assert_eq!(ci.publish(&folder).code, 3, "it knows nothing of a confirm");
    let [put] = &elsewhere.seen()[..] else { panic!("{:?}", elsewhere.seen()) };
    assert_eq!((put.method.as_str(), &put.body[..2]), ("PUT", &b"PK"[..]));
    assert!(!put.has_credential(&[REQUEST_TOKEN, "pkh_secret-of-the-operator"]), "{put:?}");

    // Addresses and headers that are not for uploads are refused before a byte goes out.
    elsewhere.forget();
    let target = elsewhere.url.clone();
    let wrong = [
        ("http://169.254.169.254/latest/api/token".to_owned(), json!({})),
        ("file:///etc/passwd".to_owned(), json!({})),
        (format!("http://user:pass@{}", target.trim_start_matches("http://")), json!({})),
        (target.clone(), json!({"authorization": "Basic eDp5"})),
        (target.clone(), json!({"cookie": "a=b"})),
        (target.clone(), json!({"host": "victim.example"})),
        (target.clone(), json!({"transfer-encoding": "chunked"})),
        (target, json!({"x-a": "b\r\ncookie: c"})),
    ];
    for (url, headers) in wrong {
        let answer = (url.clone(), headers.clone());
        let evil = Liar::start(move |request| match request.path.as_str() {
            "/v1/publish" => asked(&answer.0, &answer.1),
            _ => nothing(),
        });
        let outcome = job(&registry, &evil.url).publish(&folder);
        assert_eq!(outcome.code, 7, "{url} {headers}: {outcome}");
    }
    assert!(elsewhere.seen().is_empty(), "{:?}", elsewhere.seen());
}

#[test]
fn redirects_lead_nowhere() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path());
    let stranger = Liar::start(|_| Reply::json(200, &json!({})));
    for status in [301, 302, 303, 307, 308] {
        let target = stranger.url.clone();
        let evil =
            Liar::start(move |_| Reply::new(status, "").header("location", &format!("{target}/x")));
        let publish = job(&registry, &evil.url).publish(&folder);
        assert_eq!(publish.code, 7, "{publish}");
        for arguments in [
            &["fetch", "acme/kit"][..],
            &["info", "acme/kit"],
            &["search", "kit"],
            &["policy", "show", "acme/kit"],
        ] {
            let outcome = fetch(&evil.url, dir.path(), arguments);
            assert_eq!(outcome.code, 7, "{outcome}");
            assert!(outcome.stderr.contains("a redirect"), "{outcome}");
        }
    }
    // The token service does not lead anywhere either.
    let target = stranger.url.clone();
    let service = Liar::start(move |_| Reply::new(307, "").header("location", &target));
    let honest = Liar::start(|_| nothing());
    let ci = job(&registry, &honest.url).env("ACTIONS_ID_TOKEN_REQUEST_URL", &service.url);
    assert_eq!(ci.publish(&folder).code, 7);
    assert!(stranger.seen().is_empty(), "{:?}", stranger.seen());
}

#[test]
fn what_is_no_answer_of_a_registry_is_told_and_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let huge = || Reply { announced: Some(1 << 40), ..Reply::new(200, "{") };
    let endless = || Reply { endless: true, ..Reply::new(200, vec![b' '; 1 << 16]) };
    let deep = format!("{{\"versions\": {}", "[".repeat(200_000));
    let answers: [(&str, Reply); 9] = [
        (
            "html",
            Reply::new(200, "<html>Welcome to the hotel</html>")
                .header("content-type", "text/html"),
        ),
        ("nothing", Reply::new(200, "")),
        ("another type", Reply::json(200, &json!([1, 2]))),
        ("null", Reply::json(200, &Value::Null)),
        ("deep", Reply::new(200, deep)),
        ("huge", huge()),
        ("endless", endless()),
        ("truncated", Reply { announced: Some(10_000), ..Reply::new(200, "{\"schema\": 1,") }),
        ("teapot", Reply::new(418, vec![b'x'; 1 << 20])),
    ];
    for (name, reply) in answers {
        let reply = Arc::new(reply);
        let evil = Liar::start(move |_| Reply::clone(&reply));
        for arguments in [
            &["fetch", "acme/kit", "--json"][..],
            &["info", "acme/kit", "--json"],
            &["search", "x", "--json"],
        ] {
            let begun = Instant::now();
            // A GiB of addresses is plenty for a client, and far too little for what it is offered.
            let mut command = std::process::Command::new("sh");
            command.args(["-c", "ulimit -v 1048576; exec \"$0\" \"$@\""]);
            command.arg(packhouse_tests::binary::packhouse()).args(arguments);
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command
                .current_dir(dir.path())
                .env("PACKHOUSE_REGISTRY", &evil.url)
                .env("HOME", dir.path());
            let outcome = command.outcome();
            assert_eq!(outcome.code, 7, "{name}: {outcome}");
            assert_eq!(outcome.json()["error"]["exit"], 7, "{name}");
            assert!(begun.elapsed() < Duration::from_secs(30), "{name}");
        }
    }
    // Nobody there, and somebody who hangs up.
    let gone = fetch("http://127.0.0.1:9", dir.path(), &["info", "acme/kit"]);
    assert_snapshot!(gone.told(), @"
    exit 7
    error: GET /index/acme/kit.json at REGISTRY: nothing listens there (connection refused)
    hint: check the address and the network, then run it again: nothing is left half done
      see: `packhouse explain registry-unreachable`
    ");
    let mute = Liar::start(|_| Reply::default());
    assert_eq!(fetch(&mute.url, dir.path(), &["info", "acme/kit"]).code, 7);
}

#[test]
fn no_text_of_a_registry_steers_a_terminal_or_a_job() {
    let evil =
        "x\u{1b}]0;owned\u{7}\u{1b}[2J\r\n::set-env name=PATH::/evil\n::error::forged\u{202e}";
    let hit = json!({"identifier": format!("acme/{evil}"), "version": evil, "summary": evil, "license": evil,
        "repository": evil, "homepage": evil, "downloads": 1, "url": evil, "format": evil, "yanked": true, "install": evil,
        "exports": [{"kind": evil, "name": evil, "module": evil, "path": evil}]});
    let refusal = json!({"detail": evil, "error": {"code": "forbidden", "message": evil, "help": evil,
        "request_id": evil, "facts": {evil: evil, "claim": evil}}});
    let index = json!({"schema": 1, "identifier": "acme/kit", "latest": evil, "versions": [{
        "version": "1.0.0", "order": "semver", "format": evil, "digest": "0".repeat(64), "tree_digest": "0".repeat(64),
        "bytes": 1, "released_at": evil, "publisher": {"kind": "open"},
        "yanked": {"at": evil, "reason": evil, "replacement": evil},
        "deprecated": {"at": evil, "reason": evil, "replacement": evil},
    }]});
    let wrong =
        Liar::start(move |request| match request.path.split('?').next().unwrap_or_default() {
            "/index/acme/kit.json" => Reply::json(200, &index),
            path if path.contains("search") || path.ends_with("packages") => Reply::json(
                200,
                &json!({"packages": [hit], "total": 1, "truncated": false,
                    "schema": 1, "hits": [hit], "page": 1, "limit": 20, "next": 2}),
            ),
            path if path.starts_with("/blobs/") => Reply::new(200, evil),
            _ => Reply::json(403, &refusal),
        });
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path());
    let ci = job(&registry, &wrong.url).env("CLICOLOR_FORCE", "0");
    let mut outcomes =
        vec![ci.publish(&folder), ci.command(&["publish", "--dry-run"]).arg(&folder).outcome()];
    for arguments in [
        &["search", "kit"][..],
        &["search", "kit", "--kind", "block"],
        &["info", "acme/kit"],
        &["info", "acme/kit@1.0.0"],
        &["fetch", "acme/kit@1.0.0", "--to", "out"],
        &["fetch", "acme/kit"],
        &["policy", "show", "acme/kit"],
        &["yank", "acme/kit@1.0.0", "--reason", "x"],
        &["verify", ".", "acme/kit@1.0.0"],
    ] {
        outcomes.push(ci.command(arguments).current_dir(dir.path()).outcome());
    }
    for outcome in outcomes {
        let text = outcome.to_string();
        assert!(!text.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{outcome}");
        for line in text.lines().filter(|line| line.trim_start().starts_with("::")) {
            let known = ["::add-mask::", "::error title=packhouse", "::warning ", "::notice "];
            assert!(known.iter().any(|start| line.starts_with(start)), "{line}");
            assert!(!line.contains("::set-env name=PATH::/evil\n"), "{line}");
        }
        assert!(!text.contains("\n::set-env") && !text.contains("\n::error::forged"), "{outcome}");
    }
}

#[test]
fn a_receipt_for_other_bytes_is_no_receipt() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path());
    let receipt = |digest: String| {
        json!({"schema": 1, "identifier": "acme/kit", "version": "1.0.0", "digest": digest, "tree_digest": "0".repeat(64),
            "bytes": 1, "publisher": {"kind": "open"}, "released_at": "2026-01-01T00:00:00Z", "url": "http://127.0.0.1:9/",
            "download_url": "http://127.0.0.1:9/", "warnings": []})
    };
    let other = receipt("1".repeat(64));
    let evil = Liar::start(move |request| match request.path.as_str() {
        "/v1/publish" => {
            let mut answer: Value = serde_json::from_slice(&asked("", &json!({})).body).unwrap();
            answer["receipt"] = other.clone();
            Reply::json(200, &answer)
        }
        _ => nothing(),
    });
    let outcome = job(&registry, &evil.url).publish(&folder);
    assert_eq!(outcome.code, 6, "{outcome}");
}
