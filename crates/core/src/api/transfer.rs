//! Export and import: what operators' programs and a registry say to each other.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Receipt, UploadPut};
use crate::claims::Provenance;
use crate::version::Order;

/// The header of an export's page that says where the next one begins.
pub const NEXT_HEADER: &str = "x-packhouse-next";

/// `/registry.json` of an export: it tells the files of a registry from any others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticSite {
    /// 1.
    pub schema: u32,
    /// `true`: there are index files and blobs, and no `/v1`.
    #[serde(rename = "static")]
    pub is_static: bool,
    /// The registry that was exported.
    pub of: String,
}

/// The answer to `POST /v1/admin/import`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportAnswer {
    /// 1.
    pub schema: u32,
    /// How many records were read; those that stood already are among them.
    pub loaded: u64,
    /// Blobs that must be imported first; nothing was read then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<MissingBlob>,
}

/// A blob that releases of an import need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingBlob {
    /// Its SHA-256, 64 hex digits.
    pub digest: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// `POST /v1/admin/blobs/{hex}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BlobRequest {
    /// The blob's length in bytes.
    pub bytes: u64,
}

/// The answer to [`BlobRequest`] and to its completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlobAnswer {
    /// 1.
    pub schema: u32,
    /// The blob's SHA-256, 64 hex digits.
    pub digest: String,
    /// Its length, where it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Where to upload it, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadPut>,
}

/// `POST /v1/admin/import/release`: a version that was rebuilt from git. Its archive was brought
/// before, by [`BlobRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseImport {
    /// `owner/name[/sub]`, as the manifest in the archive says.
    pub identifier: String,
    /// The version, as the manifest in the archive says.
    pub version: String,
    /// The order of its versions.
    pub order: Order,
    /// The format's id.
    pub format: String,
    /// SHA-256 of the archive, 64 hex digits.
    pub digest: String,
    /// Where it was found.
    pub provenance: Provenance,
}

/// The answer to [`ReleaseImport`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReleaseImported {
    /// 1.
    pub schema: u32,
    /// Whether it stood already, with the same content.
    pub was_there: bool,
    /// What stands now.
    pub receipt: Receipt,
}
