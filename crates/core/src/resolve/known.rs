//! What is known of packages before a resolution.

use std::collections::BTreeMap;

use crate::api::read::{IndexFile, IndexMark};
use crate::escape::excerpt;
use crate::identifier::Identifier;
use crate::manifest::{Dependency, External, NativeName};
use crate::version::Version;

/// The most versions of one package; a set of them stays small.
const VERSIONS: usize = 100_000;

/// All that is known of packages.
#[derive(Clone, Debug, Default)]
pub struct Known {
    pub(super) packages: BTreeMap<Identifier, Package>,
    pub(super) natives: BTreeMap<NativeName, Identifier>,
}

/// A package's candidates.
#[derive(Clone, Debug)]
pub(super) struct Package {
    /// In ascending order of versions.
    pub(super) candidates: Vec<Candidate>,
    pub(super) source: Option<String>,
}

/// One version.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) version: Option<Version>,
    pub(super) dependencies: Vec<Dependency>,
    pub(super) requires: Vec<External>,
    pub(super) yanked: Option<IndexMark>,
    pub(super) in_service: bool,
}

/// A package from a folder or a repository: the one candidate of its identifier.
#[derive(Clone, Debug)]
pub struct SourcePackage {
    /// The package.
    pub identifier: Identifier,
    /// Its version, where it declares one.
    pub version: Option<Version>,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// What it needs of tools.
    pub requires: Vec<External>,
    /// Where it is from, for explanations.
    pub origin: String,
}

/// Why an index file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// Its name is no identifier.
    #[error("an index file is of `{0}`, which is no identifier")]
    Name(String),
    /// It has too many versions.
    #[error("the index file of `{0}` has {1} versions, at most {VERSIONS} are read")]
    Versions(Identifier, usize),
}

impl Known {
    /// Nothing is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a package of a registry with all its versions; what is no version is left out.
    ///
    /// # Errors
    ///
    /// [`ResolveError`].
    pub fn add(&mut self, index: &IndexFile) -> Result<(), ResolveError> {
        let wrong = |_| ResolveError::Name(excerpt(&index.identifier, 200));
        let identifier: Identifier = index.identifier.parse().map_err(wrong)?;
        if index.versions.len() > VERSIONS {
            return Err(ResolveError::Versions(identifier, index.versions.len()));
        }
        if self.packages.get(&identifier).is_some_and(|package| package.source.is_some()) {
            return Ok(());
        }
        let mut candidates: Vec<Candidate> = index
            .versions
            .iter()
            .filter_map(|entry| {
                Some(Candidate {
                    version: Some(Version::parse(entry.order, &entry.version).ok()?),
                    dependencies: entry.dependencies.clone(),
                    requires: entry.requires.clone(),
                    yanked: entry.yanked.clone(),
                    in_service: entry.in_service(),
                })
            })
            .collect();
        candidates.sort_by(|a, b| a.version.cmp(&b.version));
        if let Some(native) = &index.native {
            self.natives.insert(native.clone(), identifier.clone());
        }
        self.packages.insert(identifier, Package { candidates, source: None });
        Ok(())
    }

    /// Takes in a version that is about to be released, beside those that a registry has.
    pub fn add_version(
        &mut self,
        identifier: Identifier,
        version: Version,
        dependencies: Vec<Dependency>,
    ) {
        let fresh = || Package { candidates: Vec::new(), source: None };
        let candidates = &mut self.packages.entry(identifier).or_insert_with(fresh).candidates;
        candidates.push(Candidate {
            version: Some(version),
            dependencies,
            requires: Vec::new(),
            yanked: None,
            in_service: true,
        });
        candidates.sort_by(|a, b| a.version.cmp(&b.version));
    }

    /// Takes in a package from a folder or a repository, instead of the registry's.
    pub fn add_source(&mut self, source: SourcePackage) {
        let candidate = Candidate {
            version: source.version,
            dependencies: source.dependencies,
            requires: source.requires,
            yanked: None,
            in_service: true,
        };
        let package = Package { candidates: vec![candidate], source: Some(source.origin) };
        self.packages.insert(source.identifier, package);
    }

    /// Whether anything is known of a package.
    pub fn contains(&self, identifier: &Identifier) -> bool {
        self.packages.contains_key(identifier)
    }
}
