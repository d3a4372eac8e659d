//! Every request to DynamoDB fails once, in each of the ways in which it can, and every one is the
//! last of a function that dies there. Nothing half is ever visible, and a rerun ends as if nothing
//! had happened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use std::time::Duration;

use packhouse_registry::conformance::fixtures::{PLENTY, Publish, at, train};
use packhouse_registry::ledger::verify_chain;
use packhouse_registry::ports::{Begun, Committed, Ledger, Prepared, StoreResult};
use packhouse_tests::dynamodb::Server;
use packhouse_tests::proxy::{Fault, Proxy, Seen};
use serde_json::{Value, json};
use support::Store;

/// Asks, prepares and commits as the service does; once more after every kind of "come again".
async fn publish(ledger: &dyn Ledger, members: &[Publish]) -> StoreResult<bool> {
    let train = train(members);
    for member in members {
        let asked = member.intent(&train);
        let intent = match ledger.begin(&asked, None, PLENTY, at(0)).await? {
            Begun::Opened(intent) => intent,
            Begun::Same(_) => continue,
            other => panic!("{other:?}"),
        };
        let release = member.release(&intent);
        match ledger.prepare(&intent.id, &train, &release, None, at(1)).await? {
            Prepared::Ready | Prepared::Same(_) => {}
            other => panic!("{other:?}"),
        }
    }
    match ledger.commit(&train, at(2)).await? {
        Committed::Committed(releases) => Ok(releases.len() == members.len()),
        other => panic!("{other:?}"),
    }
}

/// What anybody can see, times and intents aside.
async fn visible(ledger: &dyn Ledger, members: &[Publish]) -> Vec<Value> {
    let mut seen = Vec::new();
    for member in members {
        for release in ledger.releases(&member.identifier).await.unwrap() {
            let one = ledger.release(&member.identifier, release.version.key()).await.unwrap();
            let original = one.expect("what is listed can be read").described.original;
            assert_eq!(original, json!({ "zebra": 1, "aardvark": [null, "é"] }));
            let holders = ledger.holders(&release.digest, 10).await.unwrap();
            assert_eq!(holders.len(), 1, "{} holds its bytes", release.identifier);
            let head = ledger.head(&release.identifier).await.unwrap().unwrap();
            seen.push(json!({
                "release": format!("{}@{} {}", release.identifier, release.version, release.digest),
                "pins": head.pins,
                "sequence": head.sequence,
            }));
        }
    }
    let events = ledger.events(0, 1_000).await.unwrap();
    for member in members {
        let chain: Vec<_> =
            events.iter().filter(|e| e.identifier == member.identifier).cloned().collect();
        verify_chain(&chain).unwrap();
    }
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    seen.extend(events.iter().map(|e| json!({ "event": e.number, "kind": e.kind })));
    seen
}

/// A table, a proxy before it, and a ledger that goes through the proxy.
struct World {
    store: Store,
    proxy: Proxy,
}

impl World {
    async fn new() -> Self {
        let store = Store::on(Server::Dynoxide).await;
        let proxy = Proxy::start(store.server.address());
        Self { store, proxy }
    }

    /// A publish through the proxy, by a function that has this long for a verb.
    async fn publish(&self, members: &[Publish], budget: Duration) -> StoreResult<bool> {
        let ledger = self.store.ledger_at(&self.proxy.url()).within(budget);
        publish(&ledger, members).await
    }

    async fn visible(&self, members: &[Publish]) -> Vec<Value> {
        visible(&self.store.ledger(), members).await
    }
}

fn members(count: usize) -> Vec<Publish> {
    let by = packhouse_registry::conformance::fixtures::job("acme/mono", 1);
    let one = |n| {
        let mut member =
            Publish::new(&format!("acme/p{n:02}"), "1.0.0", &format!("bytes {n}")).by(by.clone());
        if n > 0 {
            member.needs.push(format!("acme/p{:02}", n - 1).parse().unwrap());
        }
        member
    };
    (0..count).map(one).collect()
}

/// The faults that an operation can have.
fn faults(seen: &Seen) -> Vec<(&'static str, Fault)> {
    let mut faults = vec![
        ("not reached", Fault::NotReached),
        ("answer lost", Fault::AnswerLost),
        ("throttled", Fault::Exception("ThrottlingException")),
        ("server error", Fault::Exception("InternalServerError")),
    ];
    match seen.operation.as_str() {
        "TransactWriteItems" => faults.extend([
            ("conflict", Fault::Cancelled("TransactionConflict")),
            ("in progress", Fault::Exception("TransactionInProgressException")),
            ("condition", Fault::Cancelled("ConditionalCheckFailed")),
            ("too much", Fault::Cancelled("ThrottlingError")),
        ]),
        "BatchGetItem" => faults.push(("in part", Fault::Unprocessed)),
        _ => {}
    }
    faults
}

