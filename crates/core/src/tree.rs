//! A tree: the files of one package. Bounded, path-safe, regular files only.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::digest::{Digest, TreeDigest};
use crate::limits::Limits;

/// A relative path that is safe on every system: `/` between parts, each part non-empty UTF-8 in
/// which no system sees a drive, a device, a parent or a hidden ending; at most
/// [`Limits::path_bytes`] (default) long and [`Limits::depth`] deep; no part is `.git`.
///
/// Two paths that differ only in case or in Unicode form are two values; [`Tree::twins`] finds them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreePath(Arc<str>);

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No text at all, or an empty part (`a//b`, a leading or trailing `/`).
    #[error("`{0}` has an empty part: write `folder/file`")]
    Empty(String),
    /// A leading `/`, or a Windows drive.
    #[error("`{0}` is absolute: paths are relative to the package's folder")]
    Absolute(String),
    /// A part `.` or `..`.
    #[error("`{0}` has a part `.` or `..`: paths stay inside the package's folder")]
    Dots(String),
    /// A control character, backslash, colon or another character that Windows forbids.
    #[error("`{0}` has {1:?}, which not every system allows in a file name: rename the file")]
    Character(String, char),
    /// A device name of Windows (`CON`, `nul.txt`, `COM1`).
    #[error("`{0}` has a part that Windows keeps for a device: rename it")]
    Device(String),
    /// A part that ends in a dot or a blank, which Windows drops.
    #[error("`{0}` has a part that ends in a dot or a blank, which Windows drops: rename it")]
    Ending(String),
    /// A part `.git`, in any case.
    #[error("`{0}` has a part `.git`: repository data is never a part of a package")]
    Git(String),
    /// Too long.
    #[error("`{0}…` is {1} bytes long: a path has at most {2}")]
    Long(String, usize, usize),
    /// Too deep.
    #[error("`{0}` lies {1} folders deep: a file has at most {2} folders above it")]
    Deep(String, usize, usize),
}

impl TreePath {
    /// Parses `text` under `limits`.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, PathError> {
        let shown = || crate::escape::printable(&text.chars().take(120).collect::<String>());
        if text.len() > limits.path_bytes {
            return Err(PathError::Long(shown(), text.len(), limits.path_bytes));
        }
        if text.starts_with('/') || text.as_bytes().get(1) == Some(&b':') {
            return Err(PathError::Absolute(shown()));
        }
        if let Some(c) = text.chars().find(|&c| forbidden(c)) {
            return Err(PathError::Character(shown(), c));
        }
        let depth = text.matches('/').count();
        if depth > limits.depth {
            return Err(PathError::Deep(shown(), depth, limits.depth));
        }
        for part in text.split('/') {
            match part {
                "" => return Err(PathError::Empty(shown())),
                "." | ".." => return Err(PathError::Dots(shown())),
                _ if part.ends_with(['.', ' ']) => return Err(PathError::Ending(shown())),
                _ if is_git(part) => return Err(PathError::Git(shown())),
                _ if is_device(part) => return Err(PathError::Device(shown())),
                _ => {}
            }
        }
        Ok(Self(text.into()))
    }

    /// The path of a file at the root whose name is written in this crate.
    pub(crate) fn known(name: &'static str) -> Self {
        Self(name.into())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The folder above, without a final `/`; empty at the root.
    pub fn folder(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The form in which systems that fold case and Unicode form see the path. Upper case first:
    /// `ſ`, `ς` and `ß` are `s`, `σ` and `ss` to file systems that fold fully.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// Characters that Windows forbids in names, and every control character.
fn forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// `.git` as any system may see it: any case, or NTFS's short name.
fn is_git(part: &str) -> bool {
    part.eq_ignore_ascii_case(".git") || part.eq_ignore_ascii_case("git~1")
}

/// Device names of Windows: reserved with any extension and in any case.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end();
    let upper = stem.to_ascii_uppercase();
    let numbered = |prefix| {
        upper.strip_prefix(prefix).is_some_and(|n: &str| {
            matches!(n, "¹" | "²" | "³") || (n.len() == 1 && n.as_bytes()[0].is_ascii_digit())
        })
    };
    matches!(upper.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || numbered("COM")
        || numbered("LPT")
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TreePath {
    type Err = PathError;
    fn from_str(text: &str) -> Result<Self, PathError> {
        Self::parse(text, &Limits::default())
    }
}

impl TryFrom<String> for TreePath {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        text.parse()
    }
}

impl From<TreePath> for String {
    fn from(path: TreePath) -> Self {
        path.0.as_ref().to_owned()
    }
}

impl std::borrow::Borrow<str> for TreePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeFile {
    /// The content.
    pub bytes: Arc<[u8]>,
    /// The one mode bit that is kept.
    pub executable: bool,
}

/// The files of one package, by path, in the order of path bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<TreePath, TreeFile>,
}

impl Tree {
    /// Adds a file, or replaces the one at its path.
    pub fn insert(&mut self, path: TreePath, bytes: impl Into<Arc<[u8]>>, executable: bool) {
        self.files.insert(path, TreeFile { bytes: bytes.into(), executable });
    }

    /// Takes a file out.
    pub fn remove(&mut self, path: &str) -> Option<TreeFile> {
        self.files.remove(path)
    }

    /// The file at `path`.
    pub fn get(&self, path: &str) -> Option<&TreeFile> {
        self.files.get(path)
    }

    /// The bytes of the file at `path`, when they are UTF-8.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(&self.get(path)?.bytes).ok()
    }

    /// All files in the order of path bytes.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&TreePath, &TreeFile)> + Clone {
        self.files.iter()
    }

    /// How many files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The sum of all contents, in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes.len() as u64).sum()
    }

    /// The files below `folder` (no final `/`; empty means all), with paths relative to it.
    pub fn subtree(&self, folder: &str) -> Self {
        if folder.is_empty() {
            return self.clone();
        }
        let inside = |path: &TreePath| {
            let rest = path.as_str().strip_prefix(folder)?.strip_prefix('/')?;
            Some(TreePath(rest.into()))
        };
        let files = self.files.iter().filter_map(|(p, f)| Some((inside(p)?, f.clone())));
        Self { files: files.collect() }
    }

    /// Pairs of paths that are one on systems that fold case and Unicode form; also a file and a
    /// folder of one name.
    pub fn twins(&self) -> Vec<(&TreePath, String)> {
        twins(self.files.keys())
    }

    /// The content's identity; hashes every file.
    pub fn digest(&self) -> TreeDigest {
        use rayon::prelude::*;
        let files: Vec<_> = self.files.iter().collect();
        let digests: Vec<_> = files.par_iter().map(|(_, f)| Digest::of(&f.bytes)).collect();
        TreeDigest::of(
            files.iter().zip(digests).map(|((path, f), d)| (path.as_str(), f.executable, d)),
        )
    }
}

