//! Signed uploads: what a URL or a form admits, sealed with a key that only the registry has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use packhouse_core::api::{UploadForm, UploadPut};
use packhouse_core::digest::Digest;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::UploadError;
use crate::app::PublicUrl;
use crate::ports::{IntentId, Part, Upload, UploadBounds};

/// Makes and checks signed uploads. `Debug` does not show the key.
#[derive(Clone)]
pub struct UploadSigner {
    base: String,
    key: [u8; 32],
}

impl std::fmt::Debug for UploadSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UploadSigner").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The query of a signed PUT.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PutQuery {
    bytes: u64,
    sha256: Digest,
    expires: i64,
    sig: String,
}

/// The policy of a form, in the shape of S3's POST policies.
#[derive(Serialize, Deserialize)]
struct FormPolicy {
    expiration: Timestamp,
    conditions: Conditions,
}

/// What the form admits; the fields' names are those of the form's fields.
#[derive(Serialize, Deserialize)]
struct Conditions {
    key: String,
    #[serde(rename = "content-length-range")]
    length: (u64, u64),
    #[serde(rename = "x-amz-checksum-sha256", default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// The fields of a form that decide.
#[derive(Clone, Debug, Default)]
pub(super) struct FormFields {
    pub(super) key: Option<String>,
    pub(super) policy: String,
    pub(super) signature: String,
}

/// Names of the form's fields.
pub(super) const KEY: &str = "key";
pub(super) const POLICY: &str = "policy";
pub(super) const SIGNATURE: &str = "x-packhouse-signature";
const CHECKSUM: &str = "x-amz-checksum-sha256";

impl UploadSigner {
    /// A signer for uploads below `public_url`.
    pub fn new(public_url: &PublicUrl, key: [u8; 32]) -> Self {
        Self { base: public_url.as_str().to_owned(), key }
    }

    /// Both ways to upload what `bounds` admits.
    pub fn upload(&self, bounds: &UploadBounds) -> Upload {
        Upload {
            put: bounds.digest.map(|digest| self.put(bounds, digest)),
            form: self.form(bounds),
        }
    }

    fn put(&self, bounds: &UploadBounds, digest: Digest) -> UploadPut {
        let (intent, part) = (&bounds.intent, bounds.part.name());
        let (bytes, expires) = (bounds.bytes, expiry_second(bounds.expires_at));
        let sig = hex(&self.mac(&put_text(intent, bounds.part, bytes, &digest, expires)));
        let query = format!("bytes={bytes}&sha256={digest}&expires={expires}&sig={sig}");
        UploadPut {
            url: format!("{}/_upload/{intent}/{part}?{query}", self.base),
            headers: [
                ("if-none-match".to_owned(), "*".to_owned()),
                (CHECKSUM.to_owned(), BASE64.encode(digest.as_bytes())),
            ]
            .into(),
        }
    }

    fn form(&self, bounds: &UploadBounds) -> UploadForm {
        let key = object_key(&bounds.intent, bounds.part);
        let checksum = bounds.digest.map(|digest| BASE64.encode(digest.as_bytes()));
        let policy = FormPolicy {
            expiration: bounds.expires_at,
            conditions: Conditions {
                key: key.clone(),
                length: (bounds.bytes, bounds.bytes),
                checksum: checksum.clone(),
            },
        };
        // Texts and numbers only: there is nothing in it that JSON cannot say.
        let policy = BASE64.encode(serde_json::to_vec(&policy).unwrap_or_default());
        let signature = hex(&self.mac(&form_text(&policy)));
        let mut fields = serde_json::Map::new();
        fields.insert(KEY.to_owned(), key.into());
        if let Some(checksum) = checksum {
            fields.insert(CHECKSUM.to_owned(), checksum.into());
        }
        fields.insert(POLICY.to_owned(), policy.into());
        fields.insert(SIGNATURE.to_owned(), signature.into());
        UploadForm { url: format!("{}/_upload/form", self.base), fields }
    }

