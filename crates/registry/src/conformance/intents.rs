//! `begin`, `intent`, `sweep`.

use std::sync::Arc;

use packhouse_core::claims::Publisher;

use super::fixtures::{LIFE, PLENTY, Publish, at, id, job, opened, token, train, version};
use crate::ports::{Begun, Intent, Ledger, Prepared, Quota, SeenToken};

type Store = Arc<dyn Ledger>;

fn ask(content: &str) -> Intent {
    let publish = Publish::new("acme/sensor", "1.0.0", content);
    publish.intent(&train([&publish]))
}

/// An intent is kept as it was asked for.
pub async fn an_intent_is_opened_and_read_back(ledger: Store) {
    let asked = ask("a");
    let opened = opened(ledger.begin(&asked, None, PLENTY, at(0)).await.unwrap());
    assert_eq!(opened, asked);
    assert_eq!(ledger.intent(&asked.id).await.unwrap(), Some(asked.clone()));
    assert_eq!(ledger.intent(&ask("b").id).await.unwrap(), None);
    let again = ledger.begin(&asked, None, PLENTY, at(1)).await.unwrap();
    assert!(matches!(again, Begun::Opened(intent) if intent == asked));
}

/// A rerun goes on with the intent that it has, with time enough.
pub async fn the_same_request_of_the_same_run_finds_its_intent(ledger: Store) {
    let first = opened(ledger.begin(&ask("a"), Some(&token("t1")), PLENTY, at(0)).await.unwrap());
    let mut rerun = ask("a");
    rerun.expires_at = at(LIFE + 60);
    let second = opened(ledger.begin(&rerun, Some(&token("t2")), PLENTY, at(60)).await.unwrap());
    assert_eq!(second.id, first.id);
    assert_eq!(second.expires_at, at(LIFE + 60));
    assert_eq!(ledger.intent(&first.id).await.unwrap(), Some(second));
    assert_eq!(ledger.intent(&rerun.id).await.unwrap(), None);
}

/// Nobody shares an intent with another run, another token, or other bytes.
pub async fn another_run_or_other_content_opens_another_intent(ledger: Store) {
    let first = opened(ledger.begin(&ask("a"), None, PLENTY, at(0)).await.unwrap());
    let by = |publisher| Intent { publisher, ..ask("a") };
    let text = |text: &str| Intent { version: version(text), ..ask("a") };
    let token = |id: &str| Publisher::Token { token_id: id.to_owned() };
    let others = [
        ask("b"),
        by(job("acme/sensor", 2)),
        by(job("evil/sensor", 1)),
        by(token("one")),
        by(token("two")),
        text("1.0.1"),
        text("1.0.0+build"),
        Intent { artifacts_bytes: Some(23), ..ask("a") },
        Intent { bound_audience: false, ..ask("a") },
    ];
    let mut ids = vec![first.id];
    for other in others {
        let other = opened(ledger.begin(&other, None, PLENTY, at(1)).await.unwrap());
        assert!(!ids.contains(&other.id), "{other:?}");
        ids.push(other.id);
    }
}

/// An intent ends in its last second.
pub async fn an_expired_intent_is_not_found_again(ledger: Store) {
    let first = opened(ledger.begin(&ask("a"), None, PLENTY, at(0)).await.unwrap());
    let later = Intent { created_at: at(LIFE), expires_at: at(2 * LIFE), ..ask("a") };
    let second = opened(ledger.begin(&later, None, PLENTY, at(LIFE)).await.unwrap());
    assert_ne!(second.id, first.id);
    assert_eq!(second.id, later.id);
}

/// Without a digest, only the token tells that a request is the same.
pub async fn a_request_without_a_digest_is_found_by_its_token_only(ledger: Store) {
    let blind = || Intent { digest: None, train: None, ..ask("a") };
    let begin = async |intent: Intent, jti: &str| {
        ledger.begin(&intent, Some(&token(jti)), PLENTY, at(0)).await.unwrap()
    };
    let first = opened(begin(blind(), "t1").await);
    assert_eq!(opened(begin(blind(), "t1").await).id, first.id);
    assert_ne!(opened(begin(blind(), "t2").await).id, first.id);
}

/// A token is good for one intent.
pub async fn a_token_opens_one_intent(ledger: Store) {
    let begin = async |content: &str, jti: &str| {
        ledger.begin(&ask(content), Some(&token(jti)), PLENTY, at(0)).await.unwrap()
    };
    let first = opened(begin("a", "t1").await);
    assert!(matches!(begin("b", "t1").await, Begun::Replayed));
    assert_eq!(opened(begin("a", "t1").await).id, first.id);
    let elsewhere = SeenToken { issuer: "https://other.example".to_owned(), ..token("t1") };
    let begun = ledger.begin(&ask("b"), Some(&elsewhere), PLENTY, at(0)).await.unwrap();
    opened(begun);
}

