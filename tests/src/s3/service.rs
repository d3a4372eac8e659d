//! The operations that the registry uses, over the bucket in memory.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteMarkerEntry,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectTaggingInput, DeleteObjectTaggingOutput,
    ETag, ETagCondition, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput,
    ListObjectVersionsInput, ListObjectVersionsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, ObjectVersion, PutObjectInput, PutObjectOutput, PutObjectTaggingInput,
    PutObjectTaggingOutput, StreamingBlob,
};
use s3s::{S3, S3Error, S3Request, S3Response, S3Result, s3_error};

use super::bucket::{Conditions, Version};
use super::{BUCKET, Fault, State, lock};

/// Objects in one page of a list, few, so that paging is not forgotten.
const PAGE: usize = 10;

pub(super) struct Service {
    state: Arc<Mutex<State>>,
}

impl Service {
    pub(super) fn new(state: Arc<Mutex<State>>) -> Self {
        Self { state }
    }

    /// Writes the request down, and brings about what is planned before it is carried out.
    async fn asked(&self, operation: &str, bucket: &str, key: &str) -> S3Result<Option<Fault>> {
        if bucket != BUCKET {
            return Err(s3_error!(NoSuchBucket));
        }
        let fault = {
            let mut state = lock(&self.state);
            state.seen.push((operation.to_owned(), key.to_owned()));
            state.plan.as_mut().and_then(|plan| plan(operation, key))
        };
        match fault {
            Some(Fault::SlowDown) => Err(s3_error!(SlowDown)),
            Some(Fault::Conflict) => Err(s3_error!(ConditionalRequestConflict)),
            Some(Fault::Slow(time)) => {
                tokio::time::sleep(time).await;
                Ok(None)
            }
            other => Ok(other),
        }
    }

    fn found(&self, key: &str, version: Option<&str>) -> S3Result<Version> {
        let state = lock(&self.state);
        state.bucket.version(key, version).cloned().ok_or_else(|| match version {
            Some(_) => s3_error!(NoSuchVersion),
            None => s3_error!(NoSuchKey),
        })
    }
}

/// The answer, unless it gets lost.
fn answer<T>(fault: Option<Fault>, output: T) -> S3Result<S3Response<T>> {
    match fault {
        Some(Fault::AnswerLost) => Err(s3_error!(InternalError)),
        _ => Ok(S3Response::new(output)),
    }
}

fn tag(version: &Version) -> ETag {
    ETag::Strong(version.tag())
}

/// The whole body, of exactly the announced length.
async fn body(blob: Option<StreamingBlob>, length: Option<i64>) -> S3Result<Bytes> {
    let mut bytes = BytesMut::new();
    let Some(mut blob) = blob else { return Ok(bytes.freeze()) };
    while let Some(chunk) = blob.next().await {
        bytes.extend_from_slice(&chunk.map_err(|_| s3_error!(IncompleteBody))?);
    }
    match length {
        Some(length) if bytes.len() as u64 != length.unsigned_abs() => {
            Err(s3_error!(IncompleteBody))
        }
        _ => Ok(bytes.freeze()),
    }
}

fn conditions(
    if_none_match: Option<ETagCondition>,
    if_match: Option<ETagCondition>,
) -> S3Result<Conditions> {
    let absent = match if_none_match {
        None => false,
        Some(ETagCondition::Any) => true,
        Some(ETagCondition::ETag(_)) => return Err(s3_error!(NotImplemented)),
    };
    let tag = match if_match {
        Some(ETagCondition::ETag(tag)) => Some(tag.value().to_owned()),
        _ => None,
    };
    Ok(Conditions { absent, tag })
}

fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed)
}

