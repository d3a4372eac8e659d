//! Reads of a board of KiCad which 3D models it names: the forms `(model "path" ...)` of its
//! S-expression, with quoted and bare paths. Linear, and it never fails: what it cannot read it passes over.

use super::cursor::Cursor;
use crate::manifest::Place;

/// The most models that are looked at in one board.
const MAX_MODELS: usize = 20_000;

/// The models of a board and where each is named.
pub(super) fn models(bytes: &[u8]) -> Vec<(String, Place)> {
    let mut cursor = Cursor::new(bytes);
    let (mut models, mut opened, mut wanted) = (Vec::new(), false, false);
    while let Some(byte) = cursor.peek() {
        let at = cursor.place();
        let word = match byte {
            b'(' | b')' => {
                cursor.bump();
                (opened, wanted) = (byte == b'(', false);
                continue;
            }
            b'"' => quoted(&mut cursor),
            _ if byte.is_ascii_whitespace() => {
                cursor.bump();
                continue;
            }
            _ => {
                let ends =
                    |byte: u8| byte.is_ascii_whitespace() || matches!(byte, b'(' | b')' | b'"');
                let word = bare(&mut cursor, ends);
                if opened && word == b"model" {
                    (opened, wanted) = (false, true);
                    continue;
                }
                word
            }
        };
        if wanted && models.len() < MAX_MODELS {
            models.push((String::from_utf8_lossy(&word).into_owned(), at));
        }
        (opened, wanted) = (false, false);
    }
    models
}

/// A bare word; a variable in it, `$(NAME)`, has brackets of its own.
fn bare(cursor: &mut Cursor, ends: impl Fn(u8) -> bool) -> Vec<u8> {
    let from = cursor.at();
    while let Some(byte) = cursor.peek() {
        if cursor.sees(b"$(") {
            cursor.skip(2);
            cursor.take_while(|byte| byte != b')' && byte != b'\n');
            cursor.skip(usize::from(cursor.peek() == Some(b')')));
        } else if ends(byte) {
            break;
        } else {
            cursor.bump();
        }
    }
    cursor.since(from).to_vec()
}

/// A string in quotes: a backslash takes the next character as it is.
fn quoted(cursor: &mut Cursor) -> Vec<u8> {
    cursor.bump();
    let mut text = Vec::new();
    loop {
        match cursor.bump() {
            None | Some(b'"') => return text,
            Some(b'\\') => text.extend(cursor.bump()),
            Some(byte) => text.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_and_bare_models_are_found_with_their_lines() {
        let board = "(kicad_pcb (version 1)\n  (footprint \"a:model\" (property \"model\" \"b\")\n    (model \"${KIPRJMOD}/a b\\\"(.step\" (offset (xyz 0 0 0)))\n  (model $(X)/c.wrl\n   (rotate)) (model) (models \"d\") (model\n \"e\"";
        let found: Vec<_> = models(board.as_bytes())
            .into_iter()
            .map(|(path, at)| format!("{}:{} {path}", at.line, at.column))
            .collect();
        assert_eq!(found, ["3:12 ${KIPRJMOD}/a b\"(.step", "4:10 $(X)/c.wrl", "6:2 e"]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(parts in proptest::collection::vec(proptest::sample::select(vec![
            "(model ", "(", ")", "\"", "\\", "$(", "\n", "é", "a", "\u{0}",
        ]), 0..60)) {
            let text = parts.concat();
            proptest::prop_assert!(models(text.as_bytes()).len() <= text.matches("(model").count());
        }
    }
}
