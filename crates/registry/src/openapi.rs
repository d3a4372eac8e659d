//! `/openapi.json`: the documentation of every route, from the handlers themselves.

use axum::extract::State;
use utoipa::OpenApi;

use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::ApiResult;
use crate::{admin, manage, pages, publish, read};

// Lists of handlers, because a route that serves two- and three-part identifiers is one documented
// path; a test asks every documented path of the real router.

/// The read side.
#[derive(OpenApi)]
#[openapi(paths(
    read::find::find,
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
    crate::compat::fppm::export::whole,
    crate::compat::fppm::export::of_owner,
    crate::compat::fppm::repository::file,
    crate::compat::fppm::listings::put,
    read::service::motd,
    read::service::health,
    pages::package,
    pages::list,
    pages::landing,
    document,
))]
struct Reading;

/// Publishing, and what owners and operators change.
#[derive(OpenApi)]
#[openapi(paths(
    publish::request::request,
    publish::confirm::confirm,
    publish::rehearse::rehearse,
    publish::status::status,
    manage::yank,
    manage::deprecate,
    manage::show_policy,
    manage::set_policy,
    admin::tokens::create_token,
    admin::tokens::list_tokens,
    admin::tokens::revoke_token,
    admin::names::reserve,
    admin::names::list_reserved,
    admin::names::unreserve,
    admin::names::transfer,
    admin::takedown::quarantine,
    admin::takedown::remove,
    admin::transfer::export,
    admin::transfer::import,
    publish::imported::import_release,
    admin::transfer::ask_blob,
    admin::transfer::complete_blob,
    admin::transfer::read_blob,
    crate::webhook::deliver,
    crate::webhook::app,
))]
struct Writing;

/// All of it. Identifiers have two or three parts, which paths of OpenAPI cannot say: `{id}` stands
/// for both, its slashes unescaped.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut api = Reading::openapi();
    api.merge(Writing::openapi());
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
