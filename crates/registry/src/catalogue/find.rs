//! Pages of the catalogue: of packages, or of what they offer.

use packhouse_core::api::read::Offer;
use packhouse_core::search::{Facet, Words};

use super::{Entry, Snapshot};

/// Hits of a query that are counted, at most.
const COUNTED: usize = 1_000;
/// Exports whose names are looked at for a query, at most: each takes microseconds.
const LOOKED_AT: usize = 20_000;
/// Exports that are shown with a package, at most.
const SHOWN: usize = 5;

/// What is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Words; blank for all there is.
    pub query: &'a str,
    /// Hits are exports of this kind; packages without one.
    pub kind: Option<&'a str>,
    /// Packages of this format only.
    pub format: Option<&'a str>,
    /// How many hits stand on the pages before.
    pub first: usize,
    /// Hits of a page, at most.
    pub limit: usize,
}

/// A page of hits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Packages; where a kind is asked for, with the one export that is the hit, else with those whose
    /// names the query has.
    pub hits: Vec<(Entry, Vec<Offer>)>,
    /// How many hits there are on all pages; of a query, counted up to 1,000.
    pub total: usize,
}

impl Asked<'_> {
    fn facets(&self) -> Vec<Facet> {
        let kind = self.kind.map(|kind| Facet::Kind(kind.to_owned()));
        let format = self.format.map(|format| Facet::Format(format.to_owned()));
        kind.into_iter().chain(format).collect()
    }

    /// How many hits a package is when nothing else is asked for.
    fn count(&self, entry: &Entry) -> usize {
        match (self.kind, self.format) {
            (_, Some(format)) if entry.format != format => 0,
            (Some(kind), _) => of_kind(entry, kind).count(),
            (None, _) => 1,
        }
    }
}

fn of_kind<'e>(entry: &'e Entry, kind: &'e str) -> impl Iterator<Item = &'e Offer> + Clone {
    entry.exports.iter().filter(move |offer| offer.kind == kind)
}

/// Those of `offers` that have a word in their names, those with most first; where none has one, those
/// that have one with slips.
fn named<'e>(words: &Words, offers: impl Iterator<Item = &'e Offer> + Clone) -> Vec<Offer> {
    for count in [Words::in_name, Words::near_name] {
        let counted = offers.clone().map(|offer| (count(words, &offer.name), offer));
        let mut named: Vec<_> = counted.filter(|(count, _)| *count > 0).collect();
        if !named.is_empty() {
            named.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
            return named.into_iter().map(|(_, offer)| offer.clone()).collect();
        }
    }
    Vec::new()
}

impl Snapshot {
    /// A page of what is looked for: the best first; where there are no words, by identifier, and
    /// exports in the order of their manifests.
    pub fn find(&self, asked: &Asked<'_>) -> Page {
        match (asked.query.trim().is_empty(), asked.kind) {
            (true, _) => self.browse(asked),
            (false, None) => self.packages(asked),
            (false, Some(kind)) => self.exports(asked, kind),
        }
    }

    fn packages(&self, asked: &Asked<'_>) -> Page {
        let words = Words::new(asked.query);
        let most = asked.first.saturating_add(asked.limit);
        let found = self.search_among(asked.query, &asked.facets(), most, COUNTED);
        let mut left = LOOKED_AT;
        let hits = found.entries.into_iter().skip(asked.first).map(|entry| {
            let looked_at = entry.exports.len().min(left);
            left -= looked_at;
            let mut exports = named(&words, entry.exports.iter().take(looked_at));
            exports.truncate(SHOWN);
            (entry, exports)
        });
        Page { hits: hits.collect(), total: found.total }
    }

    /// Of each package that is found, the exports whose names have a word; all of the kind where it is
    /// found by something else.
    fn exports(&self, asked: &Asked<'_>, kind: &str) -> Page {
        let words = Words::new(asked.query);
        let found = self.search_among(asked.query, &asked.facets(), COUNTED, COUNTED);
        let (mut page, mut looked_at) = (Page::default(), 0);
        for entry in found.entries {
            looked_at += entry.exports.len();
            let mut offers = named(&words, of_kind(&entry, kind));
            if offers.is_empty() {
                offers = of_kind(&entry, kind).cloned().collect();
            }
            offers.truncate(COUNTED - page.total);
            page.add(asked, &entry, offers.len(), offers);
            if page.total == COUNTED || looked_at > LOOKED_AT {
                break;
            }
        }
        page
    }

