//! A snapshot: the files of a repository at one commit, as data that nobody checks out.
//!
//! A [`Listing`] says which files there are; it tells which few of them must be read to know the
//! packages ([`Listing::steering`]), and then which files each [`Located`] package is made of. So
//! only what is audited is ever read, and a package whose files are the same in two commits
//! ([`Located::print`]) not at all.

mod ignored;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::audit::{Oddity, OddityKind};
use crate::digest::{Digest, Hasher};
use crate::escape::printable;
use crate::formats::{self, FORMATS};
use crate::limits::Limits;
use crate::source::{self, Opened};
use crate::tree::{Tree, TreePath};

pub use ignored::IGNORE_FILE;
use ignored::{Ignored, is_ignore_file};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its one mode bit.
        executable: bool,
    },
    /// A symbolic link; its content is the target.
    Link,
    /// Another repository's commit.
    Submodule,
}

/// A path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Git's name of its content: hex digits.
    pub id: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Contents by path.
pub type Contents = HashMap<String, Arc<[u8]>>;

/// Every file of a commit; folders are not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    entries: BTreeMap<String, Entry>,
    /// Paths that are not UTF-8, made so.
    not_utf8: Vec<String>,
}

/// A package in a commit: its folder, and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// The folder, without a final `/`; empty at the root.
    pub folder: String,
    /// The paths that must be read, from the repository's root; once [`Listing::fill`] named them.
    pub files: Vec<String>,
    /// What lies there and cannot be in a package; as [`Located::files`].
    pub oddities: Vec<Oddity>,
    /// How many files it has.
    pub count: usize,
    /// The same for the same files.
    pub print: Digest,
    /// Their sizes together.
    pub bytes: u64,
}

/// Text that is no pattern for folders.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a folder of the repository nor a pattern like `packages/*`")]
pub struct PatternError(String);

impl Listing {
    /// Adds a path.
    pub fn insert(&mut self, path: String, entry: Entry) {
        self.entries.insert(path, entry);
    }

    /// Adds a path that is not UTF-8, and so has no name here: a package that holds it is told.
    pub fn insert_not_utf8(&mut self, path: &[u8]) {
        self.not_utf8.push(String::from_utf8_lossy(path).into_owned());
    }

    /// What stands at `path`.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// How many paths there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every path, in the order of their bytes.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The files that tell which packages there are and what belongs to them: manifests and ignore
    /// files. One over the limit of a manifest is left out.
    pub fn steering(&self, limits: &Limits) -> Vec<String> {
        let small = |entry: &Entry| {
            matches!(entry.kind, Kind::File { .. }) && entry.bytes <= limits.manifest_bytes as u64
        };
        let steers = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            is_ignore_file(path) || FORMATS.iter().any(|format| format.file() == name)
        };
        let steering = self.entries.iter().filter(|(path, entry)| steers(path) && small(entry));
        steering.map(|(path, _)| path.clone()).collect()
    }

    /// The packages, in the order of folders. `steering` holds the contents of [`Listing::steering`];
    /// `only` are folders or patterns as in `.gitignore` (`packages/*`), none admitting all.
    ///
    /// # Errors
    ///
    /// [`PatternError`] for a text that is no pattern.
    pub fn packages(
        &self,
        steering: &Contents,
        only: &[String],
        limits: &Limits,
    ) -> Result<Vec<Located>, PatternError> {
        let wanted = Wanted::new(only)?;
        let mut ignored = Ignored::of(steering);
        let mut manifests = Tree::default();
        for (path, bytes) in steering {
            if let (false, Ok(path)) = (is_ignore_file(path), path.parse::<TreePath>()) {
                manifests.insert(path, bytes.clone(), false);
            }
        }
        let found = formats::discover(&manifests).into_iter().map(|found| found.folder);
        let found = found.filter(|folder| wanted.admits(folder));
        Ok(found.map(|folder| self.located(folder, &mut ignored, limits)).collect())
    }

    /// Names the files of `packages`, of which there may be many: nested ones share theirs.
    pub fn fill(&self, steering: &Contents, packages: &mut [Located], limits: &Limits) {
        let mut ignored = Ignored::of(steering);
        for package in packages {
            let folder = package.folder.clone();
            let (mut files, mut oddities) = (Vec::new(), Vec::new());
            self.visit(&folder, &mut ignored, limits, |path, own, _, odd| match odd {
                Some(kind) => oddities.push(Oddity { path: printable(own), kind }),
                None => files.push(path.to_owned()),
            });
            (package.files, package.oddities) = (files, oddities);
        }
    }

    /// The first submodule in `folder` that no ignore file leaves out: part of the package there, and
    /// not of this repository.
    pub fn submodule(&self, folder: &str, steering: &Contents) -> Option<&str> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.entries.range(prefix.clone()..);
        let below = below.take_while(|(path, _)| path.starts_with(&prefix));
        let mut found = below.filter(|(_, entry)| entry.kind == Kind::Submodule).peekable();
        found.peek()?;
        let mut ignored = Ignored::of(steering);
        // A submodule is a folder: what counts is whether its files would be left out.
        let mut left_out = |path: &str| ignored.leaves_out(folder, &format!("{path}/.git"));
        found.map(|(path, _)| path.as_str()).find(|path| !left_out(path))
    }

    fn located(&self, folder: String, ignored: &mut Ignored, limits: &Limits) -> Located {
        let (mut count, mut bytes, mut hasher) = (0, 0, Hasher::default());
        self.visit(&folder, ignored, limits, |_, own, entry, odd| {
            hasher.update(own.as_bytes());
            if let Some(entry) = entry {
                hasher.update(format!("\0{:?}\0{}\0", entry.kind, entry.id).as_bytes());
                if odd.is_none() {
                    (count, bytes) = (count + 1, bytes + entry.bytes);
                }
            }
        });
        let (files, oddities, print) = (Vec::new(), Vec::new(), hasher.finish());
        Located { folder, files, oddities, count, print, bytes }
    }

    /// Shows everything of the package in `folder`: its path, its path in the package, what stands there,
    /// and why that cannot be packed.
    fn visit(
        &self,
        folder: &str,
        ignored: &mut Ignored,
        limits: &Limits,
        mut show: impl FnMut(&str, &str, Option<&Entry>, Option<OddityKind>),
    ) {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = self.entries.range(prefix.clone()..);
        for (path, entry) in below.take_while(|(path, _)| path.starts_with(&prefix)) {
            // A submodule is a folder, empty where nobody fetched it.
            if ignored.leaves_out(folder, path) || entry.kind == Kind::Submodule {
                continue;
            }
            let own = &path[prefix.len()..];
            let odd = match own.parse::<TreePath>() {
                Err(error) => Some(OddityKind::Path(error)),
                Ok(_) if entry.bytes > limits.file_bytes => Some(OddityKind::TooLarge(entry.bytes)),
                Ok(_) => None,
            };
            show(path, own, Some(entry), odd);
        }
        for path in self.not_utf8.iter().filter(|path| path.starts_with(&prefix)) {
            show(path, &path[prefix.len()..], None, Some(OddityKind::NotUtf8));
        }
    }
}

