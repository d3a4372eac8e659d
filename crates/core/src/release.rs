//! Records: what a ledger holds of packages and releases. Every record says `schema: 1`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claims::{Pins, Publisher};
use crate::digest::{Digest, TreeDigest};
use crate::identifier::Identifier;
use crate::manifest::{Author, Dependency, Export, External, NativeName};
use crate::policy::Policy;
use crate::quality::Claim;
use crate::version::Version;

/// The schema that this code writes and reads.
pub const SCHEMA: u32 = 1;

/// A file inside the release's archive, by which it is read without unpacking the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRef {
    /// Its path in the archive.
    pub path: String,
    /// Offset of the packed bytes.
    pub data_offset: u64,
    /// Packed size in bytes.
    pub packed_bytes: u64,
    /// Unpacked size in bytes.
    pub bytes: u64,
    /// Zip method.
    pub method: u16,
    /// CRC-32 of the unpacked bytes.
    pub crc32: u32,
}

/// Bytes by digest that hang off a release: one file of `artifacts.zip`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Path below the artifacts folder: `<target>/<file>`.
    pub path: String,
    /// SHA-256 of the content, under which it is stored.
    pub digest: Digest,
    /// Size in bytes.
    pub bytes: u64,
}

/// A yank or a deprecation: who, when, why, and what to use instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Publisher,
    /// Why, in one sentence of at most 500 characters.
    pub reason: String,
    /// What to use instead, for example `acme/sensor@1.2.4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

/// The marks on a release: all of it that ever changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// New resolutions avoid it; pins keep working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<Mark>,
    /// It works, and there is something better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Mark>,
    /// An operator took it out of service; its bytes are not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<Mark>,
    /// An operator removed it: a tombstone whose version is never reusable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<Mark>,
}

/// What a release says of itself, from the manifest inside the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Described {
    /// The format's id.
    pub format: String,
    /// The ecosystem's own name, where the format has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeName>,
    /// Where the source lives.
    pub repository: String,
    /// SPDX expression; empty when none was declared.
    pub license: String,
    /// One sentence; may be empty.
    pub summary: String,
    /// The project's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Who wrote it.
    pub authors: Vec<Author>,
    /// Search words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
    /// What it offers.
    pub exports: Vec<Export>,
    /// What it needs from outside.
    pub requires: Vec<External>,
    /// The manifest, untouched, as JSON; at most 256 KiB.
    pub original: serde_json::Value,
}

/// An immutable version of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The package.
    pub identifier: Identifier,
    /// The version.
    pub version: Version,
    /// SHA-256 of the archive.
    pub digest: Digest,
    /// The content's identity.
    pub tree_digest: TreeDigest,
    /// Size of the archive in bytes.
    pub bytes: u64,
    /// Size of the content in bytes.
    pub unpacked_bytes: u64,
    /// How many files.
    pub files: u32,
    /// What it says of itself.
    pub described: Described,
    /// The README's place in the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readme: Option<EntryRef>,
    /// Build artifacts; `None` when none were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
    /// Short branch name that the client sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// What its publisher claims of tests and coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Claim>,
    /// Who published it.
    pub publisher: Publisher,
    /// The intent that made it.
    pub intent: String,
    /// When the publish was asked for.
    pub created_at: Timestamp,
    /// When its train was sealed; set by the ledger.
    pub released_at: Timestamp,
    /// What a consumer should know: a dependency that does not resolve, a version conflict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// All of it that changes.
    #[serde(default)]
    pub marks: Marks,
}

/// A package's own record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The package, in the spelling of its first release.
    pub identifier: Identifier,
    /// Who may publish; `None` for packages that only tokens or imports made.
    pub pins: Option<Pins>,
    /// From where.
    pub policy: Policy,
    /// Whether API tokens may publish although it is pinned: the operator's choice.
    #[serde(default)]
    pub tokens_allowed: bool,
    /// Whether a release used an audience that is bound to its bytes; plain host audiences are
    /// refused from then on.
    #[serde(default)]
    pub bound_audience_seen: bool,
    /// The ecosystem's own name that this package holds, where it was the first to publish it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeName>,
    /// How many events the package has.
    pub sequence: u64,
    /// The hash of the newest event.
    pub event_hash: Digest,
    /// When its first release became visible.
    pub created_at: Timestamp,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
}

/// A change, as the feed tells it. Its canonical bytes are its JSON without `hash`, keys in this
/// order, no white space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Position in the registry's feed, from 1 without gaps.
    pub number: u64,
    /// The package.
    #[schema(value_type = String)]
    pub identifier: Identifier,
    /// Position among the package's events, from 1 without gaps.
    pub sequence: u64,
    /// `released`, `yanked`, `unyanked`, `deprecated`, `undeprecated`, `quarantined`, `restored`,
    /// `removed`, `policy`, `transferred`, `reserved`.
    pub kind: String,
    /// The version concerned, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When.
    #[schema(value_type = String)]
    pub at: Timestamp,
    /// What changed; public, so it holds no secret.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// The hash of the package's event before this one; 64 zeros for the first.
    #[schema(value_type = String)]
    pub previous: Digest,
    /// SHA-256 of the canonical bytes.
    #[schema(value_type = String)]
    pub hash: Digest,
}
