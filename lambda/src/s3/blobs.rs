//! [`Blobs`] on S3.

use std::time::Duration;

use async_trait::async_trait;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, MetadataDirective, Tag, Tagging};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use packhouse_core::api::{UploadForm, UploadPut};
use packhouse_core::digest::{Digest, Hasher};
use packhouse_registry::ports::{
    BlobBody, Blobs, IntentId, Part, Staged, StoreError, StoreResult, Upload, UploadBounds,
};

use super::{blob, checksum, fault, form, staging};

/// The type under which archives are uploaded and kept.
const ZIP: &str = "application/zip";
/// The tag of a blob that the CDN may not read: the bucket's policy says so.
const WITHHELD: &str = "packhouse-withheld";
/// Blobs never change.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// No presigned request lives longer, whatever the intent says: a role's keys do not either.
const LONGEST: Duration = Duration::from_secs(3600);
/// How often a put is sent again that met another writer of the same key.
const CONFLICTS: u32 = 5;

/// Blobs in one bucket, which must keep versions: what was pinned stays readable, whatever is
/// uploaded over it.
#[derive(Clone, Debug)]
pub struct S3Blobs {
    client: Client,
    keys: SharedCredentialsProvider,
    bucket: String,
}

impl S3Blobs {
    /// Blobs in `bucket`. The client repeats what may pass; `keys`, which should be the client's,
    /// sign upload forms.
    pub fn new(client: Client, keys: SharedCredentialsProvider, bucket: impl Into<String>) -> Self {
        Self { client, keys, bucket: bucket.into() }
    }

    /// The PUT that S3 takes once, with exactly these bytes.
    async fn presigned_put(
        &self,
        key: &str,
        bounds: &UploadBounds,
        digest: &Digest,
        life: Duration,
    ) -> StoreResult<UploadPut> {
        let config = PresigningConfig::expires_in(life)
            .map_err(|_| StoreError::Broken("an upload cannot be presigned so long".to_owned()))?;
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_length(i64::try_from(bounds.bytes).unwrap_or(i64::MAX))
            .content_type(ZIP)
            .checksum_sha256(checksum(digest))
            .if_none_match("*");
        let signed = put.presigned(config).await;
        let signed = signed.map_err(|e| fault::store("signing an upload", &e))?;
        let headers = signed.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(UploadPut { url: signed.uri().to_owned(), headers: headers.collect() })
    }

    /// The form for the same object, for clients that know no PUT.
    async fn presigned_form(
        &self,
        key: &str,
        bounds: &UploadBounds,
        now: Timestamp,
    ) -> StoreResult<UploadForm> {
        let keys = self.keys.provide_credentials().await;
        let keys =
            keys.map_err(|_| StoreError::Unavailable("there are no keys to sign with".to_owned()))?;
        let region = self.client.config().region().map_or("us-east-1", |region| region.as_ref());
        let bounds = form::Bounds {
            bucket: &self.bucket,
            key,
            bytes: bounds.bytes,
            expires_at: bounds.expires_at,
        };
        Ok(form::sign(self.bucket_url().await?, &bounds, &keys, region, now))
    }

    /// Where the bucket is reached, as the client's own settings say.
    async fn bucket_url(&self) -> StoreResult<String> {
        let config = PresigningConfig::expires_in(Duration::from_secs(1))
            .map_err(|_| StoreError::Broken("an address cannot be presigned".to_owned()))?;
        let any = self.client.get_object().bucket(&self.bucket).key("x").presigned(config).await;
        let any = any.map_err(|e| fault::store("signing an address", &e))?;
        let url = any.uri().split('?').next().unwrap_or_default();
        Ok(url.strip_suffix('x').unwrap_or(url).trim_end_matches('/').to_owned())
    }

    /// Deletes every version below a prefix.
    async fn delete_versions(&self, prefix: &str) -> StoreResult<()> {
        loop {
            let list = self.client.list_object_versions().bucket(&self.bucket).prefix(prefix);
            let page = list.send().await.map_err(|e| fault::store("ListObjectVersions", &e))?;
            let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
            let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
            for (key, version) in versions.chain(markers) {
                let delete = self.client.delete_object().bucket(&self.bucket);
                let delete = delete.set_key(key.map(str::to_owned));
                let delete = delete.set_version_id(version.map(str::to_owned)).send().await;
                delete.map_err(|e| fault::store("DeleteObject", &e))?;
            }
            // What was listed is gone, so the next page is the first again.
            if page.is_truncated() != Some(true) {
                return Ok(());
            }
        }
    }

