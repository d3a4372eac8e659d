//! Packing: the one zip that everybody gets for a tree.
//!
//! What could differ is fixed: files stand in the order of their path bytes; there are no folders,
//! comments, extra fields, descriptors or zip64; the time is 1980-01-01 00:00, the mode 0644 or
//! 0755, the system Unix; the UTF-8 flag stands where a name is not ASCII; data is deflated by one
//! encoder at one level, and stored where that is not smaller, or where samples of a large file show
//! that it would not be.

use libdeflater::{CompressionLvl, Compressor};
use rayon::prelude::*;

use super::error::shown;
use super::format::*;
use super::{Archive, ArchiveError};
use crate::digest::{Digest, Hasher, TreeDigest};
use crate::tree::{Tree, TreeFile, TreePath};

/// The level of libdeflate. Encoder, version and level are a part of the format: another choice
/// gives other bytes, hence other digests (`the_bytes_of_an_archive_are_pinned` notices).
/// Level 6 is smaller than `zip -9` and the last one that is several times as fast as `zip -6`.
const LEVEL: i32 = 6;

/// From this size on, in bytes, a file is deflated only if samples of it shrink: on noise (images,
/// archives, firmware) the encoder would be at its slowest, for nothing.
const SAMPLED_FROM: usize = 64 << 10;
/// How many samples, evenly from the first byte to the last.
const SAMPLES: usize = 8;
/// The length of a sample in bytes.
const SAMPLE: usize = 4 << 10;
/// The level that samples are deflated at.
const SAMPLE_LEVEL: i32 = 1;

/// Version 2.0 by Unix: what a reader needs for deflate, and whose modes these are.
const MADE_BY: u16 = 3 << 8 | VERSION;
const VERSION: u16 = 20;

/// 1980-01-01, the first day that zip knows.
const DATE: u16 = 1 << 5 | 1;

/// Packs `tree` into the one zip that everybody gets for it, on any machine, at any time.
///
/// Files are compressed on all threads of the current rayon pool; the bytes do not depend on their
/// number. Memory: about the packed size, beside the tree.
///
/// # Errors
///
/// A plain zip counts at most 65,534 files and less than 4 GiB ([`ArchiveError::TooManyFiles`],
/// [`ArchiveError::FileTooLarge`], [`ArchiveError::PackTooLarge`]). [`ArchiveError::Twins`] for a
/// tree that some system could not unpack.
pub fn pack(tree: &Tree) -> Result<Archive, ArchiveError> {
    let files: Vec<_> = tree.iter().collect();
    if files.len() >= usize::from(u16::MAX) {
        return Err(ArchiveError::TooManyFiles { limit: u64::from(u16::MAX) - 1 });
    }
    if let Some((path, twin)) = tree.twins().first() {
        let (path, twin) = (shown(path.as_str().as_bytes()), shown(twin.as_bytes()));
        return Err(ArchiveError::Twins { path, twin });
    }
    let level = CompressionLvl::new(LEVEL).unwrap_or_default();
    let packed: Vec<_> = files
        .par_iter()
        .map_init(
            || (Compressor::new(level), Vec::new()),
            |(encoder, buffer), (path, file)| squeeze(encoder, buffer, path, file),
        )
        .collect::<Result<_, _>>()?;
    let tree_digest = TreeDigest::of(
        files.iter().zip(&packed).map(|((path, f), p)| (path.as_str(), f.executable, p.digest)),
    );
    let layout = Layout::of(&files, &packed)?;
    // Hashing is as long as the archive, so it does not wait for the bytes to be in one place.
    let (bytes, digest) = rayon::join(
        || {
            let mut bytes = Vec::with_capacity(layout.bytes);
            layout.pieces().for_each(|piece| bytes.extend_from_slice(piece));
            bytes
        },
        || {
            let mut hasher = Hasher::default();
            layout.pieces().for_each(|piece| hasher.update(piece));
            hasher.finish()
        },
    );
    Ok(Archive { bytes, digest, tree_digest })
}

/// One file, ready to be written.
struct Packed {
    /// The deflated bytes; `None` where the file is stored.
    deflated: Option<Vec<u8>>,
    crc32: u32,
    bytes: u32,
    digest: Digest,
}

fn squeeze(
    encoder: &mut Compressor,
    buffer: &mut Vec<u8>,
    path: &TreePath,
    file: &TreeFile,
) -> Result<Packed, ArchiveError> {
    let content = &file.bytes[..];
    let bytes = u32::try_from(content.len()).ok().filter(|&n| n < u32::MAX).ok_or_else(|| {
        let (path, found) = (shown(path.as_str().as_bytes()), content.len() as u64);
        ArchiveError::FileTooLarge { path, found, limit: u64::from(u32::MAX) - 1 }
    })?;
    let deflated = if shrinks(content) { deflate(encoder, buffer, content) } else { None };
    let crc32 = crc32fast::hash(content);
    Ok(Packed { deflated, crc32, bytes, digest: Digest::of(content) })
}

