//! Quarantine and removal.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use packhouse_core::api::{MarkAnswer, MarkRequest, TakedownRequest};
use packhouse_core::digest::Digest;
use packhouse_core::release::Release;

use super::operator;
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::manage::{change_marks, mark, release};
use crate::ports::MarkChange;

/// Takes a release out of service, or puts it back: it stays listed, its bytes are not served.
#[utoipa::path(post, path = "/v1/admin/quarantine", tag = "admin", request_body = TakedownRequest, responses((status = 200, body = MarkAnswer)))]
pub async fn quarantine(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<TakedownRequest>,
) -> ApiResult<Json<MarkAnswer>> {
    let identifier = crate::publish::identifier(&request.identifier)?;
    let caller = operator(&app, &headers, Some(&identifier)).await?;
    let change = match taken_down(&app, &caller, &request)? {
        Some(mark) => MarkChange::Quarantine(mark),
        None => MarkChange::Restore,
    };
    let answer = change_marks(&app, &identifier, &request.version, &change).await?;
    // After the marks: a repeated request finishes one that died in between.
    let found = release(&app, &identifier, &request.version).await?;
    for digest in blobs(&found) {
        settle(&app, &digest).await?;
    }
    Ok(answer)
}

/// Lets those who read the store itself have a blob exactly if a release in service holds it.
async fn settle(app: &App, digest: &Digest) -> ApiResult<()> {
    let holders = app.ledger.holders(digest, 1).await?;
    let in_service = holders
        .first()
        .is_some_and(|first| first.marks.quarantined.is_none() && first.marks.removed.is_none());
    Ok(app.blobs.withhold(digest, !in_service).await?)
}

/// The same for the blobs of a release that an import brought in out of service.
pub(super) async fn settle_imported(app: &App, release: &Release) -> ApiResult<()> {
    if release.marks.quarantined.is_some() {
        for digest in blobs(release) {
            settle(app, &digest).await?;
        }
    }
    Ok(())
}

/// The archive and the attachments of a release.
fn blobs(release: &Release) -> impl Iterator<Item = Digest> {
    let attached = release.attachments.iter().flatten().map(|attachment| attachment.digest);
    attached.chain([release.digest])
}

/// Removes a release for good: a tombstone stays, its version is never reusable, and its bytes go
/// unless another release has the same.
#[utoipa::path(post, path = "/v1/admin/remove", tag = "admin", request_body = TakedownRequest, responses((status = 200, body = MarkAnswer)))]
pub async fn remove(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<TakedownRequest>,
) -> ApiResult<Json<MarkAnswer>> {
    let identifier = crate::publish::identifier(&request.identifier)?;
    let caller = operator(&app, &headers, Some(&identifier)).await?;
    let Some(mark) = taken_down(&app, &caller, &request)? else {
        return Err(ApiError::new(
            packhouse_core::api::ErrorCode::BadRequest,
            "a removal cannot be undone",
            "publish the content under another version; next time use quarantine, which can be undone",
        ));
    };
    let found = release(&app, &identifier, &request.version).await?;
    // Repeating a removal finishes one whose bytes did not go.
    let answer = if found.marks.removed.is_some() {
        Json(MarkAnswer {
            identifier: identifier.to_string(),
            version: found.version.text().to_owned(),
            yanked: None,
            deprecated: None,
            quarantined: None,
            removed: found.marks.removed.as_ref().map(|mark| mark.reason.clone()),
        })
    } else {
        let change = MarkChange::Remove(mark);
        change_marks(&app, &identifier, &request.version, &change).await?
    };
    for digest in blobs(&found) {
        if app.ledger.references(&digest).await? == 0 {
            app.blobs.delete(&digest).await?;
        } else {
            // What is left may be in quarantine.
            settle(&app, &digest).await?;
        }
    }
    Ok(answer)
}

fn taken_down(
    app: &App,
    caller: &Caller,
    request: &TakedownRequest,
) -> ApiResult<Option<packhouse_core::release::Mark>> {
    let as_mark = MarkRequest {
        version: request.version.clone(),
        reason: request.reason.clone(),
        replacement: None,
        undo: request.undo,
    };
    mark(app, caller, &as_mark)
}
