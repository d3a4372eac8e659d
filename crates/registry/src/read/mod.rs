//! The read side: packages, releases, search, index files, downloads, pages.
//!
//! Identifiers have two or three parts, so each route of a package stands twice; the documentation
//! lists the form with two. All of it may be read from any web page: no answer depends on cookies.

pub(crate) mod blobs;
pub(crate) mod closure;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod find;
pub(crate) mod index;
pub(crate) mod package;
mod range;
pub(crate) mod search;
pub(crate) mod service;
#[cfg(test)]
mod tests;
mod view;

use axum::Router;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use packhouse_core::api::ErrorCode;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::cache::Pages;
use crate::catalogue::{Catalogue, LedgerCatalogue};
use crate::downloads::Counter;
use crate::error::{ApiError, ApiResult};
use crate::rate::PerMinute;
use crate::spacing::{Spacing, Turns};
use crate::{guard, pages};

pub(crate) use blobs::{disposition, safe_headers};
pub(crate) use files::readme;
pub use index::{IndexFiles, index_of};
pub(crate) use package::out_of_service;
pub use view::latest;
pub(crate) use view::listed;

/// The releases of a package that lists show, and the latest of them.
///
/// # Errors
///
/// As of `GET /v1/package/{id}`.
pub(crate) async fn shown(app: &App, id: &Identifier) -> ApiResult<(Vec<Release>, Release)> {
    let all = package::all(app, id).await?;
    let unavailable = package::unavailable(&all);
    let listed = view::listed(all);
    let latest = listed.first().cloned().ok_or(unavailable)?;
    Ok((listed, latest))
}

/// What the read side keeps in memory; all of it can be made again from the ledger.
pub struct Reads {
    /// Answers as bytes.
    pub pages: Pages,
    /// What search looks through.
    pub catalogue: Box<dyn Catalogue>,
    /// Index files that were made before.
    pub index_files: Box<dyn IndexFiles>,
    /// Downloads that are not written yet.
    pub downloads: Counter,
    /// Releases as commits, for F Prime's client.
    pub packs: crate::compat::fppm::Packs,
    /// What is held of APL.
    pub apl: crate::compat::apl::View,
    /// Turns of `ato`'s downloads.
    pub spacing: Spacing,
    /// Rehearsals that prove nothing.
    pub rehearsals: PerMinute,
    /// Files of archives being unpacked at the same time: each takes memory of its size.
    unpacking: Semaphore,
}

impl Default for Reads {
    fn default() -> Self {
        Self {
            pages: Pages::default(),
            catalogue: Box::new(LedgerCatalogue::default()),
            index_files: Box::new(index::NoIndexFiles),
            downloads: Counter::default(),
            packs: crate::compat::fppm::Packs::default(),
            apl: crate::compat::apl::View::default(),
            spacing: Spacing::default(),
            rehearsals: PerMinute::new(120, 1_200),
            unpacking: Semaphore::new(4),
        }
    }
}

impl Reads {
    /// With views that a worker makes, in the place of what is made from the ledger when it is asked
    /// for.
    #[must_use]
    pub fn with_views(
        mut self,
        catalogue: impl Catalogue + 'static,
        index_files: impl IndexFiles + 'static,
    ) -> Self {
        self.catalogue = Box::new(catalogue);
        self.index_files = Box::new(index_files);
        self
    }

    /// With turns of `ato`'s downloads that several processes share.
    #[must_use]
    pub fn with_turns(mut self, turns: impl Turns + 'static) -> Self {
        self.spacing = Spacing::new(turns);
        self
    }
}

/// All routes of the read side.
pub fn routes() -> Router<App> {
    let mut routes = Router::new();
    for id in ["{owner}/{name}", "{owner}/{name}/{sub}"] {
        routes = routes
            .route(&format!("/v1/package/{id}"), get(package::show))
            .route(&format!("/v1/package/{id}/releases"), get(package::releases))
            .route(&format!("/v1/package/{id}/releases/{{version}}"), get(package::release))
            .route(&format!("/v1/package/{id}/-/manifest/{{version}}"), get(package::manifest))
            .route(&format!("/v1/package/{id}/-/files/{{version}}/{{*path}}"), get(files::file))
            .route(&format!("/v1/package/{id}/-/events"), get(events::of_package))
            // `.json` is a part of the last segment, which routes cannot say.
            .route(&format!("/index/{id}"), get(index::file))
            .route(&format!("/p/{id}"), get(pages::package));
    }
    routes
        .route("/v1/search", get(find::find))
        .route("/v1/packages", get(search::query))
        .route("/v1/packages/all", get(search::all))
        .route("/v1/closure", get(closure::get).post(closure::post))
        .route("/v1/events", get(events::all))
        .route("/blobs/sha256/{hex}/{file}", get(blobs::download))
        .route("/p/", get(pages::list))
        .route("/", get(pages::landing))
        .route("/v0/motd", get(service::motd))
        .route("/healthz", get(service::health))
        .route("/openapi.json", get(crate::openapi::document))
        // Here and not with the other routes: preflights come this way, and must find the layer.
        .method_not_allowed_fallback(guard::no_method)
        .layer(axum::middleware::from_fn(cross_origin))
}

/// Lets every web page read: answers preflights, and marks every answer, errors included.
async fn cross_origin(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = if preflight {
        let wanted = request.headers().get(header::ACCESS_CONTROL_REQUEST_METHOD);
        if wanted.is_some_and(|m| m != "GET" && m != "HEAD") {
            return StatusCode::NO_CONTENT.into_response(); // without leave: the browser stops
        }
        StatusCode::NO_CONTENT.into_response()
    } else if request.method() == Method::GET || request.method() == Method::HEAD {
        next.run(request).await
    } else {
        return next.run(request).await;
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if preflight {
        let set = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, if-none-match, range"),
            (header::ACCESS_CONTROL_MAX_AGE, "86400"),
            (header::ALLOW, "GET, HEAD, OPTIONS"),
        ];
        for (name, value) in set {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// The package that a path names in its parts `owner`, `name` and perhaps `sub`.
pub struct Id(pub Identifier);

impl FromRequestParts<App> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let params = Params::from_request_parts(parts, app).await?;
        let parts = ["owner", "name", "sub"].iter().filter_map(|part| params.get(part));
        parse_id(&parts.collect::<Vec<_>>().join("/")).map(Self)
    }
}

/// Parses an identifier that a client sent.
pub(crate) fn parse_id(text: &str) -> ApiResult<Identifier> {
    text.parse().map_err(|e: packhouse_core::identifier::IdentifierError| {
        ApiError::new(
            ErrorCode::InvalidIdentifier,
            e.to_string(),
            "identifiers are `owner/name` or `owner/name/sub`",
        )
    })
}

/// The named parts of a path, decoded.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// A part by name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl FromRequestParts<App> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let params = RawPathParams::from_request_parts(parts, app).await.map_err(|_| {
            ApiError::new(
                ErrorCode::BadRequest,
                "the path is not UTF-8 once it is decoded",
                "send paths as UTF-8, percent-encoded",
            )
        })?;
        Ok(Self(params.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()))
    }
}
