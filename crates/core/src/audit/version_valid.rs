//! `version-valid`: the version can be one in its format's order, and its own ecosystem's client
//! takes it. Whether it is free is `version-not-above`.

use super::finding::quote;
use super::{About, Draft, Facts, Rule, Severity, problems};

pub(super) struct VersionValid;

impl Rule for VersionValid {
    fn id(&self) -> &'static str {
        "version-valid"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The version cannot be one, or is not what it seems"
    }
    fn binds_registry(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        problems(self, m, About::Version, found);
        let Some(version) = &m.version else { return };
        let text = version.value.text();
        let mut say = |severity, message: String, help: String| {
            let draft = self.finding(message).severity(severity).file(&m.path).at(version.at);
            found.push(draft.about(text).help(help));
        };
        let plain = text.split('.').count() == 3
            && text.split('.').all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if m.format == "ato" && !plain {
            let message =
                format!("{} is not taken by `ato`, which knows three numbers only", quote(text));
            say(Severity::Error, message, "write for example `1.2.3`".to_owned());
        } else if let Some(build) = version.value.build() {
            let key = version.value.key();
            let message = format!(
                "{} and {} are one version: what follows `+` is only shown",
                quote(text),
                quote(key)
            );
            say(
                Severity::Note,
                message,
                format!("drop {} unless it is meant for readers", quote(format!("+{build}"))),
            );
        }
        if text == "0.0.0" {
            let message =
                "`0.0.0` is what templates put in, not a version that somebody chose".to_owned();
            say(Severity::Warning, message, "begin with `0.1.0`".to_owned());
        }
    }
}
