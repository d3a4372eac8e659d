//! What owners and operators change after a release, and who may.

use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, TestRegistry, http};
use serde_json::{Value, json};

fn released(registry: &TestRegistry, version: &str) -> Parcel {
    let parcel = Parcel::new("acme/sensor", version, version);
    let ci = registry.ci("acme/sensor").tag(&format!("v{version}"));
    let (status, body) = Raw { url: registry.url(), ci }.publish(&parcel);
    assert_eq!(status, 200, "{body}");
    parcel
}

fn call(
    registry: &TestRegistry,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let mut headers = vec![("content-type", "application/json")];
    if !token.is_empty() {
        headers.push(("authorization", bearer.as_str()));
    }
    let url = format!("{}{path}", registry.url());
    let (status, body) = http::send(method, &url, &headers, body.to_string().as_bytes());
    let text = String::from_utf8_lossy(&body).into_owned();
    (status, serde_json::from_slice(&body).unwrap_or(text.into()))
}

fn new_token(registry: &TestRegistry, prefix: &str, actions: &[&str]) -> String {
    let new = json!({ "label": "test", "prefix": prefix, "actions": actions, "days": 1 });
    let (status, body) = call(registry, "POST", "/v1/admin/tokens", &registry.admin_token(), &new);
    assert_eq!(status, 200, "{body}");
    body["token"].as_str().expect("shown once").to_owned()
}

#[test]
fn a_yank_hides_a_release_from_new_resolutions_and_keeps_its_bytes() {
    let registry = TestRegistry::start();
    released(&registry, "1.0.0");
    let parcel = released(&registry, "1.1.0");
    let audience = format!("packhouse-yank:{}:acme/sensor", registry.url());
    let path = "/v1/package/acme/sensor/-/yank";
    let yank = json!({ "version": "1.1.0", "reason": "loses data", "replacement": "1.0.0" });
    let stranger = registry.ci("acme/other").tag("v9").token(&audience);
    let (status, body) = call(&registry, "POST", path, &stranger, &yank);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-repository")), "{body}");
    let ci = registry.ci("acme/sensor").branch("main");
    let for_publish = ci.token(&format!("packhouse:{}:acme/sensor", registry.url()));
    let (status, body) = call(&registry, "POST", path, &for_publish, &yank);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-audience")), "{body}");
    let (status, body) =
        call(&registry, "POST", path, &ci.token(&audience), &json!({ "version": "1.1.0" }));
    assert_eq!(status, 400, "a yank has a reason: {body}");
    let token = ci.token(&audience);
    let (status, body) = call(&registry, "POST", path, &token, &yank);
    assert_eq!((status, &body["yanked"]), (200, &json!("loses data")), "{body}");
    assert_eq!(call(&registry, "POST", path, &token, &yank).0, 200, "a retry");
    let captured = json!({ "version": "1.0.0", "reason": "malice" });
    let (status, body) = call(&registry, "POST", path, &token, &captured);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("token-replayed")), "{body}");

    let releases = registry.get("/v1/package/acme/sensor/releases");
    let order: Vec<_> =
        releases["releases"].as_array().unwrap().iter().map(|r| &r["version"]).collect();
    assert_eq!(order, ["1.0.0", "1.1.0"], "yanked last");
    assert_eq!(releases["releases"][1]["yanked_reason"], "loses data");
    assert_eq!(registry.get("/v1/package/acme/sensor")["info"]["version"], "1.0.0");
    let url = releases["releases"][1]["download_url"].as_str().unwrap().to_owned();
    assert_eq!(http::get(&url, &[]), (200, parcel.zip), "pins keep working");

    let undo = json!({ "version": "1.1.0", "undo": true });
    assert_eq!(call(&registry, "POST", path, &ci.token(&audience), &undo).0, 200);
    assert_eq!(registry.get("/v1/package/acme/sensor")["info"]["version"], "1.1.0");
    let kinds: Vec<_> = registry.get("/v1/events?after=0")["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["released", "released", "yanked", "unyanked"]);
}