    /// Opens exactly the staged version; `None` when it is gone.
    async fn open_staged(&self, staged: &Staged) -> StoreResult<Option<GetObjectOutput>> {
        let get = self.client.get_object().bucket(&self.bucket);
        let get = get.key(staging(&staged.intent, staged.part)).version_id(&staged.version);
        match get.send().await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if fault::is_missing(&error) => Ok(None),
            Err(error) => Err(fault::store("GetObject", &error)),
        }
    }

    /// SHA-256 of exactly the staged version, read piece by piece.
    async fn digest_of(&self, staged: &Staged) -> StoreResult<Option<Digest>> {
        let Some(mut answer) = self.open_staged(staged).await? else { return Ok(None) };
        let mut hasher = Hasher::default();
        while let Some(piece) = answer.body.next().await {
            hasher.update(&piece.map_err(broke_off)?);
        }
        Ok(Some(hasher.finish()))
    }
}

fn broke_off<E>(_: E) -> StoreError {
    StoreError::Unavailable("GetObject: the answer broke off".to_owned())
}

/// The bytes of a blob are strangers': a browser that gets at them saves them.
const DISPOSITION: &str = "attachment";

#[async_trait]
impl Blobs for S3Blobs {
    async fn upload(&self, bounds: &UploadBounds, now: Timestamp) -> StoreResult<Upload> {
        let key = staging(&bounds.intent, bounds.part);
        let life = Duration::try_from(bounds.expires_at.duration_since(now)).unwrap_or_default();
        let life = life.clamp(Duration::from_secs(1), LONGEST);
        let put = match &bounds.digest {
            Some(digest) => Some(self.presigned_put(&key, bounds, digest, life).await?),
            None => None,
        };
        Ok(Upload { put, form: self.presigned_form(&key, bounds, now).await? })
    }

