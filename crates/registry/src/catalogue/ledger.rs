//! The catalogue made from the ledger: at the first search, and kept up with the feed of events, so
//! that only packages that changed are read again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use packhouse_core::identifier::Identifier;

use super::{Base, Catalogue, Changes, Entry, Snapshot};
use crate::app::Service;
use crate::downloads::stats;
use crate::ports::{Ledger, StoreError, StoreResult};
use crate::read::latest;

/// Packages and events that are read from the ledger in one call.
const PORTION: u32 = 1_000;

/// The catalogue of a process that reads its ledger cheaply. Memory: about 400 bytes a package,
/// nothing before the first search.
#[derive(Default)]
pub struct LedgerCatalogue {
    current: RwLock<Option<State>>,
    building: tokio::sync::Mutex<()>,
    recounted: Mutex<BTreeSet<Identifier>>,
}

#[derive(Clone)]
struct State {
    snapshot: Arc<Snapshot>,
    last_event: u64,
}

#[async_trait]
impl Catalogue for LedgerCatalogue {
    async fn snapshot(&self, service: &Service) -> StoreResult<Arc<Snapshot>> {
        let generation = service.ledger.generation()?;
        if let Some(state) = self.read().filter(|s| s.snapshot.is_current(generation)) {
            return Ok(state.snapshot);
        }
        let _one_builds = self.building.lock().await;
        // Asked again: whoever held the lock may have built it.
        let generation = service.ledger.generation()?;
        let old = self.read();
        if let Some(state) = old.as_ref().filter(|s| s.snapshot.is_current(generation)) {
            return Ok(Arc::clone(&state.snapshot));
        }
        let next = self.build(service, old, generation).await?;
        let snapshot = Arc::clone(&next.snapshot);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(next);
        Ok(snapshot)
    }

    fn recount(&self, identifiers: Vec<Identifier>) {
        if self.read().is_some() {
            let mut waiting = self.recounted.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.extend(identifiers);
        }
    }
}

impl LedgerCatalogue {
    fn read(&self) -> Option<State> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn build(
        &self,
        service: &Service,
        old: Option<State>,
        generation: u64,
    ) -> StoreResult<State> {
        let ledger = service.ledger.as_ref();
        let mut changed: BTreeSet<Identifier> = {
            let mut waiting = self.recounted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        let mut last_event;
        match &old {
            Some(old) => {
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
        let mut entries = Changes::new();
        for identifier in changed {
            let entry = entry(service, &identifier).await?;
            entries.insert(identifier, entry);
        }
        // An index over many packages takes its time: not on the threads that answer.
        let built = tokio::task::spawn_blocking(move || match old {
            None => {
                let all: Vec<_> = entries.into_values().flatten().collect();
                Snapshot::new(Arc::new(Base::build(&all)?), Changes::new())
            }
            Some(old) => {
                let (base, changes) = old.snapshot.parts();
                let mut changes = changes.clone();
                changes.extend(entries);
                Snapshot::new(Arc::clone(base), changes)
            }
        });
        let built = built.await.map_err(|e| StoreError::Broken(format!("a catalogue: {e}")))?;
        let mut snapshot = built?;
        snapshot.generation = Some(generation);
        Ok(State { snapshot: Arc::new(snapshot), last_event })
    }
}

/// A package's entry; `None` when none of its releases can be shown.
async fn entry(service: &Service, identifier: &Identifier) -> StoreResult<Option<Entry>> {
    let ledger = &service.ledger;
    let Some(latest) = latest(ledger.releases(identifier).await?) else {
        return Ok(None);
    };
    let (head, counts, advised) = tokio::try_join!(
        ledger.head(identifier),
        ledger.downloads(identifier),
        ledger.advised(identifier)
    )?;
    let downloads = stats(&counts, None, service.clock.now()).total_downloads;
    Ok(Some(Entry::of(latest, head.as_ref(), downloads, advised)))
}

/// The number of the newest event, 0 before the first: found by halving, not by reading them all.
///
/// # Errors
///
/// Those of the store.
pub async fn newest_event(ledger: &dyn Ledger) -> StoreResult<u64> {
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
