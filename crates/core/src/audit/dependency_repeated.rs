//! `dependency-repeated`: a package depends on itself, or names one dependency twice under the same
//! condition, so that one of two requirements is silently lost.

use std::collections::HashSet;

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, target_text};
use crate::manifest::{Name, Target};

pub(super) struct DependencyRepeated;

impl Rule for DependencyRepeated {
    fn id(&self) -> &'static str {
        "dependency-repeated"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A dependency is named twice, or is the package itself"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let mut seen = HashSet::new();
        for dependency in &m.dependencies {
            let own = match (&dependency.target, m.name.as_ref().map(|name| &name.value)) {
                (Target::Registry { identifier }, Some(Name::Full(own))) => identifier == own,
                (Target::Native(target), Some(Name::Native(own))) => target == own,
                _ => false,
            };
            let text = target_text(&dependency.target);
            let key = match &dependency.target {
                Target::Registry { identifier } => identifier.key().to_owned(),
                _ => text.clone(),
            };
            let again = !seen.insert((key, dependency.condition.clone()));
            // A Python extra may pull in other extras of its own package: that is a common idiom.
            let (severity, message, help) = if own && dependency.condition.is_none() {
                (Severity::Error, format!("{} is the package itself", quote(&text)), "remove it")
            } else if again {
                (
                    Severity::Warning,
                    format!("{} is named twice", quote(&text)),
                    "keep one of the two",
                )
            } else {
                continue;
            };
            let draft =
                self.finding(message).severity(severity).file(&m.path).about(text).help(help);
            found.push(match dependency.at {
                Some(at) => draft.at(at),
                None => draft,
            });
        }
    }
}
