//! `packhouse admin import` of a git repository: every version that its history holds, packed from
//! its commit and put in as imported.
//!
//! What stands already is found by its digest, so an import that was cut short is simply run again. One
//! that cannot go on reports what it did, and where it stopped.

use std::path::{Path, PathBuf};

use packhouse_client::scratch::Scratch;
use packhouse_client::{Client, ClientError};
use packhouse_core::api::read::IndexFile;
use packhouse_core::api::transfer::ReleaseImport;
use packhouse_core::api::{ErrorCode, LocalCode};
use packhouse_core::claims::Provenance;
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::limits::Limits;
use packhouse_core::secret::Secret;
use packhouse_core::source::Setting;
use packhouse_forge::git::{GitError, History, repository_of, without_credentials};
use packhouse_forge::rebuild::{Candidate, RebuildError, Rebuilt, Workshop, find};

use super::report::{Report, Row, Status};
use crate::args::Import;
use crate::context;
use crate::exit::{self, Exit, Stop};
use crate::ui::{Ui, shown};

/// Where repositories are fetched to, in the folder of caches.
const FETCHED: &str = "import";

pub(crate) fn rebuild(
    args: &Import,
    client: &Client,
    token: &Secret,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let limits = args.limits()?;
    ui.step("reading the history");
    let Read { history, source, place: _place } = open(args, &limits)?;
    let repository = match repository_of(&args.source) {
        Some(repository) => Some(repository),
        None => history.repository().map_err(unreadable)?,
    };
    let setting = Setting { repository, ..Setting::default() };
    let (candidates, mut skipped) =
        find(&history, &args.path, &setting, &limits).map_err(unreadable)?;
    let mut workshop = Workshop::new(&history, &setting, &limits);
    let mut import =
        Importing { client, token, source: &source, dry_run: args.dry_run, index: None };
    let (mut rows, mut failure) = (Vec::new(), None);
    for (at, candidate) in candidates.iter().enumerate() {
        ui.step(&format!("version {} of {}", at + 1, candidates.len()));
        let rebuilt = match workshop.pack(candidate) {
            None => continue,
            Some(Err(why)) => {
                skipped.push(why);
                continue;
            }
            Some(Ok(rebuilt)) => rebuilt,
        };
        let mut row = row(candidate, &rebuilt);
        let result = import.version(candidate, &rebuilt, &mut row);
        if let Err(error) = &result {
            row.status = Status::Failed;
            let code = error.code().map(ErrorCode::as_str);
            let code = code.or(error.local_code().map(LocalCode::as_str));
            row.code = code.map(str::to_owned);
            row.reason = Some(error.to_string());
        }
        rows.push(row);
        if let Err(error) = result {
            failure = Some(error);
            break;
        }
    }
    let report = Report::new(source, args.dry_run, rows, skipped);
    if let Some(path) = &args.report {
        super::write(path, &serde_json::to_vec_pretty(&report)?, true)?;
    }
    report.tell(ui)?;
    Ok(match failure {
        Some(error) => exit::tell(&error.into(), ui),
        None => report.exit(),
    })
}

/// Where a repository is fetched to; gone with the run.
enum Place {
    Cache(Scratch),
    /// Where there is no folder for caches.
    System(tempfile::TempDir),
}

impl Place {
    fn new(args: &Import) -> anyhow::Result<Self> {
        let Some(cache) = args.cache_dir.clone().or_else(context::cache_dir) else {
            return Ok(Self::System(tempfile::tempdir()?));
        };
        let scratch = Scratch::below(&cache.join(FETCHED)).map_err(|e| {
            Stop::usage(
                format!("the cache `{}` cannot be used: {e}", shown(&cache)),
                "give another place with `--cache-dir`, or set PACKHOUSE_CACHE_DIR",
            )
        })?;
        let root = scratch.root().to_owned();
        // Where it cannot be set, the next run sweeps.
        let _ = ctrlc::set_handler(move || {
            let _ = std::fs::remove_dir_all(&root);
            std::process::exit(130);
        });
        Ok(Self::Cache(scratch))
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Cache(scratch) => scratch.path(),
            Self::System(folder) => folder.path().to_owned(),
        }
    }
}

/// A history that was read.
struct Read {
    history: History,
    /// How it is recorded.
    source: String,
    /// Where it lies as long as it is read.
    place: Option<Place>,
}

