//! A registry of APL packages, as APM's registry module describes it: a folder on disk (`file://`), or a
//! server behind it (`http(s)://`).
//!
//! Every verb of APM answers `rc` and `msg` first. Here they are a `Result`: `Ok` is `rc` 0 with an empty
//! `msg`, and of an error [`AplError::rc`] and its text are the two.

mod error;
mod folder;
mod server;
mod uri;

use std::path::{Path, PathBuf};

use packhouse_core::apl::{Config, Filter, PackageId, Selection};
use packhouse_core::limits::Limits;
use packhouse_core::secret::Secret;
use serde_json::Value;

pub use error::AplError;
use folder::Folder;
use server::Server;

use crate::http::Options;

/// What the verbs of a registry answer.
pub type AplResult<T> = Result<T, AplError>;

/// How a tree is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Configs whose dependencies are configs.
    #[default]
    Nested,
    /// One list of `id`, `orig_ids` and `dependencies`.
    Flat,
}

/// A registry.
pub struct Registry(Place);

enum Place {
    Folder(Folder),
    Server(Box<Server>),
}

/// What a registry on a server is spoken to with.
#[derive(Debug, Default)]
pub struct Access {
    /// Shown as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// How patient the client is.
    pub options: Options,
}

impl Registry {
    /// `New`: the registry at `uri`. An empty or missing folder becomes one; a server is asked whether it
    /// is one.
    ///
    /// # Errors
    ///
    /// [`AplError::Type`] for a `kind` other than `local`, [`AplError::Uri`], [`AplError::NotEmpty`] for
    /// a folder with other things in it.
    pub fn new(kind: &str, uri: &str, access: Access) -> AplResult<Self> {
        if kind != "local" {
            return Err(AplError::Type(packhouse_core::escape::excerpt(kind, 40)));
        }
        match uri::parse(uri)? {
            uri::Uri::Folder(path) => Ok(Self(Place::Folder(Folder::create(&path)?))),
            uri::Uri::Server(url) => {
                let server = Server::new(url, access);
                server.check()?;
                Ok(Self(Place::Server(Box::new(server))))
            }
        }
    }

    /// The registry at `uri`, which has to be there.
    ///
    /// # Errors
    ///
    /// [`AplError::Uri`] and [`AplError::NoRegistry`].
    pub fn open(uri: &str, access: Access) -> AplResult<Self> {
        Ok(Self(match uri::parse(uri)? {
            uri::Uri::Folder(path) => Place::Folder(Folder::open(&path)?),
            uri::Uri::Server(url) => Place::Server(Box::new(Server::new(url, access))),
        }))
    }

    /// `CreateIndex`: builds the index from the stored packages. Without `force` an index that is there
    /// stays as it is. A server keeps its own.
    ///
    /// # Errors
    ///
    /// [`AplError::Contents`] for an archive that holds no package; the index then stays as it was.
    pub fn create_index(&self, force: bool) -> AplResult<()> {
        match &self.0 {
            Place::Folder(folder) => folder.create_index(force),
            Place::Server(_) if force => Err(AplError::ServersIndex),
            Place::Server(_) => Ok(()),
        }
    }

    /// `ListPackages`: the configs that all expressions of `group`, `name` and `version` admit.
    ///
    /// # Errors
    ///
    /// [`AplError::Filter`] for an expression that cannot be used.
    pub fn list_packages(
        &self,
        group: Option<&str>,
        name: Option<&str>,
        version: Option<&str>,
    ) -> AplResult<Vec<Config>> {
        // Checked here in any case: what is wrong with it is said without a request.
        let filter = Filter::new(group, name, version)?;
        match &self.0 {
            Place::Folder(folder) => folder.list(&filter),
            Place::Server(server) => server.list(group, name, version),
        }
    }

    /// `AddPackage`: puts the package in the zip at `path` in. Answers its ID.
    ///
    /// # Errors
    ///
    /// [`AplError::Contents`] for a file that holds no package, [`AplError::Exists`] for a version that is
    /// there.
    pub fn add_package(&self, path: &Path) -> AplResult<PackageId> {
        let limits = Limits::default();
        let bytes = read(path, limits.archive_bytes)?;
        let packed = packhouse_core::apl::repack(&bytes, &limits)
            .map_err(|error| AplError::Contents(path.to_owned(), Box::new(error)))?;
        match &self.0 {
            Place::Folder(folder) => folder.add(&packed)?,
            Place::Server(server) => server.add(&packed)?,
        }
        Ok(packed.config.id)
    }

    /// `GetPackage`: the path of the package's zip. From a server it is downloaded to `into`; on disk it
    /// is the registry's own file.
    ///
    /// # Errors
    ///
    /// [`AplError::Missing`].
    pub fn get_package(&self, id: &PackageId, into: &Path) -> AplResult<PathBuf> {
        match &self.0 {
            Place::Folder(folder) => folder.get(id),
            Place::Server(server) => server.get(id, into),
        }
    }

    /// The config of a package.
    ///
    /// # Errors
    ///
    /// [`AplError::Missing`].
    pub fn config(&self, id: &PackageId) -> AplResult<Config> {
        let only = |text: &str| format!("^{}$", text.replace('.', "\\."));
        let (group, name) = (only(id.project.group()), only(id.project.name()));
        let found = self.list_packages(Some(&group), Some(&name), None)?;
        found
            .into_iter()
            .find(|c| c.id == *id)
            .ok_or_else(|| AplError::Missing(Box::new(id.clone())))
    }

    /// `DependencyTree`: what `configs` need, and what that needs.
    ///
    /// # Errors
    ///
    /// [`AplError::Tree`] for a dependency that is not there.
    pub fn dependency_tree(
        &self,
        configs: &[Config],
        selection: Selection,
        form: Form,
    ) -> AplResult<Value> {
        match &self.0 {
            Place::Folder(folder) => folder.tree(configs, selection, form),
            Place::Server(server) => server.tree(configs, selection, form),
        }
    }
}

/// A file of at most `limit` bytes.
fn read(path: &Path, limit: u64) -> AplResult<Vec<u8>> {
    use std::io::Read as _;
    let file = fs_err::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(AplError::Large(path.to_owned(), limit));
    }
    Ok(bytes)
}

/// Writes a file in one step: it is there as a whole, or not at all.
fn write(path: &Path, bytes: &[u8]) -> AplResult<()> {
    use std::io::Write as _;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // What the umask leaves of it, as for any file: registries on disk are shared.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.prefix(".packhouse-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
