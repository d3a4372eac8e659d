//! `prepare` and `commit`.

use std::sync::Arc;

use packhouse_core::claims::{OwnerPin, Provenance, Publisher};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;

use super::fixtures::{LIFE, PLENTY, Publish, at, id, job, opened, pins, token, train};
use crate::ports::{Begun, Committed, IntentId, Ledger, Prepared, Reservation};

type Store = Arc<dyn Ledger>;

fn sensor(content: &str) -> Publish {
    Publish::new("acme/sensor", "1.0.0", content)
}

async fn visible(ledger: &Store, package: &str) -> usize {
    let package = id(package);
    let releases = ledger.releases(&package).await.unwrap();
    for release in &releases {
        let one = ledger.release(&package, release.version.key()).await.unwrap().unwrap();
        assert_eq!(one.digest, release.digest);
    }
    assert_eq!(ledger.head(&package).await.unwrap().is_some(), !releases.is_empty());
    releases.len()
}

/// The commit is what makes a release exist, in all of its parts.
pub async fn a_release_is_visible_after_commit_and_not_before(ledger: Store) {
    let publish = sensor("a").python("sensor");
    let train = train([&publish]);
    let intent = publish.prepared(&*ledger, &train).await;
    assert_eq!(visible(&ledger, "acme/sensor").await, 0);
    assert_eq!(ledger.release(&id("acme/sensor"), "1.0.0").await.unwrap(), None);
    assert_eq!(ledger.packages(None, 10).await.unwrap(), []);
    assert_eq!(ledger.events(0, 10).await.unwrap(), []);
    assert_eq!(ledger.owner_pin("acme").await.unwrap(), None);
    assert_eq!(ledger.native(publish.native.as_ref().unwrap()).await.unwrap(), None);
    assert_eq!(ledger.references(&publish.digest()).await.unwrap(), 0);
    assert!(ledger.holders(&publish.digest(), 9).await.unwrap().is_empty());

    let Committed::Committed(releases) = ledger.commit(&train, at(2)).await.unwrap() else {
        panic!()
    };
    let mut expected = publish.release(&intent);
    expected.released_at = at(2);
    assert_eq!(releases, [expected.clone()]);
    let read = ledger.release(&id("ACME/Sensor"), "1.0.0").await.unwrap();
    assert_eq!(read, Some(expected.clone()));
    let listed = ledger.releases(&id("acme/sensor")).await.unwrap();
    expected.described.original = serde_json::Value::Null;
    assert_eq!(listed, [expected]);
    let head = ledger.head(&id("acme/sensor")).await.unwrap().unwrap();
    assert_eq!(head.pins, Some(pins("acme/sensor")));
    assert_eq!(head.native, publish.native);
    assert_eq!((head.sequence, head.created_at, head.updated_at), (1, at(2), at(2)));
    let owner = OwnerPin { issuer: pins("acme/x").issuer, owner_id: pins("acme/x").owner_id };
    assert_eq!(ledger.owner_pin("Acme").await.unwrap(), Some(owner));
    let holder = ledger.native(publish.native.as_ref().unwrap()).await.unwrap();
    assert_eq!(holder, Some(id("acme/sensor")));
    let events = ledger.events(0, 10).await.unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].kind.as_str(), events[0].number), ("released", 1));
    assert_eq!(events[0].version.as_deref(), Some("1.0.0"));
    assert_eq!(events[0].hash, head.event_hash);
}

