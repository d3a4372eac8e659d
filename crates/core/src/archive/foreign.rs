//! Zips that other programs wrote: read tolerantly into a tree, to be packed anew.
//!
//! The central directory is believed, as by most programs. What [`scan`](super::scan()) refuses because two
//! readers may differ is let through where nothing of it survives packing: comments, extra fields,
//! folders, data descriptors, times, `\` of DOS for `/`, `./`, a checkout's `.git`. Refused all the same is whatever names no file
//! of its own: unsafe paths, links, encrypted files, a path that stands twice, a local header of another
//! name, and sizes over the limits.

use super::error::{ArchiveError, shown};
use super::format::*;
use super::inflate::Decoder;
use super::scan::{distinct, irregular, sizes};
use super::{Entry, scan};
use crate::limits::Limits;
use crate::tree::{Tree, TreePath};

/// The longest comment that may stand behind the end record, in bytes.
const COMMENT_BYTES: usize = u16::MAX as usize;

/// Reads `archive` into a tree. Memory: the unpacked files, at most [`Limits::unpacked_bytes`].
///
/// # Errors
///
/// [`ArchiveError`], with the path or the byte.
pub fn foreign(archive: &[u8], limits: &Limits) -> Result<Tree, ArchiveError> {
    let found = archive.len() as u64;
    if found > limits.archive_bytes {
        return Err(ArchiveError::TooLarge { found, limit: limits.archive_bytes });
    }
    // What we pack ourselves comes back often, and the scan is the stricter reader.
    let entries = match scan(archive, limits) {
        Ok(entries) => entries,
        Err(_) => directory(archive, limits)?,
    };
    let mut tree = Tree::default();
    let mut decoder = Decoder::new();
    for entry in &entries {
        let bytes = decoder.decode(archive, entry)?;
        tree.insert(entry.path.clone(), &*bytes, entry.executable);
    }
    Ok(tree)
}

fn directory(archive: &[u8], limits: &Limits) -> Result<Vec<Entry>, ArchiveError> {
    let (at, end) = end(archive)?;
    let directory = end.directory_offset as usize..at;
    let expected = u64::from(end.directory_offset) + u64::from(end.directory_bytes);
    if expected != at as u64 {
        let (field, found) = ("the directory ends at byte", expected);
        return Err(ArchiveError::End { at: at as u64, field, found, expected: at as u64 });
    }
    let mut entries: Vec<Entry> = Vec::new();
    let (mut next, mut unpacked, mut records) = (directory.start, 0_u64, 0_u32);
    while next < directory.end {
        records += 1;
        if records > limits.entries {
            return Err(ArchiveError::TooManyFiles { limit: limits.entries.into() });
        }
        let part = "the central directory's record";
        let central = Central::read(chunk(archive, next, part)?);
        let name_at = next + CENTRAL_BYTES;
        let name = bytes(archive, name_at, central.common.name_length.into(), part)?;
        let tail = usize::from(central.common.extra_length) + usize::from(central.comment_length);
        if !archive[next..].starts_with(&CENTRAL) {
            return Err(ArchiveError::NoRecord { path: shown(name), at: next as u64 });
        }
        let at = next as u64;
        next = name_at + name.len() + tail;
        let Some(entry) = entry(archive, &central, name, at, directory.start, limits)? else {
            continue;
        };
        unpacked += entry.bytes;
        if unpacked > limits.unpacked_bytes {
            let (path, limit) = (shown(name), limits.unpacked_bytes);
            return Err(ArchiveError::UnpackedTooLarge { path, found: unpacked, limit });
        }
        entries.push(entry);
    }
    distinct(&entries)?;
    Ok(entries)
}

