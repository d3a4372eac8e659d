//! TOML as the same tree of values as YAML. Nesting and dotted keys are bounded by the parser (80),
//! so the walk may recurse.

use std::collections::HashMap;
use std::ops::Range;

use toml_edit::{Document, Item, Key, TableLike};

use super::Broken;
use super::value::{Entry, NODES, Node, Source, Value, shown};

/// Reads the document of `source`; its root is always a map.
///
/// # Errors
///
/// [`Broken`] at the first thing that is wrong.
pub(super) fn read(source: &Source) -> Result<Node, Broken> {
    let document = Document::parse(source.text).map_err(|error| syntax(source, &error))?;
    let mut walk = Walk { source, nodes: 0 };
    walk.table(document.as_table(), 0..0)
}

fn syntax(source: &Source, error: &toml_edit::TomlError) -> Broken {
    let start = error.span().map_or(0, |span| span.start);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    let help = if message.contains("duplicate key") {
        "keep one of the two: readers would disagree about which one counts"
    } else if message.contains("recursion") {
        "a manifest is flatter than that"
    } else {
        "check the quotes, brackets and `=` of this line"
    };
    source.broken(start, None, format!("is not TOML: {}", shown(&message)), help)
}

struct Walk<'s, 'a> {
    source: &'s Source<'a>,
    nodes: usize,
}

impl Walk<'_, '_> {
    fn table(&mut self, table: &dyn TableLike, span: Range<usize>) -> Result<Node, Broken> {
        let mut entries = Vec::with_capacity(table.len());
        let mut keys = HashMap::new();
        for (text, _) in table.iter() {
            let Some((key, item)) = table.get_key_value(text) else { continue };
            let key_span = key_span(key, item);
            if let Some(first) = keys.insert(text, key_span.start) {
                return Err(self.source.duplicate(text, first, key_span.start));
            }
            let node = self.item(item, &key_span)?;
            let key_at = self.source.place(key_span.start);
            entries.push(Entry { key: text.to_owned(), key_span, key_at, node });
        }
        self.node(Value::Map(entries), span)
    }

    fn item(&mut self, item: &Item, key_span: &Range<usize>) -> Result<Node, Broken> {
        let span = item.span().unwrap_or_else(|| key_span.clone());
        match item {
            Item::None => self.node(Value::Null, span),
            Item::Table(table) => self.table(table, span),
            Item::ArrayOfTables(tables) => {
                let mut items = Vec::with_capacity(tables.len());
                for table in tables {
                    items.push(self.table(table, table.span().unwrap_or_else(|| span.clone()))?);
                }
                self.node(Value::List(items), span)
            }
            Item::Value(value) => self.value(value, span),
        }
    }

    fn value(&mut self, value: &toml_edit::Value, span: Range<usize>) -> Result<Node, Broken> {
        use toml_edit::Value as Toml;
        let raw = || self.source.text.get(span.clone()).unwrap_or_default().to_owned();
        let found = match value {
            Toml::String(text) => Value::Text(text.value().clone()),
            Toml::Boolean(bool) => Value::Bool(*bool.value()),
            Toml::Integer(_) | Toml::Float(_) => Value::Number(raw().replace('_', "")),
            // JSON has no dates, and no field of ours is one.
            Toml::Datetime(_) => Value::Number(raw()),
            Toml::InlineTable(table) => return self.table(table, span),
            Toml::Array(array) => {
                let mut items = Vec::with_capacity(array.len());
                for item in array {
                    items.push(self.value(item, item.span().unwrap_or_else(|| span.clone()))?);
                }
                Value::List(items)
            }
        };
        self.node(found, span)
    }

    fn node(&mut self, value: Value, span: Range<usize>) -> Result<Node, Broken> {
        self.nodes += 1;
        if self.nodes > NODES {
            let message = format!("has more than {NODES} values from here on");
            let help = "keep data in files of their own";
            return Err(self.source.broken(span.start, None, message, help));
        }
        Ok(Node { value, at: self.source.place(span.start), span })
    }
}