async fn every_request_may_fail(what: &str, members: &[Publish]) {
    let calm = World::new().await;
    assert!(calm.publish(members, Duration::from_secs(5)).await.unwrap());
    let requests = calm.proxy.seen();
    let expected = calm.visible(members).await;
    assert_eq!(expected.len(), 2 * members.len());
    println!("{what}: {} requests to DynamoDB", requests.len());
    println!("  {:>3} {:<20} what it went through, always to the same state", "", "");
    for request in &requests {
        let mut told = Vec::new();
        for (name, fault) in faults(request) {
            let world = World::new().await;
            world.proxy.fail_nth(request.number, fault);
            let done = world.publish(members, Duration::from_secs(5)).await;
            let context = format!("{what}, {request:?}, {name}");
            assert!(done.unwrap_or_else(|e| panic!("{context}: {e}")), "{context}");
            assert!(world.proxy.seen().len() > request.number, "{context}: it came up");
            assert_eq!(world.visible(members).await, expected, "{context}");
            told.push(name);
        }
        println!("  {:>3} {:<20} {}", request.number, request.operation, told.join(", "));
    }
}

/// Of a long train only the last requests are tried, from its commit on: those before are as in a
/// short one.
async fn every_request_may_be_the_last(what: &str, members: &[Publish], only: usize) {
    let calm = World::new().await;
    assert!(calm.publish(members, Duration::from_secs(5)).await.unwrap());
    let requests = calm.proxy.seen();
    let expected = calm.visible(members).await;
    let (mut nothing, mut everything) = (0, 0);
    for request in requests.iter().rev().take(only) {
        for last_is_carried_out in [false, true] {
            let world = World::new().await;
            let dies_at = request.number;
            world.proxy.plan(move |seen| match seen.number {
                n if n < dies_at => None,
                n if n == dies_at && last_is_carried_out => Some(Fault::AnswerLost),
                _ => Some(Fault::NotReached),
            });
            let context = format!("{what}, dead at {request:?}, {last_is_carried_out}");
            let died = world.publish(members, Duration::from_millis(30)).await;
            // What comes after the seal is done for others, and its loss is nobody's error.
            let seen = world.visible(members).await;
            assert!(died.is_err() || seen == expected, "{context}");
            assert!(seen.is_empty() || seen == expected, "{context}: half: {seen:?}");
            if seen.is_empty() {
                nothing += 1;
            } else {
                everything += 1;
            }
            world.proxy.calm();
            let again = world.publish(members, Duration::from_secs(5)).await;
            assert!(again.unwrap_or_else(|e| panic!("{context}: {e}")), "{context}");
            assert_eq!(world.visible(members).await, expected, "{context}");
            // The sweep finds nothing that is left to be done or to expire of it.
            let ledger = world.store.ledger();
            ledger.sweep(at(10_000), 1_000).await.unwrap();
            assert_eq!(ledger.sweep(at(10_000), 1_000).await.unwrap(), []);
            assert_eq!(world.visible(members).await, expected, "{context}");
        }
    }
    println!(
        "{what}: a function died {} times: {nothing} x nothing of it was visible, {everything} x all of it, always the same state after a rerun",
        nothing + everything
    );
    assert!(nothing > 0 && everything > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_survives_every_fault_of_dynamodb() {
    every_request_may_fail("one package", &members(1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_die_at_every_request() {
    every_request_may_be_the_last("one package", &members(1), usize::MAX).await;
}

/// A train of this many does not fit one transaction: it is sealed, and carried out in parts.
const LONG: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_may_die_at_every_request_of_a_long_train() {
    every_request_may_be_the_last("a train of twelve", &members(LONG), 11).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_stays_away_is_unavailable_and_not_broken() {
    let world = World::new().await;
    for fault in [
        Fault::NotReached,
        Fault::Exception("ThrottlingException"),
        Fault::Exception("ProvisionedThroughputExceededException"),
        Fault::Cancelled("TransactionConflict"),
        Fault::Slow(Duration::from_millis(200)),
    ] {
        let planned = fault.clone();
        world.proxy.plan(move |seen| match planned {
            Fault::Cancelled(_) if seen.operation != "TransactWriteItems" => None,
            _ => Some(planned.clone()),
        });
        let started = std::time::Instant::now();
        let done = world.publish(&members(1), Duration::from_millis(100)).await;
        if matches!(fault, Fault::Slow(_)) {
            done.unwrap();
            continue;
        }
        let error = done.unwrap_err();
        assert!(
            matches!(error, packhouse_registry::ports::StoreError::Unavailable(_)),
            "{fault:?}: {error}"
        );
        assert!(started.elapsed() < Duration::from_secs(2), "{fault:?}");
    }
}
