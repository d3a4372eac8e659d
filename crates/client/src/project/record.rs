//! What this machine knows of a project: which files were installed, and how they looked then.
//!
//! It stands in `.packhouse/installed.json`, never in version control. A file whose size, time of
//! change and inode are those of its installation is taken for unchanged: that is a few hundred
//! system calls and no reading. `packhouse verify` hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use packhouse_core::digest::TreeDigest;
use packhouse_core::release::SCHEMA;
use packhouse_core::tree::TreePath;
use serde::{Deserialize, Serialize};

use super::{Project, meta};
use crate::cache::InstalledFile;
use crate::error::ClientError;
use crate::replace;

/// The longest record that is read, in bytes.
const RECORD_BYTES: u64 = 256 << 20;

/// What is installed in a project.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// 1.
    pub schema: u32,
    /// By identifier.
    pub packages: BTreeMap<String, Package>,
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Its version, where it has one.
    pub version: Option<String>,
    /// Its content's identity.
    pub tree_digest: TreeDigest,
    /// Its files.
    pub files: Vec<File>,
}

/// An installed file: path, bytes, time of change in nanoseconds, inode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File(pub TreePath, pub u64, pub i64, pub u64);

impl From<&InstalledFile> for File {
    fn from(file: &InstalledFile) -> Self {
        Self(file.path.clone(), file.bytes, file.mtime_ns, file.inode)
    }
}

impl Record {
    /// The record of `project`; an empty one where there is none that can be read, so that everything
    /// is looked at anew.
    pub fn load(project: &Project) -> Self {
        let path = project.state().join("installed.json");
        let small = std::fs::symlink_metadata(&path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() <= RECORD_BYTES);
        let read = small.then(|| std::fs::read(&path).ok()).flatten();
        let record: Option<Self> = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        record.filter(|record| record.schema == SCHEMA).unwrap_or_default()
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Io`].
    pub fn store(&mut self, project: &Project) -> Result<(), ClientError> {
        self.schema = SCHEMA;
        let bytes = serde_json::to_vec(self).map_err(std::io::Error::other)?;
        Ok(replace::atomically(&project.state().join("installed.json"), &bytes)?)
    }
}

/// How files differ from what was installed: `changed`, `missing` or `added`.
pub fn differences(
    folder: &Path,
    package: &Package,
    nested: &BTreeSet<std::path::PathBuf>,
) -> Vec<String> {
    // A file's metadata is cheapest beside its name, where its folder is open.
    let mut there = BTreeMap::new();
    walk(folder, nested, |path, entry| {
        there.insert(path, entry.metadata().ok());
    });
    let mut differences = Vec::new();
    for File(path, bytes, mtime_ns, inode) in &package.files {
        let listed = there.remove(path.as_str()).flatten();
        match listed.or_else(|| std::fs::symlink_metadata(folder.join(path.as_str())).ok()) {
            Some(found) if !found.is_file() => differences.push(format!("{path} (is no file)")),
            Some(found) => {
                let same = found.len() == *bytes
                    && crate::cache::mtime_ns(&found) == *mtime_ns
                    && crate::cache::inode(&found) == *inode;
                if !same {
                    differences.push(format!("{path} (changed)"));
                }
            }
            None => differences.push(format!("{path} (missing)")),
        }
    }
    let added =
        there.keys().map(|path| format!("{} (added)", packhouse_core::escape::printable(path)));
    differences.extend(added);
    differences
}

/// The files in `folder` with `/` between parts, without those that tools leave there: our own
/// record of a package, Python's caches, and packages that lie inside this one.
pub fn listed(folder: &Path, nested: &BTreeSet<std::path::PathBuf>) -> Vec<String> {
    let mut found = Vec::new();
    walk(folder, nested, |path, _| found.push(path));
    found.sort();
    found
}

fn walk(
    folder: &Path,
    nested: &BTreeSet<std::path::PathBuf>,
    mut visit: impl FnMut(String, &std::fs::DirEntry),
) {
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((at, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => {
                    if name != "__pycache__" && !nested.contains(&entry.path()) {
                        folders.push((entry.path(), format!("{path}/")));
                    }
                }
                _ if path == meta::FILE => {}
                _ => visit(path, &entry),
            }
        }
    }
}
