//! Uploads without a cloud: the same two shapes that S3 presigns, a PUT and a POST form, received by
//! the registry itself and kept by a [`Staging`].

mod form;
mod routes;
mod sign;
#[cfg(test)]
mod tests;

pub use routes::{UploadTimes, router};
pub use sign::UploadSigner;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use packhouse_core::digest::{Digest, Hasher};

use crate::ports::{IntentId, Part, StoreError, StoreResult, UploadBounds};

impl Part {
    /// `archive` or `artifacts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Artifacts => "artifacts",
        }
    }

    /// The part with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Archive, Self::Artifacts].into_iter().find(|part| part.name() == name)
    }
}

/// Where uploads are kept until they are confirmed.
#[async_trait]
pub trait Staging: Send + Sync {
    /// The SHA-256 of what is staged already.
    async fn staged(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Digest>>;

    /// Starts to receive a part of exactly `bytes` bytes.
    async fn receive(
        &self,
        intent: &IntentId,
        part: Part,
        bytes: u64,
    ) -> StoreResult<Box<dyn Receiver>>;
}

/// A part that is being received. Dropping it before [`Receiver::keep`] leaves nothing behind.
#[async_trait]
pub trait Receiver: Send {
    /// Adds bytes.
    async fn write(&mut self, bytes: Bytes) -> StoreResult<()>;

    /// Makes it the staged part, durably; `false` when one is staged already, which stays.
    async fn keep(self: Box<Self>) -> StoreResult<bool>;
}

/// Why an upload is refused.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Nothing that this registry signed.
    #[error("the signature does not fit this upload: use the URL and fields of the publish answer")]
    Signature,
    /// Too late.
    #[error("this upload expired at {0}: ask to publish again")]
    Expired(Timestamp),
    /// Other length.
    #[error("the upload has {found} bytes, announced were {announced}")]
    Length {
        /// What the intent says.
        announced: u64,
        /// What came, at least.
        found: u64,
    },
    /// Other bytes.
    #[error("the upload has SHA-256 {found}, announced was {announced}")]
    Content {
        /// What the intent says.
        announced: Digest,
        /// What came.
        found: Digest,
    },
    /// It was used.
    #[error("this upload was used already, with SHA-256 {0}: go on with the confirmation")]
    AlreadyThere(Digest),
    /// Not the shape of an upload.
    #[error("{0}")]
    Malformed(String),
    /// Nothing came for a while.
    #[error("no bytes came for {0} s")]
    Stalled(u64),
    /// The connection broke.
    #[error("the upload broke off: {0}")]
    Broken(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What became of an upload that was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is staged now, with this SHA-256.
    New(Digest),
    /// The same bytes were staged before.
    Before(Digest),
}

/// An upload that is checked against its bounds while it comes in.
pub struct Incoming<'a> {
    bounds: &'a UploadBounds,
    receiver: Box<dyn Receiver>,
    hasher: Hasher,
    received: u64,
}

impl<'a> Incoming<'a> {
    /// Starts to receive what `bounds` admits.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn start(
        staging: &dyn Staging,
        bounds: &'a UploadBounds,
    ) -> Result<Self, UploadError> {
        let receiver = staging.receive(&bounds.intent, bounds.part, bounds.bytes).await?;
        Ok(Self { bounds, receiver, hasher: Hasher::default(), received: 0 })
    }

    /// Adds bytes.
    ///
    /// # Errors
    ///
    /// [`UploadError::Length`] at the first byte too many.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), UploadError> {
        self.received += bytes.len() as u64;
        if self.received > self.bounds.bytes {
            return Err(self.wrong_length());
        }
        self.hasher.update(&bytes);
        Ok(self.receiver.write(bytes).await?)
    }

    /// Checks length and digest, and keeps it.
    ///
    /// # Errors
    ///
    /// [`UploadError::Length`], [`UploadError::Content`], and [`UploadError::AlreadyThere`] when
    /// other bytes are staged; the same bytes again are welcome.
    pub async fn finish(self, staging: &dyn Staging) -> Result<Kept, UploadError> {
        if self.received != self.bounds.bytes {
            return Err(self.wrong_length());
        }
        let found = self.hasher.finish();
        if let Some(announced) = self.bounds.digest.filter(|announced| *announced != found) {
            return Err(UploadError::Content { announced, found });
        }
        if self.receiver.keep().await? {
            return Ok(Kept::New(found));
        }
        match staging.staged(&self.bounds.intent, self.bounds.part).await? {
            Some(held) if held == found => Ok(Kept::Before(found)),
            Some(held) => Err(UploadError::AlreadyThere(held)),
            None => Err(StoreError::Unavailable("the staged upload vanished".to_owned()).into()),
        }
    }

    fn wrong_length(&self) -> UploadError {
        UploadError::Length { announced: self.bounds.bytes, found: self.received }
    }
}
