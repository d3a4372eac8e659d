//! `readme-missing`: the package has the README that its manifest names, and it says something.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};

pub(super) struct ReadmeMissing;

impl Rule for ReadmeMissing {
    fn id(&self) -> &'static str {
        "readme-missing"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The package has no README to show"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let readme = facts.manifest.readme.as_str();
        let wrong = match facts.tree.get(readme) {
            Some(file) if std::str::from_utf8(&file.bytes).is_err() => "is not UTF-8 text",
            Some(file) if file.bytes.iter().all(u8::is_ascii_whitespace) => "is empty",
            Some(_) => return,
            None => {
                let folded = readme.to_lowercase();
                let mut paths = facts.tree.iter().map(|(path, _)| path.as_str());
                let near = paths.find(|path| path.to_lowercase() == folded);
                let draft = self.finding(format!("{} is missing", quote(readme))).about(readme);
                found.push(match near {
                    Some(near) => {
                        draft.help(format!("rename {} or name it in the manifest", quote(near)))
                    }
                    None => draft.help("say in a few lines what the package is and how to use it"),
                });
                return;
            }
        };
        let draft = self.finding(format!("the README {} {wrong}", quote(readme))).file(readme);
        found.push(draft.help("say in a few lines what the package is and how to use it"));
    }
}