    /// What a signed PUT admits.
    pub(super) fn check_put(
        &self,
        intent: &str,
        part: &str,
        query: &PutQuery,
        now: Timestamp,
    ) -> Result<UploadBounds, UploadError> {
        let intent = IntentId::try_from(intent.to_owned()).map_err(UploadError::Malformed)?;
        let part = Part::from_name(part).ok_or_else(no_such_part)?;
        let text = put_text(&intent, part, query.bytes, &query.sha256, query.expires);
        self.verify(&text, &query.sig)?;
        let expires_at = Timestamp::from_second(query.expires)
            .map_err(|e| UploadError::Malformed(format!("`expires` is no time: {e}")))?;
        unexpired(expires_at, now)?;
        Ok(UploadBounds {
            intent,
            part,
            bytes: query.bytes,
            digest: Some(query.sha256),
            expires_at,
        })
    }

    /// What a signed form admits.
    pub(super) fn check_form(
        &self,
        fields: &FormFields,
        now: Timestamp,
    ) -> Result<UploadBounds, UploadError> {
        let wrong = |what: String| UploadError::Malformed(format!("the field `policy` {what}"));
        self.verify(&form_text(&fields.policy), &fields.signature)?;
        let json =
            BASE64.decode(&fields.policy).map_err(|e| wrong(format!("is not base64: {e}")))?;
        let policy: FormPolicy =
            serde_json::from_slice(&json).map_err(|e| wrong(format!("is no policy: {e}")))?;
        unexpired(policy.expiration, now)?;
        if fields.key.as_ref().is_some_and(|key| *key != policy.conditions.key) {
            return Err(UploadError::Malformed("the field `key` is not the policy's".to_owned()));
        }
        let (intent, part) = parse_key(&policy.conditions.key).ok_or_else(no_such_part)?;
        let digest = match &policy.conditions.checksum {
            None => None,
            Some(text) => {
                let bytes = BASE64.decode(text).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
                let bytes = bytes.ok_or_else(|| wrong("has no SHA-256".to_owned()))?;
                Some(Digest::from_bytes(bytes))
            }
        };
        let (_, bytes) = policy.conditions.length;
        Ok(UploadBounds { intent, part, bytes, digest, expires_at: policy.expiration })
    }

    fn mac(&self, text: &str) -> [u8; 32] {
        self.hmac(text).finalize().into_bytes().into()
    }

    fn verify(&self, text: &str, signature: &str) -> Result<(), UploadError> {
        let bytes = unhex(signature).ok_or(UploadError::Signature)?;
        self.hmac(text).verify_slice(&bytes).map_err(|_| UploadError::Signature) // in constant time
    }

    fn hmac(&self, text: &str) -> Hmac<Sha256> {
        // HMAC itself fills short keys up with zeros to the block of its hash (RFC 2104 §2).
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.key);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(text.as_bytes());
        mac
    }
}

/// The first word keeps signatures of PUTs and of forms apart.
fn put_text(intent: &IntentId, part: Part, bytes: u64, digest: &Digest, expires: i64) -> String {
    format!("put\n{intent}\n{}\n{bytes}\n{digest}\n{expires}", part.name())
}

fn form_text(policy: &str) -> String {
    format!("form\n{policy}")
}

fn object_key(intent: &IntentId, part: Part) -> String {
    format!("staging/{intent}.{}", part.name())
}

fn parse_key(key: &str) -> Option<(IntentId, Part)> {
    let (intent, part) = key.strip_prefix("staging/")?.split_once('.')?;
    Some((IntentId::try_from(intent.to_owned()).ok()?, Part::from_name(part)?))
}

fn no_such_part() -> UploadError {
    UploadError::Malformed("the part is neither `archive` nor `artifacts`".to_owned())
}

/// Rounded up: the URL must not end before the intent does.
fn expiry_second(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}

fn unexpired(expires_at: Timestamp, now: Timestamp) -> Result<(), UploadError> {
    if now < expires_at { Ok(()) } else { Err(UploadError::Expired(expires_at)) }
}

fn hex(bytes: &[u8; 32]) -> String {
    Digest::from_bytes(*bytes).hex()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    text.parse::<Digest>().ok().map(|bytes| *bytes.as_bytes())
}
