//! `packhouse admin import` of a git repository: every version that its history holds, packed from
//! its commit and put in as imported.
//!
//! What stands already is found by its digest, so an import that was cut short is simply run again.

use std::path::Path;

use packhouse_client::{Client, ClientError};
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::IndexFile;
use packhouse_core::api::transfer::ReleaseImport;
use packhouse_core::claims::Provenance;
use packhouse_core::digest::Digest;
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::limits::Limits;
use packhouse_core::secret::Secret;
use packhouse_core::source::Setting;
use packhouse_forge::git::{GitError, History, repository_of};
use packhouse_forge::rebuild::{RebuildError, Rebuilt, Skipped, Workshop, find};
use serde::Serialize;

use crate::args::Import;
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

/// What became of a version.
#[derive(Serialize)]
struct Row {
    identifier: String,
    version: String,
    /// `imported`, `already-there`, `would-import` or `refused`.
    status: &'static str,
    commit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    path: String,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Default, Serialize)]
struct Counts {
    packages: usize,
    imported: usize,
    already_there: usize,
    would_import: usize,
    refused: usize,
    skipped: usize,
}

/// What `--report` writes.
#[derive(Serialize)]
struct Report {
    schema: u32,
    source: String,
    dry_run: bool,
    counts: Counts,
    versions: Vec<Row>,
    skipped: Vec<Skipped>,
}

pub(crate) fn rebuild(
    args: &Import,
    client: &Client,
    token: &Secret,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let folder = tempfile::tempdir()?;
    ui.step("reading the history");
    let (history, source) = open(&args.source, folder.path())?;
    let repository = match repository_of(&args.source) {
        Some(repository) => Some(repository),
        None => history.repository().map_err(unreadable)?,
    };
    let setting = Setting { repository, ..Setting::default() };
    let limits = Limits::default();
    let (candidates, mut skipped) =
        find(&history, &args.path, &setting, &limits).map_err(unreadable)?;
    let mut workshop = Workshop::new(&history, &setting, &limits);
    let (mut rows, mut index): (Vec<Row>, Option<(String, Option<IndexFile>)>) = (Vec::new(), None);
    for (at, candidate) in candidates.iter().enumerate() {
        ui.step(&format!("version {} of {}", at + 1, candidates.len()));
        let rebuilt = match workshop.pack(candidate).map_err(unreadable)? {
            None => continue,
            Some(Err(why)) => {
                skipped.push(why);
                continue;
            }
            Some(Ok(rebuilt)) => rebuilt,
        };
        let key = candidate.identifier.key();
        if index.as_ref().is_none_or(|(held, _)| held != key) {
            index = Some((key.to_owned(), client.index(&candidate.identifier)?));
        }
        let mut row = Row {
            identifier: candidate.identifier.to_string(),
            version: candidate.version.text().to_owned(),
            status: "would-import",
            commit: rebuilt.commit.clone(),
            tag: candidate.tag.as_deref().map(|tag| excerpt(tag, 250)),
            path: excerpt(&candidate.folder, 250),
            digest: rebuilt.ready.archive.digest,
            code: None,
            reason: None,
        };
        let index = index.as_ref().and_then(|(_, index)| index.as_ref());
        if stands(index, &rebuilt) {
            row.status = "already-there";
        } else if !args.dry_run {
            let provenance = Provenance {
                repository: source.clone(),
                commit: rebuilt.commit.clone(),
                tag: candidate.tag.as_deref().map(printable),
                path: printable(&candidate.folder),
                committed_at: jiff::Timestamp::from_second(rebuilt.seconds).unwrap_or_default(),
            };
            match send(client, token, &rebuilt, provenance) {
                Ok(was_there) => row.status = if was_there { "already-there" } else { "imported" },
                Err(ClientError::Refused(refusal))
                    if is_about_the_version(refusal.status, refusal.code) =>
                {
                    row.status = "refused";
                    row.code = refusal.code.map(|code| code.as_str().to_owned());
                    row.reason = Some(refusal.message.clone());
                }
                Err(error) => return Err(error.into()),
            }
        }
        rows.push(row);
    }
    let report = Report {
        schema: 1,
        source,
        dry_run: args.dry_run,
        counts: count(&rows, &skipped),
        versions: rows,
        skipped,
    };
    if let Some(path) = &args.report {
        super::write(path, &serde_json::to_vec_pretty(&report)?, true)?;
    }
    tell(&report, ui)?;
    Ok(if report.counts.refused > 0 { Exit::Conflict } else { Exit::Ok })
}

/// The history of a folder or an address, and how it is recorded.
fn open(source: &str, into: &Path) -> anyhow::Result<(History, String)> {
    if !source.contains("://") {
        let path = Path::new(source);
        let history = History::of(path).map_err(unreadable)?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // Where it lies on the operator's disk is nobody's business.
        let name = absolute.file_name().unwrap_or_default().to_string_lossy();
        return Ok((history, excerpt(&name, 200)));
    }
    let history = History::fetch(source, into).map_err(unreadable)?;
    Ok((history, public(source)))
}

