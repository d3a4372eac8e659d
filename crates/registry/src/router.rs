//! All routes. One router serves Lambda and `packhouse serve`.
//!
//! Identifiers have two or three parts, so what concerns a package stands twice.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::Request;
use tower::util::BoxCloneSyncService;

use crate::app::App;
use crate::cache::Front;
use crate::{admin, compat, guard, manage, publish, read, webhook};

/// The whole service: answers every request, never fails.
pub type Registry = BoxCloneSyncService<Request<Body>, Response, Infallible>;

/// The whole service. `beside` are routes of the store or the host, for example uploads.
///
/// Cached answers come before everything else on a public registry; on one that asks for tokens or
/// fences itself off, that check comes first.
pub fn router(app: App, beside: Router) -> Registry {
    let routes = Router::new()
        .merge(read::routes())
        .merge(publishing())
        .merge(managing())
        .merge(administering())
        .merge(compat::routes())
        .route("/github/webhook", post(webhook::deliver))
        .route("/github/app", get(webhook::app))
        .fallback(guard::no_route)
        .method_not_allowed_fallback(guard::no_method)
        .with_state(app.clone())
        .merge(beside);
    let guard = axum::middleware::from_fn_with_state(app.clone(), guard::guard);
    if app.settings.private || app.settings.loopback_only {
        let cached = Router::new().fallback_service(Front::new(routes, app));
        BoxCloneSyncService::new(cached.layer(guard))
    } else {
        BoxCloneSyncService::new(Front::new(routes.layer(guard), app))
    }
}

fn publishing() -> Router<App> {
    Router::new()
        .route("/v1/publish", post(publish::request))
        .route("/v1/publish/upload-complete", post(publish::confirm))
        .route("/v1/publish/rehearse", post(publish::rehearse))
        .route("/v1/publish/{release_id}", get(publish::status))
}

fn managing() -> Router<App> {
    let mut routes = Router::new();
    for id in ["{owner}/{name}", "{owner}/{name}/{sub}"] {
        routes = routes
            .route(&format!("/v1/package/{id}/-/yank"), post(manage::yank))
            .route(&format!("/v1/package/{id}/-/deprecate"), post(manage::deprecate))
            .route(
                &format!("/v1/package/{id}/-/policy"),
                get(manage::show_policy).put(manage::set_policy),
            );
    }
    routes
}

fn administering() -> Router<App> {
    Router::new()
        .route("/v1/admin/tokens", post(admin::create_token).get(admin::list_tokens))
        .route("/v1/admin/tokens/{id}", delete(admin::revoke_token))
        .route(
            "/v1/admin/reserve",
            post(admin::reserve).get(admin::list_reserved).delete(admin::unreserve),
        )
        .route("/v1/admin/transfer", post(admin::transfer))
        .route("/v1/admin/quarantine", post(admin::quarantine))
        .route("/v1/admin/remove", post(admin::remove))
        .route("/v1/admin/export", get(admin::export))
        .route("/v1/admin/import", post(admin::import))
        .route("/v1/admin/import/release", post(publish::import_release))
        .route("/v1/admin/blobs/{hex}", get(admin::read_blob).post(admin::ask_blob))
        .route("/v1/admin/blobs/{hex}/complete", post(admin::complete_blob))
}
