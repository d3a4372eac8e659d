//! `special-file`: nothing in the package's folder is a device, a socket or a pipe.

use super::{Draft, Facts, OddityKind, Rule, Severity};

pub(super) struct SpecialFile;

impl Rule for SpecialFile {
    fn id(&self) -> &'static str {
        "special-file"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A path is a device, socket or pipe"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for oddity in facts.oddities {
            if let OddityKind::Special = &oddity.kind {
                let message = "this is a device, a socket or a pipe";
                found.push(
                    self.finding(message)
                        .file(&oddity.path)
                        .help("remove it: an archive holds regular files only"),
                );
            }
        }
    }
}
