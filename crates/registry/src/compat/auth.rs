//! Who may write on a compat path: the same tokens as on `/v1`, as `Bearer` or as the password of HTTP
//! Basic. What is refused is an [`ApiError`], which [`super::shaped`] writes in
//! the path's shape.

use http::HeaderMap;
use packhouse_core::api::ErrorCode;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;

use crate::app::Service;
use crate::auth::{self, Caller, caller};
use crate::error::{ApiError, ApiResult};
use crate::ports::Action;

/// What somebody wants to write.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A listing: the action `list`, and a prefix that covers the name (`python:`, `python:pbg-`).
    Listing(&'a NativeName),
    /// A package: the action `publish`, and a prefix that covers the identifier.
    Package(&'a Identifier),
    /// Work that the registry does for the caller and that names nothing of its own, such as an audit:
    /// any token with the action `list` or `publish`.
    Work,
}

/// Who writes.
#[derive(Clone, Debug)]
pub struct Writer {
    /// As listings name their owner: the API token's id, or `open` under `--open`.
    pub owner: String,
    /// Whether it may change what others own.
    pub operator: bool,
    /// The caller.
    pub caller: Caller,
}

/// The caller, who must be allowed to write `target`. Without a token only under `--open`.
///
/// # Errors
///
/// `token-missing` and what is wrong with a token (401), `forbidden` for one without the right (403).
pub async fn writer(
    service: &Service,
    headers: &HeaderMap,
    target: Target<'_>,
) -> ApiResult<Writer> {
    // No CI token is good here: it is made for one publish, and those come over `/v1/publish`.
    let caller = caller(service, headers, &[]).await?;
    let Caller::Token(token) = &caller else {
        return Ok(Writer { owner: "open".to_owned(), operator: true, caller });
    };
    let operator = auth::permit(token, Action::Admin, None).is_ok();
    match target {
        _ if operator => {}
        Target::Listing(name) => auth::permit_listing(token, name)?,
        Target::Package(identifier) => auth::permit(token, Action::Publish, Some(identifier))?,
        Target::Work if token.actions.contains(&Action::Publish) => {}
        Target::Work => auth::permit(token, Action::List, None)?,
    }
    Ok(Writer { owner: token.id.clone(), operator, caller })
}

/// For a POST that only reads: on a private registry the caller must be allowed to read all of it, as
/// for a GET. The read gate sees to those that are a GET.
///
/// # Errors
///
/// As [`writer`], on a private registry only.
pub async fn reader(service: &Service, headers: &HeaderMap) -> ApiResult<()> {
    if !service.settings.private {
        return Ok(());
    }
    match caller(service, headers, &[]).await? {
        Caller::Token(token) if auth::permit(&token, Action::Admin, None).is_ok() => Ok(()),
        Caller::Token(token) if token.prefix.is_empty() => auth::permit(&token, Action::Read, None),
        Caller::Token(token) => Err(ApiError::new(
            ErrorCode::Forbidden,
            format!("the API token `{}` is good for `{}` only", token.id, token.prefix),
            "ask an operator for a token without a prefix",
        )),
        Caller::Open | Caller::Job(_) => Ok(()),
    }
}
