//! The second opinion: another parser must list the same files.

use std::io::Cursor;

use zip::{CompressionMethod, ZipArchive};

use super::format::*;
use super::{ArchiveError, Entry};

/// Lists `archive` with the `zip` crate and compares names, methods, sizes, checksums and offsets
/// with `entries`; unpacks nothing.
///
/// To be called on scanned archives only: the crate trusts what an archive declares.
pub(super) fn ask(archive: &[u8], entries: &[Entry]) -> Result<(), ArchiveError> {
    compare(archive, entries).map_err(|reason| ArchiveError::Opinion { reason })
}

fn compare(archive: &[u8], entries: &[Entry]) -> Result<(), String> {
    let other = ZipArchive::new(Cursor::new(archive)).map_err(|e| format!("one fails: {e}"))?;
    if other.offset() != 0 || !other.comment().is_empty() || other.has_duplicate_names() {
        return Err("one sees a prefix, a comment or a name that stands twice".into());
    }
    if other.len() != entries.len() {
        return Err(format!("one lists {} files, the other {}", entries.len(), other.len()));
    }
    for (index, entry) in entries.iter().enumerate() {
        let seen = other.by_index_data(index).map_err(|e| format!("`{}`: {e}", entry.path))?;
        let method = match seen.compression() {
            CompressionMethod::Stored => STORED,
            CompressionMethod::Deflated => DEFLATE,
            CompressionMethod::Bzip2 => BZIP2,
            other => return Err(format!("`{}` has the method {other}", entry.path)),
        };
        let same = seen.name_raw() == entry.path.as_str().as_bytes()
            && seen.name().is_ok_and(|name| name == entry.path.as_str())
            && seen.is_file()
            && method == entry.method
            && seen.compressed_size() == entry.packed_bytes
            && seen.size() == entry.bytes
            && seen.crc32() == entry.crc32;
        if !same {
            return Err(format!("they describe `{}` differently", entry.path));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{corpus::harmless, scan};
    use crate::limits::Limits;

    #[test]
    fn another_opinion_on_any_field_is_a_refusal() {
        let archive = harmless();
        let entries = scan(&archive, &Limits::default()).unwrap();
        assert_eq!(ask(&archive, &entries), Ok(()));
        let changes: [fn(&mut Vec<Entry>); 6] = [
            |entries| entries[1].path = "src/sensor".parse().unwrap(),
            |entries| entries[1].method = BZIP2,
            |entries| entries[1].packed_bytes += 1,
            |entries| entries[1].bytes -= 1,
            |entries| entries[1].crc32 ^= 1,
            |entries| entries.truncate(2),
        ];
        for change in changes {
            let mut other = entries.clone();
            change(&mut other);
            let error = ask(&archive, &other).unwrap_err();
            assert!(matches!(error, ArchiveError::Opinion { .. }), "{error}");
        }
    }
}
