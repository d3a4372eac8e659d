//! The queue on SQS: the guarantees of `Jobs`, on a server of its protocol.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

use std::sync::Arc;

use packhouse_lambda::jobs::SqsJobs;
use packhouse_registry::conformance::jobs::Timed;
use packhouse_registry::ports::jobs::ATTEMPTS;
use packhouse_registry::ports::{Clock as _, Job, Jobs as _, StoreError, SystemClock};
use packhouse_tests::sqs::{TestSqs, client};

/// A queue whose time is the real one.
async fn make() -> (Arc<Timed<SqsJobs>>, TestSqs) {
    let server = TestSqs::start();
    let queue = server.create_queue().await;
    let jobs = SqsJobs::new(client(&server.url()), queue);
    let wait = Box::new(|time: jiff::SignedDuration| {
        tokio::task::block_in_place(|| std::thread::sleep(time.unsigned_abs()));
    });
    (Arc::new(Timed { jobs, wait, now: Box::new(|| SystemClock.now()) }), server)
}
packhouse_registry::conformance_tests! { make, jobs:
    a_job_is_done_once,
    a_job_whose_worker_died_is_done_by_another,
    a_job_that_comes_while_it_is_done_is_done_again,
    a_job_that_failed_rests,
    of_many_takers_each_job_has_one,
    reviews_of_several_pull_requests_are_several,
}

#[tokio::test]
async fn a_job_that_always_fails_is_put_aside() {
    let server = TestSqs::start();
    let queue = server.create_queue().await;
    let jobs = SqsJobs::new(client(&server.url()), queue.clone());
    let aside = SqsJobs::new(client(&server.url()), format!("{queue}-failed"));
    let (now, lease) = (SystemClock.now(), jiff::SignedDuration::from_secs(30));
    jobs.enqueue(Job::Sweep, now).await.unwrap();
    for attempt in 1..=ATTEMPTS {
        let mut taken = jobs.take(now, lease).await.unwrap().unwrap();
        assert_eq!(taken.attempt, attempt);
        taken.attempt = ATTEMPTS; // so that it does not rest
        jobs.fail(&taken, now).await.unwrap();
        jobs.fail(&taken, now).await.unwrap();
    }
    assert_eq!(jobs.take(now, lease).await.unwrap(), None);
    assert_eq!(aside.take(now, lease).await.unwrap().unwrap().job, Job::Sweep);
}

#[tokio::test]
async fn a_queue_that_is_not_there_is_named_and_one_that_is_away_passes() {
    let server = TestSqs::start();
    let now = SystemClock.now();
    let jobs = SqsJobs::new(client(&server.url()), format!("{}/000000000000/none", server.url()));
    let error = jobs.enqueue(Job::Views, now).await.unwrap_err();
    assert!(matches!(&error, StoreError::Broken(why) if why.contains("SendMessage")), "{error}");
    let url = server.url();
    drop(server);
    let jobs = SqsJobs::new(client(&url), format!("{url}/000000000000/none"));
    let error = jobs.enqueue(Job::Views, now).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
}
