//! What a package's owner changes after a release: yank, deprecation, policy.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use packhouse_core::api::{ErrorCode, MarkAnswer, MarkRequest, PolicyAnswer};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::policy::{self, Manage, Policy, manage_audience};
use packhouse_core::release::{Head, Mark, Release};
use packhouse_core::version::Version;

use crate::app::{App, Service};
use crate::auth::{self, Caller, caller};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::ports::{Action, HeadChange, IntentId, MarkChange};
use crate::read::Id;

/// Longest reason, in characters.
const REASON_CHARACTERS: usize = 500;

/// Yanks a release, or takes its yank back: new resolutions avoid it, pins keep working.
#[utoipa::path(post, path = "/v1/package/{id}/-/yank", tag = "manage", request_body = MarkRequest,
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")), responses((status = 200, body = MarkAnswer)))]
pub async fn yank(
    State(app): State<App>,
    Id(identifier): Id,
    headers: HeaderMap,
    Body(request): Body<MarkRequest>,
) -> ApiResult<Json<MarkAnswer>> {
    let change = |mark: Option<Mark>| mark.map_or(MarkChange::Unyank, MarkChange::Yank);
    marked(&app, &identifier, &headers, &request, Manage::Yank, change).await
}

/// Deprecates a release, or takes its deprecation back: it works, and there is something better.
#[utoipa::path(post, path = "/v1/package/{id}/-/deprecate", tag = "manage", request_body = MarkRequest,
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")), responses((status = 200, body = MarkAnswer)))]
pub async fn deprecate(
    State(app): State<App>,
    Id(identifier): Id,
    headers: HeaderMap,
    Body(request): Body<MarkRequest>,
) -> ApiResult<Json<MarkAnswer>> {
    let change = |mark: Option<Mark>| mark.map_or(MarkChange::Undeprecate, MarkChange::Deprecate);
    marked(&app, &identifier, &headers, &request, Manage::Deprecate, change).await
}

async fn marked(
    app: &App,
    identifier: &Identifier,
    headers: &HeaderMap,
    request: &MarkRequest,
    what: Manage,
    change: impl FnOnce(Option<Mark>) -> MarkChange,
) -> ApiResult<Json<MarkAnswer>> {
    let caller = manager(app, headers, identifier, what, request).await?;
    let change = change(mark(app, &caller, request)?);
    change_marks(app, identifier, &request.version, &change).await
}

/// From where a package may be published.
#[utoipa::path(get, path = "/v1/package/{id}/-/policy", tag = "manage",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")), responses((status = 200, body = PolicyAnswer)))]
pub async fn show_policy(
    State(app): State<App>,
    Id(identifier): Id,
) -> ApiResult<Json<PolicyAnswer>> {
    Ok(Json(policy_answer(head(&app, &identifier).await?)))
}

/// Changes from where a package may be published. The owner's CI may tighten it, with a token that
/// passes the policy in force; loosening it needs an operator.
#[utoipa::path(put, path = "/v1/package/{id}/-/policy", tag = "manage", request_body = Policy,
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")), responses((status = 200, body = PolicyAnswer)))]
pub async fn set_policy(
    State(app): State<App>,
    Id(identifier): Id,
    headers: HeaderMap,
    Body(new): Body<Policy>,
) -> ApiResult<Json<PolicyAnswer>> {
    let new = new.normalised().map_err(|e| {
        ApiError::new(ErrorCode::InvalidPolicy, e.to_string(), "see `packhouse policy set --help`")
    })?;
    let audience = manage_audience(app.settings.public_url.origin(), &identifier, Manage::Policy);
    let caller = caller(&app, &headers, &[audience]).await?;
    once(&app, &caller, &new).await?;
    let head = app.ledger.head(&identifier).await?;
    match (&caller, &head) {
        // Operators decide about packages that have no release yet, too.
        (Caller::Token(token), _) => auth::permit(token, Action::Admin, Some(&identifier))?,
        (Caller::Open, _) => {}
        (Caller::Job(_), None) => return Err(no_package(&identifier)),
        (Caller::Job(claims), Some(head)) => {
            policy::decide_manage(claims, &identifier, head.pins.as_ref(), Some(&head.policy))?;
            if policy::is_loosening(&head.policy, &new) {
                return Err(ApiError::new(
                    ErrorCode::Forbidden,
                    format!("the new policy of `{identifier}` admits more than the one in force"),
                    "loosening a policy needs the registry's operator: `packhouse policy set` with an operator's token",
                ));
            }
        }
    }
    let sequence = head.as_ref().map_or(0, |head| head.sequence);
    if let Some(head) = head.filter(|head| head.policy == new) {
        return Ok(Json(policy_answer(head)));
    }
    let data = serde_json::json!({ "policy": new, "by": caller.publisher() });
    let change = HeadChange::Policy(new);
    let now = app.clock.now();
    let changed = app.ledger.change_head(&identifier, sequence, &change, data, now).await?;
    changed.map(|head| Json(policy_answer(head))).ok_or_else(raced)
}

pub(crate) fn raced() -> ApiError {
    ApiError::new(ErrorCode::Unavailable, "the package changed at the same moment", "try again")
        .retry_after(1)
}

pub(crate) fn policy_answer(head: Head) -> PolicyAnswer {
    PolicyAnswer {
        identifier: head.identifier.to_string(),
        policy: head.policy,
        pins: head.pins,
        tokens_allowed: head.tokens_allowed,
    }
}

