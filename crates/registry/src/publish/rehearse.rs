//! `POST /v1/publish/rehearse`: the whole decision of a publish, and nothing stored.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use packhouse_core::api::{
    ErrorCode, RehearsalAnswer, RehearsalRequest, Supposed, SupposedRepository,
};
use packhouse_core::claims::Claims;
use packhouse_core::identifier::Identifier;
use packhouse_core::policy;

use super::identity::{admit, taken};
use super::subject::Subject;
use crate::app::{App, Service};
use crate::auth::{Caller, caller, presented};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::oidc::GITHUB;

/// Rehearses a publish: answers what `POST /v1/publish` would, for a token whose audience is made
/// for rehearsals and good for nothing else.
///
/// With `suppose` it is about the run that would follow: with a token, whoever asks is proved and the
/// rest supposed; without one, on a public registry, all of it is, and how often is limited.
#[utoipa::path(post, path = "/v1/publish/rehearse", tag = "publish", request_body = RehearsalRequest,
    responses((status = 200, body = RehearsalAnswer), (status = 403, body = packhouse_core::api::ErrorBody),
        (status = 429, description = "Too many without a token", body = packhouse_core::api::ErrorBody)))]
pub async fn rehearse(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<RehearsalRequest>,
) -> ApiResult<Json<RehearsalAnswer>> {
    let supposed = request.suppose.as_ref().and_then(|suppose| suppose.repository.as_ref());
    if let (None, Some(repository)) = (presented(&headers)?, supposed)
        && !app.settings.private
    {
        let name = repository.id.get(..20).unwrap_or(&repository.id);
        app.reads.rehearsals.admit(name, app.clock.now())?;
        return simulate(&app, &request, repository).await.map(Json);
    }
    let subject = Subject::parse(&request.publish, &app.settings.limits)?;
    let digest = subject.digest.ok_or_else(no_digest)?;
    let origin = app.settings.public_url.origin();
    let (identifier, version) = (&subject.identifier, &subject.version);
    let audience = policy::rehearsal_audience(origin, identifier, version, &digest);
    let caller = caller(&app, &headers, &[audience]).await?;
    decide(&app, caller, &subject, request.suppose.as_ref(), true).await.map(Json)
}

/// Rehearses the publish that a run of `repository` would ask for, although no token proves that it
/// would be one.
///
/// # Errors
///
/// What the publish would be refused with.
pub async fn simulate(
    service: &Service,
    request: &RehearsalRequest,
    repository: &SupposedRepository,
) -> ApiResult<RehearsalAnswer> {
    let subject = Subject::parse(&request.publish, &service.settings.limits)?;
    let claims = simulated(service, repository, &subject.identifier).await?;
    let suppose = request.suppose.clone().unwrap_or_default();
    decide(service, Caller::Job(claims), &subject, Some(&suppose), false).await
}

async fn decide(
    service: &Service,
    mut caller: Caller,
    subject: &Subject,
    suppose: Option<&Supposed>,
    proved: bool,
) -> ApiResult<RehearsalAnswer> {
    let digest = subject.digest.ok_or_else(no_digest)?;
    let (identifier, version) = (&subject.identifier, &subject.version);
    let mut git_ref = None;
    if let Caller::Job(claims) = &mut caller {
        if let Some(suppose) = suppose {
            let head = service.ledger.head(identifier).await?;
            let policy = head.map(|head| head.policy).unwrap_or_default();
            policy::suppose(claims, &policy, identifier, version, &suppose.workflows);
        }
        git_ref = Some(claims.git_ref.clone());
    }
    let head = admit(service, &caller, identifier, version, true).await?;
    let mut releases = service.ledger.releases(identifier).await?;
    let outcome = match releases.iter().find(|release| release.version == *version) {
        Some(release) if release.digest == digest && release.marks.removed.is_none() => {
            "already-released"
        }
        Some(release) => return Err(taken(release)),
        None => "release",
    };
    releases.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(RehearsalAnswer {
        status: "ok".to_owned(),
        outcome: outcome.to_owned(),
        first_release: releases.is_empty(),
        policy: head.map(|head| head.policy).unwrap_or_default(),
        latest: releases.last().map(|release| release.version.text().to_owned()),
        proved,
        git_ref,
    })
}

fn no_digest() -> ApiError {
    ApiError::new(ErrorCode::BadRequest, "`digest` is missing", "send the SHA-256 of the archive")
}

/// What a run of `repository` would claim of itself, from the issuer that the package is pinned to.
async fn simulated(
    service: &Service,
    repository: &SupposedRepository,
    identifier: &Identifier,
) -> ApiResult<Claims> {
    let SupposedRepository { name, id, owner_id } = repository;
    let number =
        |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let owner = name.split_once('/').map(|(owner, _)| owner).filter(|owner| !owner.is_empty());
    let (Some(owner), true, true) =
        (owner.filter(|_| name.len() <= 200), number(id), number(owner_id))
    else {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "`suppose.repository` names no repository",
            "send `name` as `owner/name`, and the numbers `id` and `owner_id` as text",
        ));
    };
    let head = service.ledger.head(identifier).await?;
    let pinned = head.and_then(|head| head.pins).map(|pins| pins.issuer);
    Ok(Claims {
        iss: pinned.unwrap_or_else(|| GITHUB.to_owned()),
        aud: String::new(),
        sub: String::new(),
        jti: String::new(),
        iat: 0,
        nbf: None,
        exp: 0,
        repository: name.clone(),
        repository_id: id.clone(),
        repository_owner: owner.to_owned(),
        repository_owner_id: owner_id.clone(),
        repository_visibility: None,
        event_name: String::new(),
        git_ref: String::new(),
        ref_type: String::new(),
        ref_protected: None,
        sha: String::new(),
        workflow_ref: None,
        job_workflow_ref: None,
        environment: None,
        runner_environment: None,
        run_id: String::new(),
        run_attempt: None,
        actor: None,
        actor_id: None,
    })
}
