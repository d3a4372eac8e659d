//! The CDN's access logs in their bucket.

use aws_sdk_s3::Client;
use jiff::Timestamp;
use packhouse_registry::ports::{StoreError, StoreResult};

use super::fault;
use crate::access_logs::{Bounds, Fetches, LogError, LogReader};

/// Log files below a prefix of a bucket.
#[derive(Clone, Debug)]
pub struct S3Logs {
    client: Client,
    bucket: String,
    prefix: String,
}

impl S3Logs {
    /// Log files below `prefix` (`cdn/`) of this bucket. The client repeats what may pass.
    pub fn new(client: Client, bucket: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into(), prefix: prefix.into() }
    }

    /// Keys of the files that came at `since` or later, ascending. All files are listed: the bucket's
    /// lifecycle bounds them.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn since(&self, since: Timestamp) -> StoreResult<Vec<String>> {
        let mut keys = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
            let page = list.set_continuation_token(next.take()).send().await;
            let mut page = page.map_err(|e| fault::store("ListObjectsV2 of logs", &e))?;
            for object in page.contents.take().unwrap_or_default() {
                // S3 says whole seconds.
                let old = object.last_modified.is_some_and(|at| at.secs() < since.as_second());
                keys.extend(object.key.filter(|_| !old));
            }
            match page.next_continuation_token.take() {
                Some(token) if page.is_truncated == Some(true) => next = Some(token),
                _ => return Ok(keys),
            }
        }
    }

    /// Reads one file in memory of a fixed size; `None` when it is gone.
    ///
    /// # Errors
    ///
    /// Outside, those of the store; inside, what is wrong with the file.
    pub async fn read(&self, key: &str) -> StoreResult<Option<Result<Fetches, LogError>>> {
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        let mut answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) if fault::is_missing(&error) => return Ok(None),
            Err(error) => return Err(fault::store("GetObject of a log", &error)),
        };
        let mut reader = LogReader::new(Bounds::default());
        while let Some(piece) = answer.body.next().await {
            let piece = piece.map_err(|_| {
                StoreError::Unavailable("GetObject of a log: the answer broke off".to_owned())
            })?;
            if let Err(error) = reader.feed(&piece) {
                return Ok(Some(Err(error)));
            }
        }
        Ok(Some(reader.finish()))
    }
}
