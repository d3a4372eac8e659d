//! Search over one small index: the same function answers on a server, in a function and offline.
//!
//! Ranking, in this order:
//! 1. the identifier that was typed; then a package whose name was typed;
//! 2. identifiers and names that start with what was typed;
//! 3. the sum over the words: rare words count more than frequent ones, a word in the name more than
//!    one in an export, the owner or the summary (BM25 for summaries), and a whole word more than
//!    the start of one, and that more than a slip;
//! 4. popularity.
//!
//! All words must match, unless no package has all of them: then any will do. The last word may be
//! unfinished. A word that nothing has may have a slip from four characters on, two from eight on.

mod bits;
mod build;
mod facet;
mod file;
mod postings;
mod query;
#[cfg(test)]
mod reference;
mod terms;
#[cfg(test)]
mod tests;
mod typo;
mod words;

use std::cmp::Ordering;

use crate::identifier::Identifier;
pub use facet::Facet;
use facet::Filter;
use file::{Layout, Reader};
use query::{Found, find};
pub use words::Words;

/// Words of a query that are read.
const QUERY_WORDS: usize = 8;
/// Bytes of a query that are read.
const QUERY_BYTES: usize = 512;
/// Packages that are ranked by identifier, and are looked up by it, beyond those asked for.
const RANKED: usize = 50;

/// What is searched of a package.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its identifier.
    pub identifier: Identifier,
    /// One sentence.
    pub summary: String,
    /// Names of its exports, and its keywords.
    pub exports: Vec<String>,
    /// Its facets, each once, and how many things it stands for.
    pub facets: Vec<(Facet, usize)>,
    /// How popular it is.
    pub downloads: u64,
}

/// A package that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its place among the documents that the index was built from, from 0.
    pub position: usize,
    /// Its identifier as spelled.
    pub identifier: String,
    /// How its identifier fits what was typed: 3 it is that, 2 it has that name, 1 it or its name starts
    /// like that, else 0. Comparable between indexes, and above the score.
    pub typed: u8,
    /// The sum over the words. What a document's words are worth depends on that document alone; how
    /// rare they are is counted in its index, or in both of [`Index::search_with`].
    pub score: f32,
}

impl Hit {
    /// How good it is; the better of two hits has the greater rank.
    pub fn rank(&self) -> Rank {
        Rank { typed: self.typed, score: self.score }
    }
}

/// How good a hit is: what was typed of its identifier, then its score. Ranks of one query can be
/// compared within an index and between the two of [`Index::search_with`]; what is equal goes by
/// popularity, which the index has as an order only.
#[derive(Clone, Copy, Debug)]
pub struct Rank {
    typed: u8,
    score: f32,
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.typed.cmp(&other.typed).then(self.score.total_cmp(&other.score))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Rank {}

/// Why bytes are no index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// It starts with something else.
    #[error("not a search index: it does not start with `PKHINDEX`; build it again")]
    Magic,
    /// Another format.
    #[error("a search index of format {actual}, expected format {expected}; build it again")]
    Format {
        /// What this code reads.
        expected: u32,
        /// What was found.
        actual: u32,
    },
    /// Cut short, or with numbers that do not agree.
    #[error("a search index with {actual} bytes where its header says {expected}; build it again")]
    Length {
        /// By the header.
        expected: u64,
        /// What was found.
        actual: u64,
    },
}

/// A search index: bytes that are read in place, never unpacked. Any bytes can be opened and searched
/// without a panic; wrong bytes give wrong answers.
#[derive(Clone, Debug)]
pub struct Index<B = Vec<u8>> {
    layout: Layout,
    bytes: B,
}

impl Index {
    /// The index of `documents`; the same documents in the same order give the same bytes.
    pub fn build(documents: impl Iterator<Item = Document>) -> Self {
        let bytes = build::build(documents);
        let layout = Layout::read(&bytes).unwrap_or(Layout::EMPTY);
        Self { layout, bytes }
    }
}

impl<B: AsRef<[u8]>> Index<B> {
    /// Opens an index. Only its header is read, so this takes the same time for any size.
    ///
    /// # Errors
    ///
    /// [`IndexError`] where header and length do not agree.
    pub fn from_bytes(bytes: B) -> Result<Self, IndexError> {
        Ok(Self { layout: Layout::read(bytes.as_ref())?, bytes })
    }
    /// The index as bytes.
    pub fn to_bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }
    /// The buffer that it reads, to be kept or cloned.
    pub fn bytes(&self) -> &B {
        &self.bytes
    }
    /// The number of packages.
    pub fn len(&self) -> usize {
        self.layout.docs
    }
    /// Whether there is no package.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The best `limit` packages for `query`, best first; all by popularity for a blank query.
    ///
    /// Of a query, 512 bytes and 8 words are read.
    pub fn search(&self, query: &str, limit: usize) -> Vec<Hit> {
        let [hits] = search([self.reader()], query, &[], limit);
        hits
    }

    /// The same of packages that have all of `facets`, in this index and in another one, up to `limit`
    /// hits of each: all that an index of both would find, with the same [`Hit::rank`], so that the two
    /// answers merge by rank.
    ///
    /// A package that is in both is found in both, and counts twice in how rare its words are. A
    /// started or misspelt word stands for its 32 best terms, of each index.
    pub fn search_with<C: AsRef<[u8]>>(
        &self,
        other: &Index<C>,
        query: &str,
        facets: &[Facet],
        limit: usize,
    ) -> [Vec<Hit>; 2] {
        search([self.reader(), other.reader()], query, facets, limit)
    }

    /// For each document, as the index was built from them, how many things it has of that facet of
    /// `facets` of which it has most, at most 255; 0 where it lacks one of them, 1 where none is asked for.
    pub fn counts(&self, facets: &[Facet]) -> Vec<u8> {
        let reader = self.reader();
        Filter::new(reader, facets).counts(reader)
    }

    /// The kinds of what packages offer, sorted.
    pub fn kinds(&self) -> Vec<String> {
        facet::kinds(self.reader())
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(self.layout, self.bytes.as_ref())
    }

    /// Where by key the first package stands whose identifier is not below `identifier`.
    pub fn place(&self, identifier: &Identifier) -> usize {
        self.reader().place_of(identifier.key())
    }

    /// Where `identifier` stood among the documents that the index was built from.
    pub fn position(&self, identifier: &Identifier) -> Option<usize> {
        let reader = self.reader();
        let (key, mut text) = (identifier.key(), Vec::new());
        let place = reader.place_of(key);
        let found = reader.identifier(place, &mut text)?;
        found.eq_ignore_ascii_case(key).then(|| reader.position(place))
    }

    /// What the bytes are made of: the name of each section and its length.
    pub fn sections(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let layout = self.layout;
        file::SECTION_NAMES.into_iter().enumerate().map(move |(i, name)| (name, layout.length(i)))
    }
}

