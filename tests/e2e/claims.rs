//! Who may publish, asked of a real server: each refusal names the claim and the code.

use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Ci, Options, TestRegistry, http};
use serde_json::json;

fn ci(registry: &TestRegistry) -> Ci {
    registry.ci("acme/sensor").tag("v1.0.0")
}

#[track_caller]
fn refused(registry: &TestRegistry, ci: Ci, parcel: &Parcel, status: u16, code: &str, claim: &str) {
    let (got, body) = Raw { url: registry.url(), ci }.publish(parcel);
    assert_eq!((got, &body["error"]["code"]), (status, &json!(code)), "{body}");
    let detail = body["detail"].as_str().expect("a sentence");
    assert!(detail.contains(claim), "`{claim}` is not named: {detail}");
    assert!(!body["error"]["help"].as_str().expect("help").is_empty(), "{body}");
    let index = format!("/index/{}.json", parcel.identifier);
    assert_eq!(registry.fetch(&index).0, 404, "nothing became visible");
}

#[test]
fn a_first_release_needs_the_owner_the_event_and_the_tag() {
    let registry = TestRegistry::start();
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let cases = [
        (ci(&registry).branch("main"), "wrong-ref", "ref_type"),
        (ci(&registry).tag("v1.0.1"), "tag-mismatch", "ref"),
        (registry.ci("other/sensor").tag("v1.0.0"), "wrong-owner", "repository_owner"),
        (ci(&registry).claim("event_name", "pull_request_target"), "wrong-event", "event_name"),
        (ci(&registry).claim("event_name", "issue_comment"), "wrong-event", "event_name"),
    ];
    for (job, code, claim) in cases {
        refused(&registry, job, &parcel, 403, code, claim);
    }
}

#[test]
fn the_first_release_pins_repository_and_owner() {
    let registry = TestRegistry::start();
    let publish = |claims: &[(&str, &str)], version: &str| {
        let ci = claims.iter().fold(registry.ci("acme/sensor"), |ci, (n, v)| ci.claim(n, v));
        let raw = Raw { url: registry.url(), ci: ci.tag(&format!("v{version}")) };
        raw.publish(&Parcel::new("acme/sensor", version, "x"))
    };
    let ids = [("repository_id", "11"), ("repository_owner_id", "22")];
    assert_eq!(publish(&ids, "1.0.0").0, 200);
    // Made anew under the same name: another number.
    let (status, body) = publish(&[("repository_id", "12"), ids[1]], "1.0.1");
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-repository")), "{body}");
    assert_eq!(body["error"]["facts"]["claim"], "repository_id");
    assert_eq!(body["error"]["facts"]["actual"], "12");
    let (status, body) = publish(&[ids[0], ("repository_owner_id", "23")], "1.0.1");
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-owner")), "{body}");
    // Renamed: other names, the same numbers.
    let renamed =
        [ids[0], ids[1], ("repository", "acme-corp/probe"), ("repository_owner", "acme-corp")];
    assert_eq!(publish(&renamed, "1.0.1").0, 200);
    // A stranger takes the free account name: the owner's number differs, for new packages too.
    let stranger = registry.ci("acme/other").claim("repository_owner_id", "99").tag("v1.0.0");
    let raw = Raw { url: registry.url(), ci: stranger };
    let (status, body) = raw.publish(&Parcel::new("acme/other", "1.0.0", "x"));
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-owner")), "{body}");
}

#[test]
fn a_token_is_good_for_one_publish_of_one_content_on_one_registry() {
    let registry = TestRegistry::start();
    let raw = Raw { url: registry.url(), ci: ci(&registry) };
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let other = Parcel::new("acme/sensor", "1.0.0", "y");
    // For other content.
    let (status, body) = raw.request_with(&other, &[], &raw.token(&parcel));
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-audience")), "{body}");
    // For another registry.
    let elsewhere = Raw { url: "https://packages.example.org".to_owned(), ci: ci(&registry) };
    let (status, body) = raw.request_with(&parcel, &[], &elsewhere.token(&parcel));
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-audience")), "{body}");
    // For the host only, although a digest is announced.
    let host = registry.url().trim_start_matches("http://").to_owned();
    let (status, body) = raw.request_with(&parcel, &[], &raw.ci.token(&host));
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-audience")), "{body}");
    // For a rehearsal.
    let rehearsal =
        format!("packhouse-rehearse:{}:acme/sensor@1.0.0:sha256:{}", registry.url(), parcel.digest);
    let (status, body) = raw.request_with(&parcel, &[], &raw.ci.token(&rehearsal));
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-audience")), "{body}");
    // None, or none of a token.
    let (status, body) = raw.request_with(&parcel, &[], "");
    assert_eq!((status, &body["error"]["code"]), (401, &json!("token-missing")), "{body}");
    let (status, body) = raw.request_with(&parcel, &[], "a.b.c");
    assert_eq!((status, &body["error"]["code"]), (401, &json!("token-invalid")), "{body}");
}

#[test]
fn a_captured_token_opens_nothing_twice() {
    let registry = TestRegistry::start();
    let host = registry.url().trim_start_matches("http://").to_owned();
    let ci = registry.ci("acme/sensor").tag("v1.0.0").claim("ref", "refs/tags/1.0.0");
    let token = ci.token(&host);
    let ask = |size: usize| {
        let body = json!({ "identifier": "acme/sensor", "package_version": "1.0.0", "package_size": size });
        http::post(&format!("{}/v1/publish", registry.url()), &token, &body)
    };
    let (status, first) = ask(100);
    assert_eq!(status, 200, "{first}");
    let (status, same) = ask(100);
    assert_eq!((status, &same["release_id"]), (200, &first["release_id"]), "its own publish again");
    let (status, body) = ask(101);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("token-replayed")), "{body}");
}

