//! `/fppm`: the registry as F Prime's client reads it, one file and dumb git repositories.
//!
//! The client ignores statuses and reads every body as YAML, so refusals take the shape of a map: then
//! it says that fields are missing, and not that it broke.

mod address;
pub(crate) mod export;
pub(crate) mod listings;
mod packs;
pub(crate) mod repository;

use axum::Router;
use axum::routing::{get, post};
use packhouse_core::api::ErrorCode;
use packhouse_core::fppm::{Shortname, clash};
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;

use crate::app::{App, Service};
use crate::error::ApiError;
use crate::ports::StoreError;

pub(super) use address::Sources;
pub use packs::Packs;

/// The format's id.
const FORMAT: &str = "fppm";
/// What YAML is served as (RFC 9512).
const YAML: &str = "application/yaml";

/// What the exported registry says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
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
        .route("/fppm/listings", post(listings::put))
        .route("/fppm/git/{owner}/{repository}/{*path}", get(repository::file))
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

/// Packages of the owner that F Prime's client takes for this one, or this one for them: the shorter name
/// and the longer of each pair.
///
/// # Errors
///
/// Those of the store.
pub async fn clashes(
    service: &Service,
    identifier: &Identifier,
) -> Result<Vec<(Shortname, Shortname)>, StoreError> {
    let snapshot = service.reads.catalogue.snapshot(service).await?;
    // No name is below this one, so the owner's packages follow.
    let Ok(first) = Identifier::new(identifier.owner(), "0") else { return Ok(Vec::new()) };
    let (mut others, mut after) = (Vec::new(), first);
    while others.len() < export::PACKAGES {
        let portion = snapshot.portion(Some(&after), export::PORTION);
        let full = portion.len() == export::PORTION;
        for entry in portion {
            after = entry.identifier;
            if after.owner_key() != identifier.owner_key() {
                return Ok(clash::beside(identifier, &others));
            }
            if entry.format == FORMAT {
                others.push(after.clone());
            }
        }
        if !full {
            break;
        }
    }
    Ok(clash::beside(identifier, &others))
}

/// The highest of the releases that are not yanked, among final ones or among prereleases.
fn newest(releases: &[Release], prerelease: bool) -> Option<&Release> {
    releases
        .iter()
        .filter(|r| r.marks.yanked.is_none() && r.version.is_prerelease() == prerelease)
        .max_by(|a, b| a.version.cmp(&b.version))
}

/// What is not here.
fn unknown(message: String, help: &str) -> ApiError {
    ApiError::new(ErrorCode::NotFound, message, help)
}
