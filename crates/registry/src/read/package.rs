//! `GET /v1/package/{id}`, its releases, one release, and the manifest of one.

use axum::extract::State;
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::{ManifestAnswer, PackageAnswer, ReleaseAnswer, ReleasesAnswer};
use packhouse_core::escape::printable;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Release, SCHEMA};
use packhouse_core::version::Version;

use super::{Id, Params, files, view};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::catalogue;
use crate::error::{ApiError, ApiResult};

/// A package, as its latest release describes it.
#[utoipa::path(get, path = "/v1/package/{id}", tag = "read",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")),
    responses((status = 200, body = PackageAnswer), (status = 404, body = packhouse_core::api::ErrorBody),
        (status = 422, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn show(State(app): State<App>, Id(id): Id) -> ApiResult<Page> {
    let (_, latest) = super::shown(&app, &id).await?;
    let (head, counts) = (app.ledger.head(&id).await?, app.ledger.downloads(&id).await?);
    let advised = app.ledger.advised(&id).await?;
    let (settings, now) = (&app.settings, app.clock.now());
    let info = view::package(settings, head.as_ref(), &latest, &counts, advised.as_ref(), now);
    let readme = files::readme(&app, &latest).await?;
    answer(&app, &PackageAnswer { info, readme })
}

/// All releases that can be downloaded: stable ones newest first, then prereleases, then yanked ones.
#[utoipa::path(get, path = "/v1/package/{id}/releases", tag = "read",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")),
    responses((status = 200, body = ReleasesAnswer), (status = 404, body = packhouse_core::api::ErrorBody),
        (status = 422, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn releases(State(app): State<App>, Id(id): Id) -> ApiResult<Page> {
    let releases = view::listed(all(&app, &id).await?);
    let counts = app.ledger.downloads(&id).await?;
    let advised = app.ledger.advised(&id).await?;
    let (settings, now) = (&app.settings, app.clock.now());
    let shown = |r: &Release| view::release(settings, r, &counts, advised.as_ref(), now);
    let releases = releases.iter().map(shown).collect();
    answer(&app, &ReleasesAnswer { releases })
}

/// One release and its README.
#[utoipa::path(get, path = "/v1/package/{id}/releases/{version}", tag = "read",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped"),
        ("version" = String, Path, description = "In any spelling that its order takes for the same")),
    responses((status = 200, body = ReleaseAnswer), (status = 404, body = packhouse_core::api::ErrorBody),
        (status = 410, body = packhouse_core::api::ErrorBody), (status = 451, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn release(State(app): State<App>, Id(id): Id, params: Params) -> ApiResult<Page> {
    let release = served(&app, &id, params.get("version").unwrap_or_default()).await?;
    let counts = app.ledger.downloads(&id).await?;
    let advised = app.ledger.advised(&id).await?;
    let (settings, now) = (&app.settings, app.clock.now());
    let info = view::release(settings, &release, &counts, advised.as_ref(), now);
    let readme = files::readme(&app, &release).await?;
    answer(&app, &ReleaseAnswer { info, readme })
}

/// What a release says of itself, in full, with its manifest as JSON.
#[utoipa::path(get, path = "/v1/package/{id}/-/manifest/{version}", tag = "read",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped"),
        ("version" = String, Path, description = "The version")),
    responses((status = 200, body = ManifestAnswer), (status = 404, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn manifest(
    State(app): State<App>,
    Id(id): Id,
    params: Params,
) -> ApiResult<Page> {
    let release = served(&app, &id, params.get("version").unwrap_or_default()).await?;
    let described = release.described;
    answer(
        &app,
        &ManifestAnswer {
            schema: SCHEMA,
            identifier: release.identifier.to_string(),
            version: release.version.text().to_owned(),
            format: described.format,
            native: described.native,
            keywords: described.keywords,
            dependencies: described.dependencies,
            exports: described.exports,
            requires: described.requires,
            original: described.original,
        },
    )
}

fn answer(app: &App, value: &impl serde::Serialize) -> ApiResult<Page> {
    Page::json(value, Fresh::Revalidate, app.settings.private)
}

/// All visible releases of a package, of which there is at least one.
///
/// # Errors
///
/// `not-found` with what was probably meant.
pub(crate) async fn all(app: &App, id: &Identifier) -> ApiResult<Vec<Release>> {
    let releases = app.ledger.releases(id).await?;
    if releases.is_empty() { Err(no_package(app, id).await) } else { Ok(releases) }
}

/// A release that is in service, by a version in any spelling, with or without a leading `v`.
///
/// # Errors
///
/// `not-found`, `removed` or `quarantined`, with the reason.
pub(crate) async fn served(app: &App, id: &Identifier, text: &str) -> ApiResult<Release> {
    // The text as it is, first: that is what nearly everybody sends, and it needs no list.
    let release = match app.ledger.release(id, text).await? {
        Some(release) => release,
        None => {
            let all = all(app, id).await?;
            let spelled = all.iter().map(|r| r.version.order()).find_map(|order| {
                let bare = text.strip_prefix(['v', 'V']).unwrap_or(text);
                let version = Version::parse(order, bare).ok()?;
                all.iter().find(|r| r.version == version)
            });
            let Some(found) = spelled else { return Err(no_release(id, text, all)) };
            let found = app.ledger.release(id, found.version.key()).await?;
            found.ok_or_else(|| no_release(id, text, Vec::new()))?
        }
    };
    match out_of_service(&release) {
        Some(error) => Err(error),
        None => Ok(release),
    }
}

/// Why a release is not served, if it is not.
pub(crate) fn out_of_service(release: &Release) -> Option<ApiError> {
    let name = format!("`{}@{}`", release.identifier, release.version);
    if let Some(mark) = &release.marks.removed {
        return Some(ApiError::new(
            ErrorCode::Removed,
            format!("{name} was removed by an operator: {}", printable(&mark.reason)),
            "it does not come back; use another version",
        ));
    }
    let mark = release.marks.quarantined.as_ref()?;
    Some(ApiError::new(
        ErrorCode::Quarantined,
        format!("{name} was taken out of service by an operator: {}", printable(&mark.reason)),
        "use another version, or ask the operator",
    ))
}

/// The answer for a package without a release that can be shown: why its newest one cannot.
pub(super) fn unavailable(releases: &[Release]) -> ApiError {
    let newest = releases.iter().max_by(|a, b| a.version.cmp(&b.version));
    newest
        .and_then(out_of_service)
        .unwrap_or_else(|| ApiError::new(ErrorCode::NotFound, "the package has no releases", ""))
}

async fn no_package(app: &App, id: &Identifier) -> ApiError {
    let near = catalogue::near(app, id).await;
    let help = match near.as_slice() {
        [] => "search with `GET /v1/packages?query=`".to_owned(),
        near => {
            let names: Vec<_> = near.iter().map(|name| format!("`{name}`")).collect();
            format!("did you mean {}?", names.join(" or "))
        }
    };
    ApiError::new(ErrorCode::NotFound, format!("there is no package `{id}`"), help)
        .fact("near", near)
}

fn no_release(id: &Identifier, text: &str, all: Vec<Release>) -> ApiError {
    let text = printable(&text.chars().take(128).collect::<String>());
    let help = view::latest(all).map_or_else(
        || format!("list them with `GET /v1/package/{id}/releases`"),
        |latest| format!("the latest is `{}`", latest.version),
    );
    ApiError::new(ErrorCode::NotFound, format!("`{id}` has no release `{text}`"), help)
}
