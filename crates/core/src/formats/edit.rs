//! Setting one text of a manifest in place: comments, order and everything else stay.
//!
//! An edit is a splice at the value's span. Its result is read again and must differ from the
//! original in this one value only; an edit that would do more is not made.

use super::value::{Entry, Node, Source, Value};
use super::{Broken, yaml};

/// Reads a text into a tree of values.
pub(super) type Read = fn(&Source) -> Result<Node, Broken>;

/// `text` with the value at `path` set to `value`, inserted after one of `after` (or first in its
/// map) when there is none. `None` when the map that should hold it is missing, or when `value`
/// holds anything but printable ASCII without quotes and backslashes.
pub(super) fn set_yaml(text: &str, path: &[&str], after: &[&str], value: &str) -> Option<String> {
    let (mark, body) = split_mark(text);
    let root = parse(body, yaml::read)?;
    if !is_plain_ascii(value) {
        return None;
    }
    let (key, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(&root, |node, key| node.get(key))?;
    let new = match parent.entry(key) {
        Some(entry) if entry.node.value == Value::Null => fill(body, entry, value)?,
        Some(entry) => {
            let span = entry.node.span.clone();
            splice(body, span.clone(), &spell(value, body.get(span)?))
        }
        None => insert(body, parent, key, after, value)?,
    };
    verified(mark, body, new, path, value, yaml::read)
}

/// `new` with its mark, when it reads as `old` with `value` at `path` and no other difference.
pub(super) fn verified(
    mark: &str,
    old: &str,
    new: String,
    path: &[&str],
    value: &str,
    read: Read,
) -> Option<String> {
    let (mut before, after) = (parse(old, read)?.to_json(), parse(&new, read)?.to_json());
    let (key, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(&mut before, |json, key| json.get_mut(*key))?;
    parent.as_object_mut()?.insert((*key).to_owned(), value.into());
    (before == after).then(|| format!("{mark}{new}"))
}

/// The byte order mark, if there is one, and the rest.
pub(super) fn split_mark(text: &str) -> (&str, &str) {
    match text.strip_prefix('\u{FEFF}') {
        Some(body) => (&text[..text.len() - body.len()], body),
        None => ("", text),
    }
}

pub(super) fn parse(text: &str, read: Read) -> Option<Node> {
    let path = "manifest".parse().ok()?;
    Source::open(path, text.as_bytes()).and_then(|source| read(&source)).ok()
}

pub(super) fn is_plain_ascii(value: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
    !value.is_empty() && value.bytes().all(plain)
}

pub(super) fn splice(text: &str, span: std::ops::Range<usize>, with: &str) -> String {
    format!("{}{with}{}", &text[..span.start], &text[span.end..])
}

/// `value` in the style of `old`; unquoted only where every reader takes it for a text.
fn spell(value: &str, old: &str) -> String {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+');
    let plain = value.bytes().all(word)
        && value.bytes().filter(|&b| b == b'.').count() >= 2
        && yaml::resolve(value) == Value::Text(value.to_owned());
    match old.as_bytes().first() {
        Some(b'\'') => format!("'{value}'"),
        Some(b'"') => format!("\"{value}\""),
        _ if plain => value.to_owned(),
        _ => format!("\"{value}\""),
    }
}

/// Fills in `key:`.
fn fill(text: &str, entry: &Entry, value: &str) -> Option<String> {
    let end = entry.key_span.end;
    let colon = end + text.get(end..)?.find(':')?;
    // `version: ~` and `version: null` are replaced, `version:` is filled.
    let span = &entry.node.span;
    let written = text.get(span.clone()).map(str::trim).filter(|old| !old.is_empty());
    match written {
        Some(_) if span.start > colon => Some(splice(text, span.clone(), &spell(value, ""))),
        _ => Some(splice(text, colon + 1..colon + 1, &format!(" {}", spell(value, "")))),
    }
}

/// Adds `key: value` to the map `parent`.
fn insert(text: &str, parent: &Node, key: &str, after: &[&str], value: &str) -> Option<String> {
    let Value::Map(entries) = &parent.value else { return None };
    let value = spell(value, "\"");
    if text[parent.span.start..].starts_with('{') {
        let comma = if entries.is_empty() { "" } else { ", " };
        let at = parent.span.start + 1;
        return Some(splice(text, at..at, &format!("{key}: {value}{comma}")));
    }
    let first = entries.first()?;
    let line_start = text[..first.key_span.start].rfind('\n').map_or(0, |i| i + 1);
    let indent = text.get(line_start..first.key_span.start)?;
    if !indent.bytes().all(|b| b == b' ') {
        return None;
    }
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let anchor = entries.iter().find(|e| {
        after.contains(&e.key.as_str())
            && !matches!(e.node.value, Value::Map(_) | Value::List(_) | Value::Null)
    });
    let Some(anchor) = anchor else {
        let line = format!("{indent}{key}: {value}{newline}");
        return Some(splice(text, line_start..line_start, &line));
    };
    let end = anchor.node.span.end;
    let line = format!("{indent}{key}: {value}");
    match text.get(end..)?.find('\n') {
        Some(i) => Some(splice(text, end + i + 1..end + i + 1, &format!("{line}{newline}"))),
        None => Some(format!("{text}{newline}{line}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Option<String> {
        set_yaml(text, &["package", "version"], &["identifier"], "1.2.3")
    }

    #[test]
    fn a_version_is_set_where_it_stands() {
        for (old, new) in [
            ("package:\n  version: 0.0.0 # c\n", "package:\n  version: 1.2.3 # c\n"),
            ("package:\n  version: '0.0.0'\n", "package:\n  version: '1.2.3'\n"),
            ("package: {version: \"1\", a: b}\n", "package: {version: \"1.2.3\", a: b}\n"),
            ("package: {a: b}\n", "package: {version: \"1.2.3\", a: b}\n"),
            ("package: {}", "package: {version: \"1.2.3\"}"),
            ("package:\n  version:\n  a: b\n", "package:\n  version: 1.2.3\n  a: b\n"),
            ("package:\n  version: # c\n  a: b", "package:\n  version: 1.2.3 # c\n  a: b"),
            ("package:\n  version: ~\n", "package:\n  version: 1.2.3\n"),
            ("package:\n  version: 1.0\n", "package:\n  version: 1.2.3\n"),
            (
                "# top\r\npackage:\r\n    a: b # c\r\n    identifier: x/y # d\r\n    z: 1\r\n",
                "# top\r\npackage:\r\n    a: b # c\r\n    identifier: x/y # d\r\n    version: \"1.2.3\"\r\n    z: 1\r\n",
            ),
            (
                "package:\n  # about\n  a: b\n",
                "package:\n  # about\n  version: \"1.2.3\"\n  a: b\n",
            ),
            ("package:\n  identifier: x/y", "package:\n  identifier: x/y\n  version: \"1.2.3\""),
            ("\u{FEFF}package:\n  version: ä\n", "\u{FEFF}package:\n  version: 1.2.3\n"),
            ("a: &v 0.1.0\npackage:\n  version: *v\n", "a: &v 0.1.0\npackage:\n  version: 1.2.3\n"),
        ] {
            assert_eq!(set(old).as_deref(), Some(new), "{old}");
        }
    }

    #[test]
    fn an_edit_that_would_do_more_is_not_made() {
        for text in [
            "a: b\n",
            "package:\n",
            "package: x\n",
            "package: [a]\n",
            "package:\n  version: |\n    0.1\n  a: b\n",
            "package:\n  version: &v 0.1.0\nother: *v\n",
            "x: &p\n  version: 1.0.0\npackage: *p\n",
            "not: [yaml\n",
        ] {
            assert_eq!(set(text), None, "{text}");
        }
        for value in ["", "a b", "a\nb", "\"", "\\"] {
            assert_eq!(set_yaml("version: 1\n", &["version"], &[], value), None, "{value}");
        }
        let number = set_yaml("version: 0.1\n", &["version"], &[], "1.0").unwrap();
        assert_eq!(number, "version: \"1.0\"\n");
    }
}
