//! Views follow the ledger, whatever fails and whoever else makes them at the same time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use std::sync::Arc;

use futures_util::future::join_all;
use packhouse_core::claims::Publisher;
use packhouse_core::release::Mark;
use packhouse_lambda::views::{Manifest, index_key};
use packhouse_registry::conformance::fixtures::{PLENTY, Publish, at, id, train};
use packhouse_registry::ports::{Committed, Ledger as _, MarkChange, StoreError};
use packhouse_tests::dynamodb::Server;
use packhouse_tests::proxy::{self, Proxy};
use packhouse_tests::s3::{Fault, TestS3};
use serde_json::Value;
use support::{Registry, Store};

/// A registry with a proxy before its table.
struct World {
    registry: Registry,
    proxy: Proxy,
    store: Store,
    s3: TestS3,
}

impl World {
    async fn new() -> Self {
        let store = Store::on(Server::Dynoxide).await;
        let proxy = Proxy::start(store.server.address());
        let s3 = TestS3::start();
        let registry = Registry::new(&store, &proxy.url(), &s3);
        Self { registry, proxy, store, s3 }
    }

    async fn publish(&self, package: &str, version: &str) {
        let publish = Publish::new(package, version, &format!("{package} {version}"));
        publish.released(&*self.registry.ledger).await;
    }

    fn manifest(&self) -> Manifest {
        Manifest::read(&self.s3.object(Manifest::KEY).expect("a manifest").bytes).unwrap()
    }

    /// The versions in a package's index file, highest first; none where there is no file.
    fn index(&self, package: &str) -> Vec<String> {
        let Some(object) = self.s3.object(&index_key(&id(package))) else { return Vec::new() };
        assert_eq!(object.content_type.as_deref(), Some("application/json"));
        assert_eq!(object.cache_control.as_deref(), Some("public, max-age=60"));
        let file: Value = serde_json::from_slice(&object.bytes).unwrap();
        let versions = file["versions"].as_array().unwrap();
        versions.iter().map(|v| v["version"].as_str().unwrap().to_owned()).collect()
    }

