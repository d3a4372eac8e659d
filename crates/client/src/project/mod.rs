//! Projects: a folder with an `ato.yaml` or a `packhouse.yaml`, its lockfile, and what is installed.
//!
//! [`open`](Project::open) finds the project; [`lock`] decides which releases it gets, [`install`] puts
//! them in place, [`sync`] does both. Nothing is changed before all that could be refused was looked at.

pub mod gather;
pub mod install;
pub mod lock;
pub mod meta;
pub mod record;
pub mod source;
pub mod sync;

use std::path::{Path, PathBuf};

use packhouse_core::escape::printable;
use packhouse_core::formats::{self, Found};
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::lock::{self as lockfile, Lock};
use packhouse_core::manifest::{Manifest, Name};
use packhouse_core::tree::Tree;

use crate::cache::How;
use crate::error::ClientError;

/// The formats whose projects can be synced.
const FORMATS: [&str; 2] = ["packhouse", "ato"];
/// The longest lockfile that is read, in bytes.
const LOCK_BYTES: u64 = 16 << 20;

/// A project that was found.
pub struct Project {
    /// Its folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// The manifest as it stands on disk.
    pub text: String,
}

impl Project {
    /// The project of `start`, or of the nearest folder above it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Missing`] where there is none; [`ClientError::Usage`] for a manifest that is
    /// broken, with its place.
    pub fn open(start: &Path) -> Result<Self, ClientError> {
        let start = std::path::absolute(start)?;
        for folder in start.ancestors() {
            for format in FORMATS.iter().filter_map(|id| formats::by_id(id)) {
                let path = folder.join(format.file());
                let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
                if metadata.is_file() {
                    return Self::read(folder, format, &path, metadata.len());
                }
            }
        }
        Err(ClientError::Missing {
            message: format!(
                "there is no project in `{}` or above",
                printable(&start.to_string_lossy())
            ),
            help: "make one with `packhouse init`, or go to the folder of an `ato.yaml` or `packhouse.yaml`".to_owned(),
        })
    }

    fn read(
        folder: &Path,
        format: &dyn formats::Format,
        path: &Path,
        bytes: u64,
    ) -> Result<Self, ClientError> {
        let limit = Limits::default().manifest_bytes as u64;
        let shown = printable(&path.to_string_lossy());
        if bytes > limit {
            return Err(ClientError::usage(
                format!("`{shown}` has {bytes} bytes, at most {limit} are read"),
                "name the project's folder",
            ));
        }
        let text = fs_err::read_to_string(path)?;
        let mut tree = Tree::default();
        if let Ok(name) = format.file().parse() {
            tree.insert(name, text.as_bytes(), false);
        }
        match format.read(&tree) {
            Found::Package(manifest) => {
                if let Some(problem) =
                    manifest.problems.iter().find(|p| p.field.starts_with("dependencies"))
                {
                    let at = problem.at;
                    return Err(ClientError::usage(
                        format!(
                            "{shown}:{}:{}: `{}` {}",
                            at.line, at.column, problem.field, problem.message
                        ),
                        problem.help.clone(),
                    ));
                }
                Ok(Self { folder: folder.to_owned(), manifest, text })
            }
            Found::Broken(broken) => Err(ClientError::usage(
                format!("{shown}:{}:{}: {}", broken.at.line, broken.at.column, broken.message),
                broken.help,
            )),
            Found::Missing => Err(ClientError::Missing {
                message: format!("`{shown}` is gone"),
                help: "run it again".to_owned(),
            }),
        }
    }

    /// What the project is called in sentences: its identifier, or its folder's name.
    pub fn title(&self) -> String {
        match self.manifest.name.as_ref().map(|field| &field.value) {
            Some(Name::Full(identifier)) => identifier.to_string(),
            Some(Name::Native(native)) => printable(&native.name),
            None => match self.folder.file_name() {
                Some(name) => printable(&name.to_string_lossy()),
                None => "this project".to_owned(),
            },
        }
    }

    /// The manifest file.
    pub fn manifest_path(&self) -> PathBuf {
        self.folder.join(self.manifest.path.as_str())
    }

    /// The lockfile.
    pub fn lock_path(&self) -> PathBuf {
        self.folder.join(lockfile::FILE)
    }

    /// Whether `ato` shares this project with us.
    pub fn is_ato(&self) -> bool {
        self.manifest.format == "ato"
    }

    /// The folder that packages are installed below.
    pub fn modules(&self) -> PathBuf {
        let parent = if self.is_ato() { ".ato" } else { ".packhouse" };
        self.folder.join(parent).join("modules")
    }

    /// The folder of one installed package.
    pub fn module(&self, identifier: &Identifier) -> PathBuf {
        identifier.parts().fold(self.modules(), |folder, part| folder.join(part))
    }

    /// The folder of what only this machine knows of the project: which files were installed.
    pub fn state(&self) -> PathBuf {
        self.folder.join(".packhouse")
    }

    /// How files are put in place: `ato` projects edit theirs.
    pub fn how(&self) -> How {
        if self.is_ato() { How::Editable } else { How::Linked }
    }

    /// The lockfile, where there is one.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] for one that cannot be read, with its line.
    pub fn lock(&self) -> Result<Option<Lock>, ClientError> {
        let path = self.lock_path();
        let metadata = match fs_err::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        if !metadata.is_file() || metadata.len() > LOCK_BYTES {
            return Err(ClientError::usage(
                format!(
                    "`{}` is no lockfile of at most 16 MiB",
                    printable(&path.to_string_lossy())
                ),
                "remove it; `packhouse sync` writes a new one",
            ));
        }
        let text = fs_err::read_to_string(&path)?;
        Lock::parse(&text).map(Some).map_err(|error| {
            ClientError::usage(
                error.to_string(),
                "take the file from version control again, or remove it: `packhouse sync` writes a new one",
            )
        })
    }
}
