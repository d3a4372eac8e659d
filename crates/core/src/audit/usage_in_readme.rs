//! `usage-in-readme`: the README shows the whole file of the target `usage`, byte for byte, so that what
//! people copy is what was built. Where there is no such file, `usage-import` says so.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, circuit};

const README: &str = "README.md";

pub(super) struct UsageInReadme;

impl Rule for UsageInReadme {
    fn id(&self) -> &'static str {
        "usage-in-readme"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The README does not show the usage example"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let Some(readme) = facts.tree.get(README) else { return };
        let Some((path, usage)) = circuit::usage_file(facts) else { return };
        if memchr::memmem::find(&readme.bytes, &usage.bytes).is_none() {
            let message = format!("does not hold {} as it is", quote(&path));
            let draft = self.finding(message).file(README).about(&path);
            found.push(
                draft.help("put the whole file into a code block, and renew it with each change"),
            );
        }
    }
}
