//! Extractors that refuse with an error in `/v1`'s shape.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use packhouse_core::api::ErrorCode;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// Within which a JSON body must be there, or few clients could hold all connections.
const BODY: Duration = Duration::from_secs(20);

/// A JSON body of at most `limits.request_bytes`, whatever its content type says.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> ApiResult<Self> {
        let body = bytes(request, app).await?;
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

/// The bytes of a body, at most `limits.request_bytes`.
///
/// # Errors
///
/// One that is too large, too late, or ended early.
pub async fn bytes(request: Request, app: &App) -> ApiResult<bytes::Bytes> {
    {
        use http_body_util::{BodyExt as _, LengthLimitError, Limited};
        let limit = app.settings.limits.request_bytes;
        let body = Limited::new(request.into_body(), limit).collect();
        let body = tokio::time::timeout(BODY, body).await.map_err(|_| {
            ApiError::new(
                ErrorCode::BadRequest,
                format!("the request's body did not arrive within {} s", BODY.as_secs()),
                "send it again, in one go",
            )
        })?;
        let body = body.map_err(|e| {
            if e.downcast_ref::<LengthLimitError>().is_some() {
                ApiError::new(
                    ErrorCode::TooLarge,
                    format!("the request's body has more than {limit} bytes"),
                    "send JSON only; packages are uploaded to the address that the answer names",
                )
            } else {
                ApiError::new(
                    ErrorCode::BadRequest,
                    "the request's body ended early",
                    "send it again",
                )
            }
        })?;
        Ok(body.to_bytes())
    }
}
