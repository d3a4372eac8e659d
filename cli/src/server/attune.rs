//! Packs of Attune on a server: `POST /attune/api/v1/packs/install`, and the signature of the index.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use packhouse_client::ClientError;
use packhouse_client::attune::install::{self, Install, InstallError};
use packhouse_client::attune::sign::SigningKey;
use packhouse_client::attune::source::Source;
use packhouse_client::attune::{Event, install as run};
use packhouse_core::attune::config;
use packhouse_core::escape::excerpt;
use packhouse_registry::app::App;
use packhouse_registry::compat::attune::{text, without};
use packhouse_registry::compat::auth::{Target, writer};
use packhouse_registry::log;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::commands::git::Uncached;

/// How many packs are installed at once.
const AT_ONCE: usize = 2;

/// What a server does for Attune.
#[derive(Clone, Debug, Default)]
pub(crate) struct Packs {
    /// The folder that packs are installed into; `None` installs none.
    pub(crate) folder: Option<PathBuf>,
    /// The indices that refs are looked for in.
    pub(crate) indices: Vec<config::Source>,
    /// The key that signs the exported index.
    pub(crate) sign_key: Option<PathBuf>,
}

struct Host {
    app: App,
    folder: PathBuf,
    indices: Vec<config::Source>,
    turns: Semaphore,
}

/// The routes that only a host has: a key, a disk, programs.
pub(super) fn routes(app: &App, packs: &Packs) -> anyhow::Result<Router> {
    let mut routes = match &packs.folder {
        None => {
            without("this registry installs no packs: it was started without a folder for them")
        }
        Some(folder) => {
            let (app, folder, indices) = (app.clone(), folder.clone(), packs.indices.clone());
            let host = Host { app, folder, indices, turns: Semaphore::new(AT_ONCE) };
            Router::new()
                .route("/attune/api/v1/packs/install", post(install))
                .with_state(Arc::new(host))
        }
    };
    if let Some(file) = &packs.sign_key {
        let key = Arc::new(SigningKey::read(file)?);
        let signed = Router::new().route("/attune/index.json.sig", get(signature));
        routes = routes.merge(signed.with_state((app.clone(), key)));
    }
    Ok(routes)
}

/// The signature of the index as it is now. Who reads index and signature while a pack is published may
/// get two that do not belong together, and asks again.
async fn signature(State((app, key)): State<(App, Arc<SigningKey>)>) -> Response {
    match text(&app).await {
        Ok(text) => {
            let headers =
                [(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-cache")];
            (headers, key.sign(text.as_bytes())).into_response()
        }
        Err(error) => error.into_response(),
    }
}

/// What is to be installed; keys that are not known here are passed over.
#[derive(Deserialize)]
struct Wanted {
    source: String,
    #[serde(default)]
    ref_spec: Option<String>,
    #[serde(default)]
    skip_tests: bool,
    #[serde(default)]
    skip_deps: bool,
    #[serde(default)]
    force: bool,
    #[serde(default)]
    no_registry: bool,
}

async fn install(State(host): State<Arc<Host>>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(error) = writer(&host.app, &headers, Target::Work).await {
        return error.into_response();
    }
    let wanted: Wanted = match serde_json::from_slice(&body) {
        Ok(wanted) => wanted,
        Err(error) => {
            let message = format!("the request is none: {}", excerpt(&error.to_string(), 200));
            let help = json!("send `{\"source\": \"https://…\"}`");
            return answer(refusal(StatusCode::BAD_REQUEST, message, help));
        }
    };
    let source = match source(&host, &wanted) {
        Ok(source) => source,
        Err(refused) => return answer(refused),
    };
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("text/event-stream")) {
        return stream(host, wanted, source);
    }
    answer(work(host, wanted, source, |_| {}).await)
}

type Answered = (StatusCode, Value);

fn answer((status, body): Answered) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Where the pack is had. Paths and protocols of this machine are for who is on this machine.
fn source(host: &Host, wanted: &Wanted) -> Result<Source, Answered> {
    let text = wanted.source.as_str();
    let bad = |error: ClientError| {
        let help = json!(error.help().unwrap_or_default());
        refusal(StatusCode::BAD_REQUEST, error.to_string(), help)
    };
    let source = if host.app.settings.loopback_only || text.starts_with("https://") {
        Source::parse(text, wanted.ref_spec.as_deref()).map_err(bad)?
    } else if text.contains([':', '/', '\\']) {
        let message = format!("`{}` is not taken here", excerpt(text, 200));
        let help = json!("this registry installs from https addresses and from its indices");
        return Err(refusal(StatusCode::FORBIDDEN, message, help));
    } else {
        Source::listed(text).map_err(bad)?
    };
    match source {
        Source::Index { .. } if wanted.no_registry => {
            let message = format!("`{}` is no address", excerpt(text, 200));
            let help = json!("leave out `no_registry` to look for it in the indices");
            Err(refusal(StatusCode::BAD_REQUEST, message, help))
        }
        source => Ok(source),
    }
}

async fn work(
    host: Arc<Host>,
    wanted: Wanted,
    source: Source,
    tell: impl Fn(Event) + Send + Sync + 'static,
) -> Answered {
    let Ok(_turn) = host.turns.acquire().await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "the server ends".to_owned(), Value::Null);
    };
    let blocking = host.clone();
    let done = tokio::task::spawn_blocking(move || {
        let now = crate::commands::attune::now();
        let asked = Install {
            asked: &wanted.source,
            source,
            packs_dir: &blocking.folder,
            indices: &blocking.indices,
            git: &Uncached,
            key: None,
            force: wanted.force,
            skip_deps: wanted.skip_deps,
            // Tests are programs of whoever made the pack: they run where people run them themselves.
            skip_tests: wanted.skip_tests || !blocking.app.settings.loopback_only,
            now: &now,
        };
        run(&asked, &tell)
    });
    match done.await {
        Ok(Ok(record)) => {
            let data = json!({"pack": record, "test_result": record.tests,
                "tests_skipped": record.tests.is_none()});
            (StatusCode::CREATED, json!({ "data": data }))
        }
        Ok(Err(error)) => refused(&error),
        Err(error) => {
            log::error(&format!("an installation of a pack ended: {error}"));
            let message = "the registry could not install it".to_owned();
            refusal(StatusCode::INTERNAL_SERVER_ERROR, message, Value::Null)
        }
    }
}

