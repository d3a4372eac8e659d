//! How many requests to DynamoDB and S3 one call costs, on a package with 5,000 versions and in a
//! registry with 100,000 packages. Each call is a cold function's: nothing is in its memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use std::collections::BTreeMap;

use packhouse_core::api::read::Offer;
use packhouse_core::digest::{Digest, Hasher};
use packhouse_lambda::views::Manifest;
use packhouse_registry::catalogue::{Base, Entry};
use packhouse_registry::conformance::fixtures::{PLENTY, Publish, at, id, train, version};
use packhouse_registry::ports::{Begun, Committed, Ledger as _, Prepared, Record};
use packhouse_tests::dynamodb::Server;
use packhouse_tests::proxy::Proxy;
use packhouse_tests::s3::TestS3;
use serde_json::json;
use support::{Registry, Store};

const VERSIONS: usize = 5_000;
const PACKAGES: usize = 100_000;
/// What one function may answer on AWS: 200 MB streamed, of which we allow ourselves a tenth.
const ANSWER_BYTES: usize = 20 << 20;

/// What a call costs at most: requests to DynamoDB and to S3. The table in `docs/aws.md`.
const COSTS: &[(&str, &str, usize, usize)] = &[
    ("one release", "/v1/package/acme/large/releases/1.0.77", 9, 0),
    ("a package", "/v1/package/acme/large", 26, 0),
    ("all its releases", "/v1/package/acme/large/releases", 24, 0),
    ("its index file, made by the function", "/index/acme/large.json", 22, 0),
    ("its page", "/p/acme/large", 26, 0),
    ("a small package", "/v1/package/acme/small", 13, 0),
    ("all releases of a small package", "/v1/package/acme/small/releases", 11, 0),
    ("a closure with the large package", "/v1/closure?root=acme/large", 1, 1),
    ("a closure of 100 packages", "/v1/closure?root=acme/c000", 1, 100),
    ("a search", "/v1/packages?query=regulator", 1, 3),
    ("a search with slips", "/v1/packages?query=regulatr%20psrt", 1, 3),
    ("exports of a kind", "/v1/search?kind=build&page=40", 1, 3),
    ("exports of a kind, by words", "/v1/search?kind=build&query=quiet%20part77", 1, 3),
    ("the list of all packages", "/v1/packages/all", 1, 3),
    ("events", "/v1/events?after=0", 4, 0),
    ("health", "/healthz", 4, 0),
];
/// A publish of one more version: `begin`, `prepare` and `commit`.
const PUBLISH: usize = 16;
/// The views of one more version of a package with very many.
const DRAIN: (usize, usize) = (42, 4);

struct World {
    store: Store,
    proxy: Proxy,
    s3: TestS3,
}

impl World {
    async fn new() -> Self {
        let store = Store::on(Server::Dynoxide).await;
        let proxy = Proxy::start(store.server.address());
        Self { store, proxy, s3: TestS3::start() }
    }

    fn cold(&self) -> Registry {
        Registry::new(&self.store, &self.proxy.url(), &self.s3)
    }

    fn forget(&self) {
        self.proxy.forget();
        self.s3.seen();
    }

    fn asked(&self) -> (usize, usize) {
        (self.proxy.seen().len(), self.s3.seen().len())
    }
}

/// A package with so many versions, put in as an import does.
async fn large(registry: &Registry) {
    let first = Publish::new("acme/large", "1.0.0", "large 0").released(&*registry.ledger).await;
    let head = registry.ledger.head(&id("acme/large")).await.unwrap().unwrap();
    let records: Vec<_> = (1..VERSIONS)
        .map(|n| {
            let mut release = first.clone();
            release.version = version(&format!("1.0.{n}"));
            release.digest = Digest::of(format!("large {n}").as_bytes());
            Record::Release { sequence: head.sequence, release }
        })
        .collect();
    registry.ledger.load(&records).await.unwrap();
}

/// A chain of a hundred packages, each of which needs the next.
async fn chain(registry: &Registry) {
    for n in (0..100).rev() {
        let mut publish = Publish::new(&format!("acme/c{n:03}"), "1.0.0", &format!("chain {n}"));
        // Three of a kind, as in life: a few roots need many.
        publish.needs = (n * 3 + 1..=n * 3 + 3)
            .filter(|n| *n < 100)
            .map(|n| id(&format!("acme/c{n:03}")))
            .collect();
        publish.released(&*registry.ledger).await;
    }
}

