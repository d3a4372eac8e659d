//! `POST /apl/v1/packages`: a package is published by its zip.
//!
//! What came is read tolerantly and packed anew: only our own bytes are stored. The identifier is
//! `<owner>/<group-name>`, where the owner is that of the token's prefix, or of who holds the name.

use axum::Json;
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use packhouse_core::api::ErrorCode;
use packhouse_core::apl::{self, PackageId, Packed};
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::{Limits, POSTED_BYTES};

use super::prefix_of;
use crate::app::{App, Service};
use crate::auth::Caller;
use crate::compat::auth::{Target, Writer, writer};
use crate::error::{ApiError, ApiResult};
use crate::extract::collect;
use crate::publish::{Posted, posted};

/// What a posted package may unpack to, in bytes: what is posted is small.
const UNPACKED_BYTES: u64 = 64 << 20;

pub(super) async fn add(State(app): State<App>, uri: Uri, request: Request) -> ApiResult<Response> {
    let headers = request.headers().clone();
    // Before a byte of the body is read.
    let writer_of_any = writer(&app, &headers, Target::Work).await?;
    let zip = archive(request).await?;
    let limits = Limits {
        archive_bytes: POSTED_BYTES.min(app.settings.limits.archive_bytes),
        unpacked_bytes: UNPACKED_BYTES.min(app.settings.limits.unpacked_bytes),
        ..app.settings.limits.clone()
    };
    let packed = app.turns.work(zip.len() as u64, &limits, {
        let limits = limits.clone();
        move || repack(&zip, &limits)
    });
    let Packed { config, archive } = packed.await?;
    let id = config.id.clone();
    let identifier = identifier(&app, &writer_of_any, &id).await?;
    let writer = writer(&app, &headers, Target::Package(&identifier)).await?;
    let posted = posted(&app, &writer.caller, &identifier, &id.version, "apl", archive).await?;
    let status = match posted {
        Posted::Released => StatusCode::CREATED,
        Posted::WasThere => StatusCode::OK,
    };
    let place = format!("{}/packages/{id}", prefix_of(uri.path()));
    let mut place_header = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(app.settings.public_url.join(&place)) {
        place_header.insert(header::LOCATION, value);
    }
    Ok((status, place_header, Json(config.to_json())).into_response())
}

fn repack(zip: &[u8], limits: &Limits) -> ApiResult<Packed> {
    apl::repack(zip, limits).map_err(|error| {
        let help = "post the project's files as one zip, `apl-project.json` at its root";
        ApiError::new(ErrorCode::BadRequest, error.to_string(), help)
    })
}

/// The zip: the body itself, or the one file of a form.
async fn archive(request: Request) -> ApiResult<Bytes> {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let form = kind
        .and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/form-data"));
    // A form has some lines around its file.
    let limit = if form { POSTED_BYTES + (16 << 10) } else { POSTED_BYTES };
    let body = collect(body, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
    let body = body.ok_or_else(too_large)?;
    match form {
        true => file_of(Request::from_parts(parts, axum::body::Body::from(body))).await,
        false => Ok(body),
    }
}

async fn file_of(request: Request) -> ApiResult<Bytes> {
    let broken = |error: String| {
        let help = "post the zip itself, or a form with one file";
        ApiError::new(ErrorCode::BadRequest, format!("the form cannot be read: {error}"), help)
    };
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|e| broken(e.body_text()))?;
    let mut found: Option<Bytes> = None;
    while let Some(field) = form.next_field().await.map_err(|e| broken(e.body_text()))? {
        if field.file_name().is_none() {
            continue;
        }
        let bytes = field.bytes().await.map_err(|e| broken(e.body_text()))?;
        if found.replace(bytes).is_some() {
            return Err(broken("it has more than one file".to_owned()));
        }
    }
    found.ok_or_else(|| broken("it has no file".to_owned()))
}

fn too_large() -> ApiError {
    ApiError::new(
        ErrorCode::TooLarge,
        format!("the package has more than {POSTED_BYTES} bytes, which a `POST` takes at most"),
        "publish it with `packhouse publish`, which uploads to the store itself",
    )
}

/// The identifier of a package: that of the holder of its name, where the caller may publish it, else
/// `<owner>/<group-name>`.
async fn identifier(service: &Service, writer: &Writer, id: &PackageId) -> ApiResult<Identifier> {
    let owner = match &writer.caller {
        Caller::Token(token) => token.prefix.split('/').next().filter(|owner| !owner.is_empty()),
        Caller::Job(_) | Caller::Open => None,
    };
    // Who may publish for everybody has no owner of his own: the group stands for one.
    let owner = owner.unwrap_or(id.project.group());
    let own = Identifier::new(owner, &id.project.to_string()).map_err(|e| {
        ApiError::new(ErrorCode::BadRequest, e.to_string(), "use a token that is good for an owner")
    })?;
    match service.ledger.native(&id.project.native()).await? {
        Some(holder) if holder == own || writer.operator => Ok(holder),
        Some(holder) => Err(ApiError::new(
            ErrorCode::VersionExists,
            format!("the name `{}` is held by `{holder}`", id.project),
            "choose another group or name, or publish with `packhouse publish`, under your own identifier only",
        )),
        None => Ok(own),
    }
}
