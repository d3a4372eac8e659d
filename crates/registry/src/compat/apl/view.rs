//! What the registry holds of APL, as an index.
//!
//! It is built from the ledger when something changed. Configs of releases never change, so each is read
//! once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use packhouse_core::apl::{Config, ECOSYSTEM, Index};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::Release;

use crate::app::Service;
use crate::ports::StoreResult;
use crate::read::listed;

/// Names that are read from the ledger in one call.
const PORTION: u32 = 100;

/// The index and what it was made of.
#[derive(Default)]
pub struct View {
    current: RwLock<Option<(u64, Arc<Index>)>>,
    building: tokio::sync::Mutex<Configs>,
}

/// Configs by the package and the key of its version; `None` for a release whose config names another
/// package or cannot be read.
type Configs = HashMap<(Identifier, String), Option<Config>>;

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
        let mut configs = self.building.lock().await;
        // Asked again: whoever held the lock may have built it. Read before the ledger is, so that the
        // index is never older than its number.
        let generation = service.ledger.generation()?;
        if let Some(index) = self.read(generation) {
            return Ok(index);
        }
        let index = Arc::new(build(service, &mut configs).await?);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some((generation, Arc::clone(&index)));
        Ok(index)
    }

    fn read(&self, generation: u64) -> Option<Arc<Index>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|(made, _)| *made == generation).map(|(_, index)| Arc::clone(index))
    }
}

async fn build(service: &Service, configs: &mut Configs) -> StoreResult<Index> {
    let mut index = Index::default();
    let mut after: Option<String> = None;
    loop {
        let names = service.ledger.natives(ECOSYSTEM, after.as_deref(), PORTION).await?;
        let Some((last, _)) = names.last() else { return Ok(index) };
        after = Some(last.name.clone());
        for (name, identifier) in &names {
            let mut releases = listed(service.ledger.releases(identifier).await?);
            releases.sort_by(|a, b| a.version.cmp(&b.version));
            for release in &releases {
                let key = (identifier.clone(), release.version.key().to_owned());
                let config = match configs.get(&key) {
                    Some(config) => config.clone(),
                    None => {
                        let config = config(service, name, release).await?;
                        configs.insert(key, config.clone());
                        config
                    }
                };
                let Some(config) = config else { continue };
                let withdrawn = release.marks.yanked.is_some();
                // Two releases of one APL version cannot be: the ledger has one of each key.
                let _ = match withdrawn {
                    true => index.add_withdrawn(config),
                    false => index.add(config),
                };
            }
        }
        if names.len() < PORTION as usize {
            return Ok(index);
        }
    }
}

/// The config of a release, from the manifest as it was published.
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
