//! Staging, promotion, blobs.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use packhouse_core::digest::Digest;

use super::fixtures::at;
use crate::ports::{Blobs, IntentId, Part, UploadBounds};
use crate::uploads::{Incoming, Kept, Staging, UploadError};

fn bounds(content: &[u8]) -> UploadBounds {
    UploadBounds {
        intent: IntentId::random().unwrap(),
        part: Part::Archive,
        bytes: content.len() as u64,
        digest: Some(Digest::of(content)),
        expires_at: at(900),
    }
}

/// Bytes that differ at every place and fill several buffers.
fn long(seed: u32) -> Vec<u8> {
    (0..200_000_u32).flat_map(|n| (n ^ seed.rotate_left(16)).to_le_bytes()).collect()
}

async fn upload<S: Staging>(
    store: &S,
    bounds: &UploadBounds,
    content: &[u8],
) -> Result<Kept, UploadError> {
    let mut incoming = Incoming::start(store, bounds).await?;
    for chunk in content.chunks(10_000) {
        incoming.write(Bytes::copy_from_slice(chunk)).await?;
    }
    incoming.finish(store).await
}

async fn read<S: Blobs>(store: &S, digest: &Digest, offset: u64, length: u64) -> Option<Vec<u8>> {
    let body = store.read(digest, offset, length).await.unwrap()?;
    let chunks: Vec<_> = body.stream.collect().await;
    Some(chunks.into_iter().flat_map(|chunk| chunk.unwrap()).collect())
}

/// The way of every archive.
pub async fn what_is_uploaded_can_be_pinned_read_and_promoted<S: Blobs + Staging>(store: Arc<S>) {
    let content = long(1);
    let bounds = bounds(&content);
    let digest = Digest::of(&content);
    assert_eq!(store.pin(&bounds.intent, bounds.part).await.unwrap(), None);
    assert_eq!(upload(&*store, &bounds, &content).await.unwrap(), Kept::New(digest));
    assert_eq!(store.pin(&bounds.intent, Part::Artifacts).await.unwrap(), None);
    let staged = store.pin(&bounds.intent, bounds.part).await.unwrap().unwrap();
    assert_eq!(staged.bytes, content.len() as u64);
    assert_eq!(store.read_staged(&staged).await.unwrap().unwrap(), content);
    assert_eq!(store.size(&digest).await.unwrap(), None);
    assert!(store.promote(&staged, &digest).await.unwrap());
    assert_eq!(store.size(&digest).await.unwrap(), Some(content.len() as u64));
    assert_eq!(read(&*store, &digest, 0, content.len() as u64).await.unwrap(), content);
}

/// The first upload stays; the same bytes again are told apart from others.
pub async fn an_upload_works_once<S: Blobs + Staging>(store: Arc<S>) {
    let mut bounds = bounds(b"first");
    bounds.digest = None;
    let first = Digest::of(b"first");
    assert_eq!(upload(&*store, &bounds, b"first").await.unwrap(), Kept::New(first));
    let staged = store.pin(&bounds.intent, bounds.part).await.unwrap().unwrap();
    assert_eq!(upload(&*store, &bounds, b"first").await.unwrap(), Kept::Before(first));
    let refused = upload(&*store, &bounds, b"other").await.unwrap_err();
    assert!(matches!(refused, UploadError::AlreadyThere(held) if held == first), "{refused}");
    assert_eq!(store.pin(&bounds.intent, bounds.part).await.unwrap(), Some(staged.clone()));
    assert_eq!(store.read_staged(&staged).await.unwrap().unwrap(), "first");
}

/// Nothing but what was announced is kept.
pub async fn an_upload_of_other_length_or_bytes_is_refused<S: Blobs + Staging>(store: Arc<S>) {
    let bounds = bounds(b"announced");
    let long = upload(&*store, &bounds, b"announced!").await.unwrap_err();
    assert!(matches!(long, UploadError::Length { announced: 9, found: 10 }), "{long}");
    let short = upload(&*store, &bounds, b"announce").await.unwrap_err();
    assert!(matches!(short, UploadError::Length { announced: 9, found: 8 }), "{short}");
    let other = upload(&*store, &bounds, b"Announced").await.unwrap_err();
    assert!(matches!(other, UploadError::Content { .. }), "{other}");
    assert_eq!(store.pin(&bounds.intent, bounds.part).await.unwrap(), None);
    assert!(matches!(upload(&*store, &bounds, b"announced").await.unwrap(), Kept::New(_)));
}

