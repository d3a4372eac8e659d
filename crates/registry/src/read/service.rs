//! What is asked about the registry itself.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use packhouse_core::api::read::{HealthAnswer, MotdAnswer};

use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::ApiResult;

/// The operator's message, which `ato` shows at every command.
#[utoipa::path(get, path = "/v0/motd", tag = "service", responses((status = 200, body = MotdAnswer)))]
pub(crate) async fn motd(State(app): State<App>) -> ApiResult<Page> {
    let message = app.settings.motd.clone().unwrap_or_default();
    Page::json(&MotdAnswer { message }, Fresh::Minute, false)
}

/// Whether the registry and its store answer.
#[utoipa::path(get, path = "/healthz", tag = "service",
    responses((status = 200, body = HealthAnswer), (status = 503, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn health(State(app): State<App>) -> ApiResult<impl IntoResponse> {
    app.ledger.packages(None, 1).await?;
    let answer =
        HealthAnswer { status: "ok".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    // Never from a cache: the point is to ask the store.
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)))
}
