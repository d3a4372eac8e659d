//! Rights, shapes and flat views, over a table of paths.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use packhouse_core::limits::Limits;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::Mark;
use serde_json::json;
use tower::ServiceExt as _;

use super::auth::{Target, reader, writer};
use super::{SHAPES, flat, shaped};
use crate::app::{App, PublicUrl, Service, Settings};
use crate::auth::{ApiToken, token_record};
use crate::conformance::fixtures::{Publish, at, id, job};
use crate::error::{ApiError, ApiResult};
use crate::memory::{MemoryBlobs, MemoryLedger};
use crate::oidc::Verifier;
use crate::ports::{Action, Entry, MarkChange, SystemClock};
use crate::router::router;

pub(super) fn app(private: bool, open: bool) -> App {
    let public_url = PublicUrl::parse("http://localhost:8080").unwrap();
    Arc::new(Service {
        ledger: Arc::new(MemoryLedger::new()),
        blobs: Arc::new(MemoryBlobs::new(&public_url, [7; 32])),
        clock: Arc::new(SystemClock),
        verifier: Verifier::default(),
        turns: crate::publish::Turns::default(),
        webhook: None,
        ecosystems: Default::default(),
        reads: crate::read::Reads::default(),
        settings: Settings {
            public_url,
            files_url: None,
            private,
            open,
            loopback_only: open,
            limits: Limits::default(),
            motd: None,
            github_app: None,
        },
    })
}

fn python(name: &str) -> NativeName {
    NativeName { ecosystem: "python".to_owned(), name: name.to_owned() }
}

pub(super) async fn token(app: &App, prefix: &str, actions: &[Action]) -> String {
    let token = ApiToken::random().unwrap();
    let now = app.clock.now();
    let record = token_record(&token, "a test's", prefix, actions.to_vec(), 1, now);
    app.ledger.put_token(&record).await.unwrap();
    token.secret().reveal().to_owned()
}

/// A write of the kind that ecosystems have: puts the listing `python:probe`.
async fn put(State(app): State<App>, headers: HeaderMap) -> ApiResult<Json<u64>> {
    let name = python("probe");
    let writer = writer(&app, &headers, Target::Listing(&name)).await?;
    let entry = Entry::new(None, json!({ "by": writer.owner })).unwrap();
    match flat::change(&app, &writer, &name, 0, Some(entry)).await {
        Ok(listing) => Ok(Json(listing.unwrap().view_id())),
        Err(flat::Taken::Refused(error)) => Err(error),
        Err(taken) => panic!("{}", taken.holder()),
    }
}

/// A read by POST.
async fn ask(State(app): State<App>, headers: HeaderMap) -> ApiResult<&'static str> {
    reader(&app, &headers).await?;
    Ok("read")
}

async fn stumble() -> StatusCode {
    panic!("a defect")
}

/// Each path of the table with a write and a read below it, beside the real router.
async fn send(
    app: &App,
    method: &str,
    path: &str,
    auth: Option<&str>,
) -> (StatusCode, HeaderMap, String) {
    let mut beside = Router::new();
    for (prefix, _) in SHAPES {
        beside = beside
            .route(&format!("{prefix}/test-write"), post(put))
            .route(&format!("{prefix}/test-read"), get(async || "read").post(ask))
            .route(&format!("{prefix}/test-panic"), get(stumble));
    }
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    if let Some(auth) = auth {
        request = request.header(header::AUTHORIZATION, auth);
    }
    let whole = router(Arc::clone(app), beside.with_state(Arc::clone(app)));
    let response = whole.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
}

/// What a body in a path's shape begins with, and its media type.
fn looks(path: &str) -> (&'static str, &'static str) {
    match path {
        _ if path.starts_with("/apl/") => ("{\"error\":\"", "application/json"),
        _ if path.starts_with("/attune") => ("{\"error\":\"", "application/json"),
        _ if path.starts_with("/compose/") => ("{\"detail\":\"", "application/json"),
        _ => ("error: \"", "text/yaml; charset=utf-8"),
    }
}

