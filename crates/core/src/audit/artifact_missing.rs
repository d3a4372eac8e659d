//! `artifact-missing`: the last build of each target left what people look for: a 3D view, a bill of
//! materials, Gerber files and a STEP file. It does not look inside them, and is silent where the
//! caller did not list them or nothing was built at all.

use super::finding::quote;
use super::{BuildOutputs, Draft, Facts, Rule, Severity, circuit};

/// How the name of each artifact ends, and what it is.
const ARTIFACTS: [(&str, &str); 4] = [
    (".glb", "3D view"),
    (".bom.csv", "bill of materials"),
    ("gerber.zip", "Gerber files"),
    ("step", "STEP file"),
];

pub(super) struct ArtifactMissing;

impl Rule for ArtifactMissing {
    fn id(&self) -> &'static str {
        "artifact-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The last build of a target lacks an artifact"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let Some(build) = facts.strict.and_then(|strict| strict.build.as_ref()) else { return };
        if !build.exists {
            return;
        }
        let folder = BuildOutputs::folder(m);
        for target in circuit::targets(m) {
            let files = build.files.get(target).map(Vec::as_slice).unwrap_or_default();
            for (ending, what) in ARTIFACTS {
                if !files.iter().any(|file| file.ends_with(ending)) {
                    let folder = quote(format!("{folder}/{target}"));
                    let message = format!(
                        "the target {} has no {what}: no {} in {folder}",
                        quote(target),
                        quote(format!("*{ending}"))
                    );
                    let draft = circuit::at_target(self.finding(message), m, target);
                    found.push(
                        draft
                            .about(format!("{target} {ending}"))
                            .help("build it again with `ato build`, and keep what it leaves"),
                    );
                }
            }
        }
    }
}
