//! `/fppm/registry.yaml`: the registry as one file, whole or of one owner.

use axum::extract::State;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::header::{self, HeaderValue};
use packhouse_core::escape::excerpt;
use packhouse_core::fppm::Shortname;
use packhouse_core::fppm::clash::prefixed;
use packhouse_core::fppm::export::{Export, Exported, Stable};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::Release;

use super::address::Sources;
use super::repository::{DEVEL, MAIN};
use super::{FORMAT, YAML, newest, releases, unknown};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::compat::flat;
use crate::error::ApiResult;
use crate::ports::{Listing, StoreResult};
use crate::read::Params;

/// Packages in one file, at most.
pub(super) const PACKAGES: usize = 5_000;
/// Packages that are looked through in one step.
pub(super) const PORTION: usize = 500;

/// All packages of F Prime, as the registry that `fppm registries --add` takes.
#[utoipa::path(get, path = "/fppm/registry.yaml", tag = "fppm",
    responses((status = 200, description = "A registry of F Prime, as YAML")))]
pub(crate) async fn whole(State(app): State<App>) -> ApiResult<Page> {
    export(&app, None).await
}

/// The packages of one owner, as a registry.
#[utoipa::path(get, path = "/fppm/{owner}/registry.yaml", tag = "fppm",
    params(("owner" = String, Path, description = "The owner, in any case")),
    responses((status = 200, description = "A registry of F Prime, as YAML"),
        (status = 404, description = "The owner has no packages, as a map of YAML")))]
pub(crate) async fn of_owner(State(app): State<App>, params: Params) -> ApiResult<Page> {
    export(&app, params.get("owner")).await
}

/// Packages that are read at once.
const READS: usize = 8;

/// A package with the releases that are shown.
struct Package {
    identifier: Identifier,
    releases: Vec<Release>,
}

async fn package(app: &App, identifier: Identifier) -> StoreResult<Package> {
    let releases = releases(app, &identifier).await?;
    Ok(Package { identifier, releases })
}

