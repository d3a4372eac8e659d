//! Who is calling: a CI job with an OIDC token, an API token, or nobody.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use packhouse_core::api::ErrorCode;
use packhouse_core::claims::{Claims, Publisher};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::LEEWAY_SECONDS;
use packhouse_core::manifest::NativeName;
use packhouse_core::secret::Secret;

use crate::app::Service;
use crate::error::{ApiError, ApiResult};
use crate::ports::{Action, SeenToken, TokenRecord};

/// Who is calling.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Caller {
    /// A CI job that proved who it is.
    Job(Claims),
    /// The holder of an API token.
    Token(TokenRecord),
    /// Anybody, on a registry that was served with `--open`.
    Open,
}

impl Caller {
    /// Who is recorded.
    pub fn publisher(&self) -> Publisher {
        match self {
            Self::Job(claims) => claims.publisher(),
            Self::Token(token) => Publisher::Token { token_id: token.id.clone() },
            Self::Open => Publisher::Open,
        }
    }

    /// The token that must be remembered as used, for callers whose tokens work once.
    pub fn seen_token(&self) -> Option<SeenToken> {
        let Self::Job(claims) = self else { return None };
        let until = claims.exp.saturating_add(LEEWAY_SECONDS);
        Some(SeenToken {
            issuer: claims.iss.clone(),
            jti: claims.jti.clone(),
            until: Timestamp::from_second(until).unwrap_or(Timestamp::MAX),
        })
    }
}

/// The secret that a request carries: `Bearer`, or the password of HTTP Basic.
pub fn presented(headers: &HeaderMap) -> ApiResult<Option<Secret>> {
    let Some(value) = headers.get(http::header::AUTHORIZATION) else { return Ok(None) };
    let malformed = || {
        ApiError::new(
            ErrorCode::TokenInvalid,
            "the Authorization header is not one this registry reads",
            "send `Authorization: Bearer <token>`",
        )
    };
    let text = value.to_str().map_err(|_| malformed())?;
    let (scheme, rest) = text.split_once(' ').ok_or_else(malformed)?;
    let rest = rest.trim();
    let secret = if scheme.eq_ignore_ascii_case("bearer") {
        rest.to_owned()
    } else if scheme.eq_ignore_ascii_case("basic") {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(rest);
        let pair = bytes.ok().and_then(|b| String::from_utf8(b).ok()).ok_or_else(malformed)?;
        pair.split_once(':').ok_or_else(malformed)?.1.to_owned()
    } else {
        return Err(malformed());
    };
    if secret.is_empty() { Err(malformed()) } else { Ok(Some(Secret::new(secret))) }
}

/// Finds out who calls. `audiences` are those that a CI token may be made for.
///
/// # Errors
///
/// `token-missing` without a token (unless the registry is open), and whatever is wrong with one.
pub async fn caller(
    service: &Service,
    headers: &HeaderMap,
    audiences: &[String],
) -> ApiResult<Caller> {
    let now = service.clock.now();
    match presented(headers)? {
        Some(secret) if ApiToken::looks_like(secret.reveal()) => {
            Ok(Caller::Token(api_token(service, &secret, now).await?))
        }
        Some(secret) => {
            let claims = service.verifier.verify(secret.reveal(), audiences, now).await?;
            Ok(Caller::Job(claims))
        }
        None if service.settings.open => Ok(Caller::Open),
        None => Err(ApiError::new(
            ErrorCode::TokenMissing,
            "this request needs a token and carries none",
            "send `Authorization: Bearer <token>`: the ID token of a CI job, or an API token",
        )),
    }
}

/// Checks an API token: known, not expired, not revoked.
pub async fn api_token(
    service: &Service,
    secret: &Secret,
    now: Timestamp,
) -> ApiResult<TokenRecord> {
    let unknown = || {
        ApiError::new(
            ErrorCode::TokenInvalid,
            "the API token is not known to this registry",
            "check that it is complete and made for this registry; an operator makes tokens with `packhouse admin token create`",
        )
    };
    let token = ApiToken::parse(secret.reveal()).ok_or_else(unknown)?;
    let record = service.ledger.token(&token.sha256()).await?.ok_or_else(unknown)?;
    if let Some(at) = record.revoked_at {
        let message = format!("the API token `{}` was revoked at {at}", record.id);
        return Err(ApiError::new(
            ErrorCode::TokenInvalid,
            message,
            "ask an operator for a new one",
        ));
    }
    if record.expires_at <= now {
        let message = format!("the API token `{}` expired at {}", record.id, record.expires_at);
        return Err(ApiError::new(
            ErrorCode::TokenExpired,
            message,
            "ask an operator for a new one",
        ));
    }
    Ok(record)
}

/// Refuses an API token that may not do `action` on `identifier` (`None`: on the whole registry).
pub fn permit(
    token: &TokenRecord,
    action: Action,
    identifier: Option<&Identifier>,
) -> ApiResult<()> {
    let forbidden = |message: String| {
        Err(ApiError::new(
            ErrorCode::Forbidden,
            message,
            "ask an operator for a token with this right",
        ))
    };
    if !token.actions.contains(&action) {
        return forbidden(format!("the API token `{}` may not {}", token.id, verb(action)));
    }
    match identifier {
        Some(identifier) if !covers(&token.prefix, identifier) => forbidden(format!(
            "the API token `{}` is good for `{}`, not for `{identifier}`",
            token.id, token.prefix
        )),
        None if !token.prefix.is_empty() && action == Action::Admin => forbidden(format!(
            "the API token `{}` is good for `{}` only, not for the whole registry",
            token.id, token.prefix
        )),
        _ => Ok(()),
    }
}

