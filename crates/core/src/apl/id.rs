//! What APL calls a package: `group-name`, and with its version `group-name-v1.2.3`.

use std::fmt;
use std::str::FromStr;

use crate::escape::excerpt;
use crate::identifier::NAME_BYTES;
use crate::manifest::NativeName;
use crate::version::{Order, Version, VersionError};

/// The ecosystem of APL's native names.
pub const ECOSYSTEM: &str = "apl";

/// A package without its version: group and name, each `[A-Za-z_][A-Za-z0-9_]*`, together as short as a
/// part of an identifier. No dash is in either, so `group-name` is taken apart in one way only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId {
    group: String,
    name: String,
}

/// A version of a package. It is read as `group-name-v1.2.3` and as `group-name-1.2.3`, and written
/// with the `v` and without build metadata.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId {
    /// The package.
    pub project: ProjectId,
    /// Its version, in [`Order::Apl`].
    pub version: Version,
}

/// Why a text names no package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not group and name.
    #[error("`{0}` is no project of APL: write `group-name`, for example `Dyalog-Conga`")]
    Project(String),
    /// Not group, name and version.
    #[error(
        "`{0}` is no package ID: write `group-name-vVERSION`, for example `Dyalog-Conga-v3.1.3`"
    )]
    Package(String),
    /// A group or a name with other characters.
    #[error("`{0}` is no name of APL: letters, digits and `_`, no digit first")]
    Name(String),
    /// Longer than a part of an identifier.
    #[error("`{0}` has {1} bytes, group and name together have at most {NAME_BYTES}")]
    Long(String, usize),
    /// Another version than APL's.
    #[error(transparent)]
    Version(#[from] VersionError),
}

impl ProjectId {
    /// A project from its group and its name.
    ///
    /// # Errors
    ///
    /// [`IdError::Name`] and [`IdError::Long`].
    pub fn new(group: &str, name: &str) -> Result<Self, IdError> {
        for part in [group, name] {
            let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
            let first = part.bytes().next().is_some_and(|b| !b.is_ascii_digit());
            if !first || !part.bytes().all(word) {
                return Err(IdError::Name(excerpt(part, NAME_BYTES)));
            }
        }
        let length = group.len() + name.len() + 1;
        if length > NAME_BYTES {
            return Err(IdError::Long(excerpt(&format!("{group}-{name}"), NAME_BYTES), length));
        }
        Ok(Self { group: group.to_owned(), name: name.to_owned() })
    }
    /// The group.
    pub fn group(&self) -> &str {
        &self.group
    }
    /// The name in its group.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The name as the registry holds it.
    pub fn native(&self) -> NativeName {
        NativeName { ecosystem: ECOSYSTEM.to_owned(), name: self.to_string() }
    }
}

impl FromStr for ProjectId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parts = text.split_once('-').filter(|(_, name)| !name.contains('-'));
        let (group, name) = parts.ok_or_else(|| IdError::Project(excerpt(text, 2 * NAME_BYTES)))?;
        Self::new(group, name)
    }
}
impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.group, self.name)
    }
}

impl PackageId {
    /// A package from its parts.
    ///
    /// # Errors
    ///
    /// [`IdError`], except for [`IdError::Package`] and [`IdError::Project`].
    pub fn new(group: &str, name: &str, version: &str) -> Result<Self, IdError> {
        let project = ProjectId::new(group, name)?;
        Ok(Self { project, version: Version::parse(Order::Apl, version)? })
    }
    /// The archive's name: `group-name-v1.2.3.zip`.
    pub fn file_name(&self) -> String {
        format!("{self}.zip")
    }
}

/// `text` as group, name, and a version without its `v`.
pub(super) fn parts(text: &str) -> Result<(&str, &str, &str), IdError> {
    let wrong = || IdError::Package(excerpt(text, 3 * NAME_BYTES));
    let mut parts = text.splitn(3, '-');
    let mut next = || parts.next().ok_or_else(wrong);
    let (group, name, version) = (next()?, next()?, next()?);
    Ok((group, name, version.strip_prefix('v').unwrap_or(version)))
}

impl FromStr for PackageId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let (group, name, version) = parts(text)?;
        Self::new(group, name, version)
    }
}
impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-v{}", self.project, self.version.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_read_and_one_is_written() {
        for text in ["Dyalog-Conga-v3.1.3", "Dyalog-Conga-3.1.3", "Dyalog-Conga-v3.1.3+b"] {
            let id: PackageId = text.parse().unwrap();
            assert_eq!(id.to_string(), "Dyalog-Conga-v3.1.3");
            assert_eq!((id.project.group(), id.project.name()), ("Dyalog", "Conga"));
        }
        let id: PackageId = "_a-v1-v1.0.0-rc.1-x".parse().unwrap();
        assert_eq!((id.project.name(), id.version.key()), ("v1", "1.0.0-rc.1-x"));
        assert_eq!(id.file_name(), "_a-v1-v1.0.0-rc.1-x.zip");
        assert_ne!("a-b".parse::<ProjectId>(), "A-b".parse::<ProjectId>());
    }

    #[test]
    fn other_texts_are_refused_with_what_would_be_right() {
        let long = format!("{}-{}-v1.0.0", "x".repeat(60), "y".repeat(60));
        let texts = [
            "",
            "Conga",
            "Dyalog-Conga",
            "-a-v1.0.0",
            "9a-b-v1.0.0",
            "a-b-v1.0",
            "a-b-vv1.0.0",
            "a-b/../c-1.0.0",
            "é-b-v1.0.0",
            &long,
        ];
        let table: String =
            texts.iter().map(|t| format!("{}\n", t.parse::<PackageId>().unwrap_err())).collect();
        insta::assert_snapshot!(table);
        assert!("a-b-c".parse::<ProjectId>().is_err() && "a".parse::<ProjectId>().is_err());
    }
}
