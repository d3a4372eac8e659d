//! The cache: trees by their content, shared by all projects of a user.
//!
//! `v1/trees/<tree digest>/` holds a whole tree and `listing.json` with the hash of every file; it comes
//! into being by one rename from `v1/tmp/`, so a killed program leaves nothing that is half. Nothing in
//! it is believed: each file is hashed whenever it is installed, and the listing must hash to the
//! tree digest. What does not hold is taken out, and fetched again by whoever wanted it.

mod install;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use packhouse_core::archive;
use packhouse_core::digest::{Digest, TreeDigest};
use packhouse_core::escape::printable;
use packhouse_core::limits::Limits;
use packhouse_core::tree::{Tree, TreePath};
use serde::{Deserialize, Serialize};

use crate::error::ClientError;
use crate::extract::Mode;

pub use install::{How, InstallError, Installed, InstalledFile, inode, mtime_ns};
pub use upkeep::{Info, Pruned};

/// The longest listing or index file that is read, in bytes.
const LISTING_BYTES: u64 = 64 << 20;
/// What an interrupted program left in `tmp` is cleared after this long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// How often an entry is marked as used, at most.
const MARKED: Duration = Duration::from_secs(24 * 3600);

/// A cache that is open: its entries are not pruned meanwhile.
pub struct Cache {
    root: PathBuf,
    /// Whether files may be cloned from here: until one could not be.
    clones: AtomicBool,
    _shared: std::fs::File,
}

/// A file of a cached tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its path.
    pub path: TreePath,
    /// Whether it is executable.
    pub executable: bool,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Its size.
    pub bytes: u64,
}

impl Cache {
    /// Opens the cache in `folder`, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] where it cannot be written.
    pub fn open(folder: &Path) -> Result<Self, ClientError> {
        let root = std::path::absolute(folder)?.join("v1");
        let open = || -> std::io::Result<std::fs::File> {
            for part in ["trees", "tmp", "index"] {
                std::fs::create_dir_all(root.join(part))?;
            }
            let options =
                std::fs::OpenOptions::new().create(true).truncate(false).write(true).clone();
            let lock = options.open(root.join("lock"))?;
            lock.lock_shared()?;
            Ok(lock)
        };
        let shared = open().map_err(|error| {
            ClientError::usage(
                format!(
                    "the cache `{}` cannot be used: {error}",
                    printable(&folder.to_string_lossy())
                ),
                "give another place with `--cache-dir`, or set PACKHOUSE_CACHE_DIR",
            )
        })?;
        let cache = Self { root, clones: AtomicBool::new(true), _shared: shared };
        cache.clear_abandoned();
        Ok(cache)
    }

    /// The folder of this version of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where interrupted downloads are kept.
    pub fn partials(&self) -> PathBuf {
        self.root.with_file_name("partial")
    }

    fn entry(&self, digest: TreeDigest) -> PathBuf {
        self.root.join("trees").join(digest.0.hex())
    }

    /// Whether there is a tree with this content; whether it is whole shows when it is installed.
    pub fn has(&self, digest: TreeDigest) -> bool {
        self.entry(digest).join("listing.json").is_file()
    }

    /// The files of a tree, as the cache lists them.
    ///
    /// # Errors
    ///
    /// [`ClientError::Integrity`] for a listing that is not there, cannot be read, or is of another tree.
    pub fn files(&self, digest: TreeDigest) -> Result<Vec<StoredFile>, ClientError> {
        let path = self.entry(digest).join("listing.json");
        let damaged = |why: String| {
            ClientError::Integrity(format!("the cached tree {} is damaged: {why}", digest.0.hex()))
        };
        let metadata = std::fs::symlink_metadata(&path).map_err(|e| damaged(e.to_string()))?;
        if !metadata.is_file() || metadata.len() > LISTING_BYTES {
            return Err(damaged("its listing is no file of a sensible size".to_owned()));
        }
        let bytes = std::fs::read(&path).map_err(|e| damaged(e.to_string()))?;
        let files: Vec<StoredFile> =
            serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        let listed = files.iter().map(|file| (file.path.as_str(), file.executable, file.sha256));
        if TreeDigest::of(listed) != digest {
            return Err(damaged("its listing is of other content".to_owned()));
        }
        Ok(files)
    }

    /// Unpacks `archive`, whose content must be `digest`, into the cache. Repeating it is free.
    ///
    /// # Errors
    ///
    /// [`ClientError::Archive`] for an unsafe archive or other content, [`ClientError::Io`]; nothing is kept.
    pub fn insert_archive(
        &self,
        archive: &[u8],
        digest: TreeDigest,
        limits: &Limits,
    ) -> Result<(), ClientError> {
        if self.has(digest) {
            return Ok(());
        }
        let fresh = self.fresh()?;
        let files = fresh.path().join("files");
        std::fs::create_dir(&files)?;
        let contents = archive::read_parallel(archive, limits, |entry, bytes| {
            let mode = Mode { executable: entry.executable, writable: false };
            crate::extract::write(&files.join(entry.path.as_str()), bytes, mode)
        })?;
        contents.verify_tree_digest(digest)?;
        let listing =
            contents.entries.iter().zip(&contents.digests).map(|(entry, digest)| StoredFile {
                path: entry.path.clone(),
                executable: entry.executable,
                sha256: *digest,
                bytes: entry.bytes,
            });
        self.seal(fresh, listing.collect(), digest)
    }

