//! `conflict-markers`: no file holds an unfinished merge. All three marks must be there, in order,
//! at the start of lines: one alone may be a heading or a test.

use rayon::prelude::*;

use super::text::{is_text, place_of};
use super::{Draft, Facts, Rule, Severity};

pub(super) struct ConflictMarkers;

impl Rule for ConflictMarkers {
    fn id(&self) -> &'static str {
        "conflict-markers"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A file holds an unfinished merge"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let files: Vec<_> = facts.tree.iter().collect();
        let conflicts: Vec<_> =
            files.par_iter().map(|(_, file)| first_conflict(&file.bytes)).collect();
        for ((path, file), conflict) in files.into_iter().zip(conflicts) {
            if let Some(offset) = conflict {
                let draft = self.finding("an unfinished merge begins here").file(path);
                found.push(
                    draft
                        .at(place_of(&file.bytes, offset))
                        .help("resolve it, and remove the marks"),
                );
            }
        }
    }
}

/// Where the first conflict of a text begins.
fn first_conflict(bytes: &[u8]) -> Option<usize> {
    let start = find_line(bytes, b"<<<<<<< ", 0)?;
    let middle = find_line(bytes, b"=======", start)?;
    find_line(bytes, b">>>>>>> ", middle)?;
    is_text(bytes).then_some(start)
}

/// The first line from `from` on that starts with `mark`.
fn find_line(bytes: &[u8], mark: &[u8], from: usize) -> Option<usize> {
    let finds = memchr::memmem::find_iter(&bytes[from..], mark).map(|at| from + at);
    finds.into_iter().find(|&at| at == 0 || bytes[at - 1] == b'\n')
}
