//! `windows-names`: every name exists on Windows, too: no device, no forbidden character, no ending
//! that Windows drops.

use super::{Draft, Facts, OddityKind, Rule, Severity};
use crate::tree::PathError;

pub(super) struct WindowsNames;

impl Rule for WindowsNames {
    fn id(&self) -> &'static str {
        "windows-names"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A name cannot exist on Windows"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for oddity in facts.oddities {
            let OddityKind::Path(error) = &oddity.kind else { continue };
            if matches!(
                error,
                PathError::Device(_) | PathError::Ending(_) | PathError::Character(..)
            ) {
                found.push(self.finding(error.to_string()).file(&oddity.path));
            }
        }
    }
}
