//! The catalogue at one moment: a base with what changed since laid over it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use packhouse_core::identifier::Identifier;
use packhouse_core::search::{Facet, Index};

use super::{Base, Entry};
use crate::ports::StoreResult;

/// Up to this many packages a base is made anew at every change: it takes milliseconds.
const SMALL: usize = 2_000;
/// Packages that may have changed since the base was made.
const CHANGED: usize = 2_000;

/// What changed since a base was made: a package's entry now, or `None` if it is shown no more.
pub type Changes = BTreeMap<Identifier, Option<Entry>>;

/// Packages that a query found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The best, best first.
    pub entries: Vec<Entry>,
    /// How many were found, up to what was asked for.
    pub total: usize,
}

/// All packages at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    base: Arc<Base>,
    changes: Changes,
    /// Over the changed packages that are shown, in their order.
    changed: Index,
    shown: Vec<Identifier>,
    /// Of each change in their order, where the base has the package or would have it, and whether it does.
    places: Vec<(usize, bool)>,
    len: usize,
    /// The ledger's generation that it shows, where that is known.
    pub(super) generation: Option<u64>,
}

impl Snapshot {
    /// A base with changes laid over it; a new base where they are many or all is small.
    ///
    /// # Errors
    ///
    /// Those of [`Base::build`].
    pub fn new(base: Arc<Base>, changes: Changes) -> StoreResult<Self> {
        let small = base.len() + changes.len() <= SMALL;
        if !changes.is_empty() && (small || changes.len() > CHANGED) {
            let merged = base.with(&changes)?;
            return Self::new(Arc::new(merged), Changes::new());
        }
        let shown: Vec<&Entry> = changes.values().flatten().collect();
        let changed = Index::build(shown.iter().map(|entry| entry.document()));
        let place = |id| (base.index().place(id), base.contains(id));
        let places: Vec<_> = changes.keys().map(place).collect();
        let hidden = places.iter().filter(|(_, held)| *held).count();
        let len = base.len() - hidden + shown.len();
        let shown = shown.into_iter().map(|entry| entry.identifier.clone()).collect();
        Ok(Self { base, changes, changed, shown, places, len, generation: None })
    }

    /// The base and the changes since.
    pub fn parts(&self) -> (&Arc<Base>, &Changes) {
        (&self.base, &self.changes)
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether it is what the ledger holds now. Answers from one that is not must not be kept.
    pub fn is_current(&self, generation: u64) -> bool {
        self.generation == Some(generation)
    }

    /// What changed, with where the base has it or would have it, and whether it does.
    pub(super) fn overlay(&self) -> impl Iterator<Item = (usize, bool, Option<&Entry>)> {
        let placed = self.places.iter().zip(self.changes.values());
        placed.map(|(&(place, held), entry)| (place, held, entry.as_ref()))
    }

    /// The kinds of what packages offer, sorted.
    pub fn kinds(&self) -> BTreeSet<String> {
        // Of the base, kinds of packages that changed since may be among them.
        self.base.index().kinds().into_iter().chain(self.changed.kinds()).collect()
    }

    /// The best `limit` packages for a query, best first, and how many there are, counted up to
    /// `counted`; the most popular for a blank query.
    pub fn search(&self, query: &str, limit: usize, counted: usize) -> Found {
        self.search_among(query, &[], limit, counted)
    }

    /// The same among packages that have all of `facets`.
    ///
    /// How rare a word is is counted in the base and the changes together, so hits of both compare;
    /// a changed package counts twice until the next base.
    pub fn search_among(
        &self,
        query: &str,
        facets: &[Facet],
        limit: usize,
        counted: usize,
    ) -> Found {
        let hidden = self.changes.len();
        let most = counted.saturating_add(hidden);
        let [mut old, new] = self.base.index().search_with(&self.changed, query, facets, most);
        if hidden > 0 {
            let unchanged = |id: Identifier| !self.changes.contains_key(&id);
            old.retain(|hit| hit.identifier.parse().is_ok_and(unchanged));
        }
        let total = (old.len() + new.len()).min(counted);
        let old = old.into_iter().take(limit);
        let old = old.filter_map(|hit| Some((self.base.entry(hit.position)?, hit)));
        let new = new.into_iter().take(limit).filter_map(|hit| {
            let entry = self.changes.get(self.shown.get(hit.position)?)?;
            Some((entry.clone()?, hit))
        });
        let mut best: Vec<_> = old.chain(new).collect();
        if hidden > 0 {
            best.sort_by(|(a, by_a), (b, by_b)| {
                by_b.rank().cmp(&by_a.rank()).then(b.downloads.cmp(&a.downloads))
            });
        }
        let best = best.into_iter().take(limit.min(counted));
        Found { entries: best.map(|(entry, _)| entry).collect(), total }
    }

    /// At most `limit` packages after `after`, by identifier.
    pub fn portion(&self, after: Option<&Identifier>, limit: usize) -> Vec<Entry> {
        use std::ops::Bound::{Excluded, Unbounded};
        let start = after.map_or(0, |after| {
            let at = self.base.position(after);
            let there = self.base.entry(at).is_some_and(|entry| entry.identifier == *after);
            at + usize::from(there)
        });
        let mut old = (start..self.base.len()).filter_map(|at| self.base.entry(at)).peekable();
        let from = after.map_or(Unbounded, Excluded);
        let mut new = self.changes.range::<Identifier, _>((from, Unbounded)).peekable();
        let mut portion = Vec::with_capacity(limit);
        while portion.len() < limit {
            let before = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (Some(old), Some((id, _))) => old.identifier < **id,
            };
            if before {
                portion.extend(old.next());
                continue;
            }
            let Some((id, entry)) = new.next() else { break };
            old.next_if(|old| old.identifier == *id);
            portion.extend(entry.clone());
        }
        portion
    }

