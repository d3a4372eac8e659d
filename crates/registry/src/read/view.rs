//! What a release looks like to readers: records become wire types.

use jiff::Timestamp;
use packhouse_core::api::read::{
    Artifact, Artifacts, Hashes, ImportStatement, IndexFile, IndexVersion, Layout, Layouts,
    PackageInfo, ReleaseInfo, Require, Requires,
};
use packhouse_core::claims::Publisher;
use packhouse_core::manifest::{Dependency, Export, NativeName, Target};
use packhouse_core::quality::{Advised, Notice};
use packhouse_core::release::{Attachment, Head, Mark, Release, SCHEMA};
use packhouse_core::requirement::{Grammar, Requirement};

use crate::app::Settings;
use crate::downloads::stats;
use crate::ports::Downloads;
use crate::urls;

/// The releases that lists show, in the order that is this registry's promise: stable ones newest
/// first, then prereleases, then yanked ones. Clients that take the first get the latest, and pins
/// on yanked ones are found all the same. Quarantined and removed ones are left out.
pub(crate) fn listed(mut releases: Vec<Release>) -> Vec<Release> {
    releases.retain(|r| r.marks.quarantined.is_none() && r.marks.removed.is_none());
    releases.sort_by(|a, b| {
        let rank = |r: &Release| (r.marks.yanked.is_some(), r.version.is_prerelease());
        rank(a).cmp(&rank(b)).then_with(|| b.version.cmp(&a.version))
    });
    releases
}

/// The latest of a package's releases: the first that lists show.
pub fn latest(releases: Vec<Release>) -> Option<Release> {
    listed(releases).into_iter().next()
}

/// One release. `counts` are the package's.
pub(super) fn release(
    settings: &Settings,
    release: &Release,
    counts: &[Downloads],
    advised: Option<&Advised>,
    now: Timestamp,
) -> ReleaseInfo {
    let described = &release.described;
    let marks = &release.marks;
    let replacement = |mark: &Option<Mark>| mark.as_ref().and_then(|m| m.replacement.clone());
    ReleaseInfo {
        created_at: release.created_at.to_string(),
        released_at: release.released_at.to_string(),
        key: object_key(release),
        identifier: release.identifier.to_string(),
        version: release.version.text().to_owned(),
        repository: described.repository.clone(),
        authors: described.authors.clone(),
        license: described.license.clone(),
        summary: described.summary.clone(),
        homepage: described.homepage.clone(),
        readme_url: readme_url(settings, release),
        url: urls::page(settings, &release.identifier),
        stats: stats(counts, Some(release.version.key()), now),
        hashes: Hashes { sha256: release.digest.hex() },
        filename: urls::archive_name(release),
        git_ref: release.git_ref.clone(),
        requires_atopile: requires_atopile(release),
        size: release.bytes,
        download_url: urls::archive(settings, release),
        builds: builds(release),
        dependencies: requires(&described.dependencies),
        artifacts: release.attachments.as_deref().map(|files| artifacts(settings, files)),
        layouts: release.attachments.as_deref().and_then(|files| layouts(settings, files)),
        yanked_at: marks.yanked.as_ref().map(|m| m.at.to_string()),
        yanked_reason: marks.yanked.as_ref().map(|m| m.reason.clone()),
        import_statements: import_statements(release),
        format: described.format.clone(),
        tree_digest: release.tree_digest.to_string(),
        prerelease: release.version.is_prerelease(),
        deprecated_at: marks.deprecated.as_ref().map(|m| m.at.to_string()),
        deprecated_reason: marks.deprecated.as_ref().map(|m| m.reason.clone()),
        replacement: replacement(&marks.yanked).or_else(|| replacement(&marks.deprecated)),
        publisher: release.publisher.clone(),
        warnings: release.warnings.clone(),
        quality: release.quality.clone(),
        advisories: notices(release, advised),
    }
}

/// A package as its `latest` release describes it.
pub(super) fn package(
    settings: &Settings,
    head: Option<&Head>,
    latest: &Release,
    counts: &[Downloads],
    advised: Option<&Advised>,
    now: Timestamp,
) -> PackageInfo {
    let described = &latest.described;
    PackageInfo {
        created_at: head.map_or(latest.released_at, |h| h.created_at).to_string(),
        released_at: latest.released_at.to_string(),
        key: object_key(latest),
        identifier: head.map_or(&latest.identifier, |h| &h.identifier).to_string(),
        version: latest.version.text().to_owned(),
        repository: described.repository.clone(),
        authors: described.authors.clone(),
        license: described.license.clone(),
        summary: described.summary.clone(),
        homepage: described.homepage.clone(),
        readme_url: readme_url(settings, latest),
        url: urls::page(settings, &latest.identifier),
        stats: stats(counts, None, now),
        format: described.format.clone(),
        native: head.and_then(|h| h.native.clone()),
        quality: latest.quality.clone(),
        advisories: notices(latest, advised),
    }
}

/// The advisories about a release, where it is the one that was looked at.
fn notices(release: &Release, advised: Option<&Advised>) -> Option<Vec<Notice>> {
    let of = advised.filter(|advised| advised.version == release.version.text())?;
    Some(of.notices.clone())
}

/// The index file of a package: every version that was ever released, highest first.
pub(super) fn index(
    identifier: &str,
    native: Option<NativeName>,
    mut all: Vec<Release>,
) -> IndexFile {
    all.sort_by(|a, b| b.version.cmp(&a.version));
    let versions = all.iter().map(index_version).collect();
    let latest = latest(all).filter(|r| r.marks.yanked.is_none());
    let exports = latest.iter().flat_map(|r| &r.described.exports).map(Into::into).collect();
    let latest = latest.map(|r| r.version.text().to_owned());
    let identifier = identifier.to_owned();
    IndexFile { schema: SCHEMA, identifier, native, latest, exports, versions }
}

