//! A folder that one process at a time changes, known by a lock file in it. Who only locked it leaves no
//! folder behind, unless somebody else came in the same moment.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The file that is locked.
const LOCK: &str = "lock";
/// How often a folder is made that others take away, at most.
const TRIES: u32 = 100;
/// What keeps the folder out of version control.
const IGNORE: &str = ".gitignore";

/// Others are kept out as long as this lives.
pub(crate) struct Guard {
    folder: PathBuf,
    /// Folders that it had to make, the innermost first.
    made: Vec<PathBuf>,
    lock: Option<File>,
}

impl Guard {
    /// Waits until nobody else is in `folder`, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub(crate) fn enter(folder: &Path) -> io::Result<Self> {
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let mut tries = 0;
        loop {
            let made = folder.ancestors().take_while(missing).map(Path::to_owned).collect();
            let open = || fs_err::create_dir_all(folder).and_then(|()| create(&folder.join(LOCK)));
            let lock = match open() {
                // Whoever was here before took the folder away just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < TRIES => {
                    tries += 1;
                    continue;
                }
                lock => lock?,
            };
            lock.lock()?;
            if is_there(&lock, &folder.join(LOCK)) {
                return Ok(Self { folder: folder.to_owned(), made, lock: Some(lock) });
            }
        }
    }

    /// Keeps the folder out of version control.
    ///
    /// # Errors
    ///
    /// Where it cannot be written.
    pub(crate) fn ignored(self) -> io::Result<Self> {
        let ignore = self.folder.join(IGNORE);
        if !ignore.exists() {
            crate::replace::atomically(&ignore, b"*\n")?;
        }
        Ok(self)
    }

    /// Whether nothing but what it makes itself is in the folder.
    fn is_unused(&self) -> bool {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return false };
        entries.flatten().all(|entry| entry.file_name() == LOCK || entry.file_name() == IGNORE)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.made.is_empty() || !self.is_unused() {
            return;
        }
        // The lock goes last: who waits for it sees that it is gone, and makes all of it anew.
        let _ = std::fs::remove_file(self.folder.join(IGNORE));
        if cfg!(windows) {
            // Nothing that is open is removed there.
            self.lock = None;
        }
        let _ = std::fs::remove_file(self.folder.join(LOCK));
        for folder in &self.made {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    Ok(fs_err::File::create(path)?.into_parts().0)
}

/// Whether `file`, which was opened at `path`, is what stands there.
fn is_there(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else {
            return false;
        };
        (ours.dev(), ours.ino()) == (there.dev(), there.ino())
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_locked_a_folder_leaves_none_behind() {
        let root = tempfile::tempdir().unwrap();
        let (outer, folder) = (root.path().join("packs"), root.path().join("packs/state"));
        let guard = Guard::enter(&folder).unwrap().ignored().unwrap();
        assert!(folder.join(LOCK).exists() && folder.join(IGNORE).exists());
        drop(guard);
        assert!(!outer.exists());
        let guard = Guard::enter(&folder).unwrap().ignored().unwrap();
        std::fs::write(folder.join("record"), "x").unwrap();
        drop(guard);
        drop(Guard::enter(&folder).unwrap());
        assert!(folder.join("record").exists() && folder.join(IGNORE).exists());
        // What was there before stays, empty or not.
        let before = root.path().join("before");
        std::fs::create_dir(&before).unwrap();
        drop(Guard::enter(&before.join("state")).unwrap());
        assert!(before.exists() && !before.join("state").exists());
    }

    #[test]
    fn one_at_a_time_is_in_a_folder_that_comes_and_goes() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("state");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _guard = Guard::enter(&folder).unwrap();
                        use std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(inside.fetch_add(1, SeqCst), 0);
                        std::thread::yield_now();
                        inside.fetch_sub(1, SeqCst);
                    }
                });
            }
        });
    }
}