/// The deflated bytes, where they are fewer.
fn deflate(encoder: &mut Compressor, buffer: &mut Vec<u8>, content: &[u8]) -> Option<Vec<u8>> {
    // One byte less than the content: what does not fit is not smaller, and stored.
    let room = content.len().saturating_sub(1);
    if buffer.len() < room {
        buffer.resize(room, 0);
    }
    let length = encoder.deflate_compress(content, &mut buffer[..room]).ok()?;
    Some(buffer[..length].to_vec())
}

/// Whether it is worth a try to deflate `content`: always for a small file, and for a large one if
/// its samples, one after the other, lose at least a 64th. A part of the format, as [`LEVEL`] is.
fn shrinks(content: &[u8]) -> bool {
    if content.len() < SAMPLED_FROM {
        return true;
    }
    let last = content.len() - SAMPLE;
    let sampled: Vec<u8> = (0..SAMPLES)
        .flat_map(|n| {
            let begin = last / (SAMPLES - 1) * n;
            &content[begin..begin + SAMPLE]
        })
        .copied()
        .collect();
    let room = sampled.len() - sampled.len() / 64;
    let level = CompressionLvl::new(SAMPLE_LEVEL).unwrap_or_default();
    Compressor::new(level).deflate_compress(&sampled, &mut vec![0; room]).is_ok()
}

/// The pieces of an archive, in order, not yet in one place.
struct Layout<'a> {
    /// For each file, where its local header ends in `headers`, and its data.
    files: Vec<(usize, &'a [u8])>,
    /// All local headers.
    headers: Vec<u8>,
    /// The central directory and the end record.
    tail: Vec<u8>,
    /// The length of the archive.
    bytes: usize,
}

