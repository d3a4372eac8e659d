//! From a folder to a package that is ready to go: manifest, name, version, findings, archive.

use std::path::{Path, PathBuf};

use packhouse_core::archive::{self, Archive};
use packhouse_core::audit::{self, Facts, Finding, Oddity, RegistryFacts, Severity};
use packhouse_core::digest::Digest;
use packhouse_core::escape::printable;
use packhouse_core::formats::{self, Broken, Format, Found, NameError};
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::manifest::{Manifest, Name};
use packhouse_core::tree::Tree;
use packhouse_core::version::{Order, Version};

use crate::error::ClientError;
use crate::walk::{Choice, walk};

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
}

impl Ready {
    /// `identifier@version`.
    pub fn title(&self) -> String {
        format!("{}@{}", self.identifier, self.version)
    }
}

/// Reads the package in `place`: a folder, or the manifest in it.
///
/// # Errors
///
/// [`ClientError::Missing`] for a folder without a manifest, and whatever [`walk`] says.
pub fn open(place: &Path, choice: &Choice, limits: &Limits) -> Result<Opened, ClientError> {
    let (folder, wanted) = locate(place)?;
    let walked = walk(&folder, choice, limits)?;
    let tree = walked.tree;
    let read = |format: &'static dyn Format| (format, format.read(&tree));
    let found = match wanted {
        Some(format) => read(format),
        None => formats::FORMATS
            .iter()
            .copied()
            .map(read)
            .find(|(_, found)| *found != Found::Missing)
            .ok_or_else(|| missing(&folder, &tree))?,
    };
    match found {
        (format, Found::Package(manifest)) => {
            let (oddities, mut tree) = (walked.oddities, tree);
            drop_own_archives(&mut tree, &manifest);
            Ok(Opened::Package(Box::new(Source { folder, tree, oddities, format, manifest })))
        }
        (_, Found::Broken(broken)) => Ok(Opened::Broken { folder, tree, broken }),
        (_, Found::Missing) => Err(missing(&folder, &tree)),
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

/// The folder that `place` means, and the format where it names a manifest.
fn locate(place: &Path) -> Result<(PathBuf, Option<&'static dyn Format>), ClientError> {
    let metadata = fs_err::metadata(place).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => ClientError::Missing {
            message: format!("there is no `{}`", shown(place)),
            help: "name the folder that holds the manifest".to_owned(),
        },
        _ => e.into(),
    })?;
    if metadata.is_dir() {
        return Ok((place.to_owned(), None));
    }
    let name = place.file_name().and_then(|name| name.to_str());
    let format = formats::FORMATS.iter().copied().find(|format| Some(format.file()) == name);
    let Some(format) = format else {
        let message = format!("`{}` is neither a folder nor a manifest", shown(place));
        return Err(ClientError::usage(message, format!("manifests are {}", manifests())));
    };
    let parent = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok((parent.unwrap_or(Path::new(".")).to_owned(), Some(format)))
}

/// The error of a folder without a manifest; it names those that lie deeper.
fn missing(folder: &Path, tree: &Tree) -> ClientError {
    let deeper = formats::discover(tree);
    let message = format!("`{}` holds no manifest", shown(folder));
    let help = match &deeper[..] {
        [] => format!("manifests are {}; `packhouse init` writes one", manifests()),
        found => {
            let named: Vec<_> =
                found.iter().take(5).map(|d| format!("`{}`", printable(&d.folder))).collect();
            let more = if found.len() > 5 {
                format!(" and {} more", found.len() - 5)
            } else {
                String::new()
            };
            format!("there are packages in {}{more}: name those", named.join(", "))
        }
    };
    ClientError::Missing { message, help }
}

fn manifests() -> String {
    let names: Vec<_> = formats::FORMATS.iter().map(|f| format!("`{}`", f.file())).collect();
    names.join(", ")
}

