//! `/fppm/registry.yaml`: the registry as one file, whole or of one owner.

use axum::extract::State;
use http::header::{self, HeaderValue};
use packhouse_core::escape::excerpt;
use packhouse_core::fppm::Shortname;
use packhouse_core::fppm::export::{Export, Exported};
use packhouse_core::fppm::registry::prefixed;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;

use super::address::Sources;
use super::repository::{DEVEL, MAIN};
use super::{Answer, FORMAT, YAML, newest, releases, unknown};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::read::Params;

/// Packages in one file, at most.
const PACKAGES: usize = 5_000;
/// Packages that are looked through in one step.
const PORTION: usize = 500;

/// All packages of F Prime, as the registry that `fppm registries --add` takes.
#[utoipa::path(get, path = "/fppm/registry.yaml", tag = "fppm",
    responses((status = 200, description = "A registry of F Prime, as YAML")))]
pub(crate) async fn whole(State(app): State<App>) -> Answer<Page> {
    export(&app, None).await
}

/// The packages of one owner, as a registry.
#[utoipa::path(get, path = "/fppm/{owner}/registry.yaml", tag = "fppm",
    params(("owner" = String, Path, description = "The owner, in any case")),
    responses((status = 200, description = "A registry of F Prime, as YAML"),
        (status = 404, description = "The owner has no packages, as a map of YAML")))]
pub(crate) async fn of_owner(State(app): State<App>, params: Params) -> Answer<Page> {
    export(&app, params.get("owner")).await
}

/// A package with the releases that are shown.
struct Package {
    identifier: Identifier,
    releases: Vec<Release>,
}

async fn export(app: &App, owner: Option<&str>) -> Answer<Page> {
    let snapshot = app.reads.catalogue.snapshot(app).await?;
    let (mut packages, mut after) = (Vec::new(), None);
    while packages.len() < PACKAGES {
        let portion = snapshot.portion(after.as_ref(), PORTION);
        let Some(last) = portion.last() else { break };
        after = Some(last.identifier.clone());
        for entry in portion.into_iter().filter(|entry| entry.format == FORMAT) {
            let identifier = entry.identifier;
            let releases = releases(app, &identifier).await?;
            packages.push(Package { identifier, releases });
        }
    }
    let mut sources = Sources::default();
    for package in &packages {
        sources.note(&package.identifier, &package.releases);
    }
    if let Some(owner) = owner {
        packages.retain(|package| package.identifier.owner().eq_ignore_ascii_case(owner));
        if packages.is_empty() {
            let message = format!("`{}` has no packages of F Prime here", excerpt(owner, 80));
            return Err(unknown(message, "`/fppm/registry.yaml` lists all packages"));
        }
    }
    let text = write(app, owner, &packages, &sources).await?;
    let page = Page::new(text, YAML, Fresh::Minute, app.settings.private);
    let page = page.header(header::CONTENT_DISPOSITION, HeaderValue::from_static("inline"));
    Ok(page.kept(snapshot.is_current(app.ledger.generation()?)))
}

async fn write(
    app: &App,
    owner: Option<&str>,
    packages: &[Package],
    sources: &Sources,
) -> Answer<String> {
    let host = app.settings.public_url.host();
    let about = &app.settings.fppm;
    let or = |text: &Option<String>, other: String| text.clone().unwrap_or(other);
    let mut export = Export {
        name: or(&about.name, host.to_owned()),
        publisher: or(&about.publisher, host.to_owned()),
        description: or(&about.description, format!("Packages of F Prime at {host}")),
        ..Export::default()
    };
    if let Some(first) = owner.and(packages.first()) {
        let owner = first.identifier.owner();
        export.description = format!("Packages of `{owner}`. {}", export.description);
    }
    let all = packages.iter().flat_map(|package| &package.releases);
    let last = all.map(|release| release.released_at).max();
    export.updated_on = last.map_or_else(|| "never".to_owned(), |at| at.to_string());
    for Package { identifier, releases } in packages {
        for (prerelease, branch) in [(false, MAIN), (true, DEVEL)] {
            let Some(release) = newest(releases, prerelease) else { continue };
            let Some(namespace) = namespace(packages, identifier, prerelease) else { continue };
            let exported = exported(app, release, sources, branch).await?;
            export.insert(&namespace, identifier.name(), exported);
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
) -> Answer<Exported> {
    let (version, description) =
        (release.version.text().to_owned(), release.described.summary.clone());
    if let Some(found) = sources.address(release) {
        let (git, stable, branch) = (found.git, found.commit, found.branch);
        return Ok(Exported { git, stable, branch, version, description });
    }
    let made = app.reads.packs.of(app, release).await?;
    let Release { identifier, .. } = release;
    let path = format!("/fppm/git/{}/{}.git", identifier.owner(), identifier.name());
    Ok(Exported {
        git: app.settings.public_url.join(&path),
        stable: made.commit.clone(),
        branch: branch.to_owned(),
        version,
        description,
    })
}
