//! Errors on `/v1`: one shape, one status per code.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use packhouse_core::api::{ErrorBody, ErrorCode, ErrorDetail};
use packhouse_core::policy::Refusal;

use crate::ports::StoreError;

/// What a handler answers.
pub type ApiResult<T> = Result<T, ApiError>;

/// An error on its way to a client.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// The stable code.
    pub code: ErrorCode,
    /// What was found.
    pub message: String,
    /// What would be right.
    pub help: String,
    /// For programs.
    pub facts: Box<serde_json::Map<String, serde_json::Value>>,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
}

impl ApiError {
    /// An error with its message and its fix.
    pub fn new(code: ErrorCode, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            help: help.into(),
            facts: Box::default(),
            retry_after: None,
        }
    }

    /// Adds a fact for programs.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to come again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The HTTP status of the code.
    pub fn status(&self) -> StatusCode {
        status(self.code)
    }

    /// The error as its JSON body.
    pub fn body(&self, request_id: &str) -> ErrorBody {
        let detail = if self.help.is_empty() {
            self.message.clone()
        } else {
            format!("{} ({})", self.message, self.help)
        };
        ErrorBody {
            detail,
            error: ErrorDetail {
                code: self.code,
                message: self.message.clone(),
                help: self.help.clone(),
                request_id: request_id.to_owned(),
                facts: (*self.facts).clone(),
            },
        }
    }
}

/// The one table of HTTP statuses. Pins and policy are 403; 409 on publish means that the version
/// stands with other content, and nothing else; races and passing faults are 503.
pub fn status(code: ErrorCode) -> StatusCode {
    use ErrorCode as E;
    match code {
        E::BadRequest => StatusCode::BAD_REQUEST,
        E::NotFound => StatusCode::NOT_FOUND,
        E::InvalidIdentifier
        | E::InvalidVersion
        | E::InvalidManifest
        | E::InvalidArchive
        | E::InvalidArtifacts
        | E::InvalidPolicy
        | E::UploadMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        E::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        E::VersionExists | E::ImportConflict => StatusCode::CONFLICT,
        E::IntentExpired | E::Removed => StatusCode::GONE,
        E::TokenMissing | E::TokenInvalid | E::TokenExpired | E::SignatureInvalid => {
            StatusCode::UNAUTHORIZED
        }
        E::TokenReplayed
        | E::WrongAudience
        | E::WrongIssuer
        | E::WrongEvent
        | E::WrongRepository
        | E::WrongOwner
        | E::WrongRef
        | E::TagMismatch
        | E::UnprotectedRef
        | E::WrongWorkflow
        | E::WrongEnvironment
        | E::WrongRunner
        | E::NameReserved
        | E::IntentForeign
        | E::Forbidden => StatusCode::FORBIDDEN,
        E::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        E::VersionReserved | E::Unavailable | E::IssuerUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        E::Quarantined => StatusCode::UNAVAILABLE_FOR_LEGAL_REASONS,
        E::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let request_id = crate::request_id::current();
        let body = serde_json::to_vec(&self.body(&request_id)).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status() == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer, Basic realm=\"packhouse\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        let wait =
            self.retry_after.or((self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(2));
        if let Some(seconds) = wait {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        // For who stands around and answers in another shape.
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::new(
                ErrorCode::Unavailable,
                "the registry's store does not answer at the moment",
                "try again in a few seconds; repeating a publish is safe",
            )
            .retry_after(2),
            StoreError::Broken(_) => Self::new(
                ErrorCode::Internal,
                "the registry could not read or write its store",
                "tell the operator the request id; its log has the cause",
            ),
        }
        .because(&error)
    }
}

impl ApiError {
    /// Logs the cause, which clients do not see.
    fn because(self, cause: &dyn std::error::Error) -> Self {
        crate::log::error(&format!("{}: {cause}", self.code));
        self
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.to_string(), refusal.help)
            .fact("claim", refusal.claim)
            .fact("expected", refusal.expected)
            .fact("actual", refusal.actual)
    }
}

#[cfg(test)]
mod tests {
    use packhouse_core::api::LocalCode;

    use super::*;

    #[test]
    fn every_code_has_a_page_with_its_status() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        for code in ErrorCode::ALL {
            let page = std::fs::read_to_string(format!("{docs}/{code}.md"));
            let page = page.unwrap_or_else(|_| panic!("docs/errors/{code}.md is missing"));
            let status = status(*code).as_u16();
            assert!(page.contains(&format!("HTTP status {status}.")), "{code} is {status}");
        }
        let pages = std::fs::read_dir(docs).unwrap().count();
        let codes = ErrorCode::ALL.len() + LocalCode::ALL.len();
        assert_eq!(pages, codes + 1, "a page for each code, and the index");
    }
}
