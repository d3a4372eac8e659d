//! `name-clash`: process-bigraph could take one thing for another: two classes of a package have one
//! name, a class has the name of one of process-bigraph's own, or a module stands in for
//! process-bigraph's or bigraph-schema's. It looks at packages that need one of the two only.

use std::collections::BTreeMap;

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::manifest::Name;
use crate::python::{self, PROCESS_BIGRAPH};

pub(super) struct NameClash;

impl Rule for NameClash {
    fn id(&self) -> &'static str {
        "name-clash"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "Two things of process-bigraph have one name"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        if m.format != "pyproject" || !python::is_bigraph(&m.original) {
            return;
        }
        // process-bigraph itself has its names by right.
        let own = match m.name.as_ref().map(|name| &name.value) {
            Some(Name::Native(name)) => name.name.replace('-', "_"),
            _ => String::new(),
        };
        let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for class in m.exports.iter().filter(|e| matches!(e.kind.as_str(), "process" | "step")) {
            let module = class.details.get("module").and_then(|module| module.as_str());
            places.entry(&class.name).or_default().push(module.unwrap_or_default());
        }
        let mut say = |severity, about: &str, message: String, help: &str| {
            let draft = self.finding(message).severity(severity).file(&m.path);
            found.push(draft.about(about.to_owned()).help(help));
        };
        for (name, modules) in &places {
            if modules.len() > 1 {
                let all = modules.iter().copied().map(quote).collect::<Vec<_>>().join(", ");
                let message =
                    format!("{} is the name of {} classes: in {all}", quote(name), modules.len());
                let help =
                    "rename one: documents name a class by its short name, which then is either";
                say(Severity::Warning, name, message, help);
            }
            let known = PROCESS_BIGRAPH.classes.iter().find(|known| known.name == *name);
            if let Some(known) = known.filter(|_| own != "process_bigraph") {
                let message = format!(
                    "{} is the name of a class of process-bigraph, too: {}",
                    quote(name),
                    quote(known.full())
                );
                let help =
                    "rename it, or name it by its full name: the short one may mean the other";
                say(Severity::Note, name, message, help);
            }
        }
        for taken in ["bigraph_schema", "process_bigraph"].into_iter().filter(|name| *name != own) {
            for path in ["", "src/"].map(|folder| format!("{folder}{taken}/__init__.py")) {
                if facts.tree.get(path.as_str()).is_some() {
                    let message =
                        format!("{} stands in for the module {}", quote(&path), quote(taken));
                    let help =
                        "move it into a package of your own: installed, one overwrites the other";
                    say(Severity::Warning, taken, message, help);
                }
            }
        }
    }
}
