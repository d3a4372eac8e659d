//! Commands on a project's dependencies: what they share. One file a command, or two that are one idea.

mod change;
mod look;
mod show;
pub(crate) mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use packhouse_client::cache::Cache;
use packhouse_client::project::lock::{LockError, Upgrade};
use packhouse_client::project::sync::{self, LockUse, Options, Outcome, Places, SyncError};
use packhouse_client::project::{Project, install};
use packhouse_client::{Client, ClientError};
use packhouse_core::version::Version;
use serde_json::json;

use super::git::Repositories;
use crate::args::{Global, Place, Syncing};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, shown};

pub(crate) use change::{add, remove, sync, update};
pub(crate) use look::verify;
pub(crate) use show::{list, outdated, tree, why};

/// Files of an edited package that are named.
const NAMED: usize = 10;

/// The project that a command works on.
fn open(place: &Place) -> anyhow::Result<Project> {
    Ok(Project::open(place.project.as_deref().unwrap_or(Path::new(".")))?)
}

/// The registry of a project; `None` where none is named.
fn client(global: &Global, project: &Project) -> anyhow::Result<Option<Client>> {
    let registry = context::registry_of(global, Some(&project.manifest))?;
    registry.map(|registry| context::client(global, &registry)).transpose()
}

fn cache(place: &Place) -> anyhow::Result<Cache> {
    let folder = place.cache_dir.clone().or_else(context::cache_dir).ok_or_else(|| {
        Stop::usage("there is no home folder to keep a cache in", "give `--cache-dir DIR`")
    })?;
    Ok(Cache::open(&folder)?)
}

/// What a command that changes the project works with.
struct Work {
    client: Option<Client>,
    cache: Cache,
    offline: bool,
    tools: BTreeMap<String, Version>,
    accepted: BTreeSet<packhouse_core::identifier::Identifier>,
    now: String,
}

impl Work {
    fn new(syncing: &Syncing, global: &Global, project: &Project) -> anyhow::Result<Self> {
        let cache = cache(&syncing.place)?;
        let accepted = syncing.accept_publisher.iter().map(|id| super::identifier(id));
        Ok(Self {
            client: client(global, project)?,
            offline: syncing.offline,
            cache,
            tools: tools::find(&syncing.place.tool, syncing.place.kicad_tools_version.as_deref())?,
            accepted: accepted.collect::<anyhow::Result<_>>()?,
            now: jiff::Timestamp::now().to_string(),
        })
    }

    fn git(&self) -> Repositories<'_> {
        Repositories { cache: &self.cache, offline: self.offline }
    }

    fn places<'a>(&'a self, git: &'a Repositories<'a>) -> Places<'a> {
        Places { client: self.client.as_ref(), git, cache: &self.cache }
    }

    fn options<'a>(
        &'a self,
        syncing: &Syncing,
        upgrade: Upgrade,
        received: &'a (dyn Fn(u64) + Sync),
    ) -> Options<'a> {
        let lock = match (syncing.locked, syncing.frozen) {
            (true, _) => LockUse::Locked,
            (_, true) => LockUse::Frozen,
            _ => LockUse::Update,
        };
        Options {
            offline: syncing.offline,
            lock,
            upgrade,
            force: syncing.force,
            accepted: self.accepted.clone(),
            tools: self.tools.clone(),
            now: &self.now,
            received,
        }
    }
}

/// Why a command stops, with what would be right.
fn stopped(error: SyncError) -> anyhow::Error {
    match error {
        SyncError::Client(error) => error.into(),
        SyncError::Lock(LockError::Client(error)) => error.into(),
        SyncError::Lock(LockError::Unresolved(unresolved)) => {
            let exit = match unresolved.kind {
                packhouse_core::resolve::UnresolvedKind::Missing => Exit::NotFound,
                _ => Exit::Conflict,
            };
            Stop::new(exit, unresolved.to_string(), unresolved.help).into()
        }
        SyncError::Lock(LockError::Publisher { identifier, message }) => Stop::new(
            Exit::Denied,
            message,
            format!("ask whoever publishes it whether that is meant; then run it again with `--accept-publisher {identifier}`"),
        )
        .into(),
        error @ SyncError::OutOfDate(..) => {
            Stop::new(Exit::Findings, error.to_string(), "run `packhouse sync`, and commit `packhouse.lock`").into()
        }
        error @ SyncError::Tool(_) => Stop::new(
            Exit::Conflict,
            error.to_string(),
            "run `packhouse update`, which looks for a release that does, or install another version of the tool",
        )
        .into(),
        SyncError::Edited(edited) => {
            let mut message = String::from("installed packages were edited here; nothing was changed");
            for package in &edited {
                message.push_str(&format!("\n  `{}` in {}:", package.title, shown(&package.folder)));
                for file in package.files.iter().take(NAMED) {
                    message.push_str(&format!("\n    {}", packhouse_core::escape::printable(file)));
                }
                if package.files.len() > NAMED {
                    message.push_str(&format!("\n    and {} more", package.files.len() - NAMED));
                }
            }
            Stop::new(
                Exit::Conflict,
                message,
                "move your changes into a package of your own, or overwrite them with `--force`",
            )
            .into()
        }
    }
}

