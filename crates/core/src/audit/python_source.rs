//! `python-source`: a source file of a package for process-bigraph is not understood, so its processes
//! and steps may not be listed: it is no Python, or the base of a class cannot be followed. It looks at
//! importable files only, and runs nothing.

use super::{Draft, Facts, Rule, Severity};

pub(super) struct PythonSource;

impl Rule for PythonSource {
    fn id(&self) -> &'static str {
        "python-source"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A class or a file of Python could not be understood"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for remark in &facts.manifest.remarks {
            let file = remark.file.as_ref().unwrap_or(&facts.manifest.path);
            let draft = self.finding(&remark.message).file(file).at(remark.at);
            found.push(draft.help(&remark.help));
        }
    }
}
