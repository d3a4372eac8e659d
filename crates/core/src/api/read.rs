//! What readers get: packages, releases, search results, index files, closures, events.
//!
//! The first part is the shape that `ato` reads: every key is always present, `null` where there is
//! nothing to say. Keys that `ato` does not know stand behind those that it knows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::claims::{Pins, Publisher};
use crate::manifest::{Author, Dependency, Export, External, NativeName};
use crate::quality::{Claim, Notice};
use crate::release::{Event, Mark};
use crate::version::Order;

/// How often something was downloaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// Since the beginning.
    pub total_downloads: u64,
    /// On the last 7 days (UTC), today included.
    pub this_week_downloads: u64,
    /// On the last 30 days (UTC), today included.
    pub this_month_downloads: u64,
}

/// `GET /github/app`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GithubAppAnswer {
    /// The App's number on GitHub.
    pub id: u64,
}

/// Hashes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hashes {
    /// SHA-256, 64 hex digits.
    pub sha256: String,
}

/// `GET /v1/package/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackageAnswer {
    /// The package, as its latest release describes it.
    pub info: PackageInfo,
    /// The README of the latest release, Markdown as it was published.
    pub readme: Option<String>,
}

/// A package, as its latest release describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackageInfo {
    /// When the first release became visible (RFC 3339).
    pub created_at: String,
    /// When the latest release became visible (RFC 3339).
    pub released_at: String,
    /// The latest release's object; opaque.
    pub key: String,
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The latest version: the newest that is not yanked, stable ones before prereleases.
    pub version: String,
    /// Where the source lives.
    pub repository: String,
    /// Who wrote it.
    pub authors: Vec<Author>,
    /// SPDX expression; empty when none was declared.
    pub license: String,
    /// One sentence; may be empty.
    pub summary: String,
    /// The project's page.
    pub homepage: Option<String>,
    /// The README as a file.
    pub readme_url: Option<String>,
    /// The package's page.
    pub url: String,
    /// Downloads of all releases.
    pub stats: Stats,
    /// The format's id.
    pub format: String,
    /// The ecosystem's own name, where the package holds it.
    pub native: Option<NativeName>,
    /// What the publisher of the latest release claims of tests and coverage.
    #[serde(default)]
    pub quality: Option<Claim>,
    /// Advisories about the latest release; `null` where it was not looked at.
    #[serde(default)]
    pub advisories: Option<Vec<Notice>>,
}

/// `GET /v1/package/{id}/releases`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleasesAnswer {
    /// Stable releases newest first, then prereleases newest first, then yanked ones newest first.
    /// Quarantined and removed releases are not listed.
    pub releases: Vec<ReleaseInfo>,
}

/// `GET /v1/package/{id}/releases/{version}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseAnswer {
    /// The release.
    pub info: ReleaseInfo,
    /// Its README, Markdown as it was published.
    pub readme: Option<String>,
}

/// One release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseInfo {
    /// When the publish was asked for (RFC 3339).
    pub created_at: String,
    /// When it became visible (RFC 3339).
    pub released_at: String,
    /// Its object; opaque.
    pub key: String,
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// Where the source lives.
    pub repository: String,
    /// Who wrote it.
    pub authors: Vec<Author>,
    /// SPDX expression; empty when none was declared.
    pub license: String,
    /// One sentence; may be empty.
    pub summary: String,
    /// The project's page.
    pub homepage: Option<String>,
    /// The README as a file.
    pub readme_url: Option<String>,
    /// The package's page.
    pub url: String,
    /// Downloads of this release.
    pub stats: Stats,
    /// Of the archive.
    pub hashes: Hashes,
    /// A plain file name for the archive.
    pub filename: String,
    /// Short branch name that the client sent.
    pub git_ref: Option<String>,
    /// Which versions of `ato` it works with; `*` where the manifest does not say.
    pub requires_atopile: String,
    /// Size of the archive in bytes.
    pub size: u64,
    /// The permanent address of the archive; never redirects.
    pub download_url: String,
    /// Names of the build targets.
    pub builds: Option<Vec<String>>,
    /// Packages of this registry that it needs.
    pub dependencies: Requires,
    /// Build artifacts, where some were sent.
    pub artifacts: Option<Artifacts>,
    /// Boards to look at, where the artifacts hold some.
    pub layouts: Option<Layouts>,
    /// When it was yanked (RFC 3339).
    pub yanked_at: Option<String>,
    /// Why it was yanked.
    pub yanked_reason: Option<String>,
    /// How to import each build target.
    pub import_statements: Option<Vec<ImportStatement>>,
    /// The format's id.
    pub format: String,
    /// The content's identity, 64 hex digits.
    pub tree_digest: String,
    /// Whether the version is a prerelease.
    pub prerelease: bool,
    /// When it was deprecated (RFC 3339).
    pub deprecated_at: Option<String>,
    /// Why it was deprecated.
    pub deprecated_reason: Option<String>,
    /// What to use instead of a yanked or deprecated release.
    pub replacement: Option<String>,
    /// Who published it.
    pub publisher: Publisher,
    /// What a consumer should know.
    pub warnings: Vec<String>,
    /// What its publisher claims of tests and coverage.
    #[serde(default)]
    pub quality: Option<Claim>,
    /// Advisories about it; `null` where it was not looked at. Only latest releases are.
    #[serde(default)]
    pub advisories: Option<Vec<Notice>>,
}

