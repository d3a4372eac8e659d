//! One line of a log: the columns that matter, by the names that CloudFront's reference gives them.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// A column that matters.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Date,
    Method,
    Path,
    Status,
    Ip,
    Agent,
    Result,
    RangeStart,
}

/// Names of the columns, in their order above.
const NAMES: [&str; 8] = [
    "date",
    "cs-method",
    "cs-uri-stem",
    "sc-status",
    "c-ip",
    "cs(User-Agent)",
    "x-edge-result-type",
    "sc-range-start",
];
/// Those that every line must have; the others stand at the end.
const NEEDED: usize = 6;

/// Where the columns stand in the tab-separated format.
pub(super) struct Columns([Option<usize>; NAMES.len()]);

impl Columns {
    /// Those that a comment names: `Fields: date time ...`; `None` for another comment.
    pub(super) fn named(comment: &[u8]) -> Option<Self> {
        let names = std::str::from_utf8(comment).ok()?.strip_prefix("Fields:")?;
        let place = |name| names.split_ascii_whitespace().position(|held| held == name);
        Some(Self(NAMES.map(place)))
    }
}

/// The columns of one line.
pub(super) struct Line<'a>([Cow<'a, str>; NAMES.len()]);

impl<'a> Line<'a> {
    /// Reads a line; `None` when it is not UTF-8, or a column that is needed is missing.
    pub(super) fn read(line: &'a [u8], columns: Option<&Columns>) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?;
        let held = if text.starts_with('{') { json(text)? } else { tabs(text, columns?) };
        if held.iter().take(NEEDED).any(Option::is_none) {
            return None;
        }
        Some(Self(held.map(Option::unwrap_or_default)))
    }

    /// The text of a column; empty where the log has no such column.
    pub(super) fn get(&self, column: Column) -> &str {
        &self.0[column as usize]
    }
}

fn tabs<'a>(text: &'a str, columns: &Columns) -> [Option<Cow<'a, str>>; NAMES.len()] {
    let mut found = [const { None }; NAMES.len()];
    for (place, value) in text.split('\t').enumerate() {
        for (column, found) in columns.0.iter().zip(&mut found) {
            if *column == Some(place) {
                *found = Some(Cow::Borrowed(value));
            }
        }
    }
    found
}

fn json(text: &str) -> Option<[Option<Cow<'static, str>>; NAMES.len()]> {
    let mut object: Map<String, Value> = serde_json::from_str(text).ok()?;
    Some(NAMES.map(|name| match object.remove(name)? {
        Value::String(text) => Some(Cow::Owned(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }))
}
