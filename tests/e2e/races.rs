//! Many publishes at once, and trains: all or none.

use std::collections::HashSet;
use std::sync::Barrier;

use packhouse_tests::raw::{Parcel, Raw};
use packhouse_tests::{Options, TestRegistry};

/// Runs `work` in `count` threads that start together.
fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || {
                    barrier.wait();
                    work(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panics")).collect()
    })
}

fn job(registry: &TestRegistry, number: usize) -> Raw {
    let ci = registry.ci("acme/sensor").tag("v1.0.0").claim("run_id", &format!("7{number:03}"));
    Raw { url: registry.url(), ci }
}

#[test]
fn fifty_publishes_of_one_version_with_different_bytes_make_one_release() {
    let registry = TestRegistry::start();
    let answers = at_once(50, |number| {
        let parcel = Parcel::new("acme/sensor", "1.0.0", &format!("content {number}"));
        (parcel.digest.hex(), job(&registry, number).publish(&parcel))
    });
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|(_, answer)| answer.0 == 200);
    assert_eq!(won.len(), 1, "{answers:?}");
    let winner = &won[0].0;
    for (_, (status, body)) in &lost {
        assert_eq!(*status, 409, "{body}");
        assert_eq!(body["error"]["code"], "version-exists", "{body}");
        assert_eq!(body["error"]["facts"]["digest"], winner.as_str(), "{body}");
        assert!(body["detail"].as_str().unwrap().contains(winner.as_str()), "{body}");
    }
    let index = registry.get("/index/acme/sensor.json");
    assert_eq!(index["versions"].as_array().unwrap().len(), 1, "{index}");
}

#[test]
fn fifty_publishes_of_the_same_content_end_in_one_receipt() {
    let registry = TestRegistry::start();
    let parcel = Parcel::new("acme/sensor", "1.0.0", "the same");
    let answers = at_once(50, |number| job(&registry, number).publish(&parcel));
    let receipts: HashSet<String> = answers
        .iter()
        .map(|(status, body)| {
            assert_eq!(*status, 200, "{body}");
            body["receipt"].to_string()
        })
        .collect();
    assert_eq!(receipts.len(), 1, "{receipts:#?}");
}

#[test]
fn a_train_of_sixty_is_visible_all_or_not_at_all() {
    let registry = TestRegistry::with(Options::default());
    let train: Vec<Parcel> = (0..60)
        .map(|n| Parcel::new(&format!("acme/part{n:02}"), "1.0.0", &format!("part {n}")))
        .collect();
    let raw = job(&registry, 1);
    let visible = || {
        train
            .iter()
            .filter(|p| registry.fetch(&format!("/index/{}.json", p.identifier)).0 == 200)
            .count()
    };
    for (done, parcel) in train.iter().enumerate() {
        assert_eq!(visible_sample(&registry, &train, done), 0, "before member {done}");
        let (status, body) = raw.publish_in(parcel, &train);
        assert_eq!(status, 200, "{body}");
        if done + 1 < train.len() {
            let waiting = body["waiting_for"].as_array().map_or(0, Vec::len);
            assert_eq!(waiting, train.len() - done - 1, "{body}");
            assert!(body["receipt"].is_null(), "{body}");
        } else {
            assert!(body["receipt"].is_object(), "{body}");
        }
    }
    assert_eq!(visible(), train.len());
    // Again, as a rerun of the job would: the same receipts, whatever the run.
    let again = job(&registry, 2);
    for parcel in &train {
        let (status, body) = again.publish_in(parcel, &train);
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["receipt"]["digest"], parcel.digest.hex().as_str());
    }
}

/// How many of a few members are visible: the first, the last, and the one in question.
fn visible_sample(registry: &TestRegistry, train: &[Parcel], done: usize) -> usize {
    let looked = [0, done.saturating_sub(1), train.len() - 1];
    looked
        .iter()
        .filter(|at| registry.fetch(&format!("/index/{}.json", train[**at].identifier)).0 == 200)
        .count()
}
