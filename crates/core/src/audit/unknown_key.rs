//! `unknown-key`: a key of the manifest is one that its format does not know, often a slip of the
//! pen. Never an error: the ecosystem's own tools may know more keys.

use super::{Draft, Facts, Rule, Severity, draft_problems};

pub(super) struct UnknownKey;

impl Rule for UnknownKey {
    fn id(&self) -> &'static str {
        "unknown-key"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The manifest has a key that its format does not know"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        draft_problems(self, facts.manifest, facts.manifest.unknown_keys.iter(), found);
    }
}
