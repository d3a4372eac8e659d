//! What git calls a version: the name of a tag, a branch or a commit.

use std::str::FromStr;

use crate::escape::excerpt;

/// The longest version or branch that is read, in bytes.
const REFERENCE_BYTES: usize = 250;

/// The full name of a commit: 40 hex digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(String);

impl Commit {
    /// The name of an object that was hashed here.
    pub(super) fn of(id: &[u8; 20]) -> Self {
        Self(super::git::hex(id))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Commit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.len() == 40 && text.bytes().all(hex) {
            true => Ok(Self(text.to_owned())),
            false => {
                Err(format!("`{}` is no full name of a commit, 40 hex digits", excerpt(text, 60)))
            }
        }
    }
}

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a text is a commit's name, or enough of one to be taken for it.
pub(super) fn is_hex(text: &str) -> bool {
    (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether git can take a text for nothing but the name of a branch, a tag or a commit.
pub fn is_reference(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"._/-@+".contains(&b);
    (1..=REFERENCE_BYTES).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(word)
        && !text.contains("..")
        && !text.contains("@{")
}