/// An address without credentials.
fn public(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return excerpt(url, 400) };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    excerpt(&format!("{scheme}://{host}{path}"), 400)
}

fn unreadable(error: impl Into<RebuildError>) -> Stop {
    let error = error.into();
    let hint = match &error {
        RebuildError::Git(GitError::NoProgram(_)) => "install git",
        RebuildError::Git(_) => "name an export's folder, a git repository, or its address",
        RebuildError::Pattern(_) | RebuildError::TooMany(_) => "give another `--path`",
    };
    Stop::usage(error.to_string(), hint)
}

/// Whether the registry has this very content under this version.
fn stands(index: Option<&IndexFile>, rebuilt: &Rebuilt) -> bool {
    let digest = rebuilt.ready.archive.digest.hex();
    index.is_some_and(|index| {
        let mut versions = index.versions.iter();
        versions.any(|held| held.digest == digest && held.removed.is_none())
    })
}

/// Whether a refusal says nothing of the other versions, as one of the token would.
fn is_about_the_version(status: u16, code: Option<ErrorCode>) -> bool {
    matches!(status, 400 | 409 | 413 | 422) || code == Some(ErrorCode::NameReserved)
}

fn send(
    client: &Client,
    token: &Secret,
    rebuilt: &Rebuilt,
    provenance: Provenance,
) -> Result<bool, ClientError> {
    let ready = &rebuilt.ready;
    client.import_blob(token, &ready.archive.digest, &ready.archive.bytes)?;
    let release = ReleaseImport {
        identifier: ready.identifier.to_string(),
        version: ready.version.text().to_owned(),
        order: ready.order,
        format: ready.format.to_owned(),
        digest: ready.archive.digest.hex(),
        provenance,
    };
    client.import_release(token, &release).map(|answer| answer.was_there)
}

fn count(rows: &[Row], skipped: &[Skipped]) -> Counts {
    let of = |status: &str| rows.iter().filter(|row| row.status == status).count();
    let packages: std::collections::BTreeSet<_> = rows.iter().map(|row| &row.identifier).collect();
    Counts {
        packages: packages.len(),
        imported: of("imported"),
        already_there: of("already-there"),
        would_import: of("would-import"),
        refused: of("refused"),
        skipped: skipped.len(),
    }
}

/// One line a package, then what was left out, then the counts.
fn tell(report: &Report, ui: &Ui) -> anyhow::Result<()> {
    for skipped in &report.skipped {
        let name = skipped.identifier.as_deref().or(skipped.path.as_deref());
        let name = name.or(skipped.tag.as_deref()).unwrap_or("the repository");
        let version = skipped.version.as_ref().map(|v| format!("@{v}")).unwrap_or_default();
        ui.warn(&format!("`{name}{version}` is left out ({}): {}", skipped.code, skipped.reason));
    }
    for row in report.versions.iter().filter(|row| row.status == "refused") {
        let reason = row.reason.as_deref().unwrap_or_default();
        ui.error(&format!(
            "`{}@{}` was refused: {}",
            row.identifier,
            row.version,
            printable(reason)
        ));
    }
    let counts = &report.counts;
    let verb = if report.dry_run { "Planned" } else { "Imported" };
    ui.done(
        verb,
        &format!(
            "{} packages from {}: {} versions imported, {} to import, {} there already, {} refused, {} left out",
            counts.packages,
            report.source,
            counts.imported,
            counts.would_import,
            counts.already_there,
            counts.refused,
            counts.skipped,
        ),
    );
    if ui.json {
        return ui.print_json(report);
    }
    let mut lines = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for row in report.versions.iter().filter(|row| row.status != "refused") {
        lines.entry(&row.identifier).or_default().push(&row.version);
    }
    let line = |(package, versions): (&&str, &Vec<&str>)| {
        format!("{package}  {}\n", excerpt(&versions.join(" "), 400))
    };
    ui.print(&lines.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_the_right_ends_the_import_at_once() {
        assert!(is_about_the_version(409, Some(ErrorCode::VersionExists)));
        assert!(is_about_the_version(403, Some(ErrorCode::NameReserved)));
        assert!(!is_about_the_version(403, Some(ErrorCode::Forbidden)));
        assert!(!is_about_the_version(401, Some(ErrorCode::TokenInvalid)));
        assert!(!is_about_the_version(503, Some(ErrorCode::Unavailable)));
    }

    #[test]
    fn an_address_is_recorded_without_credentials() {
        for (url, shown) in [
            ("https://x:secret@example.org/a/b.git?token=1", "https://example.org/a/b.git"),
            ("ssh://git@example.org/a/b.git", "ssh://example.org/a/b.git"),
            ("file:///srv/a", "file:///srv/a"),
        ] {
            assert_eq!(public(url), shown);
        }
    }
}
