//! Records of one ledger in another.

use std::sync::Arc;

use packhouse_core::digest::Digest;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::Mark;
use serde_json::json;

use super::fixtures::{Publish, at, id, job};
use crate::ledger::owner_pin_of;
use crate::memory::MemoryLedger;
use crate::ports::{
    Action, Downloads, Entry, HeadChange, IntentId, Ledger, ListingChange, MarkChange, Record,
    Reservation, StoreError, TokenRecord,
};

type Store = Arc<dyn Ledger>;

fn python(name: &str) -> NativeName {
    NativeName { ecosystem: "python".to_owned(), name: name.to_owned() }
}

fn mark(reason: &str) -> Mark {
    let by = job("acme/sensor", 3);
    Mark { at: at(50), by, reason: reason.to_owned(), replacement: None }
}

fn token(id: &str) -> TokenRecord {
    TokenRecord {
        id: id.to_owned(),
        sha256: Digest::of(id.as_bytes()),
        label: "a token".to_owned(),
        prefix: String::new(),
        actions: vec![Action::Publish],
        created_at: at(0),
        expires_at: at(1_000),
        revoked_at: None,
    }
}

fn listing(name: &str, sequence: u64, says: Option<&str>) -> ListingChange {
    ListingChange {
        id: IntentId::random().unwrap(),
        name: python(name),
        sequence,
        owner: "0123456789ab".to_owned(),
        operator: false,
        entry: says.map(|says| Entry::new(None, json!({ "says": says })).unwrap()),
    }
}

/// A ledger in which everything has happened.
async fn source() -> Store {
    let ledger: Store = Arc::new(MemoryLedger::new());
    Publish::new("Acme/Sensor", "1.0.0", "a").python("sensor").released(&*ledger).await;
    Publish::new("acme/sensor", "1.1.0", "b").at(10).released(&*ledger).await;
    Publish::new("acme/sensor", "1.2.0", "c").at(20).released(&*ledger).await;
    Publish::new("other/probe", "0.1.0", "d").python("probe").at(30).released(&*ledger).await;
    let sensor = id("acme/sensor");
    for (key, change) in [
        ("1.0.0", MarkChange::Yank(mark("broken"))),
        ("1.1.0", MarkChange::Remove(mark("illegal"))),
        ("1.2.0", MarkChange::Quarantine(mark("odd"))),
    ] {
        ledger.mark(&sensor, key, &change, at(60)).await.unwrap().unwrap();
    }
    let change = HeadChange::Native(python("probe"));
    let handed = ledger.change_head(&sensor, 6, &change, json!({ "native": "probe" }), at(70));
    handed.await.unwrap().unwrap();
    let name = "python:numpy".to_owned();
    let reservation = Reservation { name, holder: None, reason: "known".to_owned(), at: at(0) };
    ledger.reserve(&reservation).await.unwrap();
    for (name, sequence, says) in
        [("here", 0, Some("one")), ("gone", 0, Some("two")), ("gone", 1, None)]
    {
        ledger.change_listing(&listing(name, sequence, says), at(7)).await.unwrap();
    }
    ledger.put_token(&token("0123456789ab")).await.unwrap();
    ledger.put_token(&token("ba9876543210")).await.unwrap();
    ledger.revoke_token("ba9876543210", at(9)).await.unwrap();
    let day = "2026-01-02".to_owned();
    let count = Downloads { identifier: sensor, version: "1.0.0".to_owned(), day, count: 7 };
    ledger.count_downloads(&[count]).await.unwrap();
    ledger
}

/// All that a ledger says, as records; none of it depends on the order of its rows.
async fn dump(ledger: &dyn Ledger) -> Vec<Record> {
    let mut records = Vec::new();
    for identifier in ledger.packages(None, 100).await.unwrap() {
        let head = ledger.head(&identifier).await.unwrap().unwrap();
        let mut releases = ledger.releases(&identifier).await.unwrap();
        releases.sort_by(|a, b| a.version.key().cmp(b.version.key()));
        for release in releases {
            let whole = ledger.release(&identifier, release.version.key()).await.unwrap().unwrap();
            records.push(Record::Release { sequence: head.sequence, release: whole });
        }
        records.push(Record::Head(head));
        let mut downloads = ledger.downloads(&identifier).await.unwrap();
        downloads.sort_by(|a, b| (&a.version, &a.day).cmp(&(&b.version, &b.day)));
        records.extend(downloads.into_iter().map(Record::Downloads));
    }
    for owner in ["acme", "other"] {
        if let Some(pin) = ledger.owner_pin(owner).await.unwrap() {
            records.push(Record::OwnerPin { owner: owner.to_owned(), pin });
        }
    }
    for name in ["sensor", "probe"].map(python) {
        if let Some(holder) = ledger.native(&name).await.unwrap() {
            records.push(Record::Native { name, holder });
        }
    }
    let listings = ledger.listings(None, 100).await.unwrap();
    records.extend(listings.into_iter().map(Record::Listing));
    records.extend(ledger.reservations().await.unwrap().into_iter().map(Record::Reservation));
    records.extend(ledger.tokens().await.unwrap().into_iter().map(Record::Token));
    records.extend(ledger.events(0, 100).await.unwrap().into_iter().map(Record::Event));
    records
}

async fn refused(ledger: &Store, record: Record) -> String {
    match ledger.load(&[record]).await {
        Err(StoreError::Broken(why)) => why,
        other => panic!("not refused: {other:?}"),
    }
}

