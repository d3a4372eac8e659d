//! `kicad-library`: a block of kicad-tools names a library that neither it nor KiCad brings, so that its
//! users must have it from elsewhere. Whether a dependency brings it is not looked at: that is said.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::kicad::{Reference, is_standard};

pub(super) struct KicadLibrary;

impl Rule for KicadLibrary {
    fn id(&self) -> &'static str {
        "kicad-library"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The block needs a library that neither it nor KiCad brings"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        if m.format != "kicad" {
            return;
        }
        let named = m.requires.iter().filter_map(|e| Reference::of_external(&e.name));
        for reference in named.filter(|reference| !is_standard(reference)) {
            let (kind, name) = match &reference {
                Reference::Footprints(name) => ("footprints", name),
                Reference::Symbols(name) => ("symbols", name),
            };
            let file = match &reference {
                Reference::Footprints(name) => format!("{name}.pretty/"),
                Reference::Symbols(name) => format!("{name}.kicad_sym"),
            };
            let mut message =
                format!("the library of {kind} {} is not in the package", quote(name));
            if !m.dependencies.is_empty() {
                message.push_str("; whether a dependency brings it was not looked at");
            }
            let draft = self.finding(message).file(&m.path).about(reference.external());
            found.push(
                draft.help(format!("add {}, or say in the README where it is had", quote(&file))),
            );
        }
    }
}
