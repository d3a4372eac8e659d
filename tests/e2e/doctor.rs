//! A registry is looked at from outside: a healthy one passes, and each fault is named.

use packhouse_tests::liar::{Liar, Reply, Request, forward};
use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, Outcome, Runs as _, TestRegistry, plain};
use serde_json::Value;

fn released(registry: &TestRegistry, url: &str) {
    let parcel = Parcel::new("acme/sensor", "1.0.0", "a");
    let ci = registry.ci("acme/sensor").tag("v1.0.0");
    let (status, body) = Raw { url: url.to_owned(), ci }.publish(&parcel);
    assert_eq!(status, 200, "{body}");
}

fn doctor(url: &str, token: Option<&str>, more: &[&str]) -> Outcome {
    let mut command = plain(&[&["doctor", "--json", "--registry", url][..], more].concat());
    command.envs(token.map(|token| ("PACKHOUSE_TOKEN", token)));
    command.outcome()
}

fn verdict(report: &Value, check: &str) -> String {
    let checks = report["checks"].as_array().expect("checks");
    let found = checks.iter().find(|found| found["check"] == check);
    found.unwrap_or_else(|| panic!("{check}: {report}"))["verdict"].as_str().unwrap().to_owned()
}

fn failed(report: &Value) -> Vec<String> {
    let checks = report["checks"].as_array().expect("checks").iter();
    let failed = checks.filter(|check| check["verdict"] == "failed");
    failed.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_healthy_registry_passes() {
    let registry = TestRegistry::start();
    released(&registry, &registry.url());
    let before = registry.get("/v1/events?after=0");
    let outcome = doctor(&registry.url(), Some(&registry.admin_token()), &[]);
    let report = outcome.json();
    assert_eq!((outcome.code, failed(&report)), (0, vec![]), "{outcome}");
    for check in report["checks"].as_array().unwrap() {
        let expected = match check["check"].as_str().unwrap() {
            "https" => "warning",
            "function-url" => "skipped",
            _ => "ok",
        };
        assert_eq!(check["verdict"], expected, "{check}");
    }
    assert_eq!(registry.get("/v1/events?after=0"), before);
}

#[test]
fn a_healthy_private_registry_passes_and_an_empty_one_is_no_fault() {
    let options = Options { arguments: vec!["--private".to_owned()], ..Options::default() };
    let registry = TestRegistry::with(options);
    let outcome = doctor(&registry.url(), None, &[]);
    assert_eq!((outcome.code, failed(&outcome.json())), (0, vec![]), "{outcome}");
    assert_eq!(verdict(&outcome.json(), "packages"), "skipped");
    released(&registry, &registry.url());
    let outcome = doctor(&registry.url(), Some(&registry.admin_token()), &[]);
    assert_eq!((outcome.code, failed(&outcome.json())), (0, vec![]), "{outcome}");
    assert_eq!(verdict(&outcome.json(), "blob"), "ok");
}

#[test]
fn a_registry_that_is_open_fails_and_nothing_is_written() {
    let options = Options { arguments: vec!["--open".to_owned()], ..Options::default() };
    let registry = TestRegistry::with(options);
    let outcome = doctor(&registry.url(), None, &[]);
    assert_eq!(outcome.code, 1, "{outcome}");
    assert_eq!(verdict(&outcome.json(), "writes"), "failed");
    assert_eq!(registry.get("/v1/events?after=0")["events"].as_array().map(Vec::len), Some(0));
}

#[test]
fn what_does_not_answer_is_told_at_once() {
    let outcome = doctor("http://127.0.0.1:9", None, &[]);
    assert_eq!((outcome.code, failed(&outcome.json())), (1, vec!["reachable".to_owned()]));
    let people = plain(&["doctor", "--registry", "http://127.0.0.1:9"]).outcome();
    assert!(people.stdout.contains("FAILED  reachable"), "{people}");
    assert!(people.stdout.contains("fix: start the registry"), "{people}");
}

/// The same answer with another value of a header, or without it.
fn with(mut reply: Reply, name: &str, value: Option<&str>) -> Reply {
    reply.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    match value {
        Some(value) => reply.header(name, value),
        None => reply,
    }
}

fn on(request: &Request, path: &str) -> bool {
    request.path.starts_with(path)
}

type Twist = fn(&Request, Reply) -> Reply;

/// One fault each, and the check that names it.
const FAULTS: &[(&str, Twist)] = &[
    ("clock", |_, reply| with(reply, "date", Some("Thu, 01 Jan 2026 00:00:00 GMT"))),
    ("health", |request, reply| match on(request, "/healthz") {
        true => Reply::json(503, &serde_json::json!({ "status": "down" })),
        false => reply,
    }),
    ("openapi", |request, reply| match on(request, "/openapi.json") {
        true => Reply::new(404, "<html>"),
        false => reply,
    }),
    ("public-url", |request, mut reply| {
        if on(request, "/openapi.json") {
            let text = String::from_utf8(reply.body).unwrap();
            let own = format!("http://{}", request.header("host").unwrap());
            reply.body = text.replace(&own, "https://elsewhere.example").into_bytes();
        }
        reply
    }),
    ("host-header", |request, mut reply| {
        if on(request, "/openapi.json") && request.header("host") == Some("doctor.invalid") {
            reply.body = b"{\"servers\":[{\"url\":\"http://doctor.invalid\"}]}".to_vec();
        }
        reply
    }),
    ("redirects", |request, reply| match on(request, "/v1/events") {
        true => Reply::new(302, "").header("location", "https://elsewhere.example/"),
        false => reply,
    }),
    ("errors", |_, reply| match reply.status {
        404 => Reply::new(404, "<html>not found</html>"),
        _ => reply,
    }),
    ("writes", |request, reply| match request.method == "POST" && reply.status == 401 {
        true if request.header("authorization").is_none() => Reply::new(200, "{}"),
        _ => reply,
    }),
    ("false-token", |request, reply| match request.header("authorization").is_some() {
        true => Reply::new(403, "no"),
        false => reply,
    }),
    ("admin", |request, reply| match on(request, "/v1/admin/") {
        true => Reply::new(200, "[]"),
        false => reply,
    }),
    ("staging", |request, reply| match on(request, "/staging/x") {
        true => Reply::new(200, "an upload"),
        false => reply,
    }),
    ("private", |request, reply| match on(request, "/v1/packages?") {
        true => Reply::new(401, "{}"), // a list that is closed, and all else is open
        false => reply,
    }),
    ("packages", |request, reply| match on(request, "/v1/packages/all") {
        true => Reply::new(500, ""),
        false => reply,
    }),
    ("index", |request, mut reply| {
        if on(request, "/index/") {
            let text = String::from_utf8(reply.body).unwrap();
            reply.body = text.replace("acme/sensor", "acme/other").into_bytes();
        }
        reply
    }),
    ("index-caching", |request, reply| match on(request, "/index/") {
        true => with(reply, "cache-control", Some("public, max-age=86400")),
        false => reply,
    }),
    ("blob", |request, mut reply| {
        if on(request, "/blobs/") {
            reply.body.push(0);
        }
        reply
    }),
    ("blob-caching", |request, reply| match on(request, "/blobs/") {
        true => with(reply, "cache-control", Some("no-store")),
        false => reply,
    }),
    ("user-bytes", |request, reply| match on(request, "/blobs/") {
        true => with(reply, "content-security-policy", None),
        false => reply,
    }),
];

#[test]
fn each_fault_is_named() {
    let liar = Liar::start(|_| Reply::new(404, ""));
    let options = Options { public_url: Some(liar.url.clone()), ..Options::default() };
    let registry = TestRegistry::with(options);
    let real = registry.url();
    let to = real.clone();
    liar.say(move |request| forward(&to, request));
    released(&registry, &liar.url);
    let healthy = doctor(&liar.url, None, &[]);
    assert_eq!((healthy.code, failed(&healthy.json())), (0, vec![]), "{healthy}");
    for (check, twist) in FAULTS {
        let (to, twist) = (real.clone(), *twist);
        liar.say(move |request| twist(request, forward(&to, request)));
        let outcome = doctor(&liar.url, None, &[]);
        assert_eq!(outcome.code, 1, "{check}: {outcome}");
        let expected = match *check {
            // What is told without a token may then be kept by any cache, too.
            "private" => vec!["index-caching", "blob-caching", "private"],
            check => vec![check],
        };
        assert_eq!(failed(&outcome.json()), expected, "{outcome}");
    }
}

#[test]
fn a_function_that_answers_past_its_front_is_named() {
    let registry = TestRegistry::start();
    let closed = Liar::start(|_| Reply::new(403, ""));
    let open = Liar::start(|request| match request.path.as_str() {
        "/healthz" => Reply::new(200, "{}"),
        _ => Reply::new(403, ""),
    });
    let secret = registry.admin_token();
    let good = doctor(&registry.url(), Some(&secret), &["--function-url", &closed.url]);
    assert_eq!((good.code, verdict(&good.json(), "function-url")), (0, "ok".to_owned()), "{good}");
    let bad = doctor(&registry.url(), Some(&secret), &["--function-url", &open.url]);
    assert_eq!((bad.code, failed(&bad.json())), (1, vec!["function-url".to_owned()]), "{bad}");
    let told = [closed.seen(), open.seen()].concat();
    assert!(told.iter().all(|request| !request.has_credential(&[&secret])), "no token goes there");
}

#[test]
fn a_token_that_ends_soon_is_told() {
    let registry = TestRegistry::start();
    let mut create =
        plain(&["admin", "token", "create", "--label", "short", "--action", "read", "--days", "3"]);
    create.env("PACKHOUSE_REGISTRY", registry.url()).env("PACKHOUSE_TOKEN", registry.admin_token());
    create.outcome().ok();
    let outcome = doctor(&registry.url(), Some(&registry.admin_token()), &[]).ok();
    assert_eq!(verdict(&outcome.json(), "tokens"), "warning", "{outcome}");
}
