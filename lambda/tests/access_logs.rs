//! Downloads that the CDN answered are counted from its logs: each log file once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use packhouse_core::digest::Digest;
use packhouse_lambda::access_logs::{Bounds, LogReader, Taken, downloads, take_in};
use packhouse_lambda::s3::S3Logs;
use packhouse_registry::conformance::fixtures::{Publish, id, job};
use packhouse_registry::memory::MemoryLedger;
use packhouse_registry::ports::Ledger;
use packhouse_registry::urls;
use packhouse_tests::dynamodb::Server;
use packhouse_tests::proxy::{self, Proxy};
use packhouse_tests::s3::{BUCKET, Fault, TestS3};
use support::{Store, keys, s3_client};

/// A log of downloads: (client, blob, file name).
fn log(lines: &[(&str, Digest, &str)]) -> Vec<u8> {
    let mut text = "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem sc-status \
        cs(User-Agent) x-edge-result-type sc-range-start\n"
        .to_owned();
    for (client, digest, file) in lines {
        text += &format!(
            "2026-03-01\t12:00:00\t{client}\tGET\t/blobs/sha256/{digest}/{file}\t200\tato\tHit\t-\n"
        );
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn logs_on(server: &TestS3) -> S3Logs {
    S3Logs::new(s3_client(&server.url(), keys()), BUCKET, "cdn/")
}

fn hours(from_now: i64) -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(from_now)
}

/// Files that were counted, passed, unreadable.
fn told(taken: &Taken) -> (u32, u32, u32) {
    (taken.counted, taken.passed, taken.unreadable)
}

/// (version, day, count) of a package, ascending.
async fn counted(ledger: &dyn Ledger, package: &str) -> Vec<(String, String, u64)> {
    let counts = ledger.downloads(&id(package)).await.unwrap();
    let mut counts: Vec<_> = counts.into_iter().map(|c| (c.version, c.day, c.count)).collect();
    counts.sort();
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_in_the_address_says_which_release_of_a_blob_was_downloaded() {
    let ledger = MemoryLedger::new();
    let by = job("acme/mono", 1);
    let one = Publish::new("acme/one", "1.0.0", "same").by(by.clone()).released(&ledger).await;
    let two = Publish::new("acme/two", "1.0.0", "same").by(by).released(&ledger).await;
    assert_eq!(one.digest, two.digest);
    let attachment = one.attachments.as_ref().unwrap()[0].clone();
    let lines = [
        ("192.0.2.1", one.digest, urls::archive_name(&one)),
        ("192.0.2.2", one.digest, urls::archive_name(&one)),
        ("192.0.2.3", two.digest, urls::archive_name(&two)),
        ("192.0.2.4", one.digest, "made-up.zip".to_owned()),
        ("192.0.2.5", attachment.digest, urls::file_name(&attachment.path).to_owned()),
        ("192.0.2.6", attachment.digest, urls::archive_name(&one)),
        ("192.0.2.7", Digest::of(b"nobody's"), urls::archive_name(&one)),
    ];
    let lines: Vec<_> =
        lines.iter().map(|(c, digest, file)| (*c, *digest, file.as_str())).collect();
    let mut reader = LogReader::new(Bounds::default());
    reader.feed(&log(&lines)).unwrap();
    let fetches = reader.finish().unwrap();
    assert_eq!(fetches.fetched.len(), 6);
    let mut counts = downloads(&ledger, &fetches).await.unwrap();
    counts.sort_by_key(|count| count.count);
    let told: Vec<_> = counts.iter().map(|c| (&c.identifier, c.day.as_str(), c.count)).collect();
    assert_eq!(told, [(&two.identifier, "2026-03-01", 1), (&one.identifier, "2026-03-01", 2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_file_is_counted_once_however_often_it_is_read() {
    let server = TestS3::start();
    let logs = logs_on(&server);
    let store = Store::on(Server::Dynoxide).await;
    let ledger = store.ledger();
    let release = Publish::new("acme/sensor", "1.0.0", "bytes").released(&ledger).await;
    let file = urls::archive_name(&release);
    // More files than one page of a list has, each with two clients.
    for hour in 0..13 {
        let lines = [("192.0.2.1", release.digest, &*file), ("192.0.2.2", release.digest, &*file)];
        server.overwrite(&format!("cdn/E1.2026-03-01-{hour:02}.abc.gz"), &log(&lines));
    }
    server.overwrite("cdn/E1.2026-03-01-20.abc.gz", &log(&[]));
    server.overwrite("cdn/E1.2026-03-01-21.abc.gz", b"no gzip at all");
    server.overwrite(
        "elsewhere/E1.2026-03-01-22.abc.gz",
        &log(&[("192.0.2.9", release.digest, &file)]),
    );

    assert_eq!(take_in(&logs, &ledger, hours(1)).await.unwrap(), Taken::default(), "none is new");
    let taken = take_in(&logs, &ledger, hours(-1)).await.unwrap();
    assert_eq!(told(&taken), (13, 1, 1));
    assert_eq!(taken.packages, [id("acme/sensor")].into());
    let expected = [("1.0.0".to_owned(), "2026-03-01".to_owned(), 26)];
    assert_eq!(counted(&ledger, "acme/sensor").await, expected);

    let again = take_in(&logs, &store.ledger(), hours(-1)).await.unwrap();
    assert_eq!(told(&again), (0, 14, 1));
    assert_eq!(counted(&ledger, "acme/sensor").await, expected);

    let late = [("192.0.2.1", release.digest, &*file)];
    server.overwrite("cdn/E1.2026-03-01-00.late.gz", &log(&late));
    let taken = take_in(&logs, &ledger, hours(-1)).await.unwrap();
    assert_eq!(told(&taken), (1, 14, 1));
    assert_eq!(counted(&ledger, "acme/sensor").await[0].2, 27);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_that_failed_in_the_middle_is_made_up_for() {
    let server = TestS3::start();
    let logs = logs_on(&server);
    let store = Store::on(Server::Dynoxide).await;
    let ledger = store.ledger();
    let release = Publish::new("acme/sensor", "1.0.0", "bytes").released(&ledger).await;
    let file = urls::archive_name(&release);
    for hour in 0..4 {
        let lines = [("192.0.2.1", release.digest, &*file)];
        server.overwrite(&format!("cdn/E1.2026-03-01-{hour:02}.abc.gz"), &log(&lines));
    }
    server.plan(|operation, key| {
        (operation == "GetObject" && key.contains("-02.")).then_some(Fault::SlowDown)
    });
    take_in(&logs, &ledger, hours(-1)).await.unwrap_err();
    assert_eq!(counted(&ledger, "acme/sensor").await[0].2, 2);
    server.calm();
    let taken = take_in(&logs, &ledger, hours(-1)).await.unwrap();
    assert_eq!(told(&taken), (2, 2, 0));
    assert_eq!(counted(&ledger, "acme/sensor").await[0].2, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_workers_at_once_count_once_and_so_does_one_that_fails_at_any_request() {
    let server = TestS3::start();
    let store = Store::on(Server::Dynoxide).await;
    let ledger = store.ledger();
    let release = Publish::new("acme/sensor", "1.0.0", "bytes").released(&ledger).await;
    let other = Publish::new("acme/hub", "1.0.0", "hub").released(&ledger).await;
    let (file, other_file) = (urls::archive_name(&release), urls::archive_name(&other));
    let lines = [("192.0.2.1", release.digest, &*file), ("192.0.2.2", other.digest, &*other_file)];
    server.overwrite("cdn/E1.2026-03-01-00.abc.gz", &log(&lines));
    let both = join_all((0..4).map(|_| {
        let (logs, ledger) = (logs_on(&server), store.ledger());
        async move { take_in(&logs, &ledger, hours(-1)).await.unwrap() }
    }));
    both.await;
    let expected = [("1.0.0".to_owned(), "2026-03-01".to_owned(), 1)];
    assert_eq!(counted(&ledger, "acme/sensor").await, expected);
    assert_eq!(counted(&ledger, "acme/hub").await, expected);

    let proxy = Proxy::start(store.server.address());
    let through = store.ledger_at(&proxy.url());
    let mut total = 1;
    let mut asked = 0;
    for number in 0..60 {
        for fault in [proxy::Fault::NotReached, proxy::Fault::AnswerLost] {
            let server = TestS3::start();
            server.overwrite(&format!("cdn/E1.2026-03-02-00.{number}{fault:?}.gz"), &log(&lines));
            total += 1;
            proxy.fail_nth(number, fault);
            let _ = take_in(&logs_on(&server), &through, hours(-1)).await;
            asked = proxy.seen().len();
            proxy.calm();
            take_in(&logs_on(&server), &through, hours(-1)).await.unwrap();
            assert_eq!(counted(&ledger, "acme/sensor").await[0].2, total, "request {number}");
            assert_eq!(counted(&ledger, "acme/hub").await[0].2, total, "request {number}");
        }
        if asked <= number {
            return; // all requests had their turn
        }
    }
    panic!("a count takes more than 60 requests");
}
