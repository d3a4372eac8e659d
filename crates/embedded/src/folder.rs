//! The data folder: its marker files, its key, and how files in it become durable.
//!
//! | name | holds |
//! |---|---|
//! | `format` | the layout's number; a newer one is refused |
//! | `open` | there when the folder was ever served without real checks |
//! | `upload.key` | the key that signs uploads, 64 hex digits, readable by its owner only |
//! | `ledger.sqlite` | the ledger, with `-wal` and `-shm` beside it while it is open |
//! | `blobs/sha256/ab/<hex>` | blobs |
//! | `staging/` | uploads that are not confirmed |

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use packhouse_core::digest::Digest;

/// The layout that this code reads and writes.
const FORMAT: u32 = 1;

/// Whether releases in the folder can be trusted to come from who they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every write is checked.
    Checked,
    /// For trying out: writes go without a token, or a local issuer hands tokens to anybody. The
    /// folder is marked, and never opens as [`Mode::Checked`] again.
    TryOut,
}

/// Why a data folder does not open.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system refused; the text names the path.
    #[error("{0}: give a folder that this user may write to")]
    Io(io::Error),
    /// Served for trying out before.
    #[error(
        "`{}` was served with `--open` or `--dev-issuer`, so anybody may have published to it: pass the flag again, or choose another folder",
        .0.display()
    )]
    TriedOut(PathBuf),
    /// Not ours.
    #[error("`{}` is not empty and is no data folder of Packhouse: choose an empty or a new folder", .0.display())]
    Foreign(PathBuf),
    /// From a newer version, or damaged.
    #[error("`{}` says `{found}`, this program knows format {FORMAT}: use the version of Packhouse that made the folder, or a newer one", .path.display())]
    Format {
        /// The marker file.
        path: PathBuf,
        /// Its first line.
        found: String,
    },
    /// The key is damaged.
    #[error("`{}` does not hold 64 hex digits: delete it, uploads under way then start again", .0.display())]
    Key(PathBuf),
}

impl From<io::Error> for FolderError {
    /// Not as a source: the text is part of the error's own, and would be printed twice.
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A data folder that is in order.
#[derive(Clone, Debug)]
pub struct DataDir {
    path: PathBuf,
    key: [u8; 32],
}

impl DataDir {
    /// Opens a data folder, or makes one where there is none or an empty one. Several processes may
    /// do so at once.
    ///
    /// # Errors
    ///
    /// [`FolderError`], each with what to do.
    pub fn open(path: impl AsRef<Path>, mode: Mode) -> Result<Self, FolderError> {
        let path = path.as_ref().to_owned();
        create_private_dir(&path)?;
        let mut new_names = check_format(&path)?;
        let marker = path.join("open");
        match (mode, marker.try_exists()?) {
            (Mode::Checked, true) => return Err(FolderError::TriedOut(path)),
            (Mode::TryOut, false) => {
                let why = b"This folder was served for trying out: its releases prove nothing.\n";
                create_once(&marker, why)?;
                new_names = true;
            }
            (Mode::Checked, false) | (Mode::TryOut, true) => {}
        }
        let (key, new_key) = read_key(&path.join("upload.key"))?;
        if new_names || new_key {
            sync_dir(&path)?;
        }
        Ok(Self { path, key })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that signs uploads.
    pub(crate) fn upload_key(&self) -> [u8; 32] {
        self.key
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.path.join("ledger.sqlite")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.path.join("staging")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.path.join("blobs").join("sha256")
    }
}

/// Checks the format's marker; whether it was made just now.
fn check_format(path: &Path) -> Result<bool, FolderError> {
    let marker = path.join("format");
    match fs::read_to_string(&marker) {
        Ok(text) => {
            let found = text.lines().next().unwrap_or_default().to_owned();
            if found == format!("packhouse {FORMAT}") {
                return Ok(false);
            }
            Err(FolderError::Format { path: marker, found })
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            for entry in fs::read_dir(path)? {
                let name = entry?.file_name();
                let name = name.to_string_lossy();
                if name.starts_with("format") || name == "lost+found" {
                    continue;
                }
                // Another process may have made this very folder in between: then the marker, which
                // comes first, is there by now.
                return match marker.try_exists()? {
                    true => check_format(path),
                    false => Err(FolderError::Foreign(path.to_owned())),
                };
            }
            create_once(&marker, format!("packhouse {FORMAT}\n").as_bytes())?;
            Ok(true)
        }
        Err(e) => Err(e.into()),
    }
}

/// The key, and whether it was made just now.
fn read_key(path: &Path) -> Result<([u8; 32], bool), FolderError> {
    let mut is_new = false;
    let text = match fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(io::Error::other)?;
            create_once(path, format!("{}\n", Digest::from_bytes(key)).as_bytes())?;
            is_new = true;
            fs::read_to_string(path)? // another process may have been first
        }
        text => text?,
    };
    let key = text.trim_end().parse::<Digest>();
    key.map(|key| (*key.as_bytes(), is_new)).map_err(|_| FolderError::Key(path.to_owned()))
}

