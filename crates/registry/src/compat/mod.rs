//! What each ecosystem's own client asks for, in its own shape.

pub mod fppm;

use axum::Router;

use crate::app::App;

/// All routes of ecosystems.
pub fn routes() -> Router<App> {
    Router::new().merge(fppm::routes())
}
