//! Names: reserved, freed, and handed to another publisher.

use axum::Json;
use axum::extract::{Query, State};
use http::{HeaderMap, Uri};
use packhouse_core::api::{ErrorCode, PolicyAnswer, ReserveRequest, TransferRequest};
use packhouse_core::manifest::NativeName;

use super::operator;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::manage::{policy_answer, raced};
use crate::ports::{HeadChange, Reservation};

/// Reserves an owner, an identifier or a native name: nobody but `holder` may publish under it.
#[utoipa::path(post, path = "/v1/admin/reserve", tag = "admin", request_body = ReserveRequest, responses((status = 200, body = serde_json::Value)))]
pub async fn reserve(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<ReserveRequest>,
) -> ApiResult<Json<serde_json::Value>> {
    operator(&app, &headers, None).await?;
    let name = request.name.trim().to_ascii_lowercase();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./:".contains(&b);
    if name.is_empty() || name.len() > 300 || !name.bytes().all(allowed) {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "`name` is not a name that can be reserved",
            "write an owner (`acme`), an identifier (`acme/sensor`) or a native name (`python:numpy`)",
        ));
    }
    if request.reason.trim().is_empty() || request.reason.len() > 500 {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "`reason` is missing or too long",
            "say in at most 500 bytes why; whoever is refused reads it",
        ));
    }
    let reservation = Reservation {
        name: name.clone(),
        holder: request.holder,
        reason: request.reason.trim().to_owned(),
        at: app.clock.now(),
    };
    app.ledger.reserve(&reservation).await?;
    Ok(Json(serde_json::json!({ "status": "ok", "name": name })))
}

/// The name to free.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
pub(crate) struct NameQuery {
    name: String,
}

/// Frees a reserved name.
#[utoipa::path(delete, path = "/v1/admin/reserve", tag = "admin", params(NameQuery), responses((status = 200, body = serde_json::Value)))]
pub async fn unreserve(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
) -> ApiResult<Json<serde_json::Value>> {
    operator(&app, &headers, None).await?;
    let Query(query) = Query::<NameQuery>::try_from_uri(&uri).map_err(|e| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("the query cannot be read: {}", e.body_text()),
            "ask with `?name=<the reserved name>`",
        )
    })?;
    let name = query.name.trim().to_ascii_lowercase();
    if app.ledger.unreserve(&name).await? {
        return Ok(Json(serde_json::json!({ "status": "ok", "name": name })));
    }
    let shown = packhouse_core::escape::printable(&name);
    Err(ApiError::new(
        ErrorCode::NotFound,
        format!("`{shown}` is not reserved"),
        "`packhouse admin reserve --list` shows what is",
    ))
}

/// All reserved names.
#[utoipa::path(get, path = "/v1/admin/reserve", tag = "admin", responses((status = 200, body = serde_json::Value)))]
pub async fn list_reserved(
    State(app): State<App>,
    headers: HeaderMap,
) -> ApiResult<Json<Vec<Reservation>>> {
    operator(&app, &headers, None).await?;
    Ok(Json(app.ledger.reservations().await?))
}

/// Hands a package to another publisher, forgets its pins, lets API tokens publish it, or gives it
/// a native name.
#[utoipa::path(post, path = "/v1/admin/transfer", tag = "admin", request_body = TransferRequest, responses((status = 200, body = PolicyAnswer)))]
pub async fn transfer(
    State(app): State<App>,
    headers: HeaderMap,
    Body(request): Body<TransferRequest>,
) -> ApiResult<Json<PolicyAnswer>> {
    let identifier = crate::publish::identifier(&request.identifier)?;
    let caller = operator(&app, &headers, Some(&identifier)).await?;
    let mut changes = Vec::new();
    if request.pins.is_some() || request.unpin {
        changes.push(HeadChange::Transfer(request.pins.clone()));
    }
    if let Some(allowed) = request.tokens_allowed {
        changes.push(HeadChange::TokensAllowed(allowed));
    }
    if let Some(native) = &request.native {
        let (ecosystem, name) = native.split_once(':').ok_or_else(|| {
            ApiError::new(
                ErrorCode::BadRequest,
                "`native` has no ecosystem",
                "write `python:numpy`",
            )
        })?;
        changes.push(HeadChange::Native(NativeName {
            ecosystem: ecosystem.to_owned(),
            name: name.to_owned(),
        }));
    }
    if changes.is_empty() || (request.pins.is_some() && request.unpin) {
        return Err(ApiError::new(
            ErrorCode::BadRequest,
            "nothing to transfer, or two things at once",
            "send one of `pins` and `unpin`, or `tokens_allowed`, or `native`",
        ));
    }
    // A package may be handed to somebody before its first release.
    let known = app.ledger.head(&identifier).await?;
    let mut sequence = known.as_ref().map_or(0, |head| head.sequence);
    let mut answer = known;
    for change in changes {
        let data = serde_json::json!({ "transfer": request, "by": caller.publisher() });
        let at = app.clock.now();
        let changed = app.ledger.change_head(&identifier, sequence, &change, data, at).await?;
        let head = changed.ok_or_else(raced)?;
        sequence = head.sequence;
        answer = Some(head);
    }
    answer.map(|head| Json(policy_answer(head))).ok_or_else(raced)
}
