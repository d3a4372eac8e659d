//! Archives whose records lie, overlap, hide or stand where none belongs.

use super::super::format::*;
use super::build::{Draft, File, extra};
use super::{Hostile, case, harmless};

pub(super) fn cases() -> Vec<Hostile> {
    let mut all = ends();
    all.extend(zip64());
    all.extend(directory());
    all.extend(disagreements());
    all.extend(features());
    all
}

/// What stands before, between and behind the records.
fn ends() -> Vec<Hostile> {
    let plain = harmless();
    let cut = |bytes: usize| plain[..plain.len() - bytes].to_vec();
    let twice = [&plain[..], &plain].concat();
    let end = &plain[plain.len() - END_BYTES..];
    let draft = |change: fn(&mut Draft)| Draft::but(change).bytes();
    vec![
        case("no bytes", "Empty", vec![]),
        case("three bytes", "Truncated", plain[..3].to_vec()),
        case("cut in a file header", "Truncated", plain[..20].to_vec()),
        case("cut in a file's data", "Truncated", plain[..60].to_vec()),
        case("cut behind a file", "Truncated", plain[..30 + 14 + 33].to_vec()),
        case("cut in the directory", "Truncated", cut(60)),
        case("cut in the end record", "Truncated", cut(5)),
        case("a gzip", "Prefix", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
        case("a page", "Prefix", b"<!DOCTYPE html><title>403</title>".to_vec()),
        case("a split marker in front", "Prefix", [b"PK\x07\x08", &plain[..]].concat()),
        case("a program in front", "Prefix", draft(|d| d.prefix = b"MZ\x90\0stub".to_vec())),
        case(
            "a program in front, not counted",
            "Prefix",
            draft(|d| (d.prefix, d.ignore_prefix) = (b"#!/bin/sh\nexit\n".to_vec(), true)),
        ),
        case("a gap between files", "Gap", draft(|d| d.files[1].before = vec![0; 4])),
        case("a gap before the directory", "Gap", draft(|d| d.before_directory = vec![0; 64])),
        case("a gap before the end", "Gap", draft(|d| d.before_end = b"signature".to_vec())),
        case(
            "a signed directory",
            "Gap",
            draft(|d| d.before_end = b"PK\x05\x05\x04\0sign".to_vec()),
        ),
        case("a byte behind the end", "Suffix", draft(|d| d.suffix = vec![0])),
        case("a line behind the end", "Suffix", draft(|d| d.suffix = b"\r\n".to_vec())),
        case("two end records", "Suffix", [&plain[..], end].concat()),
        case("two archives", "Suffix", twice),
        case("a comment", "Comment", draft(|d| d.comment = b"hello".to_vec())),
        case(
            "an archive in the comment",
            "Comment",
            Draft::but(|d| d.comment = plain.clone()).bytes(),
        ),
        case("a comment that is not there", "Comment", draft(|d| d.end = |e| e.comment_length = 9)),
    ]
}

fn zip64() -> Vec<Hostile> {
    let locator = [&ZIP64_LOCATOR[..], &[0; 12], &[1, 0, 0, 0]].concat();
    let record = [&ZIP64_END[..], &44_u64.to_le_bytes(), &[0; 44]].concat();
    let both = [record, locator.clone()].concat();
    let sizes = extra(1, &[0; 16]);
    // Two fields that are let through, with a locator's signature 20 bytes before the end record,
    // which is where other readers look for one.
    let owner = extra(0x7875, &[1, 8, b'P', b'K', 6, 7, 0, 0, 0, 0, 2, 0, 0]);
    let hidden = [owner, extra(0x5455, &[1, 0, 0, 0, 0])].concat();
    let first = |change: fn(&mut File)| Draft::first(change).bytes();
    vec![
        case("zip64: end record and locator", "Zip64", Draft::but(|d| d.before_end = both).bytes()),
        case("zip64: locator alone", "Zip64", Draft::but(|d| d.before_end = locator).bytes()),
        case("zip64: extra field", "Zip64", Draft::first(|f| f.extra = sizes.clone()).bytes()),
        case(
            "zip64: locator in an extra field",
            "Zip64",
            Draft::but(|d| d.files[2].central_extra = hidden).bytes(),
        ),
        case(
            "zip64: extra field in the directory",
            "Zip64",
            Draft::first(|f| f.central_extra = sizes).bytes(),
        ),
        case("zip64: size", "Zip64", first(|f| f.local = |l| l.bytes = u32::MAX)),
        case("zip64: packed size", "Zip64", first(|f| f.local = |l| l.packed = u32::MAX)),
        case("zip64: count", "Zip64", Draft::but(|d| d.end = |e| e.entries = u16::MAX).bytes()),
        case(
            "zip64: directory offset",
            "Zip64",
            Draft::but(|d| d.end = |e| e.directory_offset = u32::MAX).bytes(),
        ),
    ]
}

/// The directory lists other files than there are.
fn directory() -> Vec<Hostile> {
    let draft = |change: fn(&mut Draft)| Draft::but(change).bytes();
    // The data of the first file quotes the header and data of the second: readers of the
    // directory see both, readers from the front see one.
    let inner = File::stored("inner.txt", b"seen by half of all readers");
    let inner_bytes = Draft::new(vec![inner.clone()]).bytes();
    let quote = &inner_bytes[..LOCAL_BYTES + inner.name.len() + inner.data.len()];
    let mut quoting = Draft::new(vec![File::stored("outer.txt", quote), inner]);
    quoting.files[1].central = |c| c.offset = (LOCAL_BYTES + 9) as u32;
    let all = quoting.bytes();
    let second = LOCAL_BYTES + 9 + quote.len();
    let quoted = [&all[..second], &all[second + quote.len()..]].concat();
    vec![
        case("a file that the directory hides", "NoRecord", draft(|d| d.listed = vec![0, 1])),
        case("no directory", "NoRecord", draft(|d| d.listed = vec![])),
        case("one file listed twice", "NoFile", draft(|d| d.listed = vec![0, 1, 2, 2])),
        case("many names for one file", "NoFile", draft(|d| d.listed.extend([2; 200]))),
        case("a directory without files", "NoFile", {
            let bytes = harmless();
            let at = bytes.windows(4).position(|w| w == CENTRAL).unwrap_or(0);
            bytes[at..].to_vec()
        }),
        case("a file quoted in another", "NoFile", quoted),
        case("a directory in another order", "Disagree", draft(|d| d.listed = vec![0, 2, 1])),
        case("a count too small", "End", draft(|d| d.end = |e| e.entries -= 1)),
        case("a count too large", "End", draft(|d| d.end = |e| e.entries += 1)),
        case("a huge count", "End", draft(|d| d.end = |e| e.entries = 65_534)),
        case("another count on this disk", "End", draft(|d| d.end = |e| e.disk_entries = 1)),
        case("a directory elsewhere", "End", draft(|d| d.end = |e| e.directory_offset = 0)),
        case("a longer directory", "End", draft(|d| d.end = |e| e.directory_bytes += 4)),
        case("several disks", "Disks", draft(|d| d.end = |e| (e.disk, e.directory_disk) = (1, 1))),
        case("a directory on another disk", "Disks", draft(|d| d.end = |e| e.directory_disk = 7)),
    ]
}

/// Local header against central record, field by field.
fn disagreements() -> Vec<Hostile> {
    let first = |name, change: fn(&mut File)| case(name, "Disagree", Draft::first(change).bytes());
    vec![
        first("two names", |f| f.central_name = Some(b"packhouse.yml".to_vec())),
        first("an offset into data", |f| f.central = |c| c.offset = 40),
        first("an offset behind the end", |f| f.central = |c| c.offset = 0x7fff_0000),
        first("two checksums", |f| f.central = |c| c.common.crc32 ^= 1),
        first("two sizes", |f| f.central = |c| c.common.bytes += 1),
        first("two packed sizes", |f| f.central = |c| c.common.packed -= 1),
        first("two methods", |f| f.central = |c| c.common.method = DEFLATE),
        first("two sets of flags", |f| f.central = |c| c.common.flags = FLAG_UTF8),
        first("encrypted in the directory only", |f| f.central = |c| c.common.flags = 1),
        first("two versions", |f| f.central = |c| c.common.version_needed = 10),
        first("two times", |f| f.central = |c| c.common.time = 1),
        first("two dates", |f| f.central = |c| c.common.date = 99),
        first("sizes in the directory only", |f| {
            f.local = |l| (l.packed, l.bytes, l.crc32) = (0, 0, 0);
            f.data.clear();
            f.central = |c| (c.common.packed, c.common.bytes) = (33, 33);
        }),
    ]
}

/// Features of the format that not all readers have.
fn features() -> Vec<Hostile> {
    let first =
        |name, expected, change: fn(&mut File)| case(name, expected, Draft::first(change).bytes());
    let unicode = [&[1][..], &[0; 4], b"setup.py"].concat();
    vec![
        first("a data descriptor", "Descriptor", |f| {
            let tail = [f.crc32, f.data.len() as u32, f.bytes];
            f.behind = b"PK\x07\x08".to_vec();
            f.behind.extend(tail.iter().flat_map(|n| n.to_le_bytes()));
            f.flags = FLAG_DESCRIPTOR;
            f.local = |l| (l.packed, l.bytes, l.crc32) = (0, 0, 0);
        }),
        first("a descriptor's flag alone", "Descriptor", |f| f.flags = FLAG_DESCRIPTOR),
        first("encrypted", "Encrypted", |f| f.flags = FLAG_ENCRYPTED),
        first("strongly encrypted", "Encrypted", |f| f.flags = FLAG_ENCRYPTED | FLAG_STRONG),
        first("masked headers", "Encrypted", |f| f.flags = FLAG_MASKED),
        first("a patch", "Flags", |f| f.flags = 1 << 5),
        first("a flag of nobody", "Flags", |f| f.flags = 1 << 15),
        first("method 9, deflate64", "Method", |f| f.method = 9),
        first("method 14, LZMA", "Method", |f| f.method = 14),
        first("method 93, zstd", "Method", |f| f.method = 93),
        first("method 99, AES", "Method", |f| f.method = 99),
        first("version 6.3", "Version", |f| {
            f.local = |l| l.version_needed = 63;
            f.central = |c| c.common.version_needed = 63;
        }),
        first("an Amiga", "Host", |f| f.central = |c| c.version_made_by = 1 << 8 | 20),
        first("another disk", "Disks", |f| f.central = |c| c.disk = 1),
        first("a file's comment", "EntryComment", |f| f.comment = b"hello".to_vec()),
        first("internal attributes", "Internal", |f| f.central = |c| c.internal = 2),
        case(
            "a Unicode path",
            "Extra",
            Draft::first(|f| f.extra = extra(0x7075, &unicode)).bytes(),
        ),
        case(
            "a Unicode path in the directory",
            "Extra",
            Draft::first(|f| f.central_extra = extra(0x7075, &unicode)).bytes(),
        ),
        first("a Java marker", "Extra", |f| f.extra = extra(0xcafe, &[])),
        first("an extra field of 3 bytes", "ExtraBroken", |f| f.extra = b"UT\x05".to_vec()),
        first("an extra field too long", "ExtraBroken", |f| f.extra = b"UT\x05\0\x01\0".to_vec()),
        first("an extra field with too many times", "ExtraBroken", |f| {
            f.extra = extra(0x5455, &[1, 0, 0, 0, 0, 0, 0, 0, 0]);
        }),
        first("an extra field twice", "ExtraBroken", |f| {
            f.extra = extra(0x5455, &[1, 0, 0, 0, 0]).repeat(2);
        }),
        first("an owner without end", "ExtraBroken", |f| f.extra = extra(0x7875, &[1, 255, 0])),
    ]
}
