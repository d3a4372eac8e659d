//! `fppm-prefix`: F Prime's stock client would take the package for another of its owner, since the name
//! of one begins with that of the other. It is silent where the registry was not asked.

use super::{Draft, Facts, Rule, Severity};
use crate::fppm::clash;

pub(super) struct FppmPrefix;

impl Rule for FppmPrefix {
    fn id(&self) -> &'static str {
        "fppm-prefix"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "F Prime's client takes the package for another"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let Some(registry) = facts.registry else { return };
        let m = facts.manifest;
        for (short, long) in &registry.clashes {
            let draft = self.finding(clash::told(short, long)).file(&m.path);
            let draft = draft.about(format!("{short} {long}")).help(clash::HELP);
            found.push(match &m.name {
                Some(name) => draft.at(name.at),
                None => draft,
            });
        }
    }
}
