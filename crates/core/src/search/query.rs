//! The words of a query to documents and what they are worth.

use std::cmp::{Ordering, Reverse};

use super::facet::Filter;
use super::file::Reader;
use super::postings::BEST;
use super::terms::TermInfo;
use super::typo;

/// Terms that a started or misspelt word can stand for, and terms that are looked at to find them.
const EXPANSIONS: usize = 32;
const LOOKED_AT: usize = 2_048;
/// A word with more postings than this part of all documents is looked for in all of them.
const DENSE: usize = 16;
/// Looking a document up costs as much as reading so many.
const SEEK: usize = 16;
/// What the start of a word, and each slip, leave of a word's worth.
pub(super) const STARTED: f32 = 0.7;
pub(super) const SLIP: f32 = 0.5;

/// A document and what its words are worth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) doc: u32,
    pub(super) score: f32,
}

impl Found {
    /// A document that no word was asked of.
    pub(super) fn of(doc: u32) -> Self {
        Self { doc, score: 0.0 }
    }
    /// By score, then by popularity.
    pub(super) fn better(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.doc.cmp(&other.doc))
    }
}

/// A word of the query: the terms it stands for, and what each leaves of its worth.
pub(super) struct Word {
    pub(super) terms: Vec<(TermInfo, f32)>,
    /// Postings of all terms.
    postings: usize,
    /// How rare they are, together (BM25's inverse document frequency).
    rarity: f32,
}

