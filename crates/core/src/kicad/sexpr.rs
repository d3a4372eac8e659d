//! S-expressions as tokens: linear, without recursion, and nothing is copied.

use crate::manifest::Place;

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `(`.
    Open,
    /// `)`.
    Close,
    /// A bare word.
    Word(&'a [u8]),
    /// A text in quotes, without them; escapes stand as they are.
    Text(&'a [u8]),
}

/// The tokens of a file, each with its place. A text that is not closed ends with the file.
pub struct Tokens<'a> {
    bytes: &'a [u8],
    at: usize,
    place: Place,
}

impl<'a> Tokens<'a> {
    /// The tokens of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, place: Place { line: 1, column: 1 } }
    }

    /// Where the next token is sought.
    pub fn place(&mut self) -> Place {
        self.blank();
        self.place
    }

    fn blank(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.bump();
        }
    }

    fn bump(&mut self) {
        let Some(byte) = self.bytes.get(self.at) else { return };
        self.at += 1;
        if *byte == b'\n' {
            self.place = Place { line: self.place.line.saturating_add(1), column: 1 };
        } else if byte & 0xC0 != 0x80 {
            self.place.column = self.place.column.saturating_add(1);
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (Place, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.blank();
        let place = self.place;
        let first = *self.bytes.get(self.at)?;
        let from = self.at;
        self.bump();
        let token = match first {
            b'(' => Token::Open,
            b')' => Token::Close,
            b'"' => {
                loop {
                    match self.bytes.get(self.at) {
                        None => break Token::Text(&self.bytes[from + 1..]),
                        Some(b'"') => {
                            let text = &self.bytes[from + 1..self.at];
                            self.bump();
                            break Token::Text(text);
                        }
                        // A backslash takes the next character as it is.
                        Some(b'\\') => {
                            self.bump();
                            self.bump();
                        }
                        Some(_) => self.bump(),
                    }
                }
            }
            _ => {
                let ends = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'(' | b')' | b'"');
                while self.bytes.get(self.at).is_some_and(|byte| !ends(byte)) {
                    self.bump();
                }
                Token::Word(&self.bytes[from..self.at])
            }
        };
        Some((place, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_texts_are_told_apart_with_their_places() {
        let found: Vec<_> = Tokens::new("(a\n \"b\\\"(\" é)\"c".as_bytes()).collect();
        let at = |line, column| Place { line, column };
        assert_eq!(
            found,
            [
                (at(1, 1), Token::Open),
                (at(1, 2), Token::Word(b"a")),
                (at(2, 2), Token::Text(b"b\\\"(")),
                (at(2, 9), Token::Word("é".as_bytes())),
                (at(2, 10), Token::Close),
                (at(2, 11), Token::Text(b"c")),
            ]
        );
        assert_eq!(Tokens::new(b"\"\\").next(), Some((at(1, 1), Token::Text(b"\\"))));
    }
}
