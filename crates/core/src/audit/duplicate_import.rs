//! `duplicate-import`: no `.ato` file imports one name from one place twice.

use std::collections::HashSet;

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, circuit};

pub(super) struct DuplicateImport;

impl Rule for DuplicateImport {
    fn id(&self) -> &'static str {
        "duplicate-import"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A name is imported twice"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, code) in circuit::code(facts) {
            let mut seen = HashSet::new();
            for import in &code.imports {
                if !seen.insert((&import.name, &import.path)) {
                    let draft =
                        self.finding(format!("{} is imported a second time", quote(&import.name)));
                    found.push(
                        draft
                            .file(path)
                            .at(import.at)
                            .about(&import.name)
                            .help("keep one of the two"),
                    );
                }
            }
        }
    }
}
