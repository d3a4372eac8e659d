//! Scalars between YAML 1.1, which the stock client reads, and YAML 1.2, which we read.

use std::fmt::Write as _;

use crate::formats::value::{Node, Source, Value};

/// `text` as a double-quoted scalar: the same text to every version of YAML.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            // Letters stay readable; what a terminal, an editor or YAML itself could take for something
            // else does not.
            _ if c.is_alphanumeric() => out.push(c),
            _ if u32::from(c) < 0x100 => push(&mut out, 'x', 2, c),
            _ if u32::from(c) < 0x1_0000 => push(&mut out, 'u', 4, c),
            _ => push(&mut out, 'U', 8, c),
        }
    }
    out.push('"');
    out
}

fn push(out: &mut String, sign: char, width: usize, c: char) {
    // A String takes everything.
    let _ = write!(out, "\\{sign}{:0width$x}", u32::from(c));
}

/// The text of a scalar as it was written, and whether YAML 1.1 takes it for a text, too. `None` for
/// what is no scalar, and for nothing at all.
pub(super) fn scalar(source: &Source, node: &Node) -> Option<(String, bool)> {
    let text = match &node.value {
        Value::Null | Value::List(_) | Value::Map(_) => return None,
        // The words differ in case only, and the text is what was meant.
        Value::Bool(bool) => {
            source.text.get(node.span.clone()).map_or_else(|| bool.to_string(), str::to_owned)
        }
        Value::Number(raw) => return Some((raw.clone(), false)),
        Value::Text(text) => text.clone(),
    };
    let plain = source.text.get(node.span.clone()).is_some_and(|written| written.trim() == text);
    let is_text = matches!(node.value, Value::Text(_)) && !(plain && is_special(&text));
    Some((text, is_text))
}

/// Whether YAML 1.1 takes a plain scalar for something else than a text, where YAML 1.2 does not.
fn is_special(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if matches!(
        lower.as_str(),
        "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false" | "null" | "=" | "<<"
    ) {
        return true;
    }
    let digits =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let unsigned = lower.strip_prefix(['-', '+']).unwrap_or(&lower);
    if let Some(rest) = unsigned.strip_prefix("0b") {
        return !rest.is_empty() && rest.bytes().all(|b| matches!(b, b'0' | b'1' | b'_'));
    }
    if let Some(rest) = unsigned.strip_prefix("0x") {
        return !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_hexdigit() || b == b'_');
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return false;
    }
    // Sixties (`1:30`), numbers with `_`, and dates.
    let sixties =
        unsigned.contains(':') && unsigned.split(':').all(|part| part.split('.').all(digits));
    let number = unsigned.split('.').all(|part| part.is_empty() || digits(part))
        && unsigned.matches('.').count() <= 1;
    sixties || number || is_date(unsigned)
}

/// `2024-07-10`, with or without a time behind it.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let day: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let end = &rest[day.len()..];
    year.len() == 4
        && number(year)
        && matches!(month.len(), 1 | 2)
        && number(month)
        && matches!(day.len(), 1 | 2)
        && (end.is_empty() || end.starts_with(['t', ' ']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::formats::yaml;

    fn scalars(text: &str) -> Vec<(String, bool)> {
        let source = Source::open("a.yaml".parse().unwrap(), text.as_bytes()).unwrap();
        let node = yaml::read(&source).unwrap();
        let Value::List(items) = &node.value else { panic!("{node:?}") };
        items.iter().map(|item| scalar(&source, item).unwrap()).collect()
    }

    #[test]
    fn what_yaml_1_1_takes_for_no_text_keeps_its_spelling() {
        for text in [
            "1.0",
            "1234567",
            "0123456",
            "1_000",
            "0x12ab",
            "0b11",
            "1:30",
            "on",
            "No",
            "true",
            "2024-07-10",
            "1e3",
            "+1",
            "2024-07-10T10:00:00Z",
        ] {
            assert_eq!(scalars(&format!("- {text}\n")), [(text.to_owned(), false)], "{text}");
            assert_eq!(scalars(&format!("- \"{text}\"\n")), [(text.to_owned(), true)], "{text}");
        }
        for text in ["v1.0", "1.0.0", "main", "10 JUL 2024", "once", "12ab34cd", "1.2.3-rc.1"] {
            assert_eq!(scalars(&format!("- {text}\n")), [(text.to_owned(), true)], "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_text_is_read_as_it_was(text in "\\PC*|[\\x20-\\x7e\\t\\n\\r\\x00-\\x1f\"\\\\é\u{2028}\u{feff}😀]{0,40}") {
            let line = quoted(&text);
            prop_assert!(!line.contains('\n') && line.chars().all(|c| !c.is_control()));
            let whole = format!("- {line}\n");
            prop_assert_eq!(scalars(&whole), vec![(text, true)]);
        }
    }
}
