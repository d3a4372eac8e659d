//! Marks, heads, events, names, tokens, counts.

use std::sync::Arc;

use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::policy::Policy;
use packhouse_core::quality::{Advised, Notice};
use packhouse_core::release::{Mark, Release};
use serde_json::json;

use super::fixtures::{PLENTY, Publish, at, id, job, pins, train};
use crate::ledger::verify_chain;
use crate::ports::{
    Action, Begun, Downloads, HeadChange, Ledger, MarkChange, Reservation, TokenRecord,
};

type Store = Arc<dyn Ledger>;

fn mark(reason: &str) -> Mark {
    Mark {
        at: at(50),
        by: job("acme/sensor", 3),
        reason: reason.to_owned(),
        replacement: Some("acme/sensor@1.0.1".to_owned()),
    }
}

async fn set(ledger: &Store, change: MarkChange) -> Release {
    ledger.mark(&id("acme/sensor"), "1.0.0", &change, at(60)).await.unwrap().unwrap()
}

async fn kinds(ledger: &Store) -> Vec<String> {
    let events = ledger.events(0, 100).await.unwrap();
    events.into_iter().map(|event| event.kind).collect()
}

/// Each mark is set and taken back, is read back, and tells of itself in the feed.
pub async fn marks_come_and_go(ledger: Store) {
    let first = Publish::new("acme/sensor", "1.0.0", "a").released(&*ledger).await;
    let yanked = set(&ledger, MarkChange::Yank(mark("broken"))).await;
    assert_eq!(yanked.marks.yanked, Some(mark("broken")));
    let read = ledger.release(&id("acme/sensor"), "1.0.0").await.unwrap();
    assert_eq!(read, Some(yanked));
    set(&ledger, MarkChange::Deprecate(mark("old"))).await;
    let all = set(&ledger, MarkChange::Quarantine(mark("odd"))).await;
    let marks = [&all.marks.yanked, &all.marks.deprecated, &all.marks.quarantined];
    assert!(marks.iter().all(|mark| mark.is_some()));
    set(&ledger, MarkChange::Unyank).await;
    set(&ledger, MarkChange::Undeprecate).await;
    assert_eq!(set(&ledger, MarkChange::Restore).await, first);
    let expected =
        ["released", "yanked", "deprecated", "quarantined", "unyanked", "undeprecated", "restored"];
    assert_eq!(kinds(&ledger).await, expected);
    let events = ledger.events(1, 1).await.unwrap();
    assert_eq!(events[0].data["reason"], "broken");
    assert_eq!(events[0].data["replacement"], "acme/sensor@1.0.1");
    assert_eq!(ledger.head(&id("acme/sensor")).await.unwrap().unwrap().updated_at, at(60));
    let nothing = ledger.mark(&id("acme/sensor"), "9.9.9", &MarkChange::Unyank, at(60)).await;
    assert_eq!(nothing.unwrap(), None);
}

/// Repeating a change is no change.
pub async fn a_mark_that_says_nothing_new_changes_nothing(ledger: Store) {
    Publish::new("acme/sensor", "1.0.0", "a").released(&*ledger).await;
    set(&ledger, MarkChange::Unyank).await;
    set(&ledger, MarkChange::Restore).await;
    let first = set(&ledger, MarkChange::Yank(mark("broken"))).await;
    let later = Mark { at: at(70), ..mark("broken") };
    assert_eq!(set(&ledger, MarkChange::Yank(later)).await, first);
    assert_eq!(kinds(&ledger).await, ["released", "yanked"]);
    let other = set(&ledger, MarkChange::Yank(mark("worse"))).await;
    assert_eq!(other.marks.yanked.unwrap().reason, "worse");
    assert_eq!(kinds(&ledger).await, ["released", "yanked", "yanked"]);
}

