//! An archive becomes a folder: whole and proven, or not at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use packhouse_core::archive::{self, ArchiveError, Contents};
use packhouse_core::digest::TreeDigest;
use packhouse_core::escape::printable;
use packhouse_core::limits::Limits;

use crate::error::ClientError;

/// Unpacks `archive` into the folder `target`, which must not exist, unless `replace`.
///
/// Files are unpacked and written on all threads into a fresh folder beside `target`, which takes
/// its place in one rename when every checksum and `tree_digest` held. `unfinished` is told that
/// folder, so that an interrupted program can remove it.
///
/// # Errors
///
/// [`ClientError::Archive`] for an unsafe or damaged archive or other content than promised,
/// [`ClientError::Usage`] for a target that exists, [`ClientError::Io`]; nothing is left behind.
pub fn extract(
    archive: &[u8],
    tree_digest: TreeDigest,
    target: &Path,
    replace: bool,
    limits: &Limits,
    unfinished: &dyn Fn(&Path),
) -> Result<Contents, ClientError> {
    let parent = parent(target);
    fs_err::create_dir_all(&parent)?;
    if !replace && fs_err::symlink_metadata(target).is_ok() {
        return Err(exists(target));
    }
    let fresh = tempfile::Builder::new().prefix(".packhouse-").tempdir_in(&parent)?;
    unfinished(fresh.path());
    let root = fresh.path().join("new");
    fs_err::create_dir(&root)?;
    let contents = archive::read_parallel(archive, limits, |entry, bytes| {
        write(
            &root.join(entry.path.as_str()),
            bytes,
            Mode { executable: entry.executable, writable: true },
        )
    })?;
    contents.verify_tree_digest(tree_digest)?;
    let old = fresh.path().join("old");
    if replace && fs_err::symlink_metadata(target).is_ok() {
        fs_err::rename(target, &old)?;
    }
    if let Err(error) = fs_err::rename(&root, target) {
        if fs_err::symlink_metadata(&old).is_ok() {
            fs_err::rename(&old, target)?; // what stood there goes back
        }
        return Err(if fs_err::symlink_metadata(target).is_ok() {
            exists(target)
        } else {
            error.into()
        });
    }
    Ok(contents)
}

/// Why files could not be written, in the type that the archive's reader asks for.
pub(crate) enum WriteError {
    Archive(ArchiveError),
    Io(std::io::Error),
}

impl From<ArchiveError> for WriteError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<WriteError> for ClientError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Archive(error) => error.into(),
            WriteError::Io(error) => error.into(),
        }
    }
}

/// What may be done with a file.
#[derive(Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) executable: bool,
    pub(crate) writable: bool,
}

/// Writes one new file; its folders are made when they turn out to be missing, which is once each.
pub(crate) fn write(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), WriteError> {
    let create = || {
        let mut options = fs_err::OpenOptions::new();
        // Never over something that is there: the folder is ours and fresh, so a second file of one
        // name means that this file system folds what the archive's check took for two.
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use fs_err::os::unix::fs::OpenOptionsExt as _;
            let read = if mode.executable { 0o555 } else { 0o444 };
            options.mode(if mode.writable { read | 0o222 } else { read });
        }
        options.open(path)
    };
    let mut file = match create() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            fs_err::create_dir_all(parent(path)).map_err(WriteError::Io)?;
            create()
        }
        other => other,
    }
    .map_err(WriteError::Io)?;
    file.write_all(bytes).map_err(WriteError::Io)?;
    #[cfg(not(unix))]
    if !mode.writable {
        let mut permissions = file.metadata().map_err(WriteError::Io)?.permissions();
        permissions.set_readonly(true);
        file.set_permissions(permissions).map_err(WriteError::Io)?;
    }
    Ok(())
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => PathBuf::from("."),
        Some(parent) => parent.to_owned(),
        None => PathBuf::from("."),
    }
}

fn exists(target: &Path) -> ClientError {
    ClientError::usage(
        format!("`{}` exists already", printable(&target.to_string_lossy())),
        "choose another place with `--to`, or replace it with `--force`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use packhouse_core::archive::pack;
    use packhouse_core::tree::Tree;

    fn packed() -> packhouse_core::archive::Archive {
        let mut tree = Tree::default();
        tree.insert("a/b/c.txt".parse().unwrap(), *b"hello", false);
        tree.insert("run".parse().unwrap(), *b"#!/bin/sh\n", true);
        pack(&tree).unwrap()
    }

    fn to(
        archive: &[u8],
        digest: TreeDigest,
        target: &Path,
        replace: bool,
    ) -> Result<Contents, ClientError> {
        extract(archive, digest, target, replace, &Limits::default(), &|_| {})
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs_err::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_archive_becomes_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let archive = packed();
        let target = dir.path().join("out");
        to(&archive.bytes, archive.tree_digest, &target, false).unwrap();
        assert_eq!(fs_err::read_to_string(target.join("a/b/c.txt")).unwrap(), "hello");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode =
                |path: &str| fs_err::metadata(target.join(path)).unwrap().permissions().mode();
            assert!(mode("run") & 0o100 != 0 && mode("a/b/c.txt") & 0o111 == 0);
        }
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn nothing_is_overwritten_unless_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let archive = packed();
        let target = dir.path().join("out");
        fs_err::create_dir(&target).unwrap();
        fs_err::write(target.join("mine"), "").unwrap();
        let error = to(&archive.bytes, archive.tree_digest, &target, false).unwrap_err();
        assert!(matches!(error, ClientError::Usage { .. }));
        assert_eq!(names(&target), ["mine"]);
        to(&archive.bytes, archive.tree_digest, &target, true).unwrap();
        assert_eq!(names(&target), ["a", "run"]);
        assert_eq!(names(dir.path()), ["out"]);
    }

    #[test]
    fn other_content_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let archive = packed();
        let other = Tree::default().digest();
        let target = dir.path().join("out");
        assert!(to(&archive.bytes, other, &target, false).is_err());
        let mut broken = archive.bytes.clone();
        let middle = broken.len() / 2;
        broken[middle] ^= 1;
        assert!(to(&broken, archive.tree_digest, &target, false).is_err());
        assert!(names(dir.path()).is_empty());
    }
}
