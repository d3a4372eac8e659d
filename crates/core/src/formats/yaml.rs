//! YAML 1.2 (core schema) as a tree of values, in bounded memory and without recursion.
//!
//! Refused, with the place: a key that stands twice, more than one document, tags outside of the core
//! schema, keys that are lists or maps, and whatever exceeds [`DEPTH`] or the source's
//! [`Bounds`]. Anchors and aliases are read, and each copy counts against these bounds, so
//! that no document grows by more than a small factor. Merge keys (`<<`) are YAML 1.1 and stay
//! ordinary keys.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::Broken;
use super::value::{Bounds, DEPTH, Entry, Node, Source, Value, shown};

/// Reads the one document of `source`; an empty one is [`Value::Null`].
///
/// # Errors
///
/// [`Broken`] at the first thing that is wrong.
pub(crate) fn read(source: &Source) -> Result<Node, Broken> {
    let mut builder = Builder::new(source);
    let mut parser = Parser::new_from_str(source.text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| builder.syntax(&error))?;
        let span = builder.offset(span.start)..builder.offset(span.end);
        builder.take(event, span)?;
    }
    Ok(builder.root.unwrap_or(Node { value: Value::Null, span: 0..0, at: source.place(0) }))
}

/// What a node weighs: all that it holds, and itself.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// A list or map that is still open.
struct Frame {
    open: Open,
    start: usize,
    anchor: usize,
    weight: Weight,
}

enum Open {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, keys: HashMap<String, usize>, key: Option<(String, Span)> },
}

type Span = std::ops::Range<usize>;

struct Builder<'s, 'a> {
    source: &'s Source<'a>,
    /// Byte offset of each character; empty for ASCII, where the two are one.
    bytes_at: Vec<usize>,
    stack: Vec<Frame>,
    root: Option<Node>,
    documents: usize,
    /// Finished anchored nodes by the parser's number; one that is still open is not in it.
    anchors: HashMap<usize, (Node, Weight)>,
    nodes: usize,
    bytes: usize,
}

impl<'s, 'a> Builder<'s, 'a> {
    fn new(source: &'s Source<'a>) -> Self {
        let ascii = source.text.is_ascii();
        let bytes_at =
            if ascii { Vec::new() } else { source.text.char_indices().map(|(i, _)| i).collect() };
        Self {
            source,
            bytes_at,
            stack: Vec::new(),
            root: None,
            documents: 0,
            anchors: HashMap::new(),
            nodes: 0,
            bytes: 0,
        }
    }

    fn offset(&self, marker: Marker) -> usize {
        let end = self.source.text.len();
        match self.bytes_at.is_empty() {
            true => marker.index().min(end),
            false => self.bytes_at.get(marker.index()).copied().unwrap_or(end),
        }
    }

