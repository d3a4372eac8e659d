//! Packages of APL (APM, the APL Package Manager): names, configs, indices, lists and trees. Nothing
//! here touches a disk or a network; `packhouse-client` and the registry do.

mod config;
mod contents;
mod filter;
mod id;
mod index;
mod tree;
mod version;

pub use config::{Config, ConfigError, FILE, Need, NeedError};
pub use contents::{ContentsError, Packed, config, repack};
pub use filter::{Filter, FilterError};
pub use id::{ECOSYSTEM, IdError, PackageId, ProjectId};
pub use index::{Index, IndexError};
pub use tree::{Selection, Tree, TreeError, select};
pub(crate) use version::AplVersion;