/// Makes a file with this content, whole and durable, unless there is one. Its name is durable once
/// the caller has synced the folder.
fn create_once(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", random_name()?));
    let temporary = PathBuf::from(name);
    let mut file = create_private(&temporary)?;
    let linked = file
        .write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| link_once(&temporary, path));
    let removed = fs::remove_file(&temporary);
    linked?;
    removed
}

/// Gives a file a second name; `false` when the name is taken.
pub(crate) fn link_once(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(e),
    }
}

/// 128 random bits as hex.
pub(crate) fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A new file that only its owner reads; an existing one is an error.
pub(crate) fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    match builder.create(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            Err(io::Error::new(e.kind(), format!("cannot make `{}`: {e}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Makes the names in a folder durable. Windows has no such call; its file system logs them.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(path)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_keeps_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("new/data");
        let first = DataDir::open(&path, Mode::Checked).unwrap();
        let again = DataDir::open(&path, Mode::Checked).unwrap();
        assert_eq!(first.key, again.key);
        assert_ne!(first.key, [0; 32]);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_reads_the_key() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        DataDir::open(dir.path(), Mode::Checked).unwrap();
        let mode = fs::metadata(dir.path().join("upload.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_folder_that_was_tried_out_is_never_trusted_again() {
        let dir = tempfile::tempdir().unwrap();
        DataDir::open(dir.path(), Mode::TryOut).unwrap();
        DataDir::open(dir.path(), Mode::TryOut).unwrap();
        let error = DataDir::open(dir.path(), Mode::Checked).unwrap_err();
        assert!(matches!(error, FolderError::TriedOut(_)), "{error}");
    }

    #[test]
    fn a_folder_of_somebody_else_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let error = DataDir::open(dir.path(), Mode::Checked).unwrap_err();
        assert!(matches!(error, FolderError::Foreign(_)), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_place_where_no_folder_can_be_is_named_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = DataDir::open(file.join("data"), Mode::Checked).unwrap_err();
        assert!(std::error::Error::source(&error).is_none(), "it would be printed twice: {error}");
        assert!(error.to_string().contains("give a folder that this user may write to"), "{error}");
    }

    #[test]
    fn a_newer_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        DataDir::open(dir.path(), Mode::Checked).unwrap();
        fs::write(dir.path().join("format"), "packhouse 2\n").unwrap();
        let error = DataDir::open(dir.path(), Mode::Checked).unwrap_err();
        assert!(error.to_string().contains("says `packhouse 2`"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        DataDir::open(dir.path(), Mode::Checked).unwrap();
        fs::write(dir.path().join("upload.key"), "").unwrap();
        let error = DataDir::open(dir.path(), Mode::Checked).unwrap_err();
        assert!(matches!(error, FolderError::Key(_)), "{error}");
    }

    #[test]
    fn many_processes_may_make_a_folder_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let open = || DataDir::open(&path, Mode::Checked).unwrap().key;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
