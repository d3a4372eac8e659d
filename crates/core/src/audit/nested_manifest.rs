//! `nested-manifest`: another package's manifest lies in a folder below. Either that package is
//! packed twice, or its files are here by mistake.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct NestedManifest;

impl Rule for NestedManifest {
    fn id(&self) -> &'static str {
        "nested-manifest"
    }
    fn severity(&self) -> Severity {
        Severity::Note
    }
    fn summary(&self) -> &'static str {
        "Another package lies in a folder of this one"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let own = &facts.manifest.path;
        let below =
            if own.folder().is_empty() { String::new() } else { format!("{}/", own.folder()) };
        for (path, _) in facts.tree.iter() {
            if path != own
                && path.file_name() == own.file_name()
                && path.as_str().starts_with(&below)
            {
                let draft = self.finding(format!("{} is another package's manifest", quote(path)));
                // `ato` itself leaves such a file out, so its packages differ from ours.
                let severity =
                    if facts.manifest.format == "ato" { Severity::Warning } else { Severity::Note };
                let help = format!(
                    "publish {} as a package of its own, or leave it out",
                    quote(path.folder())
                );
                found.push(draft.severity(severity).file(path).about("manifest").help(help));
            }
        }
    }
}