/// A pin names one version: what comes later under the same name is another.
pub async fn a_pinned_version_is_gone_after_a_discard<S: Blobs + Staging>(store: Arc<S>) {
    let mut bounds = bounds(b"first");
    bounds.digest = None;
    upload(&*store, &bounds, b"first").await.unwrap();
    let staged = store.pin(&bounds.intent, bounds.part).await.unwrap().unwrap();
    store.discard(&bounds.intent).await.unwrap();
    store.discard(&bounds.intent).await.unwrap();
    assert_eq!(store.pin(&bounds.intent, bounds.part).await.unwrap(), None);
    assert_eq!(store.read_staged(&staged).await.unwrap(), None);
    assert!(!store.promote(&staged, &Digest::of(b"first")).await.unwrap());
    upload(&*store, &bounds, b"other").await.unwrap();
    assert_eq!(store.read_staged(&staged).await.unwrap(), None);
    assert!(!store.promote(&staged, &Digest::of(b"other")).await.unwrap());
}

/// A blob's name is its content's, whoever asks.
pub async fn a_promotion_checks_the_digest<S: Blobs + Staging>(store: Arc<S>) {
    let bounds = bounds(b"content");
    upload(&*store, &bounds, b"content").await.unwrap();
    let staged = store.pin(&bounds.intent, bounds.part).await.unwrap().unwrap();
    let wrong = Digest::of(b"other");
    assert!(!store.promote(&staged, &wrong).await.unwrap());
    assert_eq!(store.size(&wrong).await.unwrap(), None);
}

/// A confirm that is rerun promotes again.
pub async fn promotion_may_be_repeated<S: Blobs + Staging>(store: Arc<S>) {
    let bounds = bounds(b"content");
    upload(&*store, &bounds, b"content").await.unwrap();
    let staged = store.pin(&bounds.intent, bounds.part).await.unwrap().unwrap();
    for _ in 0..3 {
        assert!(store.promote(&staged, &Digest::of(b"content")).await.unwrap());
    }
}

/// The same bytes are one blob.
pub async fn a_blob_is_stored_once<S: Blobs + Staging>(store: Arc<S>) {
    let digest = Digest::of(b"");
    assert_eq!(store.put(Bytes::new()).await.unwrap(), digest);
    assert_eq!(store.put(Bytes::new()).await.unwrap(), digest);
    assert_eq!(store.size(&digest).await.unwrap(), Some(0));
    assert_eq!(read(&*store, &digest, 0, 0).await.unwrap(), b"");
    assert!(store.read(&Digest::of(b"nothing"), 0, 0).await.unwrap().is_none());
}

/// A range is exactly its bytes, across buffers too.
pub async fn ranges_are_read_exactly<S: Blobs + Staging>(store: Arc<S>) {
    let content = long(2);
    let all = content.len() as u64;
    let digest = store.put(content.clone().into()).await.unwrap();
    for (offset, length) in
        [(0, all), (0, 1), (all - 1, 1), (all, 0), (7, 0), (100_000, 600_000), (262_143, 2)]
    {
        let body = store.read(&digest, offset, length).await.unwrap().unwrap();
        assert_eq!(body.bytes, all);
        let range = read(&*store, &digest, offset, length).await.unwrap();
        let expected = &content[offset as usize..(offset + length) as usize];
        assert!(range == expected, "{length} bytes from {offset}");
    }
}

/// A blob does not hang on the upload that it came from.
pub async fn a_blob_survives_its_staging<S: Blobs + Staging>(store: Arc<S>) {
    let bounds = bounds(b"content");
    upload(&*store, &bounds, b"content").await.unwrap();
    let staged = store.pin(&bounds.intent, bounds.part).await.unwrap().unwrap();
    let digest = Digest::of(b"content");
    store.promote(&staged, &digest).await.unwrap();
    store.discard(&bounds.intent).await.unwrap();
    assert_eq!(read(&*store, &digest, 0, 7).await.unwrap(), b"content");
}

/// Deleted is deleted, also twice, and may come back.
pub async fn a_deleted_blob_is_gone<S: Blobs + Staging>(store: Arc<S>) {
    let digest = store.put(Bytes::from_static(b"content")).await.unwrap();
    store.delete(&digest).await.unwrap();
    store.delete(&digest).await.unwrap();
    assert_eq!(store.size(&digest).await.unwrap(), None);
    assert!(store.read(&digest, 0, 1).await.unwrap().is_none());
    store.put(Bytes::from_static(b"content")).await.unwrap();
    assert_eq!(store.size(&digest).await.unwrap(), Some(7));
}

/// Of uploads of one part that race, one is kept whole.
pub async fn of_many_uploads_at_once_one_is_kept<S: Blobs + Staging + 'static>(store: Arc<S>) {
    let mut bounds = bounds(&long(0));
    bounds.digest = None;
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let (store, bounds) = (Arc::clone(&store), bounds.clone());
            tokio::spawn(async move { upload(&*store, &bounds, &long(n)).await })
        })
        .collect();
    let mut kept = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(Kept::New(digest)) => kept.push(digest),
            Err(UploadError::AlreadyThere(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(kept.len(), 1);
    let staged = store.pin(&bounds.intent, bounds.part).await.unwrap().unwrap();
    assert_eq!(Digest::of(&store.read_staged(&staged).await.unwrap().unwrap()), kept[0]);
}
