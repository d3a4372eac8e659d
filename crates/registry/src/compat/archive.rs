//! A release's archive in memory, for views that tell of what is in it.

use futures_util::TryStreamExt as _;
use packhouse_core::release::Release;

use crate::app::Service;
use crate::error::{ApiError, ApiResult};
use crate::ports::StoreError;

/// The archive, whole.
///
/// # Errors
///
/// Those of the store, and where it has not what was released.
pub(super) async fn archive(service: &Service, release: &Release) -> ApiResult<Vec<u8>> {
    let body = service.blobs.read(&release.digest, 0, release.bytes).await?;
    let body = body.ok_or_else(|| lost(release, &"its blob is not in the store"))?;
    let room = Vec::with_capacity(usize::try_from(release.bytes).unwrap_or_default());
    let whole = body.stream.try_fold(room, async |mut all, piece| {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    whole.await.map_err(|e| lost(release, &e))
}

/// A released archive that cannot be read: the store is at fault, not the client.
pub(super) fn lost(release: &Release, cause: &dyn std::fmt::Display) -> ApiError {
    let Release { identifier, version, digest, .. } = release;
    StoreError::Broken(format!("{identifier}@{version} ({digest}) cannot be read: {cause}")).into()
}
