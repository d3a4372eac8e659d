//! `bigraph-package`: a package of processes and steps that process-bigraph would not find, or not find
//! them apart: `bigraph-schema` or `process-bigraph` is not declared, or two classes have one name. It
//! looks at packages that need one of the two only.

use std::collections::BTreeMap;

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::python;

pub(super) struct BigraphPackage;

impl Rule for BigraphPackage {
    fn id(&self) -> &'static str {
        "bigraph-package"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "process-bigraph would not find all of the package's processes and steps"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        if m.format != "pyproject" || !python::is_bigraph(&m.original) {
            return;
        }
        for (name, help) in [
            ("bigraph-schema", "add it to `[project] dependencies`: packages are discovered by it"),
            (
                "process-bigraph",
                "add it to `[project] dependencies`: `Process` and `Step` are its classes",
            ),
        ] {
            if !python::declares(&m.original, name) {
                let draft = self.finding(format!("{} is not declared", quote(name)));
                found.push(draft.file(&m.path).about(name.to_owned()).help(help));
            }
        }
        let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let classes = m.exports.iter().filter(|e| matches!(e.kind.as_str(), "process" | "step"));
        for class in classes.clone() {
            let module = class.details.get("module").and_then(|module| module.as_str());
            places.entry(&class.name).or_default().push(module.unwrap_or_default());
        }
        for (name, modules) in places.iter().filter(|(_, modules)| modules.len() > 1) {
            let message = format!(
                "{} is the name of {} classes: in {}",
                quote(name),
                modules.len(),
                modules.iter().copied().map(quote).collect::<Vec<_>>().join(", ")
            );
            let help = "rename one: documents name a class by its short name, which then is either";
            found.push(self.finding(message).file(&m.path).about((*name).to_owned()).help(help));
        }
        if classes.count() == 0 {
            let message = "no importable class comes from process-bigraph's `Process` or `Step`";
            let help = "is the package in `src/`, or named in the build tool's table?";
            found.push(self.finding(message).severity(Severity::Note).file(&m.path).help(help));
        }
    }
}
