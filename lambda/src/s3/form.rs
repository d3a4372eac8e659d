//! Presigned POST forms: a policy that admits one key and one exact length, signed with Signature
//! Version 4. The SDK has no builder for them.

use aws_credential_types::Credentials;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use packhouse_core::api::UploadForm;
use serde_json::{Map, Value, json};
use sha2::Sha256;

/// What a form is bound to.
pub(super) struct Bounds<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) bytes: u64,
    pub(super) expires_at: Timestamp,
}

/// The form that uploads to `url` within `bounds`, signed at `now` for `region`.
///
/// S3 checks every condition, expects every signed field, and refuses fields beside them.
pub(super) fn sign(
    url: String,
    bounds: &Bounds<'_>,
    keys: &Credentials,
    region: &str,
    now: Timestamp,
) -> UploadForm {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let scope = format!("{day}/{region}/s3/aws4_request");
    let mut fields = Map::new();
    let mut field =
        |name: &str, value: String| fields.insert(name.to_owned(), Value::String(value));
    field("key", bounds.key.to_owned());
    field("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned());
    field("x-amz-credential", format!("{}/{scope}", keys.access_key_id()));
    field("x-amz-date", time.clone());
    if let Some(token) = keys.session_token() {
        field("x-amz-security-token", token.to_owned());
    }
    let mut conditions = vec![
        json!({ "bucket": bounds.bucket }),
        json!(["content-length-range", bounds.bytes, bounds.bytes]),
    ];
    conditions.extend(fields.iter().map(|(name, value)| json!({ name: value })));
    let expiration = bounds.expires_at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    let policy = json!({ "expiration": expiration, "conditions": conditions }).to_string();
    let policy = BASE64.encode(policy);
    let mut key = format!("AWS4{}", keys.secret_access_key()).into_bytes();
    for part in [day, region, "s3", "aws4_request"] {
        key = hmac(&key, part);
    }
    let signature = hmac(&key, &policy).iter().map(|byte| format!("{byte:02x}")).collect();
    fields.insert("policy".to_owned(), Value::String(policy));
    fields.insert("x-amz-signature".to_owned(), Value::String(signature));
    UploadForm { url, fields }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length, so there is no error to be had.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