impl Located {
    /// Whether it is within `limits`: what is not cannot be published, and is not read.
    pub fn fits(&self, limits: &Limits) -> bool {
        self.count <= limits.entries as usize && self.bytes <= limits.unpacked_bytes
    }

    /// The package, from `contents` of its files; `None` where its manifest is not among them.
    pub fn open(&self, listing: &Listing, contents: &Contents) -> Option<Opened> {
        let from = if self.folder.is_empty() { 0 } else { self.folder.len() + 1 };
        let (mut tree, mut oddities) = (Tree::default(), self.oddities.clone());
        for path in &self.files {
            let (Some(entry), Some(bytes)) = (listing.get(path), contents.get(path)) else {
                continue;
            };
            let own = &path[from..];
            match (entry.kind, own.parse::<TreePath>()) {
                (Kind::File { executable }, Ok(own)) => {
                    tree.insert(own, bytes.clone(), executable);
                }
                (Kind::Link, _) => {
                    let target = String::from_utf8_lossy(bytes).into_owned();
                    let kind = OddityKind::Link(printable(&target));
                    oddities.push(Oddity { path: printable(own), kind });
                }
                _ => {}
            }
        }
        oddities.sort_by(|a, b| a.path.cmp(&b.path));
        source::open(PathBuf::from(&self.folder), tree, oddities, None)
    }
}

/// The folders that are meant: all, or those that a list of folders and patterns names.
pub struct Wanted {
    all: bool,
    root: bool,
    below: Gitignore,
}

impl Wanted {
    /// Reads folders or patterns as in `.gitignore` (`packages/*`); none admits all.
    ///
    /// # Errors
    ///
    /// [`PatternError`] for a text that is no pattern.
    pub fn new(only: &[String]) -> Result<Self, PatternError> {
        let (mut root, mut below) = (false, GitignoreBuilder::new(""));
        below.allow_unclosed_class(false);
        for text in only {
            let wrong = || PatternError(crate::escape::excerpt(text, 200));
            let plain = text.trim_start_matches("./").trim_matches('/');
            match plain {
                "" | "." => root = true,
                _ if text.starts_with('!') || plain.split('/').any(|part| part == "..") => {
                    return Err(wrong());
                }
                _ => {
                    below.add_line(None, &format!("/{plain}")).map_err(|_| wrong())?;
                }
            }
        }
        let below = below.build().map_err(|_| PatternError("the list".to_owned()))?;
        Ok(Self { all: only.is_empty(), root, below })
    }

