//! `identifier-valid`: the package's name can be one, also in its own ecosystem, whose grammar may
//! be stricter than the registry's. It does not ask whether the name is taken.

use super::finding::quote;
use super::{About, Draft, Facts, Rule, Severity, problems};
use crate::identifier::Identifier;
use crate::manifest::Name;

pub(super) struct IdentifierValid;

impl Rule for IdentifierValid {
    fn id(&self) -> &'static str {
        "identifier-valid"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The package's name cannot be one"
    }
    fn binds_registry(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        problems(self, m, About::Name, found);
        let Some(name) = &m.name else { return };
        let Name::Full(identifier) = &name.value else { return };
        if m.format == "ato"
            && let Some(reason) = refused_by_ato(identifier)
        {
            let message = format!("{} cannot be used by `ato`: {reason}", quote(identifier));
            let help = "write `owner/name`: a GitHub owner, then lower-case letters, digits and `-`, \
                        a letter first, two characters or more";
            let draft = self.finding(message).file(&m.path).at(name.at);
            found.push(draft.about(identifier.to_string()).help(help));
        }
    }
}

/// Why `ato` cannot load an identifier, if it cannot.
fn refused_by_ato(identifier: &Identifier) -> Option<String> {
    let owner = identifier.owner();
    let hyphens = owner.starts_with('-') || owner.ends_with('-') || owner.contains("--");
    if owner.len() > 39 || hyphens || owner.contains('_') {
        return Some(format!("{} cannot be a GitHub owner", quote(owner)));
    }
    let fits = |part: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        part.len() >= 2 && part.as_bytes()[0].is_ascii_lowercase() && part.bytes().all(plain)
    };
    let part = identifier.parts().skip(1).find(|part| !fits(part))?;
    Some(format!("{} is not lower-case letters, digits and `-` with a letter first", quote(part)))
}
