//! Attune: the index of packs and what is decided about one, beyond the format `attune` itself.
//!
//! An [`index`] lists packs, an [`entry`] is made from a pack's files, [`edit`] puts entries and whole
//! indices together, a [`checksum`] names a folder's content, and [`runtime`] decides whether a pack
//! can run here. [`stackstorm`] reads the older model that Attune grew out of; [`config`] says which
//! indices are asked. Two programs define the formats: what the later one accepts is written, what
//! the earlier one wrote is read.

pub mod archive;
pub mod checksum;
pub mod config;
pub mod edit;
pub mod entry;
pub mod export;
pub mod index;
mod read;
pub mod runtime;
pub mod stackstorm;
pub mod testing;

use crate::tree::{Tree, TreePath};

/// The manifest of a pack.
pub const PACK_FILE: &str = "pack.yaml";

/// What is wrong with something from outside, and where.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct Flaw {
    /// Where, for example `packs[3].license`.
    pub place: String,
    /// What was found, and what would be right.
    pub reason: String,
}

impl Flaw {
    pub(crate) fn new(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}

/// The folder of `tree` that is a pack: the root, else `pack`, else the first folder with a
/// `pack.yaml` in the order of names. Empty for the root.
pub fn pack_folder(tree: &Tree) -> Option<&str> {
    if tree.get(PACK_FILE).is_some() {
        return Some("");
    }
    let direct = |path: &&TreePath| {
        path.file_name() == PACK_FILE && !path.folder().is_empty() && !path.folder().contains('/')
    };
    let folders: Vec<&str> =
        tree.iter().map(|(path, _)| path).filter(direct).map(TreePath::folder).collect();
    folders.iter().find(|folder| **folder == "pack").or(folders.first()).copied()
}

/// Whether `text` is a pack's `ref`: `a-z`, then `a-z`, `0-9`, `_` and `-`; at most 64 bytes.
pub fn is_pack_ref(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    text.len() <= 64 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(paths: &[&str]) -> Tree {
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (*path, "")).collect();
        crate::formats::testing::tree(&files)
    }

    #[test]
    fn a_pack_is_found_where_the_installers_look() {
        assert_eq!(pack_folder(&tree(&["pack.yaml", "pack/pack.yaml"])), Some(""));
        assert_eq!(pack_folder(&tree(&["a/pack.yaml", "pack/pack.yaml"])), Some("pack"));
        assert_eq!(pack_folder(&tree(&["b/pack.yaml", "a/pack.yaml"])), Some("a"));
        assert_eq!(pack_folder(&tree(&["a/b/pack.yaml", "README.md"])), None);
    }

    #[test]
    fn a_ref_is_no_path() {
        for text in ["core", "a", "my-pack_2"] {
            assert!(is_pack_ref(text), "{text}");
        }
        for text in ["", "A", "1a", "a.b", "../a", "a/b", "a b", &"a".repeat(65)] {
            assert!(!is_pack_ref(text), "{text}");
        }
    }
}
