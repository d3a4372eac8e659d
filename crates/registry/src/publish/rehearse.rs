//! `POST /v1/publish/rehearse`: the whole decision of a publish, and nothing stored.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use packhouse_core::api::{ErrorCode, PublishRequest, RehearsalAnswer};
use packhouse_core::policy;

use super::identity::{admit, taken};
use super::subject::Subject;
use crate::app::App;
use crate::auth::caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;

/// Rehearses a publish: answers what `POST /v1/publish` would, for a token whose audience is made
/// for rehearsals and good for nothing else.
#[utoipa::path(post, path = "/v1/publish/rehearse", tag = "publish", request_body = PublishRequest,
    responses((status = 200, body = RehearsalAnswer), (status = 403, body = packhouse_core::api::ErrorBody)))]
pub async fn rehearse(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<PublishRequest>,
) -> ApiResult<Json<RehearsalAnswer>> {
    let subject = Subject::parse(&request, &app.settings.limits)?;
    let Some(digest) = subject.digest else {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "`digest` is missing",
            "send the SHA-256 of the archive",
        ));
    };
    let (identifier, version) = (&subject.identifier, &subject.version);
    let origin = app.settings.public_url.origin();
    let audience = policy::rehearsal_audience(origin, identifier, version, &digest);
    let caller = caller(&app, &headers, &[audience]).await?;
    let head = admit(&app, &caller, identifier, version, true).await?;
    let mut releases = app.ledger.releases(identifier).await?;
    let outcome = match releases.iter().find(|release| release.version == *version) {
        Some(release) if release.digest == digest && release.marks.removed.is_none() => {
            "already-released"
        }
        Some(release) => return Err(taken(release)),
        None => "release",
    };
    releases.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(Json(RehearsalAnswer {
        status: "ok".to_owned(),
        outcome: outcome.to_owned(),
        first_release: releases.is_empty(),
        policy: head.map(|head| head.policy).unwrap_or_default(),
        latest: releases.last().map(|release| release.version.text().to_owned()),
    }))
}
