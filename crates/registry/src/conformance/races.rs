//! Many at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fixtures::{PLENTY, Publish, at, id, job, train};
use crate::ledger::verify_chain;
use crate::ports::{Begun, Committed, Ledger, Prepared, StoreError, StoreResult};

type Store = Arc<dyn Ledger>;

/// How one task's publish ended.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Released(String),
    Same(String),
    Taken(String),
}

/// A call as a client makes it: who is told that too many came at once, comes again.
async fn patiently<T, F>(call: impl Fn() -> F) -> T
where
    F: Future<Output = StoreResult<T>>,
{
    for _ in 0..20 {
        match call().await {
            Err(StoreError::Unavailable(_)) => {}
            answer => return answer.unwrap(),
        }
    }
    panic!("too many came at once, twenty times")
}

/// A publish as the service does it: whoever finds the version reserved comes again.
async fn publish(ledger: Store, publish: Publish) -> End {
    let train = train([&publish]);
    loop {
        let asked = publish.intent(&train);
        let intent = match patiently(|| ledger.begin(&asked, None, PLENTY, at(0))).await {
            Begun::Opened(intent) => intent,
            Begun::Same(release) => return End::Same(release.digest.hex()),
            Begun::Taken(release) => return End::Taken(release.digest.hex()),
            other => panic!("{other:?}"),
        };
        let release = publish.release(&intent);
        match patiently(|| ledger.prepare(&intent.id, &train, &release, None, at(1))).await {
            Prepared::Ready => {}
            Prepared::Same(release) => return End::Same(release.digest.hex()),
            Prepared::Taken(release) => return End::Taken(release.digest.hex()),
            Prepared::Reserved { .. } => {
                tokio::task::yield_now().await;
                continue;
            }
            other => panic!("{other:?}"),
        }
        match patiently(|| ledger.commit(&train, at(2))).await {
            Committed::Committed(releases) => return End::Released(releases[0].digest.hex()),
            Committed::Waiting(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn all_at_once(ledger: &Store, publishes: Vec<Publish>) -> Vec<End> {
    let tasks: Vec<_> =
        publishes.into_iter().map(|one| tokio::spawn(publish(Arc::clone(ledger), one))).collect();
    let mut ends = Vec::new();
    for task in tasks {
        ends.push(task.await.unwrap());
    }
    ends
}

/// One release, and everybody else learns its digest.
pub async fn of_fifty_publishes_with_other_bytes_one_wins(ledger: Store) {
    let publishes = (0..50).map(|n| {
        Publish::new("acme/sensor", "1.0.0", &format!("bytes {n}")).by(job("acme/sensor", n))
    });
    let ends = all_at_once(&ledger, publishes.collect()).await;
    let releases = ledger.releases(&id("acme/sensor")).await.unwrap();
    assert_eq!(releases.len(), 1);
    let winner = releases[0].digest.hex();
    let won = ends.iter().filter(|end| **end == End::Released(winner.clone())).count();
    let taken = ends.iter().filter(|end| **end == End::Taken(winner.clone())).count();
    assert_eq!((won, taken), (1, 49), "{ends:?}");
    assert_eq!(ledger.events(0, 100).await.unwrap().len(), 1);
}

/// One release, and everybody gets it.
pub async fn fifty_publishes_of_the_same_bytes_are_one_release(ledger: Store) {
    let publishes =
        (0..50).map(|n| Publish::new("acme/sensor", "1.0.0", "bytes").by(job("acme/sensor", n)));
    let ends = all_at_once(&ledger, publishes.collect()).await;
    let releases = ledger.releases(&id("acme/sensor")).await.unwrap();
    assert_eq!(releases.len(), 1);
    let digest = releases[0].digest.hex();
    let fine =
        |end: &End| *end == End::Released(digest.clone()) || *end == End::Same(digest.clone());
    assert!(ends.iter().all(fine), "{ends:?}");
    assert_eq!(ledger.events(0, 100).await.unwrap().len(), 1);
}

/// Of trains that compete for one version, one becomes visible whole, the others not at all.
pub async fn trains_that_share_a_version_do_not_mix(ledger: Store) {
    let members = |run: u32| {
        let by = |package: &str| {
            let content = format!("{package} of run {run}");
            Publish::new(package, "1.0.0", &content).by(job("acme/mono", run))
        };
        [by("acme/a"), by("acme/b"), by("acme/c")]
    };
    let tasks: Vec<_> = (0..8)
        .map(|run| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                let members = members(run);
                let train = train(&members);
                for member in &members {
                    let asked = member.intent(&train);
                    let Begun::Opened(intent) =
                        ledger.begin(&asked, None, PLENTY, at(0)).await.unwrap()
                    else {
                        return false;
                    };
                    let release = member.release(&intent);
                    let prepared =
                        ledger.prepare(&intent.id, &train, &release, None, at(1)).await.unwrap();
                    if !matches!(prepared, Prepared::Ready) {
                        return false;
                    }
                }
                matches!(
                    ledger.commit(&train, at(2)).await.unwrap(),
                    Committed::Committed(releases) if releases.len() == 3
                )
            })
        })
        .collect();
    let mut sealed = 0;
    for task in tasks {
        sealed += u32::from(task.await.unwrap());
    }
    let mut visible = BTreeSet::new();
    for package in ["acme/a", "acme/b", "acme/c"] {
        for release in ledger.releases(&id(package)).await.unwrap() {
            visible.insert(crate::ledger::publisher_key(&release.publisher) + &release.intent);
            assert_eq!(sealed, 1);
        }
    }
    assert_eq!(visible.len(), 3 * sealed as usize);
}

/// Numbers are given once, in order, and each package's chain holds.
pub async fn events_have_no_gaps_under_load(ledger: Store) {
    let publishes = (0..40).map(|n| {
        Publish::new(&format!("acme/p{}", n % 4), &format!("1.0.{n}"), &n.to_string())
            .by(job(&format!("acme/p{}", n % 4), n))
    });
    all_at_once(&ledger, publishes.collect()).await;
    let events = ledger.events(0, 1000).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<u64>>());
    for package in 0..4 {
        let package = id(&format!("acme/p{package}"));
        let chain: Vec<_> =
            events.iter().filter(|event| event.identifier == package).cloned().collect();
        verify_chain(&chain).unwrap();
        let head = ledger.head(&package).await.unwrap().unwrap();
        assert_eq!(head.sequence, 10);
        assert_eq!(head.event_hash, chain[9].hash);
    }
}