/// A tombstone says nothing of the content and holds its version for good.
pub async fn a_removed_version_is_never_free_again(ledger: Store) {
    let publish = Publish::new("acme/sensor", "1.0.0", "a");
    let before = publish.released(&*ledger).await;
    let tombstone = set(&ledger, MarkChange::Remove(mark("illegal"))).await;
    assert_eq!(tombstone.marks.removed, Some(mark("illegal")));
    assert_eq!(tombstone.digest, before.digest);
    assert_eq!(tombstone.described.summary, "");
    assert_eq!(tombstone.described.original, serde_json::Value::Null);
    assert!(tombstone.readme.is_none() && tombstone.git_ref.is_none());
    let text = serde_json::to_string(&tombstone).unwrap();
    assert!(!text.contains("board.step") && !text.contains("git.example"), "{text}");
    let listed = ledger.releases(&id("acme/sensor")).await.unwrap();
    assert_eq!(listed, std::slice::from_ref(&tombstone));
    assert_eq!(ledger.references(&publish.digest()).await.unwrap(), 0);
    // Further marks leave it as it is.
    assert_eq!(set(&ledger, MarkChange::Remove(mark("again"))).await, tombstone);
    assert_eq!(set(&ledger, MarkChange::Yank(mark("late"))).await, tombstone);
    assert_eq!(kinds(&ledger).await, ["released", "removed"]);
    for content in ["a", "b"] {
        let again = Publish::new("acme/sensor", "1.0.0", content);
        let intent = again.intent(&train([&again]));
        let begun = ledger.begin(&intent, None, PLENTY, at(70)).await.unwrap();
        assert!(matches!(begun, Begun::Taken(release) if release == tombstone));
    }
}

/// Numbers without gaps, sequences without gaps, hashes that hold; any page of them.
pub async fn events_form_one_feed_and_a_chain_for_each_package(ledger: Store) {
    for n in 0..3 {
        for package in ["acme/one", "acme/two"] {
            let content = format!("{package} {n}");
            Publish::new(package, &format!("1.0.{n}"), &content).released(&*ledger).await;
        }
    }
    let change = MarkChange::Yank(mark("broken"));
    ledger.mark(&id("acme/one"), "1.0.1", &change, at(60)).await.unwrap();
    let all = ledger.events(0, 100).await.unwrap();
    assert_eq!(all.iter().map(|e| e.number).collect::<Vec<_>>(), (1..=7).collect::<Vec<_>>());
    for (package, count) in [("acme/one", 4), ("acme/two", 3)] {
        let chain: Vec<_> =
            all.iter().filter(|event| event.identifier == id(package)).cloned().collect();
        assert_eq!(chain.len(), count);
        verify_chain(&chain).unwrap();
        let mut forged = chain.clone();
        forged[1].data = json!({ "digest": "another" });
        assert!(verify_chain(&forged).is_err());
        assert!(verify_chain(&chain[1..]).is_err());
    }
    assert_eq!(ledger.events(2, 3).await.unwrap(), all[2..5]);
    assert_eq!(ledger.events(7, 3).await.unwrap(), []);
    assert_eq!(ledger.events(u64::MAX, 3).await.unwrap(), []);
    assert_eq!(ledger.events(0, 0).await.unwrap(), []);
}

async fn change(
    ledger: &Store,
    package: &Identifier,
    sequence: u64,
    change: HeadChange,
) -> Option<packhouse_core::release::Head> {
    let data = json!({ "why": format!("{change:?}") });
    ledger.change_head(package, sequence, &change, data, at(80)).await.unwrap()
}

/// Who decided on an old head decides again.
pub async fn a_head_changes_only_from_the_sequence_that_was_read(ledger: Store) {
    let package = id("acme/sensor");
    assert!(change(&ledger, &package, 1, HeadChange::TokensAllowed(true)).await.is_none());
    Publish::new("acme/sensor", "1.0.0", "a").released(&*ledger).await;
    let policy = Policy { environment: Some("release".to_owned()), ..Policy::default() };
    let set_policy = HeadChange::Policy(policy.clone());
    assert!(change(&ledger, &package, 0, set_policy.clone()).await.is_none());
    let head = change(&ledger, &package, 1, set_policy).await.unwrap();
    assert_eq!((head.policy.clone(), head.sequence), (policy, 2));
    assert!(change(&ledger, &package, 1, HeadChange::TokensAllowed(true)).await.is_none());
    let head = change(&ledger, &package, 2, HeadChange::TokensAllowed(true)).await.unwrap();
    assert!(head.tokens_allowed);
    let moved = HeadChange::Transfer(Some(pins("other/sensor")));
    let head = change(&ledger, &package, 3, moved).await.unwrap();
    assert_eq!(head.pins, Some(pins("other/sensor")));
    // The new repository publishes, below the old owner's name; the old one does not any more.
    let next = Publish::new("acme/sensor", "1.1.0", "b");
    assert!(matches!(next.run(&*ledger).await, crate::ports::Committed::PinsDiffer(_)));
    let next = Publish::new("acme/sensor", "1.2.0", "c").by(job("other/sensor", 1));
    next.released(&*ledger).await;
    // Unpinned, it belongs to the next who publishes it.
    let head = change(&ledger, &package, 5, HeadChange::Transfer(None)).await.unwrap();
    assert_eq!(head.pins, None);
    Publish::new("acme/sensor", "1.3.0", "d").by(job("acme/third", 1)).released(&*ledger).await;
    let head = ledger.head(&package).await.unwrap().unwrap();
    assert_eq!(head.pins, Some(pins("acme/third")));
    let events = ledger.events(0, 100).await.unwrap();
    verify_chain(&events).unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    let expected =
        ["released", "policy", "policy", "transferred", "released", "transferred", "released"];
    assert_eq!(kinds, expected);
}

