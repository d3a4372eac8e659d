//! `tag-mismatch`: the tag that is being released names the version of the manifest. It is silent
//! where no tag is being released, or where the policy does not bind versions to tags.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::manifest::Name;
use crate::version::Version;

pub(super) struct TagMismatch;

impl Rule for TagMismatch {
    fn id(&self) -> &'static str {
        "tag-mismatch"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The tag does not name the manifest's version"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let Some(tag) = facts.tag else { return };
        let name = match m.name.as_ref().map(|name| &name.value) {
            Some(Name::Full(identifier)) => identifier.rest(),
            Some(Name::Native(native)) => native.name.as_str(),
            None => "",
        };
        let named = Version::from_tag(m.order, tag, name);
        let draft = match (&m.version, named) {
            (Some(version), Ok(named)) if version.value == named => return,
            (None, Ok(_)) => return,
            (Some(version), Ok(named)) => self
                .finding(format!(
                    "the tag {} names {}, the manifest {}",
                    quote(tag),
                    quote(named),
                    quote(&version.value)
                ))
                .at(version.at)
                .help(format!(
                    "set the version to {}, or tag `v{}`",
                    quote(tag.trim_start_matches('v')),
                    version.value
                )),
            (Some(version), Err(_)) => self
                .finding(format!("the tag {} does not name {}", quote(tag), quote(&version.value)))
                .at(version.at)
                .help(format!("tag `v{}`", version.value)),
            (None, Err(error)) => self.finding(error.to_string()),
        };
        found.push(draft.file(&m.path).about(tag));
    }
}