impl<'a> Layout<'a> {
    fn of(files: &[(&TreePath, &'a TreeFile)], packed: &'a [Packed]) -> Result<Self, ArchiveError> {
        let mut layout = Self { files: vec![], headers: vec![], tail: vec![], bytes: 0 };
        for ((path, file), packed) in files.iter().zip(packed) {
            let path = path.as_str();
            let data = packed.deflated.as_deref().unwrap_or(&file.bytes);
            let common = Common {
                version_needed: VERSION,
                flags: if path.is_ascii() { 0 } else { FLAG_UTF8 },
                method: if packed.deflated.is_some() { DEFLATE } else { STORED },
                time: 0,
                date: DATE,
                crc32: packed.crc32,
                packed: data.len() as u32,
                bytes: packed.bytes,
                name_length: path.len() as u16,
                extra_length: 0,
            };
            let mode = MODE_REGULAR | if file.executable { 0o755 } else { 0o644 };
            let central = Central {
                version_made_by: MADE_BY,
                common,
                comment_length: 0,
                disk: 0,
                internal: 0,
                external: mode << 16,
                offset: small(layout.bytes)?,
            };
            central.write(&mut layout.tail);
            layout.tail.extend(path.as_bytes());
            common.write_local(&mut layout.headers);
            layout.headers.extend(path.as_bytes());
            layout.files.push((layout.headers.len(), data));
            layout.bytes += LOCAL_BYTES + path.len() + data.len();
        }
        let entries = files.len() as u16;
        let end = End {
            disk: 0,
            directory_disk: 0,
            disk_entries: entries,
            entries,
            directory_bytes: small(layout.tail.len())?,
            directory_offset: small(layout.bytes)?,
            comment_length: 0,
        };
        end.write(&mut layout.tail);
        layout.bytes += layout.tail.len();
        small(layout.bytes)?;
        Ok(layout)
    }

    fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let mut begin = 0;
        let files = self.files.iter().flat_map(move |&(end, data)| {
            let header = &self.headers[begin..end];
            begin = end;
            [header, data]
        });
        files.chain([&self.tail[..]])
    }
}

/// A length or offset as a plain zip counts it; its highest value would mean zip64.
fn small(bytes: usize) -> Result<u32, ArchiveError> {
    let small = u32::try_from(bytes).ok().filter(|&bytes| bytes < u32::MAX);
    small.ok_or(ArchiveError::PackTooLarge { found: bytes as u64 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::archive::{scan, unpack};
    use crate::limits::Limits;

    /// Text, a program, noise that does not shrink, an empty file, names beyond ASCII.
    fn fixed_tree() -> Tree {
        let mut noise = 1_u32;
        let noise: Vec<u8> = (0..500)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect();
        let text: String =
            (0..4000).map(|n| format!("(pad {} smd rect (at {} 0.5))\n", n % 97, n)).collect();
        let mut tree = Tree::default();
        tree.insert("packhouse.yaml".parse().unwrap(), *b"name: acme/sensor\n", false);
        tree.insert("parts/R1.kicad_mod".parse().unwrap(), text.into_bytes(), false);
        tree.insert("bin/build".parse().unwrap(), *b"#!/bin/sh\nexit 0\n", true);
        tree.insert("noise.bin".parse().unwrap(), noise, false);
        tree.insert("empty".parse().unwrap(), [], false);
        tree.insert("docs/Größe.md".parse().unwrap(), *b"# Gr\xc3\xb6\xc3\x9fe\n", false);
        tree
    }

    #[test]
    fn the_bytes_of_an_archive_are_pinned() {
        // A change here changes the digest of every package that is packed from now on: pin the
        // encoder again, and say so in the change log.
        let archive = pack(&fixed_tree()).unwrap();
        insta::assert_snapshot!(
            format!("{} bytes\n{}\ntree {}", archive.bytes.len(), archive.digest, archive.tree_digest),
            @"
        15239 bytes
        4fc1040da910ca839211d77a7c9a1fd1c0e285fc136a35178d8c37df953ce8a2
        tree e707590cb241c38b48768004271797734742fe0ec8fa06a22a2eab641bcbaa61
        "
        );
    }

    #[test]
    fn what_is_packed_unpacks_to_the_same_tree() {
        let tree = fixed_tree();
        let archive = pack(&tree).unwrap();
        let (back, contents) = unpack(&archive.bytes, &Limits::default()).unwrap();
        assert_eq!(back, tree);
        assert_eq!(contents.tree_digest, archive.tree_digest);
        assert_eq!(contents.tree_digest, tree.digest());
        assert_eq!(contents.unpacked_bytes, tree.bytes());
        let methods: Vec<_> =
            contents.entries.iter().map(|e| (e.path.as_str(), e.method, e.executable)).collect();
        assert_eq!(
            methods,
            [
                ("bin/build", STORED, true),
                ("docs/Größe.md", STORED, false),
                ("empty", STORED, false),
                ("noise.bin", STORED, false),
                ("packhouse.yaml", STORED, false),
                ("parts/R1.kicad_mod", DEFLATE, false),
            ]
        );
    }

    #[test]
    fn a_tree_without_files_is_an_end_record() {
        let archive = pack(&Tree::default()).unwrap();
        assert_eq!(archive.bytes.len(), END_BYTES);
        assert_eq!(scan(&archive.bytes, &Limits::default()), Ok(vec![]));
    }

    #[test]
    fn twins_are_not_packed() {
        let mut tree = Tree::default();
        tree.insert("readme".parse().unwrap(), [], false);
        tree.insert("README".parse().unwrap(), [], false);
        let error = pack(&tree).unwrap_err();
        assert!(matches!(error, ArchiveError::Twins { .. }), "{error}");
    }

    #[test]
    fn large_noise_is_stored_and_what_shrinks_anywhere_is_deflated() {
        let mut state = 1_u32;
        let noise: Vec<u8> = (0..200_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert!(!shrinks(&noise));
        assert!(shrinks(&noise[..SAMPLED_FROM - 1]), "a small file is always tried");
        let mut half = noise.clone();
        half[..100_000].fill(b' ');
        assert!(shrinks(&half));
        for length in [SAMPLED_FROM, SAMPLED_FROM + 1, 199_999] {
            assert!(shrinks(&vec![b'x'; length]));
        }
        let mut tree = Tree::default();
        tree.insert("noise".parse().unwrap(), noise.clone(), false);
        tree.insert("text".parse().unwrap(), half.clone(), false);
        let archive = pack(&tree).unwrap();
        let methods: Vec<_> = scan(&archive.bytes, &Limits::default())
            .unwrap()
            .iter()
            .map(|entry| entry.method)
            .collect();
        assert_eq!(methods, [STORED, DEFLATE]);
        let (back, _) = unpack(&archive.bytes, &Limits::default()).unwrap();
        assert_eq!(back, tree);
    }

    #[test]
    fn more_files_than_a_zip_counts_are_refused() {
        let tree: Tree = (0..65_535)
            .map(|n| {
                let file = TreeFile { bytes: [].into(), executable: false };
                (format!("{n}").parse().unwrap(), file)
            })
            .collect();
        assert_eq!(pack(&tree).unwrap_err(), ArchiveError::TooManyFiles { limit: 65_534 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn neither_order_nor_threads_change_the_bytes(
            // No name begins as `con`, `prn`, `aux` and `nul` do: Windows keeps those for devices.
            files in prop::collection::hash_map("[bd-moq-z][a-z]{0,2}(/[xyzäö]{1,2})?\\.[0-9]", (prop::collection::vec("[ab]{0,9}|.{0,5}", 0..60), any::<bool>()), 0..12),
            threads in 1_usize..6,
        ) {
            let files: Vec<_> = files.into_iter().collect(); // a random order already
            let build = |files: &mut dyn Iterator<Item = &(String, (Vec<String>, bool))>| {
                let mut tree = Tree::default();
                for (path, (content, executable)) in files {
                    tree.insert(path.parse().unwrap(), content.concat().into_bytes(), *executable);
                }
                tree
            };
            let forward = build(&mut files.iter());
            let backward = build(&mut files.iter().rev());
            let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            let one = pool(1).install(|| pack(&forward)).unwrap();
            let many = pool(threads).install(|| pack(&backward)).unwrap();
            prop_assert_eq!(&one.bytes, &many.bytes);
            prop_assert_eq!(one.digest, Digest::of(&one.bytes));
            let (back, _) = unpack(&one.bytes, &Limits::default()).unwrap();
            prop_assert_eq!(back, forward);
        }
    }
}
