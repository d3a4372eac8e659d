//! The checksum of a folder's content, under the two rules that exist.
//!
//! They are incompatible: v0 hashes paths and contents without separators, v1 frames each file with a
//! name and two lengths. v1 is written; both are verified.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::escape::excerpt;
use crate::tree::Tree;

/// What stands before each file under v1.
const FRAME: &[u8] = b"attune-pack-file-v1";

/// How a folder is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Path and content, one after the other; `.git` counts, links do not.
    V0,
    /// Framed, in the order of path components: what is written.
    V1,
    /// Framed, in the order of path texts, as the builder of the public index has it. It differs
    /// where for example `foo/x` and `foo-bar` both exist.
    V1ByText,
}

/// A file as a checksum sees it: its path with `/` between parts, and its content.
pub type File<'a> = (&'a str, &'a [u8]);

impl Rule {
    /// The checksum of `files`, in whatever order they come. The caller leaves out what the rule does
    /// not count: `.git` under v1.
    pub fn of(self, files: &[File]) -> Digest {
        let mut files = files.to_vec();
        match self {
            Self::V1ByText => files.sort_by_key(|(path, _)| *path),
            Self::V0 | Self::V1 => files.sort_by(|a, b| by_components(a.0, b.0)),
        }
        let mut hasher = Hasher::default();
        for (path, bytes) in files {
            if self != Self::V0 {
                hasher.update(FRAME);
                hasher.update(&(path.len() as u64).to_be_bytes());
            }
            hasher.update(path.as_bytes());
            if self != Self::V0 {
                hasher.update(&(bytes.len() as u64).to_be_bytes());
            }
            hasher.update(bytes);
        }
        hasher.finish()
    }
}

/// The order of a walk: depth first, each folder's entries by their names' bytes.
fn by_components(a: &str, b: &str) -> Ordering {
    a.split('/').map(str::as_bytes).cmp(b.split('/').map(str::as_bytes))
}

/// The files of `tree`.
pub fn files(tree: &Tree) -> Vec<File<'_>> {
    tree.iter().map(|(path, file)| (path.as_str(), &file.bytes[..])).collect()
}

/// The checksum that is written for `tree`.
pub fn of_tree(tree: &Tree) -> Checksum {
    Checksum(Rule::V1.of(&files(tree)))
}

/// The rule under which `tree` has the checksum `expected`; `None` where there is none. v1 goes first,
/// since v0 does not tell `a` + `bc` from `ab` + `c`.
pub fn verify(tree: &Tree, expected: &Checksum) -> Option<Rule> {
    let files = files(tree);
    [Rule::V1, Rule::V1ByText, Rule::V0].into_iter().find(|rule| rule.of(&files) == expected.0)
}

/// `sha256:` and 64 hex digits, as indices hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Checksum(pub Digest);

/// A text that is no checksum.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no checksum: write `sha256:` and 64 hex digits")]
pub struct ChecksumError(String);

impl Checksum {
    /// The checksum of an archive: that of its bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Digest::of(bytes))
    }
}

impl FromStr for Checksum {
    type Err = ChecksumError;
    /// Either case is read: the earlier program wrote both. Its other algorithms (MD5, SHA-1) prove
    /// nothing any more and are refused; so is SHA-512, which no index uses.
    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let wrong = || ChecksumError(excerpt(text, 100));
        let (algorithm, hex) = text.split_once(':').ok_or_else(wrong)?;
        if !algorithm.eq_ignore_ascii_case("sha256") || hex.contains(':') {
            return Err(wrong());
        }
        hex.parse().map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for Checksum {
    type Error = ChecksumError;
    fn try_from(text: String) -> Result<Self, ChecksumError> {
        text.parse()
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::testing::tree;

    #[test]
    fn both_rules_give_what_their_programs_give() {
        let two = tree(&[("a/x", "1\n"), ("a-b", "2\n")]);
        let one = tree(&[("pack.yaml", "ref: x\n")]);
        let hex = |rule: Rule, tree: &Tree| rule.of(&files(tree)).hex();
        for (rule, tree, expected) in [
            (Rule::V0, &two, "1fb4bcdc3438685444626ab78ee62379592dc6a25c6df647f427fb478eaedd57"),
            (Rule::V1, &two, "98630fece2b267d9cf7f220e90d1bd5e0d654407f6d23ba264365b80827ce192"),
            (
                Rule::V1ByText,
                &two,
                "626d90d94051413e5799810b49dcb1b7295c6d4b9d1d73b47c79ee707407398f",
            ),
            (Rule::V0, &one, "1a8527492d742c6c2a0083a6142440caebf2a448ce46c6eb5f5f8b2446529105"),
            (Rule::V1, &one, "648c60c03fd69d72d571eb878b111a2c63be07396e8adfec08991352fcdf8403"),
            (
                Rule::V1ByText,
                &one,
                "648c60c03fd69d72d571eb878b111a2c63be07396e8adfec08991352fcdf8403",
            ),
        ] {
            assert_eq!(hex(rule, tree), expected, "{rule:?}");
            let checksum: Checksum = format!("sha256:{expected}").parse().unwrap();
            assert!(verify(tree, &checksum).is_some());
        }
        assert_eq!(of_tree(&two).0.hex(), hex(Rule::V1, &two));
    }

    #[test]
    fn another_content_has_another_checksum() {
        let checksum = of_tree(&tree(&[("a", "1")]));
        for other in [&[("a", "2")][..], &[("b", "1")], &[("a", "1"), ("b", "")], &[]] {
            assert_eq!(verify(&tree(other), &checksum), None, "{other:?}");
        }
    }

    #[test]
    fn a_checksum_is_sha_256_and_nothing_else() {
        let hex = "0".repeat(64);
        assert!(format!("SHA256:{hex}").parse::<Checksum>().is_ok());
        for text in [
            hex.clone(),
            format!("md5:{hex}"),
            "sha256:abc".to_owned(),
            format!("sha256:sha256:{hex}"),
            String::new(),
        ] {
            assert!(text.parse::<Checksum>().is_err(), "{text}");
        }
    }
}