impl Word {
    /// What `text` stands for in each of `readers`, which are read as one: it has slips only where none
    /// of them has it, and is as rare as in all of them. And how many postings that are.
    pub(super) fn of_each<const N: usize>(
        readers: [Reader<'_>; N],
        text: &str,
        is_last: bool,
    ) -> (usize, [Self; N]) {
        let mut terms = readers.map(|reader| {
            let mut terms = Vec::new();
            terms.extend(reader.term(text).map(|info| (info, 1.0)));
            if is_last {
                started(reader, text, &mut terms);
            }
            terms
        });
        // One slip is looked for first: it is likelier, and a walk for two takes five times as long.
        for limit in 1..=typo::slips(text.chars().count()) {
            if !terms.iter().all(Vec::is_empty) {
                break;
            }
            for (reader, terms) in readers.into_iter().zip(&mut terms) {
                typo::near(reader, text, limit, |info, slips| {
                    terms.push((info, SLIP.powi(slips as i32)))
                });
                keep_best(terms);
            }
        }
        let words = terms.map(|terms| {
            let postings = terms.iter().map(|(info, _)| info.postings as usize).sum::<usize>();
            Self { terms, postings, rarity: 0.0 }
        });
        let postings = words.iter().map(|word| word.postings).sum::<usize>();
        let docs = readers.iter().map(Reader::docs).sum::<usize>();
        let (docs, held) = (docs as f32, postings.min(docs) as f32);
        let rarity = (1.0 + (docs - held + 0.5) / (held + 0.5)).ln();
        (postings, words.map(|word| Self { rarity, ..word }))
    }

    fn worth(&self, left: f32, impact: u8) -> f32 {
        self.rarity * left * f32::from(impact)
    }

    /// The documents that have it, once each. Of frequent terms the best only, in no order; `all` are
    /// in the order of documents.
    pub(super) fn found(&self, reader: Reader<'_>, all: bool) -> Vec<Found> {
        let mut found = Vec::new();
        if all && self.terms.len() > 1 && self.postings > reader.docs() / DENSE {
            // A place for every document costs less than sorting that many.
            let mut scores = vec![0.0_f32; reader.docs()];
            for &(info, left) in &self.terms {
                reader.postings(info).all(|doc, impact| {
                    let score = &mut scores[doc as usize];
                    *score = score.max(self.worth(left, impact));
                });
            }
            let scored = (0..).zip(scores).filter(|&(_, score)| score > 0.0);
            return scored.map(|(doc, score)| Found { doc, score }).collect();
        }
        for &(info, left) in &self.terms {
            let postings = reader.postings(info);
            let each = |doc, impact| found.push(Found { doc, score: self.worth(left, impact) });
            if all { postings.all(each) } else { postings.best(each) }
        }
        if self.terms.len() > 1 {
            found.sort_unstable_by(|a, b| a.doc.cmp(&b.doc).then_with(|| a.better(b)));
            found.dedup_by_key(|f| f.doc);
        }
        found
    }

    /// Keeps of `found`, which is in the order of documents, what has this word too.
    fn narrow(&self, reader: Reader<'_>, found: &mut Vec<Found>) {
        let mut worth = vec![0.0_f32; found.len()];
        for &(info, left) in &self.terms {
            met(reader, info, found, |at, impact| {
                worth[at] = worth[at].max(self.worth(left, impact));
            });
        }
        let mut worth = worth.into_iter();
        found.retain_mut(|f| {
            let worth = worth.next().unwrap_or(0.0);
            f.score += worth;
            worth > 0.0
        });
    }
}

/// Calls `each` with the places in `found`, which is in the order of documents, of those that have the
/// term, and its impact there.
pub(super) fn met(
    reader: Reader<'_>,
    info: TermInfo,
    found: &[Found],
    mut each: impl FnMut(usize, u8),
) {
    let mut postings = reader.postings(info);
    if info.postings as usize / SEEK < found.len() {
        let mut at = 0;
        postings.all(|doc, impact| {
            at += ahead(&found[at..], doc);
            if found.get(at).is_some_and(|f| f.doc == doc) {
                each(at, impact);
            }
        });
        return;
    }
    for (at, f) in found.iter().enumerate() {
        if let Some(impact) = postings.seek(f.doc) {
            each(at, impact);
        }
    }
}

/// How many of `found` are below `doc`; few, mostly.
#[inline]
fn ahead(found: &[Found], doc: u32) -> usize {
    let mut step = 1;
    while found.get(step - 1).is_some_and(|f| f.doc < doc) {
        step *= 2;
    }
    // The one before the last jump is below, if there was a jump.
    let (start, end) = (step / 2, (step - 1).min(found.len()));
    start + found.get(start..end).map_or(0, |part| part.partition_point(|f| f.doc < doc))
}

/// Adds the terms that start with `text`, itself left out.
fn started(reader: Reader<'_>, text: &str, terms: &mut Vec<(TermInfo, f32)>) {
    let mut cursor = reader.terms_from(text.as_bytes());
    let mut found = Vec::new();
    for _ in 0..LOOKED_AT {
        match cursor.advance() {
            Some(_) if cursor.text() == text.as_bytes() => {}
            Some(info) if cursor.text().starts_with(text.as_bytes()) => found.push((info, STARTED)),
            _ => break,
        }
    }
    keep_best(&mut found);
    terms.extend(found);
}

/// Keeps the terms that can be worth most; of equals, the most frequent.
fn keep_best(terms: &mut Vec<(TermInfo, f32)>) {
    let rank = |&(info, left): &(TermInfo, f32)| {
        ((left * f32::from(info.best_impact)) as u32, info.postings)
    };
    if terms.len() > EXPANSIONS {
        terms.select_nth_unstable_by_key(EXPANSIONS, |term| Reverse(rank(term)));
        terms.truncate(EXPANSIONS);
    }
}

/// The best `limit` documents of each of `readers` by words, of those that pass its filter, in no
/// order. A document is worth the same as if one index had all of them.
pub(super) fn find<const N: usize>(
    readers: [Reader<'_>; N],
    texts: &[String],
    filters: &[Filter; N],
    limit: usize,
) -> [Vec<Found>; N] {
    let last = texts.len().saturating_sub(1);
    let mut by_word = texts
        .iter()
        .enumerate()
        .map(|(i, text)| Word::of_each(readers, text, i == last))
        .collect::<Vec<_>>();
    by_word.sort_by_key(|(postings, _)| *postings);
    let mut words = [const { Vec::new() }; N];
    for (_, of_each) in by_word {
        words.iter_mut().zip(of_each).for_each(|(words, word)| words.push(word));
    }
    // The best of all may be none of those that pass.
    let all = limit > BEST || filters.iter().any(|filter| !filter.is_open());
    let each = |find: fn(Reader<'_>, &[Word], &Filter, bool) -> Vec<Found>| {
        std::array::from_fn(|i| find(readers[i], &words[i], &filters[i], all))
    };
    let mut found: [Vec<Found>; N] = each(all_of);
    if texts.len() > 1 && found.iter().all(Vec::is_empty) {
        found = each(any_of);
    }
    for found in &mut found {
        if found.len() > limit {
            found.select_nth_unstable_by(limit, Found::better);
            found.truncate(limit);
        }
    }
    found
}

/// The documents that pass and have all words; of a single frequent one the best, unless `all`.
fn all_of(reader: Reader<'_>, words: &[Word], filter: &Filter, all: bool) -> Vec<Found> {
    let Some((rarest, others)) = words.split_first() else { return Vec::new() };
    if let Some(mut found) = filter.rarer(reader, rarest.postings) {
        words.iter().for_each(|word| word.narrow(reader, &mut found));
        return found;
    }
    // The best of one word are among the best of its terms.
    let mut found = rarest.found(reader, all || !others.is_empty());
    filter.keep(reader, &mut found);
    others.iter().for_each(|word| word.narrow(reader, &mut found));
    found
}

/// The documents that pass and have one of the words at least; having more of them counts.
fn any_of(reader: Reader<'_>, words: &[Word], filter: &Filter, all: bool) -> Vec<Found> {
    let mut each = words.iter().flat_map(|word| word.found(reader, all)).collect::<Vec<_>>();
    each.sort_by_key(|found| found.doc);
    let mut found = Vec::new();
    for same in each.chunk_by(|a, b| a.doc == b.doc) {
        let share = same.len() as f32 / words.len() as f32;
        found.push(Found {
            doc: same[0].doc,
            score: share * same.iter().map(|f| f.score).sum::<f32>(),
        });
    }
    filter.keep(reader, &mut found);
    found
}