    async fn pin(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Staged>> {
        let head = self.client.head_object().bucket(&self.bucket).key(staging(intent, part));
        let found = match head.send().await {
            Ok(found) => found,
            Err(error) if fault::is_missing(&error) => return Ok(None),
            Err(error) => return Err(fault::store("HeadObject", &error)),
        };
        let version = found.version_id.filter(|version| version != "null").ok_or_else(|| {
            StoreError::Broken(format!("the bucket `{}` keeps no versions", self.bucket))
        })?;
        let bytes = found.content_length.unwrap_or_default().unsigned_abs();
        Ok(Some(Staged { intent: intent.clone(), part, version, bytes }))
    }

    async fn read_staged(&self, staged: &Staged) -> StoreResult<Option<Bytes>> {
        let Some(mut answer) = self.open_staged(staged).await? else { return Ok(None) };
        let length = usize::try_from(staged.bytes)
            .map_err(|_| StoreError::Broken("an upload is larger than memory".to_owned()))?;
        let mut bytes = BytesMut::with_capacity(length);
        while let Some(piece) = answer.body.next().await {
            let piece = piece.map_err(broke_off)?;
            if bytes.len() + piece.len() > length {
                return Err(StoreError::Broken("a staged version grew".to_owned()));
            }
            bytes.extend_from_slice(&piece);
        }
        if bytes.len() < length {
            return Err(broke_off(()));
        }
        Ok(Some(bytes.freeze()))
    }

    async fn promote(&self, staged: &Staged, digest: &Digest) -> StoreResult<bool> {
        let key = staging(&staged.intent, staged.part);
        let head = self.client.head_object().bucket(&self.bucket).key(&key);
        let head = head.version_id(&staged.version).checksum_mode(ChecksumMode::Enabled);
        let sum = match head.send().await {
            Ok(found) => found.checksum_sha256,
            Err(error) if fault::is_missing(&error) => return Ok(false),
            Err(error) => return Err(fault::store("HeadObject", &error)),
        };
        // S3 has the sum of what came by PUT; a form carries none, so its bytes are read.
        let fits = match sum {
            Some(sum) => sum == checksum(digest),
            None => self.digest_of(staged).await? == Some(*digest),
        };
        if !fits {
            return Ok(false);
        }
        if self.size(digest).await? == Some(staged.bytes) {
            return Ok(true);
        }
        let source = format!("{}/{key}?versionId={}", self.bucket, staged.version);
        let copy = self
            .client
            .copy_object()
            .bucket(&self.bucket)
            .key(blob(digest))
            .copy_source(source)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .metadata_directive(MetadataDirective::Replace)
            .content_type(ZIP)
            .content_disposition(DISPOSITION)
            .cache_control(FOR_EVER);
        let copied = match copy.send().await {
            Ok(copied) => copied.copy_object_result,
            Err(error) if fault::is_missing(&error) => return Ok(false),
            Err(error) => return Err(fault::store("CopyObject", &error)),
        };
        match copied.and_then(|result| result.checksum_sha256) {
            Some(sum) if sum == checksum(digest) => Ok(true),
            found => Err(StoreError::Broken(format!(
                "S3 copied {digest} as {}",
                found.as_deref().unwrap_or("something without a checksum")
            ))),
        }
    }

    async fn put(&self, bytes: Bytes) -> StoreResult<Digest> {
        let digest = Digest::of(&bytes);
        for _ in 0..CONFLICTS {
            let put = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(blob(&digest))
                .checksum_sha256(checksum(&digest))
                .if_none_match("*")
                .content_type("application/octet-stream")
                .content_disposition(DISPOSITION)
                .cache_control(FOR_EVER)
                .body(ByteStream::from(bytes.clone()));
            match put.send().await {
                Ok(_) => return Ok(digest),
                // It is there already: the same bytes, or they would have another key.
                Err(error) if fault::status(&error) == 412 => return Ok(digest),
                Err(error) if fault::status(&error) == 409 => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(fault::store("PutObject", &error)),
            }
        }
        Err(StoreError::Unavailable("PutObject: others write the same blob".to_owned()))
    }

    async fn size(&self, digest: &Digest) -> StoreResult<Option<u64>> {
        let head = self.client.head_object().bucket(&self.bucket).key(blob(digest));
        match head.send().await {
            Ok(found) => Ok(Some(found.content_length.unwrap_or_default().unsigned_abs())),
            Err(error) if fault::is_missing(&error) => Ok(None),
            Err(error) => Err(fault::store("HeadObject", &error)),
        }
    }

    async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> StoreResult<Option<BlobBody>> {
        if length == 0 {
            let bytes = self.size(digest).await?;
            return Ok(bytes.map(|bytes| BlobBody { bytes, stream: stream::empty().boxed() }));
        }
        let last = offset.saturating_add(length) - 1;
        let get = self.client.get_object().bucket(&self.bucket).key(blob(digest));
        let answer = match get.range(format!("bytes={offset}-{last}")).send().await {
            Ok(answer) => answer,
            Err(error) if fault::is_missing(&error) => return Ok(None),
            Err(error) => return Err(fault::store("GetObject", &error)),
        };
        let total = answer.content_range.as_deref().and_then(|range| range.rsplit('/').next());
        let bytes = total.and_then(|total| total.parse().ok()).unwrap_or(length);
        Ok(Some(BlobBody { bytes, stream: pieces(answer.body, length) }))
    }

    async fn discard(&self, intent: &IntentId) -> StoreResult<()> {
        self.delete_versions(&format!("staging/{intent}/")).await
    }

    async fn delete(&self, digest: &Digest) -> StoreResult<()> {
        self.delete_versions(&blob(digest)).await
    }

    async fn withhold(&self, digest: &Digest, withheld: bool) -> StoreResult<()> {
        let key = blob(digest);
        if !withheld {
            let delete = self.client.delete_object_tagging().bucket(&self.bucket).key(key);
            return match delete.send().await {
                Err(error) if !fault::is_missing(&error) => {
                    Err(fault::store("DeleteObjectTagging", &error))
                }
                _ => Ok(()),
            };
        }
        let tag = Tag::builder().key(WITHHELD).value("true").build();
        let tagging = tag.and_then(|tag| Tagging::builder().tag_set(tag).build());
        let tagging =
            tagging.map_err(|e| StoreError::Broken(format!("a tag cannot be built: {e}")))?;
        let put = self.client.put_object_tagging().bucket(&self.bucket).key(key);
        match put.tagging(tagging).send().await {
            Err(error) if !fault::is_missing(&error) => {
                Err(fault::store("PutObjectTagging", &error))
            }
            _ => Ok(()),
        }
    }
}

/// The pieces of a body, which is an error if it is not `length` bytes long.
fn pieces(body: ByteStream, length: u64) -> BoxStream<'static, std::io::Result<Bytes>> {
    let start = Some((body, length));
    let next = async |state: Option<(ByteStream, u64)>| {
        let (mut body, left) = state?;
        match body.next().await {
            Some(Ok(piece)) if piece.len() as u64 <= left => {
                let left = left - piece.len() as u64;
                Some((Ok(piece), Some((body, left))))
            }
            None if left == 0 => None,
            _ => Some((Err(std::io::Error::other("the blob broke off")), None)),
        }
    };
    stream::unfold(start, next).boxed()
}
