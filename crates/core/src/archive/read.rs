//! Reading what the scan let through: every byte counted, every checksum compared.

use std::borrow::Cow;
use std::ops::Range;

use rayon::prelude::*;

use super::inflate::Decoder;
use super::{ArchiveError, Contents, Entry, opinion, scan};
use crate::digest::{Digest, TreeDigest};
use crate::limits::Limits;
use crate::tree::Tree;

/// Few files, as [`is_small`] counts them.
const SMALL_FILES: usize = 16;
/// Few bytes, as [`is_small`] counts them: about a millisecond to unpack.
const SMALL_BYTES: u64 = 256 << 10;
/// Unpacked bytes that are in memory at once, unless a single file is larger.
const WINDOW_BYTES: u64 = 32 << 20;

/// Reads every entry of `archive` under `limits`, checks sizes and CRCs as counted, and hands each
/// file to `visit`, in the archive's order.
///
/// Files are unpacked on all threads of the current rayon pool. Memory: 32 MiB of content, or the
/// largest file if that is more.
///
/// # Errors
///
/// Every [`ArchiveError`]; `visit` may have seen the files before the broken one.
pub fn read(
    archive: &[u8],
    limits: &Limits,
    mut visit: impl FnMut(&Entry, &[u8]),
) -> Result<Contents, ArchiveError> {
    let entries = open(archive, limits)?;
    let mut digests = Vec::with_capacity(entries.len());
    for window in windows(&entries) {
        let window = &entries[window];
        let unpacked: Vec<_> = window
            .par_iter()
            .map_init(Decoder::new, |decoder, entry| {
                let content = decoder.decode(archive, entry)?;
                let digest = Digest::of(&content);
                Ok::<_, ArchiveError>((content, digest))
            })
            .collect();
        for (entry, file) in window.iter().zip(unpacked) {
            let (content, digest) = file?;
            visit(entry, &content);
            digests.push(digest);
        }
    }
    Ok(Contents::new(entries, digests))
}

/// As [`read`], but hands files to `visit` on several threads at once and in any order, so that
/// they can be written while others are unpacked.
///
/// Memory: one file a thread, and never more than 32 MiB or the largest file in all.
///
/// # Errors
///
/// Every [`ArchiveError`], and those of `visit`; of several, that of the file that stands first.
/// After an error, files of the same window may have been visited.
pub fn read_parallel<E: From<ArchiveError> + Send>(
    archive: &[u8],
    limits: &Limits,
    visit: impl Fn(&Entry, &[u8]) -> Result<(), E> + Sync,
) -> Result<Contents, E> {
    let entries = open(archive, limits)?;
    let mut digests = Vec::with_capacity(entries.len());
    let one = |decoder: &mut Decoder, entry: &Entry| {
        let content = decoder.decode(archive, entry)?;
        visit(entry, &content)?;
        Ok(Digest::of(&content))
    };
    for window in windows(&entries) {
        let window = &entries[window];
        let visited: Vec<Result<Digest, E>> = if is_small(window) {
            let mut decoder = Decoder::new();
            window.iter().map(|entry| one(&mut decoder, entry)).collect()
        } else {
            window.par_iter().map_init(Decoder::new, one).collect()
        };
        for digest in visited {
            digests.push(digest?);
        }
    }
    Ok(Contents::new(entries, digests))
}

/// The content of one scanned entry.
///
/// # Errors
///
/// What [`read`] refuses in one file; [`ArchiveError::FileTooLarge`] over [`Limits::file_bytes`].
pub fn read_entry(archive: &[u8], entry: &Entry, limits: &Limits) -> Result<Vec<u8>, ArchiveError> {
    if entry.bytes > limits.file_bytes {
        let path = super::error::shown(entry.path.as_str().as_bytes());
        let (found, limit) = (entry.bytes, limits.file_bytes);
        return Err(ArchiveError::FileTooLarge { path, found, limit });
    }
    Decoder::new().decode(archive, entry).map(Cow::into_owned)
}

/// Reads `archive` into a tree, under the conditions of [`read`].
///
/// # Errors
///
/// Those of [`read`].
pub fn unpack(archive: &[u8], limits: &Limits) -> Result<(Tree, Contents), ArchiveError> {
    let mut tree = Tree::default();
    let contents = read(archive, limits, |entry, bytes| {
        tree.insert(entry.path.clone(), bytes, entry.executable);
    })?;
    Ok((tree, contents))
}

impl Contents {
    fn new(entries: Vec<Entry>, digests: Vec<Digest>) -> Self {
        let mut sorted: Vec<_> = entries.iter().zip(&digests).collect();
        sorted.sort_by_key(|(entry, _)| &entry.path);
        let tree_digest =
            TreeDigest::of(sorted.iter().map(|(e, d)| (e.path.as_str(), e.executable, **d)));
        let unpacked_bytes = entries.iter().map(|entry| entry.bytes).sum();
        Self { entries, digests, tree_digest, unpacked_bytes }
    }

