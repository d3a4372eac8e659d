//! A cursor over the bytes of a text that knows line and column, so that readers of large or hostile
//! files stay linear: nothing is counted twice.

use crate::manifest::Place;

/// A place in a text.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    place: Place,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, place: Place { line: 1, column: 1 } }
    }

    /// The offset in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Line and column.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether `text` follows.
    pub(super) fn sees(&self, text: &[u8]) -> bool {
        self.bytes[self.at..].starts_with(text)
    }

    /// Takes one byte.
    pub(super) fn bump(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        if byte == b'\n' {
            self.place = Place { line: self.place.line.saturating_add(1), column: 1 };
        } else if byte & 0xC0 != 0x80 {
            // A byte inside of a character is none of its own.
            self.place.column = self.place.column.saturating_add(1);
        }
        Some(byte)
    }

    /// Takes `count` bytes, or what is left.
    pub(super) fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.bump();
        }
    }

    /// Takes bytes while `wanted` says so.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let from = self.at;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        &self.bytes[from..self.at]
    }

    /// What was taken since the offset `from`.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        &self.bytes[from.min(self.at)..self.at]
    }
}
