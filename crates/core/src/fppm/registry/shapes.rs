//! The shapes of a registry that people are known to write, and what each of them is told.

use std::collections::HashMap;

use super::{Entry, Registry, push};
use crate::formats::fields::At;
use crate::formats::value::{Source, Value, shown};
use crate::fppm::reference::{is_hex, is_reference};
use crate::fppm::text::scalar;
use crate::fppm::{Shortname, quoted};
use crate::manifest::Place;

/// The longest git address that is read, in bytes.
const ADDRESS_BYTES: usize = 2_000;

/// Reads on and on, and keeps what it could read and what it could not.
pub(super) struct Reader<'s, 'a> {
    pub(super) source: &'s Source<'a>,
    pub(super) registry: Registry,
}

impl Reader<'_, '_> {
    pub(super) fn error(
        &mut self,
        field: &str,
        at: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        push(&mut self.registry.errors, field, at, message.into(), help.into());
    }

    fn warn(
        &mut self,
        field: &str,
        at: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        push(&mut self.registry.warnings, field, at, message.into(), help.into());
    }

    /// A scalar's text as written; where it `must` be a text, one that YAML 1.1 takes for something else
    /// is told.
    pub(super) fn text(&mut self, at: &At, must: bool) -> Option<String> {
        let Some((text, is_text)) = scalar(self.source, at.node) else {
            let message = format!("is {}, it should be a text", at.node.kind());
            self.error(&at.path, at.node.at, message, "write one text, in quotes");
            return None;
        };
        if must && !is_text {
            let message = format!(
                "`{}` is no text to YAML 1.1, and the stock client fails on it",
                shown(&text)
            );
            self.warn(&at.path, at.node.at, message, format!("quote it: `{}`", quoted(&text)));
        }
        Some(text)
    }

    /// A list of maps from namespaces to packages; a map of them is understood, too.
    pub(super) fn namespaces(&mut self, at: &At) {
        match &at.node.value {
            Value::List(_) => {
                for item in at.items() {
                    match &item.node.value {
                        Value::Map(_) => {
                            for (name, at) in item.entries() {
                                self.namespace(name, &at);
                            }
                        }
                        _ => self.misshapen(&item, "a map of a namespace"),
                    }
                }
            }
            Value::Map(_) => {
                self.odd(at, "is a map, it should be a list of maps");
                for (name, at) in at.entries() {
                    self.namespace(name, &at);
                }
            }
            _ => self.misshapen(at, "a list of namespaces"),
        }
    }

    fn namespace(&mut self, name: &str, at: &At) {
        match &at.node.value {
            Value::Null => {
                let message = format!(
                    "the namespace `{}` has no packages, and the stock client fails on it",
                    shown(name)
                );
                self.warn(&at.path, at.node.at, message, "leave it out until it has one");
            }
            Value::List(items) if items.is_empty() => {}
            Value::List(_) => {
                for item in at.items() {
                    match &item.node.value {
                        Value::Map(_) => {
                            for (package, at) in item.entries() {
                                self.package(name, package, &at);
                            }
                        }
                        _ => self.misshapen(&item, "a map of a package"),
                    }
                }
            }
            Value::Map(_) => {
                self.odd(at, "is a map, it should be a list of maps");
                for (package, at) in at.entries() {
                    self.package(name, package, &at);
                }
            }
            _ => self.misshapen(at, "a list of packages"),
        }
    }

    fn package(&mut self, namespace: &str, package: &str, at: &At) {
        let name: Shortname = match format!("{namespace}/{package}").parse() {
            Ok(name) => name,
            Err(error) => {
                self.error(&at.path, at.node.at, error.to_string(), "give it another name");
                return;
            }
        };
        let Some(mut fields) = self.fields(at) else { return };
        let Some(git) = fields.remove("git").and_then(|at| self.address(&at)) else {
            if !self.registry.errors.iter().any(|p| p.field.starts_with(&at.path)) {
                let help = "write `git: https://…`";
                self.error(&at.path, at.node.at, format!("`{name}` has no `git`"), help);
            }
            return;
        };
        let mut reference = |key: &str, reader: &mut Self| {
            let at = fields.remove(key)?;
            let text = reader.text(&at, key == "stable")?;
            if is_reference(&text) {
                return Some(text);
            }
            let message = format!("`{}` is no tag, branch or commit", shown(&text));
            reader.error(&at.path, at.node.at, message, "write for example `\"v1.2.3\"`");
            None
        };
        let stable = reference("stable", self);
        let branch = reference("branch", self);
        match &stable {
            None if !self.registry.errors.iter().any(|p| p.field.starts_with(&at.path)) => {
                let message =
                    format!("`{name}` has no `stable`: it installs with `--version` only");
                self.warn(&at.path, at.node.at, message, "write a tag, or a commit and its branch");
            }
            Some(stable) if branch.is_none() && is_hex(stable) => {
                let message = format!("`{name}` names a commit and no `branch`");
                let help = "write the branch that holds it: `branch: \"main\"`";
                self.warn(&at.path, at.node.at, message, help);
            }
            _ => {}
        }
        if let Some(stable) = stable.as_deref().filter(|s| is_hex(s) && s.len() < 40) {
            let message = format!("`{}` is a part of a commit's name", shown(stable));
            self.warn(
                &at.path,
                at.node.at,
                message,
                "write all 40 digits: a part may come to name several",
            );
        }
        self.registry.packages.push(Entry { name, git, stable, branch, at: at.node.at });
    }

    /// The fields of a package: a map, or the list of maps with one key each that some write.
    fn fields<'n>(&mut self, at: &At<'n>) -> Option<HashMap<&'n str, At<'n>>> {
        let entries = match &at.node.value {
            Value::Map(_) => at.entries(),
            Value::List(_) => {
                self.odd(at, "is a list, it should be a map");
                at.items().iter().flat_map(At::entries).collect()
            }
            _ => {
                self.misshapen(at, "a map with `git` and `stable`");
                return None;
            }
        };
        // An empty `stable:` is none.
        let said = entries.into_iter().filter(|(_, at)| at.node.value != Value::Null);
        Some(said.collect())
    }

    /// What `git clone` takes; nothing that it would read as an option.
    fn address(&mut self, at: &At) -> Option<String> {
        let text = self.text(at, true)?;
        let clean = !text.is_empty()
            && text.len() <= ADDRESS_BYTES
            && !text.starts_with('-')
            && !text.contains(char::is_whitespace)
            && crate::escape::printable(&text) == text;
        if !clean {
            let message = format!("`{}` is no address of a repository", shown(&text));
            self.error(&at.path, at.node.at, message, "write for example `https://…`");
            return None;
        }
        if text
            .split_once("://")
            .and_then(|(_, rest)| rest.split('/').next()?.split_once('@'))
            .is_some_and(|(user, _)| user.contains(':'))
        {
            let help = "take it out: whoever reads the registry reads it, too";
            self.warn(&at.path, at.node.at, "the address holds a password", help);
        }
        Some(text)
    }

    fn misshapen(&mut self, at: &At, wanted: &str) {
        let message = format!("is {}, it should be {wanted}", at.node.kind());
        self.error(&at.path, at.node.at, message, "see the example in `docs/ecosystems/fppm.md`");
    }

    fn odd(&mut self, at: &At, message: &str) {
        let message = format!("{message}: the stock client cannot install from it");
        self.warn(&at.path, at.node.at, message, "write `- Namespace:` and below it `- Package:`");
    }
}
