//! Uploads as clients send them, over the router.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use packhouse_core::api::UploadForm;
use packhouse_core::digest::Digest;
use tower::ServiceExt as _;

use super::{UploadTimes, router};
use crate::app::PublicUrl;
use crate::conformance::fixtures::at;
use crate::memory::MemoryBlobs;
use crate::ports::{Blobs, Clock, IntentId, Part, Upload, UploadBounds};

const CONTENT: &[u8] = b"PK the archive";

struct StillClock(Timestamp);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

struct Uploader {
    blobs: MemoryBlobs,
    router: axum::Router,
    bounds: UploadBounds,
}

impl Uploader {
    /// At `seconds` of a suite whose upload expires at 900.
    fn at(seconds: i64) -> Self {
        let url = PublicUrl::parse("http://registry.example/prefix").unwrap();
        let blobs = MemoryBlobs::new(&url, [7; 32]);
        let times = UploadTimes { idle: Duration::from_millis(50), whole: Duration::from_secs(2) };
        let clock = Arc::new(StillClock(at(seconds)));
        let router = router(Arc::new(blobs.clone()), blobs.signer().clone(), clock, times);
        let bounds = UploadBounds {
            intent: IntentId::random().unwrap(),
            part: Part::Archive,
            bytes: CONTENT.len() as u64,
            digest: Some(Digest::of(CONTENT)),
            expires_at: at(900),
        };
        Self { blobs, router, bounds }
    }

    async fn upload(&self) -> Upload {
        self.blobs.upload(&self.bounds, at(0)).await.unwrap()
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, String) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        assert!(!status.is_redirection());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn put_to(&self, url: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let path = url.strip_prefix("http://registry.example/prefix").unwrap();
        self.send(Request::put(path).body(body.into()).unwrap()).await
    }

    async fn put(&self, body: impl Into<Body>) -> (StatusCode, String) {
        self.put_to(&self.upload().await.put.unwrap().url, body).await
    }

    async fn post(&self, form: &UploadForm, file: &[u8]) -> (StatusCode, String) {
        let path = form.url.strip_prefix("http://registry.example/prefix").unwrap();
        let request = Request::post(path)
            .header("content-type", "multipart/form-data; boundary=0123456789abcdef")
            .body(Body::from(as_ato_sends_it(form, file)))
            .unwrap();
        self.send(request).await
    }

    async fn staged(&self) -> Option<Bytes> {
        let staged = self.blobs.pin(&self.bounds.intent, self.bounds.part).await.unwrap()?;
        self.blobs.read_staged(&staged).await.unwrap()
    }
}

