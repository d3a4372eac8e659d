//! Many functions at once on one table: what they were told is held against a model.
//!
//! A version of a package is a register that is written once. So a history of publishes and reads is
//! linearizable exactly if, for each version, there is one content that won and one moment at which
//! it became visible: not before somebody asked to publish it, after the start of every read that
//! found nothing, and before the end of every call that saw it. The members of a train share their
//! moment. That is all the model, and it is checked for every call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use packhouse_core::digest::Digest;
use packhouse_lambda::dynamo::DynamoLedger;
use packhouse_registry::conformance::fixtures::{PLENTY, Publish, at, id, job, train};
use packhouse_registry::ledger::verify_chain;
use packhouse_registry::ports::{Begun, Committed, Ledger as _, Prepared, StoreError};
use packhouse_tests::dynamodb::Server;
use support::Store;

/// How often a client comes again before it gives up.
const TRIES: u32 = 200;
/// Functions that work on the table at once.
const FUNCTIONS: usize = 8;

/// (package, version).
type Place = (String, String);

/// What one call was told of one version, and when.
#[derive(Clone, Debug)]
struct Told {
    place: Place,
    started: u64,
    ended: u64,
    what: Seen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// A read found nothing.
    Nothing,
    /// It stands with this content.
    Content(Digest),
    /// A publish of this content was under way; how it ended, others tell.
    Asked(Digest),
}

/// One clock for all calls: numbers in the order of what happened.
#[derive(Default)]
struct Clock(AtomicU64);

