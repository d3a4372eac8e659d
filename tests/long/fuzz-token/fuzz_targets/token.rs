//! No token makes its check panic, whoever signed it; and what passes says what the check promises.
//!
//! The first byte of the input chooses. 0: the rest is a token as a client sends it. 1: it is a key
//! set as an issuer sends it. Any other: the rest is a header and, on the next line, claims. They are
//! checked with a signature that is wrong, which must never pass; only where nothing but the
//! signature was wrong they are signed, since that takes a thousand times as long as all the rest.
#![no_main]

use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::{Corpus, fuzz_target};
use packhouse_core::claims::Claims;
use packhouse_core::escape::printable;
use packhouse_core::limits::{LEEWAY_SECONDS, TOKEN_LIFE_SECONDS};
use packhouse_registry::error::ApiError;
use packhouse_registry::oidc::{
    Issuer, KeyError, KeySet, KeySource, SigningKey, TokenError, Verifier,
};
use serde_json::Value;
use tokio::runtime::Runtime;

/// The time of the check; seeds are made for it.
const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://issuer.example";
const HEADER: &str = r#"{"alg":"RS256","kid":"k"}"#;
/// Claims that are right at that time.
const CLAIMS: &str = r#"{"iss":"https://issuer.example","aud":"a","sub":"s","jti":"j","iat":1800000000,"exp":1800000300,"repository":"o/r","repository_id":"1","repository_owner":"o","repository_owner_id":"2","event_name":"push","ref":"r","ref_type":"tag","sha":"0","run_id":"3"}"#;

/// A key set with the one key, called `k` so that inputs can name it.
struct Keys(Vec<u8>);

#[async_trait::async_trait]
impl KeySource for Keys {
    async fn keys(&self, _issuer: &str) -> Result<KeySet, KeyError> {
        KeySet::parse(&self.0)
    }
}

struct Parts {
    key: SigningKey,
    verifier: Verifier,
    runtime: Runtime,
}

fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let key = SigningKey::generate().expect("a key");
        let mut jwk = key.jwk();
        jwk["kid"] = "k".into();
        let keys = Arc::new(Keys(serde_json::json!({ "keys": [jwk] }).to_string().into_bytes()));
        let verifier = Verifier::default()
            .with(Issuer::parse(ISSUER).expect("an issuer"), keys.clone())
            .with(Issuer::github(), keys);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Parts { key, verifier, runtime }
    })
}

fn verify(token: &str) -> Result<Claims, TokenError> {
    let Parts { verifier, runtime, .. } = parts();
    let now = jiff::Timestamp::from_second(NOW).expect("a time");
    let answer = runtime.block_on(verifier.verify(token, &["a".to_owned()], now));
    if let Err(error) = &answer {
        let text = error.to_string();
        assert_eq!(text, printable(&text), "an error steers");
        assert!(text.len() < 4_096, "an error of {} bytes", text.len());
        let _ = ApiError::from(error.clone());
    }
    answer
}

fuzz_target!(init: {
    // Else everything below would be refused, and nothing found.
    let token = parts().key.sign_bytes(HEADER.as_bytes(), CLAIMS.as_bytes()).expect("a token");
    verify(&token).expect("a token that is right");
}, |input: &[u8]| -> Corpus {
    let Some((&kind, rest)) = input.split_first() else { return Corpus::Reject };
    match kind {
        0 => {
            let Ok(token) = std::str::from_utf8(rest) else { return Corpus::Reject };
            assert!(verify(token).is_err(), "no input holds the key");
        }
        1 => hostile_keys(rest),
        _ => {
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                return Corpus::Reject;
            };
            signed(&rest[..end], &rest[end + 1..]);
        }
    }
    Corpus::Keep
});

/// Keys from outside are read, and checked against, without a panic.
fn hostile_keys(json: &[u8]) {
    if KeySet::parse(json).is_err() {
        return;
    }
    let issuer = Issuer::parse(ISSUER).expect("an issuer");
    let verifier = Verifier::default().with(issuer, Arc::new(Keys(json.to_vec())));
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let claims = part(format!(r#"{{"iss":"{ISSUER}"}}"#).as_bytes());
    let token = format!("{}.{claims}.{}", part(HEADER.as_bytes()), part(&[1; 256]));
    let now = jiff::Timestamp::from_second(NOW).expect("a time");
    assert!(parts().runtime.block_on(verifier.verify(&token, &[], now)).is_err());
}

fn signed(header: &[u8], claims: &[u8]) {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let forged = format!("{}.{}.{}", part(header), part(claims), part(&[1; 256]));
    match verify(&forged) {
        Ok(_) => panic!("a wrong signature passed"),
        Err(TokenError::Invalid(why)) if why == "its signature is wrong" => {}
        Err(_) => return,
    }
    let token = parts().key.sign_bytes(header, claims).expect("a token");
    let Ok(believed) = verify(&token) else { return };
    // Another reader finds the same, and what was promised.
    let header: Value = serde_json::from_slice(header).expect("a header");
    assert_eq!((&header["alg"], &header["kid"]), (&"RS256".into(), &"k".into()));
    for field in ["jku", "jwk", "x5u", "x5c", "crit", "b64", "zip", "enc"] {
        assert!(header.get(field).is_none(), "`{field}` in {header}");
    }
    let claims: Value = serde_json::from_slice(claims).expect("claims");
    let Ok(Value::Object(shown)) = serde_json::to_value(&believed) else { panic!("an object") };
    for (name, value) in &shown {
        assert_eq!(claims.get(name).unwrap_or(&Value::Null), value, "claim `{name}`");
    }
    let rest = believed.iss.strip_prefix("https://token.actions.githubusercontent.com/");
    let enterprise = rest.is_some_and(|slug| !slug.contains('/'));
    let github = believed.iss == "https://token.actions.githubusercontent.com";
    assert!(believed.iss == ISSUER || github || enterprise, "{}", believed.iss);
    assert_eq!(believed.aud, "a");
    assert!(NOW < believed.exp + LEEWAY_SECONDS, "it expired");
    assert!(believed.iat <= NOW + LEEWAY_SECONDS, "it is of the future");
    assert!(believed.nbf.is_none_or(|nbf| nbf <= NOW + LEEWAY_SECONDS), "it is not valid yet");
    assert!((1..=TOKEN_LIFE_SECONDS).contains(&(believed.exp - believed.iat)), "its life");
    for id in [&believed.repository_id, &believed.repository_owner_id, &believed.jti] {
        assert!(!id.is_empty(), "an id is empty");
    }
}
