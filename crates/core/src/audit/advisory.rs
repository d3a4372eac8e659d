//! `advisory`: an advisory is about the package, or about a version that a dependency leads to. It is
//! silent where no advisories were given. It does not look at what dependencies need in their turn.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, target_text};
use crate::formats;
use crate::identifier::Identifier;
use crate::manifest::Name;
use crate::quality::{Match, Subject};
use crate::version::Version;

pub(super) struct Advisory;

impl Rule for Advisory {
    fn id(&self) -> &'static str {
        "advisory"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "An advisory is about the package or about what it needs"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let Some(advisories) = facts.advisories else { return };
        let m = facts.manifest;
        let owner = facts.source_repository.and_then(|name| name.split('/').next());
        let identifier = formats::package_identifier(m, owner).ok();
        let native = match m.name.as_ref().map(|name| &name.value) {
            Some(Name::Native(native)) => Some(native),
            _ => None,
        };
        let version = version(facts, identifier.as_ref());
        let none = Default::default();
        let subject = Subject {
            identifier: identifier.as_ref(),
            native,
            version: version.as_ref(),
            dependencies: &m.dependencies,
            held: facts.registry.map_or(&none, |registry| &registry.held),
        };
        for hit in advisories.about(&subject) {
            found.push(self.draft(facts, &hit));
        }
    }
}

impl Advisory {
    fn draft(&self, facts: &Facts, hit: &Match<'_>) -> Draft {
        let m = facts.manifest;
        let severity = match (hit.certain, facts.strict.is_some()) {
            (false, _) => Severity::Note,
            (true, true) => Severity::Error,
            (true, false) => self.severity(),
        };
        let id = &hit.advisory.id;
        let name = hit.dependency.map(|dependency| target_text(&dependency.target));
        let what = match (&name, hit.dependency.and_then(|d| d.requirement.as_ref())) {
            (None, _) => "this version".to_owned(),
            (Some(name), None) => format!("{}, in whatever version,", quote(name)),
            (Some(name), Some(requirement)) => quote(format!("{name} {requirement}")),
        };
        let how = match (&name, hit.certain) {
            (None, _) => "is affected by",
            (Some(_), true) => "leads to a version that is affected by",
            (Some(_), false) => "admits versions that are affected by",
        };
        let mut message = format!("{what} {how} {} ({})", quote(id), hit.affected);
        if !hit.advisory.summary.is_empty() {
            message.push_str(&format!(": {}", hit.advisory.summary));
        }
        let help = match (&hit.fixed, &name) {
            (Some(fixed), Some(_)) => format!("require {} or later", quote(fixed)),
            (Some(fixed), None) => {
                format!("{} mends it: publish that, or a later one", quote(fixed))
            }
            (None, _) => "no version is named that mends it: read the advisory".to_owned(),
        };
        let place = match hit.dependency {
            Some(dependency) => dependency.at,
            None => m.version.as_ref().map(|version| version.at),
        };
        let draft = self.finding(message).severity(severity).file(&m.path).help(help);
        let draft = draft.about(format!("{id} {}", name.unwrap_or_default()));
        match place {
            Some(at) => draft.at(at),
            None => draft,
        }
    }
}

/// The version that would be published.
fn version(facts: &Facts, identifier: Option<&Identifier>) -> Option<Version> {
    let m = facts.manifest;
    match (&m.version, facts.tag, identifier) {
        (Some(version), _, _) => Some(version.value.clone()),
        (None, Some(tag), Some(identifier)) if m.version_from_tag => {
            Version::from_tag(m.order, tag, identifier.rest()).ok()
        }
        _ => None,
    }
}