/// An operator decides about a package before its first release, which then finds it.
pub async fn a_head_can_be_made_ahead(ledger: Store) {
    let package = id("acme/sensor");
    let handed = HeadChange::Transfer(Some(pins("acme/second")));
    let head = change(&ledger, &package, 0, handed).await.unwrap();
    assert_eq!((head.pins, head.sequence), (Some(pins("acme/second")), 1));
    assert!(ledger.releases(&package).await.unwrap().is_empty());
    let native = NativeName { ecosystem: "python".to_owned(), name: "other".to_owned() };
    assert!(change(&ledger, &id("acme/other"), 0, HeadChange::Native(native)).await.is_none());
    let stranger = Publish::new("acme/sensor", "1.0.0", "a");
    assert!(matches!(stranger.run(&*ledger).await, crate::ports::Committed::PinsDiffer(_)));
    Publish::new("acme/sensor", "1.0.1", "b").by(job("acme/second", 1)).released(&*ledger).await;
    verify_chain(&ledger.events(0, 100).await.unwrap()).unwrap();
}

/// The answer that got lost is given again, and nothing happens twice.
pub async fn a_change_of_a_head_may_be_repeated(ledger: Store) {
    let package = id("acme/sensor");
    Publish::new("acme/sensor", "1.0.0", "a").released(&*ledger).await;
    let first = change(&ledger, &package, 1, HeadChange::TokensAllowed(true)).await.unwrap();
    let again = change(&ledger, &package, 1, HeadChange::TokensAllowed(true)).await;
    assert_eq!(again, Some(first));
    assert!(change(&ledger, &package, 1, HeadChange::TokensAllowed(false)).await.is_none());
    assert_eq!(kinds(&ledger).await, ["released", "policy"]);
}

/// The old holder loses the name, and both chains say so.
pub async fn a_native_name_can_be_handed_over(ledger: Store) {
    let name = NativeName { ecosystem: "python".to_owned(), name: "numbers".to_owned() };
    Publish::new("acme/numbers", "1.0.0", "a").python("numbers").released(&*ledger).await;
    Publish::new("other/numbers", "1.0.0", "b").python("numbers").released(&*ledger).await;
    let moved = HeadChange::Native(name.clone());
    change(&ledger, &id("other/numbers"), 1, moved).await.unwrap();
    assert_eq!(ledger.native(&name).await.unwrap(), Some(id("other/numbers")));
    let head = async |package: &str| ledger.head(&id(package)).await.unwrap().unwrap();
    assert_eq!(head("acme/numbers").await.native, None);
    assert_eq!(head("other/numbers").await.native, Some(name));
    assert_eq!(kinds(&ledger).await, ["released", "released", "transferred", "reserved"]);
}

/// The last reservation of a name counts.
pub async fn reservations_are_kept_by_name(ledger: Store) {
    let reservation = |name: &str, reason: &str| Reservation {
        name: name.to_owned(),
        holder: None,
        reason: reason.to_owned(),
        at: at(0),
    };
    ledger.reserve(&reservation("python:numpy", "first")).await.unwrap();
    ledger.reserve(&reservation("acme", "a company")).await.unwrap();
    ledger.reserve(&reservation("python:numpy", "second")).await.unwrap();
    let one = ledger.reservation("python:numpy").await.unwrap();
    assert_eq!(one, Some(reservation("python:numpy", "second")));
    assert_eq!(ledger.reservation("acme/x").await.unwrap(), None);
    let names: Vec<_> =
        ledger.reservations().await.unwrap().into_iter().map(|held| held.name).collect();
    assert_eq!(names, ["acme", "python:numpy"]);
    assert!(ledger.unreserve("acme").await.unwrap());
    assert!(!ledger.unreserve("acme").await.unwrap());
    assert_eq!(ledger.reservation("acme").await.unwrap(), None);
}

