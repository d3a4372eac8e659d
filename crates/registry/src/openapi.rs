//! `/openapi.json`: the documentation of every route, from the handlers themselves.

use axum::extract::State;
use utoipa::OpenApi;

use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::ApiResult;
use crate::{pages, read};

/// The read side.
#[derive(OpenApi)]
#[openapi(paths(
    read::search::query,
    read::search::all,
    read::package::show,
    read::package::releases,
    read::package::release,
    read::package::manifest,
    read::files::file,
    read::events::of_package,
    read::events::all,
    read::closure::get,
    read::closure::post,
    read::index::file,
    read::blobs::download,
    read::service::motd,
    read::service::health,
    pages::package,
    pages::list,
    pages::landing,
    document,
))]
struct Reading;

/// All of it. Identifiers have two or three parts, which paths of OpenAPI cannot say: `{id}` stands
/// for both, its slashes unescaped.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = Reading::openapi();
    api.info.title = "Packhouse".to_owned();
    api.info.version = env!("CARGO_PKG_VERSION").to_owned();
    api.info.description = Some(
        "A package registry. `{id}` is `owner/name` or `owner/name/sub`, its slashes unescaped. \
         Every error is `{\"detail\", \"error\": {\"code\", \"message\", \"help\", \"request_id\"}}`."
            .to_owned(),
    );
    api.info.license = None;
    api
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "service", responses((status = 200, body = Object)))]
pub(crate) async fn document(State(app): State<App>) -> ApiResult<Page> {
    let mut api = openapi();
    api.servers =
        Some(vec![utoipa::openapi::Server::new(app.settings.public_url.as_str().to_owned())]);
    Page::json(&api, Fresh::Minute, false)
}
