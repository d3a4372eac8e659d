//! A signing key of a local issuer, made at run time and kept in memory only.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use packhouse_core::digest::Digest;
use serde_json::{Value, json};

use super::KeyError;

/// An RSA key of 2048 bits that signs tokens with RS256.
pub struct SigningKey {
    pair: KeyPair,
    kid: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a key; takes a tenth of a second or so.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| KeyError("no key could be made".to_owned()))?;
        let kid = Digest::of(pair.public_key().as_ref()).hex();
        Ok(Self { pair, kid })
    }

    /// The key's id: the SHA-256 of its public part.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public part as a JSON Web Key.
    pub fn jwk(&self) -> Value {
        let public = self.pair.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "kid": self.kid,
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        })
    }

    /// A token of `header` and `claims` as they are, signed.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String, KeyError> {
        self.sign_bytes(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// A token of any bytes, signed: what a broken issuer would send.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn sign_bytes(&self, header: &[u8], payload: &[u8]) -> Result<String, KeyError> {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = format!("{}.{}", part(header), part(payload));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| KeyError("the token could not be signed".to_owned()))?;
        Ok(format!("{message}.{}", part(&signature)))
    }
}
