//! The index as bytes: written in one go, read in place.
//!
//! All numbers are little endian; a varint has 7 bits a byte, the lowest first. Sections follow the
//! header without gaps:
//!
//! | section | holds |
//! |---|---|
//! | header | magic, format, number of documents, number of terms, length of each section (`u32` each) |
//! | documents | per document, most popular first: where its identifier starts, its position when the index was built (`u32` each) |
//! | identifiers | as spelled, one after the other |
//! | by key | documents in the order of their keys (`u32`) |
//! | blocks | where every [`BLOCK_TERMS`]th term starts (`u32`) |
//! | terms | sorted; each: bytes shared with the one before (none at a block's start), length of the rest, the rest, number of postings, where they start or, of a single one, its document (varints), their best impact (a byte) |
//! | postings | per term: the best [`BEST`] (document `u32`, impact byte) where it has more than [`BEST_FROM`]; then per full [`SKIP`] postings the last document and where the next group starts (`u32` each); then all: distance to the document before, as a varint, and impact |
//!
//! Documents are numbered by popularity, so postings are too. Opening checks the header and the
//! lengths of sections, nothing else, and touches nothing else; every later read is checked where it
//! happens, and what makes no sense is the end of the list that is being read. So any bytes can be
//! opened and searched without a panic, and an index of any size opens at once.

use std::cmp::Ordering;

use super::IndexError;

pub(super) const MAGIC: [u8; 8] = *b"PKHINDEX";
pub(super) const FORMAT: u32 = 1;
pub(super) const HEADER_BYTES: usize = 8 + 4 * (3 + SECTIONS);
pub(super) const SECTIONS: usize = 6;
/// Terms that share prefixes with one another; the first one is whole.
pub(super) const BLOCK_TERMS: usize = 16;
/// How many of the best postings a frequent term has at hand.
pub(super) const BEST: usize = 128;
/// From how many postings on a term is frequent.
pub(super) const BEST_FROM: usize = 512;
/// Postings in a group that can be skipped.
pub(super) const SKIP: usize = 128;
/// No term is longer: [`super::words::WORD_CHARS`] characters of four bytes.
const TERM_BYTES: usize = 4 * super::words::WORD_CHARS;

/// Where the sections of an index are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) docs: usize,
    terms: usize,
    /// Starts of the sections, and the end of the last one.
    bounds: [usize; SECTIONS + 1],
}

impl Layout {
    /// Of no bytes at all.
    pub(super) const EMPTY: Self = Self { docs: 0, terms: 0, bounds: [0; SECTIONS + 1] };

    /// Checks header and lengths.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, IndexError> {
        let too_short =
            IndexError::Length { expected: HEADER_BYTES as u64, actual: bytes.len() as u64 };
        if bytes.get(..8).ok_or(too_short.clone())? != MAGIC {
            return Err(IndexError::Magic);
        }
        let number = |i: usize| u32_at(bytes, 8 + 4 * i).ok_or(too_short.clone());
        if number(0)? != FORMAT {
            return Err(IndexError::Format { expected: FORMAT, actual: number(0)? });
        }
        let (docs, terms) = (number(1)? as usize, number(2)? as usize);
        let mut bounds = [HEADER_BYTES; SECTIONS + 1];
        for i in 0..SECTIONS {
            bounds[i + 1] = bounds[i].saturating_add(number(3 + i)? as usize);
        }
        let layout = Self { docs, terms, bounds };
        if bounds[SECTIONS] != bytes.len() {
            return Err(IndexError::Length {
                expected: bounds[SECTIONS] as u64,
                actual: bytes.len() as u64,
            });
        }
        let counted = [
            (0, docs.saturating_mul(8)),
            (2, docs.saturating_mul(4)),
            (3, terms.div_ceil(BLOCK_TERMS).saturating_mul(4)),
        ];
        for (section, expected) in counted {
            let actual = bounds[section + 1] - bounds[section];
            if actual != expected {
                return Err(IndexError::Length {
                    expected: expected as u64,
                    actual: actual as u64,
                });
            }
        }
        Ok(layout)
    }
}

/// An index that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    layout: Layout,
    bytes: &'a [u8],
}

/// A term's postings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TermInfo {
    pub(super) postings: u32,
    /// Where the postings start; the document, if there is one posting.
    offset: u32,
    pub(super) best_impact: u8,
}

