//! A file in place of what stands there: whole, or not at all.

use std::io::Write as _;
use std::path::Path;

/// Writes a file by a rename, so that it is the old one or the new one. It keeps the old one's
/// permissions; a new one may be read by all.
///
/// # Errors
///
/// Of the file system; nothing is left behind.
pub fn atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    put(path, bytes, false)
}

/// The same, and on the disk when it returns: for what nobody could make again.
///
/// # Errors
///
/// Of the file system; nothing is left behind.
pub fn durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    put(path, bytes, true)
}

fn put(path: &Path, bytes: &[u8], sync: bool) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs_err::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(".packhouse-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Ok(old) = std::fs::metadata(path) {
        file.as_file().set_permissions(old.permissions())?;
    } else {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
    }
    if sync {
        file.as_file().sync_all()?;
    }
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}
