//! `packhouse verify` without arguments: manifest, lockfile, installed files and registry agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use packhouse_client::project::{Project, install, lock, meta};
use packhouse_core::digest::TreeDigest;
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::lock::{Locked, Source};
use serde_json::json;

use super::{cache, client, locked, open};
use crate::args::{Global, Place};
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

/// Packages that are asked about at once.
const AT_ONCE: usize = 16;

pub(crate) fn verify(
    place: &Place,
    offline: bool,
    global: &Global,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let project = open(place)?;
    let lock = locked(&project)?;
    let cache = cache(place)?;
    let mut wrong: Vec<(String, String)> = Vec::new();
    let none = BTreeMap::new();
    let own: Vec<&Locked> =
        lock.packages.iter().filter(|p| matches!(p.source, Source::Registry { .. })).collect();
    if own.len() == lock.packages.len()
        && lock::kept(&project, &lock, None, &none)
            .is_none_or(|kept| kept.packages.len() != lock.packages.len())
    {
        wrong.push(("packhouse.lock".to_owned(), "is not what the manifest asks for".to_owned()));
    }
    let all: BTreeSet<PathBuf> =
        lock.packages.iter().map(|package| project.module(&package.identifier)).collect();
    for package in &lock.packages {
        for what in installed(&project, package, &cache, &all) {
            wrong.push((install::title(package), what));
        }
    }
    let mut warnings = Vec::new();
    let asked = !offline && !own.is_empty();
    if asked {
        let client = client(global, &project)?.ok_or_else(|| {
            Stop::usage(
                "no registry is named",
                "give `--registry URL`, or compare without one: `--offline`",
            )
        })?;
        let found = packhouse_client::parallel(&own, AT_ONCE, |_, package| {
            client.index(&package.identifier)
        });
        for (package, file) in own.iter().zip(found) {
            let (errors, marks) = held_against(package, file?.as_ref());
            wrong.extend(errors.into_iter().map(|what| (install::title(package), what)));
            warnings.extend(marks);
        }
    }
    for warning in &warnings {
        ui.warn(warning);
    }
    if ui.json {
        let rows: Vec<_> = wrong
            .iter()
            .map(|(package, what)| json!({"package": package, "problem": what}))
            .collect();
        ui.print_json(&json!({
            "schema": 1, "packages": lock.packages.len(), "registry": asked,
            "problems": rows, "warnings": warnings,
        }))?;
    }
    if wrong.is_empty() {
        let with = if asked { ", lockfile and registry agree" } else { " and lockfile agree" };
        ui.done("Verified", &format!("{} packages: installed files{with}", lock.packages.len()));
        return Ok(Exit::Ok);
    }
    let mut message = match wrong.len() {
        1 => "1 thing disagrees".to_owned(),
        many => format!("{many} things disagree"),
    };
    for (package, what) in wrong.iter().take(50) {
        message.push_str(&format!("\n  `{package}`: {what}"));
    }
    if wrong.len() > 50 {
        message.push_str(&format!("\n  and {} more", wrong.len() - 50));
    }
    Err(Stop::new(Exit::Integrity, message, "`packhouse sync --force` installs what is locked")
        .into())
}

/// How an installed package differs from what is locked, file by file where its listing is cached.
fn installed(
    project: &Project,
    package: &Locked,
    cache: &packhouse_client::cache::Cache,
    all: &BTreeSet<PathBuf>,
) -> Vec<String> {
    let folder = project.module(&package.identifier);
    if std::fs::symlink_metadata(&folder).is_err() {
        return vec!["is not installed".to_owned()];
    }
    let Some(files) = install::hashed(&folder, all) else {
        return vec!["has files that cannot be read".to_owned()];
    };
    let of = files.iter().map(|(path, x, digest)| (path.as_str(), *x, *digest));
    if TreeDigest::of(of) == package.tree_digest {
        return Vec::new();
    }
    let Ok(listing) = cache.files(package.tree_digest) else {
        return vec!["has other files than the locked release".to_owned()];
    };
    let mut there: BTreeMap<&str, _> =
        files.iter().map(|(path, x, digest)| (path.as_str(), (*x, *digest))).collect();
    let mut wrong = Vec::new();
    for file in &listing {
        match there.remove(file.path.as_str()) {
            None => wrong.push(format!("`{}` is missing", file.path)),
            Some((_, digest)) if digest != file.sha256 => {
                wrong.push(format!("`{}` has other bytes", file.path));
            }
            Some((executable, _)) if executable != file.executable => {
                wrong.push(format!("`{}` has another executable bit", file.path));
            }
            Some(_) => {}
        }
    }
    let added = there.keys().filter(|path| **path != meta::FILE);
    wrong.extend(added.map(|path| format!("`{}` was added", printable(path))));
    wrong
}

/// How the registry's word of a release differs from the lockfile's, and what it says of it besides.
fn held_against(
    package: &Locked,
    file: Option<&packhouse_core::api::read::IndexFile>,
) -> (Vec<String>, Vec<String>) {
    let title = install::title(package);
    let entry =
        file.zip(package.version.as_ref()).and_then(|(file, version)| lock::entry(file, version));
    let Some(entry) = entry else {
        return (vec!["the registry has no such release".to_owned()], Vec::new());
    };
    let mut wrong = Vec::new();
    if package.digest.is_some_and(|digest| digest.hex() != entry.digest) {
        wrong.push("the registry has another archive of that version".to_owned());
    }
    if package.tree_digest.0.hex() != entry.tree_digest {
        wrong.push("the registry has other content of that version".to_owned());
    }
    let mut warnings = Vec::new();
    let marks = [
        ("yanked", &entry.yanked),
        ("deprecated", &entry.deprecated),
        ("quarantined", &entry.quarantined),
        ("removed", &entry.removed),
    ];
    for (how, mark) in marks {
        if let Some(mark) = mark {
            warnings.push(format!("`{title}` is {how}: {}", excerpt(&mark.reason, 500)));
        }
    }
    (wrong, warnings)
}
