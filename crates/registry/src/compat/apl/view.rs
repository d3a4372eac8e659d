//! What the registry holds of APL, as an index.
//!
//! It is built from the ledger, and kept up with the feed of events: only packages that changed are read
//! again, and nothing is where only downloads were counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use packhouse_core::apl::{Config, ECOSYSTEM, Index};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::Release;

use crate::app::Service;
use crate::catalogue::newest_event;
use crate::ports::StoreResult;
use crate::read::listed;

/// Names that are read from the ledger in one call.
const NAMES: u32 = 100;
/// Events that are read in one call.
const EVENTS: u32 = 1_000;

/// The index, and the generation of the ledger that it shows.
#[derive(Default)]
pub struct View {
    current: RwLock<Option<(u64, Arc<Index>)>>,
    building: tokio::sync::Mutex<Option<Built>>,
}

/// What the index was made of.
struct Built {
    last_event: u64,
    index: Arc<Index>,
    packages: BTreeMap<(NativeName, Identifier), Vec<Version>>,
}

/// A version of a package, and whether it is yanked.
#[derive(Clone)]
struct Version {
    config: Config,
    withdrawn: bool,
}

impl View {
    /// The index as the ledger is now.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn index(&self, service: &Service) -> StoreResult<Arc<Index>> {
        if let Some(index) = self.read(service.ledger.generation()?) {
            return Ok(index);
        }
        let mut built = self.building.lock().await;
        // Asked again: whoever held the lock may have built it. Read before the ledger is, so that the
        // index is never older than its number.
        let generation = service.ledger.generation()?;
        if let Some(index) = self.read(generation) {
            return Ok(index);
        }
        let next = build(service, built.as_ref()).await?;
        if let Some(next) = next {
            *built = Some(next);
        }
        let index = built.as_ref().map(|built| Arc::clone(&built.index)).unwrap_or_default();
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some((generation, Arc::clone(&index)));
        Ok(index)
    }

    fn read(&self, generation: u64) -> Option<Arc<Index>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|(made, _)| *made == generation).map(|(_, index)| Arc::clone(index))
    }
}

/// What is made of the ledger; `None` where `old` is still right.
async fn build(service: &Service, old: Option<&Built>) -> StoreResult<Option<Built>> {
    let ledger = service.ledger.as_ref();
    let mut changed = BTreeSet::new();
    let last_event = match old {
        Some(old) => {
            let mut last_event = old.last_event;
            loop {
                let events = ledger.events(last_event, EVENTS).await?;
                let Some(last) = events.last() else { break };
                last_event = last.number;
                changed.extend(events.into_iter().map(|event| event.identifier));
            }
            if last_event == old.last_event {
                return Ok(None);
            }
            last_event
        }
        // Before names are listed: what happens meanwhile is then read twice.
        None => newest_event(ledger).await?,
    };
    let mut packages = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let names = ledger.natives(ECOSYSTEM, after.as_deref(), NAMES).await?;
        after = names.last().map(|(name, _)| name.name.clone());
        let more = names.len() >= NAMES as usize;
        for held in names {
            let known = old.and_then(|old| old.packages.get(&held));
            let versions = match known.filter(|_| !changed.contains(&held.1)) {
                Some(versions) => versions.clone(),
                None => versions(service, &held.0, &held.1, known).await?,
            };
            packages.insert(held, versions);
        }
        if !more {
            break;
        }
    }
    let mut index = Index::default();
    for version in packages.values().flatten().cloned() {
        // Two of one version cannot be: the ledger has one release of each, and a name one holder.
        let _ = match version.withdrawn {
            true => index.add_withdrawn(version.config),
            false => index.add(version.config),
        };
    }
    Ok(Some(Built { last_event, index: Arc::new(index), packages }))
}

/// The versions of a package in service, ascending. Configs never change, so those that are known are
/// not read again.
async fn versions(
    service: &Service,
    name: &NativeName,
    identifier: &Identifier,
    known: Option<&Vec<Version>>,
) -> StoreResult<Vec<Version>> {
    let mut releases = listed(service.ledger.releases(identifier).await?);
    releases.sort_by(|a, b| a.version.cmp(&b.version));
    let mut versions = Vec::with_capacity(releases.len());
    for release in &releases {
        let same = |v: &&Version| v.config.id.version.key() == release.version.key();
        let config = match known.and_then(|known| known.iter().find(same)) {
            Some(version) => Some(version.config.clone()),
            None => config(service, name, release).await?,
        };
        let withdrawn = release.marks.yanked.is_some();
        versions.extend(config.map(|config| Version { config, withdrawn }));
    }
    Ok(versions)
}

/// The config of a release, from the manifest as it was published; `None` for one that names another
/// package.
async fn config(
    service: &Service,
    name: &NativeName,
    release: &Release,
) -> StoreResult<Option<Config>> {
    let whole = service.ledger.release(&release.identifier, release.version.key()).await?;
    let Some(whole) = whole else { return Ok(None) };
    let config = Config::from_json(&whole.described.original).ok();
    Ok(config.filter(|config| {
        config.id.project.native() == *name && config.id.version.key() == release.version.key()
    }))
}
