//! Extra fields: two are let through because they say nothing about names, sizes or content.
//!
//! Info-ZIP, macOS's `zip` and others write `UT` (0x5455, times) and `ux` (0x7875, owner) unless
//! told not to; nothing here reads them. Every other field is refused: zip64 sizes (0x0001) and
//! Unicode paths (0x7075) make two readers see two archives, and of the rest nobody needs any.

use super::error::ArchiveError;

const TIMES: u16 = 0x5455;
const OWNER: u16 = 0x7875;
const ZIP64: u16 = 0x0001;

/// Checks the extra fields of the file `path`, which stand at byte `at`; `local` says in which header.
pub(super) fn check(
    mut fields: &[u8],
    path: &str,
    at: u64,
    local: bool,
) -> Result<(), ArchiveError> {
    let broken = |reason| Err(ArchiveError::ExtraBroken { path: path.to_owned(), at, reason });
    let (mut times, mut owner) = (false, false);
    while !fields.is_empty() {
        let Some((&[a, b, c, d], rest)) = fields.split_first_chunk() else {
            return broken("it is shorter than its own four-byte head");
        };
        let (id, length) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
        if id == ZIP64 {
            return Err(ArchiveError::Zip64 { at, what: "a zip64 extra field" });
        }
        let seen = match id {
            TIMES => &mut times,
            OWNER => &mut owner,
            _ => return Err(ArchiveError::Extra { path: path.to_owned(), id }),
        };
        if std::mem::replace(seen, true) {
            return broken("one field stands twice");
        }
        let Some((data, rest)) = rest.split_at_checked(length.into()) else {
            return broken("it is longer than the space for extra fields");
        };
        let well_formed = if id == TIMES { is_times(data, local) } else { is_owner(data) };
        if !well_formed {
            return broken("its length does not fit its content");
        }
        fields = rest;
    }
    Ok(())
}

/// One byte of flags and four bytes a time; the central record repeats the flags of the local
/// header, but of the times only the first.
fn is_times(data: &[u8], local: bool) -> bool {
    let Some((&flags, times)) = data.split_first() else { return false };
    let told = if local { (flags & 7).count_ones() } else { u32::from(flags & 1) };
    flags & !7 == 0 && times.len() as u32 == 4 * told
}

/// Version 1, then a user and a group, each with its length in front, at most eight bytes.
fn is_owner(data: &[u8]) -> bool {
    let Some((&[1, uid], rest)) = data.split_first_chunk() else { return false };
    let Some((&gid, rest)) = rest.get(uid.into()..).and_then(<[u8]>::split_first) else {
        return false;
    };
    uid <= 8 && gid <= 8 && rest.len() == usize::from(gid)
}
