//! Two registries side by side, believing the same issuer: nothing of one opens anything at the other.

use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, TestRegistry, http};
use serde_json::json;

#[test]
fn no_credential_of_one_registry_opens_another() {
    let here = TestRegistry::start();
    let issuer = ["--issuer", here.issuer.url()].map(str::to_owned).to_vec();
    let there = TestRegistry::with(Options { arguments: issuer, ..Options::default() });
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    // The same job, asking at both: `there` believes the issuer of `here` too.
    let job = here.ci("acme/sensor").tag("v1.0.0");
    let at_here = Raw { url: here.url(), ci: job.clone() };
    let at_there = Raw { url: there.url(), ci: job.clone() };

    // A token for a publish, a rehearsal or a yank.
    let token = at_here.token(&parcel);
    let (status, body) = at_there.request_with(&parcel, &[], &token);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-audience")), "{body}");
    assert_eq!(at_there.publish(&parcel).0, 200, "its own token is taken: the issuer is known");
    let yank = job.token(&format!("packhouse-yank:{}:acme/sensor", here.url()));
    let (status, body) = http::post(
        &format!("{}/v1/package/acme/sensor/-/yank", there.url()),
        &yank,
        &json!({ "version": "1.0.0", "reason": "crossed" }),
    );
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-audience")), "{body}");

    // An intent, and the uploads that belong to it.
    let (_, asked) = at_here.request_with(&parcel, &[], &token);
    let id = asked["release_id"].as_str().unwrap();
    assert_eq!(at_there.confirm(&parcel, id).0, 404);
    let mut crossed = asked.clone();
    let url = asked["upload"]["url"].as_str().unwrap();
    assert!(url.starts_with(&here.store_url()), "it belongs to the store of `here`");
    let url = url.replace(&here.store_url(), &there.store_url());
    crossed["upload"]["url"] = url.into();
    let (status, body) = at_here.upload(&crossed, &parcel.zip);
    assert!((400..500).contains(&status), "{status} {}", String::from_utf8_lossy(&body));

    // Operators' tokens.
    let (status, body) = http::post(
        &format!("{}/v1/admin/tokens", there.url()),
        &here.admin_token(),
        &json!({ "label": "x", "actions": ["admin"], "days": 1 }),
    );
    assert_eq!((status, &body["error"]["code"]), (401, &json!("token-invalid")), "{body}");
}