impl FromIterator<(TreePath, TreeFile)> for Tree {
    fn from_iter<I: IntoIterator<Item = (TreePath, TreeFile)>>(files: I) -> Self {
        Self { files: files.into_iter().collect() }
    }
}

/// The paths among `paths` that systems which fold case and Unicode form confuse with an earlier
/// one, each with that earlier one; a file that is also a folder counts.
pub fn twins<'a>(paths: impl Iterator<Item = &'a TreePath>) -> Vec<(&'a TreePath, String)> {
    // Folded path of every file and every folder above one -> (spelling, is a file).
    let mut seen: HashMap<String, (&str, bool)> = HashMap::new();
    let mut found = Vec::new();
    let (mut folded, mut known) = (String::new(), "");
    for path in paths {
        let text = path.as_str();
        folded.clear();
        let mut begin = 0;
        let ends = text.match_indices('/').map(|(at, _)| at).chain([text.len()]);
        let twin = ends.into_iter().find_map(|end| {
            // Part by part: no character folds or composes across a `/`.
            folded.push_str(&fold(&text[begin..end]));
            let (spelling, is_file) = (&text[..end], end == text.len());
            // In the order of path bytes most folders are those of the path before.
            let known = !is_file && known.starts_with(&text[..=end]);
            let first = if known {
                None
            } else if let Some(&(first, first_is_file)) = seen.get(&folded) {
                (first != spelling || is_file || first_is_file).then_some(first)
            } else {
                seen.insert(folded.clone(), (spelling, is_file));
                None
            };
            folded.push('/');
            begin = end + 1;
            first
        });
        match twin {
            Some(first) => found.push((path, first.to_owned())),
            None => known = text,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        paths
            .iter()
            .map(|p| (p.parse().unwrap(), TreeFile { bytes: [].into(), executable: false }))
            .collect()
    }

    #[test]
    fn unsafe_paths_are_refused() {
        let long = "a".repeat(241);
        for path in [
            "",
            "/a",
            "a//b",
            "a/",
            "../a",
            "a/../b",
            ".",
            "./a",
            "C:x",
            "a\\b",
            "a\0",
            "a:b",
            "NUL",
            "a/con.txt",
            "com1",
            "lpt9.x",
            "a.",
            "a /b",
            ".git/config",
            "x/.GIT/y",
            "git~1",
            "a*b",
            &long,
        ] {
            assert!(path.parse::<TreePath>().is_err(), "{path:?} must be refused");
        }
        for path in
            ["a", ".gitignore", ".github/x.yml", "käse/ö", "console", "com10x", "a b/c", "..a"]
        {
            assert!(path.parse::<TreePath>().is_ok(), "{path:?} must be accepted");
        }
    }

    #[test]
    fn twins_are_found() {
        assert_eq!(tree(&["A/x", "a/y"]).twins().len(), 1);
        assert_eq!(tree(&["a", "A"]).twins().len(), 1);
        assert_eq!(tree(&["e\u{301}", "\u{e9}"]).twins().len(), 1);
        assert_eq!(tree(&["a", "a/b"]).twins().len(), 1);
        assert_eq!(tree(&["\u{17f}", "s/b"]).twins().len(), 1);
        assert_eq!(tree(&["stra\u{df}e/x", "strasse/x"]).twins().len(), 1);
        assert_eq!(tree(&["A/b/x", "A/c", "a/b/y", "a/b/z"]).twins().len(), 2);
        assert!(tree(&["a/x", "a/y", "b"]).twins().is_empty());
        assert!(tree(&["a/b/c", "a/bc/d", "ab/c", "ab/cd"]).twins().is_empty());
    }
}
