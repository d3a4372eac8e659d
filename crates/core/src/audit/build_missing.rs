//! `build-missing`: the package was built where it is audited. Only whether the folder of builds is there
//! is looked at; it is silent where the caller did not look for it.

use super::finding::quote;
use super::{BuildOutputs, Draft, Facts, Rule, Severity, circuit};

pub(super) struct BuildMissing;

impl Rule for BuildMissing {
    fn id(&self) -> &'static str {
        "build-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The package was not built"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let Some(build) = facts.strict.and_then(|strict| strict.build.as_ref()) else { return };
        if !build.exists && circuit::targets(m).next().is_some() {
            let folder = BuildOutputs::folder(m);
            let draft =
                self.finding(format!("there is no folder {}", quote(&folder))).file(&m.path);
            found.push(draft.about(folder).help("build it with `ato build`"));
        }
    }
}