    fn take(&mut self, event: Event, span: Span) -> Result<(), Broken> {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(self.source.broken(
                        span.start,
                        None,
                        "a second document starts here",
                        "a manifest is one document: remove the `---` and what follows it",
                    ));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = self.scalar(&text, style, tag.as_deref(), &span)?;
                if self.wants_key() {
                    return self.key(value, &text, span);
                }
                let weight = Weight { nodes: 1, bytes: text.len(), height: 0 };
                self.done(value, span, anchor, weight)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", &span)?;
                self.open(Open::List(Vec::new()), span, anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", &span)?;
                let map = Open::Map { entries: Vec::new(), keys: HashMap::new(), key: None };
                self.open(map, span, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(frame) = self.stack.pop() {
                    let value = match frame.open {
                        Open::List(items) => Value::List(items),
                        Open::Map { entries, .. } => Value::Map(entries),
                    };
                    let span = frame.start..span.end;
                    self.done(value, span, frame.anchor, frame.weight)?;
                }
            }
            Event::Alias(anchor) => self.alias(anchor, span)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { open: Open::Map { key: None, .. }, .. }))
    }

    fn key(&mut self, value: Value, text: &str, span: Span) -> Result<(), Broken> {
        if value == Value::Null {
            return Err(self.source.broken(
                span.start,
                None,
                "an entry has no key",
                "write `name: value`",
            ));
        }
        self.count(1, text.len(), span.start)?;
        if let Some(Frame { open: Open::Map { keys, key, .. }, .. }) = self.stack.last_mut() {
            if let Some(first) = keys.insert(text.to_owned(), span.start) {
                return Err(self.source.duplicate(text, first, span.start));
            }
            *key = Some((text.to_owned(), span));
        }
        Ok(())
    }

    fn open(&mut self, open: Open, span: Span, anchor: usize) -> Result<(), Broken> {
        if self.wants_key() {
            return Err(self.source.broken(
                span.start,
                None,
                "a list or map stands where a key belongs",
                "keys are plain text; quote a text that starts with `[` or `{`",
            ));
        }
        if self.stack.len() >= DEPTH {
            return Err(self.too_deep(span.start));
        }
        let weight = Weight { nodes: 1, bytes: 0, height: 0 };
        self.stack.push(Frame { open, start: span.start, anchor, weight });
        Ok(())
    }

    /// Puts a finished node where it belongs, and remembers it when it has an anchor.
    fn done(
        &mut self,
        value: Value,
        span: Span,
        anchor: usize,
        weight: Weight,
    ) -> Result<(), Broken> {
        self.count(1, if weight.nodes == 1 { weight.bytes } else { 0 }, span.start)?;
        let node = Node { value, at: self.source.place(span.start), span };
        if anchor != 0 {
            self.count(weight.nodes, weight.bytes, node.span.start)?;
            self.anchors.insert(anchor, (node.clone(), weight));
        }
        self.place(node, weight);
        Ok(())
    }

    fn place(&mut self, node: Node, weight: Weight) {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.weight.nodes += weight.nodes;
        frame.weight.bytes += weight.bytes;
        frame.weight.height = frame.weight.height.max(weight.height + 1);
        match &mut frame.open {
            Open::List(items) => items.push(node),
            Open::Map { entries, key, .. } => {
                if let Some((text, key_span)) = key.take() {
                    frame.weight.nodes += 1;
                    frame.weight.bytes += text.len();
                    let key_at = self.source.place(key_span.start);
                    entries.push(Entry { key: text, key_span, key_at, node });
                }
            }
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Broken> {
        if self.wants_key() {
            return Err(self.source.broken(
                span.start,
                None,
                "an alias stands where a key belongs",
                "write the key itself",
            ));
        }
        let Some((node, weight)) = self.anchors.get(&anchor) else {
            return Err(self.source.broken(
                span.start,
                None,
                "an alias stands inside of what it names, so it would never end",
                "write out the value",
            ));
        };
        let weight = *weight;
        if self.stack.len() + weight.height > DEPTH {
            return Err(self.too_deep(span.start));
        }
        let Bounds { nodes, text_bytes, .. } = self.source.bounds;
        // Before the copy is made, so that a bomb costs nothing.
        let (value, at) = (&node.value, self.source.place(span.start));
        let fits = self.nodes + weight.nodes <= nodes && self.bytes + weight.bytes <= text_bytes;
        let copy = fits.then(|| Node { value: value.clone(), span: span.clone(), at });
        self.count(weight.nodes, weight.bytes, span.start)?;
        if let Some(copy) = copy {
            self.place(copy, weight);
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, bytes: usize, start: usize) -> Result<(), Broken> {
        self.nodes += nodes;
        self.bytes += bytes;
        let Bounds { nodes: most, text_bytes, .. } = self.source.bounds;
        if self.nodes <= most && self.bytes <= text_bytes {
            return Ok(());
        }
        let message = format!(
            "has more than {most} values or {text_bytes} bytes of text from here on, counting every alias as a copy"
        );
        Err(self.source.broken(start, None, message, "keep data in files of their own"))
    }

    fn too_deep(&self, start: usize) -> Broken {
        let message = format!("lists and maps nest more than {DEPTH} deep");
        self.source.broken(start, None, message, "a manifest is flatter than that")
    }

    fn scalar(
        &self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&Tag>,
        span: &Span,
    ) -> Result<Value, Broken> {
        let plain = || if style == ScalarStyle::Plain { resolve(text) } else { string(text) };
        let Some(tag) = tag else { return Ok(plain()) };
        let core = if tag.is_yaml_core_schema() { tag.suffix.as_str() } else { "" };
        let value = match core {
            "str" => Some(string(text)),
            "null" => Some(resolve(text)).filter(|v| matches!(v, Value::Null)),
            "bool" => Some(resolve(text)).filter(|v| matches!(v, Value::Bool(_))),
            "int" | "float" => Some(resolve(text)).filter(|v| matches!(v, Value::Number(_))),
            _ => return Err(self.unknown_tag(tag, span)),
        };
        value.ok_or_else(|| {
            let message = format!("`{}` is not what its tag `!!{core}` says", shown(text));
            self.source.broken(span.start, None, message, "remove the tag")
        })
    }

    fn check_tag(&self, tag: Option<&Tag>, suffix: &str, span: &Span) -> Result<(), Broken> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == suffix) => {
                Err(self.unknown_tag(tag, span))
            }
            _ => Ok(()),
        }
    }

    fn unknown_tag(&self, tag: &Tag, span: &Span) -> Broken {
        let handle = if tag.is_yaml_core_schema() { "!!" } else { &tag.handle };
        let message = format!("has the tag `{}`", shown(&format!("{handle}{}", tag.suffix)));
        let help = "a manifest holds plain values only: remove the tag";
        self.source.broken(span.start, None, message, help)
    }

    /// What the parser stumbled over, with the commonest causes named.
    fn syntax(&self, error: &saphyr_parser::ScanError) -> Broken {
        let offset = self.offset(*error.marker());
        let line = self.source.text[..offset].rfind('\n').map_or(0, |i| i + 1);
        let indent = self.source.text[line..].chars().take_while(|c| c.is_whitespace());
        let help = if indent.clone().any(|c| c == '\t') {
            "YAML is indented with blanks: replace the tab"
        } else if error.info().contains("quoted") {
            "close the quote"
        } else if error.info().contains("mapping values") {
            "quote a value that contains `: `"
        } else {
            "check the indentation and the quotes of this line and the one above"
        };
        let message = format!("is not YAML: {}", shown(error.info()));
        self.source.broken(offset, None, message, help)
    }
}

