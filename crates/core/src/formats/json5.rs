//! JSON5 as the same tree of values as YAML and TOML: comments, trailing commas, bare keys, single
//! quotes, hexadecimal numbers. Written anew it is strict JSON, by `serde_json`.

use std::collections::HashMap;
use std::ops::Range;

use super::Broken;
use super::value::{DEPTH, EXPANDED_BYTES, Entry, NODES, Node, Source, Value};

/// Reads the one value of `source`.
///
/// # Errors
///
/// [`Broken`] at the first thing that is wrong; a depth, a number of values or a text over the limits
/// of all manifests is.
pub(super) fn read(source: &Source) -> Result<Node, Broken> {
    let mut parser = Parser { source, at: 0, depth: 0, nodes: 0, text_bytes: 0 };
    parser.blank()?;
    if parser.peek().is_none() {
        return parser.node(Value::Null, 0..0);
    }
    let node = parser.value()?;
    parser.blank()?;
    match parser.peek() {
        None => Ok(node),
        Some(c) => Err(parser.wrong(format!("{c:?} stands behind the end"), "remove what follows")),
    }
}

struct Parser<'s, 'a> {
    source: &'s Source<'a>,
    at: usize,
    depth: usize,
    nodes: usize,
    text_bytes: usize,
}

impl<'a> Parser<'_, 'a> {
    fn rest(&self) -> &'a str {
        self.source.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Takes `c` if it comes next.
    fn take(&mut self, c: char) -> bool {
        let there = self.peek() == Some(c);
        if there {
            self.at += c.len_utf8();
        }
        there
    }

    fn wrong(&self, message: impl Into<String>, help: &str) -> Broken {
        self.wrong_at(self.at, message, help)
    }

    fn wrong_at(&self, at: usize, message: impl Into<String>, help: &str) -> Broken {
        self.source.broken(at, None, format!("is not JSON: {}", message.into()), help)
    }

    /// What came instead of something.
    fn instead(&self, wanted: &str, help: &str) -> Broken {
        let found = self.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
        self.wrong(format!("expected {wanted}, found {found}"), help)
    }

    /// Skips blanks and comments.
    fn blank(&mut self) -> Result<(), Broken> {
        loop {
            let trimmed =
                self.rest().trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
            self.at = self.source.text.len() - trimmed.len();
            if trimmed.starts_with("//") {
                self.at += trimmed.find(['\n', '\u{2028}', '\u{2029}']).unwrap_or(trimmed.len());
            } else if let Some(comment) = trimmed.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return Err(self.wrong("the comment has no end", "end it with `*/`"));
                };
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn node(&mut self, value: Value, span: Range<usize>) -> Result<Node, Broken> {
        self.nodes += 1;
        if let Value::Text(text) = &value {
            self.text_bytes += text.len();
        }
        let help = "keep data in files of their own";
        if self.nodes > NODES {
            let message = format!("has more than {NODES} values from here on");
            return Err(self.source.broken(span.start, None, message, help));
        }
        if self.text_bytes > EXPANDED_BYTES {
            let message = format!("has more than {EXPANDED_BYTES} bytes of text from here on");
            return Err(self.source.broken(span.start, None, message, help));
        }
        Ok(Node { value, at: self.source.place(span.start), span })
    }

    fn value(&mut self) -> Result<Node, Broken> {
        let start = self.at;
        let value = match self.peek() {
            Some('{') => self.nested(Self::map)?,
            Some('[') => self.nested(Self::list)?,
            Some('"' | '\'') => Value::Text(self.text()?),
            Some(c) if c.is_ascii_digit() || matches!(c, '+' | '-' | '.') => self.number()?,
            Some(_) => self.word()?,
            None => return Err(self.instead("a value", "a `:` or a `,` is followed by a value")),
        };
        self.node(value, start..self.at)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Broken>) -> Result<Value, Broken> {
        self.depth += 1;
        if self.depth > DEPTH {
            let message = format!("lists and maps nest more than {DEPTH} deep");
            return Err(self.wrong(message, "a manifest is flatter than that"));
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn list(&mut self) -> Result<Value, Broken> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blank()?;
            if self.take(']') {
                return Ok(Value::List(items));
            }
            items.push(self.value()?);
            self.blank()?;
            if !self.take(',') && self.peek() != Some(']') {
                return Err(self.instead("`,` or `]`", "items of a list are parted by commas"));
            }
        }
    }

    fn map(&mut self) -> Result<Value, Broken> {
        self.at += 1;
        let mut entries = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        loop {
            self.blank()?;
            if self.take('}') {
                return Ok(Value::Map(entries));
            }
            let start = self.at;
            let key = match self.peek() {
                Some('"' | '\'') => self.text()?,
                _ => self.bare_key()?,
            };
            let key_span = start..self.at;
            if let Some(first) = seen.insert(key.clone(), start) {
                return Err(self.source.duplicate(&key, first, start));
            }
            self.text_bytes += key.len();
            self.blank()?;
            if !self.take(':') {
                return Err(self.instead("`:`", "a key is followed by `:` and its value"));
            }
            self.blank()?;
            let node = self.value()?;
            entries.push(Entry { key, key_at: self.source.place(start), key_span, node });
            self.blank()?;
            if !self.take(',') && self.peek() != Some('}') {
                return Err(self.instead("`,` or `}`", "fields are parted by commas"));
            }
        }
    }

    fn bare_key(&mut self) -> Result<String, Broken> {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
        let length = self.rest().find(|c| !word(c)).unwrap_or(self.rest().len());
        let key = self.rest()[..length].to_owned();
        if key.is_empty() || key.starts_with(|c: char| c.is_numeric()) {
            return Err(self.instead("a key or `}`", "write for example `\"name\": \"Conga\"`"));
        }
        self.at += length;
        Ok(key)
    }

    fn text(&mut self) -> Result<String, Broken> {
        let start = self.at;
        let quote = self.next();
        let mut text = String::new();
        loop {
            let at = self.at;
            match self.next() {
                c if c == quote && c.is_some() => return Ok(text),
                Some('\n' | '\r') | None => {
                    return Err(self.wrong_at(
                        start,
                        "the text has no end",
                        "end it with its quote",
                    ));
                }
                Some('\\') => self.escape(at, &mut text)?,
                Some(c) => text.push(c),
            }
        }
    }

    /// What follows a backslash, which stands at `start`.
    fn escape(&mut self, start: usize, text: &mut String) -> Result<(), Broken> {
        let c = match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{C}',
            Some('v') => '\u{B}',
            Some('0') if !self.rest().starts_with(|c: char| c.is_ascii_digit()) => '\0',
            // A line that goes on below.
            Some('\r') => {
                self.take('\n');
                return Ok(());
            }
            Some('\n' | '\u{2028}' | '\u{2029}') => return Ok(()),
            Some('x') => self.hex(start, 2).and_then(|code| self.character(start, code))?,
            Some('u') => {
                let first = self.hex(start, 4)?;
                let code = match first {
                    0xD800..=0xDBFF if self.rest().starts_with("\\u") => {
                        self.at += 2;
                        match self.hex(start, 4)? {
                            low @ 0xDC00..=0xDFFF => {
                                0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00)
                            }
                            _ => first,
                        }
                    }
                    _ => first,
                };
                self.character(start, code)?
            }
            Some(c) if !c.is_ascii_digit() => c,
            _ => {
                return Err(self.wrong_at(
                    start,
                    "the escape is none",
                    "write `\\\\` for one `\\`",
                ));
            }
        };
        text.push(c);
        Ok(())
    }

    fn hex(&mut self, start: usize, digits: usize) -> Result<u32, Broken> {
        let found = self.rest().get(..digits).unwrap_or_default();
        let all = found.len() == digits && found.bytes().all(|b| b.is_ascii_hexdigit());
        match u32::from_str_radix(found, 16) {
            Ok(code) if all => {
                self.at += digits;
                Ok(code)
            }
            _ => {
                let message = format!("the escape needs {digits} hexadecimal digits");
                Err(self.wrong_at(start, message, "write for example `\\u2364`"))
            }
        }
    }

    fn character(&self, start: usize, code: u32) -> Result<char, Broken> {
        char::from_u32(code).ok_or_else(|| {
            self.wrong_at(start, "the escape is half a character", "write the character itself")
        })
    }

    fn number(&mut self) -> Result<Value, Broken> {
        let start = self.at;
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let length = self.rest().find(|c| !part(c)).unwrap_or(self.rest().len());
        let raw = self.rest()[..length].to_owned();
        let unsigned = raw.strip_prefix(['+', '-']).unwrap_or(&raw);
        let hex = unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X"));
        let fits = match hex {
            Some(digits) => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            None if matches!(unsigned, "Infinity" | "NaN") => true,
            None => {
                let plain = unsigned
                    .bytes()
                    .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
                plain && unsigned.parse::<f64>().is_ok()
            }
        };
        if !fits {
            let message = format!("`{}` is no number", super::value::shown(&raw));
            return Err(self.wrong_at(start, message, "put a text, such as a version, in quotes"));
        }
        self.at += length;
        Ok(Value::Number(raw))
    }

    fn word(&mut self) -> Result<Value, Broken> {
        let words = [
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("null", Value::Null),
            ("Infinity", Value::Number("Infinity".to_owned())),
            ("NaN", Value::Number("NaN".to_owned())),
        ];
        let length = self.rest().find(|c: char| !c.is_alphanumeric()).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        match words.into_iter().find(|(name, _)| *name == word) {
            Some((_, value)) => {
                self.at += length;
                Ok(value)
            }
            None => Err(self.instead("a value", "put texts in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Node, Broken> {
        read(&Source::open("a.json".parse().unwrap(), text.as_bytes())?)
    }

    #[test]
    fn json5_is_read_as_people_write_it() {
        let text = "\u{FEFF}// head\n{ /* one */ name: 'Con\\'ga', \"list\": [1, .5, -0x10, +2, 1e3,],\n\
            $a_1: { t: true, n: null, }, 'é': \"\\u2364\\x41\\n\\ud83d\\ude00 \\\nnext\", i: -Infinity,\n} // end";
        assert_eq!(
            parse(text).unwrap().to_json(),
            json!({"name": "Con'ga", "list": [1, 0.5, "-0x10", 2, 1000.0],
                "$a_1": {"t": true, "n": null}, "é": "⍤A\n😀 next", "i": "-Infinity"})
        );
        let node = parse("{\n  name: 'x',\n  list: ['é', 'b']}").unwrap();
        assert_eq!(node.get("name").unwrap().at, crate::manifest::Place { line: 2, column: 9 });
        let Value::List(items) = &node.get("list").unwrap().value else { panic!() };
        assert_eq!(items[1].at, crate::manifest::Place { line: 3, column: 15 });
        assert_eq!(parse(" // nothing").unwrap().value, Value::Null);
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_stands() {
        let deep = "[".repeat(100);
        let many = format!("[{}]", "1,".repeat(NODES + 1));
        let table: String = [
            "{a: 1} x",
            "{a 1}",
            "{a: }",
            "{a: 1 b: 2}",
            "[1 2]",
            "[,]",
            "{,}",
            "{a: 1",
            "[",
            "'x",
            "\"x\ny\"",
            "/* x",
            "{a: '\\1'}",
            "'\\u12'",
            "'\\ud800'",
            "01x",
            "1.2.3",
            "0x",
            "-",
            "truth",
            "{a: 1,\n 'a': 2}",
            "{1: 2}",
            "é",
            "\u{1}",
            &deep,
            &many,
        ]
        .iter()
        .map(|text| {
            let broken = parse(text).unwrap_err();
            format!("{broken} ({})\n", broken.help)
        })
        .collect();
        insta::assert_snapshot!(table);
    }

    proptest! {
        #[test]
        fn strict_json_is_read_as_it_is_meant(text in "[a-z\"\\\\\u{0}-\u{20}é⍤😀]{0,20}", number: i64, flag: bool) {
            let json = json!({ "text": text, "list": [number, flag, null, {"x": text}] });
            for written in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
                prop_assert_eq!(parse(&written).unwrap().to_json(), json.clone());
            }
        }

        #[test]
        fn no_text_panics(parts in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "'", "\"", "\\", "\\u", "d83d", "//", "/*", "*/", "\n", "a", "1", "-", ".", "e", "0x", "true", "é",
        ]), 0..40)) {
            let _ = parse(&parts.concat());
        }
    }
}