/// Every read answers the same, and publishing goes on where it stopped.
pub async fn a_loaded_ledger_reads_as_the_one_that_was_dumped(ledger: Store) {
    let source = source().await;
    let records = dump(&*source).await;
    assert_eq!(records.len(), 25);
    for some in records.chunks(5) {
        // A record in JSON is the record.
        let text = serde_json::to_string(some).unwrap();
        let read: Vec<Record> = serde_json::from_str(&text).unwrap();
        ledger.load(&read).await.unwrap();
    }
    assert_eq!(dump(&*ledger).await, records);
    let (a, c) = (Digest::of(b"a"), Digest::of(b"c"));
    assert_eq!(ledger.references(&a).await.unwrap(), 1);
    assert_eq!(ledger.references(&Digest::of(b"b")).await.unwrap(), 0, "it was removed");
    assert_eq!(ledger.holders(&c, 9).await.unwrap(), source.holders(&c, 9).await.unwrap());
    let hash = token("0123456789ab").sha256;
    assert_eq!(ledger.token(&hash).await.unwrap(), Some(token("0123456789ab")));
    for ledger in [&source, &ledger] {
        let next = Publish::new("acme/sensor", "1.3.0", "e").at(100);
        next.released(&**ledger).await;
        let stranger = Publish::new("acme/sensor", "1.4.0", "f").by(job("evil/sensor", 1)).at(110);
        let refused = stranger.run(&**ledger).await;
        assert!(matches!(refused, crate::ports::Committed::PinsDiffer(_)), "{refused:?}");
    }
    let (mine, its) = (dump(&*ledger).await, dump(&*source).await);
    // The two publishes have intents of their own: all else is the same.
    assert_eq!(mine.len(), its.len());
    let events = ledger.events(0, 100).await.unwrap();
    assert_eq!(events, source.events(0, 100).await.unwrap());
}

/// An import that is cut short is repeated from its start.
pub async fn loading_again_changes_nothing(ledger: Store) {
    let records = dump(&*source().await).await;
    ledger.load(&records[..9]).await.unwrap();
    ledger.load(&records).await.unwrap();
    ledger.load(&records).await.unwrap();
    assert_eq!(dump(&*ledger).await, records);
}

/// A dump of yesterday does not take back what happened here today.
pub async fn what_went_on_here_is_not_turned_back(ledger: Store) {
    let records = dump(&*source().await).await;
    ledger.load(&records).await.unwrap();
    let sensor = id("acme/sensor");
    ledger.mark(&sensor, "1.0.0", &MarkChange::Unyank, at(200)).await.unwrap();
    ledger.revoke_token("0123456789ab", at(201)).await.unwrap();
    let head = ledger.head(&id("other/probe")).await.unwrap().unwrap();
    let back = HeadChange::Native(python("probe"));
    let data = json!({ "native": "probe" });
    let handed =
        ledger.change_head(&head.identifier, head.sequence, &back, data, at(202)).await.unwrap();
    assert!(handed.is_some());
    let before = dump(&*ledger).await;
    ledger.load(&records).await.unwrap();
    assert_eq!(dump(&*ledger).await, before);
    // And the dump of today brings what is new.
    let other: Store = Arc::new(MemoryLedger::new());
    other.load(&records).await.unwrap();
    other.load(&before).await.unwrap();
    assert_eq!(dump(&*other).await, before);
}

/// Two registries do not become one by an import.
pub async fn what_contradicts_the_ledger_is_refused(ledger: Store) {
    let source = source().await;
    let records = dump(&*source).await;
    ledger.load(&records).await.unwrap();
    let events = source.events(0, 100).await.unwrap();

    let mut event = events[2].clone();
    event.hash = Digest::of(b"another");
    assert!(refused(&ledger, Record::Event(event)).await.contains("stands there"));
    let mut event = events[2].clone();
    event.number = 100;
    assert!(refused(&ledger, Record::Event(event)).await.contains("leaves a gap"));
    let mut event = events[2].clone();
    event.number = events.len() as u64 + 1;
    event.sequence += 100;
    event.hash = Digest::of(&crate::ledger::canonical_bytes(&event).unwrap());
    assert!(refused(&ledger, Record::Event(event.clone())).await.contains("does not follow"));
    event.data = json!({ "digest": "another" });
    assert!(refused(&ledger, Record::Event(event)).await.contains("its bytes have another"));

    let sensor = id("acme/sensor");
    let mut release = source.release(&sensor, "1.2.0").await.unwrap().unwrap();
    release.digest = Digest::of(b"other content");
    let why = refused(&ledger, Record::Release { sequence: 99, release }).await;
    assert!(why.contains("1.2.0"), "{why}");
    let mut head = source.head(&sensor).await.unwrap().unwrap();
    head.event_hash = Digest::of(b"another");
    refused(&ledger, Record::Head(head)).await;
    let pin = owner_pin_of(&job("evil/sensor", 1)).unwrap();
    refused(&ledger, Record::OwnerPin { owner: "Acme".to_owned(), pin }).await;
    let stolen = TokenRecord { id: "ffffffffffff".to_owned(), ..token("0123456789ab") };
    refused(&ledger, Record::Token(stolen)).await;
    assert_eq!(dump(&*ledger).await, records, "a refusal leaves nothing behind");
}
