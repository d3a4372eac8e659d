//! `unsafe-path`: a path cannot leave the package's folder and fits into every system's limits.
//! Names that only Windows refuses are `windows-names`; repository data is `git-data`.

use super::{Draft, Facts, OddityKind, Rule, Severity};
use crate::tree::PathError;

pub(super) struct UnsafePath;

impl Rule for UnsafePath {
    fn id(&self) -> &'static str {
        "unsafe-path"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A path leaves the package's folder, or is too long or too deep"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for oddity in facts.oddities {
            let OddityKind::Path(error) = &oddity.kind else { continue };
            match error {
                PathError::Empty(_)
                | PathError::Absolute(_)
                | PathError::Dots(_)
                | PathError::Long(..)
                | PathError::Deep(..) => {
                    found.push(self.finding(error.to_string()).file(&oddity.path));
                }
                PathError::Git(_)
                | PathError::Device(_)
                | PathError::Ending(_)
                | PathError::Character(..) => {}
            }
        }
    }
}
