//! From a source to an installed pack: everything is checked before anything is moved in.

use std::path::Path;

use packhouse_core::attune::checksum;
use packhouse_core::attune::entry::{self, Pack};
use packhouse_core::attune::index::Entry;
use packhouse_core::attune::runtime::{self, Installed, Report};
use packhouse_core::attune::{Flaw, config};
use packhouse_core::escape::excerpt;

use super::event::{Event, Tell};
use super::fetch::{Fetched, fetch, fetch_listed};
use super::indices::Indices;
use super::record::{self, Record, state_folder};
use super::runner::{self, Failed, TestResult};
use super::runtimes;
use super::sign::PublicKey;
use super::source::Source;
use crate::error::ClientError;
use crate::guard::Guard;
use crate::project::source::Git;

/// What is to be installed, and how.
pub struct Install<'a> {
    /// As it was asked for; kept in the record.
    pub asked: &'a str,
    /// From where.
    pub source: Source,
    /// The folder of packs.
    pub packs_dir: &'a Path,
    /// The indices, in their order.
    pub indices: &'a [config::Source],
    /// Reads repositories.
    pub git: &'a dyn Git,
    /// What an archive must be signed with.
    pub key: Option<PublicKey>,
    /// Whether an installed pack is replaced.
    pub force: bool,
    /// Whether needs are not looked at, and tests not run.
    pub skip_deps: bool,
    /// Whether tests are not run.
    pub skip_tests: bool,
    /// The time, RFC 3339 in UTC.
    pub now: &'a str,
}

/// Why nothing was installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It could not be had, is not what was promised, or cannot be put there.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It is there, and is not to be replaced.
    #[error("the pack `{0}` is installed already")]
    Exists(String),
    /// It is no pack that can be used.
    #[error("the pack cannot be used{}", list(.0.iter().map(ToString::to_string)))]
    Invalid(Vec<Flaw>),
    /// Something that it needs is not here.
    #[error("the pack needs what is not here{}", list(.0.errors.iter().cloned()))]
    Unmet(Box<Report>),
    /// Its tests fail.
    #[error("the tests of the pack fail{}", list(failed(.0)))]
    Tests(Box<TestResult>),
}

fn list(lines: impl Iterator<Item = String>) -> String {
    lines.take(20).map(|line| format!("\n  - {}", excerpt(&line, 400))).collect()
}

fn failed(result: &TestResult) -> impl Iterator<Item = String> {
    result.runners.iter().filter(|runner| !runner.passed).map(|runner| {
        let code = runner.exit_code.map_or("was stopped".to_owned(), |c| format!("exit code {c}"));
        let last = runner.output.last().map(|line| format!(": {line}")).unwrap_or_default();
        format!("`{}` {code}{last}", runner.name)
    })
}

impl From<Failed> for InstallError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Flaw(flaw) => Self::Invalid(vec![flaw]),
            Failed::Client(error) => Self::Client(error),
        }
    }
}

/// Installs a pack, and answers its record.
///
/// # Errors
///
/// [`InstallError`]; then the folder of packs is as it was.
pub fn install(asked: &Install, tell: Tell) -> Result<Record, InstallError> {
    let (fetched, registry) = step("fetch", tell, || {
        let (fetched, registry) = bring(asked, tell)?;
        let commit = fetched.commit.as_deref().map(|c| format!(" at {c}")).unwrap_or_default();
        let message = format!("{} files{commit}", fetched.tree.len());
        Ok(((fetched, registry), message))
    })?;
    let pack = step("read", tell, || {
        let pack = entry::pack(&fetched.tree).map_err(InstallError::Invalid)?;
        for warning in &pack.warnings {
            tell(Event::Warning { message: warning.to_string() });
        }
        if let Some((_, listed)) = &registry {
            same(&pack, listed)?;
        }
        let message = format!("{} {}", pack.reference, excerpt(&pack.version, 60));
        Ok((pack, message))
    })?;
    let _one = enter(asked.packs_dir)?;
    let target = asked.packs_dir.join(&pack.reference);
    if !asked.force && fs_err::symlink_metadata(&target).is_ok() {
        return Err(InstallError::Exists(pack.reference));
    }
    let report = match asked.skip_deps {
        true => None,
        false => Some(step("dependencies", tell, || needs(&pack, asked.packs_dir, tell))?),
    };
    let staging = tempfile::Builder::new()
        .prefix("staging-")
        .tempdir_in(state_folder(asked.packs_dir))
        .map_err(ClientError::from)?;
    let tests = match asked.skip_deps || asked.skip_tests {
        true => None,
        false => Some(step("tests", tell, || tested(&fetched, &pack, staging.path(), tell))?),
    };
    let record = Record {
        schema: 1,
        reference: pack.reference.clone(),
        version: pack.version.clone(),
        source: excerpt(asked.asked, 2_000),
        kind: fetched.kind.to_owned(),
        url: fetched.url.clone(),
        registry: registry.map(|(name, _)| name),
        git_ref: fetched.git_ref.clone(),
        commit: fetched.commit.clone(),
        checksum: fetched.checksum,
        verified: fetched.verified.clone(),
        content: checksum::of_tree(&fetched.tree),
        validation: report.as_ref().and_then(Record::validation),
        tests,
        installed_at: asked.now.to_owned(),
    };
    step("install", tell, || {
        move_in(&fetched, &target, staging.path(), asked.packs_dir, &record)?;
        Ok(((), format!("{} {}", record.reference, excerpt(&record.version, 60))))
    })?;
    Ok(record)
}

