//! A package in a few words.

use std::collections::BTreeMap;

use packhouse_core::api::read::Offer;
use packhouse_core::formats::{self, Installed};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::{Advised, Claim};
use packhouse_core::release::{Head, Release};
use packhouse_core::search::{Document, Facet};
use serde::{Deserialize, Serialize};

use crate::app::Settings;
use crate::urls;

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
    /// Search words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// What it offers, in the order of its manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Offer>,
    /// The ecosystem's own name, where the format has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeName>,
    /// Whether the package holds that name.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The archive's path below the URL of files, of formats that install from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Downloads of all releases.
    #[serde(default)]
    pub downloads: u64,
    /// What the publisher of the latest release claims of tests and coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Claim>,
    /// Ids of the advisories about the latest release; absent where it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advisories: Option<Vec<String>>,
}

impl Entry {
    /// The entry of a package whose latest release this is.
    pub fn of(
        latest: Release,
        head: Option<&Head>,
        downloads: u64,
        advised: Option<Advised>,
    ) -> Self {
        let advised = advised.filter(|advised| advised.version == latest.version.text());
        let ids = |advised: Advised| advised.notices.into_iter().map(|notice| notice.id).collect();
        let format = formats::by_id(&latest.described.format);
        let installs = format.is_some_and(|format| format.installs_archives());
        let archive = installs.then(|| urls::archive_path(&latest));
        let described = latest.described;
        let held = head.and_then(|head| head.native.as_ref());
        Self {
            identifier: latest.identifier,
            version: latest.version.text().to_owned(),
            yanked: latest.marks.yanked.is_some(),
            summary: described.summary,
            repository: described.repository,
            homepage: described.homepage,
            format: described.format,
            keywords: described.keywords,
            exports: described.exports.iter().map(Into::into).collect(),
            held: described.native.as_ref().is_some_and(|native| Some(native) == held),
            native: described.native,
            archive,
            downloads,
            quality: latest.quality,
            advisories: advised.map(ids),
        }
    }

    /// The ecosystem's own name, where the package holds it.
    pub fn held_name(&self) -> Option<&NativeName> {
        self.native.as_ref().filter(|_| self.held)
    }

    /// The line by which a user of its community installs it.
    pub fn install(&self, settings: &Settings) -> String {
        let archive = self.archive.as_deref().map(|path| settings.files_url().join(path));
        let package = Installed {
            identifier: &self.identifier,
            version: &self.version,
            yanked: self.yanked,
            native: self.held_name().map(|native| native.name.as_str()),
            registry: settings.public_url.as_str(),
            archive: archive.as_deref(),
        };
        let format = formats::by_id(&self.format);
        format.map_or_else(|| package.fetch(), |format| format.install(&package))
    }

    /// What search looks at.
    pub(super) fn document(&self) -> Document {
        let mut facets = BTreeMap::from([(Facet::Format(self.format.clone()), 1)]);
        for offer in &self.exports {
            *facets.entry(Facet::Kind(offer.kind.clone())).or_default() += 1;
        }
        let names = self.exports.iter().map(|offer| &offer.name).chain(&self.keywords);
        let native = self.native.iter().map(|native| &native.name);
        Document {
            identifier: self.identifier.clone(),
            summary: self.summary.clone(),
            exports: names.chain(native).cloned().collect(),
            facets: facets.into_iter().collect(),
            downloads: self.downloads,
        }
    }
}
