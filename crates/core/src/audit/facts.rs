//! Facts: what a rule may look at. The caller gathers them; a rule never asks the world itself.

use std::collections::BTreeMap;

use super::circuit;
use crate::digest::TreeDigest;
use crate::fppm::Shortname;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::quality::Advisories;
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
    /// Dependencies that the registry holds, and of them no release that fits: the dependency's text
    /// and its requirement's.
    pub missing_releases: Vec<(String, String)>,
    /// Packages of F Prime whose names begin alike, one of which is this: the shorter, the longer.
    pub clashes: Vec<(Shortname, Shortname)>,
    /// Versions in service of the dependencies that the registry holds, by their text.
    pub held: BTreeMap<String, Vec<Version>>,
}

/// What the strict rules look at beside the rest; gathered by the caller who asks for them.
#[derive(Clone, Debug, Default)]
pub struct Strict {
    /// What the package's folder is called, where that is known.
    pub folder_name: Option<String>,
    /// What the last build left, where the caller looked.
    pub build: Option<BuildOutputs>,
}

/// What the last build of an `ato` package left. It is ignored and so not in the tree.
#[derive(Clone, Debug, Default)]
pub struct BuildOutputs {
    /// Whether the folder of builds is there.
    pub exists: bool,
    /// The names of the files in the folder of each target.
    pub files: BTreeMap<String, Vec<String>>,
}

impl BuildOutputs {
    /// The folder of builds, relative to the package's: `build/builds`, unless `paths.build` says another.
    pub fn folder(manifest: &Manifest) -> String {
        let build = circuit::folder(manifest, "build").filter(|folder| !folder.is_empty());
        format!("{}/builds", build.as_deref().unwrap_or("build"))
    }
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
    /// Whether the strict rules were asked for, and what they need.
    pub strict: Option<&'a Strict>,
    /// The versions of the tools that are here, by name, as far as the caller found them out.
    pub tools: Option<&'a BTreeMap<String, Version>>,
    /// The advisories that are known, where some were given.
    pub advisories: Option<&'a Advisories>,
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
            strict: None,
            tools: None,
            advisories: None,
            limits,
        }
    }
}
