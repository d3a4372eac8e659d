//! `export-missing`: the file of each thing that the package offers is among its files. A path may be
//! relative to a source folder of the format, so any file whose path ends like it will do. So is each file
//! that an `apl-project.json` lists to be packed.

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
            let relative = plain(path);
            // One below a source folder will do, too.
            let below =
                |file: &str| file.strip_suffix(relative).is_some_and(|rest| rest.ends_with('/'));
            let is_there = |file: &str| is_at(file, relative) || below(file);
            if relative.is_empty() || facts.tree.iter().any(|(file, _)| is_there(file.as_str())) {
                continue;
            }
            let message = format!(
                "the {} {} stands in {}, which is not there",
                export.kind,
                quote(&export.name),
                quote(path)
            );
            let draft =
                self.finding(message).file(&m.path).about(format!("{} {path}", export.name));
            let draft = draft.help(HELP);
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
        self.listed(facts, found);
    }
}

impl ExportMissing {
    /// The files and folders that a config of APL lists: APM itself packs nothing where one is missing.
    fn listed(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let Some(key) =
            ["packageFiles", "files"].into_iter().find(|key| m.original.get(key).is_some())
        else {
            return;
        };
        let list = m.original[key].as_array().filter(|_| m.format == "apl");
        for (nth, path) in list.into_iter().flatten().enumerate() {
            let Some(path) = path.as_str() else { continue };
            let relative = plain(path);
            if matches!(relative, "" | ".")
                || facts.tree.iter().any(|(f, _)| is_at(f.as_str(), relative))
            {
                continue;
            }
            let message = format!("`{key}` lists {}, which is not there", quote(path));
            let draft = self.finding(message).file(&m.path).about(format!("listed {path}"));
            let draft = draft.help(HELP);
            found.push(match m.places.get(&format!("{key}[{nth}]")) {
                Some(at) => draft.at(*at),
                None => draft,
            });
        }
    }
}

const HELP: &str = "correct the path, or add the file: is it ignored?";

/// A path as the tree has it.
fn plain(path: &str) -> &str {
    path.trim().trim_start_matches("./").trim_end_matches('/')
}

/// Whether a file is the one that is named, or lies below the folder that is.
fn is_at(file: &str, named: &str) -> bool {
    file == named || file.strip_prefix(named).is_some_and(|rest| rest.starts_with('/'))
}
