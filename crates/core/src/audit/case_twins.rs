//! `case-twins`: two paths differ only in case or Unicode form, so that unpacking on macOS or
//! Windows would overwrite one with the other. It does not look inside files.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct CaseTwins;

impl Rule for CaseTwins {
    fn id(&self) -> &'static str {
        "case-twins"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "Two paths differ only in case or Unicode form"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, twin) in facts.tree.twins() {
            let message = format!(
                "this is the same path as {} on systems that fold case and Unicode form",
                quote(&twin)
            );
            found.push(
                self.finding(message)
                    .file(path)
                    .about(twin)
                    .help("rename or remove one of the two"),
            );
        }
    }
}
