//! The checksum of the checkout that a release was published from, found in its archive once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use packhouse_core::archive::unpack;
use packhouse_core::attune::checksum::Checksum;
use packhouse_core::attune::export;
use packhouse_core::attune::index::PACKS;
use packhouse_core::digest::Digest;
use packhouse_core::release::Release;
use tokio::sync::Semaphore;

use crate::app::Service;
use crate::compat::archive::{archive, lost};
use crate::error::ApiResult;

/// Checksums by the digests of archives, bounded.
pub struct Checkouts {
    known: Mutex<HashMap<Digest, Option<Checksum>>>,
    /// One archive is read at a time: it takes its memory, and that of its files.
    reading: Semaphore,
}

impl Default for Checkouts {
    fn default() -> Self {
        Self { known: Mutex::default(), reading: Semaphore::new(1) }
    }
}

impl Checkouts {
    /// The checksum; `None` where the archive does not tell it.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn of(
        &self,
        service: &Service,
        release: &Release,
    ) -> ApiResult<Option<Checksum>> {
        if let Some(known) = self.known().get(&release.digest) {
            return Ok(*known);
        }
        // Closed only when the service is dropped, and then nobody waits for the answer.
        let _turn = self.reading.acquire().await;
        if let Some(known) = self.known().get(&release.digest) {
            return Ok(*known);
        }
        let (archive, limits) = (archive(service, release).await?, service.settings.limits.clone());
        let work = move || unpack(&archive, &limits).map(|(tree, _)| export::checkout(&tree));
        let found = tokio::task::spawn_blocking(work).await.map_err(|e| lost(release, &e))?;
        let found = found.map_err(|e| lost(release, &e))?;
        let mut known = self.known();
        if known.len() >= 2 * PACKS {
            known.clear();
        }
        known.insert(release.digest, found);
        Ok(found)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, Option<Checksum>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
