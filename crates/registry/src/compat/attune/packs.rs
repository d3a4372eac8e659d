//! `POST /attune/api/v1/packs/install` where nothing can be installed.

use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

/// The route of a registry that installs no packs: it says why.
pub fn without(reason: &'static str) -> Router {
    let answer = move || async move { refusal(reason) };
    Router::new().route("/attune/api/v1/packs/install", post(answer))
}

fn refusal(reason: &str) -> Response {
    let body = json!({"error": reason, "code": "NOT_IMPLEMENTED",
        "details": "install it where packs are kept: `packhouse attune install`"});
    (StatusCode::NOT_IMPLEMENTED, Json(body)).into_response()
}
