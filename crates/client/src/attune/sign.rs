//! Detached Ed25519 signatures (RFC 8032) over the exact bytes of a file, in `<file>.sig` as Base64.

use std::path::Path;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use packhouse_core::escape::printable;
use packhouse_core::secret::Secret;

use crate::error::ClientError;

/// The largest key file or signature that is read, in bytes.
pub(super) const SMALL_BYTES: u64 = 16 << 10;
/// What stands before the 32 bytes of a key in a `SubjectPublicKeyInfo` (RFC 8410).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that signs.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads a PKCS#8 key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] for a file that is none; it never holds what stands in the file.
    pub fn read(path: &Path) -> Result<Self, ClientError> {
        let text = Secret::new(small(path)?);
        let wrong = || {
            ClientError::usage(
                format!("`{}` is no Ed25519 key in PKCS#8 PEM", printable(&path.to_string_lossy())),
                "make one with `openssl genpkey -algorithm ed25519 -out key.pem`",
            )
        };
        let der = pem(text.reveal(), "PRIVATE KEY").ok_or_else(wrong)?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| wrong())?;
        Ok(Self(pair))
    }

    /// The text of `<file>.sig` for these bytes.
    pub fn sign(&self, bytes: &[u8]) -> String {
        STANDARD.encode(self.0.sign(bytes).as_ref()) + "\n"
    }

    /// The public key, in Base64: what readers configure.
    pub fn public(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }
}

/// A key that signatures are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Parses 32 bytes in Base64, or a PEM file's text as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    ///
    /// [`ClientError::Usage`] for a text that is neither.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let wrong = || {
            ClientError::usage(
                "the key is no Ed25519 public key",
                "write its 32 bytes in Base64, as `--sign-key` shows them",
            )
        };
        let bytes = match pem(text, "PUBLIC KEY") {
            Some(der) => der.strip_prefix(&SPKI).ok_or_else(wrong)?.to_vec(),
            None => STANDARD.decode(text.trim()).map_err(|_| wrong())?,
        };
        bytes.try_into().map(Self).map_err(|_| wrong())
    }

    /// Holds the text of a `.sig` against `bytes`, which `what` names in the error.
    ///
    /// # Errors
    ///
    /// [`ClientError::Integrity`].
    pub fn verify(&self, what: &str, bytes: &[u8], signature: &str) -> Result<(), ClientError> {
        let refused = |reason: &str| ClientError::Integrity(format!("{what}: {reason}"));
        let signature = STANDARD
            .decode(signature.trim())
            .map_err(|_| refused("its signature is no Base64 text"))?;
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(bytes, &signature)
            .map_err(|_| refused("its signature is not of the configured key over these bytes"))
    }
}

/// Reads a small text file.
pub(super) fn small(path: &Path) -> Result<String, ClientError> {
    use std::io::Read as _;
    let mut text = String::new();
    fs_err::File::open(path)?.take(SMALL_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// The bytes of the first PEM block called `label`.
fn pem(text: &str, label: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (SigningKey, tempfile::TempDir) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key.pem");
        let text = STANDARD.encode(pkcs8.as_ref());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        fs_err::write(&path, pem).unwrap();
        (SigningKey::read(&path).unwrap(), dir)
    }

    #[test]
    fn a_signature_is_of_one_key_over_exact_bytes() {
        let (key, _dir) = key();
        let public = PublicKey::parse(&key.public()).unwrap();
        let signature = key.sign(b"bytes");
        public.verify("x", b"bytes", &signature).unwrap();
        assert!(public.verify("x", b"bytes ", &signature).is_err());
        assert!(public.verify("x", b"bytes", "").is_err());
        assert!(public.verify("x", b"bytes", "%").is_err());
        let other = PublicKey::parse(&self::key().0.public()).unwrap();
        assert!(other.verify("x", b"bytes", &signature).is_err());
    }

    #[test]
    fn a_key_is_read_as_openssl_writes_it() {
        // RFC 8410, section 10.1.
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        let plain = "Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        assert_eq!(PublicKey::parse(pem).unwrap(), PublicKey::parse(plain).unwrap());
        for text in ["", "abc", "AAAA"] {
            assert!(PublicKey::parse(text).is_err(), "{text}");
        }
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("k"), "secret words").unwrap();
        let error = SigningKey::read(&dir.path().join("k")).err().unwrap().to_string();
        assert!(!error.contains("secret words"), "{error}");
    }
}
