//! The catalogue as readers have it: from S3, three requests when cold, none while nothing changes.

use std::sync::Arc;

use async_trait::async_trait;
use packhouse_core::identifier::Identifier;
use packhouse_registry::app::Service;
use packhouse_registry::catalogue::{Base, Catalogue, LedgerCatalogue, Snapshot};
use packhouse_registry::ports::{StoreError, StoreResult};

use super::manifest::{BaseName, Manifest};
use crate::dynamo::DynamoLedger;
use crate::s3::{S3Views, Seen, ViewTag};

/// How often the manifest is read again that names a base which is gone.
const TURNS: usize = 3;

/// A [`Catalogue`] made by the worker's drain. It may lag behind the ledger until the next drain, a
/// minute at most.
pub struct ViewCatalogue {
    views: S3Views,
    ledger: Arc<DynamoLedger>,
    held: tokio::sync::Mutex<Option<Held>>,
    /// For a registry whose first drain is still to come.
    first: LedgerCatalogue,
}

struct Held {
    tag: ViewTag,
    event: u64,
    base: Option<(BaseName, Arc<Base>)>,
    snapshot: Arc<Snapshot>,
}

impl ViewCatalogue {
    /// The catalogue in these views; `ledger` tells whether it is up to date.
    pub fn new(views: S3Views, ledger: Arc<DynamoLedger>) -> Self {
        Self {
            views,
            ledger,
            held: tokio::sync::Mutex::default(),
            first: LedgerCatalogue::default(),
        }
    }

    /// What the manifest names.
    async fn open(
        &self,
        manifest: Manifest,
        tag: ViewTag,
        old: Option<&Held>,
    ) -> StoreResult<Option<Held>> {
        let known = old.and_then(|held| held.base.as_ref());
        let base = match (manifest.base, known) {
            (None, _) => None,
            (Some(name), Some((held, base))) if *held == name => Some((name, Arc::clone(base))),
            (Some(name), _) => match name.get(&self.views).await? {
                Some(base) => Some((name, Arc::new(base))),
                None => return Ok(None),
            },
        };
        let bytes = match &base {
            Some((_, base)) => Arc::clone(base),
            None => Arc::new(Base::build(&[])?),
        };
        let snapshot = Arc::new(Snapshot::new(bytes, manifest.changes)?);
        Ok(Some(Held { tag, event: manifest.event, base, snapshot }))
    }
}

#[async_trait]
impl Catalogue for ViewCatalogue {
    async fn snapshot(&self, service: &Service) -> StoreResult<Arc<Snapshot>> {
        let mut held = self.held.lock().await;
        for _ in 0..TURNS {
            if let Some(held) =
                held.as_ref().filter(|held| held.event >= self.ledger.newest_event())
            {
                return Ok(Arc::clone(&held.snapshot));
            }
            let known = held.as_ref().map(|held| &held.tag);
            match self.views.get_unless(Manifest::KEY, known).await? {
                Seen::Missing => return self.first.snapshot(service).await,
                Seen::Same => {
                    if let Some(held) = held.as_ref() {
                        return Ok(Arc::clone(&held.snapshot));
                    }
                }
                Seen::Other(bytes, tag) => {
                    let manifest = Manifest::read(&bytes)?;
                    if let Some(opened) = self.open(manifest, tag, held.as_ref()).await? {
                        let snapshot = Arc::clone(&opened.snapshot);
                        *held = Some(opened);
                        return Ok(snapshot);
                    }
                }
            }
        }
        Err(StoreError::Unavailable("the catalogue is replaced faster than it is read".to_owned()))
    }

    fn recount(&self, identifiers: Vec<Identifier>) {
        self.first.recount(identifiers);
    }
}
