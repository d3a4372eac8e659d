//! Extractors that refuse with an error in `/v1`'s shape.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use packhouse_core::api::ErrorCode;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Within which a JSON body must be there, or few clients could hold all connections.
const BODY: Duration = Duration::from_secs(20);
/// How much of a body that is too large is read and passed over, in bytes.
const PASSED_OVER_BYTES: usize = 8 << 20;

/// A JSON body of at most `limits.request_bytes`, whatever its content type says.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> ApiResult<Self> {
        let limit = app.settings.limits.request_bytes;
        let body = collect(request.into_body(), limit).await?.ok_or_else(|| {
            ApiError::new(
                ErrorCode::TooLarge,
                format!("the request's body has more than {limit} bytes"),
                "send JSON only; packages are uploaded to the address that the answer names",
            )
        })?;
        serde_json::from_slice(&body).map(Self).map_err(|e| {
            ApiError::new(
                ErrorCode::BadRequest,
                format!(
                    "the request's body is not the JSON that is expected: {}",
                    packhouse_core::escape::printable(&e.to_string())
                ),
                "see /openapi.json for the fields",
            )
        })
    }
}

/// A body of at most `limit` bytes; `None` where it has more.
///
/// # Errors
///
/// `bad-request` for one that ends early or takes too long.
pub(crate) async fn collect(body: axum::body::Body, limit: usize) -> ApiResult<Option<Bytes>> {
    let body = tokio::time::timeout(BODY, read(body, limit)).await.map_err(|_| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("the request's body did not arrive within {} s", BODY.as_secs()),
            "send it again, in one go",
        )
    })?;
    match body {
        Ok(body) => Ok(body),
        Err(_) => Err(ApiError::new(
            ErrorCode::BadRequest,
            "the request's body ended early",
            "send it again",
        )),
    }
}

/// Past `limit` it reads on for a while and keeps nothing: a client that is still sending when the
/// connection is closed does not hear why.
async fn read(mut body: axum::body::Body, limit: usize) -> Result<Option<Bytes>, axum::Error> {
    use http_body_util::BodyExt as _;
    let (mut kept, mut seen) = (Vec::new(), 0_usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        seen = seen.saturating_add(data.len());
        if seen <= limit {
            kept.extend_from_slice(&data);
        } else if seen - limit > PASSED_OVER_BYTES {
            break;
        } else {
            kept = Vec::new();
        }
    }
    Ok((seen <= limit).then(|| kept.into()))
}
