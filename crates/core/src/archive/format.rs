//! The records of a zip as bytes: what scanning and packing agree on (APPNOTE.TXT 6.3.10, §4.3).

use super::error::ArchiveError;

pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
pub(super) const CENTRAL: [u8; 4] = *b"PK\x01\x02";
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
pub(super) const ZIP64_END: [u8; 4] = *b"PK\x06\x06";
pub(super) const ZIP64_LOCATOR: [u8; 4] = *b"PK\x06\x07";

pub(super) const LOCAL_BYTES: usize = 30;
pub(super) const CENTRAL_BYTES: usize = 46;
pub(super) const END_BYTES: usize = 22;
pub(super) const ZIP64_LOCATOR_BYTES: usize = 20;

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATE: u16 = 8;
pub(super) const BZIP2: u16 = 12;

pub(super) const FLAG_ENCRYPTED: u16 = 1;
pub(super) const FLAG_EFFORT: u16 = 0b110;
pub(super) const FLAG_DESCRIPTOR: u16 = 1 << 3;
pub(super) const FLAG_STRONG: u16 = 1 << 6;
pub(super) const FLAG_UTF8: u16 = 1 << 11;
pub(super) const FLAG_MASKED: u16 = 1 << 13;

pub(super) const MODE_TYPE: u32 = 0o170_000;
pub(super) const MODE_REGULAR: u32 = 0o100_000;

/// The name of a method, for messages.
pub(super) fn method_name(method: u16) -> &'static str {
    match method {
        STORED => "stored",
        DEFLATE => "deflate",
        BZIP2 => "bzip2",
        _ => "unknown",
    }
}

/// The fields that local headers and central records share, in their common order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Common {
    pub(super) version_needed: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) time: u16,
    pub(super) date: u16,
    pub(super) crc32: u32,
    pub(super) packed: u32,
    pub(super) bytes: u32,
    pub(super) name_length: u16,
    pub(super) extra_length: u16,
}

impl Common {
    fn read(record: &mut Record<'_>) -> Self {
        Self {
            version_needed: record.u16(),
            flags: record.u16(),
            method: record.u16(),
            time: record.u16(),
            date: record.u16(),
            crc32: record.u32(),
            packed: record.u32(),
            bytes: record.u32(),
            name_length: record.u16(),
            extra_length: record.u16(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        for half in [self.version_needed, self.flags, self.method, self.time, self.date] {
            out.extend(half.to_le_bytes());
        }
        for word in [self.crc32, self.packed, self.bytes] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.name_length.to_le_bytes());
        out.extend(self.extra_length.to_le_bytes());
    }

    /// Reads a local header, signature included.
    pub(super) fn read_local(bytes: &[u8; LOCAL_BYTES]) -> Self {
        Self::read(&mut Record { bytes: &bytes[4..] })
    }

    /// Writes a local header, signature included.
    pub(super) fn write_local(&self, out: &mut Vec<u8>) {
        out.extend(LOCAL);
        self.write(out);
    }
}

/// A record of the central directory, without its variable parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Central {
    pub(super) version_made_by: u16,
    pub(super) common: Common,
    pub(super) comment_length: u16,
    pub(super) disk: u16,
    pub(super) internal: u16,
    pub(super) external: u32,
    pub(super) offset: u32,
}

impl Central {
    /// Reads a central record, signature included.
    pub(super) fn read(bytes: &[u8; CENTRAL_BYTES]) -> Self {
        let record = &mut Record { bytes: &bytes[4..] };
        Self {
            version_made_by: record.u16(),
            common: Common::read(record),
            comment_length: record.u16(),
            disk: record.u16(),
            internal: record.u16(),
            external: record.u32(),
            offset: record.u32(),
        }
    }

    /// Writes a central record, signature included.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(CENTRAL);
        out.extend(self.version_made_by.to_le_bytes());
        self.common.write(out);
        out.extend(self.comment_length.to_le_bytes());
        out.extend(self.disk.to_le_bytes());
        out.extend(self.internal.to_le_bytes());
        out.extend(self.external.to_le_bytes());
        out.extend(self.offset.to_le_bytes());
    }
}

/// The end record, without its comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) disk: u16,
    pub(super) directory_disk: u16,
    pub(super) disk_entries: u16,
    pub(super) entries: u16,
    pub(super) directory_bytes: u32,
    pub(super) directory_offset: u32,
    pub(super) comment_length: u16,
}

impl End {
    /// Reads an end record, signature included.
    pub(super) fn read(bytes: &[u8; END_BYTES]) -> Self {
        let record = &mut Record { bytes: &bytes[4..] };
        Self {
            disk: record.u16(),
            directory_disk: record.u16(),
            disk_entries: record.u16(),
            entries: record.u16(),
            directory_bytes: record.u32(),
            directory_offset: record.u32(),
            comment_length: record.u16(),
        }
    }

    /// Writes an end record, signature included.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend(END);
        for half in [self.disk, self.directory_disk, self.disk_entries, self.entries] {
            out.extend(half.to_le_bytes());
        }
        out.extend(self.directory_bytes.to_le_bytes());
        out.extend(self.directory_offset.to_le_bytes());
        out.extend(self.comment_length.to_le_bytes());
    }
}

/// Little-endian numbers of a record whose length was checked; beyond its end all is zero.
struct Record<'a> {
    bytes: &'a [u8],
}

impl Record<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((head, rest)) = self.bytes.split_first_chunk::<N>() else { return [0; N] };
        self.bytes = rest;
        *head
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
}

/// An archive that is read from front to back.
pub(super) struct Input<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(all: &'a [u8]) -> Self {
        Self { all, at: 0 }
    }

    /// Where the next byte stands.
    pub(super) fn at(&self) -> u64 {
        self.at as u64
    }

    /// All bytes not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        &self.all[self.at..]
    }

    /// The next `count` bytes, which are a piece of `part`, a record that begins at `begin`.
    pub(super) fn take(
        &mut self,
        count: usize,
        part: &'static str,
        begin: u64,
    ) -> Result<&'a [u8], ArchiveError> {
        let rest = self.rest();
        let bytes = rest.get(..count).ok_or(ArchiveError::Truncated {
            at: begin,
            part,
            missing: (count - rest.len().min(count)) as u64,
        })?;
        self.at += count;
        Ok(bytes)
    }

    /// The next `N` bytes as the fixed part of `part`.
    pub(super) fn array<const N: usize>(
        &mut self,
        part: &'static str,
    ) -> Result<&'a [u8; N], ArchiveError> {
        let begin = self.at();
        let short = ArchiveError::Truncated {
            at: begin,
            part,
            missing: N.saturating_sub(self.rest().len()) as u64,
        };
        let bytes = self.rest().first_chunk::<N>().ok_or(short)?;
        self.at += N;
        Ok(bytes)
    }
}
