//! What is locked is put in place: whole packages by one rename each, and nothing over local edits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::lock::{Lock, Locked};
use rayon::prelude::*;

use super::Project;
use super::meta::{self, Meta};
use super::record::{self, Package, Record};
use crate::cache::{Cache, InstallError};
use crate::error::ClientError;
use crate::replace;

/// What a sync does to one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was not there.
    Add(String),
    /// Another version of it was there.
    Change {
        /// What was there.
        from: String,
        /// What is there now.
        to: String,
    },
    /// It is not needed any more.
    Remove(String),
}

/// A package whose files somebody changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The package.
    pub title: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The files, at most some.
    pub files: Vec<String>,
}

/// What has to be done, found without changing anything.
#[derive(Default)]
pub struct Plan {
    /// Packages to put in place.
    pub install: Vec<Locked>,
    /// Folders to take away.
    pub remove: Vec<String>,
    /// Packages of which `ato` or an earlier run installed exactly what is needed: only the record
    /// lacks them.
    pub adopt: Vec<Locked>,
    /// What stands in the way.
    pub edited: Vec<Edited>,
    /// What was there before, for telling.
    pub before: BTreeMap<String, String>,
}

impl Plan {
    /// Whether everything is as it should be.
    pub fn is_empty(&self) -> bool {
        self.install.is_empty() && self.remove.is_empty() && self.adopt.is_empty()
    }

    /// What it does, in the order of identifiers.
    pub fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = self
            .install
            .iter()
            .map(|package| match self.before.get(package.identifier.key()) {
                Some(from) => Step::Change { from: from.clone(), to: title(package) },
                None => Step::Add(title(package)),
            })
            .collect();
        steps.extend(
            self.remove.iter().map(|key| {
                Step::Remove(self.before.get(key).cloned().unwrap_or_else(|| key.clone()))
            }),
        );
        steps
    }
}

/// `identifier@version`, or the identifier where there is no version.
pub fn title(package: &Locked) -> String {
    match &package.version {
        Some(version) => format!("{}@{version}", package.identifier),
        None => package.identifier.to_string(),
    }
}

/// Compares what is installed with `lock`.
pub fn plan(project: &Project, lock: &Lock, record: &Record) -> Plan {
    let mut plan = Plan::default();
    let folders: BTreeMap<&str, PathBuf> = lock
        .packages
        .iter()
        .map(|package| (package.identifier.key(), project.module(&package.identifier)))
        .collect();
    let recorded = record.packages.keys().filter_map(|key| key.parse::<Identifier>().ok());
    let all: BTreeSet<PathBuf> =
        folders.values().cloned().chain(recorded.map(|id| project.module(&id))).collect();
    let states: Vec<_> = lock
        .packages
        .par_iter()
        .map(|package| {
            let folder = project.module(&package.identifier);
            state(package, &folder, record.packages.get(package.identifier.key()), &all)
        })
        .collect();
    for (package, state) in lock.packages.iter().zip(states) {
        let key = package.identifier.key();
        if let Some(before) = record.packages.get(key) {
            plan.before
                .insert(key.to_owned(), named(&package.identifier, before.version.as_deref()));
        }
        match state {
            State::Right => {}
            State::Adopted => plan.adopt.push(package.clone()),
            State::Absent => plan.install.push(package.clone()),
            State::Other(version) => {
                plan.before.insert(key.to_owned(), named(&package.identifier, version.as_deref()));
                plan.install.push(package.clone());
            }
            State::Edited(files) => {
                let folder = project.module(&package.identifier);
                plan.edited.push(Edited { title: title(package), folder, files });
                plan.install.push(package.clone());
            }
        }
    }
    for (key, package) in &record.packages {
        let Some(identifier) = key.parse::<Identifier>().ok() else { continue };
        if folders.contains_key(identifier.key()) {
            continue;
        }
        let folder = project.module(&identifier);
        if std::fs::symlink_metadata(&folder).is_ok() {
            let differences = record::differences(&folder, package, &all);
            // Files that were taken away already are nothing to lose.
            let lost = differences.iter().any(|line| !line.ends_with("(missing)"));
            if lost {
                let title = named(&identifier, package.version.as_deref());
                plan.edited.push(Edited { title, folder, files: differences });
            }
        }
        plan.before.insert(key.clone(), named(&identifier, package.version.as_deref()));
        plan.remove.push(key.clone());
    }
    plan
}

fn named(identifier: &Identifier, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{identifier}@{version}"),
        None => identifier.to_string(),
    }
}

