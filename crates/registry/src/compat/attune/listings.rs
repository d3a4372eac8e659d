//! `PUT` and `DELETE /attune/listings/{ref}`: packs that are not published here, shown in the index until
//! a package has their name.

use axum::extract::{FromRequest as _, Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, http::HeaderMap};
use http::StatusCode;
use packhouse_core::api::ErrorCode;
use packhouse_core::attune::index::strict_entry;
use packhouse_core::escape::excerpt;
use serde_json::{Value, json};

use super::{ECOSYSTEM, refusal};
use crate::app::App;
use crate::compat::auth::{Target, writer};
use crate::compat::flat::{self, Taken};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::ports::{Entry, Listing, listing_name};

/// Lists a pack as an index would; the caller's own listing of it is replaced. The body is an entry of
/// format 1.0.
#[utoipa::path(put, path = "/attune/listings/{ref}", tag = "attune", request_body = serde_json::Value,
    params(("ref" = String, Path, description = "The pack")),
    responses((status = 200, description = "The entry"), (status = 401, description = "No token"),
        (status = 409, description = "A package, or a listing of another token, has the name"),
        (status = 422, description = "The entry is against format 1.0: each flaw with its place")))]
pub(crate) async fn put(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request,
) -> ApiResult<Response> {
    // Of a nobody's request nothing is read.
    writer(&app, &headers, Target::Work).await?;
    let Body(body) = Body::<Value>::from_request(request, &app).await?;
    let entry = match strict_entry(&body) {
        Ok(entry) if entry.reference == name => entry,
        Ok(entry) => {
            return Err(wrong(format!(
                "the address names `{}`, the entry `{}`",
                excerpt(&name, 80),
                entry.reference
            )));
        }
        Err(flaws) => {
            let message = format!("`{}` cannot be listed", excerpt(&name, 80));
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(refusal(status, "VALIDATION_ERROR", &message, &json!(flaws)));
        }
    };
    let outline = serde_json::to_value(&entry).map_err(|e| wrong(e.to_string()))?;
    let entry = Entry::new(None, outline).map_err(|e| wrong(e.to_string()))?;
    change(&app, &headers, &name, Some(entry)).await
}

/// Takes the caller's listing of a pack out.
#[utoipa::path(delete, path = "/attune/listings/{ref}", tag = "attune",
    params(("ref" = String, Path, description = "The pack")),
    responses((status = 200, description = "It is out"), (status = 401, description = "No token"),
        (status = 404, description = "There is no such listing"),
        (status = 409, description = "A package, or another token, has the name")))]
pub(crate) async fn remove(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    writer(&app, &headers, Target::Work).await?;
    change(&app, &headers, &name, None).await
}

async fn change(
    app: &App,
    headers: &HeaderMap,
    name: &str,
    entry: Option<Entry>,
) -> ApiResult<Response> {
    let native = listing_name(ECOSYSTEM, name).map_err(|e| wrong(e.to_string()))?;
    let who = writer(app, headers, Target::Listing(&native)).await?;
    let held = app.ledger.listing(&native).await?;
    match flat::change(app, &who, &native, flat::seen(held.as_ref()), entry).await {
        Ok(Some(Listing { entry: Some(entry), .. })) => {
            Ok(Json(json!({ "data": entry.outline() })).into_response())
        }
        Ok(Some(_)) => {
            Ok(Json(json!({"success": true, "message": format!("`{name}` is out")}))
                .into_response())
        }
        Ok(None) => {
            let message = format!("there is no listing of `{}`", excerpt(name, 80));
            Err(ApiError::new(ErrorCode::NotFound, message, "`/attune/index.json` shows all packs"))
        }
        Err(Taken::Refused(error)) => Err(error),
        Err(taken) => {
            let message = format!("the name `{}` is held by {}", excerpt(name, 80), taken.holder());
            let help = json!("choose another name, or use the token that listed it");
            Ok(refusal(StatusCode::CONFLICT, "CONFLICT", &message, &help))
        }
    }
}

fn wrong(message: String) -> ApiError {
    ApiError::new(ErrorCode::BadRequest, message, "see `docs/ecosystems/attune.md`")
}