#[test]
fn a_policy_is_tightened_from_ci_and_loosened_by_the_operator() {
    let registry = TestRegistry::start();
    released(&registry, "1.0.0");
    let path = "/v1/package/acme/sensor/-/policy";
    let audience = format!("packhouse-policy:{}:acme/sensor", registry.url());
    let tag = registry.ci("acme/sensor").tag("v1.0.0");
    let tighter = json!({ "kind": "tag", "environment": "release" });
    let (status, body) = call(&registry, "PUT", path, &tag.token(&audience), &tighter);
    assert_eq!((status, &body["policy"]["environment"]), (200, &json!("release")), "{body}");
    // The policy in force decides from now on, about publishes and about itself.
    let raw = Raw { url: registry.url(), ci: registry.ci("acme/sensor").tag("v1.1.0") };
    let (status, body) = raw.publish(&Parcel::new("acme/sensor", "1.1.0", "x"));
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-environment")), "{body}");
    let (status, body) = call(&registry, "PUT", path, &tag.token(&audience), &tighter);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-environment")), "{body}");
    let looser = json!({ "kind": "branch", "branch": "main" });
    let in_environment = tag.clone().claim("environment", "release");
    let (status, body) = call(&registry, "PUT", path, &in_environment.token(&audience), &looser);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("forbidden")), "{body}");
    let (status, body) = call(&registry, "PUT", path, &registry.admin_token(), &looser);
    assert_eq!(status, 200, "{body}");
    let main = registry.ci("acme/sensor").branch("main").claim("ref_protected", "true");
    let raw = Raw { url: registry.url(), ci: main };
    let (status, body) = raw.publish(&Parcel::new("acme/sensor", "1.1.0", "x"));
    assert_eq!(status, 200, "{body}");
    let unguarded = json!({ "kind": "train", "tag": "release-*" });
    let (status, body) = call(&registry, "PUT", path, &registry.admin_token(), &unguarded);
    assert_eq!((status, &body["error"]["code"]), (422, &json!("invalid-policy")), "{body}");
}

#[test]
fn api_tokens_do_what_they_say_and_nothing_else() {
    let registry = TestRegistry::start();
    let parcel = Parcel::new("lab/probe", "1.0.0", "x");
    let publish = |token: &str| {
        let request = json!({
            "identifier": "lab/probe", "package_version": "1.0.0", "format": "packhouse",
            "package_size": parcel.zip.len(), "digest": parcel.digest.hex(),
        });
        call(&registry, "POST", "/v1/publish", token, &request)
    };
    for (prefix, actions) in
        [("lab/", vec!["read", "yank"]), ("lab/pro", vec!["publish"]), ("acme", vec!["publish"])]
    {
        let (status, body) = publish(&new_token(&registry, prefix, &actions));
        assert_eq!((status, &body["error"]["code"]), (403, &json!("forbidden")), "{body}");
    }
    let token = new_token(&registry, "lab/", &["publish"]);
    let (status, asked) = publish(&token);
    assert_eq!(status, 200, "{asked}");
    let raw = Raw { url: registry.url(), ci: registry.ci("lab/probe") };
    assert_eq!(raw.upload(&asked, &parcel.zip).0, 200);
    let confirm = json!({ "release_id": asked["release_id"] });
    let other = new_token(&registry, "lab/", &["publish"]);
    let (status, body) = call(&registry, "POST", "/v1/publish/upload-complete", &other, &confirm);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("intent-foreign")), "{body}");
    let (status, body) = call(&registry, "POST", "/v1/publish/upload-complete", &token, &confirm);
    assert_eq!((status, &body["receipt"]["publisher"]["kind"]), (200, &json!("token")), "{body}");
    // No token but the operator's administers.
    for path in ["/v1/admin/tokens", "/v1/admin/reserve"] {
        assert_eq!(call(&registry, "GET", path, &token, &Value::Null).0, 403, "{path}");
        assert_eq!(call(&registry, "GET", path, "", &Value::Null).0, 401, "{path}");
    }
    let listed =
        call(&registry, "GET", "/v1/admin/tokens", &registry.admin_token(), &Value::Null).1;
    assert!(!listed.to_string().contains("pkh_"), "tokens are shown once");
    let id = &token_id(&token);
    let path = format!("/v1/admin/tokens/{id}");
    assert_eq!(call(&registry, "DELETE", &path, &registry.admin_token(), &Value::Null).0, 200);
    let (status, body) = publish(&token);
    assert_eq!((status, &body["error"]["code"]), (401, &json!("token-invalid")), "{body}");
}

fn token_id(token: &str) -> String {
    packhouse_core::digest::Digest::of(token.as_bytes()).hex()[..12].to_owned()
}