enum State {
    Right,
    Adopted,
    Absent,
    Other(Option<String>),
    Edited(Vec<String>),
}

fn state(
    package: &Locked,
    folder: &Path,
    recorded: Option<&Package>,
    all: &BTreeSet<PathBuf>,
) -> State {
    if std::fs::symlink_metadata(folder).is_err() {
        return State::Absent;
    }
    if let Some(recorded) = recorded {
        let differences = record::differences(folder, recorded, all);
        let lost = differences.iter().any(|line| !line.ends_with("(missing)"));
        return match (differences.is_empty(), recorded.tree_digest == package.tree_digest) {
            (true, true) => State::Right,
            _ if !lost => State::Other(recorded.version.clone()),
            // Touched, or installed anew by `ato`: hashes tell.
            _ if holds(folder, package, all) => State::Adopted,
            _ => match untouched(folder, all) {
                Some(version) => State::Other(version),
                None => State::Edited(differences),
            },
        };
    }
    if holds(folder, package, all) {
        return State::Adopted;
    }
    let files = record::listed(folder, all);
    match untouched(folder, all) {
        Some(version) => State::Other(version),
        None if files.is_empty() => State::Absent,
        None => State::Edited(files),
    }
}

/// Whether `folder` holds the content of `package`, by its hashes.
fn holds(folder: &Path, package: &Locked, all: &BTreeSet<PathBuf>) -> bool {
    hashed(folder, all).is_some_and(|files| {
        let listed = files.iter().map(|(path, x, digest)| (path.as_str(), *x, *digest));
        packhouse_core::digest::TreeDigest::of(listed) == package.tree_digest
    })
}

/// Path, executable bit and hash of every file of an installed package; `None` where one cannot be
/// read or is none.
pub fn hashed(folder: &Path, all: &BTreeSet<PathBuf>) -> Option<Vec<(String, bool, Digest)>> {
    let files = record::listed(folder, all);
    files
        .into_par_iter()
        .map(|path| {
            let on_disk = folder.join(&path);
            let metadata = std::fs::symlink_metadata(&on_disk).ok().filter(|m| m.is_file())?;
            let digest = Digest::of(&std::fs::read(&on_disk).ok()?);
            Some((path, crate::walk::is_executable(&metadata), digest))
        })
        .collect()
}

/// The version that `ato` installed into `folder`, where nothing of it was changed since.
fn untouched(folder: &Path, all: &BTreeSet<PathBuf>) -> Option<Option<String>> {
    let meta = Meta::read(folder)?;
    let files = hashed(folder, all)?;
    let there: BTreeMap<&str, String> = files
        .iter()
        .filter(|(path, ..)| meta::is_checked(path))
        .map(|(path, _, digest)| (path.as_str(), digest.hex()))
        .collect();
    let same = there.len() == meta.file_checksums.len()
        && there.iter().all(|(path, hex)| meta.file_checksums.get(*path) == Some(hex));
    same.then(|| Some(packhouse_core::escape::excerpt(&meta.version, 100)))
}

