//! `complete`: what people and resolvers need of a manifest is there. Whether it is right is for
//! other rules to say; a field that is there and wrong is not missing.

use super::{About, Draft, Facts, Rule, Severity, about, fields};

pub(super) struct Complete;

impl Rule for Complete {
    fn id(&self) -> &'static str {
        "complete"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The manifest lacks something that a published package needs"
    }
    fn binds_registry(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let wrong = |kind| m.problems.iter().any(|problem| about(m, problem) == kind);
        let names = fields(m.format);
        // `ato` itself refuses to publish without a repository.
        let repository = if m.format == "ato" { Severity::Error } else { Severity::Warning };
        let needs = [
            (m.name.is_some() || wrong(About::Name), Severity::Error, "name", names[0]),
            (
                m.version.is_some() || m.version_from_tag || wrong(About::Version),
                Severity::Error,
                "version",
                names[1],
            ),
            (m.repository.is_some(), repository, "repository", names[2]),
            (m.license.is_some(), Severity::Warning, "licence", names[3]),
            (m.summary.is_some(), Severity::Warning, "summary", names[4]),
        ];
        for (there, severity, what, field) in needs {
            let leaf = |field: &str| field.rsplit('.').next().map(str::to_owned);
            let spoken_of = m
                .problems
                .iter()
                .any(|p| field.split(" and ").any(|field| leaf(&p.field) == leaf(field)));
            let field = field.replace(" and ", "` and `");
            if !there && !spoken_of && !field.is_empty() {
                let draft = self.finding(format!("the package has no {what}")).severity(severity);
                found.push(
                    draft.file(&m.path).about(what).help(format!("set `{field}` in `{}`", m.path)),
                );
            }
        }
    }
}
