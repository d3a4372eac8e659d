//! What packages are told apart by beside words. A facet is a term of the index that no word is, or
//! is near: in the place of its worth it has how many things of the kind a package offers.

use std::fmt;

use super::build::Lists;
use super::file::Reader;
use super::query::{Found, met};
use super::terms::TermInfo;

/// Words have letters and digits only, and two slips at most: three other characters are far enough.
const MARK: &str = ":::";
/// The longest name, in bytes. No format's id and no kind of theirs is longer.
const NAME_BYTES: usize = 64;

/// A property that a package has or lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Facet {
    /// It is of the format with this id.
    Format(String),
    /// It offers something of this kind.
    Kind(String),
}

impl fmt::Display for Facet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(id) => write!(f, "{MARK}format:{id}"),
            Self::Kind(kind) => write!(f, "{MARK}kind:{kind}"),
        }
    }
}

impl Facet {
    fn term(&self) -> Option<String> {
        let (Self::Format(name) | Self::Kind(name)) = self;
        (name.len() <= NAME_BYTES).then(|| self.to_string())
    }
}

/// Adds a document's facets to the lists of an index. Of more than 255 things, 255 are counted.
pub(super) fn write(lists: &mut Lists, doc: u32, facets: &[(Facet, usize)]) {
    for (facet, count) in facets {
        let Some(term) = facet.term() else { continue };
        let count = u8::try_from((*count).max(1)).unwrap_or(u8::MAX);
        lists.entry(term).or_default().push((doc, count));
    }
}

/// The kinds that packages of an index offer.
pub(super) fn kinds(reader: Reader<'_>) -> Vec<String> {
    let start = Facet::Kind(String::new()).to_string();
    let mut terms = reader.terms_from(start.as_bytes());
    let mut kinds = Vec::new();
    while terms.advance().is_some() {
        let Some(kind) = terms.text().strip_prefix(start.as_bytes()) else { break };
        kinds.extend(std::str::from_utf8(kind).map(str::to_owned));
    }
    kinds
}

/// The documents of an index that have all of some facets.
pub(super) struct Filter(Option<Vec<TermInfo>>);

impl Filter {
    pub(super) fn new(reader: Reader<'_>, facets: &[Facet]) -> Self {
        Self(facets.iter().map(|facet| reader.term(&facet.term()?)).collect())
    }

    /// Whether every document passes.
    pub(super) fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// The documents that have them, in their order, if a facet is rarer than `postings`: then it is
    /// cheaper to look words up in these.
    pub(super) fn rarer(&self, reader: Reader<'_>, postings: usize) -> Option<Vec<Found>> {
        let rarest = self.0.as_ref()?.iter().min_by_key(|term| term.postings)?;
        if rarest.postings as usize >= postings {
            return None;
        }
        let mut found = Vec::with_capacity(rarest.postings as usize);
        reader.postings(*rarest).all(|doc, _| found.push(Found::of(doc)));
        self.keep(reader, &mut found);
        Some(found)
    }

    /// Keeps of `found` what has them; if any is asked for, in the order of documents then.
    pub(super) fn keep(&self, reader: Reader<'_>, found: &mut Vec<Found>) {
        let Some(terms) = &self.0 else { return found.clear() };
        if !terms.is_empty() {
            found.sort_unstable_by_key(|found| found.doc);
        }
        for &term in terms {
            let mut has = vec![false; found.len()];
            met(reader, term, found, |at, _| has[at] = true);
            let mut has = has.into_iter();
            found.retain(|_| has.next().unwrap_or(false));
        }
    }

    /// By position, the count of what a document has most of; 0 where it lacks one of them.
    pub(super) fn counts(&self, reader: Reader<'_>) -> Vec<u8> {
        let mut counts = vec![u8::from(self.is_open()); reader.docs()];
        let mut all = (0..reader.docs() as u32).map(Found::of).collect::<Vec<_>>();
        if self.is_open() {
            return counts;
        }
        self.keep(reader, &mut all);
        for &term in self.0.iter().flatten() {
            met(reader, term, &all, |at, count| {
                let position = reader.position(reader.place(all[at].doc));
                if let Some(held) = counts.get_mut(position) {
                    *held = count.max(*held);
                }
            });
        }
        counts
    }
}
