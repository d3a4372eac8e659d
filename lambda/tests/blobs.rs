//! The blobs' guarantees on S3: the suite that every store passes, its uploads by presigned
//! requests, and what the store must refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // these are tests

mod support;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use jiff::Timestamp;
use packhouse_core::api::{UploadForm, UploadPut};
use packhouse_core::digest::Digest;
use packhouse_lambda::s3::{S3Blobs, S3Views, Seen, ViewTag};
use packhouse_registry::ports::{
    BlobBody, Blobs, IntentId, Part, Staged, StoreError, StoreResult, Upload, UploadBounds,
};
use packhouse_registry::uploads::{Receiver, Staging};
use packhouse_tests::http;
use packhouse_tests::s3::{BUCKET, Fault, TestS3};
use packhouse_tests::sqs::TestSqs;
use support::{blobs_on, s3_client};

/// Blobs whose uploads come as a client's would: by the presigned PUT.
struct Uploading(Arc<S3Blobs>);

#[async_trait]
impl Blobs for Uploading {
    async fn upload(&self, bounds: &UploadBounds, now: Timestamp) -> StoreResult<Upload> {
        self.0.upload(bounds, now).await
    }
    async fn pin(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Staged>> {
        self.0.pin(intent, part).await
    }
    async fn read_staged(&self, staged: &Staged) -> StoreResult<Option<Bytes>> {
        self.0.read_staged(staged).await
    }
    async fn promote(&self, staged: &Staged, digest: &Digest) -> StoreResult<bool> {
        self.0.promote(staged, digest).await
    }
    async fn put(&self, bytes: Bytes) -> StoreResult<Digest> {
        self.0.put(bytes).await
    }
    async fn size(&self, digest: &Digest) -> StoreResult<Option<u64>> {
        self.0.size(digest).await
    }
    async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> StoreResult<Option<BlobBody>> {
        self.0.read(digest, offset, length).await
    }
    async fn discard(&self, intent: &IntentId) -> StoreResult<()> {
        self.0.discard(intent).await
    }
    async fn delete(&self, digest: &Digest) -> StoreResult<()> {
        self.0.delete(digest).await
    }
    async fn withhold(&self, digest: &Digest, withheld: bool) -> StoreResult<()> {
        self.0.withhold(digest, withheld).await
    }
}

#[async_trait]
impl Staging for Uploading {
    async fn staged(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Digest>> {
        let Some(staged) = self.0.pin(intent, part).await? else { return Ok(None) };
        Ok(self.0.read_staged(&staged).await?.map(|bytes| Digest::of(&bytes)))
    }

    async fn receive(
        &self,
        intent: &IntentId,
        part: Part,
        _bytes: u64,
    ) -> StoreResult<Box<dyn Receiver>> {
        let blobs = Arc::clone(&self.0);
        Ok(Box::new(Put { blobs, intent: intent.clone(), part, bytes: BytesMut::new() }))
    }
}

struct Put {
    blobs: Arc<S3Blobs>,
    intent: IntentId,
    part: Part,
    bytes: BytesMut,
}

#[async_trait]
impl Receiver for Put {
    async fn write(&mut self, bytes: Bytes) -> StoreResult<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn keep(self: Box<Self>) -> StoreResult<bool> {
        let bounds = bounds_of(&self.intent, self.part, &self.bytes);
        let upload = self.blobs.upload(&bounds, Timestamp::now()).await?.put.expect("a PUT");
        match put(&upload, &self.bytes).await {
            200 => Ok(true),
            412 => Ok(false),
            status => Err(StoreError::Broken(format!("the upload ended with {status}"))),
        }
    }
}

fn bounds_of(intent: &IntentId, part: Part, bytes: &[u8]) -> UploadBounds {
    UploadBounds {
        intent: intent.clone(),
        part,
        bytes: bytes.len() as u64,
        digest: Some(Digest::of(bytes)),
        expires_at: Timestamp::now() + jiff::SignedDuration::from_secs(900),
    }
}

/// Uploads as the answer to a publish says; the status.
async fn put(upload: &UploadPut, bytes: &[u8]) -> u16 {
    put_with(upload, bytes, |_| true).await
}

/// The same with only some of the headers.
async fn put_with(upload: &UploadPut, bytes: &[u8], kept: impl Fn(&str) -> bool) -> u16 {
    let (upload, bytes) = (upload.clone(), bytes.to_vec());
    let headers = upload.headers.clone().into_iter();
    let headers: Vec<_> = headers
        .filter(|(name, _)| kept(name) && !name.eq_ignore_ascii_case("content-length"))
        .collect();
    let sent = tokio::task::spawn_blocking(move || {
        let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        http::send("PUT", &upload.url, &headers, &bytes)
    });
    sent.await.unwrap().0
}

/// Sends a form with a file, as `ato` does; the status.
async fn post(form: &UploadForm, bytes: &[u8]) -> u16 {
    let boundary = "a-boundary-of-the-tests";
    let mut body = Vec::new();
    for (name, value) in &form.fields {
        let value = value.as_str().unwrap();
        body.extend(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            )
            .bytes(),
        );
    }
    body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"package.zip\"\r\nContent-Type: application/zip\r\n\r\n").bytes());
    body.extend_from_slice(bytes);
    body.extend(format!("\r\n--{boundary}--\r\n").bytes());
    let (url, kind) = (form.url.clone(), format!("multipart/form-data; boundary={boundary}"));
    let sent = tokio::task::spawn_blocking(move || {
        http::send("POST", &url, &[("content-type", &kind)], &body)
    });
    let (status, body) = sent.await.unwrap();
    if status >= 300 {
        println!("{status}: {}", String::from_utf8_lossy(&body));
    }
    status
}

