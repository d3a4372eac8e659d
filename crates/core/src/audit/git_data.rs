//! `git-data`: no version control data ships. It holds every state that the files ever had, secrets
//! that were removed since included, and hooks that run code.

use std::collections::BTreeMap;

use super::finding::{count, quote};
use super::{Draft, Facts, OddityKind, Rule, Severity};
use crate::tree::PathError;

pub(super) struct GitData;

/// What other version control systems keep; `.git` cannot be in a tree at all.
const FOLDERS: [&str; 7] = [".hg", ".svn", ".bzr", ".jj", ".pijul", "_darcs", "CVS"];

impl Rule for GitData {
    fn id(&self) -> &'static str {
        "git-data"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "Version control data is among the files"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for oddity in facts.oddities {
            if matches!(oddity.kind, OddityKind::Path(PathError::Git(_))) {
                let help = "remove it; a submodule's or another checkout's files can stay";
                found.push(
                    self.finding("this is data of a git repository").file(&oddity.path).help(help),
                );
            }
        }
        let mut folders = BTreeMap::<String, usize>::new();
        for (path, _) in facts.tree.iter() {
            let mut length = 0;
            for part in path.folder().split('/') {
                length += part.len();
                if FOLDERS.contains(&part) {
                    *folders.entry(path.as_str()[..length].to_owned()).or_default() += 1;
                    break;
                }
                length += 1;
            }
        }
        for (folder, files) in folders {
            let message =
                format!("{} is version control data ({})", quote(&folder), count(files, "file"));
            found.push(
                self.finding(message).file(&folder).about(&folder).help("remove it, or ignore it"),
            );
        }
    }
}
