//! `manifest-field`: a field of the manifest is there and wrong. Names and versions have rules of
//! their own; a manifest that cannot be read at all is reported by [`super::broken`].

use super::{About, Draft, Facts, Rule, Severity, problems};

pub(super) struct ManifestField;

impl Rule for ManifestField {
    fn id(&self) -> &'static str {
        "manifest-field"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A field of the manifest has a value that it cannot have"
    }
    fn binds_registry(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        problems(self, facts.manifest, About::Other, found);
    }
}