    async fn found(&self, query: &str) -> Vec<String> {
        let answer = self.registry.json(&format!("/v1/packages?query={query}")).await;
        let packages = answer["packages"].as_array().unwrap().clone();
        let name = |hit: &Value| {
            let text = |key: &str| hit[key].as_str().unwrap().to_owned();
            format!("{}@{}", text("identifier"), text("version"))
        };
        packages.iter().map(name).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_follow_the_feed() {
    let world = World::new().await;
    let nothing = world.registry.drain().await.unwrap();
    assert!(nothing.done && nothing.made == 0 && world.s3.keys().is_empty());
    world.publish("acme/sensor", "1.0.0").await;
    world.publish("acme/hub", "1.0.0").await;
    world.publish("acme/sensor", "1.1.0").await;
    assert_eq!(world.found("sensor").await, ["acme/sensor@1.1.0"], "before the first drain");
    let drained = world.registry.drain().await.unwrap();
    assert_eq!((drained.event, drained.made, drained.done), (world.manifest().event, 2, true));
    assert_eq!(world.index("acme/sensor"), ["1.1.0", "1.0.0"]);
    assert_eq!(world.found("sensor").await, ["acme/sensor@1.1.0"]);

    let (by, reason) = (Publisher::Open, "broken".to_owned());
    let mark = Mark { at: at(9), by, reason, replacement: None };
    let (sensor, yank) = (id("acme/sensor"), MarkChange::Yank(mark.clone()));
    world.registry.ledger.mark(&sensor, "1.1.0", &yank, at(9)).await.unwrap().unwrap();
    assert_eq!(world.registry.drain().await.unwrap().made, 1);
    assert_eq!(world.found("sensor").await, ["acme/sensor@1.0.0"], "yanked ones come last");
    let remove = MarkChange::Remove(mark);
    for version in ["1.0.0", "1.1.0"] {
        world.registry.ledger.mark(&sensor, version, &remove, at(10)).await.unwrap().unwrap();
    }
    world.registry.drain().await.unwrap();
    assert_eq!(world.found("sensor").await, Vec::<String>::new());
    assert_eq!(world.index("acme/sensor"), ["1.1.0", "1.0.0"], "tombstones stay");
    assert_eq!(world.found("hub").await, ["acme/hub@1.0.0"]);

    world.s3.seen();
    let idle = world.registry.drain().await.unwrap();
    assert!(idle.done && idle.made == 0);
    let asked = world.s3.seen();
    assert_eq!(asked, [("GetObject".to_owned(), Manifest::KEY.to_owned())], "nothing is written");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_packages_offer_follows_the_feed() {
    let world = World::new().await;
    let first = Publish::new("acme/cells", "1.0.0", "one").offering("process", "TumorGrowth");
    let first = first.offering("process", "Division").offering("step", "Count");
    first.released(&*world.registry.ledger).await;
    let other = Publish::new("zeta/tissue", "1.0.0", "two").offering("process", "Tissue");
    other.released(&*world.registry.ledger).await;
    let found = async |query: &str| {
        let answer = world.registry.json(&format!("/v1/search?{query}")).await;
        let hits = answer["hits"].as_array().unwrap().clone();
        let name = |hit: &Value| {
            let names = hit["exports"].as_array().unwrap().iter().map(|e| e["name"].as_str());
            let names: Vec<_> = names.map(Option::unwrap).collect();
            format!("{} {}", hit["identifier"].as_str().unwrap(), names.join(","))
        };
        (hits.iter().map(name).collect::<Vec<_>>(), answer["total"].as_u64().unwrap())
    };
    let all = ["acme/cells TumorGrowth", "acme/cells Division", "zeta/tissue Tissue"];
    // Before the first drain, from the ledger; then from the views.
    for _ in 0..2 {
        assert_eq!(found("kind=process").await, (all.map(str::to_owned).to_vec(), 3));
        assert_eq!(found("kind=process&limit=1&page=2").await, (vec![all[1].to_owned()], 3));
        assert_eq!(found("kind=process&query=growth").await.0, [all[0]]);
        assert_eq!(found("query=count").await.0, ["acme/cells Count"], "words of exports");
        assert_eq!(found("kind=step&format=ato").await.1, 0);
        let (status, body) = world.registry.get("/v1/search?kind=proces").await;
        let body = String::from_utf8(body).unwrap();
        assert!(status == 400 && body.contains("did you mean `process`?"), "{body}");
        world.registry.drain().await.unwrap();
    }
    let file = world.s3.object(&index_key(&id("acme/cells"))).unwrap();
    let file: Value = serde_json::from_slice(&file.bytes).unwrap();
    assert_eq!(file["exports"][2], serde_json::json!({"kind": "step", "name": "Count"}));
    let next = Publish::new("acme/cells", "1.1.0", "three").offering("step", "Count");
    next.released(&*world.registry.ledger).await;
    world.registry.drain().await.unwrap();
    assert_eq!(found("kind=process").await, (vec![all[2].to_owned()], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_drains_and_publishes_at_once_leave_nothing_behind() {
    let world = Arc::new(World::new().await);
    let publishing = (0..6).map(|writer| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            for version in 0..5 {
                world
                    .publish(&format!("acme/p{}", writer % 3), &format!("1.{version}.{writer}"))
                    .await;
            }
        })
    });
    let draining = (0..4).map(|_| {
        let world = Arc::clone(&world);
        tokio::spawn(async move {
            let registry = Registry::new(&world.store, &world.proxy.url(), &world.s3);
            for _ in 0..8 {
                match registry.drain().await {
                    Ok(_) | Err(StoreError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        })
    });
    let all: Vec<_> = publishing.chain(draining).collect();
    for task in join_all(all).await {
        task.unwrap();
    }
    world.registry.drain().await.unwrap();
    for package in ["acme/p0", "acme/p1", "acme/p2"] {
        let mut expected: Vec<_> = world.registry.ledger.releases(&id(package)).await.unwrap();
        expected.sort_by(|a, b| b.version.cmp(&a.version));
        let expected: Vec<_> = expected.iter().map(|r| r.version.text().to_owned()).collect();
        assert_eq!(expected.len(), 10);
        assert_eq!(world.index(package), expected, "{package}");
        assert_eq!(world.found(package).await, [format!("{package}@{}", expected[0])]);
    }
}

/// Every request of a drain fails once, in each of the ways in which it can; the next drain does
/// what is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_that_fails_anywhere_is_finished_by_the_next() {
    // How many requests a drain of one event is.
    let (to_s3, to_table) = {
        let world = World::new().await;
        world.publish("acme/sensor", "1.0.0").await;
        world.s3.seen();
        world.proxy.forget();
        world.registry.drain().await.unwrap();
        (world.s3.seen(), world.proxy.seen().len())
    };
    println!("a drain of one event: {} requests to S3, {to_table} to DynamoDB", to_s3.len());
    println!("{:<52} | first drain | then", "fault");
    let mut rows = 0;
    let mut check = async |what: String, world: &World| {
        let first = world.registry.drain().await;
        world.s3.calm();
        world.proxy.calm();
        let first = match first {
            Ok(_) => "done",
            Err(StoreError::Unavailable(_)) => "unavailable",
            Err(error) => panic!("{what}: {error}"),
        };
        let second = world.registry.drain().await.unwrap();
        assert!(second.done && second.failed == 0, "{what}: {second:?}");
        assert_eq!(world.index("acme/sensor"), ["1.0.0"], "{what}");
        assert_eq!(world.manifest().event, 1, "{what}");
        assert_eq!(world.found("sensor").await, ["acme/sensor@1.0.0"], "{what}");
        println!("{what:<52} | {first:<11} | done");
        rows += 1;
    };
    for (at, (operation, key)) in to_s3.iter().enumerate() {
        for lasting in [false, true] {
            for fault in [Fault::SlowDown, Fault::AnswerLost, Fault::Conflict] {
                if fault == Fault::Conflict && operation != "PutObject" {
                    continue;
                }
                let world = World::new().await;
                world.publish("acme/sensor", "1.0.0").await;
                let mut number = 0;
                world.s3.plan(move |_, _| {
                    number += 1;
                    (number == at + 1 || (lasting && number > at)).then_some(fault)
                });
                let times = if lasting { "from then on" } else { "once" };
                check(format!("{operation} {key} {fault:?} {times}"), &world).await;
            }
        }
    }
    for at in 0..to_table {
        for fault in [proxy::Fault::NotReached, proxy::Fault::Exception("ThrottlingException")] {
            let world = World::new().await;
            world.publish("acme/sensor", "1.0.0").await;
            let what = format!("DynamoDB request {at} {fault:?}");
            world.proxy.fail_nth(at, fault);
            check(what, &world).await;
        }
    }
    assert!(rows > 30, "{rows}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_feed_becomes_one_base_and_later_changes_lie_over_it() {
    let world = World::new().await;
    for first in (0..520).step_by(40) {
        let members: Vec<_> = (first..first + 40)
            .map(|n| Publish::new(&format!("acme/p{n:03}"), "1.0.0", &format!("p{n}")))
            .collect();
        let train = train(&members);
        for member in &members {
            let intent = member.intent(&train);
            let ledger = &world.registry.ledger;
            ledger.begin(&intent, None, PLENTY, at(0)).await.unwrap();
            ledger
                .prepare(&intent.id, &train, &member.release(&intent), None, at(1))
                .await
                .unwrap();
        }
        let sealed = world.registry.ledger.commit(&train, at(2)).await.unwrap();
        assert!(matches!(sealed, Committed::Committed(_)), "{sealed:?}");
    }
    let drained = world.registry.drain().await.unwrap();
    assert_eq!(drained.made, 520);
    let manifest = world.manifest();
    assert!(manifest.base.is_some() && manifest.changes.is_empty(), "{manifest:?}");
    let bases = || world.s3.keys().iter().filter(|key| key.starts_with("views/catalogue/")).count();
    assert_eq!(bases(), 2, "an index and its entries");
    world.publish("acme/p007", "2.0.0").await;
    world.registry.drain().await.unwrap();
    assert_eq!((world.manifest().changes.len(), bases()), (1, 2));
    assert_eq!(world.found("p007").await, ["acme/p007@2.0.0"]);
    assert_eq!(world.registry.json("/v1/packages/all").await["total"], 520);
}
