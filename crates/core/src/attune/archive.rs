//! Packs as other programs pack them: `.zip`, `.tar.gz` and `.tgz`, read tolerantly into a tree.
//!
//! Times, owners, comments and folders are dropped. Refused is what names no file of its own or leads
//! elsewhere: links, devices, unsafe paths, a path that stands twice, and more than the limits allow.

use std::io::Read;

use crate::archive::{ArchiveError, foreign};
use crate::escape::excerpt;
use crate::limits::Limits;
use crate::tree::{Tree, TreePath, twins};

/// Why an archive is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// A name whose ending tells no kind.
    #[error("`{0}` is no archive that is known: `.zip`, `.tar.gz` and `.tgz` are")]
    Kind(String),
    /// A zip that is refused.
    #[error(transparent)]
    Zip(#[from] ArchiveError),
    /// Damaged, or of another kind than its name says.
    #[error("the archive cannot be read: {0}")]
    Broken(String),
    /// An entry that is refused.
    #[error("`{path}` in the archive {reason}")]
    Entry {
        /// Its name, printable.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// More than is read.
    #[error("the archive holds more than {0}")]
    TooMuch(String),
}

/// Whether `name` ends as an archive of a pack does.
pub fn is_archive(name: &str) -> bool {
    [".zip", ".tar.gz", ".tgz"].iter().any(|end| name.to_ascii_lowercase().ends_with(end))
}

/// Reads `bytes`, whose kind `name` tells, into a tree under `limits`. The entry `.git` of a checkout
/// that was packed whole is left out.
///
/// # Errors
///
/// [`PackError`], with the entry.
pub fn read(name: &str, bytes: &[u8], limits: &Limits) -> Result<Tree, PackError> {
    let lower = name.to_ascii_lowercase();
    if lower.ends_with(".zip") {
        return Ok(foreign(bytes, limits)?);
    }
    if !is_archive(&lower) {
        return Err(PackError::Kind(excerpt(name, 120)));
    }
    let mut into = Into { tree: Tree::default(), left: limits.unpacked_bytes, entries: 0, limits };
    tarball(bytes, &mut into)?;
    let clash = twins(into.tree.iter().map(|(path, _)| path)).into_iter().next();
    if let Some((path, twin)) = clash {
        let reason = format!("is `{twin}` on systems that fold case");
        return Err(PackError::Entry { path: path.to_string(), reason });
    }
    Ok(into.tree)
}

struct Into<'a> {
    tree: Tree,
    left: u64,
    entries: u32,
    limits: &'a Limits,
}

impl Into<'_> {
    fn count(&mut self) -> Result<(), PackError> {
        self.entries += 1;
        match self.entries > self.limits.entries {
            true => Err(PackError::TooMuch(format!("{} entries", self.limits.entries))),
            false => Ok(()),
        }
    }

    /// Takes a file in, of at most what is left.
    fn file(&mut self, name: &str, from: impl Read, executable: bool) -> Result<(), PackError> {
        let wrong = |reason: String| PackError::Entry { path: excerpt(name, 120), reason };
        let name_inside = name.strip_prefix("./").unwrap_or(name);
        if name_inside.split('/').any(|part| part == ".git") {
            return Ok(());
        }
        let path = TreePath::parse(name_inside, self.limits).map_err(|e| wrong(e.to_string()))?;
        let most = self.left.min(self.limits.file_bytes);
        let mut bytes = Vec::new();
        let mut bounded = from.take(most + 1);
        bounded.read_to_end(&mut bytes).map_err(|e| wrong(format!("is damaged: {e}")))?;
        if bytes.len() as u64 > most {
            return Err(PackError::TooMuch(format!("{} MiB", self.limits.unpacked_bytes >> 20)));
        }
        self.left -= bytes.len() as u64;
        if self.tree.get(path.as_str()).is_some() {
            return Err(wrong("stands twice".to_owned()));
        }
        self.tree.insert(path, bytes, executable);
        Ok(())
    }
}

fn broken(error: impl std::fmt::Display) -> PackError {
    PackError::Broken(excerpt(&error.to_string(), 200))
}

