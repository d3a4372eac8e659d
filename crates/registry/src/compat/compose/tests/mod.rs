//! The wire, replayed, on a registry in memory.

mod code;
mod wire;

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
use crate::compat::Ecosystems;
use crate::memory::{MemoryBlobs, MemoryLedger};
use crate::oidc::Verifier;
use crate::ports::SystemClock;
use crate::ports::sources::{Fetched, SourceError, Sources};
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

/// A package as the first program's scanner finds it, with what it does not find, or finds wrongly.
fn flat(manifest: &str) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in [
        ("pyproject.toml", manifest),
        (
            "pbg_cells/__init__.py",
            "from process_bigraph import Process, Step\n\nclass Top(Step): ...\n",
        ),
        ("pbg_cells/deep/grow.py", SOURCE),
        (
            "pbg_cells/deep/more.py",
            "from process_bigraph import Emitter\n\nclass Out(Emitter): ...\n# class Gone(Step)\n",
        ),
        ("tests/__init__.py", ""),
        (
            "tests/t.py",
            "import multiprocessing as mp\nclass Work(mp.Process): ...\nclass Work(mp.Process): ...\n",
        ),
        ("src/inner/__init__.py", SOURCE),
    ] {
        tree.insert(path.parse().unwrap(), text.as_bytes(), false);
    }
    tree
}

#[async_trait]
impl Sources for Few {
    async fn git(&self, address: &str, reference: Option<&str>) -> Result<Fetched, SourceError> {
        let tree = match (address, reference) {
            ("https://git.example/good", None | Some("v1")) => package(GOOD),
            ("https://git.example/bad", _) => package("[project]\nname = \"pbg-bad\"\n"),
            ("https://git.example/flat", _) => {
                flat("[project]\nversion = \"1\"\ndependencies = [\"bigraph-schema\"]\n")
            }
            _ => return Err(SourceError::Refused(format!("`{address}` is not fetched"))),
        };
        Ok(Fetched { tree, commit: "0123456789".repeat(4) })
    }
    async fn folder(&self, path: &str) -> Result<Tree, SourceError> {
        match path {
            "/srv/cells" => Ok(package(GOOD)),
            "/srv/flat" => Ok(flat(GOOD)),
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