/// The end record: the last one whose comment reaches to the end of the file.
fn end(archive: &[u8]) -> Result<(usize, End), ArchiveError> {
    if archive.is_empty() {
        return Err(ArchiveError::Empty);
    }
    let last = archive.len().saturating_sub(END_BYTES);
    let mut places = (last.saturating_sub(COMMENT_BYTES)..=last).rev();
    let fits = |at: &usize| {
        let record = archive.get(*at..).and_then(|rest| rest.first_chunk::<END_BYTES>());
        record.filter(|record| record.starts_with(&END)).is_some_and(|record| {
            at + END_BYTES + usize::from(End::read(record).comment_length) == archive.len()
        })
    };
    let at = places.find(fits).ok_or(ArchiveError::Truncated {
        at: last as u64,
        part: "the end record",
        missing: END_BYTES as u64,
    })?;
    let end = End::read(chunk(archive, at, "the end record")?);
    if end.disk != 0 || end.directory_disk != 0 {
        let disk = end.disk.max(end.directory_disk);
        return Err(ArchiveError::Disks { at: at as u64, disk });
    }
    if end.entries == u16::MAX || end.directory_offset == u32::MAX {
        return Err(ArchiveError::Zip64 { at: at as u64, what: "a value that points to zip64" });
    }
    Ok((at, end))
}

/// The file of one record; `None` for a folder.
fn entry(
    archive: &[u8],
    central: &Central,
    name: &[u8],
    at: u64,
    data_end: usize,
    limits: &Limits,
) -> Result<Option<Entry>, ArchiveError> {
    let common = &central.common;
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(ArchiveError::NameEncoding { name: shown(name), at });
    };
    // Windows' own zips part folders by `\`, which is no character of a file there.
    let dos = central.version_made_by >> 8 == 0 && !text.contains('/');
    let text = if dos { text.replace('\\', "/") } else { text.to_owned() };
    let text = text.strip_prefix("./").unwrap_or(&text);
    // Who packs a checkout packs that, too.
    if text.is_empty() || text.split('/').any(|part| part == ".git") {
        return Ok(None);
    }
    let header = chunk::<LOCAL_BYTES>(archive, central.offset as usize, "the file header")?;
    if !header.starts_with(&LOCAL) {
        return Err(ArchiveError::NoFile { path: shown(name), at });
    }
    let local = Common::read_local(header);
    let name_at = central.offset as usize + LOCAL_BYTES;
    let local_name = bytes(archive, name_at, local.name_length.into(), "the file header")?;
    if local_name != name {
        let (local, central_name) = (shown(local_name), shown(name));
        return Err(ArchiveError::Disagree {
            path: shown(name),
            at: central.offset.into(),
            field: "the name",
            local,
            central: central_name,
        });
    }
    if let Some(folder) = text.strip_suffix('/') {
        TreePath::parse(folder, limits).map_err(|reason| ArchiveError::Path { at, reason })?;
        return Ok(None);
    }
    let path = TreePath::parse(text, limits).map_err(|reason| ArchiveError::Path { at, reason })?;
    let flags = common.flags;
    if flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED) != 0 {
        return Err(ArchiveError::Encrypted { path: shown(name), flags });
    }
    if !matches!(common.method, STORED | DEFLATE | BZIP2) {
        return Err(ArchiveError::Method { path: shown(name), method: common.method });
    }
    if common.packed == u32::MAX || common.bytes == u32::MAX {
        return Err(ArchiveError::Zip64 { at, what: "a size that points to zip64" });
    }
    if let Some(kind) = irregular(central.external) {
        let attributes = central.external;
        return Err(ArchiveError::Kind { path: shown(name), kind, attributes });
    }
    sizes(common, name, limits)?;
    let data = name_at + local_name.len() + usize::from(local.extra_length);
    let data_ends = data + common.packed as usize;
    if data_ends > data_end {
        let missing = (data_ends - data_end) as u64;
        return Err(ArchiveError::Truncated { at: data as u64, part: "the data", missing });
    }
    Ok(Some(Entry {
        path,
        executable: (central.external >> 16) & 0o100 != 0,
        method: common.method,
        data_offset: data as u64,
        packed_bytes: common.packed.into(),
        bytes: common.bytes.into(),
        crc32: common.crc32,
    }))
}

