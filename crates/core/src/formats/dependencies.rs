//! Adding and removing a dependency in a YAML manifest: comments, order and everything else stay.
//!
//! As in [`super::edit`], the result is read again and must differ from the original in this one item
//! only; an edit that would do more is not made.

use super::edit::{parse, splice, split_mark};
use super::value::{Node, Value};
use super::yaml;
use crate::audit::target_text;
use crate::manifest::{Dependency, Manifest, Target};

/// A change of a manifest's dependencies.
#[derive(Clone, Copy, Debug)]
pub enum Edit<'a> {
    /// Adds one, or replaces the one of the same identifier.
    Add(&'a Dependency),
    /// Takes away the one with this target, or with its identifier.
    Remove(&'a Target),
}

/// Why a manifest cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It has no such dependency.
    #[error("`{0}` is no dependency in it")]
    NotThere(String),
    /// The format has no place for one.
    #[error("dependencies of this format cannot be edited by a program")]
    Unsupported,
    /// The text is written in a way that a program had better leave alone.
    #[error("its `dependencies` are written in a way that is better edited by hand")]
    ByHand,
}

/// How a format writes a dependency.
pub(super) struct Style {
    /// As key and value pairs; empty where the format writes texts.
    pub(super) map: fn(&Dependency) -> Vec<(&'static str, String)>,
    /// As one text, where it can.
    pub(super) text: fn(&Dependency) -> Option<String>,
    /// The key of the version in a map.
    pub(super) version: &'static str,
}

const KEY: &str = "dependencies";

/// `text` after `edit`; `manifest` is what the format reads from it.
pub(super) fn apply(
    text: &str,
    manifest: &Manifest,
    edit: &Edit,
    style: &Style,
) -> Result<String, EditError> {
    let (mark, body) = split_mark(text);
    let root = parse(body, yaml::read).ok_or(EditError::ByHand)?;
    let target = match edit {
        Edit::Add(dependency) => &dependency.target,
        Edit::Remove(target) => *target,
    };
    let named = target.identifier();
    let is_it =
        |d: &&Dependency| d.target == *target || named.is_some() && d.target.identifier() == named;
    let known = manifest.dependencies.iter().find(is_it);
    let list = root.get(KEY);
    let items: &[Node] = match list.map(|node| &node.value) {
        Some(Value::List(items)) => items,
        Some(Value::Null) | None => &[],
        Some(_) => return Err(EditError::ByHand),
    };
    let at = known.and_then(|known| items.iter().position(|item| Some(item.at) == known.at));
    let mut expected: Vec<serde_json::Value> = items.iter().map(Node::to_json).collect();
    let new = match (edit, at) {
        (Edit::Remove(target), None) => return Err(EditError::NotThere(target_text(target))),
        (Edit::Remove(_), Some(at)) => {
            expected.remove(at);
            removed(body, &root, items, at)
        }
        (Edit::Add(dependency), Some(at)) => {
            replaced(body, &items[at], dependency, style, &mut expected[at])
        }
        (Edit::Add(dependency), None) => {
            expected.push(json(dependency, style));
            added(body, &root, items, dependency, style)
        }
    };
    let new = new.ok_or(EditError::ByHand)?;
    let mut before = root.to_json();
    before.as_object_mut().ok_or(EditError::ByHand)?.insert(KEY.to_owned(), expected.into());
    let after = parse(&new, yaml::read).ok_or(EditError::ByHand)?.to_json();
    if before == after { Ok(format!("{mark}{new}")) } else { Err(EditError::ByHand) }
}

fn json(dependency: &Dependency, style: &Style) -> serde_json::Value {
    match (style.map)(dependency) {
        pairs if pairs.is_empty() => (style.text)(dependency).unwrap_or_default().into(),
        pairs => pairs
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.into()))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// A text as YAML writes it: plain where every reader takes it for a text.
fn scalar(text: &str) -> String {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"._/+@^~-".contains(&b);
    let plain = text.bytes().all(word)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && yaml::resolve(text) == Value::Text(text.to_owned());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// The item inside `[...]`.
fn flow(dependency: &Dependency, style: &Style) -> Option<String> {
    let pairs = (style.map)(dependency);
    if pairs.is_empty() {
        return (style.text)(dependency).map(|text| scalar(&text));
    }
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| format!("{key}: {}", scalar(value))).collect();
    Some(format!("{{{}}}", pairs.join(", ")))
}

/// The item as lines below `dependencies:`.
fn block(dependency: &Dependency, style: &Style, indent: &str, newline: &str) -> Option<String> {
    let pairs = (style.map)(dependency);
    if pairs.is_empty() {
        return Some(format!("{indent}- {}{newline}", scalar(&(style.text)(dependency)?)));
    }
    let mut lines = String::new();
    for (at, (key, value)) in pairs.iter().enumerate() {
        let dash = if at == 0 { "- " } else { "  " };
        lines.push_str(&format!("{indent}{dash}{key}: {}{newline}", scalar(value)));
    }
    Some(lines)
}

/// Where the text of a value really ends: a block's own span may reach to what follows it.
fn end(node: &Node) -> usize {
    match &node.value {
        Value::List(items) if !items.is_empty() => {
            items.iter().map(end).max().unwrap_or(node.span.end)
        }
        Value::Map(entries) if !entries.is_empty() => {
            let one = |e: &super::value::Entry| end(&e.node).max(e.key_span.end);
            entries.iter().map(one).max().unwrap_or(node.span.end)
        }
        Value::Null => node.span.start,
        _ => node.span.end,
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |i| i + 1)
}

/// The start of the line behind the one that `at` is in; the end of the text where there is none.
fn next_line(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |i| at + i + 1)
}

