//! An issuer's keys: read from a JSON Web Key Set (RFC 7517), kept, and fetched again when needed.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use tokio::sync::Mutex;

/// How long fetched keys are used without asking again, so that a key that an issuer withdraws is
/// refused an hour later at the latest.
pub const FRESH_SECONDS: i64 = 3_600;
/// How long fetched keys are used while the issuer does not answer.
pub const STALE_SECONDS: i64 = 24 * 3_600;
/// How often at most keys are fetched because a token names one that is not among them.
pub const REFETCH_SECONDS: i64 = 60;
/// How often at most a fetch that failed is repeated.
const RETRY_SECONDS: i64 = 10;

/// The most keys of one issuer that are read.
const KEYS: usize = 64;

/// Where the keys of an issuer come from.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The keys that `issuer` publishes now.
    async fn keys(&self, issuer: &str) -> Result<KeySet, KeyError>;
}

/// Why keys could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);

/// The public keys of one issuer, by key id: RSA of 2048 to 8192 bits, for RS256 signatures.
#[derive(Clone)]
pub struct KeySet(Vec<(String, DecodingKey)>);

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(kid, _)| kid)).finish()
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    n: String,
    e: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of other kinds are left out, as new kinds appear over time;
    /// so are the second of two with one id, and those past the first 64.
    ///
    /// # Errors
    ///
    /// When it is no key set, or has no key that can be used: an issuer never means that.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        let set: Jwks = serde_json::from_slice(json)
            .map_err(|error| KeyError(format!("its key set is not one: {error}")))?;
        let mut keys: Vec<(String, DecodingKey)> = Vec::new();
        for key in set.keys.into_iter().take(KEYS) {
            let Some((kid, key)) = usable(key) else { continue };
            if keys.iter().all(|(held, _)| *held != kid) {
                keys.push((kid, key));
            }
        }
        if keys.is_empty() {
            let why = "its key set has no RSA key of at least 2048 bits for RS256";
            return Err(KeyError(why.to_owned()));
        }
        Ok(Self(keys))
    }

    fn get(&self, kid: &str) -> Option<&DecodingKey> {
        self.0.iter().find(|(held, _)| held == kid).map(|(_, key)| key)
    }
}

fn usable(key: serde_json::Value) -> Option<(String, DecodingKey)> {
    let key: Jwk = serde_json::from_value(key).ok()?;
    let right = key.kty == "RSA"
        && key.alg.is_none_or(|alg| alg == "RS256")
        && key.usage.is_none_or(|usage| usage == "sig")
        && !key.kid.is_empty();
    if !right {
        return None;
    }
    let number = |text: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        Some(bytes[zeros..].to_vec())
    };
    let (n, e) = (number(&key.n)?, number(&key.e)?);
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let odd = e.last()? % 2 == 1;
    let right = (2048..=8192).contains(&bits) && odd && e.len() <= 8 && e != [1];
    right.then(|| (key.kid, DecodingKey::from_rsa_raw_components(&n, &e)))
}

/// Why there is no key to check a token with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// The issuer has no key of that id.
    Unknown,
    /// The issuer's keys could not be had.
    Unavailable { reason: String, retry_seconds: u32 },
}

/// The keys of one issuer, fetched when a token needs them and never in the background. However
/// many tokens with however many key ids come in, one fetch is under way, and at most one a minute.
pub(super) struct KeyStore {
    issuer: String,
    source: Arc<dyn KeySource>,
    held: RwLock<Held>,
    flight: Arc<Mutex<()>>,
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyStore").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// What is known of an issuer's keys; times are seconds since 1970.
#[derive(Clone, Default)]
struct Held {
    /// The newest keys, and when they were fetched.
    keys: Option<(Arc<KeySet>, i64)>,
    /// When a fetch last ended, by the clock of the request that began it.
    tried_at: Option<i64>,
    /// Why the last fetch failed.
    failure: Option<String>,
}

impl Held {
    /// The key, if the keys are at most `age_seconds` old.
    fn key(&self, kid: &str, now: i64, age_seconds: i64) -> Option<DecodingKey> {
        let (keys, fetched_at) = self.keys.as_ref()?;
        (now.saturating_sub(*fetched_at) <= age_seconds).then(|| keys.get(kid).cloned())?
    }

    /// The answer without another fetch, or `None` where one is due.
    fn answer(&self, kid: &str, now: i64) -> Option<Result<DecodingKey, Missing>> {
        if let Some(key) = self.key(kid, now, FRESH_SECONDS) {
            return Some(Ok(key));
        }
        (self.wait_seconds(now) > 0).then(|| self.settled(kid, now))
    }

    /// How long until a fetch may begin. A clock that was set back must not postpone it for long.
    fn wait_seconds(&self, now: i64) -> i64 {
        let pause = if self.failure.is_some() { RETRY_SECONDS } else { REFETCH_SECONDS };
        self.tried_at.map_or(0, |at| pause - now.saturating_sub(at).saturating_abs()).max(0)
    }

