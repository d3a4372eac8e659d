//! What the strict rules of the audit look at beside the files: how the folder is called, and what the
//! last build left, which is ignored and so in no tree. Only names are read.

use std::collections::BTreeMap;
use std::path::Path;

use packhouse_core::audit::{BuildOutputs, Strict};
use packhouse_core::source::Source;
use packhouse_core::tree::TreePath;

use crate::error::ClientError;

/// The most names that are kept of one target.
const MAX_NAMES: usize = 10_000;

/// Gathers what the strict rules need for `source`.
///
/// # Errors
///
/// [`ClientError::Io`] for a folder that is there and cannot be read.
pub fn strict(source: &Source) -> Result<Strict, ClientError> {
    let folder = fs_err::canonicalize(&source.folder)?;
    let folder_name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let builds = folder.join(BuildOutputs::folder(&source.manifest));
    // Behind a link lies what is not the package's.
    let inside =
        |path: &Path| fs_err::canonicalize(path).is_ok_and(|path| path.starts_with(&folder));
    let mut build =
        BuildOutputs { exists: builds.is_dir() && inside(&builds), files: BTreeMap::new() };
    for target in source.manifest.exports.iter().filter(|export| export.kind == "build") {
        let plain = target.name.parse::<TreePath>().is_ok() && !target.name.contains('/');
        let path = builds.join(&target.name);
        if build.exists && plain && path.is_dir() && inside(&path) {
            build.files.insert(target.name.clone(), names(&path)?);
        }
    }
    Ok(Strict { folder_name, build: Some(build) })
}

/// The names of the regular files in `folder`.
fn names(folder: &Path) -> Result<Vec<String>, ClientError> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)?.take(MAX_NAMES) {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
