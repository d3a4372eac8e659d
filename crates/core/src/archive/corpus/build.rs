//! A writer of zips that can be told to lie in every field.

use std::io::Write as _;

use super::super::format::*;

/// One file; headers are filled in from its parts, then bent by `local` and `central`.
#[derive(Clone)]
pub(super) struct File {
    pub(super) name: Vec<u8>,
    pub(super) central_name: Option<Vec<u8>>,
    pub(super) method: u16,
    pub(super) flags: u16,
    pub(super) crc32: u32,
    pub(super) bytes: u32,
    pub(super) external: u32,
    /// The packed bytes.
    pub(super) data: Vec<u8>,
    pub(super) extra: Vec<u8>,
    pub(super) central_extra: Vec<u8>,
    pub(super) comment: Vec<u8>,
    /// What stands in front of its header.
    pub(super) before: Vec<u8>,
    /// What stands behind its data.
    pub(super) behind: Vec<u8>,
    pub(super) local: fn(&mut Common),
    pub(super) central: fn(&mut Central),
}

impl File {
    pub(super) fn stored(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            central_name: None,
            method: STORED,
            flags: if name.as_ref().is_ascii() { 0 } else { FLAG_UTF8 },
            crc32: crc32fast::hash(content),
            bytes: content.len() as u32,
            external: 0o100_644 << 16,
            data: content.to_vec(),
            extra: Vec::new(),
            central_extra: Vec::new(),
            comment: Vec::new(),
            before: Vec::new(),
            behind: Vec::new(),
            local: |_| {},
            central: |_| {},
        }
    }

    pub(super) fn deflated(name: &str, content: &[u8]) -> Self {
        Self { method: DEFLATE, data: deflate(&[content]), ..Self::stored(name, content) }
    }

    pub(super) fn bzipped(name: &str, content: &[u8]) -> Self {
        Self { method: BZIP2, data: bzip2(&[content]), ..Self::stored(name, content) }
    }

    fn common(&self, name: &[u8], extra: &[u8]) -> Common {
        Common {
            version_needed: if self.method == BZIP2 { 46 } else { 20 },
            flags: self.flags,
            method: self.method,
            time: 0,
            date: 33,
            crc32: self.crc32,
            packed: self.data.len() as u32,
            bytes: self.bytes,
            name_length: name.len() as u16,
            extra_length: extra.len() as u16,
        }
    }
}

/// An archive in parts.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) prefix: Vec<u8>,
    /// Whether offsets count from behind the prefix, as if it were not there.
    pub(super) ignore_prefix: bool,
    pub(super) files: Vec<File>,
    /// Which files the directory lists, in which order.
    pub(super) listed: Vec<usize>,
    pub(super) before_directory: Vec<u8>,
    pub(super) before_end: Vec<u8>,
    pub(super) end: fn(&mut End),
    pub(super) comment: Vec<u8>,
    pub(super) suffix: Vec<u8>,
}

impl Draft {
    pub(super) fn new(files: Vec<File>) -> Self {
        Self {
            prefix: Vec::new(),
            ignore_prefix: false,
            listed: (0..files.len()).collect(),
            files,
            before_directory: Vec::new(),
            before_end: Vec::new(),
            end: |_| {},
            comment: Vec::new(),
            suffix: Vec::new(),
        }
    }

    /// A manifest, a deflated source and a bzipped one.
    pub(super) fn plain() -> Self {
        let source = b"module Sensor:\n    r1 = new Resistor\n".repeat(8);
        Self::new(vec![
            File::stored("packhouse.yaml", b"name: acme/sensor\nversion: 1.0.0\n"),
            File::deflated("src/sensor.ato", &source),
            File::bzipped("src/probe.ato", &source),
        ])
    }

    /// The plain archive and one file more.
    pub(super) fn with(file: File) -> Self {
        let mut draft = Self::plain();
        draft.listed.push(draft.files.len());
        draft.files.push(file);
        draft
    }

    /// The plain archive with its first file changed.
    pub(super) fn first(change: impl FnOnce(&mut File)) -> Self {
        let mut draft = Self::plain();
        change(&mut draft.files[0]);
        draft
    }

    /// The plain archive, changed.
    pub(super) fn but(change: impl FnOnce(&mut Self)) -> Self {
        let mut draft = Self::plain();
        change(&mut draft);
        draft
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = self.prefix.clone();
        let base = if self.ignore_prefix { 0 } else { self.prefix.len() };
        let mut offsets = Vec::new();
        for file in &self.files {
            out.extend(&file.before);
            offsets.push((out.len() - self.prefix.len() + base) as u32);
            let mut common = file.common(&file.name, &file.extra);
            (file.local)(&mut common);
            common.write_local(&mut out);
            for part in [&file.name, &file.extra, &file.data, &file.behind] {
                out.extend(part);
            }
        }
        out.extend(&self.before_directory);
        let directory_at = out.len();
        for &index in &self.listed {
            let file = &self.files[index];
            let name = file.central_name.as_ref().unwrap_or(&file.name);
            let mut central = Central {
                version_made_by: 3 << 8 | 20,
                common: file.common(name, &file.central_extra),
                comment_length: file.comment.len() as u16,
                disk: 0,
                internal: 0,
                external: file.external,
                offset: offsets[index],
            };
            (file.central)(&mut central);
            central.write(&mut out);
            for part in [name, &file.central_extra, &file.comment] {
                out.extend(part);
            }
        }
        let directory_bytes = (out.len() - directory_at) as u32;
        out.extend(&self.before_end);
        let entries = self.listed.len() as u16;
        let mut end = End {
            disk: 0,
            directory_disk: 0,
            disk_entries: entries,
            entries,
            directory_bytes,
            directory_offset: (directory_at - self.prefix.len() + base) as u32,
            comment_length: self.comment.len() as u16,
        };
        (self.end)(&mut end);
        end.write(&mut out);
        out.extend(&self.comment);
        out.extend(&self.suffix);
        out
    }
}

/// Deflates `chunks` one after the other, so that a bomb needs no memory to be built.
pub(super) fn deflate(chunks: &[&[u8]]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for chunk in chunks {
        let _ = encoder.write_all(chunk); // into a vector: cannot fail
    }
    encoder.finish().unwrap_or_default()
}

/// As [`deflate`], with bzip2.
pub(super) fn bzip2(chunks: &[&[u8]]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    for chunk in chunks {
        let _ = encoder.write_all(chunk); // into a vector: cannot fail
    }
    encoder.finish().unwrap_or_default()
}

/// An extra field.
pub(super) fn extra(id: u16, data: &[u8]) -> Vec<u8> {
    let mut field = id.to_le_bytes().to_vec();
    field.extend((data.len() as u16).to_le_bytes());
    field.extend(data);
    field
}
