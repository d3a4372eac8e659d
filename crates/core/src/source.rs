//! A package as it lies in a folder or a commit: what a publish is made of.
//!
//! Whoever gathered the files (the command line from a folder, a worker from a commit) names, checks
//! and packs them here, so that all of them mean the same.

use std::path::PathBuf;
use std::sync::Arc;

use crate::api::{PublishRequest, RehearsalRequest, Supposed, SupposedRepository, TrainMember};
use crate::archive::{self, Archive};
use crate::audit::{self, Facts, Finding, Oddity, RegistryFacts, Strict};
use crate::escape::printable;
use crate::formats::{self, Broken, FORMATS, Format, Found, NameError};
use crate::identifier::Identifier;
use crate::limits::Limits;
use crate::manifest::{Manifest, Name};
use crate::quality::{Advisories, Claim};
use crate::tree::{Tree, TreePath};
use crate::version::{Order, Version};

/// Why a source cannot be named, versioned or packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unfit {
    /// What was found.
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl Unfit {
    fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// A folder with a package in it.
#[derive(Clone)]
pub struct Source {
    /// The folder.
    pub folder: PathBuf,
    /// The files that would be packed.
    pub tree: Tree,
    /// What lies there and cannot be packed.
    pub oddities: Vec<Oddity>,
    /// Its format.
    pub format: &'static dyn Format,
    /// What the manifest says.
    pub manifest: Manifest,
}

/// What is known of the place and the job that a package is published from.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// `owner/name` of the repository.
    pub repository: Option<String>,
    /// The tag that is released.
    pub tag: Option<String>,
    /// The branch, for the record.
    pub branch: Option<String>,
    /// Whether the audit is strict, and what it needs for that.
    pub strict: Option<Strict>,
    /// The versions of the tools that are here, by name.
    pub tools: std::collections::BTreeMap<String, Version>,
    /// The advisories that packages are matched with, where some were given.
    pub advisories: Option<Arc<Advisories>>,
}

impl Setting {
    /// Who owns the repository: what completes a native name.
    pub fn owner(&self) -> Option<&str> {
        self.repository.as_deref()?.split('/').next()
    }
}

/// A package that is ready to be sent.
pub struct Ready {
    /// The folder it came from.
    pub folder: PathBuf,
    /// What it is called.
    pub identifier: Identifier,
    /// Its version.
    pub version: Version,
    /// The format's id.
    pub format: &'static str,
    /// The order of its versions.
    pub order: Order,
    /// The reproducible zip.
    pub archive: Archive,
    /// Build artifacts, packed the same way.
    pub artifacts: Option<Archive>,
    /// The branch, for the record.
    pub branch: Option<String>,
    /// What its publisher claims of tests and coverage.
    pub quality: Option<Claim>,
}

impl Ready {
    /// `identifier@version`.
    pub fn title(&self) -> String {
        format!("{}@{}", self.identifier, self.version)
    }

    /// What a registry is asked: to publish it, with `members` as its train.
    pub fn request(&self, members: &[TrainMember]) -> PublishRequest {
        let artifacts = self.artifacts.as_ref();
        PublishRequest {
            identifier: self.identifier.to_string(),
            package_version: self.version.text().to_owned(),
            git_ref: self.branch.clone(),
            package_size: self.archive.bytes.len() as u64,
            artifacts_size: artifacts.map(|artifacts| artifacts.bytes.len() as u64),
            manifest: None,
            digest: Some(self.archive.digest.hex()),
            artifacts_digest: artifacts.map(|artifacts| artifacts.digest.hex()),
            format: Some(self.format.to_owned()),
            order: Some(self.order),
            quality: self.quality.clone(),
            train: members.to_vec(),
        }
    }

    /// What a registry is asked about the run that would publish it. `workflows` are those that seem
    /// to; `repository` stands for what no token proves.
    pub fn rehearsal(
        &self,
        workflows: &[String],
        repository: Option<SupposedRepository>,
    ) -> RehearsalRequest {
        RehearsalRequest {
            publish: self.request(&[]),
            suppose: Some(Supposed { workflows: workflows.to_vec(), repository }),
        }
    }
}

/// What a folder turned out to hold.
pub enum Opened {
    /// A package.
    Package(Box<Source>),
    /// A manifest that cannot be read.
    Broken {
        /// The folder.
        folder: PathBuf,
        /// Its files.
        tree: Tree,
        /// What is wrong with it.
        broken: Broken,
    },
}

