//! The catalogue: every package's latest release in a few words, and the search index over them.
//!
//! A [`Snapshot`] is a [`Base`], bytes that are read in place, and what changed since. So a change
//! costs an index over the few packages that changed, never one over all of them; a base is made anew
//! once the changes are many.

mod base;
mod entry;
mod find;
mod ledger;
mod snapshot;

use std::sync::Arc;

use async_trait::async_trait;
use packhouse_core::identifier::Identifier;

use crate::app::Service;
use crate::ports::StoreResult;

pub use base::{Base, BaseError};
pub use entry::Entry;
pub use find::{Asked, Page};
pub use ledger::{LedgerCatalogue, newest_event};
pub use snapshot::{Changes, Found, Snapshot};

/// Where snapshots of the catalogue come from.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The packages, as new as the store promises.
    async fn snapshot(&self, service: &Service) -> StoreResult<Arc<Snapshot>>;

    /// Takes note that download counts of these packages were written.
    fn recount(&self, identifiers: Vec<Identifier>);
}

/// Identifiers like one that does not exist: at most 3, the most similar first. Best effort: if the
/// store does not answer, there are none.
pub(crate) async fn near(service: &Service, id: &Identifier) -> Vec<String> {
    let Ok(snapshot) = service.reads.catalogue.snapshot(service).await else { return Vec::new() };
    snapshot.near(id)
}
