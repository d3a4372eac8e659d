//! Words near a word: a walk over the sorted terms that leaves out whatever cannot be near.

use super::file::{Reader, TermInfo};

/// How many slips a word of so many characters may have.
pub(super) fn slips(chars: usize) -> usize {
    match chars {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    }
}

/// Calls `each` with every term within `limit` slips of `word` (at least one), and their number. A
/// slip is a character too many, missing, other, or swapped with its neighbour (optimal string
/// alignment).
pub(super) fn near(
    reader: Reader<'_>,
    word: &str,
    limit: usize,
    mut each: impl FnMut(TermInfo, usize),
) {
    let word = word.chars().collect::<Vec<_>>();
    let mut table = Table::new(&word, limit);
    let mut terms = reader.terms_from(&[]);
    let mut past = Vec::new();
    while let Some(info) = terms.advance() {
        match table.advance(terms.text()) {
            Near::Hopeless(bytes) => {
                past.clear();
                past.extend_from_slice(terms.text().get(..bytes).unwrap_or_default());
                if !next_prefix(&mut past) {
                    return;
                }
                terms.seek(&past);
            }
            Near::Within(slips) if slips > 0 => each(info, slips),
            Near::Within(_) | Near::Outside => {}
        }
    }
}

/// The least text above all texts that start with `prefix`; false where there is none.
fn next_prefix(prefix: &mut Vec<u8>) -> bool {
    while let Some(last) = prefix.pop() {
        if last < 0xff {
            prefix.push(last + 1);
            return true;
        }
    }
    false
}

enum Near {
    /// No term that starts with so many bytes of this one is near.
    Hopeless(usize),
    Within(usize),
    Outside,
}

/// The rows of the alignment table, one for each character of the current term; kept for as long as
/// terms share a prefix.
struct Table<'w> {
    word: &'w [char],
    limit: usize,
    rows: Vec<Vec<usize>>,
    /// The term's characters that have rows, and the byte where each ends.
    chars: Vec<(char, usize)>,
    /// The same characters as bytes.
    text: Vec<u8>,
}

impl<'w> Table<'w> {
    fn new(word: &'w [char], limit: usize) -> Self {
        Self {
            word,
            limit,
            rows: vec![(0..=word.len()).collect()],
            chars: Vec::new(),
            text: Vec::new(),
        }
    }

    /// Goes on to `term`.
    fn advance(&mut self, term: &[u8]) -> Near {
        let shared = self.text.iter().zip(term).take_while(|(a, b)| a == b).count();
        while self.chars.last().is_some_and(|&(_, end)| end > shared) {
            self.chars.pop();
        }
        let mut end = self.chars.last().map_or(0, |&(_, end)| end);
        self.text.truncate(end);
        let Some(rest) = term.get(end..).and_then(|rest| std::str::from_utf8(rest).ok()) else {
            return Near::Outside;
        };
        for c in rest.chars() {
            self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            end = self.text.len();
            self.push(c, end);
            let row = &self.rows[self.chars.len()];
            if row.iter().all(|&slips| slips > self.limit) {
                return Near::Hopeless(end);
            }
        }
        match self.rows.get(self.chars.len()).and_then(|row| row.last()) {
            Some(&slips) if slips <= self.limit => Near::Within(slips),
            _ => Near::Outside,
        }
    }

    fn push(&mut self, c: char, end: usize) {
        let i = self.chars.len();
        let before = self.chars.last().map(|&(c, _)| c);
        self.chars.push((c, end));
        if self.rows.len() < i + 2 {
            self.rows.push(vec![0; self.word.len() + 1]);
        }
        self.rows[i + 1][0] = i + 1;
        for (j, &w) in self.word.iter().enumerate() {
            let other = self.rows[i][j] + usize::from(w != c);
            let mut least = other.min(self.rows[i][j + 1] + 1).min(self.rows[i + 1][j] + 1);
            if i > 0 && j > 0 && Some(w) == before && self.word[j - 1] == c {
                least = least.min(self.rows[i - 1][j - 1] + 1);
            }
            self.rows[i + 1][j + 1] = least;
        }
    }
}