fn is_flow(text: &str, node: &Node) -> bool {
    text[node.span.start..].starts_with('[')
}

fn added(
    text: &str,
    root: &Node,
    items: &[Node],
    dependency: &Dependency,
    style: &Style,
) -> Option<String> {
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let Some(entry) = root.entry(KEY) else {
        let gap = if text.is_empty() || text.ends_with('\n') { "" } else { newline };
        let item = block(dependency, style, "  ", newline)?;
        return Some(format!("{text}{gap}{KEY}:{newline}{item}"));
    };
    let node = &entry.node;
    if let Value::Null = node.value {
        let to = next_line(text, entry.key_span.end);
        let gap = if text[..to].ends_with('\n') { "" } else { newline };
        let item = block(dependency, style, "  ", newline)?;
        return Some(splice(text, to..to, &format!("{gap}{item}")));
    }
    if is_flow(text, node) {
        return match items.last() {
            Some(last) => {
                let to = last.span.end;
                Some(splice(text, to..to, &format!(", {}", flow(dependency, style)?)))
            }
            None => {
                // The span may reach over a comment behind the bracket.
                let close = node.span.start + text.get(node.span.start..)?.find(']')?;
                Some(splice(text, close..close, &flow(dependency, style)?))
            }
        };
    }
    let first = items.first()?;
    let indent = indent(text, first)?;
    let to = next_line(text, end(items.last()?));
    let gap = if text[..to].ends_with('\n') { "" } else { newline };
    Some(splice(text, to..to, &format!("{gap}{}", block(dependency, style, indent, newline)?)))
}

/// The blanks before an item's dash.
fn indent<'t>(text: &'t str, item: &Node) -> Option<&'t str> {
    let line = &text[line_start(text, item.span.start)..item.span.start];
    let blanks = line.len() - line.trim_start_matches(' ').len();
    line[blanks..].starts_with('-').then(|| &line[..blanks])
}

fn removed(text: &str, root: &Node, items: &[Node], at: usize) -> Option<String> {
    let entry = root.entry(KEY)?;
    let item = &items[at];
    if is_flow(text, &entry.node) {
        let (from, to) = match (items.get(at + 1), at.checked_sub(1).and_then(|i| items.get(i))) {
            (Some(next), _) => (item.span.start, next.span.start),
            (None, Some(before)) => (before.span.end, item.span.end),
            (None, None) => (item.span.start, item.span.end),
        };
        return Some(splice(text, from..to, ""));
    }
    indent(text, item)?;
    let (from, to) = (line_start(text, item.span.start), next_line(text, end(item)));
    let without = splice(text, from..to, "");
    if items.len() > 1 {
        return Some(without);
    }
    let colon = entry.key_span.end + text.get(entry.key_span.end..)?.find(':')? + 1;
    Some(splice(&without, colon..colon, " []"))
}

