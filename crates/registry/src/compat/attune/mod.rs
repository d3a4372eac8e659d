//! Attune: the packs of this registry as one index, and what installs them.

mod checkouts;
mod index;
pub(crate) mod listings;
mod packs;

use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use crate::app::App;

pub use checkouts::Checkouts;
pub use index::text;
pub use packs::without;

/// Whose native names these are.
const ECOSYSTEM: &str = "attune";

/// The routes of every registry; a host that can install adds its own.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/attune/index.json", get(index::show))
        .route("/attune/listings/{ref}", put(listings::put).delete(listings::remove))
}

/// An error in Attune's shape, whose details are more than a sentence.
fn refusal(status: StatusCode, code: &str, message: &str, details: &Value) -> Response {
    (status, Json(json!({"error": message, "code": code, "details": details}))).into_response()
}