/// A catalogue over so many packages, as the worker leaves it.
fn catalogue(world: &World) {
    let words = ["buck", "boost", "linear", "low-noise", "fast", "tiny", "wide", "quiet"];
    let entry = |n: usize| Entry {
        identifier: id(&format!("owner{:03}/part-{n:06}", n % 1_000)),
        version: format!("1.{}.0", n % 9),
        yanked: false,
        summary: format!("A {} {} regulator, part {n}", words[n % 8], words[n / 8 % 8]),
        repository: format!("https://git.example/owner{:03}/part-{n:06}", n % 1_000),
        homepage: None,
        format: "ato".to_owned(),
        keywords: vec![words[n / 64 % 8].to_owned()],
        exports: vec![Offer {
            kind: "build".to_owned(),
            name: format!("Part{n}"),
            module: None,
            path: Some("part.ato".to_owned()),
        }],
        native: None,
        held: false,
        archive: None,
        downloads: (PACKAGES - n) as u64,
        quality: None,
        advisories: None,
    };
    let entries: BTreeMap<_, _> =
        (0..PACKAGES).map(entry).map(|e| (e.identifier.clone(), e)).collect();
    let base = Base::build(&entries.into_values().collect::<Vec<_>>()).unwrap();
    let (index, all) = (base.index_bytes(), base.entry_bytes());
    println!("catalogue of {PACKAGES}: index {} bytes, entries {} bytes", index.len(), all.len());
    let mut hash = Hasher::default();
    hash.update(&index);
    hash.update(&all);
    let name = hash.finish().hex();
    world.s3.overwrite(&format!("views/catalogue/{name}.index"), &index);
    world.s3.overwrite(&format!("views/catalogue/{name}.entries"), &all);
    let mut manifest = Manifest::read(&world.s3.object(Manifest::KEY).unwrap().bytes).unwrap();
    manifest.base = serde_json::from_value(json!(name)).unwrap();
    world.s3.overwrite(Manifest::KEY, &serde_json::to_vec(&manifest).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_keeps_to_its_number_of_requests() {
    let world = World::new().await;
    let registry = world.cold();
    large(&registry).await;
    Publish::new("acme/small", "1.0.0", "small").released(&*registry.ledger).await;
    chain(&registry).await;
    registry.drain().await.unwrap();
    catalogue(&world);

    let page = include_str!("../../docs/aws.md");
    for (what, _, table, bucket) in COSTS {
        let row = format!("| {what} | {table} | {bucket} |");
        assert!(page.contains(&row), "docs/aws.md lacks {row}");
    }
    println!("{:<40} {:>8} {:>4} {:>10}", "call, cold", "DynamoDB", "S3", "bytes");
    let mut over = Vec::new();
    let mut line = |what: &str, asked: (usize, usize), most: (usize, usize), bytes: usize| {
        println!("{what:<40} {:>8} {:>4} {bytes:>10}", asked.0, asked.1);
        if asked.0 > most.0 || asked.1 > most.1 || bytes > ANSWER_BYTES {
            over.push(format!("{what}: {asked:?} of {most:?}, {bytes} bytes"));
        }
    };
    for (what, path, table, bucket) in COSTS {
        let registry = world.cold();
        world.forget();
        let (status, body) = registry.get(path).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        line(what, world.asked(), (*table, *bucket), body.len());
    }

    // Once it is warm, a search asks for the feed's head alone.
    let registry = world.cold();
    registry.get("/v1/packages?query=buck").await;
    world.forget();
    let found = registry.json("/v1/packages?query=tiny%20regulator").await;
    assert_eq!(found["packages"].as_array().unwrap().len(), 100);
    line("a search, warm", world.asked(), (1, 0), 0);

    let publish = Publish::new("acme/large", "2.0.0", "large, the next");
    let (train, ledger) = (train([&publish]), &registry.ledger);
    let intent = publish.intent(&train);
    world.forget();
    let begun = ledger.begin(&intent, None, PLENTY, at(10)).await.unwrap();
    assert!(matches!(begun, Begun::Opened(_)), "{begun:?}");
    let release = publish.release(&intent);
    let prepared = ledger.prepare(&intent.id, &train, &release, None, at(11)).await.unwrap();
    assert!(matches!(prepared, Prepared::Ready), "{prepared:?}");
    let committed = ledger.commit(&train, at(12)).await.unwrap();
    assert!(matches!(committed, Committed::Committed(_)), "{committed:?}");
    line("a publish, in the ledger", world.asked(), (PUBLISH, 0), 0);

    world.forget();
    assert_eq!(registry.drain().await.unwrap().made, 1);
    line("its views", world.asked(), DRAIN, 0);
    let closure = registry.json("/v1/closure?root=acme/large").await;
    assert_eq!(closure["packages"][0]["versions"].as_array().unwrap().len(), VERSIONS + 1);
    let closure = registry.json("/v1/closure?root=acme/c000").await;
    assert_eq!(closure["packages"].as_array().unwrap().len(), 100, "in one answer");
    assert!(over.is_empty(), "{over:#?}");
}