impl<'a> Reader<'a> {
    pub(super) fn new(layout: Layout, bytes: &'a [u8]) -> Self {
        Self { layout, bytes }
    }
    pub(super) fn docs(&self) -> usize {
        self.layout.docs
    }
    fn section(&self, i: usize) -> &'a [u8] {
        self.bytes.get(self.layout.bounds[i]..self.layout.bounds[i + 1]).unwrap_or_default()
    }

    /// The identifier of a document and its position when the index was built.
    pub(super) fn doc(&self, doc: u32) -> Option<(&'a str, u32)> {
        let (table, texts, i) = (self.section(0), self.section(1), doc as usize);
        let start = u32_at(table, 8 * i)? as usize;
        let end = u32_at(table, 8 * i + 8).map_or(texts.len(), |end| end as usize);
        Some((std::str::from_utf8(texts.get(start..end)?).ok()?, u32_at(table, 8 * i + 4)?))
    }

    /// The documents whose keys start with `prefix` (lower case), in the order of keys.
    pub(super) fn docs_by_key(&self, prefix: &'a str) -> impl Iterator<Item = u32> + 'a {
        let (reader, table) = (*self, self.section(2));
        let at = move |i: usize| u32_at(table, 4 * i);
        let key = move |i: usize| at(i).and_then(|doc| reader.doc(doc)).map_or("", |(id, _)| id);
        let start = partition(reader.layout.docs, |i| compare_folded(key(i), prefix).is_lt());
        (start..reader.layout.docs)
            .take_while(move |&i| {
                key(i).get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            })
            .filter_map(at)
    }

    /// A cursor on the first term that is not below `target`.
    pub(super) fn terms_from(&self, target: &[u8]) -> Terms<'a> {
        let mut terms = Terms { reader: *self, text: Vec::new(), next: 0, at: 0, found: None };
        terms.seek(target);
        terms
    }

    /// The term that equals `word`.
    pub(super) fn term(&self, word: &str) -> Option<TermInfo> {
        let mut terms = self.terms_from(word.as_bytes());
        let info = terms.advance()?;
        (terms.text() == word.as_bytes()).then_some(info)
    }

    /// The best postings of a term: all of them, unless it is frequent.
    pub(super) fn best(&self, term: TermInfo, mut each: impl FnMut(u32, u8)) {
        if term.postings as usize <= BEST_FROM {
            let mut postings = self.postings(term);
            while let Some((doc, impact)) = postings.next() {
                each(doc, impact);
            }
            return;
        }
        let table = self.section(5).get(term.offset as usize..).unwrap_or_default();
        for i in 0..BEST {
            match (u32_at(table, 5 * i), table.get(5 * i + 4)) {
                (Some(doc), Some(&impact)) if (doc as usize) < self.layout.docs => {
                    each(doc, impact)
                }
                _ => return,
            }
        }
    }

    /// All postings of a term, by document.
    pub(super) fn postings(&self, term: TermInfo) -> Postings<'a> {
        let count = term.postings as usize;
        if count == 1 {
            let single = Some((term.offset, term.best_impact))
                .filter(|_| (term.offset as usize) < self.layout.docs);
            return Postings {
                docs: 0,
                skips: &[],
                bytes: &[],
                at: 0,
                doc: 0,
                left: 0,
                total: 0,
                single,
            };
        }
        let best = if count > BEST_FROM { 5 * BEST } else { 0 };
        let skips = 8 * (count / SKIP);
        let bytes = self.section(5).get(term.offset as usize..).unwrap_or_default();
        let (skips, bytes) = match bytes.get(best..).and_then(|bytes| bytes.split_at_checked(skips))
        {
            Some(split) => split,
            None => (&[][..], &[][..]),
        };
        Postings {
            docs: self.layout.docs as u64,
            skips,
            bytes,
            at: 0,
            doc: 0,
            left: count,
            total: count,
            single: None,
        }
    }
}

/// A cursor over sorted terms.
pub(super) struct Terms<'a> {
    reader: Reader<'a>,
    text: Vec<u8>,
    /// The number of the term that is read next, and the byte where it starts.
    next: usize,
    at: usize,
    /// The current term, when `seek` found it and `advance` has not told of it yet.
    found: Option<TermInfo>,
}

