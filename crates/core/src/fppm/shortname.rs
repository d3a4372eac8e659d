//! `Namespace/Package`: what F Prime calls a package.

use std::fmt;
use std::str::FromStr;

use crate::escape::excerpt;

/// The most bytes that a part may have: as many as a part of an identifier.
const PART_BYTES: usize = 100;

/// `Namespace/Package`, compared as exact text, as the stock client does. A part has ASCII letters,
/// digits, `_`, `-` and `.`, a letter or digit first, and no two dots in a row: so the folder
/// `<Namespace>.<Package>` is safe on every system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shortname {
    namespace: String,
    package: String,
}

/// Why a text names no package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShortnameError {
    /// Not two parts.
    #[error("`{0}` is not `Namespace/Package`, for example `acme/Sensor`")]
    Parts(String),
    /// A part that is empty, too long, or has another character.
    #[error(
        "`{0}` has the part `{1}`: a part is 1 to {PART_BYTES} of A-Z, a-z, 0-9, `_`, `-` and `.`, a letter or digit first"
    )]
    Part(String, String),
}

impl Shortname {
    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
    /// The package's name in it.
    pub fn package(&self) -> &str {
        &self.package
    }
    /// The folder of an installed package, `<Namespace>.<Package>`.
    pub fn folder(&self) -> String {
        format!("{}.{}", self.namespace, self.package)
    }
    /// Whether no other package can have the same folder: neither part has a dot.
    pub fn is_portable(&self) -> bool {
        !self.namespace.contains('.') && !self.package.contains('.')
    }
}

/// Whether a text can be a namespace or a package's name.
fn is_part(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    (1..=PART_BYTES).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(word)
        && !text.contains("..")
        && !text.ends_with('.')
}

impl FromStr for Shortname {
    type Err = ShortnameError;
    fn from_str(text: &str) -> Result<Self, ShortnameError> {
        let shown = || excerpt(text, 200);
        let (namespace, package) =
            text.split_once('/').ok_or_else(|| ShortnameError::Parts(shown()))?;
        if package.contains('/') {
            return Err(ShortnameError::Parts(shown()));
        }
        for part in [namespace, package] {
            if !is_part(part) {
                return Err(ShortnameError::Part(shown(), excerpt(part, 120)));
            }
        }
        Ok(Self { namespace: namespace.to_owned(), package: package.to_owned() })
    }
}

impl fmt::Display for Shortname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.package)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortname_is_two_safe_parts() {
        for text in ["acme/Sensor", "mosallaei/fprime-TlmChan", "a.b/C_1", "9/x"] {
            let name: Shortname = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(name.is_portable(), !text.contains('.'));
        }
        for text in [
            "",
            "acme",
            "/x",
            "acme/",
            "a/b/c",
            "../x",
            "a/..",
            "a/.git",
            "-a/x",
            "a/x y",
            "a/x\\y",
            "a/x\n",
            "ä/x",
            "a/x.",
            "a..b/x",
            "https://a/b",
        ] {
            assert!(text.parse::<Shortname>().is_err(), "{text:?}");
        }
        assert!(format!("a/{}", "x".repeat(101)).parse::<Shortname>().is_err());
    }
}
