//! A cached tree becomes a folder: by copies that share their blocks where the file system can, else by
//! links or copies. Every byte is hashed on the way.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use packhouse_core::digest::{Digest, Hasher, TreeDigest};
use packhouse_core::tree::TreePath;
use rayon::prelude::*;

use super::{Cache, StoredFile};
use crate::error::ClientError;

/// How files are put in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// People may edit them: a clone, else a copy.
    Editable,
    /// Nobody edits them: a clone, else a read-only hard link, else a copy.
    Linked,
}

/// Why a tree was not installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The cached tree is not what its name says. It was taken out: fetch it again.
    #[error("the cached tree {} is damaged: {why}", digest.0.hex())]
    Damaged {
        /// The tree.
        digest: TreeDigest,
        /// What was found.
        why: String,
    },
    /// Anything else.
    #[error(transparent)]
    Other(#[from] ClientError),
}

/// A tree that was installed.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its files, in the order of paths.
    pub files: Vec<InstalledFile>,
}

/// A file that was installed, and how it looked then.
#[derive(Clone, Debug)]
pub struct InstalledFile {
    /// Its path.
    pub path: TreePath,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// Time of its last change, in nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its inode; 0 where there is none.
    pub inode: u64,
}

impl Cache {
    /// Puts the tree `digest` at `target`, a folder that does not exist yet.
    ///
    /// # Errors
    ///
    /// [`InstallError::Damaged`] for any byte that is not the promised one; the entry is gone then, and
    /// what stands at `target` is to be thrown away.
    pub fn install(
        &self,
        digest: TreeDigest,
        target: &Path,
        how: How,
    ) -> Result<Installed, InstallError> {
        let damaged = |why: String| {
            self.take_out(digest);
            InstallError::Damaged { digest, why }
        };
        let files = match self.files(digest) {
            Ok(files) => files,
            Err(ClientError::Integrity(why)) => return Err(damaged(why)),
            Err(error) => return Err(error.into()),
        };
        let store = self.entry(digest).join("files");
        let io = |error: std::io::Error| InstallError::Other(error.into());
        std::fs::create_dir_all(target).map_err(io)?;
        let mut folders: Vec<&str> = files.iter().map(|file| file.path.folder()).collect();
        folders.dedup();
        for folder in folders.into_iter().filter(|folder| !folder.is_empty()) {
            std::fs::create_dir_all(target.join(folder)).map_err(io)?;
        }
        let placed: Result<Vec<InstalledFile>, Fault> = files
            .par_iter()
            .with_min_len(16)
            .map_init(buffer, |buffer, file| place(&store, target, file, how, &self.clones, buffer))
            .collect();
        match placed {
            Ok(files) => {
                self.mark_used(digest);
                Ok(Installed { files })
            }
            Err(Fault::Damaged(why)) => Err(damaged(why)),
            Err(Fault::Io(error)) => Err(io(error)),
        }
    }

    /// Whether a cached tree is whole; what is not is taken out.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check(&self, digest: TreeDigest) -> Result<(), String> {
        let store = self.entry(digest).join("files");
        let checked = self.files(digest).map_err(|e| e.to_string()).and_then(|files| {
            files
                .par_iter()
                .map_init(buffer, |buffer, file| proven(&store, file, buffer))
                .try_for_each(|proven| match proven {
                    Ok(_) => Ok(()),
                    Err(Fault::Damaged(why)) => Err(why),
                    Err(Fault::Io(error)) => Err(error.to_string()),
                })
        });
        if checked.is_err() {
            self.take_out(digest);
        }
        checked
    }
}

enum Fault {
    Damaged(String),
    Io(std::io::Error),
}

/// What files are read through; one a thread, because making one costs more than a small file.
fn buffer() -> Vec<u8> {
    vec![0; 64 << 10]
}

