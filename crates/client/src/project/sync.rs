//! Manifest, lockfile, cache and installed packages are brought together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use packhouse_core::escape::printable;
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::lock::{Lock, Locked, Source};
use packhouse_core::manifest::Target;
use packhouse_core::version::Version;

use super::Project;
use super::gather;
use super::install::{self, Edited, Plan, Step};
use super::lock::{self, Inputs, LockError, Upgrade};
use super::record::Record;
use super::source::{self, Git, SourceTree};
use crate::Client;
use crate::cache::{Cache, InstallError};
use crate::error::ClientError;
use crate::fetch::{self, Chosen};
use crate::guard::Guard;
use crate::kicad;
use crate::replace;

/// Archives that are downloaded at once.
const AT_ONCE: usize = 8;
/// Times that damaged entries of the cache are fetched again in one run.
const ROUNDS: usize = 3;

/// What a lockfile is to a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockUse {
    /// It is brought up to date.
    Update,
    /// It must be up to date.
    Locked,
    /// It is taken as it is.
    Frozen,
}

/// How to sync.
pub struct Options<'a> {
    /// Nothing is asked of a registry or a repository.
    pub offline: bool,
    /// What the lockfile is.
    pub lock: LockUse,
    /// What may move.
    pub upgrade: Upgrade,
    /// Local edits are overwritten.
    pub force: bool,
    /// Packages whose new publisher is accepted.
    pub accepted: BTreeSet<Identifier>,
    /// Versions of tools here, by name.
    pub tools: BTreeMap<String, Version>,
    /// The time, as records of an installation tell it (ISO 8601).
    pub now: &'a str,
    /// Is told how many bytes came.
    pub received: &'a (dyn Fn(u64) + Sync),
}

/// Where packages come from.
pub struct Places<'a> {
    /// The registry; `None` where none is named.
    pub client: Option<&'a Client>,
    /// Repositories.
    pub git: &'a dyn Git,
    /// What was fetched before.
    pub cache: &'a Cache,
}

/// What a sync did.
#[derive(Debug)]
pub struct Outcome {
    /// The lockfile of now.
    pub lock: Lock,
    /// Whether the lockfile changed.
    pub relocked: bool,
    /// What was done in the installed tree.
    pub steps: Vec<Step>,
    /// Archives that were downloaded.
    pub downloaded: usize,
    /// Trees in the cache that were damaged, and fetched again.
    pub healed: usize,
    /// What a consumer should know.
    pub warnings: Vec<String>,
}

/// Why a sync stopped; nothing was installed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// There is no lockfile that fits.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The lockfile is out of date, and may not be changed.
    #[error("`packhouse.lock` is {0}, and `--{1}` leaves it as it is")]
    OutOfDate(&'static str, &'static str),
    /// A tool that is here is none that a package works with.
    #[error("{0}")]
    Tool(String),
    /// Somebody edited installed files.
    #[error("{} installed package{} edited here", .0.len(), if .0.len() == 1 { " was" } else { "s were" })]
    Edited(Vec<Edited>),
    /// Anything else.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What a project gets, what it had, and the folders and repositories that are part of it.
pub struct Decided {
    /// The lockfile that fits.
    pub lock: Lock,
    /// The one on disk.
    pub old: Option<Lock>,
    /// Folders and repositories, as they are now.
    pub sources: BTreeMap<Identifier, SourceTree>,
}

