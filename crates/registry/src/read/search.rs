//! `GET /v1/packages?query=` and `GET /v1/packages/all`.

use std::io::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use http::Uri;
use http::header::{self, HeaderMap, HeaderValue};
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::{Hit, QueryAnswer};
use packhouse_core::identifier::Identifier;

use crate::app::{App, Settings};
use crate::cache::{Fresh, Page, accepts_gzip};
use crate::catalogue::{Entry, Snapshot};
use crate::error::{ApiError, ApiResult};
use crate::urls;

/// Packages in an answer to a query, at most.
const HITS: usize = 100;

/// Packages that are counted in `total`, at most.
const COUNTED: usize = 1_000;

/// Packages in the list of all, at most.
pub(crate) const ALL: usize = 10_000;

/// Up to this many the list of all is one answer that is kept; beyond, it is streamed.
const KEPT: usize = 500;

/// What is searched for.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// Words of identifier, summary and exports; blank for the most popular packages.
    #[serde(default)]
    query: String,
}

/// Searches identifiers, summaries and exports, typos forgiven; at most 100, best match first.
#[utoipa::path(get, path = "/v1/packages", tag = "read", params(Asked),
    responses((status = 200, body = QueryAnswer), (status = 400, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn query(State(app): State<App>, uri: Uri) -> ApiResult<Response> {
    let Query(asked) = Query::<Asked>::try_from_uri(&uri).map_err(|e| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("the query cannot be read: {}", e.body_text()),
            "ask with `?query=words`, percent-encoded as UTF-8",
        )
    })?;
    let snapshot = app.reads.catalogue.snapshot(&app).await?;
    let found = snapshot.search(&asked.query, HITS, COUNTED);
    let settings = &app.settings;
    let answer = QueryAnswer {
        packages: found.entries.iter().map(|entry| hit(settings, entry)).collect(),
        total: found.total as u64,
        truncated: found.total > HITS,
    };
    page(&app, &snapshot, &answer)
}

/// All packages by identifier, at most 10,000; `truncated` says whether there are more.
#[utoipa::path(get, path = "/v1/packages/all", tag = "read", responses((status = 200, body = QueryAnswer)))]
pub(crate) async fn all(State(app): State<App>, request: HeaderMap) -> ApiResult<Response> {
    let snapshot = app.reads.catalogue.snapshot(&app).await?;
    let settings = &app.settings;
    let total = snapshot.len();
    if total <= KEPT {
        let packages = snapshot.portion(None, KEPT).iter().map(|e| hit(settings, e)).collect();
        let answer = QueryAnswer { packages, total: total as u64, truncated: false };
        return page(&app, &snapshot, &answer);
    }
    Ok(streamed(&app, snapshot, accepts_gzip(&request)))
}

/// An answer that is kept, unless the catalogue lags behind the ledger.
pub(super) fn page(
    app: &App,
    snapshot: &Snapshot,
    answer: &impl serde::Serialize,
) -> ApiResult<Response> {
    let page = Page::json(answer, Fresh::Revalidate, app.settings.private)?;
    Ok(page.kept(snapshot.is_current(app.ledger.generation()?)).into_response())
}

/// The list of all, written as it is sent: memory for one portion of it, however long it is.
fn streamed(app: &App, snapshot: Arc<Snapshot>, gzip: bool) -> Response {
    const PORTION: usize = 200;
    let settings = app.settings.clone();
    let mut writer = Writer::new(gzip);
    let mut at = 0;
    let mut last: Option<Identifier> = None;
    let mut done = false;
    let portions = stream::iter(std::iter::from_fn(move || {
        if done {
            return None;
        }
        let total = snapshot.len();
        let portion = snapshot.portion(last.as_ref(), PORTION.min(ALL - at));
        let mut text = Vec::with_capacity(64 << 10);
        if at == 0 {
            text.extend_from_slice(b"{\"packages\":[");
        }
        for entry in &portion {
            if at > 0 {
                text.push(b',');
            }
            if let Err(e) = serde_json::to_writer(&mut text, &hit(&settings, entry)) {
                done = true;
                return Some(Err(std::io::Error::from(e)));
            }
            at += 1;
        }
        last = portion.into_iter().next_back().map(|entry| entry.identifier);
        done = last.is_none() || at >= total.min(ALL);
        if done {
            let truncated = total > ALL;
            text.extend(format!("],\"total\":{total},\"truncated\":{truncated}}}").bytes());
        }
        Some(writer.portion(&text, done))
    }));
    let mut response = Response::new(Body::from_stream(portions));
    let headers = response.headers_mut();
    let control = if app.settings.private { "private, no-cache" } else { "public, no-cache" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// Portions of an answer, compressed or as they are.
enum Writer {
    Plain,
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
}

impl Writer {
    fn new(gzip: bool) -> Self {
        if gzip {
            let level = flate2::Compression::fast();
            Self::Gzip(Box::new(flate2::write::GzEncoder::new(Vec::new(), level)))
        } else {
            Self::Plain
        }
    }

    fn portion(&mut self, text: &[u8], last: bool) -> std::io::Result<Bytes> {
        match self {
            Self::Plain => Ok(Bytes::copy_from_slice(text)),
            Self::Gzip(encoder) => {
                encoder.write_all(text)?;
                if last {
                    encoder.try_finish()?
                } else {
                    encoder.flush()?
                }
                Ok(std::mem::take(encoder.get_mut()).into())
            }
        }
    }
}

/// A package as lists show it.
pub(super) fn hit(settings: &Settings, entry: &Entry) -> Hit {
    Hit {
        identifier: entry.identifier.to_string(),
        version: entry.version.clone(),
        summary: entry.summary.clone(),
        url: urls::page(settings, &entry.identifier),
        repository: entry.repository.clone(),
        homepage: entry.homepage.clone(),
        downloads: Some(entry.downloads),
        format: entry.format.clone(),
        quality: entry.quality.clone(),
        advisories: entry.advisories.clone(),
    }
}
