//! Where records lie that are too long for an item.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use packhouse_core::digest::Digest;
use packhouse_registry::ports::StoreResult;

/// Bytes by their SHA-256. On AWS they are objects below `records/`; nothing deletes them, so that a
/// table that was restored to an earlier moment finds what it names.
#[async_trait]
pub trait Records: Send + Sync {
    /// Stores `bytes`: durable when it returns. The same bytes again are no error.
    async fn put(&self, bytes: Bytes) -> StoreResult<Digest>;

    /// The bytes with this digest.
    async fn get(&self, digest: &Digest) -> StoreResult<Option<Bytes>>;
}

/// Records that live as long as the value: for tests.
#[derive(Default)]
pub struct MemoryRecords {
    held: Mutex<HashMap<Digest, Bytes>>,
}

#[async_trait]
impl Records for MemoryRecords {
    async fn put(&self, bytes: Bytes) -> StoreResult<Digest> {
        let digest = Digest::of(&bytes);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, bytes);
        Ok(digest)
    }

    async fn get(&self, digest: &Digest) -> StoreResult<Option<Bytes>> {
        Ok(self.held.lock().unwrap_or_else(PoisonError::into_inner).get(digest).cloned())
    }
}
