//! The index as bytes: written in one go, read in place.
//!
//! All numbers are little endian; a varint has 7 bits a byte, the lowest first; a packed number has
//! as many bits as the highest one needs. Sections follow the header without gaps:
//!
//! | section | holds |
//! |---|---|
//! | header | magic, format, number of documents, number of terms, length of each section (`u32` each) |
//! | identifier blocks | where every [`BLOCK_IDS`]th identifier starts (`u32`) |
//! | identifiers | by key, as spelled; each: bytes shared with the one before (none at a block's start) and length of the rest (varints), the rest |
//! | places | per document, most popular first: its place by key, packed |
//! | by key | documents in the order of their keys, packed |
//! | positions | per place by key the position when the index was built, packed; nothing where they are the same |
//! | term blocks | where every [`BLOCK_TERMS`]th term starts, and the postings of the first of them that has a list (`u32` each) |
//! | terms | sorted; each: bytes shared with the one before (none at a block's start) times 16 plus length of the rest, in a byte, or 255 and both as varints; the rest; a varint: of a single posting its document times 2, else the number of postings times 2 plus 1, and as a varint the length of their list; their best impact (a byte) |
//! | postings | the lists, in the order of terms (see `postings.rs`) |
//!
//! Terms that start with `:::` are facets (see `facet.rs`), whose impacts are counts.
//!
//! Documents are numbered by popularity, so postings are too. Opening checks the header and the
//! lengths of sections, nothing else, and touches nothing else; every later read is checked where it
//! happens, and what makes no sense is the end of the list that is being read. So any bytes can be
//! opened and searched without a panic, and an index of any size opens at once.

use std::cmp::Ordering;

use super::IndexError;
use super::bits::{bits, partition, u32_at, varint, width};
use super::postings::Postings;
use super::terms::{TermInfo, Terms};

pub(super) const MAGIC: [u8; 8] = *b"PKHINDEX";
pub(super) const FORMAT: u32 = 2;
pub(super) const HEADER_BYTES: usize = 8 + 4 * (3 + SECTIONS);
pub(super) const SECTIONS: usize = 8;
const ID_BLOCKS: usize = 0;
const IDS: usize = 1;
const PLACES: usize = 2;
const BY_KEY: usize = 3;
const POSITIONS: usize = 4;
pub(super) const TERM_BLOCKS: usize = 5;
pub(super) const TERMS: usize = 6;
const POSTINGS: usize = 7;
/// What each section is, for reports.
pub(super) const SECTION_NAMES: [&str; SECTIONS] = [
    "identifier blocks",
    "identifiers",
    "places",
    "by key",
    "positions",
    "term blocks",
    "terms",
    "postings",
];

/// Identifiers that share prefixes with one another; the first one is whole.
pub(super) const BLOCK_IDS: usize = 16;
/// The same of terms.
pub(super) const BLOCK_TERMS: usize = 16;
/// No term is longer: [`super::words::WORD_CHARS`] characters of four bytes.
pub(super) const TERM_BYTES: usize = 4 * super::words::WORD_CHARS;
/// No identifier is longer by far.
const ID_BYTES: usize = 4_096;

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
        let wrong = |expected: usize, actual: usize| {
            Err(IndexError::Length { expected: expected as u64, actual: actual as u64 })
        };
        if bounds[SECTIONS] != bytes.len() {
            return wrong(bounds[SECTIONS], bytes.len());
        }
        let packed = docs.saturating_mul(doc_bits(docs) as usize).div_ceil(8);
        let counted = [
            (ID_BLOCKS, docs.div_ceil(BLOCK_IDS).saturating_mul(4)),
            (PLACES, packed),
            (BY_KEY, packed),
            (POSITIONS, packed.min(layout.length(POSITIONS))),
            (TERM_BLOCKS, terms.div_ceil(BLOCK_TERMS).saturating_mul(8)),
        ];
        for (section, expected) in counted {
            let actual = layout.length(section);
            if actual != expected && (section != POSITIONS || actual != 0) {
                return wrong(expected, actual);
            }
        }
        Ok(layout)
    }

    /// Bytes of a section.
    pub(super) fn length(&self, section: usize) -> usize {
        self.bounds[section + 1] - self.bounds[section]
    }
}

