//! `dependency-pinned`: a dependency on a package of the registry says which version it needs.
//! Dependencies by an ecosystem's own name (Python's, for example) are that ecosystem's affair.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::manifest::Target;

pub(super) struct DependencyPinned;

impl Rule for DependencyPinned {
    fn id(&self) -> &'static str {
        "dependency-pinned"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A dependency does not say which version it needs"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        for dependency in &m.dependencies {
            let Target::Registry { identifier } = &dependency.target else { continue };
            let help = match (&dependency.requirement, m.format) {
                (None, "ato") => "add `release: x.y.z` with the version that you built with",
                (None, _) => "add a requirement, for example `^1.2.3`",
                // `ato` takes what it finds there as one exact version.
                (Some(requirement), "ato") if !requirement.is_exact() => "name one exact version",
                _ => continue,
            };
            let message = match &dependency.requirement {
                None => format!("{} takes whatever version is newest", quote(identifier)),
                Some(requirement) => format!(
                    "{} of {} is not one version",
                    quote(requirement.text()),
                    quote(identifier)
                ),
            };
            // `ato package verify` refuses it.
            let strict = facts.strict.is_some() && m.format == "ato";
            let severity = if strict { Severity::Error } else { self.severity() };
            let draft = self
                .finding(message)
                .severity(severity)
                .file(&m.path)
                .about(identifier.key())
                .help(help);
            found.push(match dependency.at {
                Some(at) => draft.at(at),
                None => draft,
            });
        }
    }
}
