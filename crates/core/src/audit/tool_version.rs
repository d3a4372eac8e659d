//! `tool-version`: the tool that is here is one that the package says it works with. It is silent about
//! tools whose version the caller did not find out.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct ToolVersion;

impl Rule for ToolVersion {
    fn id(&self) -> &'static str {
        "tool-version"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The tool that is here is not one that the package works with"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        for external in &m.requires {
            let Some(here) = facts.tools.and_then(|tools| tools.get(&external.name)) else {
                continue;
            };
            let Some(requirement) = external.requirement.as_ref().filter(|r| !r.admits(here))
            else {
                continue;
            };
            let message = format!(
                "requires {} {}, here is {}",
                quote(&external.name),
                quote(requirement.text()),
                quote(here.text())
            );
            let draft = self.finding(message).file(&m.path).about(&external.name);
            found.push(
                match m.places.get(&format!("requires-{}", external.name)) {
                    Some(at) => draft.at(*at),
                    None => draft,
                }
                .help("install another version of it, or correct the requirement"),
            );
        }
    }
}