/// Where a key stands; a table that only its children's headers name has no key of its own.
fn key_span(key: &Key, item: &Item) -> Range<usize> {
    key.span().or_else(|| item.span()).unwrap_or(0..0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Node, Broken> {
        read(&Source::open("a.toml".parse().unwrap(), text.as_bytes())?)
    }
    fn error(text: &str) -> String {
        let broken = parse(text).unwrap_err();
        format!("{broken}\nhelp: {}", broken.help)
    }

    #[test]
    fn values_know_where_they_stand() {
        let text = "\u{FEFF}[project]\r\nname = \"ä\" # c\r\ndeps = [\"x\",\r\n  'y']\r\nurls.a.b = 1_000\r\n[[t]]\r\nd = 2020-01-01\r\nf = 1.50\r\n";
        let node = parse(text).unwrap();
        assert_eq!(
            node.to_json(),
            json!({
                "project": {"name": "ä", "deps": ["x", "y"], "urls": {"a": {"b": 1000}}},
                "t": [{"d": "2020-01-01", "f": 1.5}],
            })
        );
        let project = node.get("project").unwrap();
        let name = project.get("name").unwrap();
        assert_eq!((name.at.line, name.at.column), (2, 8));
        assert_eq!(&text.trim_start_matches('\u{FEFF}')[name.span.clone()], "\"ä\"");
        let Value::List(deps) = &project.get("deps").unwrap().value else { panic!() };
        assert_eq!((deps[1].at.line, deps[1].at.column), (4, 3));
        assert_eq!(project.get("urls").and_then(|u| u.get("a")).unwrap().at.line, 5);
    }

    #[test]
    fn what_is_refused_says_where_and_why() {
        insta::assert_snapshot!(error("a = 1\nb = 2\na = 3\n"), @"
        a.toml:3:1: is not TOML: duplicate key
        help: keep one of the two: readers would disagree about which one counts
        ");
        insta::assert_snapshot!(error("[a]\n[a]\n"), @"
        a.toml:2:2: is not TOML: duplicate key
        help: keep one of the two: readers would disagree about which one counts
        ");
        insta::assert_snapshot!(error("a = \"open\n"), @r#"
        a.toml:1:10: is not TOML: invalid basic string, expected `"`
        help: check the quotes, brackets and `=` of this line
        "#);
        insta::assert_snapshot!(error("[project\nname = 'x'\n"), @"
        a.toml:1:9: is not TOML: unclosed table, expected `]`
        help: check the quotes, brackets and `=` of this line
        ");
        insta::assert_snapshot!(error("a = b\n"), @"
        a.toml:1:5: is not TOML: string values must be quoted, expected literal string
        help: check the quotes, brackets and `=` of this line
        ");
        insta::assert_snapshot!(error("a: b\n"), @"
        a.toml:1:4: is not TOML: key with no value, expected `=`
        help: check the quotes, brackets and `=` of this line
        ");
        insta::assert_snapshot!(error("a = \"\\u001b\"\nb = '\u{1b}'\n"), @"
        a.toml:2:6: has the control character U+001B
        help: remove it
        ");
    }

    #[test]
    fn nesting_is_refused_on_a_small_stack() {
        for (open, tail) in [
            ("[", ""),
            ("{a=", ""),
            ("[[", ""),
            ("b.", "c = 1"),
            ("[{a=", ""),
            ("'a'.", "a=1"),
            ("{b.c=", ""),
        ] {
            for start in ["a = ", "", "[", "[["] {
                let text = start.to_owned() + &open.repeat(250_000 / open.len()) + tail;
                let run = move || error(&text);
                let thread = std::thread::Builder::new().stack_size(512 << 10);
                let error = thread.spawn(run).unwrap().join().unwrap();
                assert!(error.starts_with("a.toml:1:"), "{error}");
            }
        }
        let many: String = (0..30_000).map(|i| format!("k{i}=1\n")).collect();
        assert!(error(&many[..262_000.min(many.len())]).contains("more than 20000"));
    }

    proptest! {
        #[test]
        fn no_mix_of_toml_signs_makes_it_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", "b", " = ", ".", "\n", "[", "]", "[[", "]]", "{", "}", ",", "'", "\"", "'''", "\"\"\"",
                "#", "1", "1.5", "true", "2020-01-01", "\\u", "\\", "\r\n", "\r", "é", "\u{FEFF}", "inf", "0x", "_",
            ]), 0..40)
        ) {
            parse(&parts.concat()).ok();
        }
    }
}
