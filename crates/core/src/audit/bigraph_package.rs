//! `bigraph-package`: a package of processes and steps that process-bigraph would not find:
//! `bigraph-schema` or `process-bigraph` is not declared, or there are none. It looks at packages that
//! need one of the two only.

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
        let mut classes =
            m.exports.iter().filter(|e| matches!(e.kind.as_str(), "process" | "step"));
        if classes.next().is_none() {
            let message = "no importable class comes from process-bigraph's `Process` or `Step`";
            let help = "is the package in `src/`, or named in the build tool's table?";
            found.push(self.finding(message).severity(Severity::Note).file(&m.path).help(help));
        }
    }
}