/// The best `limit` packages of each of `readers` that have all of `facets`.
fn search<const N: usize>(
    readers: [Reader<'_>; N],
    query: &str,
    facets: &[Facet],
    limit: usize,
) -> [Vec<Hit>; N] {
    let query = query.trim();
    let filters = readers.map(|reader| Filter::new(reader, facets));
    if query.is_empty() {
        let mut filters = filters.iter();
        return readers.map(|reader| {
            let filter = filters.next().filter(|filter| !filter.is_open());
            let shown = if filter.is_some() { reader.docs() } else { limit.min(reader.docs()) };
            let mut all = (0..shown as u32).map(Found::of).collect();
            filter.iter().for_each(|filter| filter.keep(reader, &mut all));
            all.into_iter().take(limit).filter_map(|found| hit(reader, 0, found)).collect()
        });
    }
    let query = &query[..query.floor_char_boundary(QUERY_BYTES)];
    let words = words::words(query).into_iter().take(QUERY_WORDS).collect::<Vec<_>>();
    let limit = limit.min(readers.iter().map(Reader::docs).max().unwrap_or(0));
    let typed = Typed::new(query);
    let found = find(readers, &words, &filters, limit.saturating_add(RANKED));
    let mut found = found.into_iter().zip(&filters);
    readers.map(|reader| match found.next() {
        Some((found, filter)) => typed.best(reader, found, filter, limit),
        None => Vec::new(),
    })
}

fn hit(reader: Reader<'_>, typed: u8, found: Found) -> Option<Hit> {
    let (place, mut text) = (reader.place(found.doc), Vec::new());
    reader.identifier(place, &mut text)?;
    let identifier = String::from_utf8(text).ok()?;
    Some(Hit { position: reader.position(place), identifier, typed, score: found.score })
}

/// What was typed, as keys are written.
struct Typed {
    key: String,
    name: String,
}

impl Typed {
    fn new(query: &str) -> Self {
        let key = query.to_lowercase();
        let name = key.split(|c: char| c.is_whitespace() || c == '_').collect::<Vec<_>>().join("-");
        Self { key, name }
    }
    /// The best `limit` of `found`, and of what its identifier finds.
    fn best(
        &self,
        reader: Reader<'_>,
        mut found: Vec<Found>,
        filter: &Filter,
        limit: usize,
    ) -> Vec<Hit> {
        if self.key.contains('/') {
            let most = if filter.is_open() { RANKED } else { usize::MAX };
            let mut listed =
                reader.docs_by_key(&self.key).take(most).map(Found::of).collect::<Vec<_>>();
            filter.keep(reader, &mut listed);
            for listed in listed.into_iter().take(RANKED) {
                if !found.iter().any(|f| f.doc == listed.doc) {
                    found.push(listed);
                }
            }
        }
        let mut text = Vec::new();
        let mut ranked = found
            .into_iter()
            .filter_map(|found| {
                let identifier = reader.identifier(reader.place(found.doc), &mut text)?;
                Some((self.rank(identifier), found))
            })
            .collect::<Vec<_>>();
        ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.better(&b.1)));
        let best = ranked.into_iter().take(limit);
        best.filter_map(|(typed, found)| hit(reader, typed, found)).collect()
    }

    /// 3 for the identifier, 2 for the name, 1 for the start of either, 0 else.
    fn rank(&self, identifier: &str) -> u8 {
        let (rest, last) = match (identifier.split_once('/'), identifier.rsplit_once('/')) {
            (Some((_, rest)), Some((_, last))) => (rest, last),
            _ => ("", ""),
        };
        let fold = |b: u8| if b == b'_' { b'-' } else { b.to_ascii_lowercase() };
        let starts = |text: &str, typed: &str| {
            text.len() >= typed.len()
                && text.bytes().zip(typed.bytes()).all(|(a, b)| fold(a) == fold(b))
        };
        let mut by_name = [rest, last].into_iter().filter(|text| starts(text, &self.name));
        if identifier.eq_ignore_ascii_case(&self.key) {
            3
        } else if by_name.clone().any(|text| text.len() == self.name.len()) {
            2
        } else {
            u8::from(by_name.next().is_some() || starts(identifier, &self.key))
        }
    }
}
