//! What YAML and TOML both become: a tree of values that know where they stand.

use std::ops::Range;

use serde_json::json;

use super::Broken;
use crate::limits::Limits;
use crate::manifest::Place;
use crate::tree::TreePath;

/// How deep lists and maps may nest.
pub(crate) const DEPTH: usize = 64;
/// How many values a manifest may have, aliases expanded.
pub(crate) const NODES: usize = 20_000;
/// How much text the values may hold, aliases expanded.
pub(crate) const EXPANDED_BYTES: usize = 1 << 20;

/// What a document may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The document itself, in bytes.
    pub(crate) bytes: usize,
    /// Values, aliases expanded.
    pub(crate) nodes: usize,
    /// Text of the values, aliases expanded.
    pub(crate) text_bytes: usize,
}

impl Bounds {
    /// Those of a manifest.
    pub(crate) fn manifest() -> Self {
        let bytes = Limits::default().manifest_bytes;
        Self { bytes, nodes: NODES, text_bytes: EXPANDED_BYTES }
    }
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Bytes of the text (without a byte order mark); of an alias, those of the alias.
    pub(crate) span: Range<usize>,
    pub(crate) at: Place,
}

/// The kinds of value that manifests have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As written: a version such as `1.10` would not survive being a number.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) key_at: Place,
    pub(crate) node: Node,
}

impl Node {
    /// The value under `key`, when this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The entry of `key`, when this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The value as JSON. Numbers that JSON lacks (`.inf`, hexadecimal ones) become their text.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(bool) => json!(bool),
            Value::Text(text) => json!(text),
            Value::Number(raw) => {
                let float = || raw.parse::<f64>().ok().filter(|f| f.is_finite());
                match (raw.parse::<i64>(), float()) {
                    (Ok(int), _) => json!(int),
                    (_, Some(float)) => json!(float),
                    _ => json!(raw),
                }
            }
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect()
            }
        }
    }

    /// What the value is, for errors: "the number `1.0`", "a list".
    pub(crate) fn kind(&self) -> String {
        match &self.value {
            Value::Null => "empty".to_owned(),
            Value::Bool(bool) => format!("the boolean `{bool}`"),
            Value::Number(raw) => format!("the number `{}`", shown(raw)),
            Value::Text(text) => format!("the text `{}`", shown(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }
}

/// Outside text inside a message: printable, and cut to 80 characters.
pub(crate) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(80).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    crate::escape::printable(&cut) + dots
}

/// A manifest's text, and the way from byte offsets to places.
pub(crate) struct Source<'a> {
    pub(crate) path: TreePath,
    /// Without a byte order mark.
    pub(crate) text: &'a str,
    /// What it may hold.
    pub(crate) bounds: Bounds,
    /// Byte offsets at which lines start.
    lines: Vec<usize>,
    /// Characters before each block of [`BLOCK`] bytes, so that a place in a very long line is
    /// found without counting from its start.
    blocks: Vec<usize>,
}

const BLOCK: usize = 1024;

impl<'a> Source<'a> {
    /// As [`Source::open`], for a file whose name is written in this crate.
    pub(crate) fn open_named(name: &'static str, bytes: &'a [u8]) -> Result<Self, Broken> {
        Self::open(TreePath::known(name), bytes)
    }

    /// As [`Source::open_named`], for what is larger than a manifest.
    pub(crate) fn open_larger(
        name: &'static str,
        bytes: &'a [u8],
        bounds: Bounds,
    ) -> Result<Self, Broken> {
        Self::open_within(TreePath::known(name), bytes, bounds)
    }

    /// Checks size and encoding; a byte order mark is dropped.
    pub(crate) fn open(path: TreePath, bytes: &'a [u8]) -> Result<Self, Broken> {
        Self::open_within(path, bytes, Bounds::manifest())
    }

