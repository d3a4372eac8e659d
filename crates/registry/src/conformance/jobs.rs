//! Guarantees of [`Jobs`].

use std::sync::Arc;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::ports::jobs::{ATTEMPTS, pause};
use crate::ports::{Job, Jobs, PullRequest, Taken};

/// Leases are whole seconds, and real queues let them pass in real time.
const LEASE: SignedDuration = SignedDuration::from_secs(2);

/// A queue, and how time passes for it: `wait` returns once so many seconds are over.
pub struct Timed<J> {
    /// The queue.
    pub jobs: J,
    /// Waits.
    pub wait: Box<dyn Fn(SignedDuration) + Send + Sync>,
    /// Now.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl<J: Jobs> Timed<J> {
    /// A queue that believes the time it is told.
    pub fn simulated(jobs: J) -> Self {
        let clock = Arc::new(std::sync::Mutex::new(super::fixtures::at(0)));
        let held = Arc::clone(&clock);
        let now = Box::new(move || *held.lock().unwrap());
        let wait = Box::new(move |time| *clock.lock().unwrap() += time);
        Self { jobs, wait, now }
    }

    async fn enqueue(&self, job: Job) {
        self.jobs.enqueue(job, (self.now)()).await.unwrap();
    }

    /// Takes what is due; a distributed queue may need a moment to show it.
    async fn take(&self) -> Taken {
        for _ in 0..50 {
            if let Some(taken) = self.jobs.take((self.now)(), LEASE).await.unwrap() {
                return taken;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("no job is due");
    }

    async fn is_idle(&self) -> bool {
        self.jobs.take((self.now)(), LEASE).await.unwrap().is_none()
    }

    async fn finish(&self, taken: &Taken) {
        self.jobs.finish(taken, (self.now)()).await.unwrap();
    }
}

/// A job is taken by one, and gone once it is finished.
pub async fn a_job_is_done_once<J: Jobs>(queue: Arc<Timed<J>>) {
    assert!(queue.is_idle().await);
    queue.enqueue(Job::Views).await;
    let taken = queue.take().await;
    assert_eq!((&taken.job, taken.attempt), (&Job::Views, 1));
    assert!(queue.is_idle().await, "it is held");
    queue.finish(&taken).await;
    queue.finish(&taken).await;
    (queue.wait)(LEASE + SignedDuration::from_secs(1));
    assert!(queue.is_idle().await, "it is gone");
}

/// A job whose worker died is due again after its lease.
pub async fn a_job_whose_worker_died_is_done_by_another<J: Jobs>(queue: Arc<Timed<J>>) {
    queue.enqueue(Job::Sweep).await;
    let first = queue.take().await;
    (queue.wait)(LEASE + SignedDuration::from_secs(1));
    let second = queue.take().await;
    assert_eq!((&second.job, second.attempt), (&first.job, 2));
    queue.finish(&second).await;
    assert!(queue.is_idle().await);
}

/// What is queued while the same job is being done is done once more.
pub async fn a_job_that_comes_while_it_is_done_is_done_again<J: Jobs>(queue: Arc<Timed<J>>) {
    queue.enqueue(Job::Views).await;
    let taken = queue.take().await;
    queue.enqueue(Job::Views).await;
    queue.finish(&taken).await;
    let again = queue.take().await;
    assert_eq!((&again.job, again.attempt), (&Job::Views, 1));
    queue.finish(&again).await;
    assert!(queue.is_idle().await);
}

/// Jobs of one kind about several things are several; about the same thing they are one at most once
/// they are done.
pub async fn reviews_of_several_pull_requests_are_several<J: Jobs>(queue: Arc<Timed<J>>) {
    let review = |number| {
        let repository = "acme/sensor".to_owned();
        Job::Review(PullRequest { installation: 7, repository, number })
    };
    queue.enqueue(review(1)).await;
    queue.enqueue(review(2)).await;
    let (one, two) = (queue.take().await, queue.take().await);
    let mut jobs = [one.job.clone(), two.job.clone()];
    jobs.sort();
    assert_eq!(jobs, [review(1), review(2)]);
    queue.finish(&one).await;
    queue.finish(&two).await;
    assert!(queue.is_idle().await);
}

/// A job that failed rests before it is tried again.
pub async fn a_job_that_failed_rests<J: Jobs>(queue: Arc<Timed<J>>) {
    queue.enqueue(Job::Views).await;
    let taken = queue.take().await;
    queue.jobs.fail(&taken, (queue.now)()).await.unwrap();
    (queue.wait)(LEASE + SignedDuration::from_secs(1));
    assert!(queue.is_idle().await, "longer than its lease");
    (queue.wait)(pause(1));
    assert_eq!(queue.take().await.attempt, 2);
}

/// A job that always fails is given up, and stands in nobody's way.
pub async fn a_job_that_always_fails_is_given_up<J: Jobs>(queue: Arc<Timed<J>>) {
    queue.enqueue(Job::Views).await;
    for attempt in 1..=ATTEMPTS {
        let taken = queue.take().await;
        assert_eq!(taken.attempt, attempt);
        queue.jobs.fail(&taken, (queue.now)()).await.unwrap();
        (queue.wait)(pause(attempt) + SignedDuration::from_secs(1));
    }
    assert!(queue.is_idle().await);
    queue.enqueue(Job::Views).await;
    assert_eq!(queue.take().await.attempt, 1, "the next of its kind starts anew");
}

/// Of many takers at once, each job has one.
pub async fn of_many_takers_each_job_has_one<J: Jobs>(queue: Arc<Timed<J>>) {
    queue.enqueue(Job::Views).await;
    queue.enqueue(Job::Sweep).await;
    let takes = join_all((0..20).map(|_| queue.jobs.take((queue.now)(), LEASE))).await;
    let mut taken: Vec<_> =
        takes.into_iter().filter_map(Result::unwrap).map(|taken| taken.job).collect();
    taken.sort();
    assert_eq!(taken, [Job::Sweep, Job::Views]);
}
