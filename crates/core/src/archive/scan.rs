//! The byte-exact scan: local headers, central directory, end record, and nothing else.
//!
//! Zip has two lists of its files, and readers differ in which they believe, where they look for
//! the second one and what they skip. So this scan takes only archives in which there is nothing to
//! choose: read from the front, each record begins where the last one ended, both lists say the
//! same in the same order, and the end record is the last byte. Overlaps, gaps, prefixes, suffixes
//! and second directories then have no place to be.

use super::error::{ArchiveError, glimpse, shown};
use super::format::*;
use super::{Entry, extra};
use crate::limits::Limits;
use crate::tree::{TreePath, twins};

/// Checks the structure of `archive` byte for byte and lists its entries; inflates nothing.
///
/// Time and memory are linear in the archive's directory, whatever sizes it declares. A zip without
/// files (the 22 bytes of an end record) is an archive with no entries.
///
/// # Errors
///
/// All of [`ArchiveError`] that can be told without unpacking: structure, names, kinds, and every
/// limit on declared sizes.
pub fn scan(archive: &[u8], limits: &Limits) -> Result<Vec<Entry>, ArchiveError> {
    let found = archive.len() as u64;
    if found > limits.archive_bytes {
        return Err(ArchiveError::TooLarge { found, limit: limits.archive_bytes });
    }
    if archive.is_empty() {
        return Err(ArchiveError::Empty);
    }
    let input = &mut Input::new(archive);
    let mut files = locals(input, limits)?;
    let directory_offset = input.at();
    for file in &mut files {
        record(input, file)?;
    }
    end(input, archive, &files, directory_offset)?;
    let entries: Vec<_> = files.into_iter().map(|file| file.entry).collect();
    distinct(&entries)?;
    Ok(entries)
}

/// A file whose local header was read, and whose central record has to agree with it.
struct File<'a> {
    entry: Entry,
    header_at: u64,
    header: Common,
    name: &'a [u8],
}

/// Reads local headers until something else begins.
fn locals<'a>(input: &mut Input<'a>, limits: &Limits) -> Result<Vec<File<'a>>, ArchiveError> {
    let mut files: Vec<File<'a>> = Vec::new();
    let mut unpacked = 0_u64;
    loop {
        let at = input.at();
        match input.rest().first_chunk() {
            Some(&LOCAL) => {}
            Some(&CENTRAL | &END) => return Ok(files),
            _ => return Err(stray(input, files.last())),
        }
        if files.len() as u64 >= u64::from(limits.entries) {
            return Err(ArchiveError::TooManyFiles { limit: limits.entries.into() });
        }
        let file = local(input, at, limits)?;
        unpacked += file.entry.bytes;
        if unpacked > limits.unpacked_bytes {
            return Err(ArchiveError::UnpackedTooLarge {
                path: shown(file.name),
                found: unpacked,
                limit: limits.unpacked_bytes,
            });
        }
        files.push(file);
    }
}

/// Names what stands where a record should begin.
fn stray(input: &Input<'_>, after: Option<&File<'_>>) -> ArchiveError {
    let (at, rest) = (input.at(), input.rest());
    match (rest.first_chunk(), after) {
        (Some(&ZIP64_END), _) => ArchiveError::Zip64 { at, what: "a zip64 end record" },
        (Some(&ZIP64_LOCATOR), _) => ArchiveError::Zip64 { at, what: "a zip64 locator" },
        (None, _) => {
            let (part, have) = ("the record", rest.len().min(4));
            ArchiveError::Truncated { at, part, missing: (END_BYTES - have) as u64 }
        }
        (_, None) => ArchiveError::Prefix { found: glimpse(rest) },
        (_, Some(file)) => ArchiveError::Gap { at, after: shown(file.name), found: glimpse(rest) },
    }
}

/// Reads one local header and steps over its data.
fn local<'a>(input: &mut Input<'a>, at: u64, limits: &Limits) -> Result<File<'a>, ArchiveError> {
    const PART: &str = "the file header";
    let header = Common::read_local(input.array(PART)?);
    let name = input.take(header.name_length.into(), PART, at)?;
    let extra_at = input.at();
    let extra = input.take(header.extra_length.into(), PART, at)?;
    let path = || shown(name);

    features(&header, name, at)?;
    if header.packed == u32::MAX || header.bytes == u32::MAX {
        return Err(ArchiveError::Zip64 { at, what: "a size that points to zip64" });
    }
    extra::check(extra, &path(), extra_at, true)?;
    let tree_path = file_path(name, header.flags, at, limits)?;
    sizes(&header, name, limits)?;

    let data_offset = input.at();
    input.take(header.packed as usize, "the data", data_offset)?;
    let entry = Entry {
        path: tree_path,
        executable: false, // the central record knows
        method: header.method,
        data_offset,
        packed_bytes: header.packed.into(),
        bytes: header.bytes.into(),
        crc32: header.crc32,
    };
    Ok(File { entry, header_at: at, header, name })
}

