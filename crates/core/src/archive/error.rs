//! Why an archive is refused: one variant a reason, each with the place and what would be right.

use crate::digest::TreeDigest;
use crate::escape::printable;
use crate::tree::PathError;

/// Why an archive is refused. Offsets (`at`) are bytes from the start of the archive; paths are
/// shown escaped and cut to 120 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// Over [`Limits::archive_bytes`](crate::limits::Limits::archive_bytes).
    #[error("the archive has {found} bytes: at most {limit} are allowed")]
    TooLarge {
        /// Bytes found.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// No bytes at all.
    #[error("the archive is empty: even a zip without files has an end record of 22 bytes")]
    Empty,
    /// The bytes end inside a record.
    #[error(
        "the archive ends inside {part} that begins at byte {at}: {missing} bytes are missing, upload the whole file"
    )]
    Truncated {
        /// Where the record begins.
        at: u64,
        /// Which record.
        part: &'static str,
        /// Bytes that are missing.
        missing: u64,
    },
    /// Something stands before the first record.
    #[error(
        "the archive begins with {found}, not with a zip header: send the zip file alone, without anything before it"
    )]
    Prefix {
        /// The first bytes.
        found: String,
    },
    /// Something stands between two records.
    #[error(
        "at byte {at}, after `{after}`, stands {found}, which belongs to no file: records must follow each other without gaps"
    )]
    Gap {
        /// Where.
        at: u64,
        /// The file before it.
        after: String,
        /// The bytes there.
        found: String,
    },
    /// Something stands behind the end record.
    #[error(
        "the zip ends at byte {at}, but {bytes} bytes follow: nothing may stand behind the end record"
    )]
    Suffix {
        /// Where the zip ends.
        at: u64,
        /// Bytes behind it.
        bytes: u64,
    },
    /// The archive has a comment.
    #[error("the end record at byte {at} announces a comment of {bytes} bytes: pack without one")]
    Comment {
        /// Where the end record stands.
        at: u64,
        /// Its length.
        bytes: u64,
    },
    /// A file has a comment.
    #[error(
        "`{path}` has a comment of {bytes} bytes in the central directory: files have no comments"
    )]
    EntryComment {
        /// The file.
        path: String,
        /// Its length.
        bytes: u64,
    },
    /// Sizes behind the data instead of in the header.
    #[error(
        "`{path}` at byte {at} has its sizes behind its data (a data descriptor, flag bit 3): write the zip into a file, not into a pipe"
    )]
    Descriptor {
        /// The file.
        path: String,
        /// Where its header stands.
        at: u64,
    },
    /// A part of zip64.
    #[error("at byte {at} stands {what}: packages are too small to need zip64, write a plain zip")]
    Zip64 {
        /// Where.
        at: u64,
        /// What.
        what: &'static str,
    },
    /// Encrypted content or names.
    #[error(
        "`{path}` is encrypted (flags {flags:#06x}): packages are public to their readers, pack without a password"
    )]
    Encrypted {
        /// The file.
        path: String,
        /// Its flags.
        flags: u16,
    },
    /// Flag bits that readers treat differently.
    #[error("`{path}` has the flags {flags:#06x}: allowed are bits 1, 2 (effort) and 11 (UTF-8)")]
    Flags {
        /// The file.
        path: String,
        /// Its flags.
        flags: u16,
    },
    /// Another compression method.
    #[error(
        "`{path}` uses compression method {method}: allowed are 0 (stored), 8 (deflate) and 12 (bzip2)"
    )]
    Method {
        /// The file.
        path: String,
        /// Its method.
        method: u16,
    },
    /// A version of the format that this reader does not know.
    #[error("`{path}` needs version {found} of the zip format: at most 46 (4.6) is allowed")]
    Version {
        /// The file.
        path: String,
        /// The version, times ten.
        found: u16,
    },
    /// A system whose file attributes mean something else.
    #[error(
        "`{path}` was packed on system {host}, whose file attributes are not known here: allowed are 0 (DOS), 3 (Unix) and 19 (macOS)"
    )]
    Host {
        /// The file.
        path: String,
        /// The number of the system.
        host: u8,
    },
    /// An extra field that may change what a reader sees.
    #[error(
        "`{path}` has the extra field {id:#06x}: allowed are 0x5455 (times) and 0x7875 (owner); `packhouse pack` and `zip -X` write none"
    )]
    Extra {
        /// The file.
        path: String,
        /// The field.
        id: u16,
    },
    /// An extra field whose lengths do not add up, or that stands twice.
    #[error("`{path}` has a broken extra field at byte {at}: {reason}")]
    ExtraBroken {
        /// The file.
        path: String,
        /// Where the extra fields stand.
        at: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// A local header says one thing and the central directory another.
    #[error(
        "`{path}` has {field} {local} in its header at byte {at}, but {central} in the central directory: both must be equal"
    )]
    Disagree {
        /// The file, as its local header names it.
        path: String,
        /// Where its local header stands.
        at: u64,
        /// Which field.
        field: &'static str,
        /// The local header's value.
        local: String,
        /// The central directory's value.
        central: String,
    },
    /// A file without a record in the central directory.
    #[error(
        "`{path}` at byte {at} has no record in the central directory: every file needs one, in the same order"
    )]
    NoRecord {
        /// The file.
        path: String,
        /// Where its local header stands.
        at: u64,
    },
    /// A record in the central directory without a file.
    #[error(
        "the central directory has a further record at byte {at}, for `{path}`, which no file in the archive belongs to"
    )]
    NoFile {
        /// What the record names.
        path: String,
        /// Where the record stands.
        at: u64,
    },
    /// A number in the end record is wrong.
    #[error("the end record at byte {at} says {field} {found}: right is {expected}")]
    End {
        /// Where the end record stands.
        at: u64,
        /// Which field.
        field: &'static str,
        /// What it says.
        found: u64,
        /// What is true.
        expected: u64,
    },
    /// An archive in several parts.
    #[error("the record at byte {at} speaks of disk {disk}: an archive is one file")]
    Disks {
        /// Where.
        at: u64,
        /// The number of the disk.
        disk: u16,
    },
    /// A name that is no UTF-8.
    #[error("the name `{name}` at byte {at} is not UTF-8: rename the file")]
    NameEncoding {
        /// The name, with the wrong bytes replaced.
        name: String,
        /// Where its header stands.
        at: u64,
    },
    /// A name beyond ASCII without flag bit 11, which readers decode in different ways.
    #[error(
        "the name `{name}` at byte {at} is not marked as UTF-8 (flag bit 11): pack with `packhouse pack`, or rename the file"
    )]
    NameFlag {
        /// The name.
        name: String,
        /// Where its header stands.
        at: u64,
    },
    /// A path that is not safe everywhere.
    #[error("the path at byte {at} is refused: {reason}")]
    Path {
        /// Where its header stands.
        at: u64,
        /// Why.
        reason: PathError,
    },
    /// A folder as an entry.
    #[error(
        "`{path}` at byte {at} is a folder: pack files only, as `zip -D` does; folders come from their paths"
    )]
    Folder {
        /// The folder.
        path: String,
        /// Where its header stands.
        at: u64,
    },
    /// A link, a device, or anything else that is no regular file.
    #[error("`{path}` is {kind} (attributes {attributes:#010x}): only regular files are packed")]
    Kind {
        /// The file.
        path: String,
        /// What it is.
        kind: &'static str,
        /// Its external attributes.
        attributes: u32,
    },
    /// Internal attributes that this reader does not know.
    #[error("`{path}` has the internal attributes {found:#06x}: allowed are 0 and 1 (text)")]
    Internal {
        /// The file.
        path: String,
        /// The attributes.
        found: u16,
    },
    /// One path twice.
    #[error("`{path}` is in the archive twice: every path stands once")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// Two paths that some systems see as one.
    #[error(
        "`{path}` and `{twin}` are one file on systems that fold case or Unicode form, or a file and a folder of one name: rename one"
    )]
    Twins {
        /// The later path.
        path: String,
        /// The earlier one.
        twin: String,
    },
    /// Over [`Limits::entries`](crate::limits::Limits::entries), or more than a plain zip counts.
    #[error("the archive has more than {limit} files: split the package or leave build output out")]
    TooManyFiles {
        /// Files allowed.
        limit: u64,
    },
    /// Over [`Limits::file_bytes`](crate::limits::Limits::file_bytes), or 4 GiB where an archive is written.
    #[error("`{path}` has {found} bytes: a file has at most {limit}")]
    FileTooLarge {
        /// The file.
        path: String,
        /// Bytes declared.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Over [`Limits::unpacked_bytes`](crate::limits::Limits::unpacked_bytes).
    #[error(
        "the files have {found} bytes or more once unpacked, counted up to `{path}`: at most {limit} are allowed"
    )]
    UnpackedTooLarge {
        /// The file that went over.
        path: String,
        /// Bytes declared so far.
        found: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// Over [`Limits::ratio`](crate::limits::Limits::ratio).
    #[error(
        "`{path}` unpacks {packed} bytes to {bytes}: at most {limit} times as many are allowed, which only a bomb needs"
    )]
    Ratio {
        /// The file.
        path: String,
        /// Packed bytes.
        packed: u64,
        /// Unpacked bytes.
        bytes: u64,
        /// Times allowed.
        limit: u64,
    },
    /// A stored file with two sizes.
    #[error(
        "`{path}` is stored, but has {packed} bytes packed and {bytes} unpacked: both must be equal"
    )]
    StoredSize {
        /// The file.
        path: String,
        /// Packed bytes.
        packed: u64,
        /// Unpacked bytes.
        bytes: u64,
    },
    /// Packed data that is no stream of its method, or whose end is missing.
    #[error(
        "`{path}` cannot be unpacked: its {method} data, which begins at byte {at}, is broken or cut off"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// Where its data begins.
        at: u64,
        /// The method's name.
        method: &'static str,
    },
    /// The data unpacks to more than was declared.
    #[error("`{path}` unpacks to more than the {declared} bytes that its header declares")]
    Longer {
        /// The file.
        path: String,
        /// Bytes declared.
        declared: u64,
    },
    /// The data unpacks to less than was declared.
    #[error("`{path}` unpacks to {found} bytes, but its header declares {declared}")]
    Shorter {
        /// The file.
        path: String,
        /// Bytes declared.
        declared: u64,
        /// Bytes found.
        found: u64,
    },
    /// Bytes behind the end of a compressed stream, inside its packed size.
    #[error(
        "`{path}` has {bytes} bytes behind the end of its {method} data: the packed size must be exact"
    )]
    Trailing {
        /// The file.
        path: String,
        /// How many.
        bytes: u64,
        /// The method's name.
        method: &'static str,
    },
    /// The checksum is wrong.
    #[error(
        "`{path}` has the CRC-32 {found:08x}, but its header declares {declared:08x}: the archive is damaged"
    )]
    Crc {
        /// The file.
        path: String,
        /// The header's checksum.
        declared: u32,
        /// The content's.
        found: u32,
    },
    /// The second parser reads the archive differently.
    #[error("two zip parsers read the archive differently: {reason}")]
    Opinion {
        /// Where they differ.
        reason: String,
    },
    /// The content is not the one that was promised.
    #[error("the content has the tree digest {found}, but {expected} was promised")]
    TreeDigest {
        /// What was promised.
        expected: TreeDigest,
        /// What was read.
        found: TreeDigest,
    },
    /// An archive that would not fit a plain zip.
    #[error("the packed files have {found} bytes: an archive holds less than 4 GiB")]
    PackTooLarge {
        /// Bytes packed.
        found: u64,
    },
}

/// A name from outside, fit for a message: at most 120 characters, nothing that steers a terminal.
pub(super) fn shown(name: &[u8]) -> String {
    let head = &name[..name.len().min(480)];
    printable(&String::from_utf8_lossy(head).chars().take(120).collect::<String>())
}

/// The first bytes of `bytes` in hex, with what is readable of them.
pub(super) fn glimpse(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(4)];
    let hex: Vec<_> = head.iter().map(|b| format!("{b:02x}")).collect();
    format!("`{}` ({})", head.escape_ascii(), hex.join(" "))
}
