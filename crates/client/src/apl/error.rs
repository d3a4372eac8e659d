//! What can go wrong with a registry of APL packages.

use std::path::PathBuf;

use packhouse_core::apl::{
    ConfigError, ContentsError, FilterError, IdError, IndexError, PackageId, TreeError,
};

use crate::error::ClientError;

/// An error, whose text is `msg`.
#[derive(Debug, thiserror::Error)]
pub enum AplError {
    /// Another type than `local`.
    #[error("`{0}` is no type of registry: write `local`")]
    Type(String),
    /// No address.
    #[error("`{uri}` is no registry's address: {reason}")]
    Uri {
        /// What was given.
        uri: String,
        /// What would be right.
        reason: String,
    },
    /// A token that cannot be one.
    #[error("{0}")]
    Token(String),
    /// Nothing there.
    #[error("`{}` is no registry: it has no folder `packages`; `packhouse apl new` makes one", .0.display())]
    NoRegistry(PathBuf),
    /// Something else there.
    #[error("`{}` is not empty and no registry: name an empty or a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// A registry without an index.
    #[error("`{}` has no index: `packhouse apl create-index` builds it", .0.display())]
    NoIndex(PathBuf),
    /// An index that cannot be read.
    #[error("{}: {error}; `packhouse apl create-index --force` builds it anew", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// Why.
        error: IndexError,
    },
    /// A server's index is its own affair.
    #[error("a server keeps its index itself: there is none to build")]
    ServersIndex,
    /// No package ID.
    #[error(transparent)]
    Id(#[from] IdError),
    /// No regular expression.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// No config.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// No tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file that is too large.
    #[error("`{}` has more than {limit} bytes", .0.display(), limit = .1)]
    Large(PathBuf, u64),
    /// A file that holds no package.
    #[error("{}: {error}", .0.display(), error = .1)]
    Contents(PathBuf, Box<ContentsError>),
    /// More packages than a registry on disk may have.
    #[error("`{}` holds more than {limit} packages", .0.display(), limit = .1)]
    Many(PathBuf, usize),
    /// No such package.
    #[error("there is no `{0}` in the registry")]
    Missing(Box<PackageId>),
    /// The version is there.
    #[error("`{0}` is there already: raise `version`")]
    Exists(Box<PackageId>),
    /// The server said no.
    #[error("{message} (status {status})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's own words.
        message: String,
    },
    /// Bytes that are another package.
    #[error("the server sent `{found}` for `{wanted}`")]
    Other {
        /// What was asked for.
        wanted: Box<PackageId>,
        /// What came.
        found: Box<PackageId>,
    },
    /// No answer, or not that of a registry.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A file that cannot be read or written; the error names it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl AplError {
    /// The return code: never 0, and the exit code of the program.
    pub fn rc(&self) -> u8 {
        match self {
            Self::Type(_)
            | Self::Uri { .. }
            | Self::NotEmpty(_)
            | Self::Index { .. }
            | Self::ServersIndex
            | Self::Id(_)
            | Self::Filter(_)
            | Self::Config(_)
            | Self::Large(..)
            | Self::Contents(..)
            | Self::Many(..)
            | Self::Io(_) => 2,
            Self::Tree(TreeError::Missing { .. })
            | Self::NoRegistry(_)
            | Self::NoIndex(_)
            | Self::Missing(_) => 3,
            Self::Tree(_) => 2,
            Self::Token(_) => 4,
            Self::Exists(_) => 5,
            Self::Other { .. } => 6,
            Self::Refused { status, .. } => match status {
                401 | 403 => 4,
                404 | 410 => 3,
                409 => 5,
                400..=499 => 2,
                _ => 7,
            },
            Self::Client(ClientError::Io(_)) => 2,
            Self::Client(_) => 7,
        }
    }
}
