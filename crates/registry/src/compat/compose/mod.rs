//! `/compose/v1`: the registry of processes and steps, for clients of process-bigraph's communities.
//!
//! A package that is published here is there by itself, one that is yanked is not. Other packages are
//! registered as listings: by their outline, or by the registry's reading of a repository.

mod reply;
#[cfg(test)]
mod tests;
mod view;
mod write;

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use packhouse_core::compose::{
    self, Compute, PackageListing, RegisteredPackage, Wanted, as_code as code,
};
use packhouse_core::python::Kind;

use self::reply::{Reply, number};
use crate::app::App;
use crate::ports::sources::Sources;

/// The names of this view are Python's.
const ECOSYSTEM: &str = "python";

/// What `/compose/v1` is set to.
#[derive(Clone, Default)]
pub struct Setup {
    /// Where repositories and folders are read; `None` on a registry that reads none.
    pub sources: Option<Arc<dyn Sources>>,
    /// Whether to read packages and answer lists as the first program's code does, instead of as its
    /// documentation says.
    pub as_code: bool,
}

/// The routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/compose/v1/packages", get(packages).post(write::register))
        .route("/compose/v1/packages/audit", post(write::audit))
        .route("/compose/v1/packages/{id}", get(package).put(write::update).delete(write::remove))
        .route("/compose/v1/processes", get(processes))
        .route("/compose/v1/steps", get(steps))
}

async fn packages(State(app): State<App>) -> Result<Json<Vec<PackageListing>>, Reply> {
    let all = view::all(&app).await?;
    Ok(Json(all.iter().map(view::Shown::listing).collect()))
}

async fn package(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<RegisteredPackage>, Reply> {
    let id = number(&id)?;
    match view::find(&app, id).await? {
        Some(package) => Ok(Json(package.registered())),
        None => Err(Reply::no_package(id)),
    }
}

async fn processes(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Compute>>, Reply> {
    list(&app, Kind::Process, query.as_deref()).await
}

async fn steps(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Json<Vec<Compute>>, Reply> {
    list(&app, Kind::Step, query.as_deref()).await
}

/// Of two classes with one module and name, the first one is listed.
async fn list(app: &App, kind: Kind, query: Option<&str>) -> Result<Json<Vec<Compute>>, Reply> {
    let as_code = app.ecosystems.compose.as_code;
    let source = query.and_then(|query| {
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == "source")
    });
    let source = source.map(|(_, value)| value);
    let wanted = match Wanted::parse(source) {
        Ok(_) if as_code && source.is_none() => Wanted::Core,
        Err(_) if as_code => Wanted::Core,
        wanted => wanted?,
    };
    let mut listed = match wanted {
        Wanted::Db => Vec::new(),
        Wanted::Core | Wanted::Union if as_code => code::core(kind),
        Wanted::Core | Wanted::Union => compose::core(kind),
    };
    if wanted != Wanted::Core {
        for package in view::all(app).await? {
            listed.extend(package.compute().filter(|compute| compute.compute_type == kind));
        }
    }
    let mut seen = std::collections::HashSet::new();
    listed.retain(|compute| seen.insert((compute.module.clone(), compute.name.clone())));
    Ok(Json(listed))
}
