//! Advisories in the bucket: all of them are read, or none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use packhouse_lambda::s3::S3Advisories;
use packhouse_registry::advisories::{Scope, scan};
use packhouse_registry::conformance::fixtures::Publish;
use packhouse_registry::ports::StoreError;
use packhouse_tests::dynamodb::Server;
use packhouse_tests::s3::{BUCKET, TestS3};
use support::{Registry, Store, keys, s3_client};

async fn put(server: &TestS3, key: &str, text: &str) {
    let client = s3_client(&server.url(), keys());
    let bytes = text.as_bytes().to_vec().into();
    client.put_object().bucket(BUCKET).key(key).body(bytes).send().await.unwrap();
}

fn advisory(id: &str, more: &str) -> String {
    format!(
        r#"{{"id": "{id}", "modified": "2026-01-01T00:00:00Z", {more} "affected": [
            {{"package": {{"ecosystem": "Packhouse", "name": "acme/sensor"}}, "versions": ["1.0.0"]}}]}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn all_advisories_are_read_or_none() {
    let server = TestS3::start();
    let advisories = S3Advisories::new(s3_client(&server.url(), keys()), BUCKET);
    assert!(advisories.read().await.unwrap().is_none(), "nobody put any there");
    put(&server, "advisories/one.json", &advisory("A-1", "")).await;
    put(&server, "advisories/PyPI/two.json", &advisory("A-2", "")).await;
    put(&server, "advisories/README", "no advisory").await;
    put(&server, "views/three.json", "no advisory").await;
    assert_eq!(advisories.read().await.unwrap().unwrap().len(), 2);
    let withdrawn = r#""withdrawn": "2026-02-01T00:00:00Z","#;
    put(&server, "advisories/one.json", &advisory("A-1", withdrawn)).await;
    assert_eq!(advisories.read().await.unwrap().unwrap().len(), 1);
    put(&server, "advisories/zz.json", "{\"id\": 1}").await;
    match advisories.read().await {
        Err(StoreError::Broken(why)) => {
            assert!(
                why.starts_with("`advisories/zz.json`: line 1, column 8: invalid type"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_scan_finds_is_shown_by_every_function() {
    let store = Store::on(Server::Dynoxide).await;
    let s3 = TestS3::start();
    let registry = Registry::new(&store, &store.server.url(), &s3);
    Publish::new("acme/sensor", "1.0.0", "a").released(&*registry.ledger).await;
    put(&s3, "advisories/one.json", &advisory("A-1", "")).await;
    let shown =
        async || registry.json("/v1/package/acme/sensor").await["info"]["advisories"].clone();
    assert!(shown().await.is_null(), "nobody looked");
    let advisories = S3Advisories::new(s3_client(&s3.url(), keys()), BUCKET);
    for (file, expected, changes) in [
        (advisory("A-1", ""), 1, 1),
        (advisory("A-1", ""), 1, 0),
        (advisory("A-1", r#""withdrawn": "2026-02-01T00:00:00Z","#), 0, 1),
    ] {
        put(&s3, "advisories/one.json", &file).await;
        let all = advisories.read().await.unwrap().unwrap();
        let changed = scan(&registry.app, &all, &Scope::All).await.unwrap();
        assert_eq!(changed.len(), changes);
        assert_eq!(shown().await.as_array().unwrap().len(), expected);
    }
}
