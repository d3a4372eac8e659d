//! Events as AWS sends them, and as it never should, through the built bootstrap: each has its answer,
//! and the process lives on.

use packhouse_tests::binary::root;
use packhouse_tests::lambda::{AwsRegistry, Invoked, Settings};
use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, TestRegistry};
use serde_json::Value;

/// (file below `tests/events`, function, status).
const REQUESTS: &[(&str, &str, u64)] = &[
    ("get", "read", 200),
    ("head", "read", 200),
    ("preflight", "read", 204),
    ("cookies", "read", 200),
    ("odd-host", "read", 200),
    ("broken-host", "read", 200),
    ("odd-query", "read", 200),
    ("unescaped-query", "read", 400),
    ("escaped-path", "read", 422),
    ("load-balancer", "read", 400),
    ("schedule", "read", 400),
    ("queue", "read", 400),
    ("not-through-the-cdn", "read", 403),
    ("post-json", "read", 400),
    ("post-json", "publish", 200),
    ("post-base64", "publish", 200),
    ("post-binary", "publish", 400),
    ("post-broken-base64", "publish", 400),
    ("not-through-the-cdn", "publish", 403),
];

fn event(name: &str) -> String {
    let path = root().join("tests/events").join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn every_shape_of_event_has_its_answer() {
    let registry = AwsRegistry::start(&Settings::default());
    let settings = Settings::default();
    let function = |role| registry.function(role, &settings);
    let (read, publish, worker) = (function("read"), function("publish"), function("worker"));
    let mut wrong = Vec::new();
    for (name, role, expected) in REQUESTS {
        let function = if *role == "read" { &read } else { &publish };
        let invoked = function.invoke(&event(name));
        let Invoked::Answered { body, streamed: true } = &invoked else {
            wrong.push(format!("{name} at {role}: {invoked:?}"));
            continue;
        };
        let split = body.windows(8).position(|bytes| bytes == [0; 8]).expect("a prelude");
        let prelude: Value = serde_json::from_slice(&body[..split]).expect("JSON");
        if prelude["statusCode"] != *expected {
            let body = String::from_utf8_lossy(&body[split + 8..]);
            wrong.push(format!(
                "{name} at {role}: {} for {expected}: {body}",
                prelude["statusCode"]
            ));
        } else if *expected >= 400 {
            let error: Value = serde_json::from_slice(&body[split + 8..]).expect("JSON");
            assert!(error["detail"].is_string() && error["error"]["code"].is_string(), "{error}");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    let answered = |name: &str| match worker.invoke(&event(name)) {
        Invoked::Answered { body, .. } => serde_json::from_slice::<Value>(&body).expect("JSON"),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(answered("schedule")["views"]["done"], true);
    let failures = answered("queue")["batchItemFailures"].as_array().unwrap().clone();
    let ids: Vec<_> = failures.iter().map(|f| f["itemIdentifier"].as_str().unwrap()).collect();
    let bad = ["059f36b4-87a3-44ab-83d2-661970000004", "059f36b4-87a3-44ab-83d2-661970000005"];
    assert_eq!(ids, bad, "jobs that are none come again, and then go aside");
    assert!(!registry.log().contains("panicked"), "{}", registry.log());
}

#[test]
fn a_queue_that_is_away_costs_a_release_nothing() {
    let away = ("AWS_ENDPOINT_URL_SQS".to_owned(), "http://127.0.0.1:1".to_owned());
    let registry = TestRegistry::on_aws(Options { environment: vec![away], ..Options::default() });
    let parcel = Parcel::new("acme/sensor", "1.0.0", "x");
    let ci = registry.ci("acme/sensor").tag("v1.0.0");
    let (status, receipt) = Raw { url: registry.url(), ci }.publish(&parcel);
    assert_eq!(status, 200, "{receipt}");
    assert_eq!(registry.get("/v1/package/acme/sensor")["info"]["version"], "1.0.0");
    assert!(registry.wait_for_log("`views` waits for the schedule"), "{}", registry.log());
    let worked = registry.work(&event("schedule"));
    assert_eq!((&worked["views"]["event"], &worked["views"]["made"]), (&1.into(), &1.into()));
    assert_eq!(registry.work(&event("schedule"))["views"]["made"], 0, "once");
}