async fn export(app: &App, owner: Option<&str>) -> ApiResult<Page> {
    let snapshot = app.reads.catalogue.snapshot(app).await?;
    let (mut packages, mut after) = (Vec::new(), None);
    while packages.len() < PACKAGES {
        let portion = snapshot.portion(after.as_ref(), PORTION);
        let Some(last) = portion.last() else { break };
        after = Some(last.identifier.clone());
        let ours = portion.into_iter().filter(|entry| entry.format == FORMAT);
        // Futures in a list: as a mapped stream, a handler that awaits this is not known to be `Send`.
        let reads: Vec<_> = ours.map(|entry| package(app, entry.identifier)).collect();
        let read = futures_util::stream::iter(reads).buffered(READS);
        packages.extend(read.try_collect::<Vec<_>>().await?);
    }
    let mut sources = Sources::default();
    for package in &packages {
        sources.note(&package.identifier, &package.releases);
    }
    let mut listings = listings(app).await?;
    if let Some(owner) = owner {
        packages.retain(|package| package.identifier.owner().eq_ignore_ascii_case(owner));
        listings.retain(|(name, _)| name.namespace().eq_ignore_ascii_case(owner));
        if packages.is_empty() && listings.is_empty() {
            let message = format!("`{}` has no packages of F Prime here", excerpt(owner, 80));
            return Err(unknown(message, "`/fppm/registry.yaml` lists all packages"));
        }
    }
    let text = write(app, owner, &packages, &listings, &sources).await?;
    let page = Page::new(text, YAML, Fresh::Minute, app.settings.private);
    let page = page.header(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    Ok(page.kept(snapshot.is_current(app.ledger.generation()?)))
}

async fn write(
    app: &App,
    owner: Option<&str>,
    packages: &[Package],
    listings: &[(Shortname, Listing)],
    sources: &Sources,
) -> ApiResult<String> {
    let host = app.settings.public_url.host();
    let about = &app.ecosystems.fppm;
    let or = |text: &Option<String>, other: String| text.clone().unwrap_or(other);
    let mut export = Export {
        name: or(&about.name, host.to_owned()),
        publisher: or(&about.publisher, host.to_owned()),
        description: or(&about.description, format!("Packages of F Prime at {host}")),
        ..Export::default()
    };
    if let Some(owner) = owner {
        let owner = packages.first().map_or(owner, |first| first.identifier.owner());
        export.description = format!("Packages of `{owner}`. {}", export.description);
    }
    let all = packages.iter().flat_map(|package| &package.releases);
    let listed = listings.iter().map(|(_, listing)| listing.updated_at);
    let last = all.map(|release| release.released_at).chain(listed).max();
    export.updated_on = last.map_or_else(|| "never".to_owned(), |at| at.to_string());
    for Package { identifier, releases } in packages {
        for (prerelease, branch) in [(false, MAIN), (true, DEVEL)] {
            let Some(release) = newest(releases, prerelease) else { continue };
            let Some(namespace) = namespace(packages, identifier, prerelease) else { continue };
            let exported = exported(app, release, sources, branch).await?;
            export.insert(&namespace, identifier.name(), exported);
        }
    }
    for (name, listing) in listings {
        // What was published here, with a proof, comes before what somebody says of a repository.
        let taken =
            export.namespaces.get(name.namespace()).is_some_and(|n| n.contains_key(name.package()));
        if let Some(exported) = pointer(listing).filter(|_| !taken) {
            export.insert(name.namespace(), name.package(), exported);
        }
    }
    let names: Vec<Shortname> = export
        .namespaces
        .iter()
        .flat_map(|(namespace, packages)| packages.keys().map(move |name| (namespace, name)))
        .filter_map(|(namespace, name)| format!("{namespace}/{name}").parse().ok())
        .collect();
    for (short, long) in prefixed(names.iter()) {
        export.remarks.push(format!(
            "warning: `{long}` begins with the name of `{short}`: `fppm` 1.1.2 takes one for the other where both are installed"
        ));
    }
    if packages.len() >= PACKAGES {
        export.remarks.push(format!("warning: cut off after {PACKAGES} packages"));
    }
    Ok(export.write())
}

/// The namespace of a package: its owner as first spelled, for prereleases with `Devel` behind it.
/// `None` where an owner is called so: nobody's prereleases may pass for another's packages.
fn namespace(packages: &[Package], identifier: &Identifier, prerelease: bool) -> Option<String> {
    let same = |package: &&Package| package.identifier.owner_key() == identifier.owner_key();
    let owner = packages.iter().find(same).map_or(identifier, |p| &p.identifier).owner();
    if !prerelease {
        return Some(owner.to_owned());
    }
    let devel = format!("{owner}Devel");
    let taken = packages.iter().any(|p| p.identifier.owner().eq_ignore_ascii_case(&devel));
    (!taken).then_some(devel)
}

async fn exported(
    app: &App,
    release: &Release,
    sources: &Sources,
    branch: &str,
) -> ApiResult<Exported> {
    let (version, description) =
        (release.version.text().to_owned(), release.described.summary.clone());
    if let Some(found) = sources.address(release) {
        let stable = Stable::Commit { commit: found.commit, branch: found.branch };
        return Ok(Exported { git: found.git, stable, version, description });
    }
    let made = app.reads.packs.of(app, release).await?;
    let Release { identifier, .. } = release;
    let path = format!("/fppm/git/{}/{}.git", identifier.owner(), identifier.name());
    Ok(Exported {
        git: app.settings.public_url.join(&path),
        stable: Stable::Commit { commit: made.commit.clone(), branch: branch.to_owned() },
        version,
        description,
    })
}

/// The listings of F Prime that no package shadows.
async fn listings(app: &App) -> StoreResult<Vec<(Shortname, Listing)>> {
    let (mut found, mut after) = (Vec::new(), String::new());
    while found.len() < PACKAGES {
        let from = NativeName { ecosystem: FORMAT.to_owned(), name: after };
        let portion = app.ledger.listings(Some(&from), flat::PAGE).await?;
        let mut ours = portion.iter().filter(|listing| listing.name.ecosystem == FORMAT);
        let Some(last) = ours.next_back() else { break };
        after = last.name.name.clone();
        for listing in portion {
            let Ok(name) = listing.name.name.parse::<Shortname>() else { continue };
            let shown = listing.name.ecosystem == FORMAT && listing.entry.is_some();
            if shown && app.ledger.native(&listing.name).await?.is_none() {
                found.push((name, listing));
            }
        }
    }
    Ok(found)
}

/// What a listing points at.
fn pointer(listing: &Listing) -> Option<Exported> {
    let git = listing.entry.as_ref()?.git()?;
    let branch = git.reference.clone().unwrap_or_default();
    let stable = match &git.commit {
        Some(commit) => Stable::Commit { commit: commit.parse().ok()?, branch },
        None => Stable::Tag(git.reference.clone()?),
    };
    let (version, description) = (String::new(), String::new());
    Some(Exported { git: git.address.clone(), stable, version, description })
}