/// Refuses an API token that may not put listings under this native name.
pub fn permit_listing(token: &TokenRecord, name: &NativeName) -> ApiResult<()> {
    permit(token, Action::List, None)?;
    let whole = format!("{}:{}", name.ecosystem, name.name).to_lowercase();
    if whole.starts_with(&token.prefix) {
        return Ok(());
    }
    let whole = packhouse_core::escape::printable(&whole);
    Err(ApiError::new(
        ErrorCode::Forbidden,
        format!("the API token `{}` is good for `{}`, not for `{whole}`", token.id, token.prefix),
        format!("ask an operator for a token with the prefix `{}:`", name.ecosystem),
    ))
}

fn verb(action: Action) -> &'static str {
    match action {
        Action::Read => "read",
        Action::Publish => "publish",
        Action::Yank => "yank or deprecate",
        Action::List => "put listings",
        Action::Admin => "administer",
    }
}

/// Whether a token's prefix covers an identifier: whole parts only, so `acme/sen` does not cover
/// `acme/sensor`.
fn covers(prefix: &str, identifier: &Identifier) -> bool {
    let prefix = prefix.trim_end_matches('/').to_ascii_lowercase();
    let rest = identifier.key().strip_prefix(&prefix);
    prefix.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// An API token: `pkh_`, 43 characters that hold 256 random bits, and 6 that check them, so that a
/// mistyped token is told from an unknown one and secret scanners can be sure.
pub struct ApiToken(String);

const PREFIX: &str = "pkh_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARACTERS: usize = 43;
const CHECK_CHARACTERS: usize = 6;

impl ApiToken {
    /// A fresh token from the system's randomness.
    pub fn random() -> Result<Self, crate::ports::StoreError> {
        let mut text = PREFIX.to_owned();
        while text.len() < PREFIX.len() + RANDOM_CHARACTERS {
            let mut bytes = [0u8; 64];
            getrandom::fill(&mut bytes).map_err(|e| {
                crate::ports::StoreError::Unavailable(format!("no randomness: {e}"))
            })?;
            // 248 is the largest multiple of 62 below 256: the rest would favour some characters.
            let fair =
                bytes.iter().filter(|b| **b < 248).map(|b| ALPHABET[*b as usize % 62] as char);
            let missing = PREFIX.len() + RANDOM_CHARACTERS - text.len();
            text.extend(fair.take(missing));
        }
        text.push_str(&check(&text));
        Ok(Self(text))
    }

    /// Whether a text claims to be an API token.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Parses a token; `None` when a character is wrong.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = text.len() == PREFIX.len() + RANDOM_CHARACTERS + CHECK_CHARACTERS;
        let body = text.strip_prefix(PREFIX)?;
        if !whole || !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        let (random, expected) = text.split_at(text.len() - CHECK_CHARACTERS);
        (check(random) == expected).then(|| Self(text.to_owned()))
    }

    /// What is stored of it.
    pub fn sha256(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }

    /// Its public id.
    pub fn id(&self) -> String {
        self.sha256().hex()[..12].to_owned()
    }

    /// The token itself, shown once.
    pub fn secret(&self) -> Secret {
        Secret::new(self.0.clone())
    }
}

/// Six characters over the digest of what stands before them.
fn check(text: &str) -> String {
    let digest = Digest::of(text.as_bytes());
    digest.as_bytes()[..CHECK_CHARACTERS]
        .iter()
        .map(|b| ALPHABET[*b as usize % 62] as char)
        .collect()
}

/// Makes the record of a fresh token that lives `days`.
pub fn token_record(
    token: &ApiToken,
    label: &str,
    prefix: &str,
    actions: Vec<Action>,
    days: u32,
    now: Timestamp,
) -> TokenRecord {
    let life = SignedDuration::from_hours(24 * i64::from(days));
    TokenRecord {
        id: token.id(),
        sha256: token.sha256(),
        label: label.to_owned(),
        prefix: prefix.to_ascii_lowercase(),
        actions,
        created_at: now,
        expires_at: now.checked_add(life).unwrap_or(Timestamp::MAX),
        revoked_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_token_checks_itself() {
        let token = ApiToken::random().unwrap();
        let text = token.secret().reveal().to_owned();
        assert_eq!(text.len(), 53);
        assert_eq!(ApiToken::parse(&text).unwrap().id(), token.id());
        let mut other = text.clone().into_bytes();
        other[10] = if other[10] == b'a' { b'b' } else { b'a' };
        assert!(ApiToken::parse(std::str::from_utf8(&other).unwrap()).is_none());
        assert!(ApiToken::parse(&text[..52]).is_none());
        assert!(ApiToken::parse("pkh_ä").is_none());
    }

    #[test]
    fn a_prefix_covers_whole_parts() {
        let id: Identifier = "Acme/sensor".parse().unwrap();
        for prefix in ["", "acme", "acme/", "ACME/sensor"] {
            assert!(covers(prefix, &id), "{prefix}");
        }
        for prefix in ["ac", "acme/sen", "acme/sensor/x"] {
            assert!(!covers(prefix, &id), "{prefix}");
        }
    }

    #[test]
    fn basic_and_bearer_carry_a_secret() {
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", value.parse().unwrap());
            presented(&headers)
        };
        assert_eq!(with("Bearer abc").unwrap().unwrap().reveal(), "abc");
        assert_eq!(with("basic dXNlcjpwYTpzcw==").unwrap().unwrap().reveal(), "pa:ss");
        assert!(with("Digest x").is_err());
        assert!(with("Bearer").is_err());
        assert!(presented(&HeaderMap::new()).unwrap().is_none());
    }
}
