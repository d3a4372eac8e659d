//! `GET /v1/search`: packages, and what they offer, page by page.

use axum::extract::{Query, State};
use axum::response::Response;
use http::Uri;
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::{SearchAnswer, SearchHit};
use packhouse_core::formats;
use packhouse_core::release::SCHEMA;

use super::search;
use crate::app::App;
use crate::catalogue::{Asked, Snapshot};
use crate::error::{ApiError, ApiResult};

/// Hits of a page, where nothing is said and at most.
const LIMIT: u32 = 20;
const LIMIT_AT_MOST: u32 = 100;

/// What is looked for.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Search {
    /// Words of identifier, summary and exports; blank for all there is, by identifier.
    #[serde(default)]
    query: String,
    /// Hits are exports of this kind: `process`, `block`, ... An unknown one is refused with all there are.
    #[serde(default)]
    kind: String,
    /// Packages of this format only, for example `ato`.
    #[serde(default)]
    format: String,
    /// The page, from 1.
    #[param(minimum = 1, default = 1)]
    page: Option<u32>,
    /// Hits of a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<u32>,
}

/// Finds packages, or what they offer, across all formats: the best match first; without words all of
/// them, by identifier. Each hit says how its package is installed.
#[utoipa::path(get, path = "/v1/search", tag = "read", params(Search),
    responses((status = 200, body = SearchAnswer), (status = 400, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn find(State(app): State<App>, uri: Uri) -> ApiResult<Response> {
    let Query(asked) = Query::<Search>::try_from_uri(&uri).map_err(|e| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("the query cannot be read: {}", e.body_text()),
            "ask with `?query=words&kind=process&page=1`, percent-encoded as UTF-8",
        )
    })?;
    let page = asked.page.unwrap_or(1);
    let limit = asked.limit.unwrap_or(LIMIT);
    if page == 0 || !(1..=LIMIT_AT_MOST).contains(&limit) {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            format!("there is no page {page} of {limit} hits"),
            format!("pages count from 1 and have 1 to {LIMIT_AT_MOST} hits"),
        ));
    }
    let snapshot = app.reads.catalogue.snapshot(&app).await?;
    let (kind, format) = (&asked.kind, &asked.format);
    let found = snapshot.find(&Asked {
        query: &asked.query,
        kind: (!kind.is_empty()).then(|| known_kind(kind, &snapshot)).transpose()?,
        format: (!format.is_empty()).then(|| known_format(format)).transpose()?,
        first: (page as usize - 1).saturating_mul(limit as usize),
        limit: limit as usize,
    });
    let settings = &app.settings;
    let hits = found.hits.into_iter().map(|(entry, exports)| SearchHit {
        package: search::hit(settings, &entry),
        yanked: entry.yanked,
        native: entry.held_name().cloned(),
        install: entry.install(settings),
        exports,
    });
    let more = u64::from(page) * u64::from(limit) < found.total as u64;
    let answer = SearchAnswer {
        schema: SCHEMA,
        hits: hits.collect(),
        total: found.total as u64,
        page,
        limit,
        next: more.then_some(page.saturating_add(1)),
    };
    search::page(&app, &snapshot, &answer)
}

/// A kind that some format has or some package offers.
fn known_kind<'k>(kind: &'k str, snapshot: &Snapshot) -> ApiResult<&'k str> {
    if formats::kinds().any(|(known, _)| known == kind) {
        return Ok(kind);
    }
    let mut kinds = snapshot.kinds();
    if kinds.contains(kind) {
        return Ok(kind);
    }
    kinds.extend(formats::kinds().map(|(known, _)| known.to_owned()));
    Err(unknown("kind", kind, &kinds.iter().map(String::as_str).collect::<Vec<_>>()))
}

fn known_format(format: &str) -> ApiResult<&str> {
    if formats::by_id(format).is_some() {
        return Ok(format);
    }
    let mut known: Vec<_> = formats::FORMATS.iter().map(|format| format.id()).collect();
    known.sort_unstable();
    Err(unknown("format", format, &known))
}

fn unknown(what: &str, asked: &str, known: &[&str]) -> ApiError {
    let near = formats::nearest(asked, known);
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let asked: String = asked.chars().take(64).collect();
    ApiError::new(
        ErrorCode::BadRequest,
        format!("there is no {what} `{asked}`"),
        format!("{near}{what}s are: {}", known.join(", ")),
    )
}