/// The fields, the file, and one more part that claims to be a file.
fn as_ato_sends_it(form: &UploadForm, file: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in &form.fields {
        let value = value.as_str().unwrap();
        let part = format!(
            "--0123456789abcdef\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
        body.extend_from_slice(part.as_bytes());
    }
    body.extend_from_slice(
        b"--0123456789abcdef\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a-1.0.0.zip\"\r\n\
        Content-Type: application/zip\r\n\r\n",
    );
    body.extend_from_slice(file);
    body.extend_from_slice(
        b"\r\n--0123456789abcdef\r\nContent-Disposition: form-data; name=\"Content-Type\"; filename=\"upload\"\r\n\
        Content-Type: application/octet-stream\r\n\r\napplication/zip\r\n--0123456789abcdef--\r\n",
    );
    body
}

fn assert_code(answer: &(StatusCode, String), status: StatusCode, code: &str) {
    assert_eq!(answer.0, status, "{}", answer.1);
    assert!(answer.1.contains(&format!("<Code>{code}</Code>")), "{}", answer.1);
}

#[tokio::test]
async fn a_put_is_staged_once() {
    let uploader = Uploader::at(0);
    assert_eq!(uploader.put(CONTENT).await, (StatusCode::OK, String::new()));
    assert_eq!(uploader.staged().await.unwrap(), CONTENT);
    let again = uploader.put(CONTENT).await;
    assert_code(&again, StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    assert!(again.1.contains("go on with the confirmation"), "{}", again.1);
}

#[tokio::test]
async fn a_form_is_staged_and_may_be_sent_again() {
    let mut uploader = Uploader::at(0);
    uploader.bounds.digest = None;
    let upload = uploader.upload().await;
    assert_eq!(upload.put, None);
    for _ in 0..2 {
        let answer = uploader.post(&upload.form, CONTENT).await;
        assert_eq!(answer, (StatusCode::NO_CONTENT, String::new()));
    }
    let other = uploader.post(&upload.form, b"PK another one").await;
    assert_code(&other, StatusCode::PRECONDITION_FAILED, "PreconditionFailed");
    assert_eq!(uploader.staged().await.unwrap(), CONTENT);
}

#[tokio::test]
async fn other_bytes_are_refused_either_way() {
    let uploader = Uploader::at(0);
    let form = uploader.upload().await.form;
    let long = [CONTENT, b"!"].concat();
    let bad = StatusCode::BAD_REQUEST;
    assert_code(&uploader.put("PK the Archive").await, bad, "BadDigest");
    assert_code(&uploader.put("PK").await, bad, "EntityTooSmall");
    assert_code(&uploader.put(long.clone()).await, bad, "EntityTooLarge");
    assert_code(&uploader.post(&form, b"PK the Archive").await, bad, "BadDigest");
    assert_code(&uploader.post(&form, b"PK").await, bad, "EntityTooSmall");
    assert_code(&uploader.post(&form, &long).await, bad, "EntityTooLarge");
    assert_eq!(uploader.staged().await, None);
    assert_eq!(uploader.put(CONTENT).await.0, StatusCode::OK);
}

#[tokio::test]
async fn every_change_of_a_signed_url_is_refused() {
    let uploader = Uploader::at(0);
    let url = uploader.upload().await.put.unwrap().url;
    let other = Digest::of(b"other").hex();
    let intent = uploader.bounds.intent.as_str();
    for (from, to) in [
        ("bytes=14", "bytes=15"),
        (Digest::of(CONTENT).hex().as_str(), other.as_str()),
        ("expires=1", "expires=2"),
        ("/archive?", "/artifacts?"),
        (intent, "0123456789abcdef0123456789abcdef"),
        ("sig=", "sig=0"),
    ] {
        assert!(url.contains(from), "{from}");
        let forged = url.replace(from, to);
        let answer = uploader.put_to(&forged, CONTENT).await;
        assert_code(&answer, StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    for (from, to) in [("&sig=", "&s="), ("/archive?", "/passwd?"), (intent, "..")] {
        let answer = uploader.put_to(&url.replace(from, to), CONTENT).await;
        assert_code(&answer, StatusCode::BAD_REQUEST, "MalformedPOSTRequest");
    }
    assert_eq!(uploader.staged().await, None);
}

#[tokio::test]
async fn every_change_of_a_signed_form_is_refused() {
    let uploader = Uploader::at(0);
    let form = uploader.upload().await.form;
    let change = |field: &str, value: &str| {
        let mut form = form.clone();
        form.fields.insert(field.to_owned(), value.into());
        form
    };
    let policy = form.fields["policy"].as_str().unwrap();
    let other_policy = policy.replacen('e', "f", 1);
    let sixty_four = "0".repeat(64);
    for forged in [
        change("policy", &other_policy),
        change("policy", ""),
        change("x-packhouse-signature", &sixty_four),
    ] {
        let answer = uploader.post(&forged, CONTENT).await;
        assert_code(&answer, StatusCode::FORBIDDEN, "SignatureDoesNotMatch");
    }
    let answer = uploader.post(&change("key", "staging/elsewhere.archive"), CONTENT).await;
    assert_code(&answer, StatusCode::BAD_REQUEST, "MalformedPOSTRequest");
    let endless = change("note", &"x".repeat(20 << 10));
    let answer = uploader.post(&endless, CONTENT).await;
    assert_code(&answer, StatusCode::BAD_REQUEST, "MalformedPOSTRequest");
    assert_eq!(uploader.staged().await, None);
}

#[tokio::test]
async fn an_upload_ends_with_its_intent() {
    let uploader = Uploader::at(900);
    let form = uploader.upload().await.form;
    assert_code(&uploader.post(&form, CONTENT).await, StatusCode::FORBIDDEN, "AccessDenied");
    let uploader = Uploader::at(901);
    let answer = uploader.put(CONTENT).await;
    assert_code(&answer, StatusCode::FORBIDDEN, "AccessDenied");
    assert!(answer.1.contains("expired at 2026-01-02T03:19:0"), "{}", answer.1);
    assert_eq!(Uploader::at(899).put(CONTENT).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_stalled_upload_is_given_up() {
    let uploader = Uploader::at(0);
    let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"PK"))]);
    let stalled = Body::from_stream(begun.chain(stream::pending()));
    let answer = uploader.put(stalled).await;
    assert_code(&answer, StatusCode::REQUEST_TIMEOUT, "RequestTimeout");
    assert_eq!(uploader.staged().await, None);
}

#[tokio::test]
async fn a_broken_upload_leaves_nothing() {
    let uploader = Uploader::at(0);
    let broken = stream::iter([Ok(Bytes::from_static(b"PK")), Err(std::io::Error::other("gone"))]);
    let answer = uploader.put(Body::from_stream(broken)).await;
    assert_code(&answer, StatusCode::BAD_REQUEST, "IncompleteBody");
    let form = uploader.upload().await.form;
    let body = as_ato_sends_it(&form, CONTENT);
    let request = Request::post("/_upload/form")
        .header("content-type", "multipart/form-data; boundary=0123456789abcdef")
        .body(Body::from(body[..body.len() - 30].to_vec()))
        .unwrap();
    let answer = uploader.send(request).await;
    assert_code(&answer, StatusCode::BAD_REQUEST, "IncompleteBody");
    assert_eq!(uploader.staged().await, None);
}

#[tokio::test]
async fn an_endless_upload_is_cut_off_at_the_first_byte_too_many() {
    let uploader = Uploader::at(0);
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 8192])));
    let answer = uploader.put(Body::from_stream(endless)).await;
    assert_code(&answer, StatusCode::BAD_REQUEST, "EntityTooLarge");
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let uploader = Uploader::at(0);
    for (content_type, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", "--x--"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("multipart/form-data; boundary=x", "--x\r\n\r\nno name\r\n--x--"),
    ] {
        let request = Request::post("/_upload/form")
            .header("content-type", content_type)
            .body(Body::from(body))
            .unwrap();
        let answer = uploader.send(request).await;
        assert_code(&answer, StatusCode::BAD_REQUEST, "MalformedPOSTRequest");
    }
}
