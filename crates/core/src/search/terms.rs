//! The terms of an index, sorted, and where their postings are.

use super::bits::{partition, u32_at, varint};
use super::file::{BLOCK_TERMS, Reader, TERM_BLOCKS, TERM_BYTES, TERMS};

/// A term's postings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TermInfo {
    pub(super) postings: u32,
    /// Where the postings start; the document, if there is one posting.
    pub(super) offset: u32,
    pub(super) bytes: u32,
    pub(super) best_impact: u8,
}

/// The numbers of bytes that a term shares with the one before and has of its own: a byte, or
/// 255 and two varints.
fn lengths(bytes: &[u8], at: &mut usize) -> Option<(usize, usize)> {
    let both = *bytes.get(*at)?;
    *at += 1;
    if both < 0xff {
        return Some((usize::from(both >> 4), usize::from(both & 15)));
    }
    Some((varint(bytes, at)? as usize, varint(bytes, at)? as usize))
}

/// A cursor over sorted terms.
pub(super) struct Terms<'a> {
    reader: Reader<'a>,
    text: Vec<u8>,
    /// The number of the term that is read next, and the byte where it starts.
    next: usize,
    at: usize,
    /// Where the postings of the next term start.
    list: u32,
    /// The current term, when `seek` found it and `advance` has not told of it yet.
    found: Option<TermInfo>,
}

impl<'a> Terms<'a> {
    /// Before the first term.
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Self { reader, text: Vec::new(), next: 0, at: 0, list: 0, found: None }
    }

    /// The current term.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Moves to the next term.
    pub(super) fn advance(&mut self) -> Option<TermInfo> {
        self.found.take().or_else(|| self.read())
    }

    fn read(&mut self) -> Option<TermInfo> {
        if self.next >= self.reader.terms() {
            return None;
        }
        let bytes = self.reader.section(TERMS);
        let mut at = self.at;
        let (shared, rest) = lengths(bytes, &mut at)?;
        if shared > self.text.len() || shared.saturating_add(rest) > TERM_BYTES {
            return None;
        }
        let rest = bytes.get(at..at + rest)?;
        at += rest.len();
        let number = varint(bytes, &mut at)?;
        let (postings, offset, bytes_of_list) = match number & 1 {
            0 => (1, number >> 1, 0),
            _ => (number >> 1, self.list, varint(bytes, &mut at)?),
        };
        let best_impact = *bytes.get(at)?;
        self.text.truncate(shared);
        self.text.extend_from_slice(rest);
        (self.at, self.next) = (at + 1, self.next + 1);
        self.list = self.list.saturating_add(bytes_of_list);
        Some(TermInfo { postings, offset, bytes: bytes_of_list, best_impact })
    }

    /// Moves on so that `advance` gives the first term that is not below `target`. Every call after
    /// an `advance` reads at least one term, so a walk ends whatever the bytes are.
    pub(super) fn seek(&mut self, target: &[u8]) {
        // From a walk it is mostly near: read a few terms, then look at 1, 2, 4, ... blocks ahead
        // before halving what is left.
        if self.next > 0 && self.read_to(target, BLOCK_TERMS / 4) {
            return;
        }
        let blocks = self.reader.terms().div_ceil(BLOCK_TERMS);
        let here = self.next / BLOCK_TERMS;
        let below = |block: usize| self.block_head(block).is_some_and(|head| head < target);
        let mut ahead = 1;
        while here + ahead < blocks && below(here + ahead) {
            ahead *= 2;
        }
        let start = here + ahead / 2;
        let block = start
            + partition((here + ahead).min(blocks).saturating_sub(start), |i| below(start + i));
        let block = block.saturating_sub(1);
        if block * BLOCK_TERMS > self.next || self.next == 0 {
            let starts = self.reader.section(TERM_BLOCKS);
            let (Some(at), Some(list)) = (u32_at(starts, 8 * block), u32_at(starts, 8 * block + 4))
            else {
                return;
            };
            (self.next, self.at, self.list) = (block * BLOCK_TERMS, at as usize, list);
            self.text.clear();
        }
        if !self.read_to(target, usize::MAX) {
            self.next = self.reader.terms();
        }
    }

    /// Reads up to `count` terms for one that is not below `target`; whether there is one.
    fn read_to(&mut self, target: &[u8], count: usize) -> bool {
        for _ in 0..count {
            match self.read() {
                Some(info) if self.text.as_slice() >= target => {
                    self.found = Some(info);
                    return true;
                }
                Some(_) => {}
                None => return false,
            }
        }
        false
    }

    fn block_head(&self, block: usize) -> Option<&[u8]> {
        let bytes = self.reader.section(TERMS);
        let mut at = u32_at(self.reader.section(TERM_BLOCKS), 8 * block)? as usize;
        let (_, length) = lengths(bytes, &mut at)?;
        bytes.get(at..at.checked_add(length)?)
    }
}
