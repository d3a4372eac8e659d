//! What is in the cache, what is old in it, and whether it is whole.

use std::path::Path;
use std::time::{Duration, SystemTime};

use packhouse_core::digest::TreeDigest;

use super::Cache;
use crate::error::ClientError;

/// What a cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// Trees.
    pub trees: u64,
    /// Their files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Index files of registries.
    pub indexes: u64,
    /// Downloads that were interrupted.
    pub partials: u64,
}

/// What was taken out of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Trees.
    pub trees: u64,
    /// Bytes of all that was taken out.
    pub bytes: u64,
}

impl Cache {
    /// All trees, by what their folders are called.
    pub fn trees(&self) -> Vec<TreeDigest> {
        let entries = std::fs::read_dir(self.root.join("trees")).into_iter().flatten().flatten();
        let digest = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        let mut trees: Vec<TreeDigest> = entries.filter_map(digest).map(TreeDigest).collect();
        trees.sort();
        trees
    }

    /// What it holds.
    pub fn info(&self) -> Info {
        let mut info = Info::default();
        for digest in self.trees() {
            let (files, bytes) = weigh(&self.entry(digest).join("files"));
            info.trees += 1;
            info.files += files;
            info.bytes += bytes;
        }
        info.indexes = weigh(&self.root.join("index")).0;
        info.partials = weigh(&self.partials()).0;
        info
    }

    /// Takes out what was not used for `age`, and what interrupted programs left. It waits for programs
    /// that use the cache.
    ///
    /// # Errors
    ///
    /// [`ClientError::Io`].
    pub fn prune(folder: &Path, age: Duration) -> Result<Pruned, ClientError> {
        drop(Self::open(folder)?);
        let root = folder.join("v1");
        let lock = std::fs::OpenOptions::new().write(true).open(root.join("lock"))?;
        lock.lock()?;
        let mut pruned = Pruned::default();
        let old = |path: &Path| {
            let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
            modified.map_or(true, |at| {
                SystemTime::now().duration_since(at).is_ok_and(|unused| unused >= age)
            })
        };
        for entry in std::fs::read_dir(root.join("trees"))?.flatten() {
            if old(&entry.path().join("listing.json")) {
                pruned.trees += 1;
                pruned.bytes += weigh(&entry.path()).1;
                // First out of sight, then away: never half an entry.
                let gone = root.join("tmp").join(entry.file_name());
                std::fs::rename(entry.path(), &gone)?;
                remove(&gone);
            }
        }
        for entry in std::fs::read_dir(root.join("tmp"))?.flatten() {
            pruned.bytes += weigh(&entry.path()).1;
            remove(&entry.path());
        }
        let partials = root.with_file_name("partial");
        for folder in [partials, root.join("index")] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if old(&entry.path()) {
                    pruned.bytes += weigh(&entry.path()).1;
                    remove(&entry.path());
                }
            }
        }
        Ok(pruned)
    }
}

/// Removes a file or a folder.
pub(super) fn remove(path: &Path) {
    let is_dir = std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let _ = if is_dir { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
}

/// Files and bytes of a folder or file.
fn weigh(path: &Path) -> (u64, u64) {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries.map(|entry| weigh(&entry.path())).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        }
        Ok(metadata) => (1, metadata.len()),
        Err(_) => (0, 0),
    }
}
