//! `POST /attune/api/v1/packs/install` where nothing can be installed.

use axum::Router;
use axum::routing::post;
use http::StatusCode;
use serde_json::json;

use super::refusal;

/// The route of a registry that installs no packs: it says why.
pub fn without(reason: &'static str) -> Router {
    let answer = move || async move {
        let help = json!("install it where packs are kept: `packhouse attune install`");
        refusal(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", reason, &help)
    };
    Router::new().route("/attune/api/v1/packs/install", post(answer))
}
