//! `executable-bit`: a file is marked executable and is nothing that a system could run. Often a
//! whole checkout is, when it came from another file system.

use super::binary_surprise::program;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct ExecutableBit;

impl Rule for ExecutableBit {
    fn id(&self) -> &'static str {
        "executable-bit"
    }
    fn severity(&self) -> Severity {
        Severity::Note
    }
    fn summary(&self) -> &'static str {
        "A file is marked executable and cannot be run"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        for (path, file) in facts.tree.iter().filter(|(_, file)| file.executable) {
            if !file.bytes.starts_with(b"#!") && program(path.file_name(), &file.bytes).is_none() {
                let message =
                    "this is marked executable, but is neither a script with `#!` nor a program";
                found.push(
                    self.finding(message)
                        .file(path)
                        .help("`git update-index --chmod=-x` takes the mark away"),
                );
            }
        }
    }
}