/// A token is found by its hash, revoked ones too.
pub async fn tokens_are_kept_and_revoked(ledger: Store) {
    let record = |token: &str, created: i64| TokenRecord {
        id: Digest::of(token.as_bytes()).hex()[..12].to_owned(),
        sha256: Digest::of(token.as_bytes()),
        label: token.to_owned(),
        prefix: "acme/".to_owned(),
        actions: vec![Action::Publish, Action::Read],
        created_at: at(created),
        expires_at: at(created + 100),
        revoked_at: None,
    };
    let (old, new) = (record("old", 0), record("new", 10));
    ledger.put_token(&old).await.unwrap();
    ledger.put_token(&new).await.unwrap();
    ledger.put_token(&new).await.unwrap(); // an answer got lost
    let thief = TokenRecord { label: "another".to_owned(), ..new.clone() };
    assert!(ledger.put_token(&thief).await.is_err());
    let thief = TokenRecord { id: "0".repeat(12), ..new.clone() };
    assert!(ledger.put_token(&thief).await.is_err());
    assert_eq!(ledger.tokens().await.unwrap(), [new.clone(), old.clone()]);
    assert_eq!(ledger.token(&new.sha256).await.unwrap(), Some(new.clone()));
    assert_eq!(ledger.token(&Digest::of(b"guess")).await.unwrap(), None);
    assert!(!ledger.revoke_token("000000000000", at(20)).await.unwrap());
    assert!(ledger.revoke_token(&new.id, at(20)).await.unwrap());
    assert!(ledger.revoke_token(&new.id, at(30)).await.unwrap());
    let revoked = ledger.token(&new.sha256).await.unwrap().unwrap();
    assert_eq!(revoked.revoked_at, Some(at(20)));
    assert_eq!(ledger.token(&old.sha256).await.unwrap().unwrap().revoked_at, None);
}

/// Counts add up by version and day.
pub async fn downloads_add_up(ledger: Store) {
    let count = |version: &str, day: &str, count: u64| Downloads {
        identifier: id("acme/sensor"),
        version: version.to_owned(),
        day: day.to_owned(),
        count,
    };
    let other = Downloads { identifier: id("acme/other"), ..count("1.0.0", "2026-01-01", 7) };
    let first = [count("1.0.0", "2026-01-01", 2), count("1.0.0", "2026-01-02", 1), other];
    ledger.count_downloads(&first).await.unwrap();
    let second = [count("1.0.0", "2026-01-01", 3), count("1.1.0", "2026-01-01", 1)];
    ledger.count_downloads(&second).await.unwrap();
    ledger.count_downloads(&[]).await.unwrap();
    let mut counts = ledger.downloads(&id("ACME/sensor")).await.unwrap();
    counts.sort_by(|a, b| (&a.version, &a.day).cmp(&(&b.version, &b.day)));
    let expected = [
        count("1.0.0", "2026-01-01", 5),
        count("1.0.0", "2026-01-02", 1),
        count("1.1.0", "2026-01-01", 1),
    ];
    assert_eq!(counts, expected);
    assert!(ledger.downloads(&id("acme/none")).await.unwrap().is_empty());
}

fn advised(version: &str, ids: &[&str]) -> Advised {
    let notice = |id: &&str| Notice {
        id: (*id).to_owned(),
        aliases: vec!["CVE-2026-1".to_owned()],
        summary: "é".to_owned(),
        severity: None,
        dependency: Some("acme/other".to_owned()),
        affected: "<1.2".to_owned(),
        fixed: Some("1.2".to_owned()),
    };
    let notices = ids.iter().map(notice).collect();
    Advised { schema: 1, identifier: id("acme/sensor"), version: version.to_owned(), notices }
}

