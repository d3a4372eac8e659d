//! Which releases a project gets: those of its lockfile as long as they do, else what the resolver says.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::api::read::{IndexFile, IndexVersion};
use packhouse_core::digest::TreeDigest;
use packhouse_core::escape::excerpt;
use packhouse_core::identifier::Identifier;
use packhouse_core::lock::{self, Lock, Locked, LockedPublisher, Source};
use packhouse_core::manifest::{Dependency, Target};
use packhouse_core::resolve::{self, Cycles, Known, Request, Resolution, Unresolved};
use packhouse_core::version::Version;

use super::Project;
use super::gather::Gathered;
use super::source::SourceTree;
use crate::error::ClientError;

/// Which packages may move although the lockfile holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// None.
    No,
    /// These.
    Some(BTreeSet<Identifier>),
    /// All.
    All,
}

impl Upgrade {
    fn keeps(&self, identifier: &Identifier) -> bool {
        match self {
            Self::No => true,
            Self::Some(named) => !named.contains(identifier),
            Self::All => false,
        }
    }
}

/// Why there is no lockfile to go by.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// No set of releases fits.
    #[error(transparent)]
    Unresolved(#[from] Unresolved),
    /// Somebody else publishes a package now.
    #[error("{message}")]
    Publisher {
        /// The package.
        identifier: Identifier,
        /// What changed.
        message: String,
    },
    /// Anything else.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// `lock` without what nothing leads to any more, where it gives `project` all that its manifest asks
/// for; `None` where it does not.
///
/// `sources` are the folders and repositories as they are now.
pub fn kept(
    project: &Project,
    lock: &Lock,
    registry: Option<&str>,
    sources: &BTreeMap<Identifier, SourceTree>,
) -> Option<Lock> {
    let by_id: BTreeMap<&Identifier, &Locked> =
        lock.packages.iter().map(|package| (&package.identifier, package)).collect();
    let fits = |dependency: &Dependency| match &dependency.target {
        Target::Registry { identifier } => by_id.get(identifier).is_some_and(|locked| {
            let same = match &locked.source {
                Source::Registry { url } => registry.is_none_or(|registry| registry == url),
                _ => sources.contains_key(identifier),
            };
            let admits = match (&dependency.requirement, &locked.version) {
                (Some(requirement), Some(version)) => requirement.admits(version),
                _ => true,
            };
            same && admits
        }),
        _ => true,
    };
    if !project.manifest.dependencies.iter().filter(|d| d.condition.is_none()).all(fits) {
        return None;
    }
    for (identifier, source) in sources {
        let same = by_id.get(identifier).is_some_and(|locked| {
            locked.source == source.source && locked.tree_digest == source.tree.digest()
        });
        if !same || !source.manifest.dependencies.iter().filter(|d| d.condition.is_none()).all(fits)
        {
            return None;
        }
    }
    // What nothing leads to any more is not needed any more.
    let mut reached: BTreeSet<&Identifier> = BTreeSet::new();
    let mut queue: Vec<&Identifier> = roots(project, sources);
    while let Some(identifier) = queue.pop() {
        let locked = by_id.get(identifier)?;
        if reached.insert(identifier) {
            queue.extend(&locked.dependencies);
        }
    }
    let needed = lock.packages.iter().filter(|package| reached.contains(&package.identifier));
    Some(Lock { packages: needed.cloned().collect() })
}

/// What the manifest itself asks for.
fn roots<'a>(
    project: &'a Project,
    sources: &'a BTreeMap<Identifier, SourceTree>,
) -> Vec<&'a Identifier> {
    let named = project.manifest.dependencies.iter().filter(|d| d.condition.is_none());
    let named = named.filter_map(|dependency| match &dependency.target {
        Target::Registry { identifier } => Some(identifier),
        _ => None,
    });
    named.chain(sources.keys()).collect()
}

/// The packages of the registry that project and sources ask for.
pub fn wanted(
    project: &Project,
    sources: &BTreeMap<Identifier, SourceTree>,
) -> BTreeSet<Identifier> {
    let own = project.manifest.dependencies.iter();
    let theirs = sources.values().flat_map(|source| &source.manifest.dependencies);
    let registry = |dependency: &Dependency| match &dependency.target {
        Target::Registry { identifier } if !sources.contains_key(identifier) => {
            Some(identifier.clone())
        }
        _ => None,
    };
    own.chain(theirs).filter(|d| d.condition.is_none()).filter_map(registry).collect()
}

