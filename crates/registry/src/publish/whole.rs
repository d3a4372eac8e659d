//! A publish in one request: nothing is uploaded for it, so its intent is opened and sealed at once.

use jiff::{SignedDuration, Timestamp};
use packhouse_core::claims::Publisher;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::release::SCHEMA;
use packhouse_core::version::Version;

use super::confirm::train;
use crate::error::ApiResult;
use crate::ports::{Intent, IntentId, Train};

/// What is published.
pub(super) struct Whole {
    pub(super) identifier: Identifier,
    pub(super) version: Version,
    /// The id of its format.
    pub(super) format: String,
    pub(super) publisher: Publisher,
    /// The archive's length and SHA-256.
    pub(super) bytes: u64,
    pub(super) digest: Digest,
}

impl Whole {
    /// Its intent, which rides alone, and its train.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness.
    pub(super) fn intent(self, now: Timestamp, limits: &Limits) -> ApiResult<(Intent, Train)> {
        let life = SignedDuration::from_secs(i64::from(limits.intent_seconds));
        let mut intent = Intent {
            schema: SCHEMA,
            id: IntentId::random()?,
            identifier: self.identifier,
            version: self.version,
            format: self.format,
            publisher: self.publisher,
            bound_audience: false,
            bytes: self.bytes,
            digest: Some(self.digest),
            artifacts_bytes: None,
            artifacts_digest: None,
            git_ref: None,
            quality: None,
            train: None,
            created_at: now,
            expires_at: now.checked_add(life).unwrap_or(now),
        };
        let train = train(&intent, self.digest);
        intent.train = Some(train.clone());
        Ok((intent, train))
    }
}
