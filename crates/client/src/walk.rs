//! A folder becomes a tree, the same on every machine: what git would keep, hidden files included.
//!
//! Left out is what `.gitignore` and `.packhouseignore` name (within a git checkout, those of the
//! folders above count, too), and the repository's own `.git`. A user's global ignore file does not count:
//! it is not part of the package. Nothing is followed, and nothing outside of the folder is read.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use packhouse_core::audit::{Oddity, OddityKind};
use packhouse_core::escape::printable;
use packhouse_core::limits::Limits;
use packhouse_core::snapshot::IGNORE_FILE;
use packhouse_core::tree::{Tree, TreeFile, TreePath};
use rayon::prelude::*;

use crate::error::ClientError;

/// What to take beside the defaults. Patterns are those of `.gitignore`.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Taken although an ignore file names them.
    pub include: Vec<String>,
    /// Left out although nothing names them.
    pub exclude: Vec<String>,
}

/// A folder that was read.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// The files.
    pub tree: Tree,
    /// What cannot be in a tree, in the order of paths.
    pub oddities: Vec<Oddity>,
}

/// Reads `folder` under `limits`.
///
/// # Errors
///
/// [`ClientError::Missing`] for a folder that is not there, [`ClientError::Usage`] for one that is none, a pattern that is none, and more files or bytes
/// than `limits` allow; [`ClientError::Io`] for what cannot be read.
pub fn walk(folder: &Path, choice: &Choice, limits: &Limits) -> Result<Walked, ClientError> {
    let metadata = fs_err::metadata(folder).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => ClientError::Missing {
            message: format!("there is no folder `{}`", shown(folder)),
            help: "look for a slip in its name".to_owned(),
        },
        _ => e.into(),
    })?;
    if !metadata.is_dir() {
        return Err(ClientError::usage(
            format!("`{}` is not a folder", shown(folder)),
            "name a folder",
        ));
    }
    let found = list(folder, choice, limits)?;
    let mut walked = Walked { tree: Tree::default(), oddities: found.oddities };
    let read: Vec<_> = found
        .files
        .par_iter()
        .map_init(Vec::new, |buffer, file| read(file, buffer, limits))
        .collect();
    let mut total = 0;
    for (file, read) in found.files.iter().zip(read) {
        match read? {
            Read::File(content) => {
                total += content.bytes.len() as u64;
                walked.tree.insert(file.path.clone(), content.bytes, content.executable);
            }
            Read::TooLarge(bytes) => {
                let kind = OddityKind::TooLarge(bytes);
                walked.oddities.push(Oddity { path: file.path.to_string(), kind });
            }
        }
    }
    if total > limits.unpacked_bytes {
        return Err(too_much(folder, format!("more than {} MiB", limits.unpacked_bytes >> 20)));
    }
    walked.oddities.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(walked)
}

/// A file that is to be read.
struct Listed {
    path: TreePath,
    on_disk: PathBuf,
}

#[derive(Default)]
struct Found {
    files: Vec<Listed>,
    oddities: Vec<Oddity>,
}

fn list(folder: &Path, choice: &Choice, limits: &Limits) -> Result<Found, ClientError> {
    let include = patterns(folder, &choice.include)?;
    let exclude = patterns(folder, &choice.exclude)?.map(Arc::new);
    let mut found = Found::default();
    pass(folder, true, exclude.as_ref(), |path, kind| {
        found.add(folder, path, kind)?;
        found.within(folder, limits)
    })?;
    if let Some(include) = &include {
        let known: HashSet<_> = found.files.iter().map(|file| file.on_disk.clone()).collect();
        pass(folder, false, exclude.as_ref(), |path, kind| {
            if !kind.is_dir() && names(include, path, false) && !known.contains(path) {
                found.add(folder, path, kind)?;
            }
            found.within(folder, limits)
        })?;
    }
    Ok(found)
}

/// Visits what lies in `folder`, files and folders, in any order.
fn pass(
    folder: &Path,
    ignoring: bool,
    exclude: Option<&Arc<Gitignore>>,
    mut visit: impl FnMut(&Path, std::fs::FileType) -> Result<(), ClientError>,
) -> Result<(), ClientError> {
    let mut walk = ignore::WalkBuilder::new(folder);
    walk.standard_filters(false).follow_links(false);
    if ignoring {
        // Ignore files above a package count only within its repository: a `.gitignore` in
        // somebody's home folder is no part of what they publish.
        let inside = in_repository(folder);
        walk.git_ignore(true).require_git(inside).parents(inside);
        walk.add_custom_ignore_filename(IGNORE_FILE);
    }
    let exclude = exclude.cloned();
    walk.filter_entry(move |entry| {
        // The repository's own `.git` is left out; another one is visited, so that it can be told,
        // and not what is in it.
        let git = entry.file_name() == ".git" && entry.depth() == 1;
        let in_git = entry.depth() > 1
            && entry.path().parent().and_then(Path::file_name).is_some_and(|name| name == ".git");
        let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
        let excluded = entry.depth() > 0
            && exclude.as_ref().is_some_and(|set| names(set, entry.path(), is_dir));
        !git && !in_git && !excluded
    });
    for entry in walk.build() {
        let entry = entry.map_err(|e| match e.into_io_error() {
            Some(e) => ClientError::Io(e),
            None => ClientError::usage(
                "an ignore file cannot be read",
                "look for a wrong pattern in it",
            ),
        })?;
        if let Some(kind) = entry.file_type().filter(|_| entry.depth() > 0) {
            visit(entry.path(), kind)?;
        }
    }
    Ok(())
}

