//! `license-file-missing`: the terms travel with the package. Most licences ask for that. Which
//! licence it is, the rule does not read.

use super::{Draft, Facts, Rule, Severity};

pub(super) struct LicenseFileMissing;

impl Rule for LicenseFileMissing {
    fn id(&self) -> &'static str {
        "license-file-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The package carries no licence file"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        if !facts.tree.iter().any(|(path, _)| is_license(path.as_str())) {
            let message = "no licence file at the root of the package";
            found.push(self.finding(message).help("add the text of the licence as `LICENSE`"));
        }
    }
}

/// `LICENSE`, `licence.md`, `COPYING.txt`, `LICENSE-MIT`, `LICENSES/MIT.txt` (the REUSE layout).
fn is_license(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    if lower.starts_with("licenses/") {
        return true;
    }
    let names = ["license", "licence", "copying", "unlicense"];
    let Some(rest) = names.iter().find_map(|name| lower.strip_prefix(name)) else { return false };
    // `license_server.py` is none: a suffix is a text's extension, or the name is in capitals.
    let capitals = path.bytes().take(7).all(|b| b.is_ascii_uppercase());
    let text =
        [".md", ".txt", ".rst", ".adoc", ".html", ".pdf"].iter().any(|end| rest.ends_with(end));
    !rest.contains('/')
        && (rest.is_empty() || (rest.starts_with(['.', '-', '_']) && (capitals || text)))
}
