//! Listings, and native names in order.

use std::sync::Arc;

use packhouse_core::manifest::NativeName;
use serde_json::json;

use super::fixtures::{Publish, at, id};
use crate::ports::{
    Entry, IntentId, Ledger, Listing, ListingChange, ListingChanged, Reservation, StoreError,
};

type Store = Arc<dyn Ledger>;

fn python(name: &str) -> NativeName {
    NativeName { ecosystem: "python".to_owned(), name: name.to_owned() }
}

/// What `owner` asks for; an empty `says` takes the listing out.
fn change(name: &str, sequence: u64, owner: &str, says: &str) -> ListingChange {
    let entry = (!says.is_empty()).then(|| Entry::new(None, json!({ "says": says })).unwrap());
    ListingChange {
        id: IntentId::random().unwrap(),
        name: python(name),
        sequence,
        owner: owner.to_owned(),
        operator: false,
        entry,
    }
}

async fn ask(ledger: &Store, change: &ListingChange) -> ListingChanged {
    ledger.change_listing(change, at(5)).await.unwrap()
}

async fn done(ledger: &Store, change: ListingChange) -> Listing {
    match ask(ledger, &change).await {
        ListingChanged::Done(listing) => listing,
        other => panic!("{change:?} was not done: {other:?}"),
    }
}

/// It is read back as it was put, and tells nothing in the feed.
pub async fn a_listing_is_put_changed_and_taken_out(ledger: Store) {
    assert_eq!(ledger.listing(&python("probe")).await.unwrap(), None);
    let before = ledger.generation().unwrap();
    let put = done(&ledger, change("probe", 0, "mine", "one")).await;
    assert_ne!(ledger.generation().unwrap(), before, "readers see it");
    assert_eq!((put.number, put.sequence, put.owner.as_str()), (1, 1, "mine"));
    assert_eq!(ledger.listing(&python("probe")).await.unwrap(), Some(put.clone()));
    let changed = done(&ledger, change("probe", 1, "mine", "two")).await;
    assert_eq!((changed.number, changed.sequence, changed.created_at), (1, 2, put.created_at));
    assert_eq!(changed.entry.as_ref().unwrap().outline()["says"], "two");
    let stale = change("probe", 1, "mine", "three");
    assert_eq!(ask(&ledger, &stale).await, ListingChanged::Listing(changed));
    let out = done(&ledger, change("probe", 2, "mine", "")).await;
    assert_eq!(out.entry, None);
    assert_eq!(ledger.listing(&python("probe")).await.unwrap(), Some(out));
    assert_eq!(ask(&ledger, &change("probe", 3, "mine", "")).await, ListingChanged::Missing);
    assert_eq!(ask(&ledger, &change("other", 0, "mine", "")).await, ListingChanged::Missing);
    assert!(ledger.events(0, 10).await.unwrap().is_empty());
}

/// Others neither put over it nor take it out; an operator does, and it stays its owner's.
pub async fn a_listing_belongs_to_its_token(ledger: Store) {
    let put = done(&ledger, change("probe", 0, "mine", "one")).await;
    for sequence in [0, 1] {
        for says in ["stolen", ""] {
            let theirs = change("probe", sequence, "theirs", says);
            assert_eq!(ask(&ledger, &theirs).await, ListingChanged::Listing(put.clone()));
        }
    }
    let by_operator = ListingChange { operator: true, ..change("probe", 1, "root", "mended") };
    assert_eq!(done(&ledger, by_operator).await.owner, "mine");
}

/// Taken out, the name is free for anybody, under another number.
pub async fn a_number_of_a_listing_is_never_given_again(ledger: Store) {
    done(&ledger, change("a", 0, "mine", "one")).await;
    done(&ledger, change("b", 0, "mine", "two")).await;
    done(&ledger, change("b", 1, "mine", "")).await;
    let again = done(&ledger, change("b", 0, "theirs", "three")).await;
    assert_eq!((again.number, again.sequence, again.owner.as_str()), (3, 3, "theirs"));
    assert_eq!(again.view_id(), 5);
    assert_eq!(done(&ledger, change("c", 0, "mine", "four")).await.number, 4);
}

/// The same change again answers the same, another one that says the same is another.
pub async fn a_change_of_a_listing_may_be_repeated(ledger: Store) {
    let put = change("probe", 0, "mine", "one");
    let first = done(&ledger, put.clone()).await;
    assert_eq!(done(&ledger, put).await, first);
    let twin = change("probe", 0, "mine", "one");
    assert_eq!(ask(&ledger, &twin).await, ListingChanged::Listing(first));
    let out = change("probe", 1, "mine", "");
    let gone = done(&ledger, out.clone()).await;
    assert_eq!(done(&ledger, out).await, gone);
}

