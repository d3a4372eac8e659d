//! The reproducible archive: packing a tree, and reading what strangers send.

use crate::digest::{Digest, TreeDigest};
use crate::limits::Limits;
use crate::tree::{Tree, TreePath};

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

/// Why an archive is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Over [`Limits::archive_bytes`].
    #[error("the archive has {found} bytes: at most {limit} are allowed")]
    TooLarge {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
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
    /// The content's identity.
    pub tree_digest: TreeDigest,
    /// Sum of the unpacked sizes in bytes.
    pub unpacked_bytes: u64,
}

/// Packs `tree` into the one zip that everybody gets for it, on any machine, at any time.
///
/// # Errors
///
/// A zip without zip64 counts at most 65,535 files and 4 GiB; a tree beyond that, or with two paths
/// that some systems see as one, is refused.
pub fn pack(tree: &Tree) -> Result<Archive, ArchiveError> {
    todo!("{}", tree.len())
}

/// Checks the structure of `archive` byte for byte and lists its entries; inflates nothing.
pub fn scan(archive: &[u8], limits: &Limits) -> Result<Vec<Entry>, ArchiveError> {
    todo!("{} {}", archive.len(), limits.entries)
}

/// Reads every entry of `archive` under `limits`, checks sizes and CRCs as counted, and hands each
/// file to `visit`. Memory: one entry at a time (more where files are read in parallel), never the
/// whole tree.
pub fn read(
    archive: &[u8],
    limits: &Limits,
    visit: impl FnMut(&Entry, &[u8]),
) -> Result<Contents, ArchiveError> {
    let _ = visit;
    todo!("{} {}", archive.len(), limits.entries)
}

/// The content of one scanned entry.
pub fn read_entry(archive: &[u8], entry: &Entry, limits: &Limits) -> Result<Vec<u8>, ArchiveError> {
    todo!("{} {} {}", archive.len(), entry.path, limits.entries)
}

/// Reads `archive` into a tree.
pub fn unpack(archive: &[u8], limits: &Limits) -> Result<(Tree, Contents), ArchiveError> {
    todo!("{} {}", archive.len(), limits.entries)
}