impl Found {
    fn add(
        &mut self,
        folder: &Path,
        path: &Path,
        kind: std::fs::FileType,
    ) -> Result<(), ClientError> {
        let relative = path.strip_prefix(folder).unwrap_or(path);
        let Some(text) = slashed(relative) else {
            let path = printable(&relative.to_string_lossy());
            self.oddities.push(Oddity { path, kind: OddityKind::NotUtf8 });
            return Ok(());
        };
        let odd = if kind.is_symlink() {
            let target = fs_err::read_link(path)?;
            Some(OddityKind::Link(printable(&target.to_string_lossy())))
        } else if kind.is_dir() {
            // Folders are not packed; only one that is never part of a package is told.
            match text.parse::<TreePath>() {
                Err(e @ packhouse_core::tree::PathError::Git(_)) => Some(OddityKind::Path(e)),
                _ => return Ok(()),
            }
        } else if !kind.is_file() {
            Some(OddityKind::Special)
        } else {
            match text.parse::<TreePath>() {
                Ok(tree_path) => {
                    self.files.push(Listed { path: tree_path, on_disk: path.to_owned() });
                    None
                }
                Err(e) => Some(OddityKind::Path(e)),
            }
        };
        if let Some(kind) = odd {
            self.oddities.push(Oddity { path: printable(&text), kind });
        }
        Ok(())
    }

    /// Refuses to go on where the wrong folder was named, long before memory runs out.
    fn within(&self, folder: &Path, limits: &Limits) -> Result<(), ClientError> {
        let count = self.files.len() + self.oddities.len();
        if count > limits.entries as usize {
            return Err(too_much(folder, format!("more than {} files", limits.entries)));
        }
        Ok(())
    }
}

enum Read {
    File(TreeFile),
    TooLarge(u64),
}

/// Reads a file through `buffer`, whose memory serves one file after the other.
fn read(file: &Listed, buffer: &mut Vec<u8>, limits: &Limits) -> Result<Read, ClientError> {
    use std::io::Read as _;
    let mut opened = fs_err::File::open(&file.on_disk)?;
    let metadata = opened.metadata()?;
    if metadata.len() > limits.file_bytes {
        return Ok(Read::TooLarge(metadata.len()));
    }
    buffer.clear();
    buffer.reserve(metadata.len() as usize + 1);
    // A file may grow while it is read.
    (&mut opened).take(limits.file_bytes + 1).read_to_end(buffer)?;
    if buffer.len() as u64 > limits.file_bytes {
        return Ok(Read::TooLarge(buffer.len() as u64));
    }
    Ok(Read::File(TreeFile { bytes: buffer[..].into(), executable: is_executable(&metadata) }))
}

#[cfg(unix)]
pub(crate) fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
pub(crate) fn is_executable(_: &std::fs::Metadata) -> bool {
    false
}

/// A relative path with `/` between its parts; `None` where it is not UTF-8.
fn slashed(path: &Path) -> Option<String> {
    let parts: Option<Vec<_>> = path.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/"))
}

/// Whether `folder`, or one above it, is the root of a git checkout.
fn in_repository(folder: &Path) -> bool {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    absolute.ancestors().any(|above| above.join(".git").exists())
}

fn patterns(folder: &Path, globs: &[String]) -> Result<Option<Gitignore>, ClientError> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new(folder);
    for glob in globs {
        builder.add_line(None, glob).map_err(|e| {
            let message =
                format!("`{}` is not a pattern: {}", printable(glob), printable(&e.to_string()));
            ClientError::usage(
                message,
                "write it as in `.gitignore`, for example `*.step` or `/docs`",
            )
        })?;
    }
    let wrong = |_| ClientError::usage("the patterns are too many or too large", "use fewer");
    builder.build().map(Some).map_err(wrong)
}

/// Whether `set` names `path` or a folder above it.
fn names(set: &Gitignore, path: &Path, is_dir: bool) -> bool {
    set.matched_path_or_any_parents(path, is_dir).is_ignore()
}