fn replaced(
    text: &str,
    item: &Node,
    dependency: &Dependency,
    style: &Style,
    expected: &mut serde_json::Value,
) -> Option<String> {
    if let Value::Text(_) = item.value {
        let new = (style.text)(dependency)?;
        *expected = new.clone().into();
        return Some(splice(text, item.span.clone(), &scalar(&new)));
    }
    let Target::Registry { .. } = dependency.target else { return None };
    let requirement = dependency.requirement.as_ref()?.text();
    expected.as_object_mut()?.insert(style.version.to_owned(), requirement.into());
    if let Some(entry) = item.entry(style.version) {
        let span = entry.node.span.clone();
        if let Value::Null = entry.node.value {
            return None;
        }
        return Some(splice(text, span, &scalar(requirement)));
    }
    let after = item.entry("identifier")?;
    let pair = format!("{}: {}", style.version, scalar(requirement));
    if text[item.span.start..].starts_with('{') {
        let to = after.node.span.end;
        return Some(splice(text, to..to, &format!(", {pair}")));
    }
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let column = after.key_span.start - line_start(text, after.key_span.start);
    let to = next_line(text, after.node.span.end);
    let gap = if text[..to].ends_with('\n') { "" } else { newline };
    Some(splice(text, to..to, &format!("{gap}{}{pair}{newline}", " ".repeat(column))))
}

#[cfg(test)]
mod tests {
    use super::super::{by_id, testing};
    use super::*;
    use crate::requirement::{Grammar, Requirement};

    fn dependency(id: &str, grammar: Grammar, version: &str) -> Dependency {
        let target = Target::Registry { identifier: id.parse().unwrap() };
        let requirement = Some(Requirement::parse(grammar, version).unwrap());
        Dependency { target, requirement, condition: None, at: None }
    }

    fn ato(text: &str, id: &str, version: &str) -> String {
        let dependency = dependency(id, Grammar::Exact, version);
        by_id("ato").unwrap().edit_dependencies(text, &Edit::Add(&dependency)).unwrap()
    }

    fn without(format: &str, text: &str, id: &str) -> Result<String, EditError> {
        let identifier = id.parse().unwrap();
        by_id(format)
            .unwrap()
            .edit_dependencies(text, &Edit::Remove(&Target::Registry { identifier }))
    }

    #[test]
    fn a_dependency_is_added_in_the_style_of_the_list() {
        for (old, new) in [
            (
                "a: b\n",
                "a: b\ndependencies:\n  - type: registry\n    identifier: acme/x\n    release: 1.2.3\n",
            ),
            (
                "a: b",
                "a: b\ndependencies:\n  - type: registry\n    identifier: acme/x\n    release: 1.2.3\n",
            ),
            (
                "dependencies: # none yet\na: b\n",
                "dependencies: # none yet\n  - type: registry\n    identifier: acme/x\n    release: 1.2.3\na: b\n",
            ),
            (
                "dependencies: [] # c\n",
                "dependencies: [{type: registry, identifier: acme/x, release: 1.2.3}] # c\n",
            ),
            (
                "dependencies: [acme/y@1.0.0]\n",
                "dependencies: [acme/y@1.0.0, {type: registry, identifier: acme/x, release: 1.2.3}]\n",
            ),
            (
                "dependencies:\n- acme/y@1.0.0 # c\n\n# next\na: b\n",
                "dependencies:\n- acme/y@1.0.0 # c\n- type: registry\n  identifier: acme/x\n  release: 1.2.3\n\n# next\na: b\n",
            ),
            (
                "dependencies:\r\n    # first\r\n    - type: registry\r\n      identifier: acme/y # y\r\n      release: 1.0.0\r\na: b\r\n",
                "dependencies:\r\n    # first\r\n    - type: registry\r\n      identifier: acme/y # y\r\n      release: 1.0.0\r\n    - type: registry\r\n      identifier: acme/x\r\n      release: 1.2.3\r\na: b\r\n",
            ),
            (
                "\u{FEFF}dependencies:\n  - acme/y@1.0.0",
                "\u{FEFF}dependencies:\n  - acme/y@1.0.0\n  - type: registry\n    identifier: acme/x\n    release: 1.2.3\n",
            ),
        ] {
            assert_eq!(ato(old, "acme/x", "1.2.3"), new, "{old}");
        }
    }

