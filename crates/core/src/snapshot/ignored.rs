//! What ignore files leave out of a package, decided from texts alone.
//!
//! `.packhouseignore` weighs more than `.gitignore`, a deeper file more than one above it, and what
//! lies in a folder that is left out is out, as where a folder on a disk is walked.

use std::collections::{BTreeMap, HashMap};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::Contents;

/// The ignore file that only Packhouse reads; its syntax is that of `.gitignore`.
pub const IGNORE_FILE: &str = ".packhouseignore";

/// The ignore files of a repository, in their order of weight.
const NAMES: [&str; 2] = [IGNORE_FILE, ".gitignore"];

/// Whether `path` is an ignore file.
pub(super) fn is_ignore_file(path: &str) -> bool {
    NAMES.contains(&path.rsplit('/').next().unwrap_or(path))
}

/// All ignore files of a repository.
pub(super) struct Ignored {
    /// By name and folder.
    files: BTreeMap<(&'static str, String), Gitignore>,
    /// Folders that were asked about.
    known: HashMap<String, bool>,
}

impl Ignored {
    /// Reads the ignore files among `contents`; a line that is no pattern counts for nothing, as in git.
    pub(super) fn of(contents: &Contents) -> Self {
        let mut files = BTreeMap::new();
        for (path, bytes) in contents.iter().filter(|(path, _)| is_ignore_file(path)) {
            let Ok(text) = std::str::from_utf8(bytes) else { continue };
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path.as_str()));
            let Some(name) = NAMES.into_iter().find(|known| *known == name) else { continue };
            let mut builder = GitignoreBuilder::new(folder);
            for line in text.lines() {
                let _ = builder.add_line(None, line);
            }
            if let Ok(built) = builder.build() {
                files.insert((name, folder.to_owned()), built);
            }
        }
        Self { files, known: HashMap::new() }
    }

    /// Whether the file `path` is left out of the package in `package`.
    pub(super) fn leaves_out(&mut self, package: &str, path: &str) -> bool {
        // The package's own folder is not asked about: whoever names it means it.
        let from = if package.is_empty() { 0 } else { package.len() + 1 };
        let slashes = path.match_indices('/').map(|(at, _)| at).filter(|at| *at > from);
        for at in slashes.collect::<Vec<_>>() {
            let folder = &path[..at];
            let out = match self.known.get(folder) {
                Some(out) => *out,
                None => {
                    let out = self.names(folder, true);
                    self.known.insert(folder.to_owned(), out);
                    out
                }
            };
            if out {
                return true;
            }
        }
        self.names(path, false)
    }

    fn names(&self, path: &str, is_folder: bool) -> bool {
        for name in NAMES {
            let mut folder = path;
            loop {
                folder = folder.rsplit_once('/').map_or("", |(above, _)| above);
                if let Some(file) = self.files.get(&(name, folder.to_owned())) {
                    let rest = path[folder.len()..].trim_start_matches('/');
                    match file.matched(rest, is_folder) {
                        ignore::Match::None => {}
                        found => return found.is_ignore(),
                    }
                }
                if folder.is_empty() {
                    break;
                }
            }
        }
        false
    }
}
