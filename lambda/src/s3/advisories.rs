//! Advisories in the bucket, which the operator puts there.

use aws_sdk_s3::Client;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use packhouse_core::quality::Advisories;
use packhouse_core::quality::osv::{self, ADVISORY_BYTES, Advisory};
use packhouse_registry::ports::{StoreError, StoreResult};

use super::fault;

/// Where they lie.
const FOLDER: &str = "advisories/";
/// How many are read in one scan: the worker has two minutes.
const MOST: usize = 10_000;
/// How many are read at the same time.
const AT_ONCE: usize = 32;

/// The advisories below `advisories/` of a bucket: every object whose key ends in `.json`.
#[derive(Clone, Debug)]
pub struct S3Advisories {
    client: Client,
    bucket: String,
}

impl S3Advisories {
    /// Advisories in this bucket. The client repeats what may pass.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// All of them; `None` where there is no such object at all, so that a registry without advisories
    /// looks through nothing.
    ///
    /// # Errors
    ///
    /// Those of the store, and [`StoreError::Broken`] for the first that is no advisory, with its key, the
    /// place in it and the reason: half of them would say that the rest is mended.
    pub async fn read(&self) -> StoreResult<Option<Advisories>> {
        let keys = self.keys().await?;
        if keys.is_empty() {
            return Ok(None);
        }
        let read = stream::iter(keys).map(|key| self.one(key)).buffered(AT_ONCE);
        let read: Vec<Option<Advisory>> = read.try_collect().await?;
        let mut all = Advisories::default();
        read.into_iter().flatten().for_each(|advisory| all.add(advisory));
        Ok(Some(all))
    }

    async fn keys(&self) -> StoreResult<Vec<String>> {
        let mut keys = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(FOLDER);
            let page = list.set_continuation_token(next.take()).send().await;
            let mut page = page.map_err(|e| fault::store("ListObjectsV2 of advisories", &e))?;
            let found = page.contents.take().unwrap_or_default().into_iter();
            keys.extend(found.filter_map(|object| object.key).filter(|key| key.ends_with(".json")));
            if keys.len() > MOST {
                let why = format!(
                    "{FOLDER} holds more than {MOST} advisories: leave out ecosystems that nobody needs"
                );
                return Err(StoreError::Broken(why));
            }
            match page.next_continuation_token.take() {
                Some(token) if page.is_truncated == Some(true) => next = Some(token),
                _ => return Ok(keys),
            }
        }
    }

    /// One of them; `None` where it was withdrawn, or taken away meanwhile.
    async fn one(&self, key: String) -> StoreResult<Option<Advisory>> {
        let get = self.client.get_object().bucket(&self.bucket).key(&key);
        let mut answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) if fault::is_missing(&error) => return Ok(None),
            Err(error) => return Err(fault::store("GetObject of an advisory", &error)),
        };
        let mut bytes = Vec::new();
        while let Some(piece) = answer.body.next().await {
            let broke = |_| StoreError::Unavailable(format!("GetObject of {key} broke off"));
            bytes.extend_from_slice(&piece.map_err(broke)?);
            if bytes.len() as u64 > ADVISORY_BYTES {
                break; // its reader says so
            }
        }
        osv::read(&bytes)
            .map_err(|error| StoreError::Broken(format!("`{key}`: {error}; {}", error.help)))
    }
}
