//! `usage-import`: the target `usage` shows how others use the package, so its file imports what others
//! can: parts, the package itself and its dependencies by identifier. What `ato` brings along has no path.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, ato_code, circuit};

pub(super) struct UsageImport;

impl Rule for UsageImport {
    fn id(&self) -> &'static str {
        "usage-import"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "The usage example is missing, or imports what others do not have"
    }
    fn strict(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        if !circuit::is_circuit(facts) {
            return;
        }
        if !circuit::targets(m).any(|target| target == "usage") {
            let draft = self.finding("there is no build target `usage`").file(&m.path).about("target");
            found.push(draft.help("add for example `usage: {entry: usage.ato:Usage}` to `builds`"));
            return;
        }
        let Some((path, file)) = circuit::usage_file(facts) else {
            let draft = self.finding("the file of the target `usage` is not there");
            let draft = circuit::at_target(draft, m, "usage").about("file");
            found.push(draft.help("name a file of the package: `entry: usage.ato:Usage`"));
            return;
        };
        if file.bytes.len() > ato_code::MAX_BYTES {
            return;
        }
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
            let message = format!("{} is neither a part, the package itself nor one of its dependencies", quote(from));
            let help = match circuit::own(m) {
                Some(own) => format!("import as others do, for example from `{own}/file.ato`"),
                None => "import by identifier, as others do".to_owned(),
            };
            found.push(self.finding(message).file(&path).at(import.at).about(from).help(help));
        }
    }
}
