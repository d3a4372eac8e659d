//! `usage-import`: the target `usage` shows how others use the package, so its file imports what others
//! can: parts, the package itself and its dependencies by identifier. What `ato` brings along has no path.
//! That there is no such target is said where the strict rules were asked for only.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, ato_code, circuit};
use crate::tree::TreeFile;

pub(super) struct UsageImport;

impl Rule for UsageImport {
    fn id(&self) -> &'static str {
        "usage-import"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The usage example is missing, or imports what others do not have"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        if !circuit::is_circuit(facts) {
            return;
        }
        match usage(facts) {
            Ok((path, file)) => self.imports(facts, &path, file, found),
            Err((about, message, help)) if facts.strict.is_some() => {
                let draft = self.finding(message).severity(Severity::Error);
                let draft = circuit::at_target(draft, facts.manifest, "usage");
                found.push(draft.about(about).help(help));
            }
            Err(_) => {}
        }
    }
}

/// The file of the target; else what lacks, in general, in this package, and what would be right.
fn usage<'a>(
    facts: &Facts<'a>,
) -> Result<(String, &'a TreeFile), (&'static str, &'static str, &'static str)> {
    if !circuit::targets(facts.manifest).any(|target| target == "usage") {
        let help = "add for example `usage: {entry: usage.ato:Usage}` to `builds`";
        return Err(("target", "there is no build target `usage`", help));
    }
    let help = "name a file of the package: `entry: usage.ato:Usage`";
    let missing = ("file", "the file of the target `usage` is not there", help);
    circuit::usage_file(facts).ok_or(missing)
}

impl UsageImport {
    /// What the file imports that others cannot.
    fn imports(&self, facts: &Facts, path: &str, file: &TreeFile, found: &mut Vec<Draft>) {
        if file.bytes.len() > ato_code::MAX_BYTES {
            return;
        }
        let severity = match facts.strict {
            Some(_) => Severity::Error,
            None => self.severity(),
        };
        let m = facts.manifest;
        let two = |text: &str| text.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        let known: Vec<_> = circuit::identifiers(m).iter().map(|id| two(id)).collect();
        let mut last = None;
        for import in ato_code::read(&file.bytes).imports {
            let Some(from) = &import.path else { continue };
            // One statement may import many names from one path.
            if from.starts_with("parts/") || known.contains(&two(from)) || last == Some(import.at) {
                continue;
            }
            last = Some(import.at);
            let message = format!(
                "{} is neither a part, the package itself nor one of its dependencies",
                quote(from)
            );
            let help = match circuit::own(m) {
                Some(own) => format!("import as others do, for example from `{own}/file.ato`"),
                None => "import by identifier, as others do".to_owned(),
            };
            let draft = self.finding(message).severity(severity).file(path);
            found.push(draft.at(import.at).about(from).help(help));
        }
    }
}