    #[test]
    fn a_dependency_that_is_there_keeps_its_form() {
        for (old, new) in [
            ("dependencies:\n  - acme/x@1.0.0 # c\n", "dependencies:\n  - acme/x@1.2.3 # c\n"),
            ("dependencies: [Acme/x]\n", "dependencies: [acme/x@1.2.3]\n"),
            (
                "dependencies:\n  - type: registry\n    identifier: acme/x\n    release: 1.0.0 # c\n",
                "dependencies:\n  - type: registry\n    identifier: acme/x\n    release: 1.2.3 # c\n",
            ),
            (
                "dependencies:\n  - identifier: acme/x # c\n    type: registry\n",
                "dependencies:\n  - identifier: acme/x # c\n    release: 1.2.3\n    type: registry\n",
            ),
            (
                "dependencies:\n  - {type: registry, identifier: acme/x}\n",
                "dependencies:\n  - {type: registry, identifier: acme/x, release: 1.2.3}\n",
            ),
        ] {
            assert_eq!(ato(old, "acme/x", "1.2.3"), new, "{old}");
        }
        let new = dependency("acme/x", Grammar::Cargo, "^2.1");
        let text = "dependencies:\n  - acme/x@^1\n  - {identifier: acme/y, requirement: ^1}\n";
        let edited = by_id("packhouse").unwrap().edit_dependencies(text, &Edit::Add(&new)).unwrap();
        assert_eq!(
            edited,
            "dependencies:\n  - acme/x@^2.1\n  - {identifier: acme/y, requirement: ^1}\n"
        );
    }

    #[test]
    fn a_dependency_is_removed_with_its_lines() {
        let text = "# top\ndependencies:\n  # x\n  - acme/x@1.0.0 # c\n  - type: registry\n    identifier: acme/y\n    release: 1.0.0\nbuilds: {}\n";
        let one = without("ato", text, "acme/x").unwrap();
        assert_eq!(
            one,
            "# top\ndependencies:\n  # x\n  - type: registry\n    identifier: acme/y\n    release: 1.0.0\nbuilds: {}\n"
        );
        let none = without("ato", &one, "acme/y").unwrap();
        assert_eq!(none, "# top\ndependencies: []\n  # x\nbuilds: {}\n");
        assert_eq!(testing::facts("ato", &none).matches("needs").count(), 0);
        assert_eq!(
            without("ato", "dependencies: [acme/x, acme/y]\n", "acme/y").unwrap(),
            "dependencies: [acme/x]\n"
        );
        assert_eq!(
            without("ato", "dependencies: [acme/x, acme/y]\n", "acme/x").unwrap(),
            "dependencies: [acme/y]\n"
        );
        assert!(matches!(without("ato", "a: b\n", "acme/x"), Err(EditError::NotThere(_))));
        assert_eq!(without("pyproject", "", "acme/x"), Err(EditError::Unsupported));
    }

    #[test]
    fn what_is_added_and_removed_again_leaves_the_same_dependencies() {
        for text in [
            "a: b\n",
            "dependencies:\n- acme/y@1.0.0\n",
            "dependencies: [acme/y]\n",
            "dependencies:\n",
        ] {
            let added = ato(text, "acme/x", "1.2.3");
            let back = without("ato", &added, "acme/x").unwrap();
            assert_eq!(testing::facts("ato", &back), testing::facts("ato", text), "{text}");
        }
    }
}
