//! Attune: the packs of this registry as one index, and what installs them.

mod index;
mod packs;

use axum::Router;
use axum::routing::get;

use crate::app::App;

pub use index::text;
pub use packs::without;

/// The routes of every registry; a host that can install adds its own.
pub fn routes() -> Router<App> {
    Router::new().route("/attune/index.json", get(index::show))
}
