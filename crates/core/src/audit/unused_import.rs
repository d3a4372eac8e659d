//! `unused-import`: each name that an `.ato` file imports is used in it. A name in a comment or a string
//! does not count, nor does one that is only a piece of a longer word.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, circuit};

pub(super) struct UnusedImport;

impl Rule for UnusedImport {
    fn id(&self) -> &'static str {
        "unused-import"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A name is imported and not used"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, code) in circuit::code(facts) {
            let mut imported = std::collections::HashMap::<&str, u32>::new();
            for import in &code.imports {
                *imported.entry(&import.name).or_default() += 1;
            }
            let mut said = std::collections::HashSet::new();
            for import in &code.imports {
                let times = code.words.get(import.name.as_bytes()).copied().unwrap_or_default();
                let used = times > imported.get(import.name.as_str()).copied().unwrap_or_default();
                if !used && said.insert(&import.name) {
                    let draft =
                        self.finding(format!("{} is imported and not used", quote(&import.name)));
                    found
                        .push(draft.file(path).at(import.at).about(&import.name).help("remove it"));
                }
            }
        }
    }
}