    /// Holds the content against the identity that was promised for it.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::TreeDigest`] with both.
    pub fn verify_tree_digest(&self, expected: TreeDigest) -> Result<(), ArchiveError> {
        let found = self.tree_digest;
        if found == expected { Ok(()) } else { Err(ArchiveError::TreeDigest { expected, found }) }
    }
}

/// Scans `archive` and asks the second parser.
fn open(archive: &[u8], limits: &Limits) -> Result<Vec<Entry>, ArchiveError> {
    let entries = scan(archive, limits)?;
    opinion::ask(archive, &entries)?;
    Ok(entries)
}

/// Cuts `entries` into runs of at most [`WINDOW_BYTES`], or of one file.
fn windows(entries: &[Entry]) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, entry) in entries.iter().enumerate() {
        if at > begin && bytes + entry.bytes > WINDOW_BYTES {
            windows.push(begin..at);
            (begin, bytes) = (at, 0);
        }
        bytes += entry.bytes;
    }
    if begin < entries.len() {
        windows.push(begin..entries.len());
    }
    windows
}

/// Whether other threads would be woken for less than it costs: callers unpack many such archives at
/// once.
fn is_small(window: &[Entry]) -> bool {
    window.len() <= SMALL_FILES
        && window.iter().map(|entry| entry.bytes).sum::<u64>() <= SMALL_BYTES
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::archive::corpus::harmless;

    fn entries(sizes: &[u64]) -> Vec<Entry> {
        let entry = scan(&harmless(), &Limits::default()).unwrap().remove(0);
        sizes.iter().map(|&bytes| Entry { bytes, ..entry.clone() }).collect()
    }

    #[test]
    fn a_window_holds_32_mib_or_one_file() {
        const MIB: u64 = 1 << 20;
        assert!(windows(&[]).is_empty());
        assert_eq!(windows(&entries(&[0, 5, 32 * MIB - 5, 1])), [0..3, 3..4]);
        assert_eq!(windows(&entries(&[1, 32 * MIB, 1])), [0..1, 1..2, 2..3]);
        assert_eq!(windows(&entries(&[100 * MIB, 100 * MIB])), [0..1, 1..2]);
        assert_eq!(windows(&entries(&[20 * MIB, 12 * MIB, 1])), [0..2, 2..3]);
    }

    #[test]
    fn reading_in_order_in_parallel_and_one_by_one_is_the_same() {
        let (archive, limits) = (harmless(), Limits::default());
        let (mut ordered, seen) = (Vec::new(), Mutex::new(Vec::new()));
        let contents = read(&archive, &limits, |entry, bytes| {
            assert_eq!(read_entry(&archive, entry, &limits).as_deref(), Ok(bytes));
            ordered.push((entry.path.clone(), bytes.to_vec()));
        })
        .unwrap();
        let parallel = read_parallel(&archive, &limits, |entry, bytes| {
            seen.lock().unwrap().push((entry.path.clone(), bytes.to_vec()));
            Ok::<_, ArchiveError>(())
        });
        assert_eq!(parallel.unwrap().tree_digest, contents.tree_digest);
        let digests: Vec<_> = ordered.iter().map(|(_, bytes)| Digest::of(bytes)).collect();
        assert_eq!(contents.digests, digests);
        let mut seen = seen.into_inner().unwrap();
        seen.sort();
        ordered.sort();
        assert_eq!(seen, ordered);
    }

    #[test]
    fn an_error_of_the_visitor_ends_the_reading() {
        #[derive(Debug)]
        struct Full(String);
        impl From<ArchiveError> for Full {
            fn from(error: ArchiveError) -> Self {
                Self(error.to_string())
            }
        }
        let visit = |entry: &Entry, _: &[u8]| Err(Full(entry.path.to_string()));
        let error = read_parallel(&harmless(), &Limits::default(), visit).unwrap_err();
        assert_eq!(error.0, "packhouse.yaml");
    }

    #[test]
    fn an_entry_of_another_archive_is_an_error() {
        let archive = harmless();
        let limits = Limits { file_bytes: 1000, ..Limits::default() };
        let entry = scan(&archive, &limits).unwrap().remove(1);
        let error = read_entry(&archive[..90], &entry, &limits).unwrap_err();
        assert!(matches!(error, ArchiveError::Truncated { .. }), "{error}");
        let far = Entry { data_offset: u64::MAX, ..entry.clone() };
        let error = read_entry(&archive, &far, &limits).unwrap_err();
        assert!(matches!(error, ArchiveError::Truncated { .. }), "{error}");
        let huge = Entry { bytes: u64::MAX, ..entry };
        let error = read_entry(&archive, &huge, &limits).unwrap_err();
        assert!(matches!(error, ArchiveError::FileTooLarge { .. }), "{error}");
    }
}
