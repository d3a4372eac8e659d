//! Projects of F Prime: `project.yaml`, and the packages below `_fprime_packages`.
//!
//! Files and folders are those of the stock client, so both can work on one project. What it lacks is
//! here: a lockfile with exact commits, installing all of a project, removing by exact name, and no
//! questions. Whatever could be refused is looked at before the first file of the project changes.

pub mod address;
pub mod install;
pub mod location;
mod neighbours;
pub mod remove;
pub mod sources;

use std::path::{Path, PathBuf};

use packhouse_core::escape::printable;
use packhouse_core::formats::Broken;
use packhouse_core::fppm::Shortname;
use packhouse_core::fppm::cmake;
use packhouse_core::fppm::lock::{self, Lock};
use packhouse_core::fppm::project::{self, Project};

use crate::error::ClientError;

/// The longest file of a project that is read, in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// A project on this disk.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its folder.
    pub folder: PathBuf,
    /// `project.yaml`, wherever it is.
    pub file: PathBuf,
    /// What it says.
    pub project: Project,
    /// What is locked.
    pub lock: Lock,
}

impl Workspace {
    /// Opens the project of `file`; a lockfile may be missing.
    ///
    /// # Errors
    ///
    /// [`ClientError::Missing`] without a project; [`ClientError::Usage`] with the place where a file is
    /// broken.
    pub fn open(file: &Path) -> Result<Self, ClientError> {
        let file = std::path::absolute(file)?;
        let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
        let text = read(&file)?.ok_or_else(|| ClientError::Missing {
            message: format!("there is no `{}`", shown(&file)),
            help: "run it in the project's folder, or make one with `fppm init`".to_owned(),
        })?;
        let project = Project::read(text.as_bytes()).map_err(|broken| told(&file, &broken))?;
        let locked = folder.join(lock::FILE);
        let lock = match read(&locked)? {
            Some(text) => Lock::read(text.as_bytes()).map_err(|broken| told(&locked, &broken))?,
            None => Lock::default(),
        };
        Ok(Self { folder, file, project, lock })
    }

    /// Where packages are installed.
    pub fn packages(&self) -> PathBuf {
        self.folder.join(cmake::FOLDER)
    }

    /// Where a package is installed.
    pub fn place(&self, package: &Shortname) -> PathBuf {
        self.packages().join(package.folder())
    }

    /// Whether a package is there, as a folder of its own.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] for what is there and no folder: a link could lead anywhere.
    pub fn is_installed(&self, package: &Shortname) -> Result<bool, ClientError> {
        let place = self.place(package);
        match std::fs::symlink_metadata(&place) {
            Ok(there) if there.is_dir() => Ok(true),
            Ok(_) => Err(ClientError::usage(
                format!("`{}` is no folder", shown(&place)),
                "move it away: packages are folders",
            )),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes `project.yaml`, and the lockfile where there is or was anything in it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Io`].
    pub fn save(&self) -> Result<(), ClientError> {
        write(&self.file, &self.project.write())?;
        let locked = self.folder.join(lock::FILE);
        if !self.lock.packages.is_empty() || locked.exists() {
            write(&locked, &self.lock.write())?;
        }
        Ok(())
    }
}

/// What is wrong with a file, with its path as the user knows it.
fn told(file: &Path, broken: &Broken) -> ClientError {
    let field = broken.field.as_deref().map(|f| format!("`{f}`: ")).unwrap_or_default();
    let (line, column) = (broken.at.line, broken.at.column);
    let message = format!("{}:{line}:{column}: {field}{}", shown(file), broken.message);
    ClientError::usage(message, broken.help.clone())
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// A file's text; `None` where there is none.
fn read(path: &Path) -> Result<Option<String>, ClientError> {
    read_within(path, FILE_BYTES)
}

/// The same of at most `limit` bytes.
fn read_within(path: &Path, limit: u64) -> Result<Option<String>, ClientError> {
    use std::io::Read as _;
    let file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("`{}` has more than {limit} bytes", shown(path));
        return Err(ClientError::usage(message, "files of a project are smaller"));
    }
    let wrong = |_| {
        let message = format!("`{}` is not UTF-8", shown(path));
        ClientError::usage(message, "save it as UTF-8")
    };
    String::from_utf8(bytes).map(Some).map_err(wrong)
}

/// Replaces a file in one step, so that nobody ever reads half of it.
fn write(path: &Path, text: &str) -> Result<(), ClientError> {
    Ok(crate::replace::atomically(path, text.as_bytes())?)
}

/// The usual place of a project's file.
pub const PROJECT: &str = project::FILE;