impl Clock {
    fn tick(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

fn place(publish: &Publish) -> Place {
    (publish.identifier.key().to_owned(), publish.version.key().to_owned())
}

/// A client waits before it comes again: longer each time, and not all of them as long.
async fn pause(tries: u32, started: u64) {
    let longest = (5_u64 << tries.min(6)).max(1);
    let spread = (started + u64::from(tries)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    tokio::time::sleep(Duration::from_millis(longest / 2 + spread % longest)).await;
}

/// Publishes a train as the service does, and tells what it was told.
async fn publish(ledger: &DynamoLedger, clock: &Clock, members: &[Publish]) -> Vec<Told> {
    let train = train(members);
    let started = clock.tick();
    let mut told: Vec<Told> = Vec::new();
    let tell = |told: &mut Vec<Told>, one: &Publish, what: Seen| {
        told.push(Told { place: place(one), started, ended: clock.tick(), what });
    };
    for member in members {
        tell(&mut told, member, Seen::Asked(member.digest()));
    }
    'again: for tries in 0..TRIES {
        if tries > 0 {
            pause(tries, started).await;
        }
        for member in members {
            let asked = member.intent(&train);
            let intent = match ledger.begin(&asked, None, PLENTY, at(0)).await {
                Ok(Begun::Opened(intent)) => intent,
                Ok(Begun::Same(release)) => {
                    tell(&mut told, member, Seen::Content(release.digest));
                    continue;
                }
                Ok(Begun::Taken(release)) => {
                    tell(&mut told, member, Seen::Content(release.digest));
                    return told;
                }
                Err(StoreError::Unavailable(_)) => continue 'again,
                other => panic!("{other:?}"),
            };
            let release = member.release(&intent);
            match ledger.prepare(&intent.id, &train, &release, None, at(1)).await {
                Ok(Prepared::Ready) => {}
                Ok(Prepared::Same(release)) => {
                    tell(&mut told, member, Seen::Content(release.digest));
                }
                Ok(Prepared::Taken(release)) => {
                    tell(&mut told, member, Seen::Content(release.digest));
                    return told;
                }
                Ok(Prepared::Reserved { .. }) | Err(StoreError::Unavailable(_)) => continue 'again,
                other => panic!("{other:?}"),
            }
        }
        match ledger.commit(&train, at(2)).await {
            Ok(Committed::Committed(releases)) => {
                // The answer is in the order of identifiers, the members are in ours.
                for member in members {
                    let mine = releases.iter().find(|r| r.identifier == member.identifier);
                    let digest = mine.expect("all of the train is answered").digest;
                    tell(&mut told, member, Seen::Content(digest));
                }
                return told;
            }
            Ok(Committed::Waiting(_)) | Err(StoreError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    panic!("a publish never ended");
}

async fn read(ledger: &DynamoLedger, clock: &Clock, of: &Publish) -> Told {
    let started = clock.tick();
    let found = loop {
        match ledger.release(&of.identifier, of.version.key()).await {
            Ok(found) => break found,
            // Two hundred at once are slow on a small machine; clients come again too.
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    let what = found.map_or(Seen::Nothing, |release| Seen::Content(release.digest));
    Told { place: place(of), started, ended: clock.tick(), what }
}

/// Checks the history; the places that share one moment are in one group.
fn check(history: &[Told], groups: &[BTreeSet<Place>]) {
    let mut winners: BTreeMap<&Place, Digest> = BTreeMap::new();
    for told in history {
        if let Seen::Content(digest) = told.what {
            let winner = *winners.entry(&told.place).or_insert(digest);
            assert_eq!(winner, digest, "{:?} stands with two contents", told.place);
        }
    }
    for group in groups {
        let of_group = || history.iter().filter(|told| group.contains(&told.place));
        let mut not_before = 0;
        let mut not_after = u64::MAX;
        for told in of_group() {
            match told.what {
                Seen::Nothing => not_before = not_before.max(told.started),
                Seen::Content(_) => not_after = not_after.min(told.ended),
                Seen::Asked(_) => {}
            }
        }
        for place in group {
            let Some(winner) = winners.get(place) else { continue };
            let asked =
                of_group().filter(|told| told.place == *place && told.what == Seen::Asked(*winner));
            let first = asked.map(|told| told.started).min();
            not_before = not_before.max(first.expect("nothing wins that nobody asked for"));
        }
        assert!(not_before < not_after, "{group:?}: {not_before} .. {not_after}: no such moment");
    }
}

/// `alone` publishes of one package each, and `together` trains of three that overlap, all at once.
async fn race(server: Server, alone: usize, together: usize) {
    let store = Store::on(server).await;
    let ledgers: Vec<Arc<DynamoLedger>> =
        (0..FUNCTIONS).map(|_| Arc::new(store.ledger())).collect();
    let clock = Arc::new(Clock::default());
    let mut trains: Vec<Vec<Publish>> = Vec::new();
    // Of each package two versions with two contents, each asked for twice.
    let packages = alone / 8;
    assert!(
        packages.is_multiple_of(4),
        "trains of one content then have all members in common, or none"
    );
    for n in 0..alone {
        let package = format!("acme/p{}", n % packages);
        let version = format!("1.{}.0", n / packages % 2);
        let content = format!("{package} {version} {}", n / (2 * packages) % 2);
        let run = u32::try_from(n).unwrap();
        trains.push(vec![Publish::new(&package, &version, &content).by(job("acme/mono", run))]);
    }
    // Of three packages each, four contents.
    let mut groups: Vec<BTreeSet<Place>> = Vec::new();
    for n in 0..together {
        let run = u32::try_from(1_000 + n).unwrap();
        let member = |k: usize| {
            let package = format!("acme/p{}", (n + k) % packages);
            Publish::new(&package, "2.0.0", &format!("{package} {}", n % 4))
                .by(job("acme/mono", run))
        };
        trains.push(vec![member(0), member(1), member(2)]);
    }
    let mut order: Vec<usize> = (0..trains.len()).collect();
    let mut seed = 7_u64;
    for place in (1..order.len()).rev() {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        order.swap(place, usize::try_from(seed % (place as u64 + 1)).unwrap());
    }
    let mut tasks = Vec::new();
    for (task, train) in order.iter().enumerate() {
        let (ledger, clock) = (Arc::clone(&ledgers[task % FUNCTIONS]), Arc::clone(&clock));
        let members = trains[*train].clone();
        tasks.push(tokio::spawn(async move {
            let mut told = vec![read(&ledger, &clock, &members[0]).await];
            told.extend(publish(&ledger, &clock, &members).await);
            for member in &members {
                told.push(read(&ledger, &clock, member).await);
            }
            told
        }));
    }
    let mut history = Vec::new();
    for task in tasks {
        history.extend(task.await.unwrap());
    }
    let mut shared = BTreeSet::new();
    let ledger = store.ledger();
    for members in trains.iter().skip(alone) {
        let train = train(members);
        let whole = ledger.waiting(&train).await.unwrap().is_empty();
        let mut stands = 0;
        for member in members {
            let found = ledger.release(&member.identifier, "2.0.0").await.unwrap();
            let mine = found.filter(|release| release.digest == member.digest());
            let of_train = mine.is_some_and(|release| release.released_at == at(2));
            stands += usize::from(of_train);
        }
        let places: BTreeSet<Place> = members.iter().map(place).collect();
        if whole && stands == members.len() && places.is_disjoint(&shared) {
            shared.extend(places.iter().cloned());
            groups.push(places);
        }
    }
    let unshared = history.iter().map(|told| told.place.clone()).filter(|p| !shared.contains(p));
    let unshared: BTreeSet<Place> = unshared.collect();
    groups.extend(unshared.into_iter().map(|place| BTreeSet::from([place])));
    check(&history, &groups);

    let events = ledger.events(0, 10_000).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (1..=events.len() as u64).collect::<Vec<_>>());
    let mut releases = 0;
    for package in 0..packages {
        let package = id(&format!("acme/p{package}"));
        let chain: Vec<_> =
            events.iter().filter(|event| event.identifier == package).cloned().collect();
        verify_chain(&chain).unwrap();
        let head = ledger.head(&package).await.unwrap().unwrap();
        assert_eq!(head.sequence, chain.len() as u64);
        assert_eq!(ledger.releases(&package).await.unwrap().len(), chain.len());
        releases += chain.len();
    }
    assert_eq!(releases, events.len(), "each release was announced once");
    println!(
        "{server:?}: {} publishes by {FUNCTIONS} functions, {} calls, {releases} releases, {} groups, linearizable",
        trains.len(),
        history.len(),
        groups.len(),
    );
    assert!(releases >= 2 * packages, "{releases}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_publishes_at_once_are_linearizable() {
    race(Server::Dynoxide, 160, 40).await;
}

// This server answers a tenth as fast: as many at once would only wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eighty_publishes_at_once_are_linearizable_on_the_other_server() {
    race(Server::ExtendDb, 64, 16).await;
}

#[test]
fn the_model_finds_what_is_not_linearizable() {
    let place = ("acme/p".to_owned(), "1.0.0".to_owned());
    let told = |started, ended, what| Told { place: place.clone(), started, ended, what };
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    let groups = [BTreeSet::from([place.clone()])];
    let fails = |history: Vec<Told>| {
        std::panic::catch_unwind(|| check(&history, &[BTreeSet::from([place.clone()])])).is_err()
    };
    let asked = told(0, 1, Seen::Asked(one));
    check(&[asked.clone(), told(2, 5, Seen::Content(one)), told(3, 6, Seen::Nothing)], &groups);
    let stale = vec![asked.clone(), told(2, 3, Seen::Content(one)), told(4, 5, Seen::Nothing)];
    assert!(fails(stale), "a read after it was seen finds nothing");
    let both = vec![asked.clone(), told(2, 3, Seen::Content(one)), told(2, 3, Seen::Content(two))];
    assert!(fails(both), "two contents");
    let early = vec![told(5, 6, Seen::Asked(one)), told(2, 3, Seen::Content(one))];
    assert!(fails(early), "seen before it was asked for");
}
