//! The bytes on S3: one private, versioned bucket.
//!
//! | key | holds | who writes |
//! |---|---|---|
//! | `staging/<intent>/<part>` | an upload that is not confirmed; the lifecycle removes it after a day | the client, by a presigned request |
//! | `blobs/sha256/<hex>` | a blob, immutable | the registry, from exactly the version that it read |
//! | `records/sha256/<hex>` | a record that is too long for the table | the registry |
//! | `advisories/….json` | what the packages are matched with | the operator |
//! | `index/`, `views/` | views, made from the ledger | the registry |

mod advisories;
mod blobs;
mod fault;
mod form;
mod logs;
mod records;
mod views;

pub use advisories::S3Advisories;
pub use blobs::S3Blobs;
pub use logs::S3Logs;
pub use records::S3Records;
pub use views::{S3Views, Seen, ViewTag};

use packhouse_core::digest::Digest;
use packhouse_registry::ports::{IntentId, Part};

/// Where an upload is staged.
fn staging(intent: &IntentId, part: Part) -> String {
    format!("staging/{intent}/{}", part.name())
}

/// Where a blob lies.
fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

/// SHA-256 as S3 writes it: the 32 bytes in base64.
fn checksum(digest: &Digest) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(digest.as_bytes())
}
