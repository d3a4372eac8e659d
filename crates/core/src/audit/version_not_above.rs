//! `version-not-above`: the version is free, and newer than what the registry holds. It is silent
//! where the registry was not asked. Without a tag nothing is being released yet, so a version that
//! is taken is a warning then; the same content again is a rerun and no mistake.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct VersionNotAbove;

impl Rule for VersionNotAbove {
    fn id(&self) -> &'static str {
        "version-not-above"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The version is not above the newest released one"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let (Some(registry), Some(version)) = (facts.registry, &m.version) else { return };
        let same_order = registry.versions.iter().filter(|v| v.order() == version.value.order());
        let Some(newest) = same_order.clone().max() else { return };
        let taken = same_order.clone().any(|released| *released == version.value);
        let text = version.value.text();
        let (severity, message) = if taken {
            if registry.same_version.is_some_and(|held| held == facts.tree.digest()) {
                return;
            }
            let severity = if facts.tag.is_some() { Severity::Error } else { Severity::Warning };
            let other = if registry.same_version.is_some() { ", with other content" } else { "" };
            (severity, format!("{} is already released{other}", quote(text)))
        } else if version.value < *newest {
            (
                Severity::Warning,
                format!("{} is below {}, the newest release", quote(text), quote(newest)),
            )
        } else {
            return;
        };
        let help = format!("raise the version above {}", quote(newest));
        found.push(
            self.finding(message)
                .severity(severity)
                .file(&m.path)
                .at(version.at)
                .about(text)
                .help(help),
        );
    }
}