    fn open_within(path: TreePath, bytes: &'a [u8], bounds: Bounds) -> Result<Self, Broken> {
        let limit = bounds.bytes;
        let broken = |at, message: String, help: &str| Broken {
            path: path.clone(),
            at,
            field: None,
            message,
            help: help.to_owned(),
        };
        let start = Place { line: 1, column: 1 };
        if bytes.len() > limit {
            let message = format!("has {} bytes, at most {limit} are read", bytes.len());
            return Err(broken(start, message, "keep data in files of their own"));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let (good, bad) = bytes.split_at(error.valid_up_to());
                let good = std::str::from_utf8(good).unwrap_or_default();
                let at = Source::new(path.clone(), good).place(good.len());
                let byte = bad.first().copied().unwrap_or_default();
                let message = format!("is not UTF-8: byte 0x{byte:02X} does not belong here");
                return Err(broken(at, message, "save the file as UTF-8"));
            }
        };
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let source = Self { bounds, ..Self::new(path, text) };
        // Neither YAML nor TOML allows them, and a parser that stops at a NUL would hide the rest.
        let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        if let Some((offset, c)) = text.char_indices().find(|&(_, c)| control(c)) {
            let message = format!("has the control character U+{:04X}", u32::from(c));
            return Err(source.broken(offset, None, message, "remove it"));
        }
        Ok(source)
    }

    pub(crate) fn new(path: TreePath, text: &'a str) -> Self {
        let lines = std::iter::once(0)
            .chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|i| i + 1))
            .collect();
        let mut count = 0;
        let blocks = text
            .as_bytes()
            .chunks(BLOCK)
            .map(|block| {
                let before = count;
                count += starts(block);
                before
            })
            .collect();
        Self { path, text, bounds: Bounds::manifest(), lines, blocks }
    }

    /// The place of byte `offset`; past the end, the end's.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|&start| start <= offset).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or_default();
        let column = self.chars_before(offset).saturating_sub(self.chars_before(start));
        let number = |n: usize| u32::try_from(n + 1).unwrap_or(u32::MAX);
        Place { line: number(line), column: number(column) }
    }

    fn chars_before(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        match self.blocks.get(block) {
            Some(before) => before + starts(&self.text.as_bytes()[block * BLOCK..offset]),
            // `offset` is the end of a text that fills its last block.
            None => self.blocks.last().map_or(0, |before| {
                before + starts(&self.text.as_bytes()[(block - 1) * BLOCK..offset])
            }),
        }
    }

    /// A refusal at byte `offset`.
    pub(crate) fn broken(
        &self,
        offset: usize,
        field: Option<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Broken {
        Broken {
            path: self.path.clone(),
            at: self.place(offset),
            field,
            message: message.into(),
            help: help.into(),
        }
    }

    /// The refusal of a key that stands twice; both spans are those of the key.
    pub(crate) fn duplicate(&self, key: &str, first: usize, second: usize) -> Broken {
        let Place { line, column } = self.place(first);
        self.broken(
            second,
            Some(shown(key)),
            format!("the key stands here and at line {line}, column {column}"),
            "keep one of the two: readers would disagree about which one counts",
        )
    }
}

/// How many characters start in `bytes` of a UTF-8 text.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&b| (b & 0xC0) != 0x80).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn source(text: &str) -> Source<'_> {
        Source::new("a.yaml".parse().unwrap(), text)
    }

    proptest! {
        #[test]
        fn a_place_counts_lines_and_characters(text in "([a-zäß€😀]{0,900}(\r?\n)?){0,4}") {
            let source = source(&text);
            let mut place = Place { line: 1, column: 1 };
            for (offset, c) in text.char_indices() {
                prop_assert_eq!(source.place(offset), place);
                if c == '\n' {
                    place = Place { line: place.line + 1, column: 1 };
                } else {
                    place.column += 1;
                }
            }
            prop_assert_eq!(source.place(text.len()), place);
        }
    }

    #[test]
    fn a_place_is_found_at_the_end_of_a_full_block() {
        let text = "x".repeat(2 * BLOCK);
        assert_eq!(source(&text).place(2 * BLOCK), Place { line: 1, column: 2049 });
        assert_eq!(source("").place(9), Place { line: 1, column: 1 });
    }

    #[test]
    fn bytes_that_are_no_utf8_are_refused_where_they_stand() {
        let error = Source::open("a.yaml".parse().unwrap(), b"a: b\nc: \xFFx").err().unwrap();
        assert_eq!(error.to_string(), "a.yaml:2:4: is not UTF-8: byte 0xFF does not belong here");
        let bytes = vec![b'['; 10 << 20];
        let error = Source::open("a.yaml".parse().unwrap(), &bytes).err().unwrap();
        assert_eq!(error.to_string(), "a.yaml:1:1: has 10485760 bytes, at most 262144 are read");
    }
}
