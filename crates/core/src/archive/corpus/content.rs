//! Archives whose content is not what their headers declare, and bombs.

use super::super::format::*;
use super::build::{Draft, File, bzip2, deflate};
use super::{Hostile, case};

const MIB: usize = 1 << 20;

pub(super) fn cases() -> Vec<Hostile> {
    let mut all = broken();
    all.extend(bombs());
    all
}

/// A text that shrinks, of a few hundred bytes.
fn text() -> Vec<u8> {
    b"(footprint \"R_0603\" (layer \"F.Cu\"))\n".repeat(9)
}

fn broken() -> Vec<Hostile> {
    let deflated = |change: fn(&mut File)| {
        let mut file = File::deflated("x", &text());
        change(&mut file);
        Draft::with(file).bytes()
    };
    let bzipped = |change: fn(&mut File)| {
        let mut file = File::bzipped("x", &text());
        change(&mut file);
        Draft::with(file).bytes()
    };
    let stored = |change: fn(&mut File)| Draft::first(change).bytes();
    vec![
        case("a stored file with two sizes", "StoredSize", stored(|f| f.bytes += 1)),
        case("a stored file of another checksum", "Crc", stored(|f| f.crc32 ^= 1)),
        case("a stored file with one bit flipped", "Crc", stored(|f| f.data[3] ^= 4)),
        case("a deflated file of another checksum", "Crc", deflated(|f| f.crc32 ^= 1)),
        case("a bzipped file of another checksum", "Crc", bzipped(|f| f.crc32 ^= 1)),
        case("deflate declares too little", "Longer", deflated(|f| f.bytes -= 1)),
        case("deflate declares nothing", "Longer", deflated(|f| f.bytes = 0)),
        case("bzip2 declares too little", "Longer", bzipped(|f| f.bytes -= 1)),
        case("deflate declares too much", "Shorter", deflated(|f| f.bytes += 1)),
        case("bzip2 declares too much", "Shorter", bzipped(|f| f.bytes += 1)),
        case("deflate cut off", "Corrupt", deflated(|f| f.data.truncate(f.data.len() - 3))),
        case("deflate without data", "Corrupt", deflated(|f| (f.data, f.bytes) = (vec![], 0))),
        case("deflate of noise", "Corrupt", deflated(|f| f.data = vec![0xff; 40])),
        case("deflate too far back", "Corrupt", deflated(|f| f.data = vec![0x63, 0x00, 0x42, 0])),
        case(
            "a zlib stream",
            "Corrupt",
            deflated(|f| f.data.splice(..0, [0x78, 0x9c]).for_each(drop)),
        ),
        case("bzip2 cut off", "Corrupt", bzipped(|f| f.data.truncate(f.data.len() - 3))),
        case("bzip2 without data", "Corrupt", bzipped(|f| (f.data, f.bytes) = (vec![], 0))),
        case("bzip2 of noise", "Corrupt", bzipped(|f| f.data[12..].fill(0x55))),
        case("deflate inside bzip2", "Corrupt", bzipped(|f| f.data = deflate(&[b"x"]))),
        case("a byte behind deflate", "Trailing", deflated(|f| f.data.push(0))),
        case("two deflate streams", "Trailing", deflated(|f| f.data.extend(f.data.clone()))),
        case("a byte behind bzip2", "Trailing", bzipped(|f| f.data.push(0))),
        case("two bzip2 streams", "Trailing", bzipped(|f| f.data.extend(f.data.clone()))),
    ]
}

fn bombs() -> Vec<Hostile> {
    let zeros = vec![0; MIB];
    let hundred = vec![&zeros[..]; 100];
    let mut crc = crc32fast::Hasher::new();
    hundred.iter().for_each(|chunk| crc.update(chunk));
    let bomb = |method, data: Vec<u8>| File {
        method,
        data,
        crc32: crc.clone().finalize(),
        bytes: (100 * MIB) as u32,
        ..File::stored("x", b"")
    };
    let (deflated, bzipped) = (deflate(&hundred), bzip2(&hundred));
    let small = |file: File| Draft::with(File { bytes: 9, ..file }).bytes();
    let mut padded = bomb(DEFLATE, deflated.clone());
    padded.data.resize(100 * MIB / 200, 0);
    // Each file is under every limit of its own; the sum is not.
    let one = File::deflated("x", &zeros);
    let many = (0..300).map(|n| File { name: format!("{n}").into_bytes(), ..one.clone() });
    let huge = File { bytes: (129 * MIB) as u32, ..one.clone() };
    let crowd = (0..10_001).map(|n| File::stored(format!("{n}"), b""));
    vec![
        case("a deflate bomb", "Ratio", Draft::with(bomb(DEFLATE, deflated.clone())).bytes()),
        case("a bzip2 bomb", "Ratio", Draft::with(bomb(BZIP2, bzipped.clone())).bytes()),
        case("a deflate bomb that says 9 bytes", "Longer", small(bomb(DEFLATE, deflated))),
        case("a bzip2 bomb that says 9 bytes", "Longer", small(bomb(BZIP2, bzipped))),
        case("a deflate bomb padded to its ratio", "Trailing", Draft::with(padded).bytes()),
        case("a file too large", "FileTooLarge", Draft::with(huge).bytes()),
        case("files too large together", "UnpackedTooLarge", Draft::new(many.collect()).bytes()),
        case("files too many", "TooManyFiles", Draft::new(crowd.collect()).bytes()),
    ]
}
