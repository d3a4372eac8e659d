//! A folder for one run, gone when the run ends. What a killed run left behind, the next one sweeps.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// How the folders of runs begin.
const PREFIX: &str = "run-";
/// The lock in the folder of a run, held as long as the run lives.
const LOCK: &str = "lock";

/// A folder for one run.
pub struct Scratch {
    // Closed first: some systems remove no file that is open.
    _lock: File,
    folder: tempfile::TempDir,
}

impl Scratch {
    /// An empty folder below `root`, which is made where it is missing. Folders there whose run is over
    /// are removed: the system gives up a lock with the process that held it, however that ended.
    ///
    /// # Errors
    ///
    /// Where `root` cannot be written.
    pub fn below(root: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        // Nobody sweeps while somebody is between making a folder and locking it.
        let gate = File::create(root.join(LOCK))?;
        gate.lock()?;
        sweep(root);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(root)?;
        let lock = File::create(folder.path().join(LOCK))?;
        lock.lock()?;
        std::fs::create_dir(folder.path().join("in"))?;
        Ok(Self { folder, _lock: lock })
    }

    /// The empty folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("in")
    }

    /// All that is to be removed where the run is ended from outside.
    pub fn root(&self) -> &Path {
        self.folder.path()
    }
}

fn sweep(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let of_a_run = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let lives = || {
            File::open(entry.path().join(LOCK))
                .is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
        };
        if of_a_run && !lives() {
            // What cannot be removed is tried again by the next run.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_removes_its_folder_and_those_of_runs_that_were_killed() {
        let root = tempfile::tempdir().unwrap();
        let runs = || {
            let names = std::fs::read_dir(root.path()).unwrap().map(|e| e.unwrap().file_name());
            names.filter(|name| name.to_string_lossy().starts_with(PREFIX)).count()
        };
        let killed = Scratch::below(root.path()).unwrap();
        std::fs::write(killed.path().join("half"), "x").unwrap();
        let Scratch { folder, _lock } = killed;
        let left = folder.keep();
        let living = Scratch::below(root.path()).unwrap();
        assert_eq!(runs(), 2, "its lock is held");
        drop(_lock);
        let next = Scratch::below(root.path()).unwrap();
        assert!(!left.exists() && living.path().is_dir());
        drop((living, next));
        assert_eq!(runs(), 0);
    }
}
