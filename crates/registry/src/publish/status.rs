//! `GET /v1/publish/{release_id}`: where a publish stands.

use axum::Json;
use axum::extract::State;
use packhouse_core::api::{ErrorCode, PublishStatus};

use super::identity::receipt;
use crate::app::{App, Service};
use crate::error::{ApiError, ApiResult};
use crate::ports::{Intent, IntentId, Member};
use crate::read::Params;

/// Where a publish stands. The id is unguessable, so it needs no token; uploads are not shown.
#[utoipa::path(get, path = "/v1/publish/{release_id}", tag = "publish", params(("release_id" = String, Path)),
    responses((status = 200, body = PublishStatus), (status = 404, body = packhouse_core::api::ErrorBody)))]
pub async fn status(State(app): State<App>, params: Params) -> ApiResult<Json<PublishStatus>> {
    let intent = find(&app, params.get("release_id").unwrap_or_default()).await?;
    let released = app.ledger.release(&intent.identifier, intent.version.key()).await?;
    let released = released.filter(|release| {
        release.intent == intent.id.as_str() || intent.digest == Some(release.digest)
    });
    let waiting = match &intent.train {
        Some(train) if released.is_none() => app.ledger.waiting(train).await?,
        _ => Vec::new(),
    };
    let confirmed = intent.train.is_some()
        && !waiting.iter().any(|member| member.identifier == intent.identifier);
    let state = match &released {
        Some(_) => "released",
        None if intent.expires_at <= app.clock.now() => "expired",
        None if confirmed => "prepared",
        None => "open",
    };
    Ok(Json(PublishStatus {
        release_id: intent.id.to_string(),
        identifier: intent.identifier.to_string(),
        version: intent.version.text().to_owned(),
        state: state.to_owned(),
        expires_at: intent.expires_at.to_string(),
        receipt: released.map(|release| receipt(&app, &release)),
        waiting_for: names(&waiting),
    }))
}

/// The intent with this id.
pub(super) async fn find(service: &Service, id: &str) -> ApiResult<Intent> {
    let unknown = || {
        ApiError::new(
            ErrorCode::NotFound,
            "there is no publish with this id, or it expired long ago",
            "ask for the publish again with `POST /v1/publish`",
        )
    };
    let id = IntentId::try_from(id.to_owned()).map_err(|_| unknown())?;
    service.ledger.intent(&id).await?.ok_or_else(unknown)
}

/// The error of an intent that lived too long.
pub(super) fn expired(intent: &Intent) -> ApiError {
    ApiError::new(
        ErrorCode::IntentExpired,
        format!("this publish expired at {}", intent.expires_at),
        "run the publish again: nothing of it is visible, nothing has to be cleaned up",
    )
}

/// Members as `identifier@version`.
pub(super) fn names(members: &[Member]) -> Vec<String> {
    members.iter().map(|m| format!("{}@{}", m.identifier, m.version)).collect()
}
