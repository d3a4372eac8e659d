//! What is answered instead of the result, in this path's shapes.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use packhouse_core::compose::{Invalid, Issue};
use serde_json::json;

use crate::error::ApiError;
use crate::ports::StoreError;

/// An answer that is no result.
pub(super) enum Reply {
    /// An error of the registry's own: rights, stores, limits.
    Error(ApiError),
    /// A status with one sentence.
    Says(StatusCode, String),
    /// The mistakes of a request: 422.
    Invalid(Invalid),
}

impl Reply {
    /// 404.
    pub(super) fn no_package(id: u64) -> Self {
        Self::Says(StatusCode::NOT_FOUND, format!("Package {id} not found"))
    }

    /// 400.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::Says(StatusCode::BAD_REQUEST, detail.into())
    }
}

impl From<ApiError> for Reply {
    fn from(error: ApiError) -> Self {
        Self::Error(error)
    }
}

impl From<StoreError> for Reply {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl From<Invalid> for Reply {
    fn from(issues: Invalid) -> Self {
        Self::Invalid(issues)
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        match self {
            Self::Error(error) => error.into_response(),
            Self::Says(status, detail) => {
                (status, Json(json!({ "detail": detail }))).into_response()
            }
            Self::Invalid(issues) => {
                let body = Json(json!({ "detail": issues }));
                (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
            }
        }
    }
}

/// The number of a package in a path. An integer that no package can have is one that is not there.
pub(super) fn number(text: &str) -> Result<u64, Reply> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        let msg = "Input should be a valid integer, unable to parse string as an integer";
        return Err(Reply::Invalid(vec![Issue {
            kind: "int_parsing".to_owned(),
            loc: vec![json!("path"), json!("package_id")],
            msg: msg.to_owned(),
            input: json!(text),
            ctx: None,
        }]));
    }
    let shown = || packhouse_core::escape::excerpt(text, 40);
    text.parse()
        .map_err(|_| Reply::Says(StatusCode::NOT_FOUND, format!("Package {} not found", shown())))
}
