//! `/apl/v1` and `/apl/api/v1`: the registry as clients of APM know it (docs/ecosystems/apl.md).
//!
//! Packages are those that hold a native name of APL, whatever identifier they have. A `POST` of a zip is
//! a publish like any other.

mod add;
mod answers;
mod view;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use http::{Method, Uri};
use packhouse_core::api::ErrorCode;
use packhouse_core::escape::printable;

pub use view::View;

use crate::app::App;
use crate::error::ApiError;

/// The prefixes: APM's documents name the one, its code the other.
const PREFIXES: [&str; 2] = ["/apl/v1", "/apl/api/v1"];

/// The routes of APL.
pub fn routes() -> Router<App> {
    let mut routes = Router::new();
    for prefix in PREFIXES {
        routes = routes
            .route(prefix, get(answers::root).fallback(no_method))
            .route(
                &format!("{prefix}/packages"),
                get(answers::list).post(add::add).fallback(no_method),
            )
            .route(
                &format!("{prefix}/packages/dependencies"),
                post(answers::dependencies).fallback(no_method),
            )
            .route(
                &format!("{prefix}/packages/{{id}}"),
                get(answers::download).fallback(no_method),
            );
    }
    // `add` bounds its body itself, and says what would be right.
    routes.layer(DefaultBodyLimit::disable())
}

/// An unsupported method is the very example that APM's documents give of a 400.
async fn no_method(method: Method, uri: Uri) -> ApiError {
    let path = printable(uri.path());
    let help = "docs/ecosystems/apl.md lists every request";
    ApiError::new(ErrorCode::BadRequest, format!("`{path}` does not take {method}"), help)
}

/// Whether a `POST` of this path only reads, so that a private registry asks for a read token.
pub fn is_read(path: &str) -> bool {
    PREFIXES.iter().any(|prefix| path.strip_prefix(prefix) == Some("/packages/dependencies"))
}

/// `prefix` of a path of ours.
fn prefix_of(path: &str) -> &'static str {
    PREFIXES.into_iter().find(|prefix| path.starts_with(prefix)).unwrap_or(PREFIXES[0])
}

#[cfg(test)]
mod tests;
