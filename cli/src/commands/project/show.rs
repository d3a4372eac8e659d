//! `packhouse list`, `tree`, `why`, `outdated`: what a project has, from its lockfile.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_client::ClientError;
use packhouse_client::project::{Project, gather, install};
use packhouse_core::api::read::IndexFile;
use packhouse_core::escape::printable;
use packhouse_core::identifier::Identifier;
use packhouse_core::lock::{Lock, Locked, Source};
use packhouse_core::version::Version;
use serde_json::json;

use super::{cache, client, locked, open};
use crate::args::{Global, List, Outdated, Tree, Why};
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

/// Chains of `why` that are shown.
const CHAINS: usize = 10;

pub(crate) fn list(args: &List, ui: &Ui) -> anyhow::Result<Exit> {
    let project = open(&args.place)?;
    let lock = locked(&project)?;
    let direct = direct(&project, &lock);
    if ui.json {
        let one = |package: &Locked| {
            let mut value = super::package(package);
            value["direct"] = json!(direct.contains(&package.identifier));
            value
        };
        let packages: Vec<_> = lock.packages.iter().map(one).collect();
        ui.print_json(&json!({"schema": 1, "packages": packages}))?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    for package in &lock.packages {
        let mark = if direct.contains(&package.identifier) { "" } else { " (needed by others)" };
        let line = format!("{}{}{}\n", install::title(package), source(package), ui.dim(mark));
        text.push_str(&line);
    }
    ui.print(&text)?;
    Ok(Exit::Ok)
}

/// Where a package is from, unless it is from the registry.
fn source(package: &Locked) -> String {
    match &package.source {
        Source::Registry { .. } => String::new(),
        Source::Git { url, commit, .. } => {
            format!(" ({} at {})", printable(url), commit.get(..12).unwrap_or(commit))
        }
        Source::File { path } => format!(" ({})", printable(path)),
    }
}

/// What the manifest itself names.
fn direct(project: &Project, lock: &Lock) -> BTreeSet<Identifier> {
    let dependencies = project.manifest.dependencies.iter();
    let named = dependencies.filter_map(|d| d.target.identifier().cloned());
    let needed: BTreeSet<&Identifier> =
        lock.packages.iter().flat_map(|package| &package.dependencies).collect();
    // Nobody else needs it, so the manifest does: a folder or repository without a name there.
    let others = lock.packages.iter().map(|p| &p.identifier).filter(|id| !needed.contains(id));
    named.filter(|id| lock.get(id).is_some()).chain(others.cloned()).collect()
}

pub(crate) fn tree(args: &Tree, ui: &Ui) -> anyhow::Result<Exit> {
    let project = open(&args.place)?;
    let lock = locked(&project)?;
    let direct = direct(&project, &lock);
    if ui.json {
        let edges: BTreeMap<_, _> =
            lock.packages.iter().map(|p| (p.identifier.to_string(), &p.dependencies)).collect();
        ui.print_json(&json!({"schema": 1, "roots": direct, "dependencies": edges}))?;
        return Ok(Exit::Ok);
    }
    let mut text = format!("{}\n", ui.bold(&project.title()));
    let mut shown = BTreeSet::new();
    let roots: Vec<&Identifier> = direct.iter().collect();
    branches(&lock, &roots, "", &mut shown, &mut text);
    ui.print(&text)?;
    Ok(Exit::Ok)
}

fn branches(
    lock: &Lock,
    packages: &[&Identifier],
    indent: &str,
    shown: &mut BTreeSet<Identifier>,
    text: &mut String,
) {
    for (at, identifier) in packages.iter().enumerate() {
        let last = at + 1 == packages.len();
        let Some(package) = lock.get(identifier) else { continue };
        let again = !shown.insert((*identifier).clone()) && !package.dependencies.is_empty();
        let arm = if last { "└── " } else { "├── " };
        let mark = if again { " (as above)" } else { "" };
        text.push_str(&format!(
            "{indent}{arm}{}{}{mark}\n",
            install::title(package),
            source(package)
        ));
        if !again {
            let next = format!("{indent}{}", if last { "    " } else { "│   " });
            let needs: Vec<&Identifier> = package.dependencies.iter().collect();
            branches(lock, &needs, &next, shown, text);
        }
    }
}

pub(crate) fn why(args: &Why, ui: &Ui) -> anyhow::Result<Exit> {
    let project = open(&args.place)?;
    let lock = locked(&project)?;
    let wanted = super::super::identifier(&args.package)?;
    if lock.get(&wanted).is_none() {
        let message = format!("`{wanted}` is not in `packhouse.lock`: nothing here needs it");
        return Err(
            Stop::new(Exit::NotFound, message, "`packhouse list` shows what there is").into()
        );
    }
    let mut chains: Vec<Vec<String>> = Vec::new();
    for root in direct(&project, &lock) {
        let mut path = Vec::new();
        follow(&lock, &root, &wanted, &mut path, &mut BTreeSet::new(), &mut chains);
    }
    chains.sort_by_key(Vec::len);
    if ui.json {
        ui.print_json(&json!({"schema": 1, "identifier": wanted, "chains": chains}))?;
        return Ok(Exit::Ok);
    }
    let mut text = String::new();
    for chain in chains.iter().take(CHAINS) {
        text.push_str(&format!("{} → {}\n", project.title(), chain.join(" → ")));
    }
    ui.print(&text)?;
    Ok(Exit::Ok)
}

/// The chains from `at` to `wanted`; each package is gone through once, so there are few of them.
fn follow(
    lock: &Lock,
    at: &Identifier,
    wanted: &Identifier,
    path: &mut Vec<String>,
    seen: &mut BTreeSet<Identifier>,
    chains: &mut Vec<Vec<String>>,
) {
    let Some(package) = lock.get(at) else { return };
    path.push(install::title(package));
    if at == wanted {
        chains.push(path.clone());
    } else if seen.insert(at.clone()) {
        for next in &package.dependencies {
            follow(lock, next, wanted, path, seen, chains);
        }
    }
    path.pop();
}

pub(crate) fn outdated(args: &Outdated, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let project = open(&args.place)?;
    let lock = locked(&project)?;
    let cache = cache(&args.place)?;
    let client = client(global, &project)?.ok_or_else(|| {
        Stop::usage("no registry is named", "give `--registry URL`, or set PACKHOUSE_REGISTRY")
    })?;
    let held: Vec<&Locked> =
        lock.packages.iter().filter(|p| matches!(p.source, Source::Registry { .. })).collect();
    let roots: BTreeSet<Identifier> = held.iter().map(|p| p.identifier.clone()).collect();
    let gathered = match (roots.is_empty(), args.offline) {
        (true, _) => gather::Gathered::default(),
        (_, true) => gather::offline(&client.registry().to_string(), &cache, &roots)?,
        (_, false) => gather::online(&client, &cache, &roots)?,
    };
    let mut rows = Vec::new();
    for package in held {
        let (Some(version), Some(file)) =
            (&package.version, gathered.files.get(&package.identifier))
        else {
            continue;
        };
        let latest = newest(file).ok_or_else(|| {
            ClientError::Integrity(format!(
                "`{}` has no version that can be used",
                package.identifier
            ))
        });
        let Ok(latest) = latest else { continue };
        if latest > *version {
            rows.push((package.identifier.to_string(), version.to_string(), latest.to_string()));
        }
    }
    if ui.json {
        let rows: Vec<_> = rows
            .iter()
            .map(|(id, version, latest)| json!({"identifier": id, "version": version, "latest": latest}))
            .collect();
        ui.print_json(&json!({"schema": 1, "packages": rows}))?;
        return Ok(Exit::Ok);
    }
    if rows.is_empty() {
        ui.done("Checked", "every package is the newest there is");
        return Ok(Exit::Ok);
    }
    let width = rows.iter().map(|(id, ..)| id.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (id, version, latest) in &rows {
        text.push_str(&format!("{id:width$}  {version} -> {latest}\n"));
    }
    ui.print(&text)?;
    ui.note("`packhouse update` takes the newest that fits");
    Ok(Exit::Ok)
}

/// The newest version that a new project would get.
fn newest(file: &IndexFile) -> Option<Version> {
    let usable = file.versions.iter().filter(|v| v.in_service() && v.yanked.is_none());
    let versions = usable.filter_map(|v| Version::parse(v.order, &v.version).ok());
    versions.max_by(|a, b| a.preference().cmp(&b.preference()))
}