#[async_trait::async_trait]
impl S3 for Service {
    /// A PUT, and by way of `s3s` a POST form as well, once its policy held.
    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let fault = self.asked("PutObject", &input.bucket, &input.key).await?;
        let bytes = body(input.body, input.content_length).await?;
        let mut version = Version {
            id: String::new(),
            modified: std::time::SystemTime::UNIX_EPOCH,
            bytes,
            sha256: None,
            content_type: input.content_type,
            cache_control: input.cache_control,
            content_disposition: input.content_disposition,
            tags: Vec::new(),
        };
        // What does not fit its digest is refused before anybody can see it.
        let real = version.real_sha256();
        if let Some(wanted) = input.checksum_sha256 {
            if wanted != real {
                return Err(s3_error!(BadDigest));
            }
            version.sha256 = Some(real.clone());
        }
        let entity = tag(&version);
        let conditions = conditions(input.if_none_match, input.if_match)?;
        let put = lock(&self.state).bucket.put(&input.key, version.clone(), &conditions);
        let id = put.ok_or_else(precondition_failed)?;
        let output = PutObjectOutput {
            e_tag: Some(entity),
            checksum_sha256: version.sha256,
            version_id: Some(id),
            ..PutObjectOutput::default()
        };
        answer(fault, output)
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let fault = self.asked("GetObject", &input.bucket, &input.key).await?;
        let version = self.found(&input.key, input.version_id.as_deref())?;
        if let Some(ETagCondition::ETag(known)) = &input.if_none_match
            && known.value() == version.tag()
        {
            return Err(s3_error!(NotModified));
        }
        let total = version.bytes.len() as u64;
        let range = match &input.range {
            Some(range) => Some(range.check(total).map_err(|_| s3_error!(InvalidRange))?),
            None => None,
        };
        let content = match &range {
            Some(range) => version.bytes.slice(range.start as usize..range.end as usize),
            None => version.bytes.clone(),
        };
        let pieces: Vec<Bytes> = content.chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
        let output = GetObjectOutput {
            body: Some(StreamingBlob::wrap(pieces)),
            content_length: i64::try_from(content.len()).ok(),
            content_range: range
                .as_ref()
                .map(|range| format!("bytes {}-{}/{total}", range.start, range.end - 1)),
            e_tag: Some(tag(&version)),
            checksum_sha256: version.sha256.clone().filter(|_| range.is_none()),
            content_type: version.content_type.clone(),
            cache_control: version.cache_control.clone(),
            content_disposition: version.content_disposition.clone(),
            version_id: Some(version.id.clone()),
            ..GetObjectOutput::default()
        };
        answer(fault, output)
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let fault = self.asked("HeadObject", &input.bucket, &input.key).await?;
        let version = self.found(&input.key, input.version_id.as_deref())?;
        let output = HeadObjectOutput {
            content_length: i64::try_from(version.bytes.len()).ok(),
            e_tag: Some(tag(&version)),
            checksum_sha256: version.sha256.clone().filter(|_| input.checksum_mode.is_some()),
            content_type: version.content_type.clone(),
            cache_control: version.cache_control.clone(),
            version_id: Some(version.id.clone()),
            ..HeadObjectOutput::default()
        };
        answer(fault, output)
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let fault = self.asked("CopyObject", &input.bucket, &input.key).await?;
        let CopySource::Bucket { bucket, key, version_id } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        if &**bucket != BUCKET {
            return Err(s3_error!(NoSuchBucket));
        }
        let mut version = self.found(key, version_id.as_deref())?;
        if input.checksum_algorithm.is_some() {
            version.sha256 = Some(version.real_sha256());
        }
        version.content_type = input.content_type.or(version.content_type);
        version.cache_control = input.cache_control.or(version.cache_control);
        version.content_disposition = input.content_disposition.or(version.content_disposition);
        let (entity, sha256) = (tag(&version), version.sha256.clone());
        let put = lock(&self.state).bucket.put(&input.key, version, &Conditions::default());
        let result = CopyObjectResult {
            e_tag: Some(entity),
            checksum_sha256: sha256,
            ..CopyObjectResult::default()
        };
        let output = CopyObjectOutput {
            copy_object_result: Some(result),
            version_id: put,
            ..CopyObjectOutput::default()
        };
        answer(fault, output)
    }

    async fn put_object_tagging(
        &self,
        request: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let input = request.input;
        let fault = self.asked("PutObjectTagging", &input.bucket, &input.key).await?;
        let tags = input.tagging.tag_set.into_iter();
        let tags = tags.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
        if !lock(&self.state).bucket.set_tags(&input.key, tags.collect()) {
            return Err(s3_error!(NoSuchKey));
        }
        answer(fault, PutObjectTaggingOutput::default())
    }

    async fn delete_object_tagging(
        &self,
        request: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let input = request.input;
        let fault = self.asked("DeleteObjectTagging", &input.bucket, &input.key).await?;
        if !lock(&self.state).bucket.set_tags(&input.key, Vec::new()) {
            return Err(s3_error!(NoSuchKey));
        }
        answer(fault, DeleteObjectTaggingOutput::default())
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        let fault = self.asked("DeleteObject", &input.bucket, &input.key).await?;
        lock(&self.state).bucket.delete(&input.key, input.version_id.as_deref());
        answer(fault, DeleteObjectOutput::default())
    }

    async fn list_object_versions(
        &self,
        request: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let fault = self.asked("ListObjectVersions", &input.bucket, &prefix).await?;
        let all = lock(&self.state).bucket.versions(&prefix);
        let after = (input.key_marker.unwrap_or_default(), input.version_id_marker);
        let rest = all.into_iter().filter(|(key, id, _)| {
            (key.as_str(), Some(id.as_str())) > (after.0.as_str(), after.1.as_deref())
        });
        let mut rest: Vec<_> = rest.collect();
        let truncated = rest.len() > PAGE;
        rest.truncate(PAGE);
        let mut output = ListObjectVersionsOutput {
            is_truncated: Some(truncated),
            versions: Some(Vec::new()),
            delete_markers: Some(Vec::new()),
            ..ListObjectVersionsOutput::default()
        };
        if let Some((key, id, _)) = rest.last().filter(|_| truncated) {
            output.next_key_marker = Some(key.clone());
            output.next_version_id_marker = Some(id.clone());
        }
        for (key, id, is_marker) in rest {
            let (key, version_id) = (Some(key), Some(id));
            if is_marker {
                let marker = DeleteMarkerEntry { key, version_id, ..Default::default() };
                output.delete_markers.get_or_insert_default().push(marker);
            } else {
                let version = ObjectVersion { key, version_id, ..Default::default() };
                output.versions.get_or_insert_default().push(version);
            }
        }
        answer(fault, output)
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.unwrap_or_default();
        let fault = self.asked("ListObjectsV2", &input.bucket, &prefix).await?;
        let after = input.continuation_token.or(input.start_after).unwrap_or_default();
        let after = BASE64.decode(&after).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let after = after.unwrap_or_default();
        let keys = lock(&self.state).bucket.keys();
        let mut keys: Vec<String> =
            keys.into_iter().filter(|key| key.starts_with(&prefix) && *key > after).collect();
        let truncated = keys.len() > PAGE;
        keys.truncate(PAGE);
        let next = keys.last().filter(|_| truncated).map(|key| BASE64.encode(key));
        let object = |key: String| {
            let held = self.found(&key, None).ok();
            let last_modified = held.map(|version| version.modified.into());
            Object { key: Some(key), last_modified, ..Object::default() }
        };
        let output = ListObjectsV2Output {
            is_truncated: Some(truncated),
            next_continuation_token: next,
            contents: Some(keys.into_iter().map(object).collect()),
            ..ListObjectsV2Output::default()
        };
        answer(fault, output)
    }
}
