//! The wire, replayed: bodies, codes and messages.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt as _;
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::Setup;
use crate::app::{App, PublicUrl, Service, Settings};
use crate::auth::{ApiToken, token_record};
use crate::compat::Ecosystems;
use crate::memory::{MemoryBlobs, MemoryLedger};
use crate::oidc::Verifier;
use crate::ports::sources::{Fetched, SourceError, Sources};
use crate::ports::{Action, SystemClock};
use crate::router::router;

const GOOD: &str = "[project]\nname = \"pbg-cells\"\nversion = \"1\"\nrequires-python = \">=3.11\"\n\
    dependencies = [\"bigraph-schema>=1\", \"process-bigraph\"]\n";
const SOURCE: &str = "from process_bigraph import Process, Step\n\n\nclass Grow(Process):\n    \
    def inputs(self):\n        return {\"mass\": \"float\"}\n\n\nclass Divide(Step): ...\n";

/// Two repositories and a folder.
struct Few;

fn package(manifest: &str) -> Tree {
    let mut tree = Tree::default();
    tree.insert("pyproject.toml".parse().unwrap(), manifest.as_bytes(), false);
    tree.insert("src/pbg_cells/deep/grow.py".parse().unwrap(), SOURCE.as_bytes(), false);
    tree
}

#[async_trait]
impl Sources for Few {
    async fn git(&self, address: &str, reference: Option<&str>) -> Result<Fetched, SourceError> {
        let tree = match (address, reference) {
            ("https://git.example/good", None | Some("v1")) => package(GOOD),
            ("https://git.example/bad", _) => package("[project]\nname = \"pbg-bad\"\n"),
            _ => return Err(SourceError::Refused(format!("`{address}` is not fetched"))),
        };
        Ok(Fetched { tree, commit: "0123456789".repeat(4) })
    }
    async fn folder(&self, path: &str) -> Result<Tree, SourceError> {
        match path {
            "/srv/cells" => Ok(package(GOOD)),
            _ => Err(SourceError::Missing(path.to_owned())),
        }
    }
}

fn app(url: &str, open: bool, as_code: bool) -> App {
    let public_url = PublicUrl::parse(url).unwrap();
    Arc::new(Service {
        ledger: Arc::new(MemoryLedger::new()),
        blobs: Arc::new(MemoryBlobs::new(&public_url, [7; 32])),
        clock: Arc::new(SystemClock),
        verifier: Verifier::default(),
        turns: crate::publish::Turns::default(),
        webhook: None,
        ecosystems: Ecosystems {
            compose: Setup { sources: Some(Arc::new(Few)), as_code },
            ..Ecosystems::default()
        },
        reads: crate::read::Reads::default(),
        settings: Settings {
            public_url,
            files_url: None,
            private: false,
            open,
            loopback_only: open,
            limits: Limits::default(),
            motd: None,
            github_app: None,
        },
    })
}

fn local() -> App {
    app("http://localhost:8080", true, false)
}

