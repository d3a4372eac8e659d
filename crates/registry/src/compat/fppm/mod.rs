//! `/fppm`: the registry as F Prime's client reads it, one file and dumb git repositories.
//!
//! The client ignores statuses and reads every body as YAML, so refusals are maps of YAML, too: then it
//! says that fields are missing, and not that it broke.

mod address;
pub(crate) mod export;
mod packs;
pub(crate) mod repository;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderValue, StatusCode, header};
use packhouse_core::fppm::quoted;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;

use crate::app::App;
use crate::error::ApiError;
use crate::ports::StoreError;

pub use packs::Packs;

/// The format's id.
const FORMAT: &str = "fppm";
/// What YAML is served as (RFC 9512).
const YAML: &str = "application/yaml";

/// What the exported registry says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Its name; else the host that serves it.
    pub name: Option<String>,
    /// Who offers it, which `fppm` shows beside a package; else the host that serves it.
    pub publisher: Option<String>,
    /// A sentence.
    pub description: Option<String>,
}

/// All routes of F Prime's client.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/fppm/registry.yaml", get(export::whole))
        .route("/fppm/{owner}/registry.yaml", get(export::of_owner))
        .route("/fppm/git/{owner}/{repository}/{*path}", get(repository::file))
}

/// A refusal as a map of YAML.
#[derive(Debug)]
pub(crate) struct Refused(Box<ApiError>);

pub(crate) type Answer<T> = Result<T, Refused>;

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self(Box::new(error))
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let mut body = format!("error: {}\n", quoted(&error.message));
        for (key, text) in [
            ("help", error.help.as_str()),
            ("code", error.code.as_str()),
            ("request-id", &crate::request_id::current()),
        ] {
            if !text.is_empty() {
                body.push_str(&format!("{key}: {}\n", quoted(text)));
            }
        }
        // Status, challenge and caching are those of every refusal; the shape alone is YAML's.
        let mut response = error.into_response();
        *response.body_mut() = body.into();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(YAML));
        response
    }
}

/// The refusal of a gate in front of the handlers, where `path` is one of these.
pub(crate) fn refusal(path: &str, error: ApiError) -> Result<Response, ApiError> {
    match path.starts_with("/fppm/") {
        true => Ok(Refused::from(error).into_response()),
        false => Err(error),
    }
}

/// The releases of a package that F Prime's client may have: of its format and in service.
async fn releases(app: &App, identifier: &Identifier) -> Result<Vec<Release>, StoreError> {
    let mut all = app.ledger.releases(identifier).await?;
    all.retain(|release| {
        let marks = &release.marks;
        release.described.format == FORMAT && marks.quarantined.is_none() && marks.removed.is_none()
    });
    Ok(all)
}

/// The highest of the releases that are not yanked, among final ones or among prereleases.
fn newest(releases: &[Release], prerelease: bool) -> Option<&Release> {
    releases
        .iter()
        .filter(|r| r.marks.yanked.is_none() && r.version.is_prerelease() == prerelease)
        .max_by(|a, b| a.version.cmp(&b.version))
}

/// A not-found, as the client's user reads it.
fn unknown(message: String, help: &str) -> Refused {
    let error = ApiError::new(packhouse_core::api::ErrorCode::NotFound, message, help);
    debug_assert_eq!(error.status(), StatusCode::NOT_FOUND);
    error.into()
}
