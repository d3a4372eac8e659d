//! Index files as readers have them: each one request to S3.

use async_trait::async_trait;
use bytes::Bytes;
use packhouse_core::api::read::IndexFile;
use packhouse_core::identifier::Identifier;
use packhouse_registry::log;
use packhouse_registry::ports::{StoreError, StoreResult};
use packhouse_registry::read::IndexFiles;

use crate::s3::S3Views;

/// Where a package's index file lies.
pub fn index_key(id: &Identifier) -> String {
    format!("index/{}.json", id.key())
}

/// The bytes of an index file.
pub(super) fn written(file: &IndexFile) -> StoreResult<Bytes> {
    let bytes = serde_json::to_vec(file).map(Bytes::from);
    bytes.map_err(|e| StoreError::Broken(format!("an index file is not JSON: {e}")))
}

/// The index files that the worker's drain made.
pub struct ViewIndexFiles {
    views: S3Views,
}

impl ViewIndexFiles {
    /// The index files in these views.
    pub fn new(views: S3Views) -> Self {
        Self { views }
    }
}

#[async_trait]
impl IndexFiles for ViewIndexFiles {
    async fn get(&self, id: &Identifier) -> StoreResult<Option<IndexFile>> {
        let key = index_key(id);
        let Some((bytes, _)) = self.views.get(&key).await? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(file) => Ok(Some(file)),
            Err(error) => {
                log::error(&format!("`{key}` is made from the ledger instead: {error}"));
                Ok(None)
            }
        }
    }
}