/// Tells what a sync did.
fn told(project: &Project, outcome: &Outcome, ui: &Ui) -> anyhow::Result<()> {
    use install::Step;
    for warning in &outcome.warnings {
        ui.warn(warning);
    }
    for step in &outcome.steps {
        match step {
            Step::Add(title) => ui.done("  +", title),
            Step::Remove(title) => ui.done("  -", title),
            Step::Change { from, to } if from == to => ui.done("  ~", &format!("{to} (put right)")),
            Step::Change { from, to } => ui.done("  ~", &format!("{from} -> {to}")),
        }
    }
    if outcome.healed > 0 {
        ui.warn(&format!(
            "{} damaged entr{} of the cache {} fetched again",
            outcome.healed,
            if outcome.healed == 1 { "y" } else { "ies" },
            if outcome.healed == 1 { "was" } else { "were" },
        ));
    }
    let count = outcome.lock.packages.len();
    let packages = if count == 1 { "1 package".to_owned() } else { format!("{count} packages") };
    let relocked = if outcome.relocked { ", `packhouse.lock` changed" } else { "" };
    let text = match outcome.steps.len() {
        0 => format!("{packages}: nothing to do{relocked}"),
        _ => format!("{packages}, {} downloaded{relocked}", outcome.downloaded),
    };
    ui.done("Synced", &text);
    if ui.json {
        let step = |step: &Step| match step {
            Step::Add(to) => json!({"step": "add", "to": to}),
            Step::Remove(from) => json!({"step": "remove", "from": from}),
            Step::Change { from, to } => json!({"step": "change", "from": from, "to": to}),
        };
        ui.print_json(&json!({
            "schema": 1,
            "project": shown(&project.folder),
            "packages": outcome.lock.packages.iter().map(package).collect::<Vec<_>>(),
            "steps": outcome.steps.iter().map(step).collect::<Vec<_>>(),
            "downloaded": outcome.downloaded,
            "healed": outcome.healed,
            "lock_changed": outcome.relocked,
        }))?;
    }
    Ok(())
}

/// A locked package in JSON.
fn package(package: &packhouse_core::lock::Locked) -> serde_json::Value {
    use packhouse_core::lock::Source;
    let source = match &package.source {
        Source::Registry { url } => json!({"type": "registry", "url": url}),
        Source::Git { url, reference, path, commit } => {
            json!({"type": "git", "url": url, "ref": reference, "path": path, "commit": commit})
        }
        Source::File { path } => json!({"type": "file", "path": path}),
    };
    json!({
        "identifier": package.identifier,
        "version": package.version.as_ref().map(Version::text),
        "source": source,
        "digest": package.digest,
        "tree_digest": package.tree_digest,
        "dependencies": package.dependencies,
    })
}

/// The lockfile that a command reads.
fn locked(project: &Project) -> anyhow::Result<packhouse_core::lock::Lock> {
    project.lock()?.ok_or_else(|| {
        ClientError::Missing {
            message: format!("there is no `packhouse.lock` in `{}`", shown(&project.folder)),
            help: "run `packhouse sync` first".to_owned(),
        }
        .into()
    })
}

/// Syncs and tells.
fn run(
    project: &Project,
    work: &Work,
    syncing: &Syncing,
    upgrade: Upgrade,
    edited: bool,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let bar = super::fetch::Bar::unknown(ui);
    let before = std::sync::atomic::AtomicU64::new(0);
    let received = |now: u64| {
        let was = before.swap(now, std::sync::atomic::Ordering::Relaxed);
        bar.add(now.saturating_sub(was));
    };
    let options = work.options(syncing, upgrade, &received);
    let git = work.git();
    let places = work.places(&git);
    let outcome = if edited {
        sync::sync_edited(project, &places, &options)
    } else {
        sync::sync(project, &places, &options)
    };
    bar.finish();
    told(project, &outcome.map_err(stopped)?, ui)?;
    Ok(Exit::Ok)
}
