//! `dependency-missing`: the registry holds what the package depends on. It is silent where the
//! registry was not asked, and a warning only: a train may bring the dependency along.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, target_text};

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
        for missing in &registry.missing_dependencies {
            let here = |target| target_text(target) == *missing;
            let place = facts.manifest.dependencies.iter().find(|d| here(&d.target)).and_then(|d| d.at);
            let draft = self
                .finding(format!("the registry does not hold {}", quote(missing)))
                .file(&facts.manifest.path)
                .about(missing)
                .help("check the spelling, or publish it first or in the same train");
            found.push(match place {
                Some(at) => draft.at(at),
                None => draft,
            });
        }
    }
}
