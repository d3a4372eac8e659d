//! One request, one answer, all of it: for looking at a registry instead of using it.

use std::time::Duration;

use packhouse_core::secret::Secret;
use ureq::http::Method;

use crate::error::ClientError;
use crate::http::{Client, Outgoing};

/// The largest answer that is looked at, in bytes.
const LOOK_BYTES: u64 = 64 << 20;
/// How long an answer may take.
const LOOK: Duration = Duration::from_secs(120);

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Seen {
    /// A header's value; the empty text where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

impl Client {
    /// Asks once, and once more where the connection broke. Redirects are not followed.
    ///
    /// # Errors
    ///
    /// [`ClientError::Unreachable`] without an answer, [`ClientError::NotARegistry`] for a redirect.
    pub fn probe(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        token: Option<&Secret>,
        body: Option<&serde_json::Value>,
    ) -> Result<Seen, ClientError> {
        let method: Method = method.parse().unwrap_or(Method::GET);
        let mut call = self.call(method, path).bearer(token);
        for (name, value) in headers {
            call = call.header(*name, *value);
        }
        if let Some(body) = body {
            call.body = Outgoing::Json(body.to_string().into_bytes());
        }
        self.look(&call, |answer| {
            let headers = answer.headers.iter().map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            });
            let (status, headers) = (answer.status, headers.collect());
            let body = answer.read(LOOK_BYTES, LOOK)?;
            Ok(Seen { status, headers, body })
        })
    }
}
