//! `kicad-file`: each file that a block of kicad-tools lists is there, and begins as its ending says. It is
//! read as far as its head, `(kicad_sch (version …)`; what KiCad makes of the rest is not looked at.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::kicad::{Kind, header};
use crate::tree::TreePath;

pub(super) struct KicadFile;

impl Rule for KicadFile {
    fn id(&self) -> &'static str {
        "kicad-file"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "A file that the block lists is missing, or is not what its ending says"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        if m.format != "kicad" {
            return;
        }
        for export in &m.exports {
            let Some(path) = export.path.as_deref() else { continue };
            let Some(file) = facts.tree.get(path) else {
                let message = format!(
                    "the {} {} stands in {}, which is not there",
                    export.kind,
                    quote(&export.name),
                    quote(path)
                );
                let draft = self.finding(message).file(&m.path).about(path);
                found.push(draft.help("correct the path, or add the file: is it ignored?"));
                continue;
            };
            let Some(kind) = Kind::of(path) else {
                if export.kind != "block" {
                    let wanted = if export.kind == "symbol" { "kicad_sym" } else { "kicad_mod" };
                    let message = format!(
                        "the {} {} stands in {}, which is no `.{wanted}`",
                        export.kind,
                        quote(&export.name),
                        quote(path)
                    );
                    found.push(
                        self.finding(message)
                            .file(&m.path)
                            .about(path)
                            .help("list files of KiCad, or `Library:Item`"),
                    );
                }
                continue;
            };
            if let (Err(error), Ok(path)) = (header(kind, &file.bytes), path.parse::<TreePath>()) {
                let draft = self.finding(error.message).file(&path).at(error.at);
                found.push(draft.help("save it with KiCad 6 or later"));
            }
        }
    }
}