fn tarball(bytes: &[u8], into: &mut Into) -> Result<(), PackError> {
    // What a tar may take beside contents: a header and a filling for each entry, long names.
    let most = into.limits.unpacked_bytes + u64::from(into.limits.entries) * 8_192;
    let plain = flate2::read::MultiGzDecoder::new(bytes).take(most);
    let mut archive = tar::Archive::new(plain);
    for entry in archive.entries().map_err(broken)? {
        into.count()?;
        let mut entry = entry.map_err(broken)?;
        let name = match std::str::from_utf8(&entry.path_bytes()) {
            Ok(name) => name.to_owned(),
            Err(_) => return Err(broken("a name is not UTF-8")),
        };
        let kind = entry.header().entry_type();
        let executable = entry.header().mode().is_ok_and(|mode| mode & 0o100 != 0);
        match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                into.file(&name, &mut entry, executable)?;
            }
            tar::EntryType::Directory => {
                let path = name.trim_end_matches('/');
                let inside = path.strip_prefix("./").unwrap_or(path);
                let skipped = inside.is_empty()
                    || inside == "."
                    || inside.split('/').any(|part| part == ".git");
                if !skipped {
                    TreePath::parse(inside, into.limits).map_err(|e| PackError::Entry {
                        path: excerpt(&name, 120),
                        reason: e.to_string(),
                    })?;
                }
            }
            // The commit's name, which `git archive` writes.
            tar::EntryType::XGlobalHeader => {}
            _ => {
                return Err(PackError::Entry {
                    path: excerpt(&name, 120),
                    reason: "is a link or a special file".to_owned(),
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Write as _};

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    /// A tar of entries: name, kind, content. Names go in raw, as a hostile program writes them.
    fn tar(entries: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, kind, text) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            let size = if *kind == tar::EntryType::Regular { text.len() } else { 0 };
            header.set_size(size as u64);
            if *kind == tar::EntryType::Symlink {
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            builder.append(&header, &text.as_bytes()[..size]).unwrap();
        }
        gz(&builder.into_inner().unwrap())
    }

    fn zipped(entries: &[(&str, &str, bool)]) -> Vec<u8> {
        let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated);
        for (name, text, link) in entries {
            match link {
                true => out.add_symlink(*name, *text, options).unwrap(),
                false => {
                    out.start_file(*name, options).unwrap();
                    out.write_all(text.as_bytes()).unwrap();
                }
            }
        }
        out.finish().unwrap().into_inner()
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Tree, PackError> {
        super::read(name, bytes, &Limits::default())
    }

    #[test]
    fn both_kinds_become_the_same_tree() {
        use tar::EntryType as E;
        let tar = tar(&[
            ("w-1.0/", E::Directory, ""),
            ("w-1.0/pack.yaml", E::Regular, "ref: w\n"),
            ("./w-1.0/actions/a.sh", E::Regular, "echo\n"),
            ("w-1.0/.git/config", E::Regular, "x"),
        ]);
        let zip = zipped(&[
            ("w-1.0/pack.yaml", "ref: w\n", false),
            ("./w-1.0/actions/a.sh", "echo\n", false),
            ("w-1.0/.git/config", "x", false),
        ]);
        let (from_tar, from_zip) = (read("W.TGZ", &tar).unwrap(), read("w.zip", &zip).unwrap());
        let paths = |tree: &Tree| tree.iter().map(|(p, _)| p.to_string()).collect::<Vec<_>>();
        assert_eq!(paths(&from_tar), ["w-1.0/actions/a.sh", "w-1.0/pack.yaml"]);
        assert_eq!(paths(&from_tar), paths(&from_zip));
        assert!(from_tar.get("w-1.0/actions/a.sh").unwrap().executable);
    }

    #[test]
    fn what_leads_elsewhere_is_refused_with_its_name() {
        use tar::EntryType as E;
        let told = |name: &str, bytes: &[u8]| read(name, bytes).unwrap_err().to_string();
        insta::assert_snapshot!([
            told("a.tgz", &tar(&[("../x", E::Regular, "1")])),
            told("a.tgz", &tar(&[("/etc/x", E::Regular, "1")])),
            told("a.tgz", &tar(&[("x", E::Symlink, "")])),
            told("a.tgz", &tar(&[("x", E::Fifo, "")])),
            told("a.tgz", &tar(&[("x", E::Regular, "1"), ("x", E::Regular, "2")])),
            told("a.tgz", &tar(&[("x", E::Regular, "1"), ("X", E::Regular, "2")])),
            told("a.tgz", &tar(&[("../x/", E::Directory, "")])),
            told("a.zip", &zipped(&[("../x", "1", false)])),
            told("a.zip", &zipped(&[("x", "/etc/passwd", true)])),
            told("a.rar", b""),
        ].join("\n"), @r"
        `../x` in the archive `../x` has a part `.` or `..`: paths stay inside the package's folder
        `/etc/x` in the archive `/etc/x` is absolute: paths are relative to the package's folder
        `x` in the archive is a link or a special file
        `x` in the archive is a link or a special file
        `x` in the archive stands twice
        `x` in the archive is `X` on systems that fold case
        `../x/` in the archive `../x` has a part `.` or `..`: paths stay inside the package's folder
        the path at byte 37 is refused: `../x` has a part `.` or `..`: paths stay inside the package's folder
        `x` is a symbolic link (attributes 0xa1ff0000): only regular files are packed
        `a.rar` is no archive that is known: `.zip`, `.tar.gz` and `.tgz` are
        ");
        for (name, bytes) in
            [("a.zip", &b"PK"[..]), ("a.tgz", b"no gzip"), ("a.tgz", &gz(b"no tar"))]
        {
            let found = read(name, bytes);
            assert!(matches!(found, Err(PackError::Broken(_) | PackError::Zip(_))), "{name}");
        }
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let limits = Limits { unpacked_bytes: 1 << 20, entries: 3, ..Limits::default() };
        let big = "0".repeat(2 << 20);
        let e = tar::EntryType::Regular;
        for (name, bytes) in [
            ("a.tgz", tar(&[("x", e, &big)])),
            ("a.zip", zipped(&[("x", &big, false)])),
            ("a.tgz", tar(&[("a", e, ""), ("b", e, ""), ("c", e, ""), ("d", e, "")])),
        ] {
            let found = super::read(name, &bytes, &limits);
            let zip = matches!(found, Err(PackError::Zip(ArchiveError::Ratio { .. })));
            assert!(zip || matches!(found, Err(PackError::TooMuch(_))), "{name}: {found:?}");
        }
    }
}
