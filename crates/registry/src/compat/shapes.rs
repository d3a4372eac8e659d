//! Errors as each ecosystem's clients read them.

use http::StatusCode;
use serde_json::json;

use crate::error::ApiError;

/// `{"detail": "..."}`, as the `compose` API answers.
pub fn compose(error: &ApiError, status: StatusCode) -> (&'static str, Vec<u8>) {
    let detail = match status {
        StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed".to_owned(),
        _ => sentence(error),
    };
    ("application/json", json!({ "detail": detail }).to_string().into_bytes())
}

/// A YAML mapping, so that the stock client says what is wrong instead of failing over a text.
pub fn fppm(error: &ApiError, status: StatusCode) -> (&'static str, Vec<u8>) {
    // A JSON string is a YAML scalar in double quotes.
    let text = format!("error: {}\nstatus: {}\n", json!(sentence(error)), status.as_u16());
    ("text/yaml; charset=utf-8", text.into_bytes())
}

/// `{"error": "..."}`, as APL's registry answers.
pub fn apl(error: &ApiError, _: StatusCode) -> (&'static str, Vec<u8>) {
    ("application/json", json!({ "error": sentence(error) }).to_string().into_bytes())
}

/// `{"error", "code", "details"}`, as Attune's API answers.
pub fn attune(error: &ApiError, status: StatusCode) -> (&'static str, Vec<u8>) {
    let code = match status.as_u16() {
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 | 410 => "NOT_FOUND",
        409 => "CONFLICT",
        422 => "VALIDATION_ERROR",
        429 => "TOO_MANY_REQUESTS",
        501 => "NOT_IMPLEMENTED",
        500..=599 => "INTERNAL_SERVER_ERROR",
        _ => "BAD_REQUEST",
    };
    let mut body = json!({ "error": error.message, "code": code });
    if !error.help.is_empty() {
        body["details"] = json!(error.help);
    }
    ("application/json", body.to_string().into_bytes())
}

/// What was found, and what would be right.
fn sentence(error: &ApiError) -> String {
    match error.help.as_str() {
        "" => error.message.clone(),
        help => format!("{} ({help})", error.message),
    }
}
