//! `index.json`: which packs there are, and where each is had. Format 1.0.

use serde::{Deserialize, Serialize};

use super::Flaw;
use super::checksum::Checksum;
use crate::version::{Order, Version};

pub use super::read::{Read, read, strict, strict_entry};

/// The largest index that is read, in bytes: what Attune's own client takes.
pub const INDEX_BYTES: u64 = 10 << 20;
/// How many packs an index may list.
pub const PACKS: usize = 20_000;
/// The format version of an index.
pub const FORMAT: &str = "1.0";

/// An index.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Index {
    /// What the registry is called.
    pub registry_name: String,
    /// Its homepage.
    pub registry_url: String,
    /// [`FORMAT`].
    pub version: String,
    /// RFC 3339, UTC, seconds.
    pub last_updated: String,
    /// By `ref`, each once.
    pub packs: Vec<Entry>,
}

/// A pack in an index: one version of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// The pack.
    #[serde(rename = "ref")]
    pub reference: String,
    /// What it is called.
    pub label: String,
    /// What it is for; may be empty.
    pub description: String,
    /// A semantic version.
    pub version: String,
    /// Who wrote it.
    pub author: String,
    /// Where the author is written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The project's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Where the source lives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// What it is used for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_case: Option<String>,
    /// A licence, or `NOASSERTION`.
    pub license: String,
    /// Search words.
    pub keywords: Vec<String>,
    /// What has to be installed, such as `python3>=3.8`.
    pub runtime_deps: Vec<String>,
    /// Where it is had, git first.
    pub install_sources: Vec<InstallSource>,
    /// What it offers.
    pub contents: Contents,
    /// What else it needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<serde_json::Value>,
    /// Whatever its index knows beyond that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<serde_json::Value>,
}

/// Where a pack is had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum InstallSource {
    /// A commit of a repository; the checksum is that of the folder's content.
    Git {
        /// The repository.
        url: String,
        /// A branch, a tag or a commit.
        #[serde(rename = "ref")]
        reference: String,
        /// `None` only in what is read tolerantly.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<Checksum>,
    },
    /// A file; the checksum is that of its bytes.
    Archive {
        /// The file.
        url: String,
        /// `None` only in what is read tolerantly.
        #[serde(skip_serializing_if = "Option::is_none")]
        checksum: Option<Checksum>,
    },
}

impl InstallSource {
    /// What the content is promised to be.
    pub fn checksum(&self) -> Option<Checksum> {
        match self {
            Self::Git { checksum, .. } | Self::Archive { checksum, .. } => *checksum,
        }
    }
}

/// What a pack offers, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Contents {
    /// Actions.
    pub actions: Vec<Component>,
    /// Sensors.
    pub sensors: Vec<Component>,
    /// Triggers.
    pub triggers: Vec<Component>,
    /// Rules.
    pub rules: Vec<Component>,
    /// Workflows.
    pub workflows: Vec<Component>,
}

/// One thing that a pack offers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Component {
    /// Its name, without the pack's.
    pub name: String,
    /// What it does.
    pub description: String,
}

impl Contents {
    /// The kinds, each with its list.
    pub fn kinds(&self) -> [(&'static str, &Vec<Component>); 5] {
        [
            ("actions", &self.actions),
            ("sensors", &self.sensors),
            ("triggers", &self.triggers),
            ("rules", &self.rules),
            ("workflows", &self.workflows),
        ]
    }

    /// The list of a kind.
    pub(super) fn kind(&mut self, kind: &str) -> Option<&mut Vec<Component>> {
        match kind {
            "actions" => Some(&mut self.actions),
            "sensors" => Some(&mut self.sensors),
            "triggers" => Some(&mut self.triggers),
            "rules" => Some(&mut self.rules),
            "workflows" => Some(&mut self.workflows),
            _ => None,
        }
    }
}

impl Entry {
    /// The version, where it is a semantic one.
    pub fn semver(&self) -> Option<Version> {
        Version::parse(Order::SemVer, &self.version).ok()
    }

    /// The source that is tried first (the first git one, else the first archive), and the one behind
    /// it: the first archive.
    pub fn sources(&self) -> Vec<&InstallSource> {
        let git = |source: &&InstallSource| matches!(source, InstallSource::Git { .. });
        let first = self.install_sources.iter().find(git);
        first.into_iter().chain(self.install_sources.iter().find(|s| !git(s))).collect()
    }

    /// Whether `word`, in lower case, is in the ref, label, description or a keyword.
    pub fn matches(&self, word: &str) -> bool {
        let texts = [&self.reference, &self.label, &self.description].into_iter();
        texts.chain(&self.keywords).any(|text| text.to_lowercase().contains(word))
    }

    /// Puts what has an order into it: keywords, runtimes and contents.
    pub(super) fn sort(&mut self) {
        for list in [&mut self.keywords, &mut self.runtime_deps] {
            list.sort();
            list.dedup();
        }
        for list in [
            &mut self.contents.actions,
            &mut self.contents.sensors,
            &mut self.contents.triggers,
            &mut self.contents.rules,
            &mut self.contents.workflows,
        ] {
            list.sort();
            list.dedup_by(|a, b| a.name == b.name);
        }
    }
}

impl Index {
    /// An index without packs.
    pub fn new(name: &str, url: &str, now: &str) -> Self {
        Self {
            registry_name: name.to_owned(),
            registry_url: url.to_owned(),
            version: FORMAT.to_owned(),
            last_updated: now.to_owned(),
            packs: Vec::new(),
        }
    }

    /// The pack `reference`; refs are compared byte for byte.
    pub fn get(&self, reference: &str) -> Option<&Entry> {
        self.packs.iter().find(|entry| entry.reference == reference)
    }

    /// Whether it was updated before `time`, or one of the two is no time.
    pub fn is_older_than(&self, time: &str) -> bool {
        let parse = |text: &str| text.parse::<jiff::Timestamp>().ok();
        match (parse(&self.last_updated), parse(time)) {
            (Some(own), Some(time)) => own < time,
            _ => true,
        }
    }

    /// The text of the file: two blanks of indent, a line break at the end.
    ///
    /// # Errors
    ///
    /// The first flaws that a strict reader would find, so that nothing is written that others refuse.
    pub fn text(&self) -> Result<String, Vec<Flaw>> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| vec![Flaw::new("index", e.to_string())])?
            + "\n";
        strict(text.as_bytes()).map(|_| text)
    }
}

/// What an index holds, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Statistics {
    /// Packs.
    pub packs: usize,
    /// Git sources.
    pub git_sources: usize,
    /// Archive sources.
    pub archive_sources: usize,
    /// Actions of all packs.
    pub actions: usize,
    /// Sensors of all packs.
    pub sensors: usize,
    /// Triggers of all packs.
    pub triggers: usize,
    /// Rules of all packs.
    pub rules: usize,
    /// Workflows of all packs.
    pub workflows: usize,
}

impl Statistics {
    /// The numbers of `index`.
    pub fn of(index: &Index) -> Self {
        let mut all = Self { packs: index.packs.len(), ..Self::default() };
        for entry in &index.packs {
            let git = |s: &&InstallSource| matches!(s, InstallSource::Git { .. });
            let gits = entry.install_sources.iter().filter(git).count();
            all.git_sources += gits;
            all.archive_sources += entry.install_sources.len() - gits;
            all.actions += entry.contents.actions.len();
            all.sensors += entry.contents.sensors.len();
            all.triggers += entry.contents.triggers.len();
            all.rules += entry.contents.rules.len();
            all.workflows += entry.contents.workflows.len();
        }
        all
    }
}
