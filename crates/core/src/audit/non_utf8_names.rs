//! `non-utf8-names`: every file's name is UTF-8. Other names differ between systems and cannot be listed.

use super::{Draft, Facts, OddityKind, Rule, Severity};

pub(super) struct NonUtf8Names;

impl Rule for NonUtf8Names {
    fn id(&self) -> &'static str {
        "non-utf8-names"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A file's name is not UTF-8"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for oddity in facts.oddities {
            if let OddityKind::NotUtf8 = &oddity.kind {
                let message = "the name is not UTF-8";
                found.push(
                    self.finding(message)
                        .file(&oddity.path)
                        .help("rename the file: no two systems agree on what such a name is"),
                );
            }
        }
    }
}