/// The packages of this registry that a release needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Requires {
    /// One each; conditional dependencies (extras) are left out.
    pub requires: Vec<Require>,
}

/// One package that a release needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Require {
    /// Always `registry`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The one version that is admitted; `null` where a range or everything is.
    pub release: Option<String>,
}

/// Build artifacts of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifacts {
    /// The files.
    pub artifacts: Vec<Artifact>,
}

/// One build artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// Plain file name.
    pub filename: String,
    /// Its permanent address.
    pub url: String,
    /// Size in bytes.
    pub size: u64,
    /// Of the file.
    pub hashes: Hashes,
    /// The build target that made it.
    pub build_name: Option<String>,
}

/// Boards of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Layouts {
    /// One for each build target that has a board.
    pub layouts: Vec<Layout>,
}

/// The board of a build target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Layout {
    /// The build target.
    pub build_name: String,
    /// The permanent address of its `.kicad_pcb`.
    pub url: String,
}

/// How to import a build target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportStatement {
    /// The build target.
    pub build_name: String,
    /// For example `from "acme/sensor/sensor.ato" import Sensor`.
    pub import_statement: String,
}

/// `GET /v1/packages?query=` and `GET /v1/packages/all`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueryAnswer {
    /// Best match first; by identifier where nothing was asked for.
    pub packages: Vec<Hit>,
    /// How many there are.
    pub total: u64,
    /// Whether some were left out.
    pub truncated: bool,
}

/// A package that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The latest version.
    pub version: String,
    /// One sentence; may be empty.
    pub summary: String,
    /// The package's page.
    pub url: String,
    /// Where the source lives.
    pub repository: String,
    /// The project's page.
    pub homepage: Option<String>,
    /// Downloads of all releases.
    pub downloads: Option<u64>,
    /// The format's id.
    pub format: String,
    /// What the publisher of the latest version claims of tests and coverage.
    #[serde(default)]
    pub quality: Option<Claim>,
    /// Ids of the advisories about the latest version; `null` where it was not looked at.
    #[serde(default)]
    pub advisories: Option<Vec<String>>,
}

/// A thing that a package offers, as lists show it; the manifest says all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Offer {
    /// One word: `process`, `block`, `build`, ...
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The module that it is imported from, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The file it stands in, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl From<&Export> for Offer {
    fn from(export: &Export) -> Self {
        let module = export.details.get("module").and_then(serde_json::Value::as_str);
        Self {
            kind: export.kind.clone(),
            name: export.name.clone(),
            module: module.map(str::to_owned),
            path: export.path.clone(),
        }
    }
}

/// `GET /v1/search`: a page of packages, or of what they offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchAnswer {
    /// 1.
    pub schema: u32,
    /// Best match first; by identifier where nothing was asked for.
    pub hits: Vec<SearchHit>,
    /// How many hits there are on all pages; of a query, counted up to 1,000.
    pub total: u64,
    /// The page, from 1.
    pub page: u32,
    /// Hits of a page, at most.
    pub limit: u32,
    /// The page that follows; `null` on the last one.
    pub next: Option<u32>,
}

/// A package that was found, or something that it offers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchHit {
    /// The package.
    #[serde(flatten)]
    pub package: Hit,
    /// Whether the latest version is a yanked one, for want of others.
    pub yanked: bool,
    /// The ecosystem's own name, where the package holds it.
    pub native: Option<NativeName>,
    /// The line by which a user of its community installs it, for a shell of POSIX.
    pub install: String,
    /// Where a kind was asked for, the one export that this hit is; else those whose names were asked
    /// for, at most 5.
    pub exports: Vec<Offer>,
}

/// `GET /v1/package/{id}/-/manifest/{version}`: what a release says of itself, in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ManifestAnswer {
    /// 1.
    pub schema: u32,
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The version.
    pub version: String,
    /// The format's id.
    pub format: String,
    /// The ecosystem's own name, where the format has one.
    pub native: Option<NativeName>,
    /// Search words.
    pub keywords: Vec<String>,
    /// All that it needs.
    #[schema(value_type = Vec<Object>)]
    pub dependencies: Vec<Dependency>,
    /// All that it offers.
    pub exports: Vec<Export>,
    /// What it needs from outside of the registry.
    #[schema(value_type = Vec<Object>)]
    pub requires: Vec<External>,
    /// The manifest, untouched, as JSON.
    #[schema(value_type = Object)]
    pub original: serde_json::Value,
}

