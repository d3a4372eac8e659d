//! Long records beside the table.

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use packhouse_core::digest::Digest;
use packhouse_registry::ports::{StoreError, StoreResult};

use super::{checksum, fault};
use crate::dynamo::Records;

/// Records in `records/sha256/`.
#[derive(Clone, Debug)]
pub struct S3Records {
    client: Client,
    bucket: String,
}

impl S3Records {
    /// Records in this bucket.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    fn key(digest: &Digest) -> String {
        format!("records/sha256/{digest}")
    }
}

#[async_trait]
impl Records for S3Records {
    async fn put(&self, bytes: Bytes) -> StoreResult<Digest> {
        let digest = Digest::of(&bytes);
        // Without a condition: who writes a record here writes the same bytes.
        let put = self.client.put_object().bucket(&self.bucket).key(Self::key(&digest));
        let put = put.checksum_sha256(checksum(&digest)).content_type("application/octet-stream");
        let sent = put.body(ByteStream::from(bytes)).send().await;
        sent.map(|_| digest).map_err(|e| fault::store("PutObject of a record", &e))
    }

    async fn get(&self, digest: &Digest) -> StoreResult<Option<Bytes>> {
        let get = self.client.get_object().bucket(&self.bucket).key(Self::key(digest));
        let answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) if fault::is_missing(&error) => return Ok(None),
            Err(error) => return Err(fault::store("GetObject of a record", &error)),
        };
        let bytes = answer.body.collect().await;
        let bytes = bytes.map_err(|_| {
            StoreError::Unavailable("GetObject of a record: the answer broke off".to_owned())
        })?;
        let bytes = bytes.into_bytes();
        if Digest::of(&bytes) == *digest {
            Ok(Some(bytes))
        } else {
            Err(StoreError::Broken(format!("the record {digest} has other bytes")))
        }
    }
}