    /// Whether `folder` (empty for the root) is meant.
    pub fn admits(&self, folder: &str) -> bool {
        let named = match folder {
            "" => self.root,
            folder => self.below.matched(folder, true).is_ignore(),
        };
        self.all || named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "package:\n  identifier: acme/sensor\n  version: 1.0.0\n";

    fn commit(files: &[(&str, &str)]) -> (Listing, Contents) {
        let (mut listing, mut contents) = (Listing::default(), Contents::new());
        for (path, text) in files {
            let kind = Kind::File { executable: false };
            let id = Digest::of(text.as_bytes()).hex();
            let entry = Entry { kind, id, bytes: text.len() as u64 };
            listing.insert((*path).to_owned(), entry);
            contents.insert((*path).to_owned(), text.as_bytes().into());
        }
        (listing, contents)
    }

    fn folders(files: &[(&str, &str)], only: &[&str]) -> Vec<String> {
        let (listing, contents) = commit(files);
        let only: Vec<_> = only.iter().map(|text| (*text).to_owned()).collect();
        let found = listing.packages(&contents, &only, &Limits::default()).unwrap();
        found.into_iter().map(|located| located.folder).collect()
    }

    #[test]
    fn packages_are_found_by_their_manifests_and_chosen_by_pattern() {
        let files = [
            ("packhouse.yaml", MANIFEST),
            ("packages/a/packhouse.yaml", MANIFEST),
            ("packages/b/ato.yaml", "package:\n  identifier: acme/b\n"),
            ("other/c/packhouse.yaml", MANIFEST),
            ("node_modules/x/packhouse.yaml", MANIFEST),
            ("pyproject.toml", "[tool.black]\n"),
        ];
        assert_eq!(folders(&files, &[]), ["", "other/c", "packages/a", "packages/b"]);
        assert_eq!(folders(&files, &["packages/*"]), ["packages/a", "packages/b"]);
        assert_eq!(folders(&files, &["./packages/a/", "other/c"]), ["other/c", "packages/a"]);
        assert_eq!(folders(&files, &["."]), [""]);
        let (listing, contents) = commit(&files);
        for wrong in ["!packages/a", "../x", "packages/[a"] {
            let only = [wrong.to_owned()];
            assert!(listing.packages(&contents, &only, &Limits::default()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_package_is_what_ignore_files_leave_and_changes_when_that_does() {
        let files = [
            (".gitignore", "*.log\n/build/\n"),
            ("packhouse.yaml", MANIFEST),
            ("build/out", "x"),
            ("a.log", "x"),
            ("src/build/kept", "x"),
            ("src/.packhouseignore", "!keep.log\nnotes\n"),
            ("src/keep.log", "x"),
            ("src/notes/deep", "x"),
        ];
        let located = |files: &[(&str, &str)]| {
            let (listing, contents) = commit(files);
            let mut found = listing.packages(&contents, &[], &Limits::default()).unwrap();
            listing.fill(&contents, &mut found, &Limits::default());
            found.remove(0)
        };
        let before = located(&files);
        assert_eq!(
            before.files,
            [
                ".gitignore",
                "packhouse.yaml",
                "src/.packhouseignore",
                "src/build/kept",
                "src/keep.log"
            ]
        );
        let mut other = files;
        other[3] = ("a.log", "y"); // ignored
        assert_eq!(located(&other).print, before.print);
        other[4] = ("src/build/kept", "y");
        assert_ne!(located(&other).print, before.print);
    }

    #[test]
    fn what_cannot_be_packed_is_told_and_not_read() {
        let (mut listing, mut contents) = commit(&[("p/packhouse.yaml", MANIFEST)]);
        let mut add = |path: &str, kind, bytes| {
            listing.insert(path.to_owned(), Entry { kind, id: "0".to_owned(), bytes });
        };
        add("p/link", Kind::Link, 9);
        add("p/sub", Kind::Submodule, 0);
        add("p/huge", Kind::File { executable: false }, 1 << 40);
        add("p/con.txt", Kind::File { executable: false }, 1);
        add("p/../../etc/passwd", Kind::File { executable: false }, 1);
        listing.insert_not_utf8(b"p/caf\xe9");
        listing.insert_not_utf8(b"elsewhere/caf\xe9");
        contents.insert("p/link".to_owned(), b"/etc/passwd"[..].into());
        let mut found = listing.packages(&contents, &[], &Limits::default()).unwrap();
        listing.fill(&contents, &mut found, &Limits::default());
        let located = found.remove(0);
        assert_eq!(listing.submodule("p", &contents), Some("p/sub"));
        assert_eq!(listing.submodule("elsewhere", &contents), None);
        contents.insert("p/.packhouseignore".to_owned(), b"/sub/\n"[..].into());
        assert_eq!(listing.submodule("p", &contents), None);
        assert_eq!(located.count, 2);
        assert_eq!(located.files, ["p/link", "p/packhouse.yaml"]);
        let Some(Opened::Package(source)) = located.open(&listing, &contents) else {
            panic!("a package");
        };
        let odd: Vec<_> = source.oddities.iter().map(|odd| odd.path.as_str()).collect();
        assert_eq!(odd, ["../../etc/passwd", "caf\u{fffd}", "con.txt", "huge", "link"]);
        assert_eq!(source.tree.len(), 1);
    }
}