    fn browse(&self, asked: &Asked<'_>) -> Page {
        let counts = self.base_counts(asked);
        let mut page = Page::default();
        let mut start = 0;
        let end = (self.parts().0.len(), false, None);
        for (place, held, changed) in self.overlay().chain([end]) {
            for (at, &count) in counts.iter().enumerate().take(place).skip(start) {
                page.browse(asked, count as usize, || self.parts().0.entry(at));
            }
            start = place + usize::from(held);
            if let Some(entry) = changed {
                page.browse(asked, asked.count(entry), || Some(entry.clone()));
            }
        }
        page
    }

    /// How many hits each package of the base is.
    fn base_counts(&self, asked: &Asked<'_>) -> Vec<u32> {
        let base = self.parts().0;
        let counts = base.index().counts(&asked.facets()).into_iter().enumerate();
        let exact = |(at, count): (usize, u8)| match count {
            // The index counts no further.
            u8::MAX => base.entry(at).map_or(0, |entry| asked.count(&entry) as u32),
            count => u32::from(count),
        };
        counts.map(exact).collect()
    }
}

impl Page {
    /// Counts a package's hits, and takes those of them that are on this page; reads it only then.
    fn browse(&mut self, asked: &Asked<'_>, count: usize, entry: impl FnOnce() -> Option<Entry>) {
        let here = self.hits.len() < asked.limit && self.total + count > asked.first;
        match if here && count > 0 { entry() } else { None } {
            Some(entry) => {
                let offers = asked.kind.map(|kind| of_kind(&entry, kind).cloned().collect());
                self.add(asked, &entry, count, offers.unwrap_or_default());
            }
            None => self.total += count,
        }
    }

