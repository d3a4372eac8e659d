//! The paths of other ecosystems' own clients: one folder an ecosystem, one line in each list here.
//!
//! An error on such a path is answered in that path's shape, whoever found it: the handler, the read
//! gate, the router. So handlers here answer [`ApiError`] like all others, and [`shaped`], which stands
//! around everything, writes it again.

pub mod apl;
mod archive;
pub mod attune;
pub mod auth;
pub mod compose;
pub mod flat;
pub mod fppm;
pub mod shapes;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::app::App;
use crate::error::ApiError;

/// An error in the shape of a path: its media type and its bytes. The status may differ from the
/// error's own (405).
pub type Shape = fn(&ApiError, StatusCode) -> (&'static str, Vec<u8>);

/// Prefixes of paths, whole parts only, and the shape of errors below them.
pub const SHAPES: &[(&str, Shape)] = &[
    ("/apl/api/v1", shapes::apl),
    ("/apl/v1", shapes::apl),
    ("/attune", shapes::attune),
    ("/compose/v1", shapes::compose),
    ("/fppm", shapes::fppm),
];

/// The routes of all ecosystems.
pub fn routes() -> Router<App> {
    Router::new()
        .merge(apl::routes())
        .merge(attune::routes())
        .merge(compose::routes())
        .merge(fppm::routes())
}

/// What the paths of ecosystems are set to.
#[derive(Clone, Default)]
pub struct Ecosystems {
    /// `/compose/v1`.
    pub compose: compose::Setup,
    /// What `/fppm` says of the registry.
    pub fppm: fppm::About,
}

/// The shape of errors at a path; `None` for the registry's own paths.
pub fn shape_of(path: &str) -> Option<Shape> {
    let below = |prefix: &str| {
        path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    SHAPES.iter().find(|(prefix, _)| below(prefix)).map(|(_, shape)| *shape)
}

/// An answer as clients of `path` read it: an [`ApiError`] that was answered anywhere on the way takes
/// the path's shape. Its status and its other headers stay.
pub fn shaped(path: &str, mut response: Response) -> Response {
    let Some(shape) = shape_of(path) else { return response };
    let Some(error) = response.extensions_mut().remove::<ApiError>() else { return response };
    let (media_type, body) = shape(&error, response.status());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    *response.body_mut() = Body::from(body);
    response
}