    /// Puts `tree` into the cache.
    ///
    /// # Errors
    ///
    /// [`ClientError::Io`]; nothing is kept.
    pub fn insert_tree(&self, tree: &Tree) -> Result<TreeDigest, ClientError> {
        let digest = tree.digest();
        if self.has(digest) {
            return Ok(digest);
        }
        let fresh = self.fresh()?;
        let files = fresh.path().join("files");
        std::fs::create_dir(&files)?;
        let mut listing = Vec::new();
        for (path, file) in tree.iter() {
            let place = files.join(path.as_str());
            let mode = Mode { executable: file.executable, writable: false };
            crate::extract::write(&place, &file.bytes, mode).map_err(ClientError::from)?;
            listing.push(StoredFile {
                path: path.clone(),
                executable: file.executable,
                sha256: Digest::of(&file.bytes),
                bytes: file.bytes.len() as u64,
            });
        }
        self.seal(fresh, listing, digest)?;
        Ok(digest)
    }

    /// An empty folder that goes away with its handle.
    ///
    /// # Errors
    ///
    /// [`ClientError::Io`].
    pub fn scratch(&self) -> Result<tempfile::TempDir, ClientError> {
        self.fresh()
    }

    /// A tree as it is stored, every byte hashed.
    ///
    /// # Errors
    ///
    /// [`ClientError::Integrity`] for one that is not there or is damaged.
    pub fn read(&self, digest: TreeDigest) -> Result<Tree, ClientError> {
        let mut tree = Tree::default();
        for file in self.files(digest)? {
            let bytes = std::fs::read(self.entry(digest).join("files").join(file.path.as_str()))?;
            tree.insert(file.path, bytes, file.executable);
        }
        if tree.digest() != digest {
            self.take_out(digest);
            let message = format!("the cached tree {} is damaged", digest.0.hex());
            return Err(ClientError::Integrity(message));
        }
        Ok(tree)
    }

    fn fresh(&self) -> Result<tempfile::TempDir, ClientError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("in-");
        #[cfg(unix)]
        let readable = {
            // It becomes an entry, whose readers the user's umask names.
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::Permissions::from_mode(0o777)
        };
        #[cfg(unix)]
        builder.permissions(readable);
        Ok(builder.tempdir_in(self.root.join("tmp"))?)
    }

    /// Lists the files of `fresh`, and puts all of it in place at once.
    fn seal(
        &self,
        fresh: tempfile::TempDir,
        mut listing: Vec<StoredFile>,
        digest: TreeDigest,
    ) -> Result<(), ClientError> {
        listing.sort_by(|a, b| a.path.cmp(&b.path));
        let bytes = serde_json::to_vec(&listing).map_err(std::io::Error::other)?;
        std::fs::write(fresh.path().join("listing.json"), bytes)?;
        match std::fs::rename(fresh.path(), self.entry(digest)) {
            Ok(()) => {
                // There is nothing left to clear.
                let _ = fresh.keep();
                Ok(())
            }
            // Somebody else was first.
            Err(_) if self.has(digest) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an entry out.
    fn take_out(&self, digest: TreeDigest) {
        let gone = self.fresh();
        if let Ok(gone) = gone {
            let _ = std::fs::rename(self.entry(digest), gone.path().join("old"));
        }
    }

    /// What the registry said of a package, as it was kept.
    pub fn index(&self, registry: &str, key: &str) -> Option<Vec<u8>> {
        let path = self.index_path(registry, key);
        let metadata = std::fs::symlink_metadata(&path).ok()?;
        let small = metadata.is_file() && metadata.len() <= LISTING_BYTES;
        small.then(|| std::fs::read(&path).ok()).flatten()
    }

    /// Keeps what the registry says of a package.
    ///
    /// # Errors
    ///
    /// [`ClientError::Io`].
    pub fn put_index(&self, registry: &str, key: &str, bytes: &[u8]) -> Result<(), ClientError> {
        let path = self.index_path(registry, key);
        if self.index(registry, key).as_deref() == Some(bytes) {
            return Ok(());
        }
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder)?;
        let mut file =
            tempfile::Builder::new().prefix("index-").tempfile_in(self.root.join("tmp"))?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.persist(&path).map_err(|e| e.error)?;
        Ok(())
    }

    fn index_path(&self, registry: &str, key: &str) -> PathBuf {
        let registry = Digest::of(registry.as_bytes()).hex();
        // Keys are written by this program; a hash of anything else is as good a name.
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'+');
        let name = match key.bytes().all(plain) && key.len() <= 200 {
            true => key.to_owned(),
            false => Digest::of(key.as_bytes()).hex(),
        };
        self.root.join("index").join(registry).join(name + ".json")
    }

    /// Remembers that an entry was used, so that it is not pruned.
    fn mark_used(&self, digest: TreeDigest) {
        let listing = self.entry(digest).join("listing.json");
        let now = SystemTime::now();
        let recent = std::fs::metadata(&listing)
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age < MARKED));
        if !recent && let Ok(file) = std::fs::OpenOptions::new().append(true).open(&listing) {
            let _ = file.set_modified(now);
        }
    }

    fn clear_abandoned(&self) {
        for entry in std::fs::read_dir(self.root.join("tmp")).into_iter().flatten().flatten() {
            let old = entry.metadata().and_then(|m| m.modified()).is_ok_and(|at| {
                SystemTime::now().duration_since(at).is_ok_and(|age| age > ABANDONED)
            });
            if old {
                upkeep::remove(&entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests;