async fn send(app: &App, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/compose/v1{path}"))
        .header("host", "localhost:8080");
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let whole = router(Arc::clone(app), Router::new());
    let response = whole.oneshot(request.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(app: &App, path: &str, body: &Value) -> (u16, Value) {
    send(app, "POST", path, "", &body.to_string()).await
}

async fn get(app: &App, path: &str) -> Value {
    let (status, body) = send(app, "GET", path, "", "").await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn outline(name: &str, module: &str) -> Value {
    let compute = json!([{ "module": module, "name": "Grow", "compute_type": "process",
        "inputs": "{\"mass\":\"float\"}", "outputs": "{}" }]);
    json!({ "kind": "outline",
        "outline": { "package_type": "pypi", "name": name, "compute": compute } })
}

async fn says(app: &App, path: &str, body: Value, status: u16, detail: &str) {
    let (found, answer) = post(app, path, &body).await;
    assert_eq!((found, answer), (status, json!({ "detail": detail })), "{body}");
}

#[tokio::test]
async fn a_repository_is_registered_by_what_is_found_in_it() {
    let app = local();
    assert_eq!(get(&app, "/packages").await, json!([]));
    let body = json!({ "kind": "repo_url", "url": "https://git.example/good", "ref": "v1" });
    let (status, package) = post(&app, "/packages", &body).await;
    assert_eq!(status, 200, "{package}");
    let id = package["database_id"].as_u64().unwrap();
    let keys: Vec<&String> = package.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["database_id", "package_type", "name", "processes", "steps"]);
    let first = &package["processes"][0];
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["module", "name", "compute_type", "inputs", "outputs", "database_id"]);
    assert_eq!(first["module"], "pbg_cells.deep.grow");
    assert_eq!(first["inputs"], "{\"mass\":\"float\"}");
    assert_eq!(package["steps"][0]["name"], "Divide");
    assert_eq!(get(&app, &format!("/packages/{id}")).await, package);
    let listed = get(&app, "/packages").await;
    assert_eq!(listed[0]["num_processes"], 1);
    assert!(listed[0]["created_at"].is_string() && listed[0]["id"] == id, "{listed}");
    let detail = format!("Package 'pbg-cells' already registered (id={id})");
    says(&app, "/packages", body, 409, &detail).await;
    says(
        &app,
        "/packages",
        outline("PBG_Cells", "m"),
        409,
        &detail.replace("pbg-cells", "PBG_Cells"),
    )
    .await;
}

#[tokio::test]
async fn each_refusal_has_the_words_that_clients_know() {
    let app = local();
    for (body, status, detail) in [
        (json!({ "kind": "repo_url" }), 400, "url required when kind='repo_url'"),
        (json!({ "kind": "repo_url", "url": "" }), 400, "url required when kind='repo_url'"),
        (json!({ "kind": "local_path" }), 400, "path required when kind='local_path'"),
        (json!({ "kind": "local_path", "path": "/no" }), 404, "Path not found: /no"),
        (json!({ "kind": "outline" }), 400, "outline required when kind='outline'"),
        (
            json!({ "kind": "x" }),
            400,
            "Unknown kind: x. Use 'repo_url', 'local_path', or 'outline'.",
        ),
        (
            json!({ "kind": "repo_url", "url": "https://git.example/bad" }),
            400,
            "Audit FAILED for https://git.example/bad: ['bigraph-schema dep']",
        ),
        (json!({ "kind": "repo_url", "url": "file:///etc" }), 400, "`file:///etc` is not fetched"),
    ] {
        says(&app, "/packages", body, status, detail).await;
    }
    says(&app, "/packages/audit", json!({ "target": "/no" }), 404, "Path not found: /no").await;
    assert_eq!(
        send(&app, "GET", "/packages/99", "", "").await,
        (404, json!({ "detail": "Package 99 not found" }))
    );
    let (status, body) = send(&app, "GET", "/packages/abc", "", "").await;
    assert_eq!((status, &body["detail"][0]["type"]), (422, &json!("int_parsing")), "{body}");
    let (status, body) = post(&app, "/packages", &json!({})).await;
    assert_eq!(
        (status, body),
        (
            422,
            json!({ "detail": [{ "type": "missing", "loc": ["body", "kind"],
            "msg": "Field required", "input": {} }] })
        )
    );
    let (status, body) = send(&app, "PATCH", "/packages/1", "", "").await;
    assert_eq!((status, body), (405, json!({ "detail": "Method Not Allowed" })));
}

#[tokio::test]
async fn failed_checks_are_honoured_unless_no_audit_was_asked_for() {
    let app = local();
    let bad = json!({ "kind": "repo_url", "url": "https://git.example/bad", "audit": false });
    let (status, package) = post(&app, "/packages", &bad).await;
    assert_eq!((status, &package["name"]), (200, &json!("pbg-bad")), "{package}");
    let (status, result) = post(
        &app,
        "/packages/audit",
        &json!({ "target": "https://git.example/bad", "run_install": true }),
    )
    .await;
    assert_eq!(status, 200, "{result}");
    let checks = result["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["status"] == "FAIL"));
    assert!(checks.last().unwrap()["detail"].as_str().unwrap().starts_with("skipped"));
    assert_eq!(result["target"], "https://git.example/bad");
    assert!(
        result["summary"].as_str().unwrap().starts_with("=== Audit: https://git.example/bad ===")
    );
}

#[tokio::test]
async fn a_path_is_read_on_loopback_only() {
    let far = app("https://packages.example.org", false, false);
    let token = ApiToken::random().unwrap();
    let record =
        token_record(&token, "t", "", vec![Action::Publish, Action::List], 1, far.clock.now());
    far.ledger.put_token(&record).await.unwrap();
    let token = token.secret();
    let body = json!({ "kind": "local_path", "path": "/srv/cells" }).to_string();
    let (status, answer) = send(&far, "POST", "/packages", token.reveal(), &body).await;
    assert_eq!(status, 403, "{answer}");
    let (status, answer) = send(&far, "POST", "/packages", "", &body).await;
    assert_eq!(status, 401, "{answer}");
    let (status, answer) = post(&local(), "/packages", &serde_json::from_str(&body).unwrap()).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_registration_is_changed_and_taken_out_by_its_owner() {
    let app = app("https://packages.example.org", false, false);
    let mut tokens = Vec::new();
    for _ in 0..2 {
        let token = ApiToken::random().unwrap();
        let actions = vec![Action::List];
        let record = token_record(&token, "t", "python:pbg-", actions, 1, app.clock.now());
        app.ledger.put_token(&record).await.unwrap();
        tokens.push(token.secret().reveal().to_owned());
    }
    let first = outline("pbg-a", "a").to_string();
    let (status, package) = send(&app, "POST", "/packages", &tokens[0], &first).await;
    assert_eq!(status, 200, "{package}");
    let path = format!("/packages/{}", package["database_id"]);
    let changed = outline("pbg-a", "b").to_string();
    for method in ["PUT", "DELETE"] {
        let (status, answer) = send(&app, method, &path, &tokens[1], &changed).await;
        assert_eq!(status, 403, "{answer}");
    }
    let other = outline("pbg-b", "b").to_string();
    assert_eq!(send(&app, "PUT", &path, &tokens[0], &other).await.0, 400);
    let (status, answer) = send(&app, "PUT", &path, &tokens[0], &changed).await;
    assert_eq!((status, &answer["processes"][0]["module"]), (200, &json!("b")), "{answer}");
    assert_eq!(send(&app, "DELETE", &path, &tokens[0], "").await.0, 200);
    assert_eq!(send(&app, "GET", &path, "", "").await.0, 404);
    let (status, package) = send(&app, "POST", "/packages", &tokens[1], &first).await;
    assert_eq!(status, 200, "the name is free again: {package}");
    let (status, answer) =
        send(&app, "POST", "/packages", &tokens[1], &outline("cells", "c").to_string()).await;
    assert_eq!(status, 403, "the token is for `python:pbg-` only: {answer}");
}

#[tokio::test]
async fn of_racing_registrations_one_is_done_and_the_others_are_409() {
    let app = local();
    let body = outline("pbg-race", "r");
    let all = futures_util::future::join_all((0..8).map(|_| post(&app, "/packages", &body))).await;
    let mut statuses: Vec<u16> = all.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
}

#[tokio::test]
async fn a_source_is_core_db_or_both() {
    let app = local();
    assert_eq!(post(&app, "/packages", &outline("pbg-a", "a")).await.0, 200);
    let core = get(&app, "/processes?source=core").await;
    let db = get(&app, "/processes?source=db").await;
    let union = get(&app, "/processes").await;
    assert!(
        core.as_array().unwrap().iter().any(|c| c["name"] == "Composite" && c["database_id"] == 0)
    );
    assert_eq!(db.as_array().unwrap().len(), 1);
    assert_ne!(db[0]["database_id"], 0);
    assert_eq!(union.as_array().unwrap().len(), core.as_array().unwrap().len() + 1);
    let steps = get(&app, "/steps?source=core").await;
    assert!(steps.as_array().unwrap().iter().any(|c| c["module"] == "process_bigraph.emitter"));
    let (status, body) = send(&app, "GET", "/steps?source=databse", "", "").await;
    assert_eq!(status, 422);
    assert_eq!(body["detail"][0]["msg"], "Input should be 'core', 'db' or 'union'");

    let as_code = self::app("http://localhost:8080", true, true);
    assert_eq!(post(&as_code, "/packages", &outline("pbg-a", "a")).await.0, 200);
    let core = get(&as_code, "/processes").await;
    assert_eq!(core, get(&as_code, "/processes?source=databse").await);
    let composite = core.as_array().unwrap().iter().find(|c| c["name"] == "Composite").unwrap();
    assert!(composite["inputs"].as_str().unwrap().contains("global_time_precision"));
    assert_eq!(composite["inputs"], composite["outputs"]);
    assert!(get(&as_code, "/packages").await[0]["created_at"].is_null());
}
