//! `POST /v1/admin/import/release`: an operator puts in a version that was rebuilt from git.
//!
//! The archive is read as that of any publish is, and the manifest inside of it decides. Nobody is
//! pinned: the first publish from CI that follows passes the checks of a first publish, and pins.

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::HeaderMap;
use packhouse_core::api::ErrorCode;
use packhouse_core::api::transfer::{ReleaseImport, ReleaseImported};
use packhouse_core::claims::Publisher;
use packhouse_core::digest::Digest;
use packhouse_core::release::{Release, SCHEMA};

use super::confirm::{blocking, release, seal};
use super::identity::{names_are_free, receipt, taken};
use super::whole::Whole;
use super::{contents, subject};
use crate::admin::operator;
use crate::app::{App, Service};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::ports::{Begun, Quota};

/// An operator's import is not held back.
const NO_QUOTA: Quota = Quota { open_intents: u32::MAX, per_ten_minutes: u32::MAX };

/// Puts in a version that was rebuilt from git, with the commit in place of a publisher and without
/// pinning the package. Its archive must be here already (`/v1/admin/blobs`). The same content again
/// gets the same answer; a version that stands with other content stays as it is: 409.
#[utoipa::path(post, path = "/v1/admin/import/release", tag = "admin", request_body = ReleaseImport,
    responses((status = 200, body = ReleaseImported), (status = 409, description = "The version stands with other content", body = packhouse_core::api::ErrorBody)))]
pub async fn import_release(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<ReleaseImport>,
) -> ApiResult<Json<ReleaseImported>> {
    let identifier = subject::identifier(&request.identifier)?;
    let caller = operator(&app, &headers, Some(&identifier)).await?;
    let version = subject::version(request.order, &request.version)?;
    let digest = subject::digest(&request.digest, "digest")?;
    let format = subject::format(Some(&request.format), true)?;
    request.provenance.check().map_err(|e| {
        let help = "run `packhouse admin import` again with a version that fits this registry";
        ApiError::new(ErrorCode::BadRequest, format!("`provenance`: {e}"), help)
    })?;
    if let Some(held) = app.ledger.release(&identifier, version.key()).await? {
        return there(&app, &held, &digest);
    }
    let exists = app.ledger.head(&identifier).await?.is_some();
    names_are_free(&app, &caller, &identifier, exists).await?;
    let limits = app.settings.limits.clone();
    let size = app.blobs.size(&digest).await?.filter(|size| *size <= limits.archive_bytes);
    let bytes = size.ok_or_else(|| no_archive(&digest))?;
    let now = app.clock.now();
    let whole = Whole {
        identifier,
        version,
        format: format.id().to_owned(),
        publisher: Publisher::Imported(request.provenance),
        bytes,
        digest,
    };
    let (intent, train) = whole.intent(now, &limits)?;
    let turn = app.turns.take(&intent, &limits).await?;
    let (archive, expected) = (archive(&app, &digest, bytes).await?, intent.clone());
    let checked = blocking(&turn, move || match Digest::of(&archive) == digest {
        true => contents::check(&archive, &expected, &limits),
        false => Err(no_archive(&digest)),
    })
    .await?;
    drop(turn);
    let intent = match app.ledger.begin(&intent, None, NO_QUOTA, now).await? {
        Begun::Opened(intent) => intent,
        Begun::Same(held) | Begun::Taken(held) => return there(&app, &held, &digest),
        Begun::Replayed | Begun::TooMany { .. } => {
            let help = "run the import again: it goes on where it stopped";
            return Err(ApiError::new(ErrorCode::Unavailable, "the import was held back", help));
        }
    };
    let publisher = intent.publisher.clone();
    let release = release(&app, &intent, &train, digest, checked, None, publisher).await?;
    let answer = seal(&app, &intent, &train, &release, None).await?;
    let receipt = answer.receipt.ok_or_else(|| {
        ApiError::new(ErrorCode::Internal, "the import sealed nothing", "tell the operator")
    })?;
    Ok(Json(ReleaseImported { schema: SCHEMA, was_there: false, receipt }))
}

/// The answer where the version stands.
fn there(service: &Service, held: &Release, digest: &Digest) -> ApiResult<Json<ReleaseImported>> {
    if held.digest != *digest || held.marks.removed.is_some() {
        return Err(taken(held));
    }
    let receipt = receipt(service, held);
    Ok(Json(ReleaseImported { schema: SCHEMA, was_there: true, receipt }))
}

async fn archive(service: &Service, digest: &Digest, bytes: u64) -> ApiResult<Bytes> {
    let body = service.blobs.read(digest, 0, bytes).await?.ok_or_else(|| no_archive(digest))?;
    let room = Vec::with_capacity(usize::try_from(bytes).unwrap_or_default());
    let read = body.stream.try_fold(room, async |mut all, piece| {
        all.extend_from_slice(&piece);
        Ok(all)
    });
    read.await.map(Bytes::from).map_err(|e| {
        let message = format!("the blob {digest} cannot be read: {e}");
        ApiError::new(ErrorCode::Unavailable, message, "run the import again")
    })
}

fn no_archive(digest: &Digest) -> ApiError {
    ApiError::new(
        ErrorCode::UploadMismatch,
        format!("there is no archive sha256:{digest} here that an import could take"),
        "bring it first: `POST /v1/admin/blobs/{sha256}`; run the import again",
    )
}