/// Lets through the features of the format that every reader understands alike.
fn features(header: &Common, name: &[u8], at: u64) -> Result<(), ArchiveError> {
    let (path, flags, method) = (|| shown(name), header.flags, header.method);
    if flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED) != 0 {
        return Err(ArchiveError::Encrypted { path: path(), flags });
    }
    if flags & FLAG_DESCRIPTOR != 0 {
        return Err(ArchiveError::Descriptor { path: path(), at });
    }
    // Bits 1 and 2 tell how hard a deflate encoder tried; no reader acts on them.
    if flags & !(FLAG_EFFORT | FLAG_UTF8) != 0 {
        return Err(ArchiveError::Flags { path: path(), flags });
    }
    if !matches!(method, STORED | DEFLATE | BZIP2) {
        return Err(ArchiveError::Method { path: path(), method });
    }
    if header.version_needed > 46 {
        return Err(ArchiveError::Version { path: path(), found: header.version_needed });
    }
    Ok(())
}

/// The path behind a name: UTF-8 that all readers decode alike, safe on every system.
fn file_path(name: &[u8], flags: u16, at: u64, limits: &Limits) -> Result<TreePath, ArchiveError> {
    let Ok(text) = std::str::from_utf8(name) else {
        return Err(ArchiveError::NameEncoding { name: shown(name), at });
    };
    if !text.is_ascii() && flags & FLAG_UTF8 == 0 {
        return Err(ArchiveError::NameFlag { name: shown(name), at });
    }
    if text.len() > 1 && text.ends_with('/') {
        return Err(ArchiveError::Folder { path: shown(name), at });
    }
    TreePath::parse(text, limits).map_err(|reason| ArchiveError::Path { at, reason })
}

/// Holds the sizes that one header declares against each other and against the limits.
pub(super) fn sizes(header: &Common, name: &[u8], limits: &Limits) -> Result<(), ArchiveError> {
    let (packed, bytes) = (u64::from(header.packed), u64::from(header.bytes));
    if header.method == STORED && packed != bytes {
        return Err(ArchiveError::StoredSize { path: shown(name), packed, bytes });
    }
    if bytes > limits.file_bytes {
        let limit = limits.file_bytes;
        return Err(ArchiveError::FileTooLarge { path: shown(name), found: bytes, limit });
    }
    if bytes > 1 << 20 && bytes > packed.saturating_mul(limits.ratio) {
        let limit = limits.ratio;
        return Err(ArchiveError::Ratio { path: shown(name), packed, bytes, limit });
    }
    Ok(())
}

/// Reads the central record of `file` and compares it field by field.
fn record(input: &mut Input<'_>, file: &mut File<'_>) -> Result<(), ArchiveError> {
    const PART: &str = "the central directory's record";
    let at = input.at();
    match input.rest().first_chunk() {
        Some(&CENTRAL) => {}
        Some(&END) => {
            return Err(ArchiveError::NoRecord { path: shown(file.name), at: file.header_at });
        }
        _ => return Err(stray(input, Some(file))),
    }
    let central = Central::read(input.array(PART)?);
    let name = input.take(central.common.name_length.into(), PART, at)?;
    let extra_at = input.at();
    let extra = input.take(central.common.extra_length.into(), PART, at)?;
    agree(file, &central, name)?;

    let path = || shown(file.name);
    if central.comment_length != 0 {
        let bytes = central.comment_length.into();
        return Err(ArchiveError::EntryComment { path: path(), bytes });
    }
    if central.disk != 0 {
        return Err(ArchiveError::Disks { at, disk: central.disk });
    }
    if central.internal > 1 {
        return Err(ArchiveError::Internal { path: path(), found: central.internal });
    }
    extra::check(extra, &path(), extra_at, false)?;
    let host = (central.version_made_by >> 8) as u8;
    if !matches!(host, 0 | 3 | 19) {
        return Err(ArchiveError::Host { path: path(), host });
    }
    if let Some(kind) = irregular(central.external) {
        return Err(ArchiveError::Kind { path: path(), kind, attributes: central.external });
    }
    file.entry.executable = (central.external >> 16) & 0o100 != 0;
    Ok(())
}