impl Terms<'_> {
    /// The current term.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Moves to the next term.
    pub(super) fn advance(&mut self) -> Option<TermInfo> {
        self.found.take().or_else(|| self.read())
    }

    fn read(&mut self) -> Option<TermInfo> {
        if self.next >= self.reader.layout.terms {
            return None;
        }
        let bytes = self.reader.section(4);
        let mut at = self.at;
        let shared = varint(bytes, &mut at)? as usize;
        let rest = varint(bytes, &mut at)? as usize;
        if shared > self.text.len() || shared.saturating_add(rest) > TERM_BYTES {
            return None;
        }
        let rest = bytes.get(at..at + rest)?;
        at += rest.len();
        let (postings, offset) = (varint(bytes, &mut at)?, varint(bytes, &mut at)?);
        let best_impact = *bytes.get(at)?;
        self.text.truncate(shared);
        self.text.extend_from_slice(rest);
        (self.at, self.next) = (at + 1, self.next + 1);
        Some(TermInfo { postings, offset, best_impact })
    }

    /// Moves on so that `advance` gives the first term that is not below `target`. Every call after
    /// an `advance` reads at least one term, so a walk ends whatever the bytes are.
    pub(super) fn seek(&mut self, target: &[u8]) {
        // From a walk it is mostly near: read a few terms, then look at 1, 2, 4, ... blocks ahead
        // before halving what is left.
        if self.next > 0 && self.read_to(target, BLOCK_TERMS / 4) {
            return;
        }
        let blocks = self.reader.layout.terms.div_ceil(BLOCK_TERMS);
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
            let Some(at) = u32_at(self.reader.section(3), 4 * block) else { return };
            (self.next, self.at) = (block * BLOCK_TERMS, at as usize);
            self.text.clear();
        }
        if !self.read_to(target, usize::MAX) {
            self.next = self.reader.layout.terms;
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
        let bytes = self.reader.section(4);
        let mut at = u32_at(self.reader.section(3), 4 * block)? as usize;
        let _shared = varint(bytes, &mut at)?;
        let length = varint(bytes, &mut at)? as usize;
        bytes.get(at..at.checked_add(length)?)
    }
}

/// A cursor over the postings of one term.
pub(super) struct Postings<'a> {
    docs: u64,
    skips: &'a [u8],
    bytes: &'a [u8],
    at: usize,
    /// One more than the document read last; 0 at the start.
    doc: u64,
    left: usize,
    total: usize,
    /// The only posting, which stands with the term.
    single: Option<(u32, u8)>,
}

impl Postings<'_> {
    /// The next document and its impact.
    #[inline]
    pub(super) fn next(&mut self) -> Option<(u32, u8)> {
        if self.left == 0 {
            return self.single.take();
        }
        self.left -= 1;
        let doc = self.doc + u64::from(varint(self.bytes, &mut self.at)?);
        let impact = *self.bytes.get(self.at)?;
        if doc >= self.docs {
            self.left = 0;
            return None;
        }
        self.at += 1;
        self.doc = doc + 1;
        Some((doc as u32, impact))
    }

    /// The impact of `doc`; documents must be asked for in rising order.
    pub(super) fn seek(&mut self, doc: u32) -> Option<u8> {
        if let Some((only, impact)) = self.single {
            return (only == doc).then_some(impact);
        }
        let groups = self.skips.len() / 8;
        let done = (self.total - self.left) / SKIP;
        if done < groups && u32_at(self.skips, 8 * done).is_some_and(|last| last < doc) {
            let ahead = partition(groups - done, |i| {
                u32_at(self.skips, 8 * (done + i)).is_some_and(|last| last < doc)
            });
            let skipped = done + ahead;
            let (last, at) =
                (u32_at(self.skips, 8 * skipped - 8)?, u32_at(self.skips, 8 * skipped - 4)?);
            (self.doc, self.at, self.left) =
                (u64::from(last) + 1, at as usize, self.total - skipped * SKIP);
        }
        loop {
            let before = (self.at, self.doc, self.left);
            match self.next()? {
                (found, impact) if found == doc => return Some(impact),
                (found, _) if found > doc => {
                    (self.at, self.doc, self.left) = before;
                    return None;
                }
                _ => {}
            }
        }
    }
}

/// The first of `0..count` for which `below` is false, which stays false from there on.
fn partition(count: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// `text` in lower case beside `key`.
pub(super) fn compare_folded(text: &str, key: &str) -> Ordering {
    text.bytes().map(|b| b.to_ascii_lowercase()).cmp(key.bytes())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(four.try_into().ok()?))
}

/// Reads a varint of at most five bytes and 32 bits.
#[inline]
fn varint(bytes: &[u8], at: &mut usize) -> Option<u32> {
    let first = *bytes.get(*at)?;
    *at += 1;
    if first < 0x80 {
        return Some(u32::from(first));
    }
    let mut value = u64::from(first & 0x7f);
    for shift in [7, 14, 21, 28] {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u32::try_from(value).ok();
        }
    }
    None
}
