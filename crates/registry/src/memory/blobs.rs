//! [`Blobs`] in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use packhouse_core::digest::Digest;

use crate::app::PublicUrl;
use crate::ports::{BlobBody, Blobs, IntentId, Part, Staged, StoreResult, Upload, UploadBounds};
use crate::uploads::{Incoming, Kept, Receiver, Staging, UploadError, UploadSigner};

/// Blobs that live as long as the value. Uploads come through [`crate::uploads`]'s routes, or
/// straight through [`MemoryBlobs::accept`].
#[derive(Clone)]
pub struct MemoryBlobs {
    held: Arc<Mutex<Held>>,
    signer: UploadSigner,
}

#[derive(Default)]
struct Held {
    staged: BTreeMap<(IntentId, Part), (u64, Bytes)>,
    blobs: BTreeMap<Digest, Bytes>,
    versions: u64,
}

impl MemoryBlobs {
    /// An empty store whose upload URLs start with `public_url`, signed with `key`.
    pub fn new(public_url: &PublicUrl, key: [u8; 32]) -> Self {
        Self { held: Arc::default(), signer: UploadSigner::new(public_url, key) }
    }

    /// What makes and checks its signed uploads.
    pub fn signer(&self) -> &UploadSigner {
        &self.signer
    }

    /// Uploads `bytes` as a client would that was handed `bounds`.
    ///
    /// # Errors
    ///
    /// Those of an upload by HTTP, signatures and times aside.
    pub async fn accept(
        &self,
        bounds: &UploadBounds,
        bytes: impl Into<Bytes> + Send,
    ) -> Result<Kept, UploadError> {
        let mut incoming = Incoming::start(self, bounds).await?;
        incoming.write(bytes.into()).await?;
        incoming.finish(self).await
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn staged_bytes(&self, staged: &Staged) -> Option<Bytes> {
        let held = self.held();
        let (version, bytes) = held.staged.get(&(staged.intent.clone(), staged.part))?;
        (version.to_string() == staged.version).then(|| bytes.clone())
    }
}

#[async_trait]
impl Blobs for MemoryBlobs {
    async fn upload(&self, bounds: &UploadBounds, _now: Timestamp) -> StoreResult<Upload> {
        Ok(self.signer.upload(bounds))
    }

    async fn pin(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Staged>> {
        let held = self.held();
        let found = held.staged.get(&(intent.clone(), part));
        Ok(found.map(|(version, bytes)| Staged {
            intent: intent.clone(),
            part,
            version: version.to_string(),
            bytes: bytes.len() as u64,
        }))
    }

    async fn read_staged(&self, staged: &Staged) -> StoreResult<Option<Bytes>> {
        Ok(self.staged_bytes(staged))
    }

    async fn promote(&self, staged: &Staged, digest: &Digest) -> StoreResult<bool> {
        let Some(bytes) = self.staged_bytes(staged) else { return Ok(false) };
        if Digest::of(&bytes) != *digest {
            return Ok(false);
        }
        self.held().blobs.entry(*digest).or_insert(bytes);
        Ok(true)
    }

    async fn put(&self, bytes: Bytes) -> StoreResult<Digest> {
        let digest = Digest::of(&bytes);
        self.held().blobs.entry(digest).or_insert(bytes);
        Ok(digest)
    }

    async fn size(&self, digest: &Digest) -> StoreResult<Option<u64>> {
        Ok(self.held().blobs.get(digest).map(|bytes| bytes.len() as u64))
    }

    async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> StoreResult<Option<BlobBody>> {
        let Some(blob) = self.held().blobs.get(digest).cloned() else { return Ok(None) };
        let bytes = blob.len() as u64;
        let start = offset.min(bytes);
        let end = start.saturating_add(length).min(bytes);
        let range = blob.slice(start as usize..end as usize);
        Ok(Some(BlobBody { bytes, stream: stream::iter([Ok(range)]).boxed() }))
    }

    async fn discard(&self, intent: &IntentId) -> StoreResult<()> {
        self.held().staged.retain(|(of, _), _| of != intent);
        Ok(())
    }

    async fn delete(&self, digest: &Digest) -> StoreResult<()> {
        self.held().blobs.remove(digest);
        Ok(())
    }
}

#[async_trait]
impl Staging for MemoryBlobs {
    async fn staged(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Digest>> {
        let bytes = self.held().staged.get(&(intent.clone(), part)).map(|(_, b)| b.clone());
        Ok(bytes.map(|bytes| Digest::of(&bytes)))
    }

    async fn receive(
        &self,
        intent: &IntentId,
        part: Part,
        _bytes: u64,
    ) -> StoreResult<Box<dyn Receiver>> {
        let held = Arc::clone(&self.held);
        Ok(Box::new(MemoryReceiver { held, key: (intent.clone(), part), bytes: BytesMut::new() }))
    }
}

struct MemoryReceiver {
    held: Arc<Mutex<Held>>,
    key: (IntentId, Part),
    bytes: BytesMut,
}

#[async_trait]
impl Receiver for MemoryReceiver {
    async fn write(&mut self, bytes: Bytes) -> StoreResult<()> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn keep(self: Box<Self>) -> StoreResult<bool> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.staged.contains_key(&self.key) {
            return Ok(false);
        }
        held.versions += 1;
        let version = held.versions;
        held.staged.insert(self.key, (version, self.bytes.freeze()));
        Ok(true)
    }
}
