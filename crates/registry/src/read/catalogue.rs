//! The catalogue: every package's latest release in a few words, and the search index over them.
//!
//! It is made from the ledger at the first search, and kept up with the feed of events: only
//! packages that changed are read again. Memory: about 500 bytes a package, nothing before the first
//! search.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use packhouse_core::identifier::Identifier;
use packhouse_core::search::{Document, Index};

use super::view;
use crate::app::Service;
use crate::downloads::stats;
use crate::ports::{Ledger, StoreResult};

/// Up to this many packages the index is made anew at every change; beyond, at most once in
/// [`PAUSE`], so that a busy day of publishing does not become a day of indexing.
const AT_ONCE: usize = 2_000;

/// The least time between two builds of a large index: what search may lag behind.
const PAUSE: Duration = Duration::from_secs(5);

/// Packages and events that are read from the ledger in one call.
const PORTION: u32 = 1_000;

/// A package in a few words.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The package.
    pub identifier: Identifier,
    /// Its latest version, as text.
    pub version: String,
    /// Whether that version is a yanked one, for want of others.
    pub yanked: bool,
    /// One sentence.
    pub summary: String,
    /// Where the source lives.
    pub repository: String,
    /// The project's page.
    pub homepage: Option<String>,
    /// The format's id.
    pub format: String,
    /// Names of exports, and keywords.
    pub words: Vec<String>,
    /// Downloads of all releases.
    pub downloads: u64,
}

/// All packages at one moment, by identifier, and the index over them.
pub struct Snapshot {
    /// By identifier.
    pub entries: Vec<Arc<Entry>>,
    generation: u64,
    last_event: u64,
    index: Arc<Index>,
    built: Instant,
}

impl Snapshot {
    /// Whether it is what the ledger holds now; a large one may lag by up to 5 seconds, and answers
    /// from it must not be kept.
    pub fn is_current(&self, service: &Service) -> bool {
        service.ledger.generation().is_ok_and(|generation| generation == self.generation)
    }

    /// The best `limit` packages for a query, best first; the most popular for a blank one.
    pub fn search(&self, query: &str, limit: usize) -> Vec<&Arc<Entry>> {
        let hits = self.index.search(query, limit);
        hits.into_iter().filter_map(|hit| self.entries.get(hit.position)).collect()
    }
}

/// The catalogue of a service.
#[derive(Default)]
pub struct Catalogue {
    current: RwLock<Option<Arc<Snapshot>>>,
    building: tokio::sync::Mutex<()>,
    recounted: Mutex<BTreeSet<Identifier>>,
}

