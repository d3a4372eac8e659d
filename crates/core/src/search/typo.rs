//! Words near a word: a walk over the sorted terms that leaves out whatever cannot be near.

use super::file::Reader;
use super::terms::TermInfo;

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
/// terms share a prefix. Only cells that can be within the limit are filled: a band around the diagonal.
struct Table<'w> {
    word: &'w [char],
    limit: usize,
    /// Rows of `word.len() + 1` cells, one after the other.
    cells: Vec<u8>,
    /// The term's characters that have rows, and the byte where each ends.
    chars: Vec<(char, usize)>,
    /// The same characters as bytes.
    text: Vec<u8>,
}

/// A cell outside the band. No word has so many characters.
const FAR: u8 = u8::MAX - 1;

impl<'w> Table<'w> {
    fn new(word: &'w [char], limit: usize) -> Self {
        let first = (0..=word.len()).map(|j| if j <= limit { j as u8 } else { FAR });
        Self { word, limit, cells: first.collect(), chars: Vec::new(), text: Vec::new() }
    }

    /// Goes on to `term`.
    fn advance(&mut self, term: &[u8]) -> Near {
        let shared = self.text.iter().zip(term).take_while(|(a, b)| a == b).count();
        while self.chars.last().is_some_and(|&(_, end)| end > shared) {
            self.chars.pop();
        }
        let end = self.chars.last().map_or(0, |&(_, end)| end);
        self.text.truncate(end);
        self.cells.truncate((self.chars.len() + 1) * (self.word.len() + 1));
        let Some(rest) = term.get(end..).and_then(|rest| std::str::from_utf8(rest).ok()) else {
            return Near::Outside;
        };
        for c in rest.chars() {
            self.text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            if !self.push(c) {
                return Near::Hopeless(self.text.len());
            }
        }
        match self.cells.last() {
            Some(&slips) if usize::from(slips) <= self.limit => Near::Within(slips.into()),
            _ => Near::Outside,
        }
    }

    /// Adds the row of `c`; whether any of its cells is within the limit.
    fn push(&mut self, c: char) -> bool {
        let (width, i) = (self.word.len() + 1, self.chars.len() + 1);
        let before = self.chars.last().map(|&(c, _)| c);
        self.chars.push((c, self.text.len()));
        self.cells.resize((i + 1) * width, FAR);
        let (above, row) = self.cells.split_at_mut(i * width);
        let (two_up, up) = above.split_at(above.len() - width);
        let two_up = &two_up[two_up.len().saturating_sub(width)..];
        let mut alive = false;
        if i <= self.limit {
            row[0] = i as u8;
            alive = true;
        }
        for j in i.saturating_sub(self.limit).max(1)..=(i + self.limit).min(self.word.len()) {
            let w = self.word[j - 1];
            let mut least = (up[j - 1] + u8::from(w != c)).min(up[j] + 1).min(row[j - 1] + 1);
            if j > 1 && i > 1 && Some(w) == before && self.word[j - 2] == c {
                least = least.min(two_up[j - 2] + 1);
            }
            row[j] = least.min(FAR);
            alive |= usize::from(least) <= self.limit;
        }
        alive
    }
}