impl Source {
    /// The identifier; a native name is completed by the owner of `setting`'s repository, else of
    /// the repository that the manifest names.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] where there is none.
    pub fn identifier(&self, setting: &Setting) -> Result<Identifier, ClientError> {
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
            ClientError::usage(e.to_string(), help)
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
    /// [`ClientError::Usage`] that says where a version could come from.
    pub fn version(
        &self,
        identifier: &Identifier,
        setting: &Setting,
    ) -> Result<Version, ClientError> {
        let path = &self.manifest.path;
        if let Some(version) = &self.manifest.version {
            return Ok(version.value.clone());
        }
        let problem =
            self.manifest.problems.iter().find(|problem| problem.field.ends_with("version"));
        if let Some(problem) = problem {
            let at = format!("{path}:{}:{}", problem.at.line, problem.at.column);
            return Err(ClientError::usage(
                format!("{at}: {}", problem.message),
                problem.help.clone(),
            ));
        }
        match &setting.tag {
            Some(tag) if self.manifest.version_from_tag => {
                Version::from_tag(self.manifest.order, tag, identifier.rest()).map_err(|e| {
                    ClientError::usage(
                        e.to_string(),
                        "name the tag after the version, or give `--version`",
                    )
                })
            }
            None if self.manifest.version_from_tag => Err(ClientError::usage(
                format!("`{path}` takes its version from the tag, and there is none"),
                "run in a job for a tag, or give `--version` or `--tag`",
            )),
            _ => Err(ClientError::usage(
                format!("`{path}` has no version"),
                "add one, or give `--version X` or `--version from-git`",
            )),
        }
    }

    /// Sets the version in the manifest that will be packed; the file on disk stays as it is.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] for a text that is no version, or a manifest without a place for one.
    pub fn set_version(&mut self, text: &str) -> Result<(), ClientError> {
        let version = Version::parse(self.manifest.order, text)
            .map_err(|e| ClientError::usage(e.to_string(), "give another `--version`"))?;
        if self.manifest.version.as_ref().is_some_and(|f| f.value.text() == version.text()) {
            return Ok(());
        }
        let path = self.manifest.path.clone();
        let old = self.tree.text(path.as_str()).unwrap_or_default();
        let Some(new) = self.format.set_version(old, text) else {
            return Err(ClientError::usage(
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
            _ => Err(ClientError::usage(
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
        let facts = Facts {
            oddities: &self.oddities,
            tag: setting.tag.as_deref(),
            source_repository: setting.repository.as_deref(),
            registry,
            ..Facts::new(&self.tree, &self.manifest, limits)
        };
        audit::audit(&facts)
    }

    /// Packs it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] without name or version, or where the files make no archive that unpacks
    /// everywhere.
    pub fn pack(&self, setting: &Setting) -> Result<Ready, ClientError> {
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
        })
    }
}

/// Packs the build artifacts in `folder`: `<target>/<file>` below it, nothing ignored.
///
/// # Errors
///
/// [`ClientError::Usage`] for an empty folder or one with files that cannot be packed.
pub fn pack_artifacts(folder: &Path, limits: &Limits) -> Result<Archive, ClientError> {
    let everything = Choice { include: vec!["*".to_owned()], exclude: Vec::new() };
    let walked = walk(folder, &everything, limits)?;
    if let Some(odd) = walked.oddities.first() {
        return Err(ClientError::usage(
            format!("`{}` in `{}` cannot be packed", odd.path, shown(folder)),
            "remove it: artifacts are regular files with plain names",
        ));
    }
    if walked.tree.is_empty() {
        return Err(ClientError::usage(
            format!("`{}` holds no artifacts", shown(folder)),
            "build first, or leave `--artifacts` out",
        ));
    }
    packed(&walked.tree)
}

/// The archive of `tree`; what stands against it is a mistake in the folder.
fn packed(tree: &Tree) -> Result<Archive, ClientError> {
    archive::pack(tree)
        .map_err(|e| ClientError::usage(e.to_string(), "`packhouse audit` names the files"))
}

/// A broken manifest as a finding, so that it is reported as everything else.
pub fn broken_finding(broken: &Broken) -> Finding {
    let field = broken.field.as_deref().map(|f| format!("`{f}`: ")).unwrap_or_default();
    let message = printable(&format!("{field}{}", broken.message));
    let print = format!("manifest-field\n{}\n{message}", broken.path);
    Finding {
        rule: "manifest-field".to_owned(),
        severity: Severity::Error,
        path: Some(broken.path.to_string()),
        line: Some(broken.at.line),
        column: Some(broken.at.column),
        message,
        help: Some(printable(&broken.help)).filter(|help| !help.is_empty()),
        fingerprint: Digest::of(print.as_bytes()).hex()[..16].to_owned(),
    }
}

/// The owner in `https://host/owner/name`.
fn repository_owner(url: &str) -> Option<&str> {
    let mut parts = url.split_once("://")?.1.split('/');
    let (_, owner, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some(owner).filter(|owner| !owner.is_empty())
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "package:\n  identifier: acme/sensor # ours\n  version: 1.0.0\n  repository: https://github.com/acme/sensor\n";

    fn source(manifest: &str) -> (tempfile::TempDir, Source) {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("packhouse.yaml"), manifest).unwrap();
        match open(dir.path(), &Choice::default(), &Limits::default()).unwrap() {
            Opened::Package(source) => (dir, *source),
            Opened::Broken { broken, .. } => panic!("{broken}"),
        }
    }

    #[test]
    fn a_version_is_set_in_the_archive_and_not_on_disk() {
        let (dir, mut source) = source(MANIFEST);
        let before = source.pack(&Setting::default()).unwrap();
        source.set_version("1.1.0").unwrap();
        let ready = source.pack(&Setting::default()).unwrap();
        assert_eq!(ready.title(), "acme/sensor@1.1.0");
        assert_ne!(ready.archive.digest, before.archive.digest);
        let (tree, _) = archive::unpack(&ready.archive.bytes, &Limits::default()).unwrap();
        assert_eq!(tree.text("packhouse.yaml").unwrap(), MANIFEST.replace("1.0.0", "1.1.0"));
        assert_eq!(fs_err::read_to_string(dir.path().join("packhouse.yaml")).unwrap(), MANIFEST);
        assert!(matches!(source.set_version("v1"), Err(ClientError::Usage { .. })));
    }

    #[test]
    fn an_archive_does_not_hold_itself() {
        let (dir, source) = source(MANIFEST);
        for name in ["acme-sensor-0.9.0.zip", "data.zip"] {
            fs_err::write(dir.path().join(name), "PK").unwrap();
        }
        let Opened::Package(again) =
            open(dir.path(), &Choice::default(), &Limits::default()).unwrap()
        else {
            panic!("broken");
        };
        assert_eq!((source.tree.len(), again.tree.len()), (1, 2));
        assert!(again.tree.get("data.zip").is_some());
    }

    #[test]
    fn a_folder_without_a_manifest_names_those_below() {
        let dir = tempfile::tempdir().unwrap();
        let help = |dir: &Path| match open(dir, &Choice::default(), &Limits::default()) {
            Err(error @ ClientError::Missing { .. }) => error.help().unwrap_or_default().to_owned(),
            _ => panic!("opened"),
        };
        assert!(help(dir.path()).contains("`packhouse init`"));
        fs_err::create_dir_all(dir.path().join("packages/a")).unwrap();
        fs_err::write(dir.path().join("packages/a/packhouse.yaml"), MANIFEST).unwrap();
        assert_eq!(help(dir.path()), "there are packages in `packages/a`: name those");
        assert!(help(&dir.path().join("nothing")).contains("name the folder"));
        let other = dir.path().join("x.txt");
        fs_err::write(&other, "").unwrap();
        assert!(matches!(
            open(&other, &Choice::default(), &Limits::default()),
            Err(ClientError::Usage { .. })
        ));
    }

    #[test]
    fn a_broken_manifest_is_a_finding_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("packhouse.yaml"), "package: [").unwrap();
        let Opened::Broken { broken, .. } =
            open(dir.path(), &Choice::default(), &Limits::default()).unwrap()
        else {
            panic!("opened");
        };
        let finding = broken_finding(&broken);
        assert_eq!(
            (finding.severity, finding.path.as_deref()),
            (Severity::Error, Some("packhouse.yaml"))
        );
        assert!(finding.line.is_some() && finding.fingerprint.len() == 16);
    }

    #[test]
    fn artifacts_are_taken_whole() {
        let dir = tempfile::tempdir().unwrap();
        assert!(pack_artifacts(dir.path(), &Limits::default()).is_err());
        fs_err::create_dir(dir.path().join("default")).unwrap();
        fs_err::write(dir.path().join(".gitignore"), "*\n").unwrap();
        fs_err::write(dir.path().join("default/a.kicad_pcb"), "x").unwrap();
        let archive = pack_artifacts(dir.path(), &Limits::default()).unwrap();
        let (tree, _) = archive::unpack(&archive.bytes, &Limits::default()).unwrap();
        assert!(tree.get("default/a.kicad_pcb").is_some());
    }
}