/// Decides what `project` gets; changes nothing but the cache.
///
/// # Errors
///
/// [`SyncError`].
pub fn decide(project: &Project, places: &Places, options: &Options) -> Result<Decided, SyncError> {
    let old = project.lock()?;
    let pinned = |target: &Target| match (&old, target) {
        (Some(lock), Target::Git { url, reference, path, .. })
            if options.upgrade != Upgrade::All =>
        {
            lock.packages.iter().find_map(|package| match &package.source {
                Source::Git { url: u, reference: r, path: p, commit }
                    if u == url && r == reference && p == path =>
                {
                    Some(commit.clone())
                }
                _ => None,
            })
        }
        _ => None,
    };
    let sources = source::find(project, places.git, &pinned)?;
    let registry = places.client.map(|client| client.registry().to_string());
    if options.lock == LockUse::Frozen {
        let lock = old.clone().ok_or(SyncError::OutOfDate("missing", "frozen"))?;
        return Ok(Decided { lock, old, sources });
    }
    let kept = match (&old, &options.upgrade) {
        (Some(lock), Upgrade::No) => lock::kept(project, lock, registry.as_deref(), &sources),
        _ => None,
    };
    let whole =
        |kept: &Lock| old.as_ref().is_some_and(|old| old.packages.len() == kept.packages.len());
    if let Some(lock) = kept.filter(|lock| options.lock == LockUse::Update || whole(lock)) {
        return Ok(Decided { lock, old, sources });
    }
    if options.lock == LockUse::Locked {
        let how = if old.is_some() { "out of date" } else { "missing" };
        return Err(SyncError::OutOfDate(how, "locked"));
    }
    let roots = lock::wanted(project, &sources);
    let gathered = match places.client {
        _ if roots.is_empty() => gather::Gathered::default(),
        Some(client) if options.offline => {
            gather::offline(&client.registry().to_string(), places.cache, &roots)?
        }
        Some(client) => gather::online(client, places.cache, &roots)?,
        None => {
            return Err(ClientError::usage(
                format!("`{}` needs packages, and no registry is named", project.title()),
                "give `--registry URL`, set PACKHOUSE_REGISTRY, or write `registry: URL` into `packhouse.yaml`",
            )
            .into());
        }
    };
    if options.offline
        && let Some(missing) = gathered.missing.first()
    {
        return Err(ClientError::Missing {
            message: format!("`{missing}` is not in the cache, and `--offline` asks no registry"),
            help: "run it once without `--offline`".to_owned(),
        }
        .into());
    }
    let lock = lock::resolve(&Inputs {
        project,
        old: old.as_ref(),
        registry: registry.as_deref().unwrap_or_default(),
        gathered: &gathered,
        sources: &sources,
        upgrade: &options.upgrade,
        tools: &options.tools,
        accepted: &options.accepted,
    })?;
    Ok(Decided { lock, old, sources })
}

/// Brings the project's lockfile and installed packages up to date with its manifest.
///
/// # Errors
///
/// [`SyncError`]; nothing in the project was changed.
pub fn sync(project: &Project, places: &Places, options: &Options) -> Result<Outcome, SyncError> {
    let _one = enter(project)?;
    let Decided { lock, old, sources } = decide(project, places, options)?;
    bring_together(project, places, options, lock, old.as_ref(), &sources, None)
}

/// As [`sync`], for a manifest that is written once all of it is certain.
///
/// # Errors
///
/// [`SyncError`]; nothing in the project was changed.
pub fn sync_edited(
    edited: &Project,
    places: &Places,
    options: &Options,
) -> Result<Outcome, SyncError> {
    let _one = enter(edited)?;
    let Decided { lock, old, sources } = decide(edited, places, options)?;
    bring_together(edited, places, options, lock, old.as_ref(), &sources, Some(&edited.text))
}

/// Keeps a second sync of the same project waiting, and what only this machine knows of the project out
/// of version control.
fn enter(project: &Project) -> Result<Guard, ClientError> {
    Ok(Guard::enter(&project.state())?.ignored()?)
}

fn bring_together(
    project: &Project,
    places: &Places,
    options: &Options,
    lock: Lock,
    old: Option<&Lock>,
    sources: &BTreeMap<Identifier, SourceTree>,
    manifest: Option<&str>,
) -> Result<Outcome, SyncError> {
    no_links(project)?;
    let mut record = Record::load(project);
    let mut plan = install::plan(project, &lock, &record);
    if !plan.edited.is_empty() && !options.force {
        return Err(SyncError::Edited(plan.edited));
    }
    let mut downloaded = fetch_all(&plan, places, options, sources)?;
    let blocks = kicad::blocks(project, &lock, places.cache, sources)?;
    if let Some(misfit) = kicad::misfit(&blocks, &options.tools) {
        return Err(SyncError::Tool(misfit));
    }
    let warnings = kicad::unresolved(&blocks);
    let relocked = old.is_none_or(|old| old.to_text() != lock.to_text());
    if let Some(text) = manifest {
        replace::durably(&project.manifest_path(), text.as_bytes()).map_err(ClientError::from)?;
    }
    if relocked && options.lock == LockUse::Update {
        replace::durably(&project.lock_path(), lock.to_text().as_bytes())
            .map_err(ClientError::from)?;
    }
    let steps = plan.steps();
    let (mut healed, mut rounds) = (0, 0);
    while !plan.is_empty() {
        match install::carry_out(project, &plan, places.cache, &mut record, options.now) {
            Ok(()) => break,
            Err(InstallError::Damaged { .. }) if rounds < ROUNDS => {
                rounds += 1;
                healed += 1;
                downloaded += fetch_all(&plan, places, options, sources)?;
                plan = install::plan(project, &lock, &record);
            }
            Err(InstallError::Damaged { why, .. }) => {
                return Err(ClientError::Integrity(format!(
                    "the cache is damaged again and again: {why}"
                ))
                .into());
            }
            Err(InstallError::Other(error)) => return Err(error.into()),
        }
    }
    Ok(Outcome { lock, relocked, steps, downloaded, healed, warnings })
}

