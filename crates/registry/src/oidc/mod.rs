//! The check of CI tokens: what a [`Verifier`] lets through is true, whoever sent it.
//!
//! A token is read strictly ([`token`]), its issuer is one of the configured ones ([`issuer`]), its
//! signature is made by a key that this issuer publishes ([`keys`], [`fetch`]), and its audience and
//! times fit. Whether such a job may publish is another question: `packhouse_core::policy`.

use std::sync::Arc;

use jiff::Timestamp;
use packhouse_core::claims::Claims;

mod error;
mod fetch;
mod issuer;
mod keys;
mod signing;
mod token;

pub use error::TokenError;
pub use fetch::HttpKeys;
pub use issuer::{GITHUB, Issuer, is_loopback};
pub use keys::{FRESH_SECONDS, KeyError, KeySet, KeySource, REFETCH_SECONDS, STALE_SECONDS};
pub use signing::SigningKey;
pub use token::TOKEN_BYTES;

use keys::{KeyStore, Missing};
use token::Token;

/// Verifies tokens of the configured issuers. Making one costs nothing: keys are fetched when the
/// first token asks for them. Each issuer has its own keys, so that none can speak for another.
#[derive(Debug, Default)]
pub struct Verifier {
    issuers: Vec<(Issuer, Arc<KeyStore>)>,
}

impl Verifier {
    /// A verifier that fetches the keys of `issuers` over HTTP.
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Self {
        let source: Arc<dyn KeySource> = Arc::new(HttpKeys);
        issuers
            .into_iter()
            .fold(Self::default(), |verifier, issuer| verifier.with(issuer, source.clone()))
    }

    /// Adds an issuer whose keys come from `source`; one that is there already is replaced.
    #[must_use]
    pub fn with(mut self, issuer: Issuer, source: Arc<dyn KeySource>) -> Self {
        self.issuers.retain(|(held, _)| held.url() != issuer.url());
        let keys = Arc::new(KeyStore::new(issuer.url(), source));
        self.issuers.push((issuer, keys));
        self
    }

    /// The issuers' addresses, for errors and for operators.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|(issuer, _)| issuer.url())
    }

    /// What `token` says, once all of it is verified at the time `now`: form, issuer, signature,
    /// that its audience is one of `audiences`, and its times.
    ///
    /// # Errors
    ///
    /// [`TokenError`], the first check that fails, in that order. Only
    /// [`TokenError::IssuerUnavailable`] may pass by itself.
    pub async fn verify(
        &self,
        token: &str,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<Claims, TokenError> {
        let token = Token::read(token)?;
        // Not verified yet: it only chooses whose keys must have made the signature, and the keys
        // of an issuer verify only tokens that name it.
        let named = token.issuer()?;
        let Some((issuer, keys)) = self.issuers.iter().find(|(issuer, _)| issuer.is(named)) else {
            return Err(TokenError::wrong_issuer(self.issuers(), named));
        };
        let key = keys.key(token.kid(), now).await.map_err(|missing| match missing {
            Missing::Unknown => TokenError::Invalid(format!(
                "`{}` has no key `{}`",
                issuer.url(),
                error::shown(token.kid())
            )),
            Missing::Unavailable { reason, retry_seconds } => TokenError::IssuerUnavailable {
                issuer: issuer.url().to_owned(),
                reason,
                retry_seconds,
            },
        })?;
        token.check_signature(&key)?;
        token.check_audience(audiences)?;
        token.check_times(now.as_second())?;
        token.claims()
    }
}
