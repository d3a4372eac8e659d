//! `oversized-file`: one file is so large that everybody who fetches the package will notice. What
//! the registry does not allow at all is `limits`.

use super::{Draft, Facts, Rule, Severity};

pub(super) struct OversizedFile;

/// From here on a file is reported.
const LARGE_BYTES: usize = 10 << 20;

impl Rule for OversizedFile {
    fn id(&self) -> &'static str {
        "oversized-file"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "A file is larger than 10 MiB"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let allowed = |bytes: usize| bytes as u64 <= facts.limits.file_bytes;
        for (path, file) in facts.tree.iter() {
            let bytes = file.bytes.len();
            if bytes > LARGE_BYTES && allowed(bytes) {
                let mib = bytes as f64 / f64::from(1 << 20);
                let help =
                    "leave it out if the package works without it, or ship it as an attachment";
                found.push(
                    self.finding(format!("the file has {mib:.1} MiB"))
                        .file(path)
                        .about("size")
                        .help(help),
                );
            }
        }
    }
}
