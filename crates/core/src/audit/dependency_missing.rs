//! `dependency-missing`: the registry holds what the package depends on, in a version that fits. It is
//! silent where the registry was not asked, and a warning unless the audit is strict: a train may bring
//! the dependency along.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, target_text};
use crate::manifest::{Dependency, Place};

pub(super) struct DependencyMissing;

impl Rule for DependencyMissing {
    fn id(&self) -> &'static str {
        "dependency-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The registry does not hold a dependency"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let Some(registry) = facts.registry else { return };
        let m = facts.manifest;
        let severity = if facts.strict.is_some() { Severity::Error } else { self.severity() };
        let push = |draft: Draft, place: Option<Place>, found: &mut Vec<Draft>| {
            let draft = draft.severity(severity).file(&m.path);
            found.push(match place {
                Some(at) => draft.at(at),
                None => draft,
            });
        };
        for missing in &registry.missing_dependencies {
            let place = m
                .dependencies
                .iter()
                .find(|d| target_text(&d.target) == *missing)
                .and_then(|d| d.at);
            let draft = self
                .finding(format!("the registry does not hold {}", quote(missing)))
                .about(missing);
            push(
                draft.help("check the spelling, or publish it first or in the same train"),
                place,
                found,
            );
        }
        for (missing, wanted) in &registry.missing_releases {
            let same = |d: &&Dependency| {
                target_text(&d.target) == *missing
                    && d.requirement.as_ref().is_some_and(|r| r.text() == wanted)
            };
            let place = m.dependencies.iter().find(same).and_then(|d| d.at);
            let message = format!(
                "the registry holds no release of {} that fits {}",
                quote(missing),
                quote(wanted)
            );
            let draft = self.finding(message).about(format!("{missing} {wanted}"));
            push(
                draft.help(
                    "name a released version, or publish that one first or in the same train",
                ),
                place,
                found,
            );
        }
    }
}
