//! A release as one commit of a git repository, and that as a pack with its index.
//!
//! The commit has no parent, and names nothing but the release: so it stays the same whatever becomes
//! of other releases, and each registry that holds the release gives the same. Nothing is compressed
//! anew: a pack holds zlib streams, and what an archive holds of a file becomes one by a header and a
//! checksum. So the bytes depend on the archive alone, and cost little more than hashing it.
//!
//! Formats: gitformat-pack (version 2 of packs and of their indices), RFC 1950, RFC 1951.

use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

use super::Commit;
use crate::archive::{self, ArchiveError};
use crate::identifier::Identifier;
use crate::limits::Limits;
use crate::release::Release;
use crate::version::Version;

/// The SHA-1 name of an object.
type Id = [u8; 20];

const COMMIT: u8 = 1;
const TREE: u8 = 2;
const BLOB: u8 = 3;
/// Zip's number of deflate.
const DEFLATE: u16 = 8;
/// The most bytes that a stored block of deflate may have.
const STORED: usize = 65_535;

/// A release as git reads it.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The commit.
    pub commit: Commit,
    /// The pack's name: `pack-<name>.pack`, `pack-<name>.idx`.
    pub name: String,
    /// The pack: the commit, its trees and files.
    pub pack: Vec<u8>,
    /// The pack's index.
    pub index: Vec<u8>,
}

/// What a commit says.
#[derive(Clone, Debug)]
pub struct Subject<'r> {
    /// The package.
    pub identifier: &'r Identifier,
    /// The version.
    pub version: &'r Version,
    /// When it was released, in seconds since 1970.
    pub at: i64,
}

impl<'r> Subject<'r> {
    /// What the commit of a release says.
    pub fn of(release: &'r Release) -> Self {
        let Release { identifier, version, released_at, .. } = release;
        Self { identifier, version, at: released_at.as_second() }
    }
}

/// The tag of a version; `None` for the few versions that git takes for no name (`1.0.0-x.lock`).
pub fn tag(version: &Version) -> Option<String> {
    let text = version.text();
    (!text.ends_with(".lock")).then(|| format!("v{text}"))
}

/// Makes the commit of `archive`, and its pack. Memory: the pack, and what [`archive::read`] takes.
///
/// # Errors
///
/// What [`archive::read`] refuses.
pub fn pack(archive: &[u8], subject: &Subject, limits: &Limits) -> Result<Packed, ArchiveError> {
    let mut writer = Writer::new(archive.len());
    let mut root = Folder::default();
    archive::read(archive, limits, |entry, content| {
        let packed = match entry.method {
            DEFLATE => range(archive, entry.data_offset, entry.packed_bytes),
            _ => None,
        };
        let id = writer.object(BLOB, content, packed);
        root.insert(entry.path.as_str(), entry.executable, id);
    })?;
    let tree = root.write(&mut writer);
    let text = commit(&tree, subject);
    let id = writer.object(COMMIT, text.as_bytes(), None);
    let (pack, index, name) = writer.finish();
    let commit = Commit::of(&id);
    Ok(Packed { commit, name: hex(&name), pack, index })
}

fn commit(tree: &Id, Subject { identifier, version, at }: &Subject) -> String {
    let who = format!("Packhouse <packhouse@packhouse.invalid> {} +0000", at.max(&0));
    let tree = hex(tree);
    format!(
        "tree {tree}\nauthor {who}\ncommitter {who}\n\n{} {}\n",
        identifier.key(),
        version.text()
    )
}

fn range(bytes: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let offset = usize::try_from(offset).ok()?;
    bytes.get(offset..offset.checked_add(usize::try_from(length).ok()?)?)
}