impl Catalogue {
    /// The packages as the ledger holds them now.
    pub async fn snapshot(&self, service: &Service) -> StoreResult<Arc<Snapshot>> {
        let generation = service.ledger.generation()?;
        if let Some(snapshot) = self.usable(generation) {
            return Ok(snapshot);
        }
        let _one_builds = self.building.lock().await;
        // Asked again: whoever held the lock may have built it.
        let generation = service.ledger.generation()?;
        if let Some(snapshot) = self.usable(generation) {
            return Ok(snapshot);
        }
        let old = self.read();
        let next = Arc::new(self.build(service, old.as_deref(), generation).await?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&next));
        Ok(next)
    }

    /// Identifiers like one that does not exist: at most 3, the most similar first. Best effort: if
    /// the ledger does not answer, there are none.
    pub async fn near(&self, service: &Service, id: &Identifier) -> Vec<String> {
        let Ok(snapshot) = self.snapshot(service).await else { return Vec::new() };
        let wanted = id.key();
        let mut found: Vec<(usize, &str)> = Vec::new();
        for query in [wanted, id.name()] {
            for entry in snapshot.search(query, 8) {
                let key = entry.identifier.key();
                let distance = strsim::osa_distance(wanted, key);
                let same_name = entry.identifier.name().eq_ignore_ascii_case(id.name());
                if same_name || distance <= 2 + wanted.len() / 8 {
                    found.push((distance, key));
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_iter().take(3).map(|(_, key)| key.to_owned()).collect()
    }

    /// Takes note that download counts of these packages were written.
    pub fn recount(&self, identifiers: Vec<Identifier>) {
        if self.read().is_some() {
            let mut waiting = self.recounted.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(identifiers);
        }
    }

    fn read(&self) -> Option<Arc<Snapshot>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The snapshot we have, if it is of this generation, or large and young.
    fn usable(&self, generation: u64) -> Option<Arc<Snapshot>> {
        let snapshot = self.read()?;
        if snapshot.generation == generation {
            return Some(snapshot);
        }
        let lags = snapshot.entries.len() > AT_ONCE && snapshot.built.elapsed() < PAUSE;
        lags.then_some(snapshot)
    }

    async fn build(
        &self,
        service: &Service,
        old: Option<&Snapshot>,
        generation: u64,
    ) -> StoreResult<Snapshot> {
        let ledger = service.ledger.as_ref();
        let mut changed: BTreeSet<Identifier> = {
            let mut waiting = self.recounted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        let mut entries: BTreeMap<Identifier, Arc<Entry>> = BTreeMap::new();
        let mut last_event;
        match old {
            Some(old) => {
                for entry in &old.entries {
                    entries.insert(entry.identifier.clone(), Arc::clone(entry));
                }
                last_event = old.last_event;
                loop {
                    let events = ledger.events(last_event, PORTION).await?;
                    let Some(last) = events.last() else { break };
                    last_event = last.number;
                    changed.extend(events.into_iter().map(|event| event.identifier));
                }
            }
            None => {
                // Before the packages are listed: what happens meanwhile is then read twice.
                last_event = newest_event(ledger).await?;
                let mut after = None;
                loop {
                    let portion = ledger.packages(after.as_ref(), PORTION).await?;
                    let Some(last) = portion.last() else { break };
                    after = Some(last.clone());
                    changed.extend(portion);
                }
            }
        }
        let nothing_new = changed.is_empty();
        for identifier in changed {
            match entry(service, &identifier).await? {
                Some(entry) => entries.insert(identifier, Arc::new(entry)),
                None => entries.remove(&identifier),
            };
        }
        let entries: Vec<_> = entries.into_values().collect();
        let index = match old {
            Some(old) if nothing_new => Arc::clone(&old.index),
            _ => Arc::new(Index::build(entries.iter().map(|entry| Document {
                identifier: entry.identifier.clone(),
                summary: entry.summary.clone(),
                exports: entry.words.clone(),
                downloads: entry.downloads,
            }))),
        };
        Ok(Snapshot { entries, generation, last_event, index, built: Instant::now() })
    }
}

/// A package's entry; `None` when none of its releases can be shown.
async fn entry(service: &Service, identifier: &Identifier) -> StoreResult<Option<Entry>> {
    let Some(latest) = view::latest(service.ledger.releases(identifier).await?) else {
        return Ok(None);
    };
    let counts = service.ledger.downloads(identifier).await?;
    let described = latest.described;
    let mut words: Vec<_> = described.exports.into_iter().map(|export| export.name).collect();
    words.extend(described.keywords);
    words.extend(described.native.map(|native| native.name));
    Ok(Some(Entry {
        identifier: latest.identifier,
        version: latest.version.text().to_owned(),
        yanked: latest.marks.yanked.is_some(),
        summary: described.summary,
        repository: described.repository,
        homepage: described.homepage,
        format: described.format,
        words,
        downloads: stats(&counts, None, service.clock.now()).total_downloads,
    }))
}

/// The number of the newest event, 0 before the first: found by halving, not by reading them all.
async fn newest_event(ledger: &dyn Ledger) -> StoreResult<u64> {
    let (mut low, mut step) = (0_u64, 1_u64);
    // Numbers have no gaps, so there is one above `n` exactly if the newest is.
    while !ledger.events(low.saturating_add(step), 1).await?.is_empty() {
        low = low.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let mut high = low.saturating_add(step);
    while low < high {
        let middle = low + (high - low) / 2;
        if ledger.events(middle, 1).await?.is_empty() { high = middle } else { low = middle + 1 }
    }
    Ok(low)
}
