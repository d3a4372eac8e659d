//! One token (RFC 7519, RFC 7515), read strictly. These checks stand in front of the signature's:
//! a library that accepts more than this is never asked.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use packhouse_core::claims::Claims;
use packhouse_core::limits::{LEEWAY_SECONDS, TOKEN_LIFE_SECONDS};
use serde_json::{Map, Value};

use super::error::{TokenError, shown};

/// The longest token that is read; GitHub's have about 2 KiB.
pub const TOKEN_BYTES: usize = 16 << 10;

/// Header fields that would have the token say where its own key is, or change what the other fields
/// mean. The registry takes keys from the issuer and extensions from nobody.
const REFUSED_FIELDS: &[&str] = &["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"];

/// Claims that must be texts with something in them.
const REQUIRED: &[&str] = &[
    "sub",
    "jti",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "event_name",
    "ref",
    "ref_type",
    "sha",
    "run_id",
];

/// A token of the right form; what it says is not verified until its signature is.
pub(super) struct Token<'a> {
    kid: String,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// Reads a token of at most 16 KiB: three parts in unpadded base64url, a header that asks for
    /// RS256 and names a key, a payload that is an object.
    pub(super) fn read(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES {
            return Err(invalid(format!("it has {} bytes, {TOKEN_BYTES} are taken", token.len())));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid("it has not three parts"));
        };
        let signature_bytes = decode("signature", signature)?;
        let kid = kid(&object("header", header)?)?;
        let claims = object("payload", payload)?;
        let signed = &token[..header.len() + 1 + payload.len()];
        Ok(Self { kid, claims, signed, signature: signature_bytes })
    }

    /// The id of the key that is said to have signed it.
    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// The issuer that it names.
    pub(super) fn issuer(&self) -> Result<&str, TokenError> {
        match self.claims.get("iss") {
            Some(Value::String(iss)) => Ok(iss),
            other => Err(invalid(format!("claim `iss` is {}, not a text", kind(other)))),
        }
    }

    /// Checks the signature over header and payload, RSASSA-PKCS1-v1_5 with SHA-256.
    pub(super) fn check_signature(&self, key: &DecodingKey) -> Result<(), TokenError> {
        // Named and not the process's default: a default that another crate chooses could panic.
        let provider = &crypto::aws_lc::DEFAULT_PROVIDER;
        let right = (provider.verifier_factory)(&Algorithm::RS256, key)
            .is_ok_and(|check| check.verify(self.signed.as_bytes(), &self.signature).is_ok());
        if right { Ok(()) } else { Err(invalid("its signature is wrong")) }
    }

    /// Checks that the audience is one text, and one of `audiences`.
    pub(super) fn check_audience(&self, audiences: &[String]) -> Result<(), TokenError> {
        let actual = match self.claims.get("aud") {
            Some(Value::String(aud)) if audiences.contains(aud) => return Ok(()),
            Some(Value::String(aud)) => format!("`{}`", shown(aud)),
            other => kind(other).to_owned(),
        };
        Err(TokenError::WrongAudience { expected: audiences.join("` or `"), actual })
    }

    /// Checks `exp`, `nbf` and `iat` against `now`, both clocks allowed to differ by
    /// [`LEEWAY_SECONDS`], and that the whole life is at most [`TOKEN_LIFE_SECONDS`].
    pub(super) fn check_times(&self, now: i64) -> Result<(), TokenError> {
        let (exp, iat) = (self.seconds("exp")?, self.seconds("iat")?);
        let nbf = if self.claims.contains_key("nbf") { self.seconds("nbf")? } else { iat };
        let latest = now.saturating_add(LEEWAY_SECONDS);
        let expired = |claim, expected, actual| TokenError::Expired { claim, expected, actual };
        if now >= exp.saturating_add(LEEWAY_SECONDS) {
            let oldest = now.saturating_sub(LEEWAY_SECONDS);
            return Err(expired("exp", format!("later than `{oldest}`"), exp));
        }
        for (claim, actual) in [("nbf", nbf), ("iat", iat)] {
            if actual > latest {
                return Err(expired(claim, format!("at most `{latest}`"), actual));
            }
        }
        let life = exp.saturating_sub(iat);
        if !(1..=TOKEN_LIFE_SECONDS).contains(&life) {
            let why = format!("it lives for {life} s, 1 to {TOKEN_LIFE_SECONDS} s are taken");
            return Err(invalid(why));
        }
        Ok(())
    }

    /// The claims, once everything else was checked.
    pub(super) fn claims(self) -> Result<Claims, TokenError> {
        for &name in REQUIRED {
            match self.claims.get(name) {
                Some(Value::String(text)) if !text.is_empty() => {}
                Some(Value::String(_)) => return Err(invalid(format!("claim `{name}` is empty"))),
                other => {
                    let found = kind(other);
                    return Err(invalid(format!("claim `{name}` is {found}, not a text")));
                }
            }
        }
        let claims = serde_json::from_value(Value::Object(self.claims));
        claims.map_err(|error| {
            invalid(format!("its claims cannot be read: {}", shown(&error.to_string())))
        })
    }

    fn seconds(&self, name: &str) -> Result<i64, TokenError> {
        let value = self.claims.get(name);
        value.and_then(Value::as_i64).ok_or_else(|| {
            invalid(format!("claim `{name}` is {}, not whole seconds since 1970", kind(value)))
        })
    }
}