/// `GET /index/{id}.json`: all that a resolver and a verifier need to know of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexFile {
    /// 1.
    pub schema: u32,
    /// `owner/name[/sub]`.
    pub identifier: String,
    /// The ecosystem's own name, where the package holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeName>,
    /// The latest version: the newest that is not yanked, stable ones before prereleases.
    pub latest: Option<String>,
    /// What the latest version offers. Left out of closures, whose readers resolve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exports: Vec<Offer>,
    /// Every version that was ever released, highest first.
    pub versions: Vec<IndexVersion>,
}

/// One version in an [`IndexFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexVersion {
    /// The version as its publisher wrote it.
    pub version: String,
    /// The order that it is compared by.
    pub order: Order,
    /// The format's id.
    pub format: String,
    /// SHA-256 of the archive, 64 hex digits.
    pub digest: String,
    /// The content's identity, 64 hex digits.
    pub tree_digest: String,
    /// Size of the archive in bytes.
    pub bytes: u64,
    /// When it became visible (RFC 3339).
    pub released_at: String,
    /// Who published it.
    pub publisher: PublisherId,
    /// The path of the workflow that published it, `.github/workflows/publish.yml`, where a CI job did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// All that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub dependencies: Vec<Dependency>,
    /// What it needs from outside of the registry.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    pub requires: Vec<External>,
    /// New resolutions avoid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<IndexMark>,
    /// There is something better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<IndexMark>,
    /// Out of service: it cannot be downloaded at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantined: Option<IndexMark>,
    /// Gone for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed: Option<IndexMark>,
}

impl IndexVersion {
    /// Whether it can be downloaded.
    pub fn in_service(&self) -> bool {
        self.quarantined.is_none() && self.removed.is_none()
    }
}

/// A mark in an [`IndexFile`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexMark {
    /// When (RFC 3339).
    pub at: String,
    /// Why.
    pub reason: String,
    /// What to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
}

impl From<&Mark> for IndexMark {
    fn from(mark: &Mark) -> Self {
        Self {
            at: mark.at.to_string(),
            reason: mark.reason.clone(),
            replacement: mark.replacement.clone(),
        }
    }
}

/// A publisher by what does not change when names do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum PublisherId {
    /// A CI job.
    Oidc(Pins),
    /// An API token.
    Token {
        /// The token's public id.
        token_id: String,
    },
    /// Nobody in particular.
    Open,
    /// Nobody: an operator rebuilt it from git.
    Imported {
        /// The repository's address.
        repository: String,
        /// The full name of the commit.
        commit: String,
    },
}

impl From<&Publisher> for PublisherId {
    fn from(publisher: &Publisher) -> Self {
        match publisher {
            Publisher::Oidc(job) => Self::Oidc(job.pins.clone()),
            Publisher::Token { token_id } => Self::Token { token_id: token_id.clone() },
            Publisher::Open => Self::Open,
            Publisher::Imported(found) => Self::Imported {
                repository: found.repository.clone(),
                commit: found.commit.clone(),
            },
        }
    }
}

/// `POST /v1/closure`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosureRequest {
    /// Where to start: `owner/name[/sub]`, or `<ecosystem>:<name>` for a native name. 1 to 1,000.
    pub roots: Vec<String>,
}

/// The index files of everything that the roots may need, whatever versions are chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClosureAnswer {
    /// 1.
    pub schema: u32,
    /// The index files: the roots, then what they need, breadth first.
    pub packages: Vec<IndexFile>,
    /// Names that no package of this registry has.
    pub missing: Vec<String>,
    /// Whether a limit cut the answer short: ask again with `next` as roots, 1,000 at a time.
    pub truncated: bool,
    /// Names that were seen and are not in the answer.
    pub next: Vec<String>,
}

/// `GET /v1/events?after=&limit=` and `GET /v1/package/{id}/-/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsAnswer {
    /// 1.
    pub schema: u32,
    /// In ascending order of their numbers.
    pub events: Vec<Event>,
    /// What to ask `after` next; the number of the last event that was looked at.
    pub next: u64,
    /// Whether more events are waiting.
    pub more: bool,
}

/// `GET /v0/motd`: what `ato` shows at every command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MotdAnswer {
    /// The message; empty when there is none.
    pub message: String,
}

/// `GET /healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthAnswer {
    /// Always `ok`: a registry whose store does not answer sends 503.
    pub status: String,
    /// The registry's version.
    pub version: String,
}