/// Reads the package at the root of `tree`, in `wanted`'s format or the first that finds one; `None`
/// where there is no manifest. What `packhouse pack` left there earlier is taken out.
pub fn open(
    folder: PathBuf,
    mut tree: Tree,
    oddities: Vec<Oddity>,
    wanted: Option<&'static dyn Format>,
) -> Option<Opened> {
    let formats = FORMATS.iter().copied();
    let of = formats.filter(|format| wanted.is_none_or(|wanted| wanted.id() == format.id()));
    let read = of.map(|format| (format, format.read(&tree)));
    match read.into_iter().find(|(_, found)| *found != Found::Missing)? {
        (format, Found::Package(manifest)) => {
            drop_own_archives(&mut tree, &manifest);
            drop_unlisted(&mut tree, format, &manifest);
            Some(Opened::Package(Box::new(Source { folder, tree, oddities, format, manifest })))
        }
        (_, Found::Broken(broken)) => Some(Opened::Broken { folder, tree, broken }),
        (_, Found::Missing) => None,
    }
}

/// Takes out what `packhouse pack` left at the root earlier (`<owner>-<name>-<version>.zip`): a
/// package that holds its own archives would be another one after each packing.
fn drop_own_archives(tree: &mut Tree, manifest: &Manifest) {
    let Some(name) = manifest.name.as_ref().map(|name| &name.value) else { return };
    let own = |path: &str| {
        let stem = path.strip_suffix(".zip").filter(|stem| !stem.contains('/'));
        let version = stem.and_then(|stem| match name {
            Name::Full(identifier) => stem.strip_prefix(&format!("{}-", identifier.file_stem())),
            Name::Native(native) => {
                let name = format!("-{}-", native.name.to_ascii_lowercase());
                stem.split_once(&name).map(|(_, version)| version)
            }
        });
        // Another zip that begins like it, `acme-sensor-gerbers.zip`, is a file of the package.
        version.is_some_and(|text| Version::parse(manifest.order, text).is_ok())
    };
    let found: Vec<_> =
        tree.iter().map(|(path, _)| path.to_string()).filter(|path| own(path)).collect();
    for path in found {
        tree.remove(&path);
    }
}

/// Takes out what the manifest does not put into the package.
fn drop_unlisted(tree: &mut Tree, format: &dyn Format, manifest: &Manifest) {
    let unlisted = |path: &&TreePath| !format.packs(manifest, path);
    let found: Vec<_> =
        tree.iter().map(|(path, _)| path).filter(unlisted).map(TreePath::to_string).collect();
    for path in found {
        tree.remove(&path);
    }
}

impl Source {
    /// The identifier; a native name is completed by the owner of `setting`'s repository, else of
    /// the repository that the manifest names.
    ///
    /// # Errors
    ///
    /// [`Unfit`] where there is none.
    pub fn identifier(&self, setting: &Setting) -> Result<Identifier, Unfit> {
        let declared = self.manifest.repository.as_ref().and_then(|f| repository_owner(&f.value));
        let owner = setting.owner().or(declared);
        formats::package_identifier(&self.manifest, owner).map_err(|e| {
            let help = match &e {
                NameError::Missing(_) => "add its name; `packhouse audit` says where",
                NameError::NoOwner(_) => {
                    "name the repository in the manifest, or run in a checkout that has a remote"
                }
                NameError::Identifier { .. } => "choose a name of letters, digits, `_` and `-`",
            };
            Unfit::new(e.to_string(), help)
        })
    }

    /// How people call it, where it may not have an identifier yet.
    pub fn title(&self, setting: &Setting) -> String {
        match (self.identifier(setting), self.manifest.name.as_ref().map(|name| &name.value)) {
            (Ok(identifier), _) => identifier.to_string(),
            (Err(_), Some(Name::Native(native))) => printable(&native.name),
            (Err(_), _) => self.manifest.path.to_string(),
        }
    }