fn too_much(folder: &Path, found: String) -> ClientError {
    ClientError::usage(
        format!("`{}` holds {found}", shown(folder)),
        format!(
            "name the package's own folder, or leave files out with `{IGNORE_FILE}` or `--exclude`"
        ),
    )
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        dir
    }

    fn paths(dir: &Path, choice: &Choice) -> Vec<String> {
        let walked = walk(dir, choice, &Limits::default()).unwrap();
        walked.tree.iter().map(|(path, _)| path.to_string()).collect()
    }

    #[test]
    fn hidden_files_ship_and_ignored_ones_do_not() {
        let dir = folder(&[
            (".hidden/x", ""),
            ("a", ""),
            (".gitignore", "build/\n*.log\n"),
            ("build/out", ""),
            ("x.log", ""),
            (".packhouseignore", "notes\n!keep.log\n"),
            ("notes", ""),
            ("keep.log", ""),
            (".git/config", ""),
            ("sub/.gitignore", "y\n"),
            ("sub/y", ""),
            ("sub/z", ""),
        ]);
        assert_eq!(
            paths(dir.path(), &Choice::default()),
            [
                ".gitignore",
                ".hidden/x",
                ".packhouseignore",
                "a",
                "keep.log",
                "sub/.gitignore",
                "sub/z"
            ]
        );
    }

    #[test]
    fn a_choice_wins_over_ignore_files() {
        let dir = folder(&[
            (".gitignore", "build/\n"),
            ("build/a.step", ""),
            ("build/b", ""),
            ("c/d", ""),
            ("e", ""),
        ]);
        let choice = Choice {
            include: vec!["build/*.step".to_owned()],
            exclude: vec!["/c".to_owned(), ".gitignore".to_owned()],
        };
        assert_eq!(paths(dir.path(), &choice), ["build/a.step", "e"]);
        let wrong = Choice { include: vec!["{a".to_owned()], exclude: vec![] };
        assert!(matches!(
            walk(dir.path(), &wrong, &Limits::default()),
            Err(ClientError::Usage { .. })
        ));
    }

    #[test]
    fn ignore_files_above_count_within_the_repository_only() {
        let dir = folder(&[
            (".gitignore", "*.tmp\n"),
            ("repo/.gitignore", "*.log\n"),
            ("repo/pkg/a.log", ""),
            ("repo/pkg/b.tmp", ""),
            ("repo/pkg/c", ""),
        ]);
        assert_eq!(
            paths(&dir.path().join("repo/pkg"), &Choice::default()),
            ["a.log", "b.tmp", "c"]
        );
        fs_err::create_dir(dir.path().join("repo/.git")).unwrap();
        assert_eq!(paths(&dir.path().join("repo/pkg"), &Choice::default()), ["b.tmp", "c"]);
    }

    #[cfg(unix)]
    #[test]
    fn what_cannot_be_packed_is_told() {
        use std::os::unix::ffi::OsStrExt as _;
        let dir = folder(&[("a", ""), ("sub/.git/config", ""), ("con.txt", ""), ("big", "12345")]);
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        std::os::unix::fs::symlink(".", dir.path().join("loop")).unwrap();
        fs_err::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff\x1b")), "").unwrap();
        let socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        let limits = Limits { file_bytes: 4, ..Limits::default() };
        let walked = walk(dir.path(), &Choice::default(), &limits).unwrap();
        drop(socket);
        assert_eq!(walked.tree.len(), 1);
        let table: Vec<_> =
            walked.oddities.iter().map(|o| format!("{}: {:?}", o.path, o.kind)).collect();
        insta::assert_snapshot!(table.join("\n"), @r#"
        big: TooLarge(5)
        con.txt: Path(Device("con.txt"))
        link: Link("/etc/passwd")
        loop: Link(".")
        socket: Special
        sub/.git: Path(Git("sub/.git"))
        �\u{1b}: NotUtf8
        "#);
    }

    #[cfg(unix)]
    #[test]
    fn the_executable_bit_is_the_owners() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = folder(&[("run", ""), ("text", "")]);
        let mode = |bits| std::fs::Permissions::from_mode(bits);
        fs_err::set_permissions(dir.path().join("run"), mode(0o700)).unwrap();
        fs_err::set_permissions(dir.path().join("text"), mode(0o655)).unwrap();
        let walked = walk(dir.path(), &Choice::default(), &Limits::default()).unwrap();
        assert!(
            walked.tree.get("run").unwrap().executable
                && !walked.tree.get("text").unwrap().executable
        );
    }

    #[test]
    fn the_wrong_folder_is_refused_early() {
        let dir = folder(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let few = Limits { entries: 2, ..Limits::default() };
        assert!(matches!(
            walk(dir.path(), &Choice::default(), &few),
            Err(ClientError::Usage { .. })
        ));
        let small = Limits { unpacked_bytes: 2, ..Limits::default() };
        assert!(matches!(
            walk(dir.path(), &Choice::default(), &small),
            Err(ClientError::Usage { .. })
        ));
        assert!(walk(&dir.path().join("a"), &Choice::default(), &few).is_err());
    }
}
