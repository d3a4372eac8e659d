//! Why a token is not believed, and what the client is told of it.

use packhouse_core::api::ErrorCode;
use packhouse_core::escape::printable;

use crate::error::ApiError;

/// Why a token is not believed. Nothing in it is a secret: values are claims, never the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token as the registry takes them, or its signature is wrong.
    #[error("the token is refused: {0}")]
    Invalid(String),
    /// Expired, or not valid yet.
    #[error("claim `{claim}` is `{actual}`, expected {expected}")]
    Expired {
        /// `exp`, `nbf` or `iat`.
        claim: &'static str,
        /// Seconds since 1970, with the leeway.
        expected: String,
        /// Seconds since 1970.
        actual: i64,
    },
    /// Made for somebody or something else.
    #[error("claim `aud` is {actual}, expected `{expected}`")]
    WrongAudience {
        /// The audience that the registry rebuilt from the request.
        expected: String,
        /// What was found: a value in backticks, or its kind.
        actual: String,
    },
    /// From an issuer that the registry does not know.
    #[error("claim `iss` is `{actual}`, expected {expected}")]
    WrongIssuer {
        /// The configured issuers.
        expected: String,
        /// What was found.
        actual: String,
    },
    /// The issuer's keys could not be had, so nothing is known of the token.
    #[error("the keys of `{issuer}` cannot be fetched: {reason}")]
    IssuerUnavailable {
        /// The issuer.
        issuer: String,
        /// Why.
        reason: String,
        /// When the registry tries again.
        retry_seconds: u32,
    },
}

impl TokenError {
    pub(super) fn wrong_issuer<'a>(known: impl Iterator<Item = &'a str>, actual: &str) -> Self {
        let known: Vec<String> = known.map(|url| format!("`{url}`")).collect();
        let expected = if known.is_empty() {
            "nothing: this registry takes no CI tokens".to_owned()
        } else {
            known.join(" or ")
        };
        Self::WrongIssuer { expected, actual: shown(actual) }
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid(_) => ErrorCode::TokenInvalid,
            Self::Expired { .. } => ErrorCode::TokenExpired,
            Self::WrongAudience { .. } => ErrorCode::WrongAudience,
            Self::WrongIssuer { .. } => ErrorCode::WrongIssuer,
            Self::IssuerUnavailable { .. } => ErrorCode::IssuerUnavailable,
        }
    }

    /// What would be right.
    pub fn help(&self) -> String {
        match self {
            Self::Invalid(_) => {
                "send the ID token of a CI job that has `permissions: { id-token: write }`, \
                 unchanged, as `Authorization: Bearer <token>`"
            }
            Self::Expired { claim: "exp", .. } => {
                "ask for a fresh token right before each request: they live for minutes"
            }
            Self::Expired { .. } => {
                "the clocks of issuer and registry differ; set the registry's clock, then try again"
            }
            Self::WrongAudience { .. } => {
                "ask for a token with exactly this audience: it names the registry, the package, \
                 the version and the bytes that are published"
            }
            Self::WrongIssuer { .. } => {
                "publish from a CI system that this registry is configured with; its operator adds \
                 one with `--issuer URL`"
            }
            Self::IssuerUnavailable { .. } => {
                "nothing is wrong with the token; try again in a few seconds"
            }
        }
        .to_owned()
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        let api = Self::new(error.code(), error.to_string(), error.help());
        match error {
            TokenError::Invalid(_) => api,
            TokenError::Expired { claim, expected, actual } => {
                api.fact("claim", claim).fact("expected", expected).fact("actual", actual)
            }
            TokenError::WrongAudience { expected, actual } => {
                api.fact("claim", "aud").fact("expected", expected).fact("actual", actual)
            }
            TokenError::WrongIssuer { expected, actual } => {
                api.fact("claim", "iss").fact("expected", expected).fact("actual", actual)
            }
            TokenError::IssuerUnavailable { issuer, retry_seconds, .. } => {
                api.fact("issuer", issuer).retry_after(retry_seconds)
            }
        }
    }
}

/// A value as errors show it: printable, cut at 200 characters.
pub(super) fn shown(value: &str) -> String {
    let cut = value.char_indices().nth(200).map_or(value.len(), |(at, _)| at);
    let dots = if cut < value.len() { "…" } else { "" };
    format!("{}{dots}", printable(&value[..cut]))
}