/// What a new lockfile is made from.
pub struct Inputs<'a> {
    /// The project.
    pub project: &'a Project,
    /// Its lockfile of now.
    pub old: Option<&'a Lock>,
    /// The registry's address.
    pub registry: &'a str,
    /// What the registry has.
    pub gathered: &'a Gathered,
    /// What other places have.
    pub sources: &'a BTreeMap<Identifier, SourceTree>,
    /// What may move.
    pub upgrade: &'a Upgrade,
    /// Versions of tools here, by name.
    pub tools: &'a BTreeMap<String, Version>,
    /// Packages whose new publisher is accepted.
    pub accepted: &'a BTreeSet<Identifier>,
}

/// Resolves anew, keeping what is locked where that still fits.
///
/// # Errors
///
/// [`LockError`]; nothing is changed.
pub fn resolve(inputs: &Inputs) -> Result<Lock, LockError> {
    let project = inputs.project;
    let mut known = Known::new();
    for file in inputs.gathered.files.values() {
        known.add(file).map_err(|error| ClientError::Integrity(error.to_string()))?;
    }
    for source in inputs.sources.values() {
        known.add_source(source.package());
    }
    let locked = inputs.old.map(|lock| &lock.packages[..]).unwrap_or_default();
    let prefer = locked
        .iter()
        .filter(|package| inputs.upgrade.keeps(&package.identifier))
        .filter_map(|package| Some((package.identifier.clone(), package.version.clone()?)))
        .collect();
    let mut dependencies = project.manifest.dependencies.clone();
    // What is named as a folder or repository is that one, under whatever name it has.
    for identifier in inputs.sources.keys() {
        let target = Target::Registry { identifier: identifier.clone() };
        dependencies.push(Dependency { target, requirement: None, condition: None, at: None });
    }
    let request = Request {
        title: project.title(),
        dependencies,
        requires: project.manifest.requires.clone(),
        tools: inputs.tools.clone(),
        prefer,
        cycles: Cycles::Refused,
    };
    let resolution = resolve::resolve(&known, &request)?;
    let lock = written(inputs, &resolution)?;
    for package in &lock.packages {
        let old = locked.iter().find(|old| old.identifier == package.identifier);
        if let (Some(old), Some(publisher)) = (old, &package.publisher)
            && !inputs.accepted.contains(&package.identifier)
            && old.tree_digest != package.tree_digest
            && let Some(message) = lock::identity_change(old, publisher)
        {
            let identifier = package.identifier.clone();
            return Err(LockError::Publisher { identifier, message });
        }
    }
    Ok(lock)
}

/// The lockfile of a resolution.
fn written(inputs: &Inputs, resolution: &Resolution) -> Result<Lock, ClientError> {
    let mut packages = Vec::new();
    for chosen in &resolution.chosen {
        let identifier = &chosen.identifier;
        if let Some(source) = inputs.sources.get(identifier) {
            packages.push(Locked {
                identifier: identifier.clone(),
                version: chosen.version.clone(),
                source: source.source.clone(),
                digest: None,
                tree_digest: source.tree.digest(),
                bytes: None,
                format: source.manifest.format.to_owned(),
                publisher: None,
                dependencies: chosen.dependencies.clone(),
            });
            continue;
        }
        let file = inputs.gathered.files.get(identifier);
        let entry =
            file.zip(chosen.version.as_ref()).and_then(|(file, version)| entry(file, version));
        let entry = entry.ok_or_else(|| {
            ClientError::Integrity(format!("`{identifier}` was chosen and is not in the index"))
        })?;
        let wrong = |what: &str| {
            ClientError::Integrity(format!(
                "the registry's index of `{identifier}` has a {what} that is none"
            ))
        };
        packages.push(Locked {
            identifier: identifier.clone(),
            version: chosen.version.clone(),
            source: Source::Registry { url: inputs.registry.to_owned() },
            digest: Some(entry.digest.parse().map_err(|_| wrong("digest"))?),
            tree_digest: TreeDigest(entry.tree_digest.parse().map_err(|_| wrong("tree digest"))?),
            bytes: Some(entry.bytes),
            format: excerpt(&entry.format, 40),
            publisher: Some(publisher(entry)),
            dependencies: chosen.dependencies.clone(),
        });
    }
    Ok(Lock { packages })
}

/// A version's line in an index file.
pub fn entry<'a>(file: &'a IndexFile, version: &Version) -> Option<&'a IndexVersion> {
    file.versions.iter().find(|entry| {
        entry.version == version.text()
            || Version::parse(entry.order, &entry.version).is_ok_and(|parsed| parsed == *version)
    })
}

fn publisher(entry: &IndexVersion) -> LockedPublisher {
    LockedPublisher::new(&entry.publisher, entry.workflow.as_deref())
}
