//! `links`: nothing in the package's folder is a symbolic link. Links are not followed: a target outside
//! of the folder would pack a stranger's file, and unpacking a link can write anywhere.

use super::finding::quote;
use super::{Draft, Facts, OddityKind, Rule, Severity};

pub(super) struct Links;

impl Rule for Links {
    fn id(&self) -> &'static str {
        "links"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A path is a symbolic link"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for oddity in facts.oddities {
            if let OddityKind::Link(target) = &oddity.kind {
                let message = format!("this is a link to {}", quote(target));
                found.push(self.finding(message).file(&oddity.path).help(
                    "put a copy of the file in its place: an archive holds regular files only",
                ));
            }
        }
    }
}