async fn refused(app: &App, method: &str, path: &str, auth: Option<&str>, status: u16) {
    let (found, headers, body) = send(app, method, path, auth).await;
    assert_eq!(found.as_u16(), status, "{method} {path}: {body}");
    let (begin, media_type) = looks(path);
    assert!(body.starts_with(begin), "{method} {path}: {body}");
    assert_eq!(body.contains("\"code\":"), path.starts_with("/attune"), "{method} {path}: {body}");
    assert_eq!(headers[header::CONTENT_TYPE], media_type, "{method} {path}");
    assert!(headers.contains_key("x-request-id"), "{method} {path}");
    let asks = headers.contains_key(header::WWW_AUTHENTICATE);
    assert_eq!(asks, status == 401, "{method} {path}");
}

fn basic(password: &str) -> String {
    use base64::Engine as _;
    let pair = format!("anybody:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

#[tokio::test]
async fn a_write_needs_a_token_with_the_right_and_is_refused_in_the_path_s_shape() {
    for (prefix, _) in SHAPES {
        let app = app(false, false);
        let path = format!("{prefix}/test-write");
        refused(&app, "POST", &path, None, 401).await;
        refused(&app, "POST", &path, Some("Digest x"), 401).await;
        refused(&app, "POST", &path, Some("Bearer pkh_wrong"), 401).await;
        for (covers, action, status) in [
            ("", Action::Read, 403),
            ("", Action::Publish, 403),
            ("acme/", Action::List, 403),
            ("python:other", Action::List, 403),
            ("acme/", Action::Admin, 403),
        ] {
            let token = token(&app, covers, &[action]).await;
            refused(&app, "POST", &path, Some(&format!("Bearer {token}")), status).await;
        }
        let listing = app.ledger.listing(&python("probe")).await.unwrap();
        assert_eq!(listing, None, "a refusal changes nothing");
        let good = token(&app, "python:pro", &[Action::List]).await;
        let (status, _, body) = send(&app, "POST", &path, Some(&basic(&good))).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "1"), "{path}");
    }
}

#[tokio::test]
async fn an_operator_and_an_open_registry_may_write() {
    for (prefix, _) in SHAPES {
        let path = format!("{prefix}/test-write");
        let closed = app(false, false);
        let root = token(&closed, "", &[Action::Admin]).await;
        let (status, ..) = send(&closed, "POST", &path, Some(&format!("Bearer {root}"))).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        let open = app(false, true);
        assert_eq!(send(&open, "POST", &path, None).await.0, StatusCode::OK, "{path}");
        let listing = open.ledger.listing(&python("probe")).await.unwrap().unwrap();
        assert_eq!(listing.owner, "open");
    }
}

#[tokio::test]
async fn whatever_finds_an_error_answers_in_the_path_s_shape() {
    let public = app(false, false);
    let private = app(true, false);
    let read = format!("Bearer {}", token(&private, "", &[Action::Read]).await);
    let narrow = format!("Bearer {}", token(&private, "acme/", &[Action::Read]).await);
    for (prefix, _) in SHAPES {
        refused(&public, "GET", &format!("{prefix}/nothing"), None, 404).await;
        refused(&public, "GET", &format!("{prefix}/test-panic"), None, 500).await;
        refused(&private, "GET", &format!("{prefix}/test-read"), None, 401).await;
        refused(&private, "GET", &format!("{prefix}/test-read"), Some(&narrow), 403).await;
        let (status, _, body) =
            send(&private, "GET", &format!("{prefix}/test-read"), Some(&read)).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "read"));
        let path = format!("{prefix}/test-read");
        refused(&private, "POST", &path, None, 401).await;
        refused(&private, "POST", &path, Some(&narrow), 403).await;
        refused(&private, "POST", &format!("{prefix}/nothing"), None, 401).await;
        assert_eq!(send(&private, "POST", &path, Some(&read)).await.2, "read");
        assert_eq!(send(&public, "POST", &path, None).await.2, "read");
        let (status, _, body) = send(&public, "GET", &format!("{prefix}/test-write"), None).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{body}");
    }
    let (_, _, body) = send(&public, "GET", "/v1/nothing", None).await;
    assert!(body.contains("\"request_id\""), "{body}");
    let (_, _, body) = send(&public, "GET", "/fppmx/nothing", None).await;
    assert!(body.contains("\"request_id\""), "whole parts only: {body}");
}