fn refused(error: &install::InstallError) -> Answered {
    let json = |value: serde_json::Result<Value>| value.unwrap_or_default();
    let (status, details) = match error {
        InstallError::Client(client) => {
            let status = match client {
                ClientError::Missing { .. } => StatusCode::NOT_FOUND,
                ClientError::Unreachable { .. } | ClientError::NotARegistry { .. } => {
                    StatusCode::BAD_GATEWAY
                }
                ClientError::Io(cause) => {
                    log::error(&format!("a pack cannot be installed: {cause}"));
                    let message = "the registry's disk failed".to_owned();
                    return refusal(StatusCode::INTERNAL_SERVER_ERROR, message, Value::Null);
                }
                _ => StatusCode::BAD_REQUEST,
            };
            (status, json!(client.help().unwrap_or_default()))
        }
        InstallError::Exists(_) => (StatusCode::CONFLICT, json!("send `\"force\": true`")),
        InstallError::Invalid(flaws) => {
            (StatusCode::BAD_REQUEST, json(serde_json::to_value(flaws)))
        }
        InstallError::Unmet(report) => {
            (StatusCode::BAD_REQUEST, json(serde_json::to_value(report)))
        }
        InstallError::Tests(result) => {
            (StatusCode::BAD_REQUEST, json(serde_json::to_value(result)))
        }
    };
    refusal(status, error.to_string(), details)
}

/// An error in the shape of Attune's API.
fn refusal(status: StatusCode, message: String, details: Value) -> Answered {
    let code = match status.as_u16() {
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "CONFLICT",
        500.. => "INTERNAL_SERVER_ERROR",
        _ => "BAD_REQUEST",
    };
    (status, json!({"error": message, "code": code, "details": details}))
}

/// What happens as server-sent events; the last one, `Result`, holds status and body.
fn stream(host: Arc<Host>, wanted: Wanted, source: Source) -> Response {
    let (send, receive) = mpsc::unbounded_channel::<Bytes>();
    let told = send.clone();
    tokio::spawn(async move {
        let tell = move |event: Event| {
            if let Ok(data) = serde_json::to_value(&event) {
                let name = data["event"].as_str().unwrap_or("Info").to_owned();
                // Nobody listens any more: the installation goes on.
                let _ = told.send(line(&name, &data));
            }
        };
        let (status, body) = work(host, wanted, source, tell).await;
        let result = json!({"status": status.as_u16(), "body": body});
        let _ = send.send(line("Result", &result));
    });
    let lines = futures_util::stream::unfold(receive, |mut receive| async move {
        receive.recv().await.map(|line| (Ok::<_, std::convert::Infallible>(line), receive))
    });
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(lines)).into_response()
}

fn line(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}