fn string(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A plain scalar by the core schema (YAML 1.2.2, section 10.3.2).
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => string(text),
    }
}

fn is_number(text: &str) -> bool {
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal) && !octal.contains(['8', '9']);
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let mantissa = match mantissa.split_once('.') {
        None => digits(mantissa),
        Some(("", fraction)) => digits(fraction),
        Some((whole, fraction)) => digits(whole) && (fraction.is_empty() || digits(fraction)),
    };
    mantissa && exponent.is_none_or(|e| digits(e.strip_prefix(['-', '+']).unwrap_or(e)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn parse(text: &str) -> Result<Node, Broken> {
        read(&Source::open("a.yaml".parse().unwrap(), text.as_bytes())?)
    }
    fn json(text: &str) -> serde_json::Value {
        parse(text).unwrap().to_json()
    }
    fn error(text: &str) -> String {
        let broken = parse(text).unwrap_err();
        format!("{broken}\nhelp: {}", broken.help)
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let text = "[1, -2, 0x1F, 1.5, 1e3, .5, 1., .inf, yes, on, True, ~, null, 1.2.3, '1', 0o7, 0o8, 1_0, 12:30, !!str 1.0]";
        assert_eq!(
            json(text),
            json!([
                1, -2, "0x1F", 1.5, 1000.0, 0.5, 1.0, ".inf", "yes", "on", true, null, null,
                "1.2.3", "1", "0o7", "0o8", "1_0", "12:30", "1.0"
            ])
        );
        assert_eq!(parse("1.10").unwrap().value, Value::Number("1.10".into()));
        assert_eq!(json(""), json!(null));
        assert_eq!(json("# only a comment\n"), json!(null));
    }

    #[test]
    fn marks_line_ends_and_positions_are_understood() {
        assert_eq!(json("\u{FEFF}a: b\r\nc:\r\n  - d\r\n"), json!({"a": "b", "c": ["d"]}));
        let node = parse("ä: 😀\r\nüü: {x: 'y'}\r\n").unwrap();
        let y = node.get("üü").and_then(|n| n.get("x")).unwrap();
        assert_eq!((y.at.line, y.at.column), (2, 9));
        let text = "ä: 😀\r\nüü: {x: 'y'}\r\n";
        assert_eq!(&text[y.span.clone()], "'y'");
        let text = "a: plain  # comment\nb: \"q\"\nc:\nd: *x\n".replace("plain", "&x plain");
        let node = parse(&text).unwrap();
        let span = |key| &text[node.get(key).unwrap().span.clone()];
        assert_eq!((span("a"), span("b"), span("d")), ("&x plain", "\"q\"", "*x"));
    }

    #[test]
    fn what_is_refused_says_where_and_why() {
        insta::assert_snapshot!(error("a: 1\nb: 2\na: 3\n"), @"
        a.yaml:3:1: `a`: the key stands here and at line 1, column 1
        help: keep one of the two: readers would disagree about which one counts
        ");
        insta::assert_snapshot!(error("a: {x: 1, x: 2}\n"), @"
        a.yaml:1:11: `x`: the key stands here and at line 1, column 5
        help: keep one of the two: readers would disagree about which one counts
        ");
        insta::assert_snapshot!(error("a: 1\n---\nb: 2\n"), @"
        a.yaml:2:1: a second document starts here
        help: a manifest is one document: remove the `---` and what follows it
        ");
        insta::assert_snapshot!(error("a: !include secrets.yaml\n"), @"
        a.yaml:1:4: has the tag `!include`
        help: a manifest holds plain values only: remove the tag
        ");
        insta::assert_snapshot!(error("a: !!python/object:os.system x\n"), @"
        a.yaml:1:4: has the tag `!!python/object:os.system`
        help: a manifest holds plain values only: remove the tag
        ");
        insta::assert_snapshot!(error("a: !!int x\n"), @"
        a.yaml:1:4: `x` is not what its tag `!!int` says
        help: remove the tag
        ");
        insta::assert_snapshot!(error("? [a, b]\n: c\n"), @"
        a.yaml:1:3: a list or map stands where a key belongs
        help: keys are plain text; quote a text that starts with `[` or `{`
        ");
        insta::assert_snapshot!(error(": c\n"), @"
        a.yaml:1:1: an entry has no key
        help: write `name: value`
        ");
        insta::assert_snapshot!(error("a: &x [*x]\n"), @"
        a.yaml:1:8: an alias stands inside of what it names, so it would never end
        help: write out the value
        ");
        insta::assert_snapshot!(error("a: *nothing\n"), @"
        a.yaml:1:4: is not YAML: while parsing node, found unknown anchor
        help: check the indentation and the quotes of this line and the one above
        ");
        insta::assert_snapshot!(error("a:\n\tb: c\n"), @"
        a.yaml:2:2: is not YAML: tabs disallowed within this context (block indentation)
        help: YAML is indented with blanks: replace the tab
        ");
        insta::assert_snapshot!(error("a: \"open\nb: c\n"), @"
        a.yaml:1:4: is not YAML: invalid indentation in quoted scalar
        help: close the quote
        ");
        insta::assert_snapshot!(error("a: b: c\n"), @"
        a.yaml:1:5: is not YAML: mapping values are not allowed in this context
        help: quote a value that contains `: `
        ");
        insta::assert_snapshot!(error("a: [1, 2\nb: 3\n"), @"
        a.yaml:2:2: is not YAML: illegal placement of ':' indicator
        help: check the indentation and the quotes of this line and the one above
        ");
        insta::assert_snapshot!(error("a: \u{1b}[31m\n"), @"
        a.yaml:1:4: has the control character U+001B
        help: remove it
        ");
    }

    #[test]
    fn aliases_are_copies_up_to_a_bound() {
        assert_eq!(json("a: &x {k: 1}\nb: *x\n"), json!({"a": {"k": 1}, "b": {"k": 1}}));
        let mut laughs = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n".to_owned();
        for i in 1..9 {
            let row = vec![format!("*a{}", i - 1); 9].join(", ");
            laughs += &format!("a{i}: &a{i} [{row}]\n");
        }
        insta::assert_snapshot!(error(&laughs), @"
        a.yaml:5:10: has more than 20000 values or 1048576 bytes of text from here on, counting every alias as a copy
        help: keep data in files of their own
        ");
        let long = format!("a: &x {}\nb: [{}]\n", "y".repeat(100_000), "*x, ".repeat(5_000));
        assert!(error(&long).contains("more than 20000 values or 1048576 bytes"));
        let nested = format!(
            "a: &x {}{}\nb: {}*x{}",
            "[".repeat(40),
            "]".repeat(40),
            "[".repeat(40),
            "]".repeat(40)
        );
        assert!(error(&nested).contains("more than 64 deep"));
    }

    /// Runs on a small stack, so that recursion would show.
    fn on_a_small_stack(text: String) -> String {
        let run = move || error(&text);
        std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap()
    }

    #[test]
    fn nesting_is_refused_without_recursion() {
        for open in ["[", "{a: ", "- ", "? ", "[{a: ", "!!seq [", "&a [", "{", "- - [", "? - "] {
            let text = open.repeat((256 << 10) / open.len());
            let error = on_a_small_stack(text);
            assert!(error.starts_with("a.yaml:1:"), "{open}: {error}");
        }
        let lines: String = (0..500).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        assert!(on_a_small_stack(lines).contains("more than 64 deep"));
        let error = on_a_small_stack("[".repeat(10 << 20));
        assert!(error.contains("has 10485760 bytes"), "{error}");
    }

    #[test]
    fn big_flat_documents_are_refused_in_time() {
        for text in [
            "a\n".repeat(120_000),
            "- \n".repeat(80_000),
            ",".repeat(250_000),
            "\"".repeat(250_000),
        ] {
            parse(&text).ok();
        }
        let keys: String = (0..30_000).map(|i| format!("{i}:\n")).collect();
        assert!(error(&keys).contains("more than 20000 values"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            parse(&text).ok();
        }
        #[test]
        fn no_mix_of_yaml_signs_makes_it_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", "b", ": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "&x ", "*x", "!!str ", "!t ",
                "|", ">", "'", "\"", "#", "? ", "---\n", "...\n", "%YAML 1.2\n", "\t", "\r\n", "\r", "é", "\u{FEFF}", "|2-", "\\",
                "\u{85}", "\u{2028}", "\0", "%TAG ! x\n",
            ]), 0..40)
        ) {
            parse(&parts.concat()).ok();
        }
        #[test]
        fn json_is_yaml(value in json_value()) {
            prop_assert_eq!(json(&value.to_string()), value);
        }
    }

    fn json_value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|b| json!(b)),
            any::<i64>().prop_map(|i| json!(i)),
            "[a-zäé \\n\"\\\\:#-]{0,12}".prop_map(|s| json!(s)),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(|v| json!(v)),
                prop::collection::btree_map("[a-z]{1,5}", inner, 0..5).prop_map(|m| json!(m)),
            ]
        })
    }
}