/// Same content: the release. Other content, none named, or a tombstone: taken.
pub async fn a_released_version_answers_before_anything_else(ledger: Store) {
    let publish = Publish::new("acme/sensor", "1.0.0", "a");
    let release = publish.released(&*ledger).await;
    let nothing = Quota { open_intents: 0, per_ten_minutes: 0 };
    let begin = async |intent: Intent| {
        ledger.begin(&intent, Some(&token("t")), nothing, at(5)).await.unwrap()
    };
    assert!(matches!(begin(ask("a")).await, Begun::Same(r) if r == release));
    assert!(matches!(begin(ask("b")).await, Begun::Taken(r) if r == release));
    let blind = Intent { digest: None, ..ask("a") };
    assert!(matches!(begin(blind).await, Begun::Taken(r) if r == release));
    // Build metadata makes no other version.
    let mut build = ask("b");
    build.version = version("1.0.0+other");
    assert!(matches!(begin(build).await, Begun::Taken(r) if r == release));
}

/// Open intents count until they are released or expired.
pub async fn open_intents_are_bounded(ledger: Store) {
    let quota = Quota { open_intents: 2, per_ten_minutes: 100 };
    let begin = async |content: &str, seconds: i64| {
        let (created_at, expires_at) = (at(seconds), at(seconds + LIFE));
        let intent = Intent { created_at, expires_at, ..ask(content) };
        ledger.begin(&intent, None, quota, at(seconds)).await.unwrap()
    };
    opened(begin("a", 0).await);
    opened(begin("b", 10).await);
    let Begun::TooMany { retry_after } = begin("c", 20).await else { panic!() };
    assert!((LIFE - 20..=LIFE - 18).contains(&i64::from(retry_after)), "{retry_after}");
    opened(begin("b", 20).await); // one that is open already costs nothing
    opened(begin("c", LIFE).await); // the first expired
    let publish = Publish::new("acme/other", "1.0.0", "x").by(job("acme/sensor", 1));
    assert!(matches!(begin("d", LIFE).await, Begun::TooMany { .. }));
    publish.at(LIFE).released(&*ledger).await; // under another quota: a released one is not open
    assert!(matches!(begin("d", LIFE).await, Begun::TooMany { .. }));
}

/// Intents count for ten minutes, released or not.
pub async fn intents_in_ten_minutes_are_bounded(ledger: Store) {
    let quota = Quota { open_intents: 100, per_ten_minutes: 2 };
    let begin = async |content: &str, seconds: i64| {
        let intent = Intent { created_at: at(seconds), ..ask(content) };
        ledger.begin(&intent, None, quota, at(seconds)).await.unwrap()
    };
    Publish::new("acme/other", "1.0.0", "x").by(job("acme/sensor", 9)).released(&*ledger).await;
    opened(begin("a", 100).await);
    let Begun::TooMany { retry_after } = begin("b", 200).await else { panic!() };
    assert!((400..=402).contains(&retry_after), "{retry_after}");
    opened(begin("b", 600).await);
    assert!(matches!(begin("c", 600).await, Begun::TooMany { .. }));
}

/// A quota is one repository's, or one API token's.
pub async fn quotas_count_each_publisher_alone(ledger: Store) {
    let quota = Quota { open_intents: 1, per_ten_minutes: 1 };
    let begin = async |content: &str, publisher| {
        ledger.begin(&Intent { publisher, ..ask(content) }, None, quota, at(0)).await.unwrap()
    };
    opened(begin("a", job("acme/sensor", 1)).await);
    assert!(matches!(begin("b", job("acme/sensor", 2)).await, Begun::TooMany { .. }));
    opened(begin("c", job("acme/other", 1)).await);
    let token = Publisher::Token { token_id: "0123".to_owned() };
    opened(begin("d", token).await);
}

/// What is swept was expired, is answered, and is gone; what is prepared goes with its train.
pub async fn a_sweep_drops_what_expired_and_nothing_else(ledger: Store) {
    let early = Publish::new("acme/early", "1.0.0", "a");
    let early_train = train([&early]);
    let late = Publish::new("acme/late", "1.0.0", "b").at(100);
    let (early_intent, late_intent) = (
        early.prepared(&*ledger, &early_train).await,
        late.prepared(&*ledger, &train([&late])).await,
    );
    assert_eq!(ledger.sweep(at(LIFE), 100).await.unwrap(), []);
    let now = at(LIFE + 1);
    assert_eq!(ledger.sweep(now, 0).await.unwrap(), []);
    assert_eq!(ledger.sweep(now, 100).await.unwrap(), std::slice::from_ref(&early_intent.id));
    assert_eq!(ledger.sweep(now, 100).await.unwrap(), []);
    assert_eq!(ledger.intent(&early_intent.id).await.unwrap(), None);
    assert!(ledger.intent(&late_intent.id).await.unwrap().is_some());
    let release = early.release(&early_intent);
    let prepared = ledger.prepare(&early_intent.id, &early_train, &release, None, now).await;
    assert!(matches!(prepared.unwrap(), Prepared::Expired));
    let rival = Publish::new("acme/early", "1.0.0", "rival").by(job("acme/early", 2));
    rival.at(LIFE + 2).released(&*ledger).await;
    assert_eq!(ledger.releases(&id("acme/early")).await.unwrap().len(), 1);
}