/// What is kept last is read back, by whatever case of the identifier; the feed tells nothing of it.
pub async fn advisories_are_kept_until_others_are(ledger: Store) {
    Publish::new("acme/sensor", "1.0.0", "a").released(&*ledger).await;
    assert_eq!(ledger.advised(&id("acme/sensor")).await.unwrap(), None);
    for kept in [advised("1.0.0", &["A-1", "A-2"]), advised("1.1.0", &[]), advised("1.1.0", &["A"])]
    {
        ledger.set_advised(&kept).await.unwrap();
        ledger.set_advised(&kept).await.unwrap();
        assert_eq!(ledger.advised(&id("ACME/sensor")).await.unwrap(), Some(kept));
    }
    assert_eq!(ledger.advised(&id("acme/other")).await.unwrap(), None);
    assert_eq!(kinds(&ledger).await, ["released"]);
}

/// Pages of identifiers join without gap or overlap, in the spelling of the first release.
pub async fn packages_are_paged_in_order(ledger: Store) {
    for package in ["acme/b", "Acme/A", "zeta/c", "acme/b/sub", "acme/b-2"] {
        Publish::new(package, "1.0.0", package).released(&*ledger).await;
    }
    let all = ledger.packages(None, 100).await.unwrap();
    let spelled: Vec<_> = all.iter().map(Identifier::to_string).collect();
    assert_eq!(spelled, ["Acme/A", "acme/b", "acme/b-2", "acme/b/sub", "zeta/c"]);
    let mut paged = Vec::new();
    loop {
        let page = ledger.packages(paged.last(), 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

/// Who uses a blob, and whether anybody still may serve it.
pub async fn blobs_know_their_holders(ledger: Store) {
    let one = Publish::new("acme/one", "1.0.0", "same");
    let two = Publish::new("acme/two", "1.0.0", "same");
    one.released(&*ledger).await;
    two.released(&*ledger).await;
    let attached = Digest::of(b"attached to same");
    for digest in [one.digest(), attached] {
        assert_eq!(ledger.references(&digest).await.unwrap(), 2);
        let holders = ledger.holders(&digest, 10).await.unwrap();
        assert_eq!(holders.len(), 2);
        assert!(holders.iter().all(|release| release.described.original.is_null()));
        assert_eq!(ledger.holders(&digest, 1).await.unwrap().len(), 1);
    }
    let change = MarkChange::Quarantine(mark("odd"));
    ledger.mark(&id("acme/one"), "1.0.0", &change, at(60)).await.unwrap();
    assert_eq!(ledger.holders(&attached, 1).await.unwrap()[0].identifier, id("acme/two"));
    assert_eq!(ledger.references(&attached).await.unwrap(), 2);
    let change = MarkChange::Remove(mark("illegal"));
    ledger.mark(&id("acme/one"), "1.0.0", &change, at(60)).await.unwrap();
    assert_eq!(ledger.references(&attached).await.unwrap(), 1);
    ledger.mark(&id("acme/two"), "1.0.0", &change, at(60)).await.unwrap();
    assert_eq!(ledger.references(&attached).await.unwrap(), 0);
    assert_eq!(ledger.holders(&attached, 9).await.unwrap().len(), 2);
    assert_eq!(ledger.references(&Digest::of(b"nothing")).await.unwrap(), 0);
}

/// Whoever keeps what was read learns when to forget it.
pub async fn the_generation_tells_of_changes(ledger: Store) {
    let package = id("acme/sensor");
    let mut last = ledger.generation().unwrap();
    assert_eq!(ledger.generation().unwrap(), last);
    let mut changed = |what: &str| {
        let now = ledger.generation().unwrap();
        assert_ne!(now, last, "{what}");
        assert_eq!(ledger.generation().unwrap(), now);
        last = now;
    };
    Publish::new("acme/sensor", "1.0.0", "a").released(&*ledger).await;
    changed("a release");
    set(&ledger, MarkChange::Yank(mark("broken"))).await;
    changed("a mark");
    change(&ledger, &package, 2, HeadChange::TokensAllowed(true)).await.unwrap();
    changed("a head");
    let name = "acme".to_owned();
    let reservation = Reservation { name, holder: None, reason: String::new(), at: at(0) };
    ledger.reserve(&reservation).await.unwrap();
    changed("a reservation");
    ledger.unreserve("acme").await.unwrap();
    changed("a free name");
    ledger.set_advised(&advised("1.0.0", &["A-1"])).await.unwrap();
    changed("an advisory");
}
