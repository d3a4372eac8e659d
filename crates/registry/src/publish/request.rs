//! `POST /v1/publish`: a publish is asked for.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use jiff::SignedDuration;
use packhouse_core::api::{ErrorCode, PublishAnswer, PublishRequest, UploadForm};
use packhouse_core::release::SCHEMA;

use super::identity::{admit, audiences, lasting_identity, receipt, taken};
use super::subject::{Subject, train_id};
use crate::app::{App, Service};
use crate::auth::{Caller, caller};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::ports::{Begun, Intent, IntentId, Part, Quota, Train, UploadBounds};

/// Asks to publish one version: checks token, policy and version, and answers uploads that are bound
/// to the announced bytes. This very content released already: 200 with its receipt.
#[utoipa::path(post, path = "/v1/publish", tag = "publish", request_body = PublishRequest,
    responses((status = 200, body = PublishAnswer), (status = 409, description = "The version stands with other content", body = packhouse_core::api::ErrorBody)))]
pub async fn request(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<PublishRequest>,
) -> ApiResult<Json<PublishAnswer>> {
    let subject = Subject::parse(&request, &app.settings.limits)?;
    let allowed = audiences(&app, &subject.identifier, &subject.version, subject.digest.as_ref());
    let caller = caller(&app, &headers, &allowed).await?;
    let bound = subject.digest.is_some();
    admit(&app, &caller, &subject.identifier, &subject.version, bound).await?;
    let intent = intent(&app, &caller, &subject, &request)?;
    let quota = Quota {
        open_intents: app.settings.limits.open_intents,
        per_ten_minutes: app.settings.limits.publishes_per_ten_minutes,
    };
    let token = caller.seen_token();
    let begun = app.ledger.begin(&intent, token.as_ref(), quota, app.clock.now()).await?;
    match begun {
        Begun::Opened(intent) => Ok(Json(uploads(&app, &intent).await?)),
        Begun::Same(release) => Ok(Json(PublishAnswer {
            status: "ok".to_owned(),
            release_id: release.intent.clone(),
            upload_info: UploadForm::default(),
            artifacts_upload_info: UploadForm::default(),
            upload: None,
            artifacts_upload: None,
            expires_at: intent.expires_at.to_string(),
            receipt: Some(receipt(&app, &release)),
        })),
        Begun::Taken(release) => Err(taken(&release)),
        Begun::Replayed => Err(replayed()),
        Begun::TooMany { retry_after } => Err(ApiError::new(
            ErrorCode::RateLimited,
            "this repository has asked for too many publishes in a short time",
            format!("wait {retry_after} s and run it again; what is released stays released"),
        )
        .retry_after(retry_after)),
    }
}

pub(crate) fn replayed() -> ApiError {
    ApiError::new(
        ErrorCode::TokenReplayed,
        "claim `jti`: this token was used for another request already",
        "ask for a fresh token for each call",
    )
    .fact("claim", "jti")
}

fn intent(
    service: &Service,
    caller: &Caller,
    subject: &Subject,
    request: &PublishRequest,
) -> ApiResult<Intent> {
    let now = service.clock.now();
    let life = SignedDuration::from_secs(i64::from(service.settings.limits.intent_seconds));
    let publisher = caller.publisher();
    let train = (!subject.members.is_empty()).then(|| Train {
        id: train_id(&lasting_identity(&publisher), &subject.members),
        members: subject.members.clone(),
    });
    Ok(Intent {
        schema: SCHEMA,
        id: IntentId::random()?,
        identifier: subject.identifier.clone(),
        version: subject.version.clone(),
        format: subject.format.to_owned(),
        publisher,
        // API tokens have no audience: they take nothing from those who publish with a plain one.
        bound_audience: subject.digest.is_some() && matches!(caller, Caller::Job(_)),
        bytes: subject.bytes,
        digest: subject.digest,
        artifacts_bytes: subject.artifacts_bytes,
        artifacts_digest: subject.artifacts_digest,
        git_ref: request.git_ref.as_ref().map(|text| text.chars().take(255).collect()),
        quality: request.quality.clone().filter(|claim| !claim.is_empty()),
        train,
        created_at: now,
        expires_at: now.checked_add(life).unwrap_or(now),
    })
}

async fn uploads(service: &Service, intent: &Intent) -> ApiResult<PublishAnswer> {
    let now = service.clock.now();
    let bounds = |part, bytes, digest| UploadBounds {
        intent: intent.id.clone(),
        part,
        bytes,
        digest,
        expires_at: intent.expires_at,
    };
    let archive = bounds(Part::Archive, intent.bytes, intent.digest);
    let archive = service.blobs.upload(&archive, now).await?;
    let artifacts = match intent.artifacts_bytes {
        Some(bytes) => {
            let bounds = bounds(Part::Artifacts, bytes, intent.artifacts_digest);
            Some(service.blobs.upload(&bounds, now).await?)
        }
        None => None,
    };
    let (artifacts_put, artifacts_form) =
        artifacts.map_or((None, UploadForm::default()), |upload| (upload.put, upload.form));
    Ok(PublishAnswer {
        status: "ok".to_owned(),
        release_id: intent.id.to_string(),
        upload_info: archive.form,
        artifacts_upload_info: artifacts_form,
        upload: archive.put,
        artifacts_upload: artifacts_put,
        expires_at: intent.expires_at.to_string(),
        receipt: None,
    })
}