    /// Counts hits of a package, which are `offers` where a kind is asked for, and takes those on this page.
    fn add(&mut self, asked: &Asked<'_>, entry: &Entry, count: usize, offers: Vec<Offer>) {
        let skipped = asked.first.saturating_sub(self.total);
        let room = asked.limit - self.hits.len();
        self.total += count;
        match asked.kind {
            Some(_) => {
                let taken = offers.into_iter().skip(skipped).take(room);
                self.hits.extend(taken.map(|offer| (entry.clone(), vec![offer])));
            }
            None if skipped == 0 && room > 0 => self.hits.push((entry.clone(), offers)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Base, Changes};
    use super::*;

    /// Every third package offers steps, every fifth processes; one has more than an index counts.
    fn entry(number: usize, word: &str) -> Entry {
        let offer = |kind: &str, nth: usize| Offer {
            kind: kind.to_owned(),
            name: format!("{word}{kind}{nth}"),
            module: Some(format!("p{number}")),
            path: None,
        };
        let processes = if number == 1_000 { 300 } else { number % 4 };
        let mut exports = Vec::new();
        if number.is_multiple_of(3) {
            exports.push(offer("step", 0));
        }
        if number.is_multiple_of(5) {
            exports.extend((0..processes).map(|nth| offer("process", nth)));
        }
        Entry {
            identifier: format!("acme/p{number:05}").parse().unwrap(),
            version: "1.0.0".to_owned(),
            yanked: false,
            summary: format!("{word} of cells"),
            repository: String::new(),
            homepage: None,
            format: if number.is_multiple_of(2) { "pyproject" } else { "packhouse" }.to_owned(),
            keywords: vec![],
            exports,
            native: None,
            held: false,
            archive: None,
            downloads: number as u64 % 100,
            quality: None,
            advisories: None,
        }
    }

    /// A base of many with changes over it: changed, new, dropped.
    fn world() -> (Snapshot, Vec<Entry>) {
        let all: Vec<_> = (0..2_500).map(|n| entry(n, "growth")).collect();
        let base = Arc::new(Base::build(&all).unwrap());
        let mut model: Vec<_> = (0..2_520).map(|n| entry(n, "growth")).collect();
        let mut changes = Changes::new();
        for n in [0, 15, 16, 30, 1_500, 2_499, 2_500, 2_505, 2_519] {
            model[n] = entry(n, "decay");
            changes.insert(model[n].identifier.clone(), Some(model[n].clone()));
        }
        for n in [1, 45, 2_495] {
            changes.insert(model[n].identifier.clone(), None);
        }
        let gone = ["acme/p00001", "acme/p00045", "acme/p02495"];
        let kept = |entry: &Entry| {
            let id = entry.identifier.to_string();
            let there =
                *entry.identifier.key() < *"acme/p02500" || changes.contains_key(&entry.identifier);
            there && !gone.contains(&&*id)
        };
        model.retain(kept);
        let snapshot = Snapshot::new(Arc::clone(&base), changes).unwrap();
        assert!(Arc::ptr_eq(snapshot.parts().0, &base), "the changes lie over the base");
        (snapshot, model)
    }

    fn pages(snapshot: &Snapshot, mut asked: Asked<'_>) -> (Vec<String>, usize) {
        let (mut all, mut total) = (Vec::new(), None);
        loop {
            let page = snapshot.find(&asked);
            assert_eq!(*total.get_or_insert(page.total), page.total, "each page knows them all");
            assert!(page.hits.len() <= asked.limit);
            if page.hits.is_empty() {
                return (all, page.total);
            }
            asked.first += asked.limit;
            all.extend(page.hits.iter().map(|(entry, offers)| shown(entry, offers)));
        }
    }

    fn shown(entry: &Entry, offers: &[Offer]) -> String {
        let names: Vec<_> = offers.iter().map(|offer| offer.name.as_str()).collect();
        format!("{} {}", entry.identifier, names.join(" "))
    }

    #[test]
    fn pages_without_words_are_all_there_is_once_in_one_order() {
        let (snapshot, model) = world();
        for format in [None, Some("pyproject"), Some("ato")] {
            for (kind, limit) in [
                (None, 7),
                (None, 100),
                (Some("process"), 3),
                (Some("process"), 100),
                (Some("step"), 64),
            ] {
                let asked = Asked { query: " ", kind, format, first: 0, limit };
                let fits = |entry: &&Entry| format.is_none_or(|format| entry.format == format);
                let expected: Vec<_> = model
                    .iter()
                    .filter(fits)
                    .flat_map(|entry| match kind {
                        None => vec![shown(entry, &[])],
                        Some(kind) => of_kind(entry, kind)
                            .map(|offer| shown(entry, std::slice::from_ref(offer)))
                            .collect(),
                    })
                    .collect();
                let (found, total) = pages(&snapshot, asked);
                assert_eq!(found, expected, "{format:?} {kind:?} by {limit}");
                assert_eq!(total, expected.len());
            }
        }
    }

    #[test]
    fn words_and_a_kind_find_the_exports_that_are_meant() {
        let (snapshot, _) = world();
        let asked =
            Asked { query: "decay", kind: Some("process"), format: None, first: 0, limit: 2 };
        let (found, total) = pages(&snapshot, asked);
        assert_eq!(total, found.len());
        // 15, 30, 2505 and 2519 are changed; 0, 16, 1500 and 2500 offer none, 2519 is no fifth.
        let mut sorted = found.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), found.len(), "none twice");
        assert!(found.iter().all(|hit| hit.contains(" decayprocess")), "{found:?}");
        assert_eq!(found.len(), 15 % 4 + 30 % 4 + 2_505 % 4);
        // Found by its summary: all that it offers of the kind.
        let asked = Asked { query: "decay of cells", kind: Some("step"), ..asked };
        assert!(pages(&snapshot, asked).0.iter().all(|hit| hit.ends_with("decaystep0")));
        // Without a kind, hits are packages, and say which exports are meant.
        let asked = Asked {
            query: "decayprocess1",
            kind: None,
            format: Some("pyproject"),
            first: 0,
            limit: 1,
        };
        assert_eq!(pages(&snapshot, asked).0, ["acme/p00030 decayprocess1"]);
    }

    #[test]
    fn kinds_are_those_of_the_base_and_of_changes() {
        let (snapshot, _) = world();
        assert_eq!(snapshot.kinds().into_iter().collect::<Vec<_>>(), ["process", "step"]);
    }
}
