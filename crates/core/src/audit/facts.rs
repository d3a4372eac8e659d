//! Facts: what a rule may look at. The caller gathers them; a rule never asks the world itself.

use crate::digest::TreeDigest;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::tree::{PathError, Tree};
use crate::version::Version;

/// Something in the package's folder that cannot be in a tree; gathered by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The path, made printable where it is not UTF-8.
    pub path: String,
    /// What it is.
    pub kind: OddityKind,
}

/// Why something cannot be in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OddityKind {
    /// A symbolic link, with its target.
    Link(String),
    /// A name that is not UTF-8.
    NotUtf8,
    /// A device, socket or pipe.
    Special,
    /// A path that is not safe on every system.
    Path(PathError),
    /// A file over the limit, with its size in bytes.
    TooLarge(u64),
}

/// What the registry holds of a package, as far as the caller asked.
#[derive(Clone, Debug, Default)]
pub struct RegistryFacts {
    /// Released versions, yanked ones included.
    pub versions: Vec<Version>,
    /// The content of the release whose version is the manifest's, where there is one: publishing
    /// the same content again is no mistake.
    pub same_version: Option<TreeDigest>,
    /// Dependencies (their text, see [`super::target_text`]) that the registry does not hold.
    pub missing_dependencies: Vec<String>,
}

/// What a rule may look at; the caller gathers it. Start with [`Facts::new`].
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The files that would be packed.
    pub tree: &'a Tree,
    /// What lies in the folder and cannot be packed.
    pub oddities: &'a [Oddity],
    /// The package's manifest.
    pub manifest: &'a Manifest,
    /// The tag that is being released, without `refs/tags/`; only where the policy binds versions
    /// to tags.
    pub tag: Option<&'a str>,
    /// `owner/name` of the repository that the audit runs in, where it is known.
    pub source_repository: Option<&'a str>,
    /// What the registry holds, when it was asked.
    pub registry: Option<&'a RegistryFacts>,
    /// The limits of the registry.
    pub limits: &'a Limits,
}

impl<'a> Facts<'a> {
    /// The facts of a folder of which nothing is known but its files.
    pub fn new(tree: &'a Tree, manifest: &'a Manifest, limits: &'a Limits) -> Self {
        Self {
            tree,
            oddities: &[],
            manifest,
            tag: None,
            source_repository: None,
            registry: None,
            limits,
        }
    }
}
