//! Nothing that opens anything is ever written to a log or shown to the wrong eyes.

use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{TestRegistry, http};
use serde_json::json;

#[test]
fn no_secret_is_ever_logged() {
    let registry = TestRegistry::start();
    let raw = Raw { url: registry.url(), ci: registry.ci("acme/sensor").tag("v1.0.0") };
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let mut secrets = vec![registry.admin_token()];
    // A publish, with everything that can go wrong on the way.
    let token = raw.token(&parcel);
    let (_, asked) = raw.request_with(&parcel, &[], &token);
    secrets.push(token.clone());
    secrets.push(asked["upload"]["url"].as_str().unwrap().to_owned());
    let fields = asked["upload_info"]["fields"].as_object().unwrap();
    secrets.extend(
        fields.values().map(|value| value.as_str().unwrap().to_owned()).filter(|v| v.len() > 40),
    );
    assert!(raw.upload(&asked, b"other bytes").0 >= 400);
    assert!(raw.upload(&asked, &parcel.zip).0 < 300);
    let forged = format!("{}x", &token[..token.len() - 1]);
    assert_eq!(raw.request_with(&parcel, &[], &forged).0, 401);
    secrets.push(forged);
    assert_eq!(raw.confirm(&parcel, asked["release_id"].as_str().unwrap()).0, 200);
    // Operators' calls, right and wrong.
    let new = json!({ "label": "x", "prefix": "", "actions": ["read"], "days": 1 });
    let url = format!("{}/v1/admin/tokens", registry.url());
    let (_, made) = http::post(&url, &registry.admin_token(), &new);
    secrets.push(made["token"].as_str().unwrap().to_owned());
    assert_eq!(http::post(&url, made["token"].as_str().unwrap(), &new).0, 403);
    assert_eq!(http::post(&url, "pkh_notatoken", &new).0, 401);
    let log = registry.log();
    for secret in secrets {
        assert!(!log.contains(&secret), "the log shows {}…", &secret[..12]);
        let middle = &secret[secret.len() / 3..secret.len() / 3 + 20];
        assert!(!log.contains(middle), "the log shows a part of a secret");
    }
}

#[test]
#[cfg(unix)]
fn what_is_secret_is_readable_by_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let registry = TestRegistry::start();
    for name in ["admin-token", "upload.key"] {
        let mode = std::fs::metadata(registry.data().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} has mode {mode:o}");
    }
    let mode = std::fs::metadata(registry.data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the data folder has mode {mode:o}");
}

#[test]
fn the_shipped_binary_has_no_failpoints() {
    let holds = |path: &std::path::Path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(19).any(|window| window == b"PACKHOUSE_FAILPOINT")
    };
    assert!(!holds(packhouse_tests::binary::packhouse()));
    assert!(holds(packhouse_tests::binary::packhouse_with_failpoints()), "the test can tell");
}