pub(crate) async fn head(service: &Service, identifier: &Identifier) -> ApiResult<Head> {
    service.ledger.head(identifier).await?.ok_or_else(|| no_package(identifier))
}

fn no_package(identifier: &Identifier) -> ApiError {
    ApiError::new(
        ErrorCode::NotFound,
        format!("there is no package `{identifier}`"),
        "`packhouse search` finds what there is",
    )
}

/// Who may mark releases: a job of the pinned repository, an API token with the right, an operator.
async fn manager(
    service: &Service,
    headers: &HeaderMap,
    identifier: &Identifier,
    what: Manage,
    request: &impl serde::Serialize,
) -> ApiResult<Caller> {
    let audience = manage_audience(service.settings.public_url.origin(), identifier, what);
    let caller = caller(service, headers, &[audience]).await?;
    once(service, &caller, request).await?;
    match &caller {
        Caller::Job(claims) => {
            let head = head(service, identifier).await?;
            policy::decide_manage(claims, identifier, head.pins.as_ref(), None)?;
        }
        Caller::Token(token) if token.actions.contains(&Action::Admin) => {
            auth::permit(token, Action::Admin, Some(identifier))?;
        }
        Caller::Token(token) => {
            auth::permit(token, Action::Yank, Some(identifier))?;
            let head = head(service, identifier).await?;
            if head.pins.is_some() && !head.tokens_allowed {
                return Err(ApiError::new(
                    ErrorCode::Forbidden,
                    format!(
                        "`{identifier}` is pinned to a repository; API tokens do not change it"
                    ),
                    "do it from its CI, or ask an operator",
                ));
            }
        }
        Caller::Open => {}
    }
    Ok(caller)
}

/// A CI token is good for one request: the same again is a retry, another one is refused.
async fn once(
    service: &Service,
    caller: &Caller,
    request: &impl serde::Serialize,
) -> ApiResult<()> {
    let Some(token) = caller.seen_token() else { return Ok(()) };
    let body = serde_json::to_vec(request).unwrap_or_default();
    let purpose = IntentId::of(&Digest::of(&body));
    if service.ledger.use_token(&token, &purpose).await? {
        return Ok(());
    }
    Err(crate::publish::replayed())
}

/// The mark that a request asks for; `None` takes it back.
pub(crate) fn mark(
    service: &Service,
    caller: &Caller,
    request: &MarkRequest,
) -> ApiResult<Option<Mark>> {
    if request.undo {
        return Ok(None);
    }
    let reason = request.reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARACTERS {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "`reason` is missing or too long",
            format!(
                "say in one sentence of at most {REASON_CHARACTERS} characters why; consumers read it"
            ),
        ));
    }
    let replacement = request.replacement.as_deref().map(str::trim).filter(|r| !r.is_empty());
    if let Some(text) = replacement {
        let version = text.rsplit('@').next().unwrap_or(text);
        let identifier = text.rsplit_once('@').map(|(identifier, _)| identifier);
        identifier.map(crate::publish::identifier).transpose()?;
        any_order(version).map_err(|e| {
            ApiError::new(
                ErrorCode::InvalidVersion,
                format!("`replacement`: {e}"),
                "write a version, or `owner/name@version`",
            )
        })?;
    }
    Ok(Some(Mark {
        at: service.clock.now(),
        by: caller.publisher(),
        reason: reason.to_owned(),
        replacement: replacement.map(str::to_owned),
    }))
}

fn any_order(text: &str) -> Result<Version, packhouse_core::version::VersionError> {
    use packhouse_core::version::Order;
    Version::parse(Order::SemVer, text)
        .or_else(|_| Version::parse(Order::Pep440, text))
        .or_else(|error| Version::parse(Order::Apl, text).map_err(|_| error))
}

/// The version of a package that a text names, in the order of the package's releases.
pub(crate) async fn release(
    service: &Service,
    identifier: &Identifier,
    text: &str,
) -> ApiResult<Release> {
    let releases = service.ledger.releases(identifier).await?;
    if releases.is_empty() {
        return Err(no_package(identifier));
    }
    let shown = packhouse_core::escape::printable(text);
    releases
        .into_iter()
        .find(|release| {
            Version::parse(release.version.order(), text)
                .is_ok_and(|version| version == release.version)
        })
        .ok_or_else(|| {
            ApiError::new(
                ErrorCode::NotFound,
                format!("`{identifier}` has no release `{shown}`"),
                format!("`packhouse info {identifier}` lists its releases"),
            )
        })
}

pub(crate) async fn change_marks(
    service: &Service,
    identifier: &Identifier,
    version: &str,
    change: &MarkChange,
) -> ApiResult<Json<MarkAnswer>> {
    let release = release(service, identifier, version).await?;
    if release.marks.removed.is_some() {
        return Err(ApiError::new(
            ErrorCode::Removed,
            format!("`{identifier}@{}` was removed", release.version),
            "a removed release has no marks to change",
        ));
    }
    let key = release.version.key();
    let now = service.clock.now();
    let marked = service.ledger.mark(identifier, key, change, now).await?;
    let release = marked.ok_or_else(raced)?;
    let reason = |mark: &Option<Mark>| mark.as_ref().map(|mark| mark.reason.clone());
    Ok(Json(MarkAnswer {
        identifier: release.identifier.to_string(),
        version: release.version.text().to_owned(),
        yanked: reason(&release.marks.yanked),
        deprecated: reason(&release.marks.deprecated),
        quarantined: reason(&release.marks.quarantined),
        removed: reason(&release.marks.removed),
    }))
}
