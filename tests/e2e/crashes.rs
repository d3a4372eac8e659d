//! The server dies at every step of a publish, comes back, and the same publish runs again.
//!
//! A failpoint names a call to a store and a side of it: `before` is "it failed", `after` is "it
//! persisted but the answer was lost". The server stops there and is killed with SIGKILL.

use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, TestRegistry};
use serde_json::Value;

/// Every call of a publish to its stores, in order.
const STEPS: &[&str] =
    &["begin", "upload", "pin", "read_staged", "promote", "prepare", "commit", "discard"];

fn job(registry: &TestRegistry, run: &str) -> Raw {
    let ci = registry.ci("acme/sensor").tag("v1.0.0").claim("run_id", run);
    Raw { url: registry.url(), ci }
}

fn stopping_at(step: &str) -> Options {
    Options {
        failpoints: true,
        environment: vec![("PACKHOUSE_FAILPOINT".to_owned(), step.to_owned())],
        ..Options::default()
    }
}

/// Starts `work` against a server that stops at `step`, kills it there, and brings it back whole.
fn crash(registry: &mut TestRegistry, step: &str, work: impl FnOnce(Raw) + Send) {
    let raw = job(registry, "1");
    std::thread::scope(|scope| {
        scope.spawn(|| work(raw));
        assert!(
            registry.wait_for_log("stopped at the failpoint"),
            "{step} was not reached:\n{}",
            registry.log()
        );
        registry.kill();
    });
    registry.set(|options| options.environment.clear());
    registry.restart();
}

/// What everybody can see of a package, without the times.
fn seen(registry: &TestRegistry, identifier: &str) -> Option<Value> {
    let (status, body) = registry.fetch(&format!("/index/{identifier}.json"));
    if status == 404 {
        return None;
    }
    assert_eq!(status, 200);
    let mut index: Value = serde_json::from_slice(&body).expect("JSON");
    for version in index["versions"].as_array_mut().expect("versions") {
        let version = version.as_object_mut().expect("an object");
        version.retain(|key, _| !key.ends_with("_at") && key != "publisher");
    }
    index.as_object_mut().expect("an object").retain(|key, _| !key.ends_with("_at"));
    Some(index)
}

fn released_events(registry: &TestRegistry) -> usize {
    let feed = registry.get("/v1/events?after=0");
    let events = feed["events"].as_array().expect("events");
    events.iter().filter(|event| event["kind"] == "released").count()
}

#[test]
fn a_publish_survives_a_crash_at_every_step() {
    let parcel = Parcel::new("acme/sensor", "1.0.0", "content");
    let calm = TestRegistry::start();
    assert_eq!(job(&calm, "1").publish(&parcel).0, 200);
    let expected = seen(&calm, "acme/sensor").expect("it is released");
    for step in STEPS {
        for side in ["before", "after"] {
            let step = format!("{step}.{side}");
            let mut registry = TestRegistry::with(stopping_at(&step));
            crash(&mut registry, &step, |raw| drop(raw.request_and_confirm(&parcel)));
            let before = seen(&registry, "acme/sensor");
            let sealed = step == "commit.after" || step.starts_with("discard");
            assert_eq!(before.is_some(), sealed, "after a crash at {step}: {before:?}");
            let (status, body) = job(&registry, "2").publish(&parcel);
            assert_eq!(status, 200, "rerun after {step}: {body}");
            assert_eq!(body["receipt"]["digest"], parcel.digest.hex().as_str(), "{step}");
            assert_eq!(seen(&registry, "acme/sensor").as_ref(), Some(&expected), "{step}");
            assert_eq!(released_events(&registry), 1, "{step}");
        }
    }
}

#[test]
fn a_train_is_all_or_none_at_every_crash() {
    let train: Vec<Parcel> =
        ["acme/a", "acme/b", "acme/c"].map(|id| Parcel::new(id, "1.0.0", id)).to_vec();
    for step in ["prepare.before", "prepare.after", "commit.before", "commit.after"] {
        for stop_at_member in 1..=train.len() {
            let point = format!("{step}#{stop_at_member}");
            let mut registry = TestRegistry::with(stopping_at(&point));
            crash(&mut registry, &point, |raw| {
                for parcel in &train {
                    if raw.request_and_confirm_in(parcel, &train).0 != 200 {
                        return;
                    }
                }
            });
            let visible = train.iter().filter(|p| seen(&registry, &p.identifier).is_some()).count();
            let whole = step == "commit.after" && stop_at_member == train.len();
            assert_eq!(visible, if whole { train.len() } else { 0 }, "{point}");
            let raw = job(&registry, "2");
            for parcel in &train {
                let (status, body) = raw.publish_in(parcel, &train);
                assert_eq!(status, 200, "{point}: {body}");
            }
            let visible = train.iter().filter(|p| seen(&registry, &p.identifier).is_some()).count();
            assert_eq!(
                (visible, released_events(&registry)),
                (train.len(), train.len()),
                "{point}"
            );
        }
    }
}

#[test]
fn an_upload_cut_off_by_a_crash_leaves_nothing() {
    let parcel = Parcel::new("acme/sensor", "1.0.0", &"content ".repeat(1 << 16));
    let mut registry = TestRegistry::start();
    let raw = job(&registry, "1");
    let (status, asked) = raw.request(&parcel, &[]);
    assert_eq!(status, 200, "{asked}");
    half_an_upload(&asked, &parcel.zip);
    registry.kill();
    registry.restart();
    let (status, body) = job(&registry, "1").publish(&parcel);
    assert_eq!(status, 200, "{body}");
    assert_eq!(released_events(&registry), 1);
}

/// Sends the head of an upload and half of its body, and leaves.
fn half_an_upload(asked: &Value, bytes: &[u8]) {
    use std::io::Write as _;
    let url = asked["upload"]["url"].as_str().expect("a url");
    let rest = url.strip_prefix("http://").expect("http");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut head =
        format!("PUT /{path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n", bytes.len());
    for (name, value) in asked["upload"]["headers"].as_object().expect("headers") {
        if !name.eq_ignore_ascii_case("content-length") {
            head.push_str(&format!("{name}: {}\r\n", value.as_str().expect("a text")));
        }
    }
    let mut stream = std::net::TcpStream::connect(host).expect("the server listens");
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("it reads");
    stream.write_all(&bytes[..bytes.len() / 2]).expect("it reads");
    stream.flush().expect("it reads");
    std::thread::sleep(std::time::Duration::from_millis(50));
}
