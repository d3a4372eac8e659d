//! The feed of all changes, for mirrors, owners and auditors.

use axum::extract::{Query, RawQuery, State};
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::EventsAnswer;
use packhouse_core::release::SCHEMA;
use serde::Deserialize;

use super::{Id, package};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::{ApiError, ApiResult};

/// Events in one answer, at most.
const LIMIT: u32 = 1_000;

/// Events that are looked through for one package's, at most.
const LOOKED_THROUGH: u64 = 20_000;

/// From where, and how many.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Span {
    /// Events with a higher number; default 0.
    #[serde(default)]
    after: u64,
    /// At most this many; default 100, at most 1,000.
    #[serde(default = "hundred")]
    limit: u32,
}

fn hundred() -> u32 {
    100
}

/// What changed in the registry, oldest first.
#[utoipa::path(get, path = "/v1/events", tag = "read", params(Span),
    responses((status = 200, body = EventsAnswer), (status = 400, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn all(State(app): State<App>, RawQuery(query): RawQuery) -> ApiResult<Page> {
    let span = span(query)?;
    let mut events = app.ledger.events(span.after, span.limit + 1).await?;
    let more = events.len() > span.limit as usize;
    events.truncate(span.limit as usize);
    let next = events.last().map_or(span.after, |event| event.number);
    let answer = EventsAnswer { schema: SCHEMA, events, next, more };
    Page::json(&answer, Fresh::Revalidate, app.settings.private)
}

/// What changed in one package, oldest first.
///
/// The feed is looked through in portions: `more` says whether there is a next one, which may be
/// worth asking for even if this one has no event.
#[utoipa::path(get, path = "/v1/package/{id}/-/events", tag = "read",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped"), Span),
    responses((status = 200, body = EventsAnswer), (status = 404, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn of_package(
    State(app): State<App>,
    Id(id): Id,
    RawQuery(query): RawQuery,
) -> ApiResult<Page> {
    let span = span(query)?;
    package::all(&app, &id).await?;
    let (mut events, mut next, mut more) = (Vec::new(), span.after, true);
    let limit = span.limit as usize;
    while more && events.len() < limit && next - span.after < LOOKED_THROUGH {
        let portion = app.ledger.events(next, LIMIT).await?;
        more = portion.len() == LIMIT as usize;
        for event in portion {
            if events.len() == limit {
                more = true;
                break;
            }
            next = event.number;
            if event.identifier == id {
                events.push(event);
            }
        }
    }
    let answer = EventsAnswer { schema: SCHEMA, events, next, more };
    Page::json(&answer, Fresh::Revalidate, app.settings.private)
}

fn span(query: Option<String>) -> ApiResult<Span> {
    let wrong = |message: String| {
        ApiError::new(
            ErrorCode::BadRequest,
            message,
            format!("ask with `?after=<number>&limit=<1 to {LIMIT}>`"),
        )
    };
    let uri = http::Uri::builder().path_and_query(format!("/?{}", query.unwrap_or_default()));
    let uri = uri.build().map_err(|e| wrong(format!("the query cannot be read: {e}")))?;
    let Query(span) = Query::<Span>::try_from_uri(&uri).map_err(|e| wrong(e.body_text()))?;
    if !(1..=LIMIT).contains(&span.limit) {
        return Err(wrong(format!("`limit` is {}", span.limit)));
    }
    Ok(span)
}