pub(super) fn hex(id: &Id) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::with_capacity(40), |mut out, byte| {
        // A String takes everything.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A folder on its way to a tree object.
#[derive(Default)]
struct Folder {
    files: BTreeMap<String, (bool, Id)>,
    folders: BTreeMap<String, Folder>,
}

impl Folder {
    /// Paths are no deeper than [`Limits::depth`], so neither is the recursion.
    fn insert(&mut self, path: &str, executable: bool, id: Id) {
        match path.split_once('/') {
            Some((folder, rest)) => {
                self.folders.entry(folder.to_owned()).or_default().insert(rest, executable, id);
            }
            None => {
                self.files.insert(path.to_owned(), (executable, id));
            }
        }
    }

    fn write(&self, writer: &mut Writer) -> Id {
        // Git sorts a folder as if its name ended in a slash.
        let mut entries: BTreeMap<String, (&str, &str, Id)> = BTreeMap::new();
        for (name, (executable, id)) in &self.files {
            let mode = if *executable { "100755" } else { "100644" };
            entries.insert(name.clone(), (mode, name, *id));
        }
        for (name, folder) in &self.folders {
            entries.insert(format!("{name}/"), ("40000", name, folder.write(writer)));
        }
        let mut bytes = Vec::new();
        for (mode, name, id) in entries.values() {
            bytes.extend_from_slice(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(id);
        }
        writer.object(TREE, &bytes, None)
    }
}

/// A pack that grows.
struct Writer {
    pack: Vec<u8>,
    /// Offset and CRC-32 of each object.
    objects: BTreeMap<Id, (u32, u32)>,
}

impl Writer {
    fn new(size: usize) -> Self {
        let mut pack = Vec::with_capacity(size + size / 64 + 4096);
        pack.extend_from_slice(b"PACK\0\0\0\x02\0\0\0\0");
        Self { pack, objects: BTreeMap::new() }
    }

    /// Adds an object, once. `packed` is its content as a raw deflate stream, where there is one.
    fn object(&mut self, kind: u8, content: &[u8], packed: Option<&[u8]>) -> Id {
        let name: &[u8] = match kind {
            COMMIT => b"commit",
            TREE => b"tree",
            _ => b"blob",
        };
        let mut hash = Sha1::new();
        hash.update(name);
        hash.update(format!(" {}\0", content.len()));
        hash.update(content);
        let id: Id = hash.finalize().into();
        if self.objects.contains_key(&id) {
            return id;
        }
        let start = self.pack.len();
        self.header(kind, content.len());
        self.pack.extend_from_slice(&[0x78, 0x01]);
        match packed {
            Some(packed) => self.pack.extend_from_slice(packed),
            None => stored(&mut self.pack, content),
        }
        self.pack.extend_from_slice(&adler32(content).to_be_bytes());
        let crc = crc32fast::hash(&self.pack[start..]);
        // Archives have at most some 64 MiB by far: an offset fits, as the limit of 4 GiB on zips says.
        let offset = u32::try_from(start).unwrap_or(u32::MAX);
        self.objects.insert(id, (offset, crc));
        id
    }

    /// Kind and size: four bits of the size beside the kind, then seven a byte.
    fn header(&mut self, kind: u8, size: usize) {
        let mut rest = size >> 4;
        let mut byte = (kind << 4) | low(size, 4);
        while rest > 0 {
            self.pack.push(byte | 0x80);
            byte = low(rest, 7);
            rest >>= 7;
        }
        self.pack.push(byte);
    }

    /// The pack, its index, and its checksum, which is its name.
    fn finish(mut self) -> (Vec<u8>, Vec<u8>, Id) {
        let count = u32::try_from(self.objects.len()).unwrap_or(u32::MAX).to_be_bytes();
        self.pack[8..12].copy_from_slice(&count);
        let name: Id = Sha1::digest(&self.pack).into();
        self.pack.extend_from_slice(&name);

        let mut index = Vec::with_capacity(1_100 + self.objects.len() * 28);
        index.extend_from_slice(b"\xFFtOc\0\0\0\x02");
        let mut ids = self.objects.keys().peekable();
        let mut below: u32 = 0;
        for first in 0..=u8::MAX {
            while ids.next_if(|id| id[0] == first).is_some() {
                below += 1;
            }
            index.extend_from_slice(&below.to_be_bytes());
        }
        index.extend(self.objects.keys().flatten());
        index.extend(self.objects.values().flat_map(|(_, crc)| crc.to_be_bytes()));
        index.extend(self.objects.values().flat_map(|(offset, _)| offset.to_be_bytes()));
        index.extend_from_slice(&name);
        let checksum: Id = Sha1::digest(&index).into();
        index.extend_from_slice(&checksum);
        (self.pack, index, name)
    }
}

/// The lowest `bits` of a number.
fn low(number: usize, bits: u32) -> u8 {
    u8::try_from(number & ((1 << bits) - 1)).unwrap_or_default()
}

/// `content` as deflate without compression.
fn stored(out: &mut Vec<u8>, content: &[u8]) {
    if content.is_empty() {
        out.extend_from_slice(&[1, 0, 0, 0xFF, 0xFF]);
    }
    let mut blocks = content.chunks(STORED).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
}

/// The checksum of a zlib stream (RFC 1950, section 8).
fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    // So many bytes can be summed before 32 bits are full.
    for chunk in bytes.chunks(5_552) {
        for byte in chunk {
            a += u32::from(*byte);
            b += a;
        }
        a %= 65_521;
        b %= 65_521;
    }
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::tree::Tree;
    use crate::version::Order;

    fn packed(files: &[(&str, &[u8], bool)]) -> Packed {
        let mut tree = Tree::default();
        for (path, content, executable) in files {
            tree.insert(path.parse().unwrap(), *content, *executable);
        }
        let archive = archive::pack(&tree).unwrap();
        let identifier = "Acme/Sensor".parse().unwrap();
        let version = Version::parse(Order::SemVer, "1.2.3").unwrap();
        let subject = Subject { identifier: &identifier, version: &version, at: 1_800_000_000 };
        pack(&archive.bytes, &subject, &Limits::default()).unwrap()
    }

    fn git(folder: &std::path::Path, arguments: &[&str], input: &[u8]) -> String {
        let mut child = Command::new("git")
            .args(arguments)
            .current_dir(folder)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[test]
    fn git_reads_what_was_packed_and_makes_the_same_index() {
        let random: Vec<u8> =
            (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let packed = packed(&[
            ("package.yaml", b"package_info: {id: acme/Sensor}\n", false),
            ("a-b/x", b"", false),
            ("a/x", &[b'x'; 100_000], false),
            ("a/run.sh", b"#!/bin/sh\n", true),
            ("a.txt", b"", false),
            ("random", &random, false),
            ("deep/er/folder/f\u{e9}", b"same", false),
            ("same", b"same", false),
        ]);
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet", "--bare", "."], b"");
        let named = git(dir.path(), &["index-pack", "--stdin", "--strict"], &packed.pack);
        assert_eq!(named.trim(), format!("pack\t{}", packed.name));
        let index =
            std::fs::read(dir.path().join(format!("objects/pack/pack-{}.idx", packed.name)));
        assert!(index.unwrap() == packed.index, "the index is git's own");
        let shown = git(dir.path(), &["cat-file", "-p", packed.commit.as_str()], b"");
        assert!(shown.ends_with("\n\nacme/sensor 1.2.3\n"), "{shown}");
        let listed = git(
            dir.path(),
            &["-c", "core.quotePath=false", "ls-tree", "-r", packed.commit.as_str()],
            b"",
        );
        let listed: Vec<_> =
            listed.lines().map(|line| (&line[..6], line.split('\t').nth(1).unwrap())).collect();
        assert_eq!(listed.iter().filter(|(mode, _)| *mode == "100755").count(), 1);
        assert_eq!(listed.len(), 8);
        let read = git(dir.path(), &["cat-file", "blob", &format!("{}:a/x", packed.commit)], b"");
        assert_eq!(read.len(), 100_000);
        git(dir.path(), &["fsck", "--strict", "--full"], b"");
    }

    #[test]
    fn a_release_is_always_the_same_commit() {
        let files: &[(&str, &[u8], bool)] = &[("package.yaml", b"a: b\n", false)];
        let (one, two) = (packed(files), packed(files));
        assert_eq!((&one.commit, &one.pack), (&two.commit, &two.pack));
        assert_eq!(one.commit.as_str(), "b9b3b12b9a2d89093f86d9f4ee83beae64b051e5");
        assert_ne!(packed(&[("package.yaml", b"a: c\n", false)]).commit, one.commit);
    }

    #[test]
    fn a_tag_is_a_name_to_git() {
        let tag_of = |text: &str| tag(&Version::parse(Order::SemVer, text).unwrap());
        assert_eq!(tag_of("1.2.3").as_deref(), Some("v1.2.3"));
        assert_eq!(tag_of("1.2.3-rc.1+b").as_deref(), Some("v1.2.3-rc.1+b"));
        assert_eq!(tag_of("1.2.3-x.lock"), None);
    }

    #[test]
    fn a_checksum_of_zlib_is_right() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        assert_eq!(adler32(&vec![0xFF; 100_000]), {
            let (mut a, mut b) = (1_u64, 0_u64);
            for _ in 0..100_000 {
                a = (a + 255) % 65_521;
                b = (b + a) % 65_521;
            }
            u32::try_from((b << 16) | a).unwrap()
        });
    }
}
