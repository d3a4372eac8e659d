//! `export-missing`: the file of each thing that the package offers is among its files. A path may be
//! relative to a source folder of the format, so any file whose path ends like it will do.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct ExportMissing;

impl Rule for ExportMissing {
    fn id(&self) -> &'static str {
        "export-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A thing that the package offers stands in a file that is not there"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        // `kicad-file` looks at these more closely.
        if m.format == "kicad" {
            return;
        }
        for (nth, export) in m.exports.iter().enumerate() {
            let Some(path) = export.path.as_deref() else { continue };
            let relative = path.trim_start_matches("./").trim_end_matches('/');
            // The file itself, one below a source folder, or a file below the folder that is named.
            let same = |file: &str| {
                file == relative
                    || file.strip_suffix(relative).is_some_and(|rest| rest.ends_with('/'))
                    || file.strip_prefix(relative).is_some_and(|rest| rest.starts_with('/'))
            };
            if relative.is_empty() || facts.tree.iter().any(|(file, _)| same(file.as_str())) {
                continue;
            }
            let message = format!("the {} {} stands in {}, which is not there", export.kind, quote(&export.name), quote(path));
            let draft = self.finding(message).file(&m.path).about(format!("{} {path}", export.name));
            let draft = draft.help("correct the path, or add the file: is it ignored?");
            // Formats keep the places of list items and of `ato`'s builds.
            let keys = [
                format!("builds.{}.entry", export.name),
                format!("builds.{}", export.name),
                format!("exports[{nth}].path"),
                format!("exports[{nth}]"),
            ];
            found.push(match keys.iter().find_map(|key| m.places.get(key)) {
                Some(at) => draft.at(*at),
                None => draft,
            });
        }
    }
}