/// A package that is published later has the name; the listing can only be taken out.
pub async fn a_package_takes_the_name_of_a_listing(ledger: Store) {
    let put = done(&ledger, change("probe", 0, "mine", "one")).await;
    let release = Publish::new("acme/probe", "1.0.0", "a").python("probe");
    release.released(&*ledger).await;
    assert_eq!(ledger.native(&python("probe")).await.unwrap(), Some(id("acme/probe")));
    let held = ListingChanged::Package(id("acme/probe"));
    assert_eq!(ask(&ledger, &change("probe", 1, "mine", "two")).await, held);
    assert_eq!(ledger.listing(&python("probe")).await.unwrap(), Some(put));
    done(&ledger, change("probe", 1, "mine", "")).await;
    assert_eq!(ask(&ledger, &change("probe", 0, "mine", "two")).await, held);
    let by_operator = ListingChange { operator: true, ..change("probe", 0, "root", "two") };
    assert_eq!(ask(&ledger, &by_operator).await, held);
    let first = ledger.first_event(&id("acme/probe")).await.unwrap().unwrap();
    assert_eq!((first.number, first.sequence), (1, 1));
    assert_eq!(ledger.first_event(&id("acme/none")).await.unwrap(), None);
}

/// Reserved names are for operators.
pub async fn a_reserved_name_takes_no_listing(ledger: Store) {
    let name = "python:numpy".to_owned();
    let reserved = Reservation { name, holder: None, reason: "known".to_owned(), at: at(0) };
    ledger.reserve(&reserved).await.unwrap();
    let put = change("numpy", 0, "mine", "one");
    assert_eq!(ask(&ledger, &put).await, ListingChanged::Reserved(reserved));
    done(&ledger, ListingChange { operator: true, ..put }).await;
}

/// Both lists go on where the page before ended, by bytes, and stay within their ecosystem.
pub async fn listings_and_native_names_are_paged_in_order(ledger: Store) {
    let names = ["B", "a", "a-b", "a.b", "b", "ä"];
    for (at, name) in names.iter().rev().enumerate() {
        let package = format!("owner-{at}/package");
        Publish::new(&package, "1.0.0", name).python(name).released(&*ledger).await;
        for ecosystem in ["apl", "fprime", "fprime-x"] {
            let name = NativeName { ecosystem: ecosystem.to_owned(), name: (*name).to_owned() };
            done(&ledger, ListingChange { name, ..change("", 0, "mine", "one") }).await;
        }
    }
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|(name, _): &(NativeName, _)| name.name.clone());
        let page = ledger.natives("python", after.as_deref(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found.iter().map(|(name, _)| name.name.as_str()).collect::<Vec<_>>(), names);
    assert_eq!(found[0].1, id("owner-5/package"));
    assert!(ledger.natives("pytho", None, 9).await.unwrap().is_empty());
    let mut found: Vec<Listing> = Vec::new();
    loop {
        let after = found.last().map(|listing| listing.name.clone());
        let page = ledger.listings(after.as_ref(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    let found: Vec<_> = found.iter().map(|l| (&*l.name.ecosystem, &*l.name.name)).collect();
    let each = |ecosystem| names.iter().map(move |name| (ecosystem, *name));
    let wanted: Vec<_> = each("apl").chain(each("fprime")).chain(each("fprime-x")).collect();
    assert_eq!(found, wanted);
    let from = NativeName { ecosystem: "fprime".to_owned(), name: String::new() };
    let first = ledger.listings(Some(&from), 1).await.unwrap();
    assert_eq!((&*first[0].name.ecosystem, &*first[0].name.name), ("fprime", "B"));
}

/// Of puts at once one is done, and everybody else learns whose the name is.
pub async fn of_many_listings_of_one_name_one_is_put(ledger: Store) {
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let ledger = Arc::clone(&ledger);
            // One owner, one text: what tells them apart is that each was asked for.
            let put = change("probe", 0, if n % 2 == 0 { "mine" } else { "theirs" }, "one");
            tokio::spawn(async move {
                for _ in 0..20 {
                    match ledger.change_listing(&put, at(5)).await {
                        Err(StoreError::Unavailable(_)) => {}
                        answer => return answer.unwrap(),
                    }
                }
                panic!("too many came at once, twenty times")
            })
        })
        .collect();
    let mut done = Vec::new();
    let mut held = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            ListingChanged::Done(listing) => done.push(listing),
            ListingChanged::Listing(listing) => held.push(listing),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((done.len(), held.len()), (1, 19));
    assert!(held.iter().all(|listing| *listing == done[0]));
    assert_eq!(ledger.listing(&python("probe")).await.unwrap().as_ref(), done.first());
}
