//! Fetching an issuer's keys over HTTP: its discovery document (OpenID Connect Discovery 1.0), then
//! the key set that it points to, on the issuer's own host and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use ureq::Agent;
use ureq::tls::TlsConfig;

use super::error::shown;
use super::issuer::same_origin;
use super::keys::{KeyError, KeySet, KeySource};

/// How long one of the two requests may take, from name resolution to the last byte: 5 s for both.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The most bytes that are read of an answer; GitHub's key set has about 10 KiB.
const ANSWER_BYTES: u64 = 256 << 10;

/// Keys from the issuer's own address. No redirect is followed, no answer above 256 KiB is read, and
/// both requests together take at most 5 s.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpKeys;

#[async_trait]
impl KeySource for HttpKeys {
    async fn keys(&self, issuer: &str) -> Result<KeySet, KeyError> {
        let issuer = issuer.to_owned();
        let work = move || {
            let agent = agent(&issuer)?;
            load(&issuer, |url| get(&agent, url))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| KeyError(format!("the fetch broke off: {error}")))?
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

fn load(issuer: &str, get: impl Fn(&str) -> Result<Vec<u8>, KeyError>) -> Result<KeySet, KeyError> {
    let address = format!("{issuer}/.well-known/openid-configuration");
    let discovery: Discovery = serde_json::from_slice(&get(&address)?)
        .map_err(|error| KeyError(format!("its discovery document is not one: {error}")))?;
    if discovery.issuer != issuer {
        let other = shown(&discovery.issuer);
        return Err(KeyError(format!("its discovery document is that of `{other}`")));
    }
    if !same_origin(issuer, &discovery.jwks_uri) {
        let other = shown(&discovery.jwks_uri);
        return Err(KeyError(format!("its keys are said to be on another host: `{other}`")));
    }
    KeySet::parse(&get(&discovery.jwks_uri)?)
}

/// A client made for one fetch: they are rare, and TLS roots cost memory while nobody publishes.
fn agent(issuer: &str) -> Result<Agent, KeyError> {
    let config = Agent::config_builder()
        .timeout_global(Some(REQUEST_TIMEOUT))
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .user_agent(concat!("packhouse/", env!("CARGO_PKG_VERSION")))
        .accept("application/json");
    if issuer.starts_with("http:") {
        return Ok(config.proxy(None).build().into());
    }
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(crypto).build();
    Ok(config.https_only(true).tls_config(tls).build().into())
}

fn get(agent: &Agent, url: &str) -> Result<Vec<u8>, KeyError> {
    let wrong = |what: String| KeyError(format!("`{}` {what}", shown(url)));
    let mut answer = agent.get(url).call().map_err(|error| wrong(format!("fails: {error}")))?;
    if answer.status() != 200 {
        return Err(wrong(format!("answers {}", answer.status().as_u16())));
    }
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES);
    body.read_to_vec().map_err(|error| wrong(format!("sends no usable answer: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(discovery: &str) -> String {
        let get = |url: &str| match url {
            "https://issuer.example/x/.well-known/openid-configuration" => {
                Ok(discovery.as_bytes().to_vec())
            }
            other => Err(KeyError(format!("asked `{other}`"))),
        };
        load("https://issuer.example/x", get).map_or_else(|error| error.0, |_| "keys".to_owned())
    }

    #[test]
    fn keys_come_from_the_issuers_own_host() {
        insta::assert_snapshot!(
            outcome(r#"{"issuer":"https://issuer.example/x","jwks_uri":"https://issuer.example/k"}"#),
            @"asked `https://issuer.example/k`"
        );
        insta::assert_snapshot!(
            outcome(r#"{"issuer":"https://issuer.example/x","jwks_uri":"https://evil.example/k"}"#),
            @"its keys are said to be on another host: `https://evil.example/k`"
        );
        insta::assert_snapshot!(
            outcome(r#"{"issuer":"https://issuer.example/x","jwks_uri":"http://issuer.example/k"}"#),
            @"its keys are said to be on another host: `http://issuer.example/k`"
        );
        insta::assert_snapshot!(
            outcome(r#"{"issuer":"https://issuer.example","jwks_uri":"https://issuer.example/k"}"#),
            @"its discovery document is that of `https://issuer.example`"
        );
        assert!(outcome("[]").starts_with("its discovery document is not one"));
    }

    #[test]
    fn the_client_for_tls_can_be_made() {
        assert!(agent("https://issuer.example").is_ok());
    }
}