/// Whoever lost an answer asks again and gets it.
pub async fn every_step_may_be_repeated(ledger: Store) {
    let publish = sensor("a");
    let train = train([&publish]);
    let asked = publish.intent(&train);
    for _ in 0..3 {
        let begun = ledger.begin(&asked, Some(&token("t")), PLENTY, at(0)).await.unwrap();
        assert_eq!(opened(begun).id, asked.id);
    }
    let release = publish.release(&asked);
    for _ in 0..3 {
        let prepared = ledger.prepare(&asked.id, &train, &release, Some(&token("u")), at(1)).await;
        assert!(matches!(prepared.unwrap(), Prepared::Ready));
    }
    let mut answers = Vec::new();
    // Long after everything expired, too.
    for seconds in [2, 3, 10 * LIFE] {
        match ledger.commit(&train, at(seconds)).await.unwrap() {
            Committed::Committed(releases) => answers.push(releases),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answers[0][0].released_at, at(2));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    assert_eq!(ledger.events(0, 10).await.unwrap().len(), 1);
    let prepared = ledger.prepare(&asked.id, &train, &release, Some(&token("u")), at(9)).await;
    assert!(matches!(prepared.unwrap(), Prepared::Same(_)));
}

/// A second publish of the same content, by a later run, ends in the first release.
pub async fn the_same_bytes_are_the_same_release(ledger: Store) {
    let first = sensor("a").released(&*ledger).await;
    let again = sensor("a").by(job("acme/sensor", 2)).at(50);
    let train = train([&again]);
    let begun = ledger.begin(&again.intent(&train), None, PLENTY, at(50)).await.unwrap();
    assert!(matches!(begun, Begun::Same(release) if release == first));
    let intent = again.intent(&train);
    let release = again.release(&intent);
    let prepared = ledger.prepare(&intent.id, &train, &release, None, at(51)).await.unwrap();
    assert!(matches!(prepared, Prepared::Same(release) if release == first));
    let committed = ledger.commit(&train, at(52)).await.unwrap();
    assert!(matches!(committed, Committed::Committed(releases) if releases == [first.clone()]));
    assert_eq!(ledger.events(0, 10).await.unwrap().len(), 1);
}

/// An intent from before the release finds the version gone.
pub async fn other_bytes_find_the_version_taken(ledger: Store) {
    let late = sensor("b").by(job("acme/sensor", 2));
    let late_train = train([&late]);
    let asked = late.intent(&late_train);
    opened(ledger.begin(&asked, None, PLENTY, at(0)).await.unwrap());
    let first = sensor("a").released(&*ledger).await;
    let release = late.release(&asked);
    let prepared = ledger.prepare(&asked.id, &late_train, &release, None, at(5)).await.unwrap();
    assert!(matches!(prepared, Prepared::Taken(release) if release == first));
    let committed = ledger.commit(&late_train, at(6)).await.unwrap();
    assert!(matches!(committed, Committed::Waiting(members) if members == late_train.members));
    assert_eq!(visible(&ledger, "acme/sensor").await, 1);
}

/// `expires_at` itself is too late.
pub async fn an_intent_expires_at_its_second(ledger: Store) {
    let publish = sensor("a");
    let train = train([&publish]);
    let asked = publish.intent(&train);
    opened(ledger.begin(&asked, None, PLENTY, at(0)).await.unwrap());
    let release = publish.release(&asked);
    let prepare = async |seconds: i64| {
        ledger.prepare(&asked.id, &train, &release, None, at(seconds)).await.unwrap()
    };
    assert!(matches!(prepare(LIFE).await, Prepared::Expired));
    assert!(matches!(prepare(LIFE - 1).await, Prepared::Ready));
    let nobody = publish.intent(&train);
    let prepared = ledger.prepare(&nobody.id, &train, &release, None, at(1)).await.unwrap();
    assert!(matches!(prepared, Prepared::Expired));
}

/// A train lives as long as the longest of its intents, and not a second more.
pub async fn a_train_expires_at_its_second(ledger: Store) {
    let members = [sensor("a"), Publish::new("acme/motor", "1.0.0", "b").at(100)];
    let train = train(&members);
    for member in &members {
        member.prepared(&*ledger, &train).await;
    }
    let late = ledger.commit(&train, at(100 + LIFE)).await.unwrap();
    assert!(matches!(late, Committed::Expired));
    assert_eq!(visible(&ledger, "acme/sensor").await, 0);
    let in_time = ledger.commit(&train, at(100 + LIFE - 1)).await.unwrap();
    assert!(matches!(in_time, Committed::Committed(releases) if releases.len() == 2));
}

/// A prepared version belongs to its train; after that it is free.
pub async fn a_reservation_holds_until_it_expires(ledger: Store) {
    let first = sensor("a");
    let first_train = train([&first]);
    first.prepared(&*ledger, &first_train).await;
    let rival = sensor("b").by(job("acme/sensor", 2)).at(LIFE - 10);
    let rival_train = train([&rival]);
    let asked = rival.intent(&rival_train);
    opened(ledger.begin(&asked, None, PLENTY, at(LIFE - 10)).await.unwrap());
    let release = rival.release(&asked);
    let prepare = async |seconds: i64| {
        ledger.prepare(&asked.id, &rival_train, &release, None, at(seconds)).await.unwrap()
    };
    let held = prepare(LIFE - 1).await;
    assert!(matches!(held, Prepared::Reserved { until } if until == at(LIFE)), "{held:?}");
    assert!(matches!(prepare(LIFE).await, Prepared::Ready));
    let lost = ledger.commit(&first_train, at(LIFE + 1)).await.unwrap();
    assert!(matches!(lost, Committed::Expired | Committed::Waiting(_)), "{lost:?}");
    let won = ledger.commit(&rival_train, at(LIFE + 1)).await.unwrap();
    assert!(matches!(won, Committed::Committed(_)));
    assert_eq!(ledger.releases(&id("acme/sensor")).await.unwrap()[0].digest, rival.digest());
}

/// The token that confirms is remembered as well.
pub async fn a_token_confirms_one_intent(ledger: Store) {
    let (one, two) = (sensor("a"), Publish::new("acme/motor", "1.0.0", "b"));
    let (train_one, train_two) = (train([&one]), train([&two]));
    let first = one.intent(&train_one);
    opened(ledger.begin(&first, Some(&token("t")), PLENTY, at(0)).await.unwrap());
    let second = two.intent(&train_two);
    opened(ledger.begin(&second, Some(&token("u")), PLENTY, at(0)).await.unwrap());
    let prepare = async |jti: &str| {
        let release = two.release(&second);
        let token = token(jti);
        ledger.prepare(&second.id, &train_two, &release, Some(&token), at(1)).await.unwrap()
    };
    assert!(matches!(prepare("t").await, Prepared::Replayed));
    assert!(matches!(prepare("u").await, Prepared::Ready)); // `ato` has one token for both
    assert!(matches!(prepare("v").await, Prepared::Ready));
    let release = one.release(&first);
    let prepared = ledger.prepare(&first.id, &train_one, &release, Some(&token("v")), at(1)).await;
    assert!(matches!(prepared.unwrap(), Prepared::Replayed));
    let again = sensor("z").intent(&train_one);
    let begun = ledger.begin(&again, Some(&token("v")), PLENTY, at(1)).await.unwrap();
    assert!(matches!(begun, Begun::Replayed));
}

/// What is no publish remembers its token too, and takes none of a publish.
pub async fn a_token_is_good_for_one_purpose(ledger: Store) {
    let (first, second) = (IntentId::of(&Digest::of(b"a")), IntentId::of(&Digest::of(b"b")));
    assert!(ledger.use_token(&token("t"), &first).await.unwrap());
    assert!(ledger.use_token(&token("t"), &first).await.unwrap(), "a retry");
    assert!(!ledger.use_token(&token("t"), &second).await.unwrap());
    let asked = sensor("a").intent(&train([&sensor("a")]));
    let begun = ledger.begin(&asked, Some(&token("t")), PLENTY, at(0)).await.unwrap();
    assert!(matches!(begun, Begun::Replayed));
}

/// A row outside of its train would become visible without anybody's asking.
pub async fn a_release_that_is_no_member_is_refused(ledger: Store) {
    let publish = sensor("a");
    let asked = publish.intent(&train([&publish]));
    opened(ledger.begin(&asked, None, PLENTY, at(0)).await.unwrap());
    let other = train([&sensor("b")]);
    let release = publish.release(&asked);
    assert!(ledger.prepare(&asked.id, &other, &release, None, at(1)).await.is_err());
}

/// Nothing is visible before everything is prepared; who is missing is named.
pub async fn a_train_waits_for_all_its_members(ledger: Store) {
    let members = [sensor("a"), Publish::new("acme/motor", "1.0.0", "b")];
    let train = train(&members);
    let waiting = ledger.commit(&train, at(0)).await.unwrap();
    assert!(matches!(waiting, Committed::Waiting(missing) if missing == train.members));
    assert_eq!(ledger.waiting(&train).await.unwrap(), train.members);
    assert_eq!(ledger.prepared(&train).await.unwrap(), []);
    let intent = members[0].prepared(&*ledger, &train).await;
    assert_eq!(ledger.prepared(&train).await.unwrap(), [members[0].release(&intent)]);
    assert_eq!(ledger.waiting(&train).await.unwrap(), [members[1].member()]);
    let waiting = ledger.commit(&train, at(2)).await.unwrap();
    assert!(matches!(waiting, Committed::Waiting(missing) if missing == [members[1].member()]));
    assert_eq!(visible(&ledger, "acme/sensor").await, 0);
    members[1].prepared(&*ledger, &train).await;
    let done = ledger.commit(&train, at(3)).await.unwrap();
    let Committed::Committed(releases) = done else { panic!("{done:?}") };
    let order: Vec<_> = releases.iter().map(|release| release.identifier.key()).collect();
    assert_eq!(order, ["acme/motor", "acme/sensor"]);
    assert!(ledger.waiting(&train).await.unwrap().is_empty());
    assert_eq!(ledger.prepared(&train).await.unwrap(), []);
}

/// All or none, and each reader sees one of the two.
pub async fn a_train_of_sixty_is_visible_at_once(ledger: Store) {
    let members: Vec<Publish> = (0..60)
        .map(|n| Publish::new(&format!("acme/p{n:02}"), "1.0.0", &n.to_string()))
        .map(|publish| publish.by(job("acme/mono", 1)))
        .collect();
    let train = train(&members);
    for member in &members {
        member.prepared(&*ledger, &train).await;
    }
    let reader = tokio::spawn({
        let ledger = Arc::clone(&ledger);
        async move {
            let mut seen = Vec::new();
            while seen.last() != Some(&60) {
                seen.push(ledger.packages(None, 100).await.unwrap().len());
                tokio::task::yield_now().await;
            }
            seen
        }
    });
    assert!(matches!(ledger.commit(&train, at(2)).await.unwrap(), Committed::Committed(_)));
    let seen = reader.await.unwrap();
    assert!(seen.iter().all(|count| [0, 60].contains(count)), "{seen:?}");
    assert_eq!(ledger.events(0, 100).await.unwrap().len(), 60);
}

/// Whoever follows the feed can resolve every release when it comes, cycles aside.
pub async fn dependencies_come_first_in_the_feed(ledger: Store) {
    let needs = |package: &str, needs: &[&str]| Publish {
        needs: needs.iter().map(|name| id(name)).collect(),
        ..Publish::new(package, "1.0.0", package).by(job("acme/mono", 1))
    };
    let members = [
        needs("acme/a", &["acme/b", "acme/elsewhere"]),
        needs("acme/b", &["acme/c", "acme/d"]),
        needs("acme/c", &["acme/d"]),
        needs("acme/d", &["acme/d"]),
        needs("acme/x", &["acme/y"]),
        needs("acme/y", &["acme/x"]),
    ];
    let train = train(&members);
    for member in &members {
        member.prepared(&*ledger, &train).await;
    }
    assert!(matches!(ledger.commit(&train, at(2)).await.unwrap(), Committed::Committed(_)));
    let events = ledger.events(0, 10).await.unwrap();
    let order: Vec<_> = events.iter().map(|event| event.identifier.name()).collect();
    assert_eq!(order, ["d", "c", "b", "a", "y", "x"]);
}

/// A train may bring a package that stands already with the same bytes.
pub async fn a_member_that_was_released_before_counts_as_done(ledger: Store) {
    let (old, new) = (sensor("a"), Publish::new("acme/motor", "1.0.0", "b"));
    let first = old.released(&*ledger).await;
    let train = train([&old, &new]);
    new.clone().at(10).prepared(&*ledger, &train).await;
    let done = ledger.commit(&train, at(12)).await.unwrap();
    let Committed::Committed(releases) = done else { panic!("{done:?}") };
    assert_eq!(releases.len(), 2);
    assert_eq!(releases[1], first);
    assert_eq!(ledger.events(0, 10).await.unwrap().len(), 2);
}

/// A pin decides at the commit, whatever was true before.
pub async fn a_package_stays_with_its_repository(ledger: Store) {
    let rival = Publish::new("acme/sensor", "2.0.0", "b").by(job("acme/fork", 1));
    let rival_train = train([&rival]);
    rival.prepared(&*ledger, &rival_train).await;
    sensor("a").released(&*ledger).await;
    let refused = ledger.commit(&rival_train, at(5)).await.unwrap();
    let Committed::PinsDiffer(head) = refused else { panic!("{refused:?}") };
    assert_eq!(head.pins, Some(pins("acme/sensor")));
    assert_eq!(visible(&ledger, "acme/sensor").await, 1);
}

/// An owner's name is its first owner's.
pub async fn an_owner_stays_with_its_owner(ledger: Store) {
    let rival = Publish::new("acme/motor", "1.0.0", "b").by(job("evil/motor", 1));
    let rival_train = train([&rival]);
    rival.prepared(&*ledger, &rival_train).await;
    sensor("a").released(&*ledger).await;
    let refused = ledger.commit(&rival_train, at(5)).await.unwrap();
    let Committed::OwnerDiffers(pin) = refused else { panic!("{refused:?}") };
    assert_eq!(pin.owner_id, "id-of-acme");
    assert_eq!(visible(&ledger, "acme/motor").await, 0);
    // The same name with another case is the same owner's.
    let other_case = Publish::new("ACME/Motor", "1.0.0", "c").by(job("evil/motor", 1));
    assert!(matches!(other_case.run(&*ledger).await, Committed::OwnerDiffers(_)));
}

/// All or none holds for refusals, too.
pub async fn a_refused_member_keeps_its_train_invisible(ledger: Store) {
    sensor("a").released(&*ledger).await;
    let by = job("evil/mono", 1);
    let members = [
        Publish::new("evil/first", "1.0.0", "1").by(by.clone()),
        Publish::new("acme/sensor", "1.0.1", "2").by(by.clone()),
        Publish::new("evil/third", "1.0.0", "3").by(by),
    ];
    let train = train(&members);
    for member in &members {
        member.prepared(&*ledger, &train).await;
    }
    assert!(matches!(ledger.commit(&train, at(5)).await.unwrap(), Committed::PinsDiffer(_)));
    assert_eq!(visible(&ledger, "evil/first").await, 0);
    assert_eq!(visible(&ledger, "evil/third").await, 0);
    assert_eq!(ledger.owner_pin("evil").await.unwrap(), None);
    assert_eq!(ledger.events(0, 10).await.unwrap().len(), 1);
}

/// A new package may not be mistaken for another owner's; an own one may, and an old one stays.
pub async fn look_alikes_of_other_owners_are_refused(ledger: Store) {
    Publish::new("acme/modern", "1.0.0", "a").released(&*ledger).await;
    let twin = Publish::new("acrne/modern", "1.0.0", "b");
    let refused = twin.run(&*ledger).await;
    let Committed::LooksLike(other) = refused else { panic!("{refused:?}") };
    assert_eq!(other, id("acme/modern"));
    let by_token = twin.clone().by(Publisher::Token { token_id: "0".to_owned() });
    assert!(matches!(by_token.run(&*ledger).await, Committed::LooksLike(_)));
    // Of the same owner: by name, or by the number that the name is pinned to.
    let own = Publish::new("acme/mod-ern", "1.0.0", "c").by(job("acme/other", 1));
    own.released(&*ledger).await;
    twin.by(job("acme/third", 1)).released(&*ledger).await;
    Publish::new("acrne/modern", "1.0.1", "e").by(job("acme/third", 1)).released(&*ledger).await;
}

/// The second package of a name is published all the same, without the name.
pub async fn a_native_name_goes_to_the_first(ledger: Store) {
    let name = NativeName { ecosystem: "python".to_owned(), name: "numbers".to_owned() };
    Publish::new("acme/numbers", "1.0.0", "a").python("numbers").released(&*ledger).await;
    let second = Publish::new("other/numbers", "1.0.0", "b").python("numbers");
    second.released(&*ledger).await;
    assert_eq!(ledger.native(&name).await.unwrap(), Some(id("acme/numbers")));
    let head = async |package: &str| ledger.head(&id(package)).await.unwrap().unwrap();
    assert_eq!(head("acme/numbers").await.native, Some(name));
    assert_eq!(head("other/numbers").await.native, None);
}

/// A native name that the operator reserved goes to its holder only.
pub async fn a_reserved_native_name_waits_for_its_holder(ledger: Store) {
    let holder = |repository: &str| {
        let pins = pins(repository);
        OwnerPin { issuer: pins.issuer, owner_id: pins.owner_id }
    };
    let reservation = Reservation {
        name: "python:numbers".to_owned(),
        holder: Some(holder("other/x")),
        reason: "well known".to_owned(),
        at: at(0),
    };
    ledger.reserve(&reservation).await.unwrap();
    let name = NativeName { ecosystem: "python".to_owned(), name: "numbers".to_owned() };
    Publish::new("acme/numbers", "1.0.0", "a").python("numbers").released(&*ledger).await;
    assert_eq!(ledger.native(&name).await.unwrap(), None);
    Publish::new("other/numbers", "1.0.0", "b").python("numbers").released(&*ledger).await;
    assert_eq!(ledger.native(&name).await.unwrap(), Some(id("other/numbers")));
}

/// Once bound, a package says so for good.
pub async fn a_head_remembers_bound_audiences(ledger: Store) {
    let seen = async || ledger.head(&id("acme/sensor")).await.unwrap().unwrap().bound_audience_seen;
    let publish = |text: &str, bound_audience: bool| Publish {
        bound_audience,
        ..Publish::new("acme/sensor", text, text)
    };
    publish("1.0.0", false).released(&*ledger).await;
    assert!(!seen().await);
    publish("1.0.1", true).released(&*ledger).await;
    assert!(seen().await);
    publish("1.0.2", false).released(&*ledger).await;
    assert!(seen().await);
}

/// A token's package has no pins until a repository publishes it.
pub async fn a_token_publishes_without_pinning(ledger: Store) {
    let package: Identifier = id("acme/sensor");
    let by_token = sensor("a").by(Publisher::Token { token_id: "0123456789ab".to_owned() });
    by_token.released(&*ledger).await;
    assert_eq!(ledger.head(&package).await.unwrap().unwrap().pins, None);
    assert_eq!(ledger.owner_pin("acme").await.unwrap(), None);
    Publish::new("acme/sensor", "1.0.1", "b").released(&*ledger).await;
    let head = ledger.head(&package).await.unwrap().unwrap();
    assert_eq!(head.pins, Some(pins("acme/sensor")));
    assert!(ledger.owner_pin("acme").await.unwrap().is_some());
}

/// A version that was rebuilt from a commit is as visible as any, and says nothing of who may publish:
/// the first job is checked as a first one, and pins package and owner.
pub async fn an_import_pins_nobody_and_the_first_job_after_it_does(ledger: Store) {
    let package: Identifier = id("acme/sensor");
    let imported = |commit: &str, tag: Option<&str>| {
        Publisher::Imported(Provenance {
            repository: "https://git.example/acme/parts".to_owned(),
            commit: commit.repeat(40),
            tag: tag.map(str::to_owned),
            path: "parts/sensor".to_owned(),
            committed_at: at(-1_000_000),
        })
    };
    let first = sensor("a").by(imported("a", Some("v1.0.0")));
    let second = Publish::new("acme/sensor", "1.1.0", "b").by(imported("b", None)).at(10);
    for publish in [&first, &second] {
        let released = publish.released(&*ledger).await;
        assert_eq!(released.publisher, publish.publisher);
        let read = ledger.release(&package, publish.version.key()).await.unwrap();
        assert_eq!(read, Some(released));
    }
    assert_eq!(visible(&ledger, "acme/sensor").await, 2);
    assert_eq!(ledger.head(&package).await.unwrap().unwrap().pins, None);
    assert_eq!(ledger.owner_pin("acme").await.unwrap(), None);
    // The same commit again is the same release; one with other bytes comes too late.
    let again = ledger.begin(&first.intent(&train([&first])), None, PLENTY, at(20)).await.unwrap();
    assert!(matches!(again, Begun::Same(_)), "{again:?}");
    let other = sensor("c").by(imported("c", None));
    let taken = ledger.begin(&other.intent(&train([&other])), None, PLENTY, at(20)).await.unwrap();
    assert!(matches!(taken, Begun::Taken(_)), "{taken:?}");

    Publish::new("acme/sensor", "1.2.0", "d").at(30).released(&*ledger).await;
    assert_eq!(ledger.head(&package).await.unwrap().unwrap().pins, Some(pins("acme/sensor")));
    let owner = ledger.owner_pin("acme").await.unwrap();
    assert_eq!(owner.map(|owner| owner.owner_id), Some("id-of-acme".to_owned()));
    let rival = Publish::new("acme/sensor", "2.0.0", "e").by(job("acme/fork", 1)).at(40);
    assert!(matches!(rival.run(&*ledger).await, Committed::PinsDiffer(_)));
    // An older version that is imported later leaves the pins as they are.
    let later = Publish::new("acme/sensor", "0.9.0", "f").by(imported("f", None)).at(50);
    later.released(&*ledger).await;
    assert_eq!(ledger.head(&package).await.unwrap().unwrap().pins, Some(pins("acme/sensor")));
    assert_eq!(visible(&ledger, "acme/sensor").await, 4);
}