    /// The version that would be published: the declared one, or where the format takes it from the
    /// tag, that.
    ///
    /// # Errors
    ///
    /// [`Unfit`] that says where a version could come from.
    pub fn version(&self, identifier: &Identifier, setting: &Setting) -> Result<Version, Unfit> {
        let path = &self.manifest.path;
        if let Some(version) = &self.manifest.version {
            return Ok(version.value.clone());
        }
        let problem =
            self.manifest.problems.iter().find(|problem| problem.field.ends_with("version"));
        if let Some(problem) = problem {
            let at = format!("{path}:{}:{}", problem.at.line, problem.at.column);
            return Err(Unfit::new(format!("{at}: {}", problem.message), problem.help.clone()));
        }
        match &setting.tag {
            Some(tag) if self.manifest.version_from_tag => {
                Version::from_tag(self.manifest.order, tag, identifier.rest()).map_err(|e| {
                    Unfit::new(e.to_string(), "name the tag after the version, or give `--version`")
                })
            }
            None if self.manifest.version_from_tag => Err(Unfit::new(
                format!("`{path}` takes its version from the tag, and there is none"),
                "run in a job for a tag, or give `--version` or `--tag`",
            )),
            _ => Err(Unfit::new(
                format!("`{path}` has no version"),
                "add one, or give `--version X` or `--version from-git`",
            )),
        }
    }

    /// Sets the version in the manifest that will be packed; the file on disk stays as it is.
    ///
    /// # Errors
    ///
    /// [`Unfit`] for a text that is no version, or a manifest without a place for one.
    pub fn set_version(&mut self, text: &str) -> Result<(), Unfit> {
        let version = Version::parse(self.manifest.order, text)
            .map_err(|e| Unfit::new(e.to_string(), "give another `--version`"))?;
        if self.manifest.version.as_ref().is_some_and(|f| f.value.text() == version.text()) {
            return Ok(());
        }
        let path = self.manifest.path.clone();
        let old = self.tree.text(path.as_str()).unwrap_or_default();
        let Some(new) = self.format.set_version(old, text) else {
            return Err(Unfit::new(
                format!("`{path}` has no place for a version"),
                "declare `version` in it, or leave `--version` out",
            ));
        };
        let executable = self.tree.get(path.as_str()).is_some_and(|file| file.executable);
        self.tree.insert(path.clone(), new.into_bytes(), executable);
        match self.format.read(&self.tree) {
            Found::Package(manifest)
                if manifest.version.as_ref().is_some_and(|found| found.value == version) =>
            {
                self.manifest = manifest;
                Ok(())
            }
            _ => Err(Unfit::new(
                format!("the version in `{path}` could not be set to `{version}`"),
                "set it in the file by hand",
            )),
        }
    }

    /// Runs every rule.
    pub fn audit(
        &self,
        setting: &Setting,
        registry: Option<&RegistryFacts>,
        limits: &Limits,
    ) -> Vec<Finding> {
        audit::audit(&self.facts(setting, registry, limits))
    }

    /// Runs every rule, and lists so many findings that two commits can be compared.
    pub fn audit_whole(
        &self,
        setting: &Setting,
        registry: Option<&RegistryFacts>,
        limits: &Limits,
    ) -> Vec<Finding> {
        audit::audit_whole(&self.facts(setting, registry, limits))
    }

    fn facts<'a>(
        &'a self,
        setting: &'a Setting,
        registry: Option<&'a RegistryFacts>,
        limits: &'a Limits,
    ) -> Facts<'a> {
        Facts {
            oddities: &self.oddities,
            tag: setting.tag.as_deref(),
            source_repository: setting.repository.as_deref(),
            registry,
            strict: setting.strict.as_ref(),
            tools: Some(&setting.tools),
            advisories: setting.advisories.as_deref(),
            ..Facts::new(&self.tree, &self.manifest, limits)
        }
    }

    /// Packs it.
    ///
    /// # Errors
    ///
    /// [`Unfit`] without name or version, or where the files make no archive that unpacks
    /// everywhere.
    pub fn pack(&self, setting: &Setting) -> Result<Ready, Unfit> {
        let identifier = self.identifier(setting)?;
        let version = self.version(&identifier, setting)?;
        Ok(Ready {
            folder: self.folder.clone(),
            identifier,
            version,
            format: self.format.id(),
            order: self.manifest.order,
            archive: packed(&self.tree)?,
            artifacts: None,
            branch: setting.branch.clone(),
            quality: None,
        })
    }
}

/// The archive of `tree`.
///
/// # Errors
///
/// [`Unfit`] where files stand against it: a mistake in the folder.
pub fn packed(tree: &Tree) -> Result<Archive, Unfit> {
    archive::pack(tree).map_err(|e| Unfit::new(e.to_string(), "`packhouse audit` names the files"))
}

/// The owner in `https://host/owner/name`.
fn repository_owner(url: &str) -> Option<&str> {
    let mut parts = url.split_once("://")?.1.split('/');
    let (_, owner, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some(owner).filter(|owner| !owner.is_empty())
}