/// The bits of a packed document, place or position.
pub(super) fn doc_bits(docs: usize) -> u32 {
    width(docs.saturating_sub(1))
}

/// An index that is being read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    layout: Layout,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(layout: Layout, bytes: &'a [u8]) -> Self {
        Self { layout, bytes }
    }
    pub(super) fn docs(&self) -> usize {
        self.layout.docs
    }
    pub(super) fn terms(&self) -> usize {
        self.layout.terms
    }
    pub(super) fn section(&self, i: usize) -> &'a [u8] {
        self.bytes.get(self.layout.bounds[i]..self.layout.bounds[i + 1]).unwrap_or_default()
    }

    fn packed(&self, section: usize, i: usize) -> u32 {
        let width = doc_bits(self.layout.docs);
        bits(self.section(section), i.saturating_mul(width as usize), width)
    }
    /// The place of a document by key.
    pub(super) fn place(&self, doc: u32) -> usize {
        self.packed(PLACES, doc as usize) as usize
    }
    /// The position of a place by key when the index was built.
    pub(super) fn position(&self, place: usize) -> usize {
        match self.layout.length(POSITIONS) {
            0 => place,
            _ => self.packed(POSITIONS, place) as usize,
        }
    }

    /// Writes the identifier of a place by key to `text`.
    pub(super) fn identifier<'t>(&self, place: usize, text: &'t mut Vec<u8>) -> Option<&'t str> {
        text.clear();
        let ids = self.section(IDS);
        let mut at = u32_at(self.section(ID_BLOCKS), 4 * (place / BLOCK_IDS))? as usize;
        for _ in 0..=place % BLOCK_IDS {
            let (shared, rest) = (varint(ids, &mut at)? as usize, varint(ids, &mut at)? as usize);
            if shared > text.len() || shared.saturating_add(rest) > ID_BYTES {
                return None;
            }
            text.truncate(shared);
            text.extend_from_slice(ids.get(at..at + rest)?);
            at += rest;
        }
        std::str::from_utf8(text).ok()
    }

    /// The first place by key that is not below `key` (lower case).
    pub(super) fn place_of(&self, key: &str) -> usize {
        let below = |place: usize| {
            let mut text = Vec::new();
            self.identifier(place, &mut text).is_none_or(|id| compare_folded(id, key).is_lt())
        };
        // The first block whose head is not below, then the one before.
        let blocks = partition(self.layout.docs.div_ceil(BLOCK_IDS), |i| below(i * BLOCK_IDS));
        let start = blocks.saturating_sub(1) * BLOCK_IDS;
        let end = (blocks * BLOCK_IDS).min(self.layout.docs);
        start + partition(end.saturating_sub(start), |i| below(start + i))
    }

    /// The documents whose keys start with `prefix` (lower case), in the order of keys.
    pub(super) fn docs_by_key(&self, prefix: &'a str) -> impl Iterator<Item = u32> + 'a {
        let (reader, mut text) = (*self, Vec::new());
        (self.place_of(prefix)..self.layout.docs)
            .take_while(move |&place| {
                let id = reader.identifier(place, &mut text).unwrap_or_default();
                id.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
            })
            .map(move |place| reader.packed(BY_KEY, place))
    }

    /// A cursor on the first term that is not below `target`.
    pub(super) fn terms_from(&self, target: &[u8]) -> Terms<'a> {
        let mut terms = Terms::new(*self);
        terms.seek(target);
        terms
    }

    /// The term that equals `word`.
    pub(super) fn term(&self, word: &str) -> Option<TermInfo> {
        let mut terms = self.terms_from(word.as_bytes());
        let info = terms.advance()?;
        (terms.text() == word.as_bytes()).then_some(info)
    }

    /// The postings of a term.
    pub(super) fn postings(&self, term: TermInfo) -> Postings<'a> {
        let docs = self.layout.docs as u32;
        if term.postings == 1 {
            return Postings::single(docs, term.offset, term.best_impact);
        }
        let start = term.offset as usize;
        let list = self.section(POSTINGS).get(start..start + term.bytes as usize);
        Postings::read(docs, term.postings as usize, list.unwrap_or_default())
    }
}

/// `text` in lower case beside `key`.
fn compare_folded(text: &str, key: &str) -> Ordering {
    text.bytes().map(|b| b.to_ascii_lowercase()).cmp(key.bytes())
}