fn kid(header: &Map<String, Value>) -> Result<String, TokenError> {
    match header.get("alg") {
        Some(Value::String(alg)) if alg == "RS256" => {}
        Some(Value::String(alg)) => {
            return Err(invalid(format!("its `alg` is `{}`, only `RS256` is taken", shown(alg))));
        }
        other => return Err(invalid(format!("its `alg` is {}, not `RS256`", kind(other)))),
    }
    if let Some(field) = REFUSED_FIELDS.iter().find(|field| header.contains_key(**field)) {
        return Err(invalid(format!("its header has `{field}`, which is not taken")));
    }
    match header.get("kid") {
        Some(Value::String(kid)) if (1..=256).contains(&kid.len()) => Ok(kid.clone()),
        Some(Value::String(_)) => Err(invalid("its `kid` has not 1 to 256 bytes")),
        other => Err(invalid(format!("its `kid` is {}, not a text", kind(other)))),
    }
}

/// A JSON object in base64url. A name that is there twice is refused: two readers could see two
/// different tokens.
fn object(what: &str, text: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = decode(what, text)?;
    // The parser's words may quote the token, at any length.
    let object: UniqueNames = serde_json::from_slice(&bytes).map_err(|error| {
        invalid(format!("its {what} is no JSON object: {}", shown(&error.to_string())))
    })?;
    Ok(object.0)
}

fn decode(what: &str, text: &str) -> Result<Vec<u8>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| !bytes.is_empty());
    bytes.ok_or_else(|| invalid(format!("its {what} is not base64url")))
}

struct UniqueNames(Map<String, Value>);

impl<'de> serde::Deserialize<'de> for UniqueNames {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = UniqueNames;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut entries: A,
            ) -> Result<UniqueNames, A::Error> {
                let mut map = Map::new();
                while let Some((name, value)) = entries.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("a name is there twice"));
                    }
                }
                Ok(UniqueNames(map))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "absent",
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(number)) if number.is_f64() => "a number with a fraction",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
    }
}

fn invalid(why: impl Into<String>) -> TokenError {
    TokenError::Invalid(why.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn token(header: &str, payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(header), part(payload), part("signature"))
    }

    #[test]
    fn a_number_in_claims_keeps_its_size() {
        let header = r#"{"alg":"RS256","kid":"k"}"#;
        let read = |payload: &str| {
            let token = token(header, payload);
            Token::read(&token).and_then(|token| token.check_times(1_000))
        };
        assert_eq!(read(r#"{"exp":1300,"iat":1000,"nbf":400}"#), Ok(()));
        for payload in [
            r#"{"exp":1300.0,"iat":1000}"#,
            r#"{"exp":13e2,"iat":1000}"#,
            r#"{"exp":1300,"iat":99999999999999999999}"#,
            r#"{"exp":-9223372036854775808,"iat":9223372036854775807}"#,
            r#"{"exp":9223372036854775807,"iat":-9223372036854775808}"#,
            r#"{"exp":1300,"iat":1000,"nbf":9223372036854775807}"#,
        ] {
            assert!(read(payload).is_err(), "{payload}");
        }
    }

    #[test]
    fn a_refusal_quotes_little_of_the_token_and_nothing_invisible() {
        let header = format!("\"\u{115f}{}\"", "x".repeat(9_000));
        let error = Token::read(&token(&header, "{}")).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.contains("is no JSON object") && error.contains(r"\u{115f}x"), "{error}");
        assert!(error.chars().count() < 300, "{error}");
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in "\\PC{0,200}") {
            let _ = Token::read(&text);
        }

        #[test]
        fn no_header_makes_reading_panic(header in "[\\[{\"a-z:,0-9\\]} ]{0,60}", payload in "\\PC{0,60}") {
            let _ = Token::read(&token(&header, &payload));
        }

        #[test]
        fn only_plain_rs256_is_read(
            alg in proptest::sample::select(&["RS256", "rs256", "RS384", "none", ""][..]),
            field in "[a-z0-9]{1,6}",
            exp in any::<i64>(),
            iat in any::<i64>(),
            now in any::<i64>(),
        ) {
            let header = serde_json::json!({ "alg": alg, "kid": "k", field.clone(): 1 }).to_string();
            let token = token(&header, &format!("{{\"exp\":{exp},\"iat\":{iat}}}"));
            let read = Token::read(&token);
            let named = field == "alg" || field == "kid";
            let right = alg == "RS256" && !REFUSED_FIELDS.contains(&field.as_str()) && !named;
            prop_assert_eq!(read.is_ok(), right);
            if let Ok(token) = read && token.check_times(now).is_ok() {
                let (exp, iat, now) = (i128::from(exp), i128::from(iat), i128::from(now));
                prop_assert!(now < exp + 60 && iat <= now + 60 && exp - iat <= 900 && exp > iat);
            }
        }
    }
}
