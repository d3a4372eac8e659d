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
use packhouse_core::api::ErrorCode;
use packhouse_core::escape::excerpt;

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

/// The longest text of the framework's that is read, in bytes.
const BARE_BYTES: usize = 4 << 10;

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
/// the path's shape, and so does the plain text with which the framework refuses what it cannot read. Its
/// status and its other headers stay.
pub async fn shaped(path: &str, mut response: Response) -> Response {
    let Some(shape) = shape_of(path) else { return response };
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error,
        None if is_bare(&response) => bare(&mut response).await,
        None => return response,
    };
    let (media_type, body) = shape(&error, response.status());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    *response.body_mut() = Body::from(body);
    response
}

/// Whether an answer is one of the framework's own: no handler here refuses in plain text, or without a
/// word.
fn is_bare(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    let plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    plain && response.status().is_client_error()
}

/// What the framework says: a part of the path that is no UTF-8, a body that is too large, a method that
/// a route does not take.
async fn bare(response: &mut Response) -> ApiError {
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let help = "the header `Allow` lists those that it takes";
        return ApiError::new(ErrorCode::BadRequest, "this path does not take the method", help);
    }
    let body = std::mem::take(response.body_mut());
    let text = axum::body::to_bytes(body, BARE_BYTES).await.unwrap_or_default();
    let text = excerpt(&String::from_utf8_lossy(&text), 300);
    let code = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ErrorCode::TooLarge,
        _ => ErrorCode::BadRequest,
    };
    let help = "look at the percent signs of the address, and at the size of the body";
    ApiError::new(code, format!("the request cannot be read: {text}"), help)
}
