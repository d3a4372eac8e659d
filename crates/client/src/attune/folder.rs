//! A folder on this machine as a pack: every file of it, whatever ignore files say.

use std::path::Path;

use packhouse_core::attune::checksum::{self, Checksum, Rule};
use packhouse_core::escape::printable;
use packhouse_core::limits::Limits;
use packhouse_core::tree::{Tree, TreePath};

use crate::error::ClientError;
use crate::walk::is_executable;

/// The files of `folder`, without entries named `.git`.
///
/// # Errors
///
/// [`ClientError::Usage`] for a link, a special file, a name that not every system takes, or more than
/// `limits` allow; [`ClientError::Io`].
pub fn read(folder: &Path, limits: &Limits) -> Result<Tree, ClientError> {
    let mut tree = Tree::default();
    let mut left = limits.unpacked_bytes;
    visit(folder, folder, limits, &mut 0, &mut |path, found| {
        if path.split('/').any(|part| part == ".git") {
            return Ok(());
        }
        let Found::File(file) = found else {
            return Err(odd(path, "is a link or a special file"));
        };
        let place = TreePath::parse(path, limits).map_err(|e| odd(path, &e.to_string()))?;
        let (bytes, executable) = bounded(file, path, &mut left)?;
        tree.insert(place, bytes, executable);
        Ok(())
    })?;
    Ok(tree)
}

/// The checksum of `folder` under `rule`. v0 counts `.git` and passes links over, as the program that
/// has it does; the others refuse links.
///
/// # Errors
///
/// As [`read`].
pub fn checksum(folder: &Path, rule: Rule, limits: &Limits) -> Result<Checksum, ClientError> {
    if rule != Rule::V0 {
        let tree = read(folder, limits)?;
        return Ok(Checksum(rule.of(&checksum::files(&tree))));
    }
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut left = limits.unpacked_bytes;
    visit(folder, folder, limits, &mut 0, &mut |path, found| {
        if let Found::File(file) = found {
            files.push((path.to_owned(), bounded(file, path, &mut left)?.0));
        }
        Ok(())
    })?;
    let files: Vec<_> = files.iter().map(|(path, bytes)| (path.as_str(), &bytes[..])).collect();
    Ok(Checksum(rule.of(&files)))
}

enum Found<'a> {
    File(&'a Path),
    Other,
}

fn visit(
    root: &Path,
    folder: &Path,
    limits: &Limits,
    count: &mut u32,
    take: &mut dyn FnMut(&str, Found) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let depth = folder.strip_prefix(root).map_or(0, |inside| inside.iter().count());
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        *count += 1;
        if *count > limits.entries {
            return Err(ClientError::usage(
                format!("`{}` holds more than {} files", shown(root), limits.entries),
                "name the pack's own folder",
            ));
        }
        let path = entry.path();
        let parts: Option<Vec<&str>> =
            path.strip_prefix(root).unwrap_or(&path).iter().map(|part| part.to_str()).collect();
        let Some(text) = parts.map(|parts| parts.join("/")) else {
            return Err(odd(&path.to_string_lossy(), "is not UTF-8"));
        };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if depth >= limits.depth {
                return Err(odd(&text, "lies too deep"));
            }
            visit(root, &path, limits, count, take)?;
        } else if kind.is_file() {
            take(&text, Found::File(&path))?;
        } else {
            take(&text, Found::Other)?;
        }
    }
    Ok(())
}

fn bounded(file: &Path, path: &str, left: &mut u64) -> Result<(Vec<u8>, bool), ClientError> {
    use std::io::Read as _;
    let opened = fs_err::File::open(file)?;
    let executable = is_executable(&opened.metadata()?);
    let mut bytes = Vec::new();
    opened.take(*left + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > *left {
        return Err(odd(path, "is more than may be in a pack"));
    }
    *left -= bytes.len() as u64;
    Ok((bytes, executable))
}

fn odd(path: &str, reason: &str) -> ClientError {
    ClientError::usage(
        format!("`{}` {reason}", printable(path)),
        "a pack holds regular files only, with names that every system takes",
    )
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_checksums_of_both_programs() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::create_dir(dir.path().join("a")).unwrap();
        fs_err::write(dir.path().join("a/x"), "1\n").unwrap();
        fs_err::write(dir.path().join("a-b"), "2\n").unwrap();
        let hex = |rule| checksum(dir.path(), rule, &Limits::default()).map(|c| c.0.hex());
        assert!(hex(Rule::V1).unwrap().starts_with("98630fec"));
        std::os::unix::fs::symlink("a-b", dir.path().join("link")).unwrap();
        assert!(hex(Rule::V0).unwrap().starts_with("1fb4bcdc"));
        let error = hex(Rule::V1).unwrap_err().to_string();
        assert_eq!(error, "`link` is a link or a special file");
        fs_err::remove_file(dir.path().join("link")).unwrap();
        fs_err::create_dir(dir.path().join(".git")).unwrap();
        fs_err::write(dir.path().join(".git/config"), "").unwrap();
        assert!(hex(Rule::V1).unwrap().starts_with("98630fec"));
        assert!(!hex(Rule::V0).unwrap().starts_with("1fb4bcdc"));
    }
}