/// One step, told when it begins and when it is done.
fn step<T>(
    name: &'static str,
    tell: Tell,
    work: impl FnOnce() -> Result<(T, String), InstallError>,
) -> Result<T, InstallError> {
    tell(Event::StepStarted { step: name });
    let (done, message) = work()?;
    tell(Event::StepCompleted { step: name, message });
    Ok(done)
}

type Brought = (Fetched, Option<(String, Entry)>);

fn bring(asked: &Install, tell: Tell) -> Result<Brought, ClientError> {
    let Source::Index { reference, version } = &asked.source else {
        return Ok((fetch(&asked.source, asked.git, asked.key.as_ref(), tell)?, None));
    };
    let indices = Indices { sources: asked.indices, packs_dir: asked.packs_dir };
    let listed = indices.find(reference, version.as_deref(), tell)?;
    let mut failed: Option<ClientError> = None;
    for source in listed.entry.sources() {
        let broken = matches!(failed, Some(ClientError::Integrity(_)));
        if let Some(error) = &failed {
            // After content that was not the promised one, only a promise that holds will do.
            if broken && source.checksum().is_none() {
                break;
            }
            tell(Event::Warning { message: error.to_string() });
        }
        match fetch_listed(source, asked.git, tell) {
            Ok(fetched) => return Ok((fetched, Some((listed.registry, listed.entry)))),
            // Content that was not the promised one is what somebody should know of first.
            Err(error) if !broken => failed = Some(error),
            Err(error) => tell(Event::Warning { message: error.to_string() }),
        }
    }
    Err(failed.unwrap_or_else(|| {
        ClientError::usage(format!("the index names no source of `{reference}`"), "tell its keeper")
    }))
}

/// Holds the content against what the index says of it.
fn same(pack: &Pack, listed: &Entry) -> Result<(), ClientError> {
    if pack.reference == listed.reference && pack.version == listed.version {
        return Ok(());
    }
    Err(ClientError::Integrity(format!(
        "the index lists `{}` {}, and what it leads to is `{}` {}",
        listed.reference,
        excerpt(&listed.version, 60),
        pack.reference,
        excerpt(&pack.version, 60)
    )))
}

fn needs(pack: &Pack, packs_dir: &Path, tell: Tell) -> Result<(Report, String), InstallError> {
    let report = runtime::check(pack, &runtimes::detect, &|name| {
        let found = entry::pack(&record::manifest(packs_dir, name)?).ok()?;
        Some(Installed { needs: found.needs(), version: found.version })
    });
    for message in &report.warnings {
        tell(Event::Warning { message: message.clone() });
    }
    match report.valid {
        true => {
            let found = report.runtime_deps.len() + report.pack_deps.len();
            Ok((report, format!("{found} checked")))
        }
        false => Err(InstallError::Unmet(Box::new(report))),
    }
}

fn tested(
    fetched: &Fetched,
    pack: &Pack,
    scratch: &Path,
    tell: Tell,
) -> Result<(TestResult, String), InstallError> {
    let result = runner::test(&fetched.tree, &pack.manifest, scratch)?;
    if result.status == "warned" {
        for message in failed(&result) {
            tell(Event::Warning { message });
        }
    }
    match result.status.as_str() {
        "failed" => Err(InstallError::Tests(Box::new(result))),
        _ => {
            let message = format!("{} runners, {}", result.runners.len(), result.status);
            Ok((result, message))
        }
    }
}

/// Keeps others out while something is moved.
fn enter(packs_dir: &Path) -> Result<Guard, ClientError> {
    Ok(Guard::enter(&state_folder(packs_dir))?)
}

/// Puts the pack and its record in place; what stood there goes back where that fails.
fn move_in(
    fetched: &Fetched,
    target: &Path,
    staging: &Path,
    packs_dir: &Path,
    record: &Record,
) -> Result<(), ClientError> {
    let (new, old) = (staging.join("new"), staging.join("old"));
    runner::write_tree(&fetched.tree, &new)?;
    let replaced = fs_err::symlink_metadata(target).is_ok();
    if replaced {
        fs_err::rename(target, &old)?;
    }
    let back = |error: ClientError| {
        if replaced && let Err(lost) = fs_err::rename(&old, target) {
            return ClientError::Io(lost);
        }
        error
    };
    if let Err(error) = fs_err::rename(&new, target) {
        return Err(back(error.into()));
    }
    if let Err(error) = record::write(packs_dir, record) {
        fs_err::rename(target, &new)?;
        return Err(back(error));
    }
    Ok(())
}

/// Takes an installed pack away; `false` where there is none.
///
/// # Errors
///
/// [`ClientError::Usage`] where another pack needs it, unless `force`.
pub fn uninstall(packs_dir: &Path, reference: &str, force: bool) -> Result<bool, ClientError> {
    if !record::installed(packs_dir)?.iter().any(|installed| installed == reference) {
        return Ok(false);
    }
    let _one = enter(packs_dir)?;
    for other in record::installed(packs_dir)?.iter().filter(|other| *other != reference) {
        let pack = record::manifest(packs_dir, other).and_then(|tree| entry::pack(&tree).ok());
        let needs = pack.is_some_and(|p| p.needs().iter().any(|(name, _)| name == reference));
        if needs && !force {
            return Err(ClientError::usage(
                format!("the pack `{other}` needs `{reference}`"),
                format!("uninstall `{other}` first, or give `--force`"),
            ));
        }
    }
    let trash = tempfile::Builder::new().prefix("trash-").tempdir_in(state_folder(packs_dir))?;
    fs_err::rename(packs_dir.join(reference), trash.path().join("old"))?;
    record::remove(packs_dir, reference)?;
    Ok(true)
}