/// Refuses folders of installed packages that are links: what lies behind them is not ours to replace.
fn no_links(project: &Project) -> Result<(), ClientError> {
    let modules = project.modules();
    let folders =
        [modules.parent().map(Path::to_owned), Some(modules.clone()), Some(project.state())];
    for folder in folders.into_iter().flatten() {
        if std::fs::symlink_metadata(&folder).is_ok_and(|metadata| metadata.is_symlink()) {
            return Err(ClientError::usage(
                format!("`{}` is a link", printable(&folder.to_string_lossy())),
                "remove it: packages are installed into a folder of the project itself",
            ));
        }
    }
    Ok(())
}

/// Brings into the cache what the plan installs and the cache lacks; the number of downloads.
fn fetch_all(
    plan: &Plan,
    places: &Places,
    options: &Options,
    sources: &BTreeMap<Identifier, SourceTree>,
) -> Result<usize, ClientError> {
    let lacking: Vec<&Locked> =
        plan.install.iter().filter(|package| !places.cache.has(package.tree_digest)).collect();
    let before = Mutex::new(0_u64);
    let fetched = crate::parallel(&lacking, AT_ONCE, |_, package| {
        one(package, places, options, sources, &before)
    });
    let fetched: Vec<bool> = fetched.into_iter().collect::<Result<_, _>>()?;
    Ok(fetched.into_iter().filter(|download| *download).count())
}

fn one(
    package: &Locked,
    places: &Places,
    options: &Options,
    sources: &BTreeMap<Identifier, SourceTree>,
    total: &Mutex<u64>,
) -> Result<bool, ClientError> {
    let title = install::title(package);
    let limits = Limits::default();
    let changed = || {
        ClientError::Integrity(format!(
            "`{title}` is not what `packhouse.lock` says: its content is another one"
        ))
    };
    match &package.source {
        Source::File { .. } => {
            let source = sources.get(&package.identifier).ok_or_else(changed)?;
            let digest = places.cache.insert_tree(&source.tree)?;
            if digest == package.tree_digest { Ok(false) } else { Err(changed()) }
        }
        Source::Git { url, reference, path, commit } => {
            let digest = match sources.get(&package.identifier) {
                Some(source) => places.cache.insert_tree(&source.tree)?,
                None => {
                    let tree = places
                        .git
                        .tree(url, reference.as_deref(), Some(commit), path.as_deref())?
                        .1;
                    places.cache.insert_tree(&tree)?
                }
            };
            if digest == package.tree_digest { Ok(false) } else { Err(changed()) }
        }
        Source::Registry { url } => {
            if options.offline {
                return Err(ClientError::Missing {
                    message: format!(
                        "`{title}` is not in the cache, and `--offline` fetches nothing"
                    ),
                    help: "run it once without `--offline`".to_owned(),
                });
            }
            let client = places.client.filter(|client| client.registry().to_string() == *url);
            let client = client.ok_or_else(|| {
                ClientError::usage(
                    format!("`packhouse.lock` has `{title}` from {}, which is not the registry that is named here", printable(url)),
                    "name that registry, or run `packhouse update` to take packages from this one",
                )
            })?;
            let (Some(version), Some(digest), Some(bytes)) =
                (&package.version, package.digest, package.bytes)
            else {
                return Err(changed());
            };
            let chosen = Chosen {
                identifier: package.identifier.clone(),
                version: version.clone(),
                digest,
                tree_digest: package.tree_digest,
                bytes,
                warnings: Vec::new(),
            };
            let partials = places.cache.partials();
            let seen = Mutex::new(0_u64);
            let received = |now: u64| {
                let mut seen = seen.lock().unwrap_or_else(|e| e.into_inner());
                let mut total = total.lock().unwrap_or_else(|e| e.into_inner());
                *total = (*total + now).saturating_sub(*seen);
                *seen = now;
                (options.received)(*total);
            };
            let archive = fetch::download(client, &chosen, Some(&partials), &limits, &received)?;
            places.cache.insert_archive(&archive, package.tree_digest, &limits)?;
            Ok(true)
        }
    }
}
