//! API tokens: made, listed, revoked.

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use packhouse_core::api::{ErrorCode, NewToken, TokenAnswer};
use packhouse_core::secret::Secret;

use super::operator;
use crate::app::App;
use crate::auth::{ApiToken, token_record};
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::ports::{Action, TokenRecord};
use crate::read::Params;

/// Makes an API token; the answer is the only place where it is ever shown.
#[utoipa::path(post, path = "/v1/admin/tokens", tag = "admin", request_body = NewToken, responses((status = 200, body = TokenAnswer)))]
pub async fn create_token(
    State(app): State<App>,
    headers: HeaderMap,
    Body(new): Body<NewToken>,
) -> ApiResult<Json<TokenAnswer>> {
    operator(&app, &headers, None).await?;
    let bad =
        |message: String, help: &str| Err(ApiError::new(ErrorCode::BadRequest, message, help));
    if !(1..=366).contains(&new.days) {
        return bad(format!("`days` is {}", new.days), "a token lives 1 to 366 days");
    }
    if new.label.trim().is_empty() || new.label.len() > 200 {
        return bad(
            "`label` is missing or too long".to_owned(),
            "say in at most 200 bytes what the token is for",
        );
    }
    let prefix_ok =
        new.prefix.len() <= 300
            && new.prefix.trim_end_matches('/').split('/').all(|part| {
                part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
            });
    if !prefix_ok {
        return bad(
            "`prefix` cannot start an identifier".to_owned(),
            "write `acme/` or `acme/sensor`, `python:` for listings, or nothing for all",
        );
    }
    let mut actions = Vec::new();
    for text in &new.actions {
        match action(text) {
            Some(action) if !actions.contains(&action) => actions.push(action),
            Some(_) => {}
            None => {
                let shown = packhouse_core::escape::printable(text);
                return bad(
                    format!("`{shown}` is not an action"),
                    "actions are read, publish, yank, list, admin",
                );
            }
        }
    }
    if actions.is_empty() {
        return bad(
            "`actions` is empty".to_owned(),
            "actions are read, publish, yank, list, admin",
        );
    }
    let token = ApiToken::random()?;
    let now = app.clock.now();
    let record = token_record(&token, new.label.trim(), &new.prefix, actions, new.days, now);
    app.ledger.put_token(&record).await?;
    Ok(Json(answer(&record, Some(token.secret()))))
}

/// All API tokens, newest first, without the tokens themselves.
#[utoipa::path(get, path = "/v1/admin/tokens", tag = "admin", responses((status = 200, body = Vec<TokenAnswer>)))]
pub async fn list_tokens(
    State(app): State<App>,
    headers: HeaderMap,
) -> ApiResult<Json<Vec<TokenAnswer>>> {
    operator(&app, &headers, None).await?;
    let tokens = app.ledger.tokens().await?;
    Ok(Json(tokens.iter().map(|record| answer(record, None)).collect()))
}

/// Revokes an API token at once.
#[utoipa::path(delete, path = "/v1/admin/tokens/{id}", tag = "admin", params(("id" = String, Path)), responses((status = 200, body = serde_json::Value)))]
pub async fn revoke_token(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Json<serde_json::Value>> {
    operator(&app, &headers, None).await?;
    let id = params.get("id").unwrap_or_default();
    if app.ledger.revoke_token(id, app.clock.now()).await? {
        return Ok(Json(serde_json::json!({ "status": "ok", "id": id })));
    }
    let shown = packhouse_core::escape::printable(id);
    Err(ApiError::new(
        ErrorCode::NotFound,
        format!("there is no API token `{shown}`"),
        "`packhouse admin token list` shows the ids",
    ))
}

fn answer(record: &TokenRecord, token: Option<Secret>) -> TokenAnswer {
    TokenAnswer {
        id: record.id.clone(),
        label: record.label.clone(),
        prefix: record.prefix.clone(),
        actions: record.actions.iter().map(|action| text(*action).to_owned()).collect(),
        expires_at: record.expires_at.to_string(),
        revoked_at: record.revoked_at.map(|at| at.to_string()),
        token,
    }
}

fn text(action: Action) -> &'static str {
    match action {
        Action::Read => "read",
        Action::Publish => "publish",
        Action::Yank => "yank",
        Action::List => "list",
        Action::Admin => "admin",
    }
}

fn action(text: &str) -> Option<Action> {
    [Action::Read, Action::Publish, Action::Yank, Action::List, Action::Admin]
        .into_iter()
        .find(|action| self::text(*action) == text)
}
