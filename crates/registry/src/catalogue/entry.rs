//! A package in a few words.

use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;
use packhouse_core::search::Document;
use serde::{Deserialize, Serialize};

/// A package in a few words, from its latest release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The package.
    pub identifier: Identifier,
    /// Its latest version, as text.
    pub version: String,
    /// Whether that version is a yanked one, for want of others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yanked: bool,
    /// One sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Where the source lives.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// The project's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// The format's id.
    pub format: String,
    /// Names of exports, and keywords.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Downloads of all releases.
    #[serde(default)]
    pub downloads: u64,
}

impl Entry {
    /// The entry of a package whose latest release this is.
    pub fn of(latest: Release, downloads: u64) -> Self {
        let described = latest.described;
        let mut words: Vec<_> = described.exports.into_iter().map(|export| export.name).collect();
        words.extend(described.keywords);
        words.extend(described.native.map(|native| native.name));
        Self {
            identifier: latest.identifier,
            version: latest.version.text().to_owned(),
            yanked: latest.marks.yanked.is_some(),
            summary: described.summary,
            repository: described.repository,
            homepage: described.homepage,
            format: described.format,
            words,
            downloads,
        }
    }

    /// What search looks at.
    pub(super) fn document(&self) -> Document {
        Document {
            identifier: self.identifier.clone(),
            summary: self.summary.clone(),
            exports: self.words.clone(),
            downloads: self.downloads,
        }
    }
}