#[tokio::test]
async fn only_errors_are_written_again() {
    let fine = shaped("/fppm/registry.yaml", "packages: {}\n".into_response()).await;
    assert_eq!(fine.status(), StatusCode::OK);
    let error = ApiError::new(packhouse_core::api::ErrorCode::NotFound, "a \"b\"\nc", "");
    let (_, body) = super::shapes::fppm(&error, StatusCode::NOT_FOUND);
    assert_eq!(String::from_utf8(body).unwrap(), "error: \"a \\\"b\\\"\\nc\"\nstatus: 404\n");
}

/// `name: identifier` or `name: listing`, of the whole view.
async fn view(app: &App) -> Vec<String> {
    let entries = flat::all(app, "python").await.unwrap();
    let line = |entry: &flat::Entry| match entry {
        flat::Entry::Package(held) => {
            format!("{}: {}@{}", held.name.name, held.identifier, held.latest().unwrap().version)
        }
        flat::Entry::Listing(listing) => format!("{}: listing", listing.name.name),
    };
    entries.iter().map(line).collect()
}

#[tokio::test]
async fn a_flat_view_has_one_entry_a_name() {
    let app = app(false, true);
    let ledger = &*app.ledger;
    let writer = writer(&app, &HeaderMap::new(), Target::Work).await.unwrap();
    let list = async |name: &str| {
        let entry = Entry::new(None, json!({})).unwrap();
        flat::change(&app, &writer, &python(name), 0, Some(entry)).await
    };
    list("probe").await.unwrap();
    list("zebra").await.unwrap();
    Publish::new("acme/probe", "1.0.0", "a").python("probe").released(ledger).await;
    Publish::new("acme/probe", "2.0.0-rc.1", "b").python("probe").released(ledger).await;
    Publish::new("other/probe", "9.0.0", "c").python("probe").released(ledger).await;
    Publish::new("acme/alone", "1.0.0", "d").python("alone").released(ledger).await;
    assert_eq!(
        view(&app).await,
        ["alone: acme/alone@1.0.0", "probe: acme/probe@1.0.0", "zebra: listing"]
    );
    let taken = list("probe").await.unwrap_err();
    assert_eq!(taken.holder(), "the package `acme/probe`");
    assert!(matches!(list("zebra").await, Err(flat::Taken::Listing(_))));
    // What is yanked leaves the view, and its name stays its package's.
    let mark = Mark {
        at: at(9),
        by: job("acme/probe", 1),
        reason: "broken".to_owned(),
        replacement: None,
    };
    for key in ["1.0.0", "2.0.0-rc.1"] {
        let yank = MarkChange::Yank(mark.clone());
        ledger.mark(&id("acme/probe"), key, &yank, at(9)).await.unwrap().unwrap();
    }
    assert_eq!(view(&app).await, ["alone: acme/alone@1.0.0", "zebra: listing"]);
    assert!(flat::find(&app, &python("probe")).await.unwrap().is_none());
    assert!(matches!(list("probe").await, Err(flat::Taken::Package(_))));
    for name in ["alone", "zebra"] {
        let entry = flat::find(&app, &python(name)).await.unwrap().unwrap();
        let found = flat::by_id(&app, "python", entry.view_id()).await.unwrap().unwrap();
        assert_eq!(found.name().name, name);
        assert!(flat::by_id(&app, "apl", entry.view_id()).await.unwrap().is_none());
    }
    for id in [0, 1, 2, 999, 1_000, u64::MAX] {
        assert!(flat::by_id(&app, "python", id).await.unwrap().is_none(), "{id}");
    }
}

#[tokio::test]
async fn a_long_view_comes_in_pages_with_packages_and_listings_in_one_order() {
    let app = app(false, true);
    let writer = writer(&app, &HeaderMap::new(), Target::Work).await.unwrap();
    let mut names = Vec::new();
    for n in 0..260 {
        let name = format!("p{n:03}");
        if n % 5 < 3 {
            let package = format!("acme/{name}");
            Publish::new(&package, "1.0.0", &name).python(&name).released(&*app.ledger).await;
        }
        if n % 5 >= 2 {
            let entry = Entry::new(None, json!({})).unwrap();
            let put = flat::change(&app, &writer, &python(&name), 0, Some(entry)).await;
            assert_eq!(put.is_err(), n % 5 == 2, "{name}");
        }
        names.push(name);
    }
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = flat::page(&app, "python", after.as_deref()).await.unwrap();
        pages += 1;
        found.extend(page.entries.iter().map(|entry| entry.name().name.clone()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, names);
    assert!(pages > 1);
}
