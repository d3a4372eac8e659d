//! From a folder to a package that is ready to go: manifest, name, version, findings, archive.

use std::path::{Path, PathBuf};

use packhouse_core::archive::Archive;
use packhouse_core::escape::printable;
use packhouse_core::formats::{self, Format};
use packhouse_core::limits::Limits;
use packhouse_core::source::{self, packed};
pub use packhouse_core::source::{Opened, Ready, Setting, Source};
use packhouse_core::tree::Tree;

use crate::error::ClientError;
use crate::walk::{Choice, Walked, walk};

/// Reads the package in `place`: a folder, or the manifest in it.
///
/// # Errors
///
/// [`ClientError::Missing`] for a folder without a manifest, and whatever [`walk`] says.
pub fn open(place: &Path, choice: &Choice, limits: &Limits) -> Result<Opened, ClientError> {
    let (folder, wanted) = locate(place)?;
    let Walked { tree, oddities } = walk(&folder, choice, limits)?;
    let files = tree.clone();
    source::open(folder.clone(), tree, oddities, wanted).ok_or_else(|| missing(&folder, &files))
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
    Ok(packed(&walked.tree)?)
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use packhouse_core::archive;
    use packhouse_core::audit::{self, Severity};

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
        assert!(source.set_version("v1").is_err());
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
        let finding = audit::broken(&broken).remove(0);
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