    /// Identifiers like one that does not exist: at most 3, the most similar first.
    pub(crate) fn near(&self, id: &Identifier) -> Vec<String> {
        let wanted = id.key();
        let mut found: Vec<(usize, String)> = Vec::new();
        for query in [wanted, id.name()] {
            for entry in self.search(query, 8, 8).entries {
                let key = entry.identifier.key();
                let distance = strsim::osa_distance(wanted, key);
                let same_name = entry.identifier.name().eq_ignore_ascii_case(id.name());
                if same_name || distance <= 2 + wanted.len() / 8 {
                    found.push((distance, key.to_owned()));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().take(3).map(|(_, key)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: usize, summary: &str) -> Entry {
        Entry {
            identifier: format!("acme/p{number:05}").parse().unwrap(),
            version: "1.0.0".to_owned(),
            yanked: false,
            summary: summary.to_owned(),
            repository: "https://forge.example/acme/p".to_owned(),
            homepage: None,
            format: "ato".to_owned(),
            keywords: vec![format!("Part{number}")],
            exports: vec![],
            native: None,
            held: false,
            archive: None,
            downloads: number as u64,
            quality: None,
            advisories: None,
        }
    }

    fn listed(snapshot: &Snapshot, portion: usize) -> Vec<Entry> {
        let mut all: Vec<Entry> = Vec::new();
        loop {
            let last = all.last().map(|entry| entry.identifier.clone());
            let next = snapshot.portion(last.as_ref(), portion);
            if next.is_empty() {
                return all;
            }
            all.extend(next);
        }
    }

    #[test]
    fn changes_over_a_large_base_show_as_if_all_had_been_made_anew() {
        // Every other package; changed, new, dropped, and dropped without having been there.
        let all: Vec<_> = (0..6_000).step_by(2).map(|n| entry(n, "an old regulator")).collect();
        let base = Arc::new(Base::build(&all).unwrap());
        let mut model: BTreeMap<_, _> =
            all.iter().map(|e| (e.identifier.clone(), e.clone())).collect();
        let mut changes = Changes::new();
        for n in [0, 1, 2, 3, 4_000, 5_997, 5_998, 5_999] {
            let new = entry(n, "a new thermometer");
            let dropped = n % 4 == 2 || n == 5_999;
            model.remove(&new.identifier);
            if !dropped {
                model.insert(new.identifier.clone(), new.clone());
            }
            changes.insert(new.identifier.clone(), (!dropped).then_some(new));
        }
        let snapshot = Snapshot::new(Arc::clone(&base), changes).unwrap();
        assert!(Arc::ptr_eq(snapshot.parts().0, &base), "no index over all was made");
        let expected: Vec<_> = model.into_values().collect();
        assert_eq!(snapshot.len(), expected.len());
        for portion in [1, 7, 1_000, 10_000] {
            assert_eq!(listed(&snapshot, portion), expected, "portions of {portion}");
        }
        let names = |query: &str| -> Vec<_> {
            let found = snapshot.search(query, 10, 100).entries;
            found.into_iter().map(|e| e.identifier.to_string()).collect()
        };
        let mut new = names("thermometer");
        new.sort();
        assert_eq!(
            new,
            ["acme/p00000", "acme/p00001", "acme/p00003", "acme/p04000", "acme/p05997"]
        );
        assert_eq!(names("acme/p00001")[0], "acme/p00001");
        let old = snapshot.search("regulator", 5_000, 5_000).entries;
        assert!(old.iter().all(|entry| entry.summary == "an old regulator"));
        assert_eq!(old.len(), 3_000 - 4, "neither what changed nor what was dropped");
        assert_eq!(snapshot.search("regulator", 3, 50).total, 50);
        let popular = snapshot.search("", 3, 3).entries;
        assert_eq!(popular.iter().map(|e| e.downloads).collect::<Vec<_>>(), [5_997, 5_996, 5_994]);
    }

    #[test]
    fn many_changes_become_a_new_base() {
        let all: Vec<_> = (0..3_000).map(|n| entry(n, "old")).collect();
        let base = Arc::new(Base::build(&all).unwrap());
        let changes = (0..=CHANGED).map(|n| (all[n].identifier.clone(), None)).collect();
        let snapshot = Snapshot::new(base, changes).unwrap();
        assert_eq!((snapshot.len(), snapshot.parts().1.len()), (3_000 - CHANGED - 1, 0));
        assert_eq!(listed(&snapshot, 500), all[CHANGED + 1..]);
    }

    #[test]
    fn damaged_bytes_are_refused_or_answer_wrongly_and_never_panic() {
        let all: Vec<_> = (0..20).map(|n| entry(n, "a part")).collect();
        let base = Base::build(&all).unwrap();
        let (index, entries) = (base.index_bytes(), base.entry_bytes());
        for at in 0..entries.len() {
            let mut damaged = entries.to_vec();
            damaged[at] ^= 0xff;
            for bytes in [damaged, entries[..at].to_vec()] {
                let Ok(base) = Base::open(index.clone(), bytes.into()) else { continue };
                let snapshot = Snapshot::new(Arc::new(base), Changes::new()).unwrap();
                snapshot.search("part", 10, 10);
                snapshot.portion(Some(&all[3].identifier), 10);
                snapshot.near(&all[4].identifier);
            }
        }
        let other = Base::build(&all[1..]).unwrap();
        let wrong = Base::open(other.index_bytes(), entries);
        assert!(wrong.unwrap_err().to_string().contains("19 packages with 20 entries"));
    }
}
