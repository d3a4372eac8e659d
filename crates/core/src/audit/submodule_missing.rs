//! `submodule-missing`: the submodules that `.gitmodules` names were checked out. Git leaves an empty
//! folder in their place otherwise, and an archive of files does not even have that.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::manifest::Place;

pub(super) struct SubmoduleMissing;

impl Rule for SubmoduleMissing {
    fn id(&self) -> &'static str {
        "submodule-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A submodule was not checked out"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let Some(text) = facts.tree.text(".gitmodules") else { return };
        for (line, content) in (1..).zip(text.lines()) {
            let Some((key, path)) = content.split_once('=') else { continue };
            let path = path.trim().trim_matches('"').trim_end_matches('/');
            if key.trim() != "path" || path.is_empty() {
                continue;
            }
            let below =
                |file: &str| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
            if !facts.tree.iter().any(|(file, _)| below(file.as_str())) {
                let draft =
                    self.finding(format!("the submodule {} has no files here", quote(path)));
                let help = "run `git submodule update --init`; in a workflow, set `submodules: true` for the checkout";
                found.push(
                    draft.file(".gitmodules").at(Place { line, column: 1 }).about(path).help(help),
                );
            }
        }
    }
}
