//! Moving a registry: the folder that `admin export` writes and `admin import` reads.

mod blobs;
mod export;
mod import;
mod rebuild;
mod report;
mod tally;

pub(crate) use export::export;
pub(crate) use import::import;
pub(crate) use rebuild::rebuild;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use packhouse_core::digest::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Stop};
use crate::ui::shown;

/// What `backup/manifest.json` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// 1.
    pub(crate) schema: u32,
    /// The registry that was exported.
    pub(crate) registry: String,
    /// The version of the program that wrote it.
    pub(crate) packhouse: String,
    /// SHA-256 of `backup/records.jsonl`.
    pub(crate) records_sha256: Digest,
    /// What is in it.
    pub(crate) counts: tally::Counts,
    /// How many blobs there are, those out of service included.
    pub(crate) blobs: u64,
    /// Their bytes together.
    pub(crate) blob_bytes: u64,
}

/// The names in the folder.
pub(crate) struct Layout(PathBuf);

impl Layout {
    pub(crate) fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    /// What is served.
    pub(crate) fn public(&self) -> PathBuf {
        self.0.join("public")
    }

    /// What is not.
    pub(crate) fn backup(&self) -> PathBuf {
        self.0.join("backup")
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.backup().join("records.jsonl")
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.backup().join("manifest.json")
    }

    /// The folder of a blob's names that are served.
    pub(crate) fn served(&self, digest: &Digest) -> PathBuf {
        self.public().join("blobs/sha256").join(digest.hex())
    }

    /// A blob that is out of service.
    pub(crate) fn kept(&self, digest: &Digest) -> PathBuf {
        self.backup().join("blobs").join(digest.hex())
    }

    /// Where index files wait until their blobs are there.
    pub(crate) fn next_index(&self) -> PathBuf {
        self.backup().join("index.next")
    }
}

/// Whether `source` is a git repository or the address of one, and no export.
pub(crate) fn is_git(source: &str) -> bool {
    let folder = Path::new(source);
    let bare = folder.join("HEAD").is_file() && folder.join("objects").is_dir();
    source.contains("://") || folder.join(".git").exists() || bare
}

/// A file's SHA-256; `None` where there is no such file.
pub(crate) fn digest_of(path: &Path) -> anyhow::Result<Option<Digest>> {
    let mut file = match fs_err::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match std::io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(Some(hasher.finish())),
            count => hasher.update(&buffer[..count]),
        }
    }
}

/// Writes a file whole or not at all; readable by everybody where `public`.
pub(crate) fn write(path: &Path, bytes: &[u8], public: bool) -> anyhow::Result<()> {
    let mut file = temporary(path)?;
    file.write_all(bytes)?;
    place(file, path, public)
}

/// A file beside `path`, to be put there by [`place`]; its owner's alone until then.
pub(crate) fn temporary(path: &Path) -> anyhow::Result<tempfile::NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs_err::create_dir_all(folder)?;
    Ok(tempfile::Builder::new().prefix(".packhouse-").tempfile_in(folder)?)
}

pub(crate) fn place(
    file: tempfile::NamedTempFile,
    path: &Path,
    public: bool,
) -> anyhow::Result<()> {
    #[cfg(unix)]
    if public {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    }
    #[cfg(not(unix))]
    let _ = public;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| {
        Stop::usage(
            format!("`{}` cannot be written: {}", shown(path), e.error),
            "make room, or choose another folder",
        )
    })?;
    Ok(())
}

/// What is in a folder that an export wrote is not what it should be.
pub(crate) fn damaged(path: &Path, why: impl std::fmt::Display) -> Stop {
    Stop::new(
        Exit::Integrity,
        format!("`{}` is damaged: {why}", shown(path)),
        "make the export again, or take another copy of it",
    )
}