    /// The answer from what there is.
    fn settled(&self, kid: &str, now: i64) -> Result<DecodingKey, Missing> {
        if let Some(key) = self.key(kid, now, STALE_SECONDS) {
            return Ok(key);
        }
        let Some(reason) = self.failure.clone() else { return Err(Missing::Unknown) };
        let retry_seconds = u32::try_from(self.wait_seconds(now)).unwrap_or(0).max(1);
        Err(Missing::Unavailable { reason, retry_seconds })
    }
}

impl KeyStore {
    pub(super) fn new(issuer: &str, source: Arc<dyn KeySource>) -> Self {
        let (held, flight) = Default::default();
        Self { issuer: issuer.to_owned(), source, held, flight }
    }

    /// The key `kid`, fetched if need be and allowed.
    pub(super) async fn key(
        self: &Arc<Self>,
        kid: &str,
        now: Timestamp,
    ) -> Result<DecodingKey, Missing> {
        let now = now.as_second();
        let held = self.held();
        if let Some(answer) = held.answer(kid, now) {
            return answer;
        }
        let flight = match (self.flight.clone().try_lock_owned(), held.key(kid, now, STALE_SECONDS))
        {
            (Ok(flight), _) => flight,
            (Err(_), Some(key)) => return Ok(key), // nobody waits who has a usable key
            (Err(_), None) => self.flight.clone().lock_owned().await,
        };
        if let Some(answer) = self.held().answer(kid, now) {
            return answer;
        }
        // A task of its own: a client that hangs up must not undo the fetch that others wait for.
        let store = self.clone();
        let fetch = tokio::spawn(async move {
            let _flight = flight;
            store.fetch(now).await;
        });
        if let Err(error) = fetch.await {
            self.settle(Err(KeyError(format!("the fetch broke off: {error}"))), now);
        }
        self.held().settled(kid, now)
    }

    async fn fetch(&self, now: i64) {
        let fetched = self.source.keys(&self.issuer).await;
        self.settle(fetched, now);
    }

    /// Takes the outcome of a fetch. Not before it is there, so that whoever comes meanwhile waits
    /// for it instead of being refused.
    fn settle(&self, fetched: Result<KeySet, KeyError>, now: i64) {
        if let Err(error) = &fetched {
            crate::log::error(&format!("keys of {}: {error}", self.issuer));
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.tried_at = Some(now);
        match fetched {
            Ok(keys) => {
                held.keys = Some((Arc::new(keys), now));
                held.failure = None;
            }
            Err(error) => held.failure = Some(error.to_string()),
        }
    }

    fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oidc::SigningKey;
    use serde_json::{Value, json};

    fn set(keys: &[Value]) -> Result<Vec<String>, KeyError> {
        let set = KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())?;
        Ok(set.0.into_iter().map(|(kid, _)| kid).collect())
    }

    fn changed(key: &Value, name: &str, value: impl Into<Value>) -> Value {
        let mut key = key.clone();
        key[name] = value.into();
        key
    }

    #[test]
    fn only_strong_rsa_keys_for_signatures_are_taken() {
        let key = SigningKey::generate().unwrap().jwk();
        let named = |kid: &str| changed(&key, "kid", kid);
        let mut plain = named("b");
        plain.as_object_mut().unwrap().retain(|name, _| !["alg", "use"].contains(&name.as_str()));
        let others = [
            named("a"),
            plain,
            changed(&named("a"), "e", "Aw"),
            changed(&named("c"), "kty", "EC"),
            changed(&named("c"), "alg", "RS512"),
            changed(&named("c"), "use", "enc"),
            changed(&named("c"), "e", "AQ"),
            changed(&named("c"), "e", "AQAA"),
            changed(&named("c"), "e", ""),
            changed(&named("c"), "n", "not base64!"),
            changed(&named("c"), "n", ""),
            changed(&named("c"), "n", URL_SAFE_NO_PAD.encode([0; 256])),
            changed(&named("c"), "n", URL_SAFE_NO_PAD.encode([0x7f; 256])),
            changed(&named("c"), "n", URL_SAFE_NO_PAD.encode([0xff; 128])),
            changed(&named("c"), "n", URL_SAFE_NO_PAD.encode([0xff; 1025])),
            changed(&named("c"), "kid", ""),
            changed(&named("c"), "kid", 5),
            json!("c"),
        ];
        assert_eq!(set(&others), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert!(set(&others[2 + 1..]).is_err(), "none of the others");
        assert!(set(&[]).is_err());
        let many: Vec<Value> = (0..1_000).map(|n| named(&n.to_string())).collect();
        assert_eq!(set(&many).unwrap().len(), KEYS);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_fetching() {
        let held = Held { tried_at: Some(1_000_000), ..Held::default() };
        assert_eq!(held.wait_seconds(1_000_000), REFETCH_SECONDS);
        assert_eq!(held.wait_seconds(1_000_059), 1);
        assert_eq!(held.wait_seconds(1_000_060), 0);
        assert_eq!(held.wait_seconds(5), 0);
        let failed = Held { failure: Some("x".into()), ..held };
        assert_eq!(failed.wait_seconds(1_000_003), RETRY_SECONDS - 3);
    }
}
