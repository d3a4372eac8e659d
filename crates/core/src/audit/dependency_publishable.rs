//! `dependency-publishable`: everybody who installs the package can get its dependencies: none is a
//! folder, a git repository or an archive somewhere. A dependency that is needed only under a
//! condition is a warning, since the package works without it.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, target_text};
use crate::manifest::Target;

pub(super) struct DependencyPublishable;

impl Rule for DependencyPublishable {
    fn id(&self) -> &'static str {
        "dependency-publishable"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A dependency is not a package of a registry"
    }
    fn binds_registry(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        for dependency in &m.dependencies {
            let what = match &dependency.target {
                Target::Registry { .. } | Target::Native(_) => continue,
                Target::File { .. } => "is a folder on this machine",
                Target::Git { .. } => "is a git repository, which can change or vanish",
                Target::Url { .. } => "is an archive by address, which can change or vanish",
            };
            let known = match &dependency.target {
                Target::File { identifier, .. } | Target::Git { identifier, .. } => {
                    identifier.as_ref()
                }
                _ => None,
            };
            let help = match known {
                Some(identifier) => {
                    format!("publish {} and depend on its release", quote(identifier))
                }
                None => "publish it and depend on its release".to_owned(),
            };
            let text = target_text(&dependency.target);
            let conditional = dependency.condition.is_some();
            let severity = if conditional { Severity::Warning } else { Severity::Error };
            let draft = self.finding(format!("{} {what}", quote(&text))).severity(severity);
            let draft = draft.file(&m.path).about(text).help(help);
            found.push(match dependency.at {
                Some(at) => draft.at(at),
                None => draft,
            });
        }
    }
}