/// `length` bytes from `at`.
fn bytes<'a>(
    archive: &'a [u8],
    at: usize,
    length: usize,
    part: &'static str,
) -> Result<&'a [u8], ArchiveError> {
    let rest = archive.get(at..).unwrap_or_default();
    rest.get(..length).ok_or_else(|| ArchiveError::Truncated {
        at: at as u64,
        part,
        missing: length.saturating_sub(rest.len()) as u64,
    })
}

fn chunk<'a, const N: usize>(
    archive: &'a [u8],
    at: usize,
    part: &'static str,
) -> Result<&'a [u8; N], ArchiveError> {
    let missing = |rest: &[u8]| ArchiveError::Truncated {
        at: at as u64,
        part,
        missing: N.saturating_sub(rest.len()) as u64,
    };
    let rest = archive.get(at..).unwrap_or_default();
    rest.first_chunk().ok_or_else(|| missing(rest))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use proptest::prelude::*;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;
    use crate::archive::{corpus, pack};

    /// A zip with what our own archives never have: folders, comments, deflated and stored files.
    fn made(files: &[(&str, &str)]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.set_comment("made elsewhere").unwrap();
        zip.add_directory("src", SimpleFileOptions::default()).unwrap();
        for (path, text) in files {
            zip.start_file(*path, SimpleFileOptions::default()).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_zip_of_another_program_becomes_the_same_archive_as_our_own() {
        let zip = made(&[("src/a.apl", "a←1"), ("⍤.apl", "b"), ("apl-project.json", "{}")]);
        assert!(scan(&zip, &Limits::default()).is_err());
        let tree = foreign(&zip, &Limits::default()).unwrap();
        assert_eq!(tree.text("src/a.apl"), Some("a←1"));
        let ours = pack(&tree).unwrap();
        let again = foreign(&ours.bytes, &Limits::default()).unwrap();
        assert_eq!((again.digest(), again.len()), (tree.digest(), 3));
    }

    #[test]
    fn every_cut_of_a_zip_is_refused() {
        let zip = made(&[("src/a.apl", "a←1"), ("b", &"x".repeat(100))]);
        for length in 0..zip.len() {
            assert!(foreign(&zip[..length], &Limits::default()).is_err(), "{length}");
        }
    }

    #[test]
    fn what_names_no_file_of_its_own_is_refused() {
        let limits = Limits { unpacked_bytes: 50, entries: 4, ..Limits::default() };
        let refused = |zip: &[u8]| foreign(zip, &limits).unwrap_err().to_string();
        let swap = |from: &str, to: &str| {
            let mut zip = made(&[("src/aa", "1"), ("src/bb", "2")]);
            let at = |zip: &[u8]| zip.windows(from.len()).position(|w| w == from.as_bytes());
            while let Some(at) = at(&zip) {
                zip[at..at + to.len()].copy_from_slice(to.as_bytes());
            }
            refused(&zip)
        };
        let table = [
            swap("src/aa", "../../"),
            swap("src/aa", "/rc/aa"),
            swap("src/aa", "src/bb"),
            swap("src/bb", "SRC/AA"),
            refused(&made(&[("a", &"x".repeat(51))])),
            refused(&made(&[("a", ""), ("b", ""), ("c", ""), ("d", "")])),
            refused(b""),
            refused(b"no zip at all"),
        ];
        insta::assert_snapshot!(table.join("\n"));
    }

    #[test]
    fn a_link_is_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("a", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        let zip = zip.finish().unwrap().into_inner();
        let error = foreign(&zip, &Limits::default()).unwrap_err().to_string();
        assert!(error.contains("a symbolic link"), "{error}");
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
            let mut zip = made(&[("src/a.apl", "a←1"), ("b", "xx")]);
            for (at, byte) in changes {
                let at = at.index(zip.len());
                zip[at] = byte;
            }
            let _ = foreign(&zip, &Limits::default());
            let mut ours = corpus::harmless();
            let half = ours.len() / 2;
            ours[half] ^= zip[0];
            let _ = foreign(&ours, &Limits::default());
        }
    }
}