/// Compares what both headers of a file say.
fn agree(file: &File<'_>, central: &Central, name: &[u8]) -> Result<(), ArchiveError> {
    let (l, c) = (&file.header, &central.common);
    let disagree = |field, local: String, central: String| {
        let (path, at) = (shown(file.name), file.header_at);
        Err(ArchiveError::Disagree { path, at, field, local, central })
    };
    if name != file.name {
        return disagree("the name", shown(file.name), shown(name));
    }
    for (field, local, central) in [
        ("the offset", file.header_at, u64::from(central.offset)),
        ("the flags", l.flags.into(), c.flags.into()),
        ("the method", l.method.into(), c.method.into()),
        ("the CRC-32", l.crc32.into(), c.crc32.into()),
        ("the packed size", l.packed.into(), c.packed.into()),
        ("the size", l.bytes.into(), c.bytes.into()),
        ("the version needed", l.version_needed.into(), c.version_needed.into()),
        ("the time", l.time.into(), c.time.into()),
        ("the date", l.date.into(), c.date.into()),
    ] {
        if local != central {
            return disagree(field, local.to_string(), central.to_string());
        }
    }
    Ok(())
}

/// What external attributes make of a file, unless it is a plain one. The upper half is a Unix mode
/// (Python writes it on Windows too, and leaves the type away where it packs a text), the lower
/// half are the attributes of DOS and Windows.
pub(super) fn irregular(attributes: u32) -> Option<&'static str> {
    let (mode, dos) = (attributes >> 16, attributes & 0xffff);
    match mode & MODE_TYPE {
        0 | MODE_REGULAR => {}
        0o120_000 => return Some("a symbolic link"),
        0o040_000 => return Some("a folder"),
        0o010_000 => return Some("a pipe"),
        0o020_000 | 0o060_000 => return Some("a device"),
        0o140_000 => return Some("a socket"),
        _ => return Some("of an unknown kind"),
    }
    if mode & 0o7000 != 0 {
        return Some("a file with a set-user-id, set-group-id or sticky bit");
    }
    // Read-only, hidden, system, archive, normal. Others are folders, labels, devices, links.
    match dos & !0xa7 {
        0 => None,
        0x10 => Some("a folder"),
        _ => Some("something that DOS attributes mark as no regular file"),
    }
}

/// Reads the end record, which must be the end.
fn end(
    input: &mut Input<'_>,
    archive: &[u8],
    files: &[File<'_>],
    directory_offset: u64,
) -> Result<(), ArchiveError> {
    let at = input.at();
    match input.rest().first_chunk() {
        Some(&END) => {}
        Some(&CENTRAL) => {
            let central = Central::read(input.array("the central directory's record")?);
            let name = input.rest();
            let name = &name[..name.len().min(central.common.name_length.into())];
            return Err(ArchiveError::NoFile { path: shown(name), at });
        }
        _ => return Err(stray(input, files.last())),
    }
    // Readers look for a zip64 locator at this very place, whatever record it is a piece of.
    let before = (at as usize).checked_sub(ZIP64_LOCATOR_BYTES);
    if before.is_some_and(|at| archive[at..].starts_with(&ZIP64_LOCATOR)) {
        return Err(ArchiveError::Zip64 { at: at - 20, what: "a zip64 locator" });
    }
    let end = End::read(input.array("the end record")?);
    if end.disk != 0 || end.directory_disk != 0 {
        return Err(ArchiveError::Disks { at, disk: end.disk.max(end.directory_disk) });
    }
    if end.entries == u16::MAX || end.disk_entries == u16::MAX {
        return Err(ArchiveError::Zip64 { at, what: "a count that points to zip64" });
    }
    if end.directory_offset == u32::MAX || end.directory_bytes == u32::MAX {
        return Err(ArchiveError::Zip64 { at, what: "an offset or size that points to zip64" });
    }
    let count = files.len() as u64;
    for (field, found, expected) in [
        ("the files number", u64::from(end.entries), count),
        ("the files on this disk number", end.disk_entries.into(), count),
        ("the directory begins at byte", end.directory_offset.into(), directory_offset),
        ("the directory's bytes number", end.directory_bytes.into(), at - directory_offset),
    ] {
        if found != expected {
            return Err(ArchiveError::End { at, field, found, expected });
        }
    }
    if end.comment_length != 0 {
        return Err(ArchiveError::Comment { at, bytes: end.comment_length.into() });
    }
    match input.rest().len() as u64 {
        0 => Ok(()),
        bytes => Err(ArchiveError::Suffix { at: input.at(), bytes }),
    }
}

/// Refuses two paths that are one, anywhere.
pub(super) fn distinct(entries: &[Entry]) -> Result<(), ArchiveError> {
    let found = twins(entries.iter().map(|entry| &entry.path));
    let Some((path, twin)) = found.first() else { return Ok(()) };
    // A file over a folder of its own name is a twin of itself, but stands there only once.
    let twice = entries.iter().filter(|entry| entry.path == **path).count() > 1;
    let (path, twin) = (shown(path.as_str().as_bytes()), shown(twin.as_bytes()));
    Err(if twice && path == twin {
        ArchiveError::Duplicate { path }
    } else {
        ArchiveError::Twins { path, twin }
    })
}
