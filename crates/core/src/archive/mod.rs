//! The reproducible archive: packing a tree, and reading what strangers send.
//!
//! [`pack()`] writes the one zip of a tree. [`scan()`] takes an archive apart byte for byte and lists
//! its files; [`read()`], [`read_parallel`] and [`unpack`] scan, ask a second parser, and unpack under
//! limits. [`foreign()`] reads what other programs packed, to pack it anew. Nothing here touches a disk: who writes files joins a [`TreePath`], which is safe on
//! every system, to a folder of their own.

use crate::digest::{Digest, TreeDigest};
use crate::tree::TreePath;

#[cfg(any(test, feature = "corpus"))]
pub mod corpus;
mod error;
mod extra;
mod foreign;
mod format;
mod inflate;
mod opinion;
mod pack;
mod read;
mod scan;

pub use error::ArchiveError;
pub use foreign::foreign;
pub use pack::pack;
pub use read::{read, read_entry, read_parallel, unpack};
pub use scan::scan;

/// A packed tree.
#[derive(Clone, Debug)]
pub struct Archive {
    /// The zip.
    pub bytes: Vec<u8>,
    /// SHA-256 of `bytes`.
    pub digest: Digest,
    /// The content's identity.
    pub tree_digest: TreeDigest,
}

/// A file of an archive whose structure was scanned; its content starts at `data_offset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it unpacks to.
    pub path: TreePath,
    /// The one mode bit that is kept.
    pub executable: bool,
    /// Zip method: 0 stored, 8 deflate, 12 bzip2.
    pub method: u16,
    /// Offset of the packed bytes in the archive.
    pub data_offset: u64,
    /// Packed size in bytes.
    pub packed_bytes: u64,
    /// Unpacked size in bytes.
    pub bytes: u64,
    /// CRC-32 of the unpacked bytes.
    pub crc32: u32,
}

/// What reading a whole archive found.
#[derive(Clone, Debug)]
pub struct Contents {
    /// Every file, in the archive's order.
    pub entries: Vec<Entry>,
    /// The SHA-256 of every file, in the same order.
    pub digests: Vec<Digest>,
    /// The content's identity.
    pub tree_digest: TreeDigest,
    /// Sum of the unpacked sizes in bytes.
    pub unpacked_bytes: u64,
}

#[cfg(test)]
mod tests;
