//! The guarantees of views on S3: none is replaced by who does not know what it replaces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use bytes::Bytes;
use futures_util::future::join_all;
use packhouse_lambda::s3::{S3Views, ViewTag};
use packhouse_registry::ports::StoreError;
use packhouse_tests::s3::{BUCKET, Fault, TestS3};
use support::{keys, s3_client};

const KEY: &str = "index/acme/sensor.json";

fn views_on(server: &TestS3) -> S3Views {
    S3Views::new(s3_client(&server.url(), keys()), BUCKET)
}

async fn put(views: &S3Views, text: &str, replaces: Option<&ViewTag>) -> bool {
    let bytes = Bytes::from(text.to_owned());
    views.put(KEY, bytes, "application/json", "public, max-age=60", replaces).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_replaced_only_by_who_read_it() {
    let server = TestS3::start();
    let views = views_on(&server);
    assert_eq!(views.get(KEY).await.unwrap(), None);
    assert!(put(&views, "one", None).await);
    assert!(!put(&views, "two", None).await, "it is there already");
    let (bytes, tag) = views.get(KEY).await.unwrap().unwrap();
    assert_eq!(bytes, "one");
    assert!(put(&views, "two", Some(&tag)).await);
    assert!(!put(&views, "three", Some(&tag)).await, "the tag is of an earlier state");
    let kept = server.object(KEY).unwrap();
    assert_eq!(kept.bytes, "two");
    assert_eq!(kept.content_type.as_deref(), Some("application/json"));
    assert_eq!(kept.cache_control.as_deref(), Some("public, max-age=60"));
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_writers_of_one_view_lose_nothing() {
    let server = TestS3::start();
    let views = views_on(&server);
    let add = async |name: usize| {
        loop {
            let held = views.get(KEY).await.unwrap();
            let (bytes, tag) = held.map_or((Bytes::new(), None), |(bytes, tag)| (bytes, Some(tag)));
            let text = format!("{}{name}\n", std::str::from_utf8(&bytes).unwrap());
            if put(&views, &text, tag.as_ref()).await {
                return;
            }
        }
    };
    join_all((0..20).map(add)).await;
    let text = String::from_utf8(server.object(KEY).unwrap().bytes.to_vec()).unwrap();
    let mut names: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(names, (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_whose_answer_got_lost_was_first_and_nothing_is_written_twice() {
    for fault in [Fault::SlowDown, Fault::AnswerLost, Fault::Conflict] {
        let server = TestS3::start();
        let views = views_on(&server);
        server.fail_next("PutObject", fault);
        assert!(put(&views, "one", None).await, "{fault:?} of the first");
        let (_, tag) = views.get(KEY).await.unwrap().unwrap();
        server.fail_next("PutObject", fault);
        assert!(put(&views, "two", Some(&tag)).await, "{fault:?} of the second");
        assert_eq!(server.object(KEY).unwrap().bytes, "two");
        assert!(!put(&views, "three", Some(&tag)).await);
        for operation in ["GetObject", "HeadObject"] {
            server.fail_next(operation, Fault::SlowDown);
            assert!(!put(&views, "three", Some(&tag)).await);
            assert_eq!(views.get(KEY).await.unwrap().unwrap().0, "two");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_of_views_gets_at_nothing_else() {
    let server = TestS3::start();
    let views = views_on(&server);
    for key in ["blobs/sha256/00", "staging/0/archive", "records/sha256/00", "", "/index/x"] {
        let error = views.put(key, Bytes::new(), "text/plain", "no-store", None).await.unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{error}");
        assert!(matches!(views.get(key).await, Err(StoreError::Broken(_))), "{key}");
    }
    assert!(server.seen().is_empty(), "S3 was not even asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_that_stay_in_the_way_make_a_view_unavailable() {
    let server = TestS3::start();
    let views = views_on(&server);
    server.plan(|operation, _| (operation == "PutObject").then_some(Fault::Conflict));
    let error = views.put(KEY, Bytes::new(), "text/plain", "no-store", None).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(server.keys().is_empty());
}
