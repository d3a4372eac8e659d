//! Unpacking the data of one entry, never past what its header declares.
//!
//! All decoders are in safe hands: hostile data meets Rust only (zlib-rs, libbz2-rs); libdeflate,
//! which is C, sees nothing but our own files when they are packed.

use std::borrow::Cow;

use flate2::{Decompress, FlushDecompress, Status};

use super::error::shown;
use super::format::*;
use super::{ArchiveError, Entry};

/// Unpacks entries one after the other; keeps what can be kept between two of them.
pub(super) struct Decoder {
    inflate: Decompress,
}

/// How far a decoder came.
struct Progress {
    /// Whether the stream ended by itself.
    ended: bool,
    read: u64,
    written: u64,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { inflate: Decompress::new(false) }
    }

    /// The content of `entry`: exactly as long as declared, its CRC right, no packed byte left over.
    pub(super) fn decode<'a>(
        &mut self,
        archive: &'a [u8],
        entry: &Entry,
    ) -> Result<Cow<'a, [u8]>, ArchiveError> {
        let packed = data(archive, entry)?;
        let content = match entry.method {
            STORED => Cow::Borrowed(packed),
            DEFLATE | BZIP2 => Cow::Owned(self.unpack(packed, entry)?),
            method => return Err(ArchiveError::Method { path: path(entry), method }),
        };
        if content.len() as u64 != entry.bytes {
            let (declared, found) = (entry.bytes, content.len() as u64);
            return Err(ArchiveError::Shorter { path: path(entry), declared, found });
        }
        let found = crc32fast::hash(&content);
        if found != entry.crc32 {
            return Err(ArchiveError::Crc { path: path(entry), declared: entry.crc32, found });
        }
        Ok(content)
    }

    fn unpack(&mut self, packed: &[u8], entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
        let method = method_name(entry.method);
        let (path, at) = (|| path(entry), entry.data_offset);
        let corrupt = || ArchiveError::Corrupt { path: path(), at, method };
        // One byte more than declared tells a stream that goes on from one that just ends.
        let mut out = vec![0; entry.bytes as usize + 1];
        let progress = match entry.method {
            BZIP2 => bunzip2(packed, &mut out),
            _ => self.inflate(packed, &mut out),
        }
        .ok_or_else(corrupt)?;
        if progress.written > entry.bytes {
            return Err(ArchiveError::Longer { path: path(), declared: entry.bytes });
        }
        if !progress.ended {
            return Err(corrupt());
        }
        let left = packed.len() as u64 - progress.read;
        if left > 0 {
            return Err(ArchiveError::Trailing { path: path(), bytes: left, method });
        }
        out.truncate(progress.written as usize);
        Ok(out)
    }

    fn inflate(&mut self, packed: &[u8], out: &mut [u8]) -> Option<Progress> {
        let stream = &mut self.inflate;
        stream.reset(false);
        let status = stream.decompress(packed, out, FlushDecompress::Finish).ok()?;
        let ended = status == Status::StreamEnd;
        Some(Progress { ended, read: stream.total_in(), written: stream.total_out() })
    }
}

fn bunzip2(packed: &[u8], out: &mut [u8]) -> Option<Progress> {
    let mut stream = bzip2::Decompress::new(false);
    let status = stream.decompress(packed, out).ok()?;
    let ended = status == bzip2::Status::StreamEnd;
    Some(Progress { ended, read: stream.total_in(), written: stream.total_out() })
}

/// The packed bytes of `entry`, which may come from the scan of another archive.
fn data<'a>(archive: &'a [u8], entry: &Entry) -> Result<&'a [u8], ArchiveError> {
    let begin = usize::try_from(entry.data_offset).ok();
    let end = entry.data_offset.checked_add(entry.packed_bytes);
    let range = begin.zip(end.and_then(|end| usize::try_from(end).ok()));
    range.and_then(|(begin, end)| archive.get(begin..end)).ok_or_else(|| ArchiveError::Truncated {
        at: entry.data_offset,
        part: "the data",
        missing: end.unwrap_or(u64::MAX).saturating_sub(archive.len() as u64),
    })
}

fn path(entry: &Entry) -> String {
    shown(entry.path.as_str().as_bytes())
}