/// Opens a file of a tree in `folder`; it is a file and no link, and as long as it should be.
fn open(folder: &Path, file: &StoredFile) -> Result<(std::fs::File, std::fs::Metadata), Fault> {
    let damaged = |why: String| Fault::Damaged(format!("`{}` {why}", file.path));
    let unreadable = |e: std::io::Error| damaged(format!("cannot be read: {e}"));
    let path = folder.join(file.path.as_str());
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A pipe would keep its reader waiting.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    #[cfg(not(unix))]
    if std::fs::symlink_metadata(&path).map_err(unreadable)?.is_symlink() {
        return Err(damaged("is no file".to_owned()));
    }
    let opened = options.open(&path).map_err(unreadable)?;
    let metadata = opened.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(damaged("is no file".to_owned()));
    }
    if metadata.len() != file.bytes {
        return Err(damaged(format!("has {} bytes, not {}", metadata.len(), file.bytes)));
    }
    Ok((opened, metadata))
}

/// Reads a file that was opened through its hash; `also` is given every piece.
fn through(
    from: &mut std::fs::File,
    file: &StoredFile,
    buffer: &mut [u8],
    mut also: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), Fault> {
    let mut hasher = Hasher::default();
    let mut left = file.bytes;
    while left > 0 {
        let count = from.read(buffer).map_err(Fault::Io)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        also(&buffer[..count]).map_err(Fault::Io)?;
        left = left.saturating_sub(count as u64);
    }
    if hasher.finish() != file.sha256 {
        return Err(Fault::Damaged(format!("`{}` has other bytes", file.path)));
    }
    Ok(())
}

/// A file of a tree in `folder`, every byte of it hashed.
fn proven(
    folder: &Path,
    file: &StoredFile,
    buffer: &mut [u8],
) -> Result<(std::fs::File, std::fs::Metadata), Fault> {
    let (mut opened, metadata) = open(folder, file)?;
    through(&mut opened, file, buffer, |_| Ok(()))?;
    Ok((opened, metadata))
}

/// Puts one file of `store` into `target`. `clones` becomes false at the first clone that fails: a try
/// costs as much as a file.
fn place(
    store: &Path,
    target: &Path,
    file: &StoredFile,
    how: How,
    clones: &AtomicBool,
    buffer: &mut [u8],
) -> Result<InstalledFile, Fault> {
    let (from, to) = (store.join(file.path.as_str()), target.join(file.path.as_str()));
    let cloned = clones.load(Ordering::Relaxed) && {
        let cloned = reflink_copy::reflink(&from, &to).is_ok();
        clones.fetch_and(cloned, Ordering::Relaxed);
        cloned
    };
    let linked = !cloned && how == How::Linked && std::fs::hard_link(&from, &to).is_ok();
    let placed = if linked || cloned {
        // What stands there now is what is hashed: nobody can put another file between the two.
        let (placed, metadata) = proven(target, file, buffer)?;
        if linked {
            return Ok(file.installed(&metadata));
        }
        placed
    } else {
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&to)
            .map_err(Fault::Io)?;
        let (mut from, _) = open(store, file)?;
        through(&mut from, file, buffer, |piece| out.write_all(piece))?;
        out
    };
    let done = set_mode(&placed, file.executable, how == How::Editable);
    let metadata = done.and_then(|()| placed.metadata()).map_err(Fault::Io)?;
    Ok(file.installed(&metadata))
}

impl StoredFile {
    fn installed(&self, metadata: &std::fs::Metadata) -> InstalledFile {
        InstalledFile {
            path: self.path.clone(),
            bytes: metadata.len(),
            sha256: self.sha256,
            mtime_ns: mtime_ns(metadata),
            inode: inode(metadata),
        }
    }
}

/// Sets what may be done with a file.
fn set_mode(file: &std::fs::File, executable: bool, writable: bool) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match (executable, writable) {
            (true, true) => 0o755,
            (true, false) => 0o555,
            (false, true) => 0o644,
            (false, false) => 0o444,
        };
        file.set_permissions(std::fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = executable;
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(!writable);
        file.set_permissions(permissions)
    }
}

/// Time of the last change, in nanoseconds since 1970.
pub fn mtime_ns(metadata: &std::fs::Metadata) -> i64 {
    let since =
        metadata.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// The inode; 0 where there is none.
pub fn inode(metadata: &std::fs::Metadata) -> u64 {
    #[cfg(unix)]
    {
        std::os::unix::fs::MetadataExt::ino(metadata)
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        0
    }
}