#[test]
fn a_pinned_package_takes_tokens_only_where_the_operator_allows_them() {
    let registry = TestRegistry::start();
    released(&registry, "1.0.0");
    let token = new_token(&registry, "acme/", &["publish"]);
    let parcel = Parcel::new("acme/sensor", "1.1.0", "x");
    let request = json!({
        "identifier": "acme/sensor", "package_version": "1.1.0", "format": "packhouse",
        "package_size": parcel.zip.len(), "digest": parcel.digest.hex(),
    });
    let (status, body) = call(&registry, "POST", "/v1/publish", &token, &request);
    assert_eq!((status, &body["error"]["code"]), (403, &json!("forbidden")), "{body}");
    let allow = json!({ "identifier": "acme/sensor", "tokens_allowed": true });
    let (status, body) =
        call(&registry, "POST", "/v1/admin/transfer", &registry.admin_token(), &allow);
    assert_eq!((status, &body["tokens_allowed"]), (200, &json!(true)), "{body}");
    assert_eq!(call(&registry, "POST", "/v1/publish", &token, &request).0, 200);
}

#[test]
fn a_removed_version_leaves_a_tombstone_and_is_never_free_again() {
    let registry = TestRegistry::start();
    let parcel = released(&registry, "1.0.0");
    let index = registry.get("/index/acme/sensor.json");
    let stem = format!("/blobs/sha256/{}/acme-sensor-1.0.0.zip", parcel.digest);
    assert_eq!(registry.fetch(&stem).0, 200, "{index}");
    let quarantine =
        json!({ "identifier": "acme/sensor", "version": "1.0.0", "reason": "being looked at" });
    let admin = registry.admin_token();
    assert_eq!(call(&registry, "POST", "/v1/admin/quarantine", &admin, &quarantine).0, 200);
    assert_eq!(registry.fetch(&stem).0, 451);
    assert_eq!(registry.withholds(&parcel.digest), registry.is_on_aws());
    let back = json!({ "identifier": "acme/sensor", "version": "1.0.0", "undo": true });
    assert_eq!(call(&registry, "POST", "/v1/admin/quarantine", &admin, &back).0, 200);
    assert_eq!(registry.fetch(&stem).0, 200);
    assert!(!registry.withholds(&parcel.digest));
    let remove =
        json!({ "identifier": "acme/sensor", "version": "1.0.0", "reason": "leaked keys" });
    let (status, body) = call(&registry, "POST", "/v1/admin/remove", &admin, &remove);
    assert_eq!((status, &body["removed"]), (200, &json!("leaked keys")), "{body}");
    assert_eq!(
        call(&registry, "POST", "/v1/admin/remove", &admin, &remove).0,
        200,
        "repeating is safe"
    );
    assert_eq!(registry.fetch(&stem).0, 410);
    let hex = parcel.digest.hex();
    let blob = registry.data().join("blobs/sha256").join(&hex[..2]).join(&hex);
    assert!(!blob.exists(), "the bytes are gone");
    for content in ["1.0.0", "other"] {
        let raw = Raw { url: registry.url(), ci: registry.ci("acme/sensor").tag("v1.0.0") };
        let (status, body) = raw.publish(&Parcel::new("acme/sensor", "1.0.0", content));
        assert_eq!((status, &body["error"]["code"]), (409, &json!("version-exists")), "{body}");
        assert!(body["detail"].as_str().unwrap().contains("leaked keys"), "{body}");
    }
}

#[test]
fn reserved_and_look_alike_names_are_refused() {
    let registry = TestRegistry::start();
    released(&registry, "1.0.0");
    let reserve = json!({ "name": "Contoso", "reason": "belongs to Contoso Ltd" });
    let (status, body) =
        call(&registry, "POST", "/v1/admin/reserve", &registry.admin_token(), &reserve);
    assert_eq!(status, 200, "{body}");
    let first = |owner: &str, name: &str| {
        let ci = registry.ci(&format!("{owner}/{name}")).tag("v1.0.0");
        Raw { url: registry.url(), ci }.publish(&Parcel::new(
            &format!("{owner}/{name}"),
            "1.0.0",
            "x",
        ))
    };
    let (status, body) = first("contoso", "tool");
    assert_eq!((status, &body["error"]["code"]), (403, &json!("name-reserved")), "{body}");
    assert!(body["detail"].as_str().unwrap().contains("Contoso Ltd"), "{body}");
    let (status, body) = first("acrne", "sensor");
    assert_eq!((status, &body["error"]["code"]), (403, &json!("name-reserved")), "{body}");
    assert_eq!(first("other", "thing").0, 200);
}