/// The history of a folder or an address.
fn open(args: &Import, limits: &Limits) -> anyhow::Result<Read> {
    let source = &args.source;
    if !source.contains("://") {
        let path = Path::new(source);
        let history = History::of(path).map_err(unreadable)?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // Where it lies on the operator's disk is nobody's business.
        let name = absolute.file_name().unwrap_or_default().to_string_lossy();
        return Ok(Read { history, source: excerpt(&name, 200), place: None });
    }
    let place = Place::new(args)?;
    let history = History::fetch(source, &place.path(), limits).map_err(unreadable)?;
    Ok(Read { history, source: without_credentials(source), place: Some(place) })
}

fn unreadable(error: impl Into<RebuildError>) -> Stop {
    let error = error.into();
    let hint = match &error {
        RebuildError::Git(GitError::NoProgram(_)) => "install git",
        RebuildError::Git(GitError::Large(_)) => {
            "clone it yourself and name the folder, or raise `--limit repository_bytes=…`"
        }
        RebuildError::Git(GitError::Slow(..)) => "clone it yourself, and name the folder",
        RebuildError::Git(_) => "name an export's folder, a git repository, or its address",
        RebuildError::Pattern(_) | RebuildError::TooMany(_) => "give another `--path`",
    };
    Stop::usage(error.to_string(), hint)
}

fn row(candidate: &Candidate, rebuilt: &Rebuilt) -> Row {
    Row {
        identifier: candidate.identifier.to_string(),
        version: candidate.version.text().to_owned(),
        status: Status::WouldImport,
        commit: rebuilt.commit.clone(),
        tag: candidate.tag.as_deref().map(|tag| excerpt(tag, 250)),
        path: excerpt(&candidate.folder, 250),
        digest: rebuilt.ready.archive.digest,
        code: None,
        reason: None,
    }
}

/// The registry's side of an import.
struct Importing<'a> {
    client: &'a Client,
    token: &'a Secret,
    source: &'a str,
    dry_run: bool,
    /// What the registry has of the package that was asked for last; by key.
    index: Option<(String, Option<IndexFile>)>,
}

impl Importing<'_> {
    /// Puts a version in, unless it stands or this is a rehearsal; `row` tells what became of it.
    ///
    /// # Errors
    ///
    /// [`ClientError`] for what would stop every other version, too.
    fn version(
        &mut self,
        candidate: &Candidate,
        rebuilt: &Rebuilt,
        row: &mut Row,
    ) -> Result<(), ClientError> {
        if self.stands(candidate, rebuilt)? {
            row.status = Status::AlreadyThere;
            return Ok(());
        }
        if self.dry_run {
            return Ok(());
        }
        let provenance = Provenance {
            repository: self.source.to_owned(),
            commit: rebuilt.commit.clone(),
            tag: candidate.tag.as_deref().map(printable),
            path: printable(&candidate.folder),
            committed_at: jiff::Timestamp::from_second(rebuilt.seconds).unwrap_or_default(),
        };
        match self.send(rebuilt, provenance) {
            Ok(true) => row.status = Status::AlreadyThere,
            Ok(false) => row.status = Status::Imported,
            Err(ClientError::Refused(refusal))
                if is_about_the_version(refusal.status, refusal.code) =>
            {
                row.status = Status::Refused;
                row.code = refusal.code.map(|code| code.as_str().to_owned());
                row.reason = Some(refusal.message.clone());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether the registry has this very content.
    fn stands(&mut self, candidate: &Candidate, rebuilt: &Rebuilt) -> Result<bool, ClientError> {
        let key = candidate.identifier.key();
        if self.index.as_ref().is_none_or(|(held, _)| held != key) {
            self.index = Some((key.to_owned(), self.client.index(&candidate.identifier)?));
        }
        let digest = rebuilt.ready.archive.digest.hex();
        let index = self.index.as_ref().and_then(|(_, index)| index.as_ref());
        Ok(index.is_some_and(|index| {
            let mut versions = index.versions.iter();
            versions.any(|held| held.digest == digest && held.removed.is_none())
        }))
    }

    fn send(&self, rebuilt: &Rebuilt, provenance: Provenance) -> Result<bool, ClientError> {
        let ready = &rebuilt.ready;
        self.client.import_blob(self.token, &ready.archive.digest, &ready.archive.bytes)?;
        let release = ReleaseImport {
            identifier: ready.identifier.to_string(),
            version: ready.version.text().to_owned(),
            order: ready.order,
            format: ready.format.to_owned(),
            digest: ready.archive.digest.hex(),
            provenance,
        };
        self.client.import_release(self.token, &release).map(|answer| answer.was_there)
    }
}

/// Whether a refusal says nothing of the other versions, as one of the token would.
fn is_about_the_version(status: u16, code: Option<ErrorCode>) -> bool {
    matches!(status, 400 | 409 | 413 | 422) || code == Some(ErrorCode::NameReserved)
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
}
