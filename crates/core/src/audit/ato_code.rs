//! Reads of an `.ato` file what rules need: its imports, and how often each word stands in its code.
//! Comments, strings and docstrings are no code. It never fails: what is no import is passed over.

use std::collections::HashMap;

use super::cursor::Cursor;
use crate::manifest::Place;

/// The most imports that are looked at in one file.
const MAX_IMPORTS: usize = 1_000;
/// The largest file that is read, in bytes.
pub(super) const MAX_BYTES: usize = 4 << 20;

/// One name that a file imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Import {
    /// The name.
    pub(super) name: String,
    /// The file that it comes from; none for what `ato` brings along.
    pub(super) path: Option<String>,
    /// Where the statement begins.
    pub(super) at: Place,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// The imports, in order.
    pub(super) imports: Vec<Import>,
    /// How often each word stands in the code.
    pub(super) words: HashMap<Vec<u8>, u32>,
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(u8),
}

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Code {
    let mut code = Code::default();
    let mut cursor = Cursor::new(bytes);
    let mut statement = Statement::default();
    let mut depth = 0_u32;
    while let Some(byte) = cursor.peek() {
        let at = cursor.place();
        match byte {
            b'#' => {
                cursor.take_while(|byte| byte != b'\n');
            }
            b'\\' if cursor.sees(b"\\\n") => cursor.skip(2),
            b'\\' if cursor.sees(b"\\\r\n") => cursor.skip(3),
            // A line goes on inside of brackets.
            b'\n' if depth == 0 => {
                cursor.bump();
                statement.end(&mut code);
            }
            b';' => {
                cursor.bump();
                statement.end(&mut code);
            }
            b'"' | b'\'' => {
                let text = string(&mut cursor, byte);
                statement.push(Token::Text(lossy(text)), at);
            }
            _ if is_word(byte) => {
                let word = cursor.take_while(is_word);
                *code.words.entry(word.to_vec()).or_default() += 1;
                statement.push(Token::Word(lossy(word)), at);
            }
            _ if byte.is_ascii_whitespace() => {
                cursor.bump();
            }
            _ => {
                cursor.bump();
                match byte {
                    b'(' | b'[' | b'{' => depth = depth.saturating_add(1),
                    b')' | b']' | b'}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                statement.push(Token::Mark(byte), at);
            }
        }
    }
    statement.end(&mut code);
    code
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Takes a string and answers its content. One of a single mark ends with its line at the latest, so
/// that a lost mark does not swallow the rest of the file.
fn string<'a>(cursor: &mut Cursor<'a>, mark: u8) -> &'a [u8] {
    let long = cursor.sees(&[mark; 3]);
    let marks = if long { 3 } else { 1 };
    cursor.skip(marks);
    let from = cursor.at();
    loop {
        match cursor.peek() {
            Some(b'\\') => cursor.skip(2),
            Some(b'\n') if !long => return cursor.since(from),
            Some(byte) if byte == mark && (!long || cursor.sees(&[mark; 3])) => {
                let text = cursor.since(from);
                cursor.skip(marks);
                return text;
            }
            Some(_) => {
                cursor.bump();
            }
            None => return cursor.since(from),
        }
    }
}

/// The tokens of one statement; of one that is no import none are kept.
#[derive(Default)]
struct Statement {
    tokens: Vec<Token>,
    at: Option<Place>,
}

impl Statement {
    fn push(&mut self, token: Token, at: Place) {
        let starts = matches!(&token, Token::Word(word) if word == "import" || word == "from");
        let first = self.at.is_none();
        self.at.get_or_insert(at);
        if !self.tokens.is_empty() || (first && starts) {
            self.tokens.push(token);
        }
    }

    fn end(&mut self, code: &mut Code) {
        let at = self.at.take();
        let tokens = std::mem::take(&mut self.tokens);
        let (Some(at), Some((path, names))) = (at, import(&tokens)) else { return };
        let room = MAX_IMPORTS.saturating_sub(code.imports.len());
        let import = |name: String| Import { name, path: path.clone(), at };
        code.imports.extend(names.into_iter().take(room).map(import));
    }
}

/// `from "path" import A, B`, `import A, B`, and the old `import A from "path"`: path and names.
fn import(tokens: &[Token]) -> Option<(Option<String>, Vec<String>)> {
    let (first, rest) = tokens.split_first()?;
    if *first == Token::Word("from".to_owned()) {
        let [Token::Text(path), Token::Word(word), names @ ..] = rest else { return None };
        return (word == "import").then(|| (Some(path.clone()), listed(names)));
    }
    let from = Token::Word("from".to_owned());
    let end = rest.iter().position(|token| *token == from).unwrap_or(rest.len());
    let path = match rest.get(end + 1) {
        Some(Token::Text(path)) => Some(path.clone()),
        _ => None,
    };
    Some((path, listed(&rest[..end])))
}

/// The names of a list with commas; of `a.B` the last part.
fn listed(tokens: &[Token]) -> Vec<String> {
    let name = |part: &[Token]| match part.last() {
        Some(Token::Word(word)) => Some(word.clone()),
        _ => None,
    };
    tokens.split(|token| *token == Token::Mark(b',')).filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(text: &str) -> Vec<String> {
        let show = |import: Import| {
            let path = import.path.map(|path| format!(" of {path}")).unwrap_or_default();
            format!("{}:{} {}{path}", import.at.line, import.at.column, import.name)
        };
        read(text.as_bytes()).imports.into_iter().map(show).collect()
    }

    #[test]
    fn every_way_to_import_is_read() {
        let text = "import A; import B, C # import D\nfrom \"a/b.ato\" import E, F\nimport G from 'c.ato'\n    from \"d.ato\" import \\\n  H\n";
        assert_eq!(
            imports(text),
            [
                "1:1 A",
                "1:11 B",
                "1:11 C",
                "2:1 E of a/b.ato",
                "2:1 F of a/b.ato",
                "3:1 G of c.ato",
                "4:5 H of d.ato"
            ]
        );
    }

    #[test]
    fn strings_comments_and_unfinished_texts_are_no_code() {
        let text = "\"\"\"\nimport A\n\"\"\"\nx = \"import B\nimport C\n# import D\ny = 'it\\'s; import E'\nfrom import F\nfrom \"x\"\nimportant G\n\"\"\" import H";
        assert_eq!(imports(text), ["5:1 C"]);
        let code = read(b"a = new A # A A\n\"A\"\nA2");
        assert_eq!(code.words.get(&b"A"[..]), Some(&1));
    }

    #[test]
    fn a_flood_of_imports_is_bounded() {
        let text = format!("import {}", "A, ".repeat(50_000));
        assert_eq!(read(text.as_bytes()).imports.len(), MAX_IMPORTS);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(parts in proptest::collection::vec(proptest::sample::select(vec![
            "import ", "from ", "\"", "'", "\"\"\"", "\\", "\n", "\r", ";", "#", "(", ")", ",", ".", "A", "é", "\u{0}",
        ]), 0..60)) {
            let text = parts.concat();
            let lines = text.matches('\n').count() as u32 + 1;
            for import in read(text.as_bytes()).imports {
                proptest::prop_assert!(import.at.line <= lines && !import.name.is_empty());
            }
        }
    }
}