/// The workflow's path in its repository: without the repository's name, which may change, and the
/// ref that it ran at, which every release changes.
fn workflow(publisher: &Publisher) -> Option<String> {
    let Publisher::Oidc(job) = publisher else { return None };
    let path = job.workflow_ref.as_ref()?.splitn(3, '/').nth(2)?;
    Some(path.split_once('@').map_or(path, |(path, _)| path).to_owned())
}

fn index_version(release: &Release) -> IndexVersion {
    let marks = &release.marks;
    let mark = |mark: &Option<Mark>| mark.as_ref().map(Into::into);
    IndexVersion {
        version: release.version.text().to_owned(),
        order: release.version.order(),
        format: release.described.format.clone(),
        digest: release.digest.hex(),
        tree_digest: release.tree_digest.to_string(),
        bytes: release.bytes,
        released_at: release.released_at.to_string(),
        publisher: (&release.publisher).into(),
        workflow: workflow(&release.publisher),
        dependencies: release.described.dependencies.clone(),
        requires: release.described.requires.clone(),
        yanked: mark(&marks.yanked),
        deprecated: mark(&marks.deprecated),
        quarantined: mark(&marks.quarantined),
        removed: mark(&marks.removed),
    }
}

fn object_key(release: &Release) -> String {
    format!("blobs/sha256/{}", release.digest)
}

fn readme_url(settings: &Settings, release: &Release) -> Option<String> {
    release.readme.as_ref().map(|readme| urls::file(settings, release, &readme.path))
}

/// `ato` takes a text only, refuses to install (and to look at older releases) when it cannot read
/// it, and reads no blanks inside. `*` admits every version of it.
fn requires_atopile(release: &Release) -> String {
    let tool = release.described.requires.iter().find(|tool| tool.name == "atopile");
    let requirement = tool.and_then(|tool| tool.requirement.as_ref());
    let readable = requirement.filter(|r| r.grammar() == Grammar::Ato);
    readable.map_or_else(
        || "*".to_owned(),
        |r| r.text().chars().filter(|c| !c.is_whitespace()).collect(),
    )
}

/// The dependencies that `ato` resolves: packages of this registry, unconditional, once each.
fn requires(dependencies: &[Dependency]) -> Requires {
    let requires = dependencies.iter().filter(|d| d.condition.is_none()).filter_map(|dependency| {
        let Target::Registry { identifier } = &dependency.target else { return None };
        let exact = dependency.requirement.as_ref().filter(|r| r.is_exact());
        Some(Require {
            kind: "registry".to_owned(),
            identifier: identifier.to_string(),
            release: exact.map(exact_version),
        })
    });
    Requires { requires: requires.collect() }
}

/// The version in a requirement that admits one only: `=1.2.3` and `==1.2.3` name `1.2.3`.
fn exact_version(requirement: &Requirement) -> String {
    requirement.text().trim_matches(|c: char| c == '=' || c.is_whitespace()).to_owned()
}

fn build_exports(release: &Release) -> impl Iterator<Item = &Export> {
    release.described.exports.iter().filter(|export| export.kind == "build")
}

/// Names of the build targets; `null` for packages that are not built.
fn builds(release: &Release) -> Option<Vec<String>> {
    let names: Vec<_> = build_exports(release).map(|export| export.name.clone()).collect();
    (release.described.format == "ato" || !names.is_empty()).then_some(names)
}

/// `from "<id>/<file>" import <Module>` for each target whose entry is `<file>:<Module>`.
fn import_statements(release: &Release) -> Option<Vec<ImportStatement>> {
    let statements: Vec<_> = build_exports(release)
        .filter_map(|export| {
            let (file, module) = export.details.get("entry")?.as_str()?.rsplit_once(':')?;
            // What would end the quoted text or the line cannot be imported like this.
            let plain = |text: &str| !text.is_empty() && !text.contains(['"', '\\', '\n', '\r']);
            (plain(file) && plain(module)).then(|| ImportStatement {
                build_name: export.name.clone(),
                import_statement: format!("from \"{}/{file}\" import {module}", release.identifier),
            })
        })
        .collect();
    (!statements.is_empty()).then_some(statements)
}

fn artifacts(settings: &Settings, files: &[Attachment]) -> Artifacts {
    let artifacts = files.iter().map(|file| Artifact {
        filename: urls::file_name(&file.path).to_owned(),
        url: urls::attachment(settings, file),
        size: file.bytes,
        hashes: Hashes { sha256: file.digest.hex() },
        build_name: file.path.split_once('/').map(|(target, _)| target.to_owned()),
    });
    Artifacts { artifacts: artifacts.collect() }
}

/// The board of each target: `<target>/<target>.kicad_pcb`, else the first one in its folder.
fn layouts(settings: &Settings, files: &[Attachment]) -> Option<Layouts> {
    let mut boards: Vec<(&str, &Attachment)> = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".kicad_pcb")) {
        let Some((target, name)) = file.path.split_once('/') else { continue };
        let own = name.strip_suffix(".kicad_pcb") == Some(target);
        match boards.iter_mut().find(|(seen, _)| *seen == target) {
            Some(board) if own => board.1 = file,
            Some(_) => {}
            None => boards.push((target, file)),
        }
    }
    let layouts: Vec<_> = boards
        .into_iter()
        .map(|(target, file)| Layout {
            build_name: target.to_owned(),
            url: urls::attachment(settings, file),
        })
        .collect();
    (!layouts.is_empty()).then_some(Layouts { layouts })
}