#[test]
fn a_private_registry_answers_holders_of_a_token_only() {
    let options = Options { arguments: vec!["--private".to_owned()], ..Options::default() };
    let registry = TestRegistry::with(options);
    let parcel = released(&registry, "1.0.0");
    let read = new_token(&registry, "", &["read"]);
    let basic = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("anybody:{read}"))
    };
    let blob = format!("/blobs/sha256/{}/acme-sensor-1.0.0.zip", parcel.digest);
    let paths = [
        "/v1/packages/all",
        "/v1/packages?query=s",
        "/v1/package/acme/sensor",
        "/v1/package/acme/sensor/releases",
        "/v1/package/acme/sensor/releases/1.0.0",
        "/index/acme/sensor.json",
        "/v1/events?after=0",
        "/p/acme/sensor",
        "/v1/package/acme/sensor/-/policy",
        "/v1/closure?root=acme/sensor",
        &blob,
    ];
    for path in paths {
        let url = format!("{}{path}", registry.url());
        assert_eq!(http::get(&url, &[]).0, 401, "{path}");
        for value in [format!("Bearer {read}"), format!("Basic {basic}")] {
            let (status, body) = http::get(&url, &[("authorization", &value)]);
            assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        }
        let publish_only = new_token(&registry, "", &["publish"]);
        let value = format!("Bearer {publish_only}");
        assert_eq!(http::get(&url, &[("authorization", &value)]).0, 403, "{path}");
    }
    assert_eq!(registry.fetch("/healthz").0, 200);
    // A token with a prefix reads what is below it, and no list of others.
    let inside = format!("Bearer {}", new_token(&registry, "acme/", &["read"]));
    let outside = format!("Bearer {}", new_token(&registry, "lab/", &["read"]));
    for path in ["/index/acme/sensor.json", "/v1/package/acme/sensor/releases", &blob] {
        let url = format!("{}{path}", registry.url());
        assert_eq!(http::get(&url, &[("authorization", &inside)]).0, 200, "{path}");
        assert_eq!(http::get(&url, &[("authorization", &outside)]).0, 403, "{path}");
    }
    let all = format!("{}/v1/packages/all", registry.url());
    assert_eq!(http::get(&all, &[("authorization", &inside)]).0, 403);
}

#[test]
fn an_operator_decides_before_the_first_release() {
    let registry = TestRegistry::start();
    let admin = registry.admin_token();
    let path = "/v1/package/acme/mono/-/policy";
    let branch = json!({ "kind": "branch", "branch": "main" });
    let audience = format!("packhouse-policy:{}:acme/mono", registry.url());
    let ci = registry.ci("acme/mono").branch("main").claim("ref_protected", "true");
    let (status, body) = call(&registry, "PUT", path, &ci.token(&audience), &branch);
    assert_eq!(status, 404, "there is nothing yet that a job could own: {body}");
    let (status, body) = call(&registry, "PUT", path, &admin, &branch);
    assert_eq!((status, &body["policy"]["kind"]), (200, &json!("branch")), "{body}");
    // Nobody sees a package before it has a release.
    for path in [
        "/index/acme/mono.json",
        "/v1/package/acme/mono",
        "/v1/package/acme/mono/releases",
        "/p/acme/mono",
    ] {
        assert_eq!(registry.fetch(path).0, 404, "{path}");
    }
    assert_eq!(registry.get("/v1/packages/all")["packages"], json!([]));
    let raw = Raw { url: registry.url(), ci };
    let (status, body) = raw.publish(&Parcel::new("acme/mono", "3.1.4", "x"));
    assert_eq!(status, 200, "{body}");
    let by_tag = Raw { url: registry.url(), ci: registry.ci("acme/mono").tag("v3.1.5") };
    let (status, body) = by_tag.publish(&Parcel::new("acme/mono", "3.1.5", "x"));
    assert_eq!((status, &body["error"]["code"]), (403, &json!("wrong-ref")), "{body}");
}

#[test]
fn a_private_registry_with_a_local_issuer_still_hands_out_tokens() {
    let arguments = vec!["--private".to_owned(), "--dev-issuer".to_owned()];
    let registry = TestRegistry::with(Options { arguments, ..Options::default() });
    assert_eq!(registry.fetch("/_dev/token?audience=a&repository=acme/sensor").0, 200);
    assert_eq!(registry.fetch("/v1/packages/all").0, 401);
}
