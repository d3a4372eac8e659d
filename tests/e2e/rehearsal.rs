//! The rehearsal of the run that would follow: with a token who asks is proved, without one nothing is,
//! and neither stores anything or is good for anything else.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

use packhouse_tests::claim_set::id_of;
use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, TestRegistry, http};
use serde_json::{Value, json};

fn request(parcel: &Parcel, suppose: &Value) -> Value {
    json!({
        "identifier": "acme/sensor", "package_version": "1.0.0", "format": "packhouse",
        "package_size": parcel.zip.len(), "digest": parcel.digest, "suppose": suppose,
    })
}

fn repository(name: &str) -> Value {
    let owner = name.split('/').next().unwrap();
    json!({ "name": name, "id": id_of(name), "owner_id": id_of(owner) })
}

fn rehearse(registry: &TestRegistry, token: &str, body: &Value) -> (u16, Value) {
    http::post(&format!("{}/v1/publish/rehearse", registry.url()), token, body)
}

fn code(body: &Value) -> &str {
    body["error"]["code"].as_str().unwrap_or_default()
}

#[test]
fn a_pull_request_with_a_token_asks_about_the_tag_that_would_follow() {
    let registry = TestRegistry::start();
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let audience =
        format!("packhouse-rehearse:{}:acme/sensor@1.0.0:sha256:{}", registry.url(), parcel.digest);
    let ci = registry
        .ci("acme/sensor")
        .claim("ref", "refs/pull/3/merge")
        .claim("event_name", "pull_request");
    // About itself a pull request may not publish; about what follows it, it may ask.
    let (status, body) = rehearse(&registry, &ci.token(&audience), &request(&parcel, &Value::Null));
    assert_eq!((status, code(&body)), (403, "wrong-event"), "{body}");
    let (status, body) = rehearse(&registry, &ci.token(&audience), &request(&parcel, &json!({})));
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        (&body["proved"], &body["ref"], &body["first_release"]),
        (&json!(true), &json!("refs/tags/v1.0.0"), &json!(true))
    );
    // What the request says of the repository counts for nothing beside a token.
    let stranger = registry.ci("evil/sensor").claim("event_name", "pull_request");
    let suppose = json!({ "repository": repository("acme/sensor") });
    let (status, body) =
        rehearse(&registry, &stranger.token(&audience), &request(&parcel, &suppose));
    assert_eq!((status, code(&body)), (403, "wrong-owner"), "{body}");
    // Such a token publishes nothing, and yanks nothing.
    let raw = Raw { url: registry.url(), ci: ci.clone() };
    let (status, body) = raw.request_with(&parcel, &[], &ci.token(&audience));
    assert_eq!((status, code(&body)), (403, "wrong-audience"), "{body}");
    // And nothing was stored: the version is free.
    let (status, _) = registry.fetch("/v1/package/acme/sensor");
    assert_eq!(status, 404);
}

#[test]
fn without_a_token_everything_is_supposed() {
    let registry = TestRegistry::start();
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let own = json!({ "repository": repository("acme/sensor") });
    let (status, body) = rehearse(&registry, "", &request(&parcel, &own));
    assert_eq!((status, &body["proved"]), (200, &json!(false)), "{body}");
    let foreign = json!({ "repository": repository("evil/sensor") });
    let (status, body) = rehearse(&registry, "", &request(&parcel, &foreign));
    assert_eq!((status, code(&body)), (403, "wrong-owner"), "{body}");
    // The real publish of another repository with the same name stays impossible afterwards.
    let raw = Raw { url: registry.url(), ci: registry.ci("acme/sensor").tag("v1.0.0") };
    assert_eq!(raw.publish(&parcel).0, 200);
    let (status, body) = rehearse(&registry, "", &request(&parcel, &own));
    assert_eq!((status, &body["outcome"]), (200, &json!("already-released")), "{body}");
    let other =
        json!({ "repository": { "name": "acme/sensor", "id": "1", "owner_id": id_of("acme") } });
    let (status, body) = rehearse(&registry, "", &request(&parcel, &other));
    assert_eq!((status, code(&body)), (403, "wrong-repository"), "{body}");
    for broken in [
        json!({ "name": "acme", "id": "1", "owner_id": "2" }),
        json!({ "name": "acme/sensor", "id": "", "owner_id": "2" }),
        json!({ "name": "acme/sensor", "id": "1", "owner_id": "x" }),
    ] {
        let (status, body) =
            rehearse(&registry, "", &request(&parcel, &json!({ "repository": broken })));
        assert_eq!((status, code(&body)), (400, "bad-request"), "{body}");
    }
    let (status, body) = rehearse(&registry, "", &request(&parcel, &json!({})));
    assert_eq!((status, code(&body)), (401, "token-missing"), "nobody is named: {body}");
}

#[test]
fn rehearsals_without_a_token_are_limited_and_end_at_a_private_registry() {
    let registry = TestRegistry::start();
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let own = request(&parcel, &json!({ "repository": repository("acme/sensor") }));
    // Two minutes' worth: wherever the minute turns, one of them is too many.
    let refused =
        (0..241).map(|_| rehearse(&registry, "", &own)).find(|(status, _)| *status == 429);
    assert_eq!(code(&refused.expect("a limit").1), "rate-limited");
    let other = request(&parcel, &json!({ "repository": repository("other/sensor") }));
    assert_eq!(rehearse(&registry, "", &other).0, 403, "another repository has its own");
    // A token is not counted.
    let audience =
        format!("packhouse-rehearse:{}:acme/sensor@1.0.0:sha256:{}", registry.url(), parcel.digest);
    let ci = registry.ci("acme/sensor").claim("event_name", "pull_request");
    assert_eq!(rehearse(&registry, &ci.token(&audience), &request(&parcel, &json!({}))).0, 200);

    let options = Options { arguments: vec!["--private".to_owned()], ..Options::default() };
    let private = TestRegistry::with(options);
    let (status, body) = rehearse(&private, "", &own);
    assert_eq!((status, code(&body)), (401, "token-missing"), "{body}");
}
