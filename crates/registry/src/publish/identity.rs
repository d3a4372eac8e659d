//! Whether a caller may publish a subject, and what a publisher gets back.

use packhouse_core::api::{ErrorCode, Receipt};
use packhouse_core::claims::Publisher;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::policy::{self, Case};
use packhouse_core::release::{Head, Release, SCHEMA};
use packhouse_core::version::Version;

use crate::app::Service;
use crate::auth::{self, Caller};
use crate::error::{ApiError, ApiResult};
use crate::ports::Action;
use crate::urls;

/// The audiences that a token for this publish may be made for: the one bound to the bytes, and for
/// `ato`, which sends no digest, the registry's host.
pub(super) fn audiences(
    service: &Service,
    identifier: &Identifier,
    version: &Version,
    digest: Option<&Digest>,
) -> Vec<String> {
    let url = &service.settings.public_url;
    match digest {
        Some(digest) => vec![policy::audience(url.origin(), identifier, version, digest)],
        None => vec![url.host().to_owned()],
    }
}

/// Decides whether `caller` may publish `identifier@version`; answers the package's head, which
/// the commit compares once more.
///
/// # Errors
///
/// The first thing that stands against it: a reserved name, a pin, the policy, a token's rights, a
/// plain audience after a bound one.
pub(super) async fn admit(
    service: &Service,
    caller: &Caller,
    identifier: &Identifier,
    version: &Version,
    bound_audience: bool,
) -> ApiResult<Option<Head>> {
    let head = service.ledger.head(identifier).await?;
    let owner_pin = service.ledger.owner_pin(identifier.owner()).await?;
    match caller {
        Caller::Job(claims) => {
            let default = policy::Policy::default();
            let pins = head.as_ref().and_then(|head| head.pins.as_ref());
            policy::decide(&Case {
                claims,
                identifier,
                version,
                pins,
                owner_pin: owner_pin.as_ref(),
                policy: head.as_ref().map_or(&default, |head| &head.policy),
            })?;
            if !bound_audience && head.as_ref().is_some_and(|head| head.bound_audience_seen) {
                return Err(ApiError::new(
                    ErrorCode::WrongAudience,
                    format!("`{identifier}` is published with tokens that are bound to its bytes; this one is made for the registry's host only"),
                    "publish with `packhouse publish`, as the package's other releases",
                )
                .fact("claim", "aud"));
            }
        }
        Caller::Token(token) => {
            auth::permit(token, Action::Publish, Some(identifier))?;
            if head.as_ref().is_some_and(|head| head.pins.is_some() && !head.tokens_allowed) {
                return Err(ApiError::new(
                    ErrorCode::Forbidden,
                    format!(
                        "`{identifier}` is pinned to a repository; API tokens do not publish it"
                    ),
                    "publish from its CI, or ask an operator to allow tokens for it",
                ));
            }
        }
        Caller::Open => {}
    }
    names_are_free(service, caller, identifier, head.is_some()).await?;
    Ok(head)
}

/// Refuses identifiers whose owner or whole is reserved for somebody else.
pub(super) async fn names_are_free(
    service: &Service,
    caller: &Caller,
    identifier: &Identifier,
    exists: bool,
) -> ApiResult<()> {
    if exists {
        return Ok(());
    }
    let owner = identifier.owner().to_ascii_lowercase();
    for name in [owner.as_str(), identifier.key()] {
        let Some(reserved) = service.ledger.reservation(name).await? else { continue };
        let held = match (caller, &reserved.holder) {
            (Caller::Job(claims), Some(holder)) => claims.owner_pin() == *holder,
            _ => false,
        };
        if !held {
            return Err(ApiError::new(
                ErrorCode::NameReserved,
                format!("`{name}` is reserved: {}", reserved.reason),
                "choose another name, or ask the registry's operator",
            ));
        }
    }
    Ok(())
}

/// What stays the same of a publisher from run to run: the repository, or the token.
pub(super) fn lasting_identity(publisher: &Publisher) -> String {
    match publisher {
        Publisher::Oidc(job) => {
            format!("oidc {} {} {}", job.pins.issuer, job.pins.repository_id, job.pins.owner_id)
        }
        Publisher::Token { token_id } => format!("token {token_id}"),
        Publisher::Open => "open".to_owned(),
        Publisher::Imported(from) => format!("imported {} {}", from.commit, from.repository),
    }
}

/// Whether `caller` is the one who opened an intent: same repository and same run, or same token.
pub(super) fn same_job(opened: &Publisher, caller: &Publisher) -> Result<(), ApiError> {
    let foreign = |claim: &str, expected: &str, actual: &str| {
        Err(ApiError::new(
            ErrorCode::IntentForeign,
            format!("claim `{claim}` is `{actual}`, but the publish was asked for with `{expected}`"),
            "ask for the publish and confirm it in the same run; start over with `packhouse publish`",
        )
        .fact("claim", claim)
        .fact("expected", expected)
        .fact("actual", actual))
    };
    match (opened, caller) {
        (Publisher::Oidc(a), Publisher::Oidc(b)) => {
            let claims = [
                ("iss", &a.pins.issuer, &b.pins.issuer),
                ("repository_id", &a.pins.repository_id, &b.pins.repository_id),
                ("repository_owner_id", &a.pins.owner_id, &b.pins.owner_id),
                ("run_id", &a.run_id, &b.run_id),
            ];
            claims
                .into_iter()
                .find(|(_, expected, actual)| expected != actual)
                .map_or(Ok(()), |(claim, expected, actual)| foreign(claim, expected, actual))
        }
        (Publisher::Token { token_id: a }, Publisher::Token { token_id: b }) if a != b => {
            foreign("token", a, b)
        }
        (Publisher::Token { .. }, Publisher::Token { .. }) | (Publisher::Open, Publisher::Open) => {
            Ok(())
        }
        _ => foreign("token", kind(opened), kind(caller)),
    }
}

fn kind(publisher: &Publisher) -> &'static str {
    match publisher {
        Publisher::Oidc(_) => "a CI token",
        Publisher::Token { .. } => "an API token",
        Publisher::Open => "no token",
        Publisher::Imported(_) => "an import",
    }
}

/// What a publisher gets back for a release.
pub fn receipt(service: &Service, release: &Release) -> Receipt {
    Receipt {
        schema: SCHEMA,
        identifier: release.identifier.to_string(),
        version: release.version.text().to_owned(),
        digest: release.digest.hex(),
        tree_digest: release.tree_digest.to_string(),
        bytes: release.bytes,
        publisher: release.publisher.clone(),
        released_at: release.released_at.to_string(),
        url: urls::page(&service.settings, &release.identifier),
        download_url: urls::archive(&service.settings, release),
        warnings: release.warnings.clone(),
    }
}

/// 409: the version stands with other content, or was removed.
pub(super) fn taken(release: &Release) -> ApiError {
    let Release { identifier, version, digest, released_at, .. } = release;
    if let Some(mark) = &release.marks.removed {
        return ApiError::new(
            ErrorCode::VersionExists,
            format!("`{identifier}@{version}` was removed by an operator: {}", mark.reason),
            "a removed version is never reusable: raise the version",
        );
    }
    ApiError::new(
        ErrorCode::VersionExists,
        format!("`{identifier}@{version}` is already released, since {released_at}, with the content sha256:{digest}"),
        "releases never change: raise the version",
    )
    .fact("digest", digest.hex())
    .fact("released_at", released_at.to_string())
}