mod suite {
    use super::*;

    async fn make() -> (Arc<Uploading>, TestS3) {
        let server = TestS3::start();
        (Arc::new(Uploading(Arc::new(blobs_on(&server)))), server)
    }
    packhouse_registry::blobs_conformance!(make);
}

/// A server, its blobs, and an upload of these bytes that nothing was sent to.
async fn asked(bytes: &[u8]) -> (TestS3, S3Blobs, UploadBounds, Upload) {
    let server = TestS3::start();
    let blobs = blobs_on(&server);
    let bounds = bounds_of(&IntentId::random().unwrap(), Part::Archive, bytes);
    let upload = blobs.upload(&bounds, Timestamp::now()).await.unwrap();
    (server, blobs, bounds, upload)
}

const CONTENT: &[u8] = b"what was announced";

#[tokio::test(flavor = "multi_thread")]
async fn the_store_takes_exactly_the_announced_bytes_and_once() {
    let (server, blobs, bounds, upload) = asked(CONTENT).await;
    let signed = upload.put.unwrap();
    for name in ["content-length", "content-type", "x-amz-checksum-sha256", "if-none-match"] {
        assert!(signed.headers.keys().any(|held| held == name), "{name} is signed");
        assert!(signed.url.contains(name), "{name} is in the signature");
    }
    let same_length = b"what was ANNOUNCED";
    assert_eq!(put(&signed, same_length).await, 400, "other bytes");
    assert_eq!(put(&signed, b"what was announced, and more").await, 403, "longer");
    assert_eq!(put(&signed, b"what was").await, 403, "shorter");
    let no_sum = |name: &str| name != "x-amz-checksum-sha256";
    assert_eq!(put_with(&signed, CONTENT, no_sum).await, 403, "no checksum");
    let no_condition = |name: &str| name != "if-none-match";
    assert_eq!(put_with(&signed, CONTENT, no_condition).await, 403, "no condition");
    let mut other_key = signed.clone();
    other_key.url = signed.url.replace("/archive?", "/artifacts?");
    assert_ne!(other_key.url, signed.url);
    assert_eq!(put(&other_key, CONTENT).await, 403, "another key");
    let mut longer_life = signed.clone();
    longer_life.url = signed.url.replace("X-Amz-Expires=", "X-Amz-Expires=9");
    assert_ne!(longer_life.url, signed.url);
    assert_eq!(put(&longer_life, CONTENT).await, 403, "an altered expiry");
    let anonymous = UploadPut {
        url: signed.url.split('?').next().unwrap().to_owned(),
        headers: signed.headers.clone(),
    };
    assert_eq!(put(&anonymous, CONTENT).await, 403, "no signature");
    assert!(server.keys().is_empty(), "nothing became visible: {:?}", server.keys());
    assert_eq!(blobs.pin(&bounds.intent, Part::Archive).await.unwrap(), None);
    assert_eq!(put(&signed, CONTENT).await, 200);
    assert_eq!(put(&signed, CONTENT).await, 412, "a second time");
    assert_eq!(server.keys().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_expired_is_refused() {
    let server = TestS3::start();
    let blobs = blobs_on(&server);
    let mut bounds = bounds_of(&IntentId::random().unwrap(), Part::Archive, CONTENT);
    bounds.expires_at = Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let upload = blobs.upload(&bounds, Timestamp::now()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(put(&upload.put.unwrap(), CONTENT).await, 403);
    assert_eq!(post(&upload.form, CONTENT).await, 403);
    assert!(server.keys().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_takes_the_announced_length_at_its_place_only() {
    let (server, blobs, bounds, upload) = asked(CONTENT).await;
    let form = upload.form;
    let refused = |status| matches!(status, 400 | 403);
    assert!(refused(post(&form, b"longer than what was announced").await));
    assert!(refused(post(&form, b"shorter").await));
    let mut elsewhere = form.clone();
    elsewhere.fields["key"] = "staging/0/archive".into();
    assert!(refused(post(&elsewhere, CONTENT).await));
    let mut unsigned = form.clone();
    unsigned.fields["x-amz-signature"] = "0".repeat(64).into();
    assert!(refused(post(&unsigned, CONTENT).await));
    let mut more = form.clone();
    let first: Vec<_> = more.fields.clone().into_iter().collect();
    more.fields = std::iter::once(("acl".to_owned(), "public-read".into())).chain(first).collect();
    assert!(refused(post(&more, CONTENT).await), "a field that nobody signed");
    assert!(server.keys().is_empty(), "nothing became visible");
    assert!(matches!(post(&form, CONTENT).await, 200 | 204));
    let staged = blobs.pin(&bounds.intent, Part::Archive).await.unwrap().unwrap();
    assert_eq!(blobs.read_staged(&staged).await.unwrap().unwrap(), CONTENT);
    assert!(blobs.promote(&staged, &Digest::of(CONTENT)).await.unwrap());
    assert_eq!(blobs.size(&Digest::of(CONTENT)).await.unwrap(), Some(CONTENT.len() as u64));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_replaced_after_it_was_read_changes_nothing() {
    let (server, blobs, bounds, upload) = asked(CONTENT).await;
    assert_eq!(put(&upload.put.unwrap(), CONTENT).await, 200);
    let staged = blobs.pin(&bounds.intent, Part::Archive).await.unwrap().unwrap();
    let key = format!("staging/{}/archive", bounds.intent);
    server.overwrite(&key, b"what was ANNOUNCED");
    assert_eq!(blobs.read_staged(&staged).await.unwrap().unwrap(), CONTENT);
    assert!(blobs.promote(&staged, &Digest::of(CONTENT)).await.unwrap());
    let blob = server.object(&format!("blobs/sha256/{}", Digest::of(CONTENT))).unwrap();
    assert_eq!(blob.bytes, CONTENT);
    assert_eq!(blob.content_disposition.as_deref(), Some("attachment"));
    assert_eq!(blob.cache_control.as_deref(), Some("public, max-age=31536000, immutable"));
    // Whoever pins now gets the other bytes, and those are not what was announced.
    let newer = blobs.pin(&bounds.intent, Part::Archive).await.unwrap().unwrap();
    assert_ne!(newer.version, staged.version);
    assert!(!blobs.promote(&newer, &Digest::of(CONTENT)).await.unwrap());
    let other = Digest::of(b"what was ANNOUNCED");
    assert_eq!(blobs.size(&other).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_writers_of_one_upload_one_wins() {
    let (server, _, _, upload) = asked(CONTENT).await;
    let signed = upload.put.unwrap();
    let ends = join_all((0..20).map(|_| put(&signed, CONTENT))).await;
    assert_eq!(ends.iter().filter(|status| **status == 200).count(), 1, "{ends:?}");
    assert_eq!(ends.iter().filter(|status| **status == 412).count(), 19, "{ends:?}");
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_to_s3_may_fail_once() {
    let operations = [
        "HeadObject",
        "GetObject",
        "CopyObject",
        "PutObject",
        "ListObjectVersions",
        "DeleteObject",
    ];
    for operation in operations {
        for fault in [Fault::SlowDown, Fault::AnswerLost] {
            let (server, blobs, bounds, upload) = asked(CONTENT).await;
            assert_eq!(put(&upload.put.unwrap(), CONTENT).await, 200);
            server.fail_next(operation, fault);
            let staged = blobs.pin(&bounds.intent, Part::Archive).await.unwrap().unwrap();
            assert_eq!(blobs.read_staged(&staged).await.unwrap().unwrap(), CONTENT);
            let digest = Digest::of(CONTENT);
            assert!(blobs.promote(&staged, &digest).await.unwrap());
            assert_eq!(
                blobs.put(Bytes::from_static(b"attached")).await.unwrap(),
                Digest::of(b"attached")
            );
            let body = blobs.read(&digest, 5, 3).await.unwrap().unwrap();
            assert_eq!(body.bytes, CONTENT.len() as u64);
            blobs.discard(&bounds.intent).await.unwrap();
            assert_eq!(server.keys().len(), 2, "{operation} {fault:?}: {:?}", server.keys());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_stays_away_is_unavailable_and_tells_no_secret() {
    let (server, blobs, bounds, upload) = asked(CONTENT).await;
    assert_eq!(put(&upload.put.unwrap(), CONTENT).await, 200);
    server.plan(|_, _| Some(Fault::SlowDown));
    let error = blobs.pin(&bounds.intent, Part::Archive).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("X-Amz"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withheld_blob_is_kept_from_the_cdn_and_read_by_the_service() {
    let server = TestS3::start();
    let blobs = blobs_on(&server);
    let digest = blobs.put(Bytes::from_static(b"bytes")).await.unwrap();
    let key = format!("blobs/sha256/{digest}");
    let tags = || server.object(&key).unwrap().tags;
    for operation in ["PutObjectTagging", "DeleteObjectTagging"] {
        server.fail_next(operation, Fault::AnswerLost);
        blobs.withhold(&digest, true).await.unwrap();
        blobs.withhold(&digest, true).await.unwrap();
        // What the bucket's policy in template.yaml denies.
        assert_eq!(tags(), [("packhouse-withheld".to_owned(), "true".to_owned())]);
        assert_eq!(blobs.size(&digest).await.unwrap(), Some(5));
        blobs.withhold(&digest, false).await.unwrap();
        blobs.withhold(&digest, false).await.unwrap();
        assert_eq!(tags(), []);
    }
    let nobody = Digest::of(b"nobody's");
    for withheld in [true, false] {
        blobs.withhold(&nobody, withheld).await.unwrap();
    }
}

/// The same verbs on a server that was written by others: ministack, which checks signatures of
/// presigned requests and conditions, but no checksums.
#[tokio::test(flavor = "multi_thread")]
async fn another_server_of_the_protocol_agrees() {
    let server = TestSqs::start();
    let keys = Credentials::new("test", "test", None, None, "tests"); // the pair that it knows
    let keys = SharedCredentialsProvider::new(keys);
    let client = s3_client(&server.url(), keys.clone());
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let versioning = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let versioned = client.put_bucket_versioning().bucket(BUCKET);
    versioned.versioning_configuration(versioning.build()).send().await.unwrap();
    let blobs = S3Blobs::new(client.clone(), keys, BUCKET);
    let intent = IntentId::random().unwrap();
    let bytes = b"the archive";
    let bounds = bounds_of(&intent, Part::Archive, bytes);
    let upload = blobs.upload(&bounds, Timestamp::now()).await.unwrap().put.unwrap();

    let mut elsewhere = upload.clone();
    elsewhere.url = upload.url.replace(intent.as_str(), IntentId::random().unwrap().as_str());
    assert_eq!(put(&elsewhere, bytes).await, 403, "another key");
    assert_eq!(put(&upload, b"the archive and more").await, 403, "a longer body");
    for left_out in ["x-amz-checksum-sha256", "if-none-match"] {
        assert_eq!(put_with(&upload, bytes, |name| name != left_out).await, 403, "{left_out}");
    }
    let mut longer = upload.clone();
    longer.url = upload.url.replace("X-Amz-Expires=", "X-Amz-Expires=9");
    assert_eq!(put(&longer, bytes).await, 403, "an altered expiry");
    assert_eq!(blobs.pin(&intent, Part::Archive).await.unwrap(), None, "nothing of it was kept");
    assert_eq!(put(&upload, bytes).await, 200);
    assert_eq!(put(&upload, bytes).await, 412, "a second upload");

    let staged = blobs.pin(&intent, Part::Archive).await.unwrap().unwrap();
    let over = client.put_object().bucket(BUCKET).key(format!("staging/{intent}/archive"));
    over.body(ByteStream::from_static(b"other bytes")).send().await.unwrap();
    assert_eq!(blobs.read_staged(&staged).await.unwrap().unwrap(), &bytes[..], "as it was pinned");
    // It says no checksum of what it copied, and without one a copy is not believed.
    let refused = blobs.promote(&staged, &Digest::of(bytes)).await.unwrap_err();
    assert!(refused.to_string().contains("without a checksum"), "{refused}");
    let stored = blobs.put(Bytes::from_static(bytes)).await.unwrap();
    assert_eq!(blobs.put(Bytes::from_static(bytes)).await.unwrap(), stored, "again");
    assert_eq!(blobs.size(&stored).await.unwrap(), Some(bytes.len() as u64));
    blobs.discard(&intent).await.unwrap();
    assert_eq!(blobs.pin(&intent, Part::Archive).await.unwrap(), None);

    let views = S3Views::new(client, BUCKET);
    let put_view = async |text: &'static str, replaces: Option<&ViewTag>| {
        let bytes = Bytes::from_static(text.as_bytes());
        views.put("index/acme/sensor.json", bytes, "application/json", "no-cache", replaces).await
    };
    assert!(put_view("one", None).await.unwrap());
    assert!(!put_view("two", None).await.unwrap(), "there is one");
    let tag = views.tag("index/acme/sensor.json").await.unwrap().unwrap();
    assert!(put_view("two", Some(&tag)).await.unwrap());
    assert!(!put_view("three", Some(&tag)).await.unwrap(), "its tag is of an earlier state");
    let seen = views.get_unless("index/acme/sensor.json", Some(&tag)).await.unwrap();
    assert!(matches!(seen, Seen::Other(bytes, _) if bytes == "two"));
}
