//! Views on S3: small objects that several writers replace, none of them without knowing what it
//! replaces.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumMode;
use bytes::{Bytes, BytesMut};
use packhouse_core::digest::Digest;
use packhouse_registry::ports::{StoreError, StoreResult};

use super::{checksum, fault};

/// The folders of views; what lies elsewhere is not theirs to write.
const FOLDERS: [&str; 2] = ["index/", "views/"];
/// No view is longer: it is held in memory. The entries of a million packages are shorter.
const LONGEST_BYTES: usize = 256 << 20;
/// How often a put is sent again that met another writer of the same key.
const CONFLICTS: u32 = 5;

/// Which state of a view was read: opaque, as the store said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewTag(String);

/// What a look at a view showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is none.
    Missing,
    /// It is as it was.
    Same,
    /// Its bytes, and the tag with which it may be replaced.
    Other(Bytes, ViewTag),
}

/// Views in the folders `index/` and `views/` of a bucket.
#[derive(Clone, Debug)]
pub struct S3Views {
    client: Client,
    bucket: String,
}

impl S3Views {
    /// Views in this bucket. The client repeats what may pass.
    pub fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// A view, and the tag with which it may be replaced; `None` when there is none. At most 256 MiB.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] for a key that is no view's, and for a view that is too long.
    pub async fn get(&self, key: &str) -> StoreResult<Option<(Bytes, ViewTag)>> {
        match self.get_unless(key, None).await? {
            Seen::Other(bytes, tag) => Ok(Some((bytes, tag))),
            Seen::Missing | Seen::Same => Ok(None),
        }
    }

    /// A view, unless it still has the state `known`.
    ///
    /// # Errors
    ///
    /// As of [`S3Views::get`].
    pub async fn get_unless(&self, key: &str, known: Option<&ViewTag>) -> StoreResult<Seen> {
        check(key)?;
        let get = self.client.get_object().bucket(&self.bucket).key(key);
        let get = get.set_if_none_match(known.map(|tag| tag.0.clone()));
        let mut answer = match get.send().await {
            Ok(answer) => answer,
            Err(error) if fault::is_missing(&error) => return Ok(Seen::Missing),
            Err(error) if fault::status(&error) == 304 => return Ok(Seen::Same),
            Err(error) => return Err(fault::store("GetObject of a view", &error)),
        };
        let tag = answer.e_tag.take().map(ViewTag);
        let tag = tag.ok_or_else(|| StoreError::Broken(format!("`{key}` has no entity tag")))?;
        let announced = answer.content_length.and_then(|length| usize::try_from(length).ok());
        let mut bytes = BytesMut::new();
        while let Some(piece) = answer.body.next().await {
            let piece = piece.map_err(|_| broke_off())?;
            if bytes.len() + piece.len() > LONGEST_BYTES {
                let message = format!("`{key}` has more than {LONGEST_BYTES} bytes");
                return Err(StoreError::Broken(message));
            }
            bytes.extend_from_slice(&piece);
        }
        if announced.is_some_and(|announced| announced != bytes.len()) {
            return Err(broke_off());
        }
        Ok(Seen::Other(bytes.freeze(), tag))
    }

    /// The tag with which a view may be replaced; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] for a key that is no view's.
    pub async fn tag(&self, key: &str) -> StoreResult<Option<ViewTag>> {
        check(key)?;
        let head = self.client.head_object().bucket(&self.bucket).key(key);
        match head.send().await {
            Ok(found) => Ok(found.e_tag.map(ViewTag)),
            Err(error) if fault::is_missing(&error) => Ok(None),
            Err(error) => Err(fault::store("HeadObject of a view", &error)),
        }
    }

    /// Deletes a view; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] for a key that is no view's.
    pub async fn delete(&self, key: &str) -> StoreResult<()> {
        check(key)?;
        let delete = self.client.delete_object().bucket(&self.bucket).key(key);
        let deleted = delete.send().await.map(drop);
        deleted.map_err(|error| fault::store("DeleteObject of a view", &error))
    }

    /// Replaces the state `replaces` of a view, or makes it where `None` says that there is none.
    ///
    /// `true`: the view has these bytes now, also when this very call had written them and its answer
    /// got lost. `false`: somebody else was first, and this call changed nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] for a key that is no view's, and for more than 256 MiB.
    pub async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        content_type: &str,
        cache_control: &str,
        replaces: Option<&ViewTag>,
    ) -> StoreResult<bool> {
        check(key)?;
        if bytes.len() > LONGEST_BYTES {
            let message = format!("`{key}` would have {} of {LONGEST_BYTES} bytes", bytes.len());
            return Err(StoreError::Broken(message));
        }
        let sum = checksum(&Digest::of(&bytes));
        for turn in 1..=CONFLICTS {
            let put = self.client.put_object().bucket(&self.bucket).key(key);
            let put = match replaces {
                Some(tag) => put.if_match(&tag.0),
                None => put.if_none_match("*"),
            };
            let put = put
                .checksum_sha256(&sum)
                .content_type(content_type)
                .cache_control(cache_control)
                .body(ByteStream::from(bytes.clone()));
            match put.send().await {
                Ok(_) => return Ok(true),
                // No such key: what was to be replaced is gone.
                Err(error) if fault::status(&error) == 412 || error.code() == Some("NoSuchKey") => {
                    return self.holds(key, &sum).await;
                }
                Err(error) if fault::status(&error) == 409 => {
                    tokio::time::sleep(Duration::from_millis(20) * turn).await;
                }
                Err(error) => return Err(fault::store("PutObject of a view", &error)),
            }
        }
        Err(StoreError::Unavailable("PutObject of a view: others write it, too".to_owned()))
    }

    /// Whether the view has the bytes with this sum.
    async fn holds(&self, key: &str, sum: &str) -> StoreResult<bool> {
        let head = self.client.head_object().bucket(&self.bucket).key(key);
        match head.checksum_mode(ChecksumMode::Enabled).send().await {
            Ok(found) => Ok(found.checksum_sha256.as_deref() == Some(sum)),
            Err(error) if fault::is_missing(&error) => Ok(false),
            Err(error) => Err(fault::store("HeadObject of a view", &error)),
        }
    }
}

/// A writer of views gets at nothing else, whatever it is asked for.
fn check(key: &str) -> StoreResult<()> {
    if FOLDERS.iter().any(|folder| key.starts_with(folder)) {
        Ok(())
    } else {
        Err(StoreError::Broken(format!(
            "`{key}` is no view: those start with `index/` or `views/`"
        )))
    }
}

fn broke_off() -> StoreError {
    StoreError::Unavailable("GetObject of a view: the answer broke off".to_owned())
}
