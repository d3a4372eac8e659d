//! `/v1/admin/...`: what only operators do. Every verb needs an API token with the action `admin`.

pub(crate) mod names;
pub(crate) mod takedown;
pub(crate) mod tokens;
pub(crate) mod transfer;

pub use names::{list_reserved, reserve, transfer, unreserve};
pub use takedown::{quarantine, remove};
pub use tokens::{create_token, list_tokens, revoke_token};
pub use transfer::{ask_blob, complete_blob, export, import, read_blob};

use http::HeaderMap;
use packhouse_core::identifier::Identifier;

use crate::app::Service;
use crate::auth::{self, Caller, caller};
use crate::error::ApiResult;
use crate::ports::Action;

/// The operator who calls; `identifier` where the verb concerns one package.
pub(crate) async fn operator(
    service: &Service,
    headers: &HeaderMap,
    identifier: Option<&Identifier>,
) -> ApiResult<Caller> {
    // No CI token is ever an operator's: there is no audience for it.
    let caller = caller(service, headers, &[]).await?;
    if let Caller::Token(token) = &caller {
        auth::permit(token, Action::Admin, identifier)?;
    }
    Ok(caller)
}