#[test]
fn only_the_job_that_asked_confirms() {
    let registry = TestRegistry::start();
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let raw = Raw { url: registry.url(), ci: ci(&registry).claim("run_id", "1") };
    let (_, asked) = raw.request(&parcel, &[]);
    assert_eq!(raw.upload(&asked, &parcel.zip).0, 200);
    let id = asked["release_id"].as_str().unwrap();
    for (name, value) in [("run_id", "2"), ("repository_id", "5"), ("repository_owner_id", "6")] {
        let other = Raw { url: registry.url(), ci: raw.ci.clone().claim(name, value) };
        let (status, body) = other.confirm(&parcel, id);
        assert_eq!((status, &body["error"]["code"]), (403, &json!("intent-foreign")), "{body}");
        assert_eq!(body["error"]["facts"]["claim"], name);
    }
    assert_eq!(raw.confirm(&parcel, id).0, 200);
    assert_eq!(raw.confirm(&parcel, &"0".repeat(32)).0, 404);
}

#[test]
fn other_bytes_than_announced_are_refused_by_the_store() {
    let registry = TestRegistry::start();
    let raw = Raw { url: registry.url(), ci: ci(&registry) };
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let (_, asked) = raw.request(&parcel, &[]);
    let mut tampered = parcel.zip.clone();
    let middle = tampered.len() / 2;
    tampered[middle] ^= 1;
    assert!((400..500).contains(&raw.upload(&asked, &tampered).0));
    assert!((400..500).contains(&raw.upload(&asked, &parcel.zip[1..]).0));
    let mut elsewhere = asked.clone();
    let url = asked["upload"]["url"].as_str().unwrap();
    let id = asked["release_id"].as_str().unwrap();
    elsewhere["upload"]["url"] = url.replace(id, &"f".repeat(32)).into();
    assert!((400..500).contains(&raw.upload(&elsewhere, &parcel.zip).0));
    let (status, body) = raw.confirm(&parcel, id);
    assert_eq!((status, &body["error"]["code"]), (422, &json!("upload-mismatch")), "{body}");
    assert_eq!(raw.upload(&asked, &parcel.zip).0, 200);
    assert_eq!(raw.upload(&asked, &parcel.zip).0, 412, "an upload works once");
    assert_eq!(raw.confirm(&parcel, id).0, 200);
}

#[test]
fn the_archives_manifest_is_the_only_one_that_counts() {
    let registry = TestRegistry::start();
    let manifest = |identifier: &str, version: &str| {
        format!(
            "package:\n  identifier: {identifier}\n  version: {version}\n  license: MIT\n  summary: x\n  repository: https://github.com/acme/sensor\n"
        )
    };
    let cases = [
        ("another package", manifest("acme/other", "1.0.0"), "invalid-manifest"),
        ("another version", manifest("acme/sensor", "2.0.0"), "invalid-manifest"),
        ("broken", "package: [".to_owned(), "invalid-manifest"),
        ("nameless", "package:\n  version: 1.0.0\n".to_owned(), "invalid-manifest"),
        ("twice", manifest("acme/sensor", "1.0.0") + "  version: 2.0.0\n", "invalid-manifest"),
    ];
    for (what, text, code) in cases {
        let parcel = Parcel::of("acme/sensor", "1.0.0", "packhouse", &[("packhouse.yaml", &text)]);
        let (status, body) = Raw { url: registry.url(), ci: ci(&registry) }.publish(&parcel);
        assert_eq!((status, &body["error"]["code"]), (422, &json!(code)), "{what}: {body}");
        assert!(body["detail"].as_str().unwrap().contains("packhouse.yaml"), "{what}: {body}");
    }
    let parcel = Parcel::of("acme/sensor", "1.0.0", "packhouse", &[("README.md", "no manifest")]);
    let (status, body) = Raw { url: registry.url(), ci: ci(&registry) }.publish(&parcel);
    assert_eq!((status, &body["error"]["code"]), (422, &json!("invalid-manifest")), "{body}");
    assert_eq!(registry.fetch("/index/acme/sensor.json").0, 404, "nothing became visible");
}

#[test]
fn a_flood_of_publishes_is_slowed_by_repository() {
    let options = Options {
        arguments: ["--limit", "publishes_per_ten_minutes=5"].map(str::to_owned).to_vec(),
        ..Options::default()
    };
    let registry = TestRegistry::with(options);
    let ask = |repository: &str, number: usize| {
        let version = format!("1.0.{number}");
        let ci = registry.ci(repository).tag(&format!("v{version}"));
        let raw = Raw { url: registry.url(), ci };
        raw.request(&Parcel::new(repository, &version, "x"), &[])
    };
    for number in 0..5 {
        let (status, body) = ask("acme/sensor", number);
        assert_eq!(status, 200, "{body}");
    }
    let (status, body) = ask("acme/sensor", 5);
    assert_eq!((status, &body["error"]["code"]), (429, &json!("rate-limited")), "{body}");
    assert_eq!(ask("other/thing", 0).0, 200, "others are not slowed");
}