/// Does what `plan` says; the trees are in `cache`. The record is written at the end, and what was done
/// before a fault is found by the next run.
///
/// # Errors
///
/// [`InstallError`]: a tree in the cache that is damaged is to be fetched again, and the plan made anew.
pub fn carry_out(
    project: &Project,
    plan: &Plan,
    cache: &Cache,
    record: &mut Record,
    now: &str,
) -> Result<(), InstallError> {
    let modules = project.modules();
    let work = project.state().join("tmp");
    // What an interrupted run left.
    let _ = std::fs::remove_dir_all(&work);
    let made =
        |result: Result<(), std::io::Error>| result.map_err(|e| InstallError::Other(e.into()));
    made(fs_err::create_dir_all(&work))?;
    made(fs_err::create_dir_all(&modules))?;
    // Everything is unpacked and checked before anything is replaced.
    let fresh: Vec<_> = plan
        .install
        .par_iter()
        .enumerate()
        .map(|(at, package)| {
            let place = work.join(format!("new-{at}"));
            let installed = cache.install(package.tree_digest, &place, project.how())?;
            if project.is_ato() {
                let files = installed.files.iter().map(|file| (file.path.as_str(), file.sha256));
                let meta = Meta::new(package, files, now);
                let bytes = serde_json::to_vec_pretty(&meta).map_err(std::io::Error::other);
                let bytes = bytes.map_err(|e| InstallError::Other(e.into()))?;
                made(replace::atomically(&place.join(meta::FILE), &bytes))?;
            }
            Ok((place, installed))
        })
        .collect::<Result<_, InstallError>>()?;
    for (at, key) in plan.remove.iter().enumerate() {
        if let Ok(identifier) = key.parse::<Identifier>() {
            let folder = project.module(&identifier);
            keep_nested(project, &identifier, record, &work.join(format!("gone-{at}")), &folder)
                .map_err(InstallError::Other)?;
            prune_empty(&modules, &folder);
        }
        record.packages.remove(key);
    }
    // A package inside another one's folder comes after it.
    let mut order: Vec<usize> = (0..plan.install.len()).collect();
    order.sort_by_key(|at| plan.install[*at].identifier.key());
    for at in order {
        let (package, (place, installed)) = (&plan.install[at], &fresh[at]);
        let folder = project.module(&package.identifier);
        if let Some(parent) = folder.parent() {
            made(fs_err::create_dir_all(parent))?;
        }
        replace(
            project,
            &package.identifier,
            record,
            place,
            &folder,
            &work.join(format!("old-{at}")),
        )
        .map_err(InstallError::Other)?;
        record.packages.insert(
            package.identifier.key().to_owned(),
            Package {
                version: package.version.as_ref().map(|version| version.text().to_owned()),
                tree_digest: package.tree_digest,
                files: installed.files.iter().map(record::File::from).collect(),
            },
        );
    }
    for package in &plan.adopt {
        let folder = project.module(&package.identifier);
        let nested = nested(project, &package.identifier, record);
        let files = record::listed(&folder, &nested).into_iter().filter_map(|path| {
            let metadata = std::fs::symlink_metadata(folder.join(&path)).ok()?;
            let (mtime, inode) =
                (crate::cache::mtime_ns(&metadata), crate::cache::inode(&metadata));
            Some(record::File(path.parse().ok()?, metadata.len(), mtime, inode))
        });
        let version = package.version.as_ref().map(|version| version.text().to_owned());
        let package_record =
            Package { version, tree_digest: package.tree_digest, files: files.collect() };
        record.packages.insert(package.identifier.key().to_owned(), package_record);
    }
    record.store(project).map_err(InstallError::Other)?;
    let _ = std::fs::remove_dir_all(&work);
    Ok(())
}

/// Folders of recorded packages that lie inside the one of `identifier`.
fn nested(project: &Project, identifier: &Identifier, record: &Record) -> BTreeSet<PathBuf> {
    let inside = format!("{}/", identifier.key());
    let keys = record.packages.keys().filter(|key| key.starts_with(&inside));
    keys.filter_map(|key| key.parse().ok()).map(|id| project.module(&id)).collect()
}

/// Puts `fresh` at `folder`; what stood there goes to `old`, but for packages inside of it.
fn replace(
    project: &Project,
    identifier: &Identifier,
    record: &Record,
    fresh: &Path,
    folder: &Path,
    old: &Path,
) -> Result<(), ClientError> {
    for inside in nested(project, identifier, record) {
        if let Ok(relative) = inside.strip_prefix(folder)
            && std::fs::symlink_metadata(&inside).is_ok()
        {
            let to = fresh.join(relative);
            if std::fs::symlink_metadata(&to).is_ok() {
                return Err(ClientError::usage(
                    format!(
                        "`{identifier}` has a folder `{}` where another package belongs",
                        relative.display()
                    ),
                    "the two cannot be installed together: ask for another version of one",
                ));
            }
            fs_err::rename(&inside, &to)?;
        }
    }
    if std::fs::symlink_metadata(folder).is_ok() {
        fs_err::rename(folder, old)?;
    }
    Ok(fs_err::rename(fresh, folder)?)
}

/// Takes `folder` away, but for packages inside of it.
fn keep_nested(
    project: &Project,
    identifier: &Identifier,
    record: &Record,
    gone: &Path,
    folder: &Path,
) -> Result<(), ClientError> {
    if std::fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    let inside = nested(project, identifier, record);
    fs_err::rename(folder, gone)?;
    for place in inside {
        if let Ok(relative) = place.strip_prefix(folder)
            && std::fs::symlink_metadata(gone.join(relative)).is_ok()
        {
            fs_err::create_dir_all(folder)?;
            fs_err::rename(gone.join(relative), &place)?;
        }
    }
    Ok(())
}

/// Removes the folders above `folder` that are empty now, up to `modules`.
fn prune_empty(modules: &Path, folder: &Path) {
    for above in folder.ancestors().skip(1).take_while(|above| *above != modules) {
        if std::fs::remove_dir(above).is_err() {
            break;
        }
    }
}
