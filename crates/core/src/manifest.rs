//! The manifest: what every format becomes.

use serde::{Deserialize, Serialize};

use crate::identifier::Identifier;
use crate::requirement::Requirement;
use crate::tree::TreePath;
use crate::version::{Order, Version};

/// A place in a text file: line and column, both from 1, the column in characters.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

/// A value and where it stands in the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<T> {
    /// The value.
    pub value: T,
    /// Where it starts.
    pub at: Place,
}

/// What a manifest calls its package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Name {
    /// The whole identifier.
    Full(Identifier),
    /// An ecosystem's own global name; the identifier becomes `<repository owner>/<name>`.
    Native(NativeName),
}

/// An ecosystem's own global name: compared as exact text within its ecosystem.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
pub struct NativeName {
    /// The community in which the name is global: `python`, `attune`, ...
    pub ecosystem: String,
    /// The name in the ecosystem's canonical form (Python: PEP 503 normalised).
    pub name: String,
}

/// A dependency of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// What is needed.
    pub target: Target,
    /// Which versions; none admits all.
    pub requirement: Option<Requirement>,
    /// Whether it is needed only under a condition (an extra, an environment marker), as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Where it stands in the manifest; not kept in records.
    #[serde(skip)]
    pub at: Option<Place>,
}

/// What a dependency points at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "type")]
pub enum Target {
    /// A package of a registry, by identifier.
    Registry {
        /// The identifier.
        identifier: Identifier,
    },
    /// A package by its ecosystem's own name.
    Native(NativeName),
    /// A git repository.
    Git {
        /// Address.
        url: String,
        /// Branch, tag or commit.
        #[serde(rename = "ref")]
        reference: Option<String>,
        /// Folder in the repository.
        path: Option<String>,
        /// The identifier the package is known by, where the manifest says so.
        identifier: Option<Identifier>,
    },
    /// A folder on the publisher's machine; cannot be published.
    File {
        /// As written.
        path: String,
        /// The identifier the package is known by, where the manifest says so.
        identifier: Option<Identifier>,
    },
    /// An archive by URL.
    Url {
        /// Address.
        url: String,
    },
}

impl Target {
    /// The identifier that the package is known by, where the manifest says one.
    pub fn identifier(&self) -> Option<&Identifier> {
        match self {
            Self::Registry { identifier } => Some(identifier),
            Self::Git { identifier, .. } | Self::File { identifier, .. } => identifier.as_ref(),
            Self::Native(_) | Self::Url { .. } => None,
        }
    }
}

/// Who wrote a package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Author {
    /// Name, possibly empty.
    pub name: String,
    /// E-mail address, possibly empty.
    pub email: String,
}

/// A thing that a package offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Export {
    /// `build`, `process`, `step`, `action`, `block`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The file it stands in, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// One sentence, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What the format says beyond that, for example `entry` of an `ato` build.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schema(value_type = Object)]
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// Something outside of the registry that a package needs: a tool, a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct External {
    /// `atopile`, `python`, ...
    pub name: String,
    /// Which versions.
    pub requirement: Option<Requirement>,
}

/// A field that is there and wrong, in a manifest that could be read all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, where it is another one than the manifest (an Attune pack's `actions/ping.yaml`).
    pub file: Option<TreePath>,
    /// The field's path in the manifest's own spelling, for example `package.version`.
    pub field: String,
    /// Where the value stands.
    pub at: Place,
    /// What was found.
    pub message: String,
    /// What would be right.
    pub help: String,
}

/// What every format becomes. A field is `None` when it is missing, or when [`Manifest::problems`]
/// says what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The format's id, for example `ato`.
    pub format: &'static str,
    /// The order in which the format compares versions.
    pub order: Order,
    /// The manifest file.
    pub path: TreePath,
    /// Full or native name.
    pub name: Option<Field<Name>>,
    /// The version it declares; `None` also where the format takes it from the tag.
    pub version: Option<Field<Version>>,
    /// Whether a missing version comes from the tag.
    pub version_from_tag: bool,
    /// Where the source lives.
    pub repository: Option<Field<String>>,
    /// An SPDX expression as written; `license-spdx` judges it.
    pub license: Option<Field<String>>,
    /// One sentence.
    pub summary: Option<Field<String>>,
    /// The project's page.
    pub homepage: Option<Field<String>>,
    /// Who wrote it.
    pub authors: Vec<Author>,
    /// Search words.
    pub keywords: Vec<String>,
    /// The README's path as the manifest names it, or the format's default.
    pub readme: String,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// What it offers.
    pub exports: Vec<Export>,
    /// What it needs from outside.
    pub requires: Vec<External>,
    /// Fields that are there and wrong.
    pub problems: Vec<Problem>,
    /// Keys that the format does not know, with what was probably meant: never a reason to refuse,
    /// since the ecosystem's tools may know more than we do.
    pub unknown_keys: Vec<Problem>,
    /// What its sources say that was not understood, or that people should know: never a reason to refuse.
    pub remarks: Vec<Problem>,
    /// Where fields stand that are known by no other member, by field path.
    pub places: std::collections::BTreeMap<String, Place>,
    /// The manifest, untouched, as JSON.
    pub original: serde_json::Value,
}

impl Manifest {
    /// A manifest of which nothing is known yet: every field missing, README at `README.md`.
    pub fn new(format: &'static str, order: Order, path: TreePath) -> Self {
        Self {
            format,
            order,
            path,
            name: None,
            version: None,
            version_from_tag: false,
            repository: None,
            license: None,
            summary: None,
            homepage: None,
            authors: Vec::new(),
            keywords: Vec::new(),
            readme: "README.md".to_owned(),
            dependencies: Vec::new(),
            exports: Vec::new(),
            requires: Vec::new(),
            problems: Vec::new(),
            unknown_keys: Vec::new(),
            remarks: Vec::new(),
            places: std::collections::BTreeMap::new(),
            original: serde_json::Value::Null,
        }
    }
}
