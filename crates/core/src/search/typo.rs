//! Words near a word: a walk over the sorted terms that leaves out whatever cannot be near.

use super::file::Reader;
use super::terms::TermInfo;
use super::words::WORD_CHARS;

/// How many slips a word of so many characters may have.
pub(super) fn slips(chars: usize) -> usize {
    match chars {
        0..4 => 0,
        4..8 => 1,
        _ => 2,
    }
}

/// Calls `each` with every term within `limit` slips of `word` (at least one, and two at most), and
/// their number. A slip is a character too many, missing, other, or swapped with its neighbour
/// (optimal string alignment).
pub(super) fn near(
    reader: Reader<'_>,
    word: &str,
    limit: usize,
    mut each: impl FnMut(TermInfo, usize),
) {
    let mut walk = Walk::new(word, limit);
    let mut terms = reader.terms_from(&[]);
    let mut past = Vec::new();
    while let Some(info) = terms.advance() {
        match walk.advance(terms.text()) {
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

/// Slips that are looked for at most.
const SLIPS: usize = 2;

/// A set of starts of the word by their lengths, a bit for each: a word has 64 characters at most.
type Starts = u128;

/// The states of an automaton that reads the current term, one for each of its characters; kept for
/// as long as terms share a prefix. A state has the starts of the word that are within so many slips
/// of what was read, for each number of slips.
struct Walk {
    limit: usize,
    /// The start that is the whole word.
    whole: Starts,
    /// The starts that end with a character: of ASCII, and of the word's others.
    ascii: [Starts; 128],
    others: Vec<(char, Starts)>,
    /// After each character, and before the first one.
    states: Vec<State>,
    /// The characters as bytes.
    text: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct State {
    within: [Starts; SLIPS + 1],
    /// The starts that end with the character that was read.
    ends: Starts,
    /// The byte where that character ends.
    end: usize,
}

impl Walk {
    fn new(word: &str, limit: usize) -> Self {
        let mut walk = Self {
            limit: limit.min(SLIPS),
            whole: 1,
            ascii: [0; 128],
            others: Vec::new(),
            states: Vec::new(),
            text: Vec::new(),
        };
        for c in word.chars().take(WORD_CHARS) {
            walk.whole <<= 1;
            match walk.ascii.get_mut(c as usize) {
                Some(ends) => *ends |= walk.whole,
                None => walk.others.push((c, walk.whole)),
            }
        }
        let within = std::array::from_fn(|slips| (2 << slips) - 1);
        walk.states.push(State { within, ..State::default() });
        walk
    }

    /// Goes on to `term`.
    fn advance(&mut self, term: &[u8]) -> Near {
        let shared = self.text.iter().zip(term).take_while(|(a, b)| a == b).count();
        while self.states.last().is_some_and(|state| state.end > shared) {
            self.states.pop();
        }
        let mut at = self.states.last().map_or(0, |state| state.end);
        self.text.truncate(at);
        while let Some(&first) = term.get(at) {
            let (c, bytes) = if first < 0x80 {
                (char::from(first), 1)
            } else {
                let rest = term.get(at..).and_then(|rest| std::str::from_utf8(rest).ok());
                let Some(c) = rest.and_then(|rest| rest.chars().next()) else {
                    return Near::Outside;
                };
                (c, c.len_utf8())
            };
            at += bytes;
            self.text.extend_from_slice(&term[at - bytes..at]);
            if !self.push(c, at) {
                return Near::Hopeless(at);
            }
        }
        let state = self.states.last().copied().unwrap_or_default();
        match state.within[..=self.limit].iter().position(|starts| starts & self.whole != 0) {
            Some(slips) => Near::Within(slips),
            None => Near::Outside,
        }
    }

    /// Reads `c`, which ends at a byte; whether any start of the word is still within the limit.
    #[inline]
    fn push(&mut self, c: char, end: usize) -> bool {
        let ends = match self.ascii.get(c as usize) {
            Some(ends) => *ends,
            None => self.others.iter().filter(|other| other.0 == c).map(|other| other.1).sum(),
        };
        let up = self.states.last().copied().unwrap_or_default();
        let two_up = self.states.len().checked_sub(2).map_or(State::default(), |i| self.states[i]);
        let mut within = [0; SLIPS + 1];
        within[0] = up.within[0] << 1 & ends;
        for slips in 1..=self.limit {
            let other_or_more = up.within[slips - 1] << 1 | up.within[slips - 1];
            let missing = within[slips - 1] << 1;
            let swapped = two_up.within[slips - 1] << 2 & ends << 1 & up.ends;
            within[slips] = up.within[slips] << 1 & ends | other_or_more | missing | swapped;
        }
        // What is longer than the word is no start of it.
        within.iter_mut().for_each(|starts| *starts &= self.whole | (self.whole - 1));
        self.states.push(State { within, ends, end });
        within[self.limit] != 0
    }
}
