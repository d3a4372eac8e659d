//! A cached tree becomes a folder: by copies that share their blocks where the file system can, else by
//! links or copies. Every byte is hashed on the way.

use std::io::{Read as _, Write as _};
use std::path::Path;

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
            .map(|file| place(&store, target, file, how))
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
            files.par_iter().try_for_each(|file| match hashed(&store, file) {
                Ok(()) => Ok(()),
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

/// Opens a stored file, which is a file and no link.
fn open(store: &Path, file: &StoredFile) -> Result<std::fs::File, Fault> {
    let path = store.join(file.path.as_str());
    let damaged = |why: String| Fault::Damaged(format!("`{}` {why}", file.path));
    let metadata =
        std::fs::symlink_metadata(&path).map_err(|e| damaged(format!("cannot be read: {e}")))?;
    if !metadata.is_file() {
        return Err(damaged("is no file".to_owned()));
    }
    if metadata.len() != file.bytes {
        return Err(damaged(format!("has {} bytes, not {}", metadata.len(), file.bytes)));
    }
    std::fs::File::open(&path).map_err(|e| damaged(format!("cannot be read: {e}")))
}

/// Reads a stored file through its hash; `also` is given every piece.
fn through(
    store: &Path,
    file: &StoredFile,
    mut also: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> Result<(), Fault> {
    let mut from = open(store, file)?;
    let mut hasher = Hasher::default();
    let mut buffer = [0_u8; 64 << 10];
    loop {
        let count = from.read(&mut buffer).map_err(Fault::Io)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        also(&buffer[..count]).map_err(Fault::Io)?;
    }
    if hasher.finish() != file.sha256 {
        return Err(Fault::Damaged(format!("`{}` has other bytes", file.path)));
    }
    Ok(())
}

fn hashed(store: &Path, file: &StoredFile) -> Result<(), Fault> {
    through(store, file, |_| Ok(()))
}

fn place(store: &Path, target: &Path, file: &StoredFile, how: How) -> Result<InstalledFile, Fault> {
    let (from, to) = (store.join(file.path.as_str()), target.join(file.path.as_str()));
    let cloned = reflink_copy::reflink(&from, &to).is_ok();
    if cloned {
        hashed(target, file)?;
        set_mode(&to, file.executable, how == How::Editable).map_err(Fault::Io)?;
    } else if how == How::Linked && std::fs::hard_link(&from, &to).is_ok() {
        // What was linked is what is hashed: nobody can put another file between the two.
        hashed(target, file)?;
    } else {
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&to)
            .map_err(Fault::Io)?;
        through(store, file, |piece| out.write_all(piece))?;
        drop(out);
        set_mode(&to, file.executable, how == How::Editable).map_err(Fault::Io)?;
    }
    let metadata = std::fs::symlink_metadata(&to).map_err(Fault::Io)?;
    Ok(InstalledFile {
        path: file.path.clone(),
        bytes: metadata.len(),
        sha256: file.sha256,
        mtime_ns: mtime_ns(&metadata),
        inode: inode(&metadata),
    })
}

/// Sets what may be done with a file.
pub(super) fn set_mode(path: &Path, executable: bool, writable: bool) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = match (executable, writable) {
            (true, true) => 0o755,
            (true, false) => 0o555,
            (false, true) => 0o644,
            (false, false) => 0o444,
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _ = executable;
        let mut permissions = std::fs::metadata(path)?.permissions();
        permissions.set_readonly(!writable);
        std::fs::set_permissions(path, permissions)
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
