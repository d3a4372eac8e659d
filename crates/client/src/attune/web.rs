//! Files by address: https, or http on this machine; bounded, and no redirect is followed.

use std::cell::RefCell;

use packhouse_core::escape::excerpt;
use packhouse_core::secret::Secret;
use ureq::http::{Method, header};

use super::event::{Event, Tell};
use crate::error::ClientError;
use crate::http::{Call, Client, Options};
use crate::url::RegistryUrl;

/// How many bytes lie between two events.
const STEP_BYTES: u64 = 1 << 20;

/// The file at `url`, of at most `limit` bytes.
///
/// # Errors
///
/// [`ClientError::Usage`] for an address that is none, [`ClientError::Missing`] for one with nothing
/// behind it, [`ClientError::Unreachable`] for everything else.
pub(super) fn get(
    url: &str,
    headers: &[(String, Secret)],
    limit: u64,
    tell: Tell,
) -> Result<Vec<u8>, ClientError> {
    let address: RegistryUrl = url.parse().map_err(|e| {
        ClientError::usage(format!("{e}"), "an address is `https://…` without user, query and `#`")
    })?;
    let client = Client::new(address, Options { tries: 3, ..Options::default() });
    let shown = excerpt(url, 200);
    let mut call = Call::new(Method::GET, url.to_owned(), format!("GET {shown}"));
    for (name, value) in headers {
        call = call.header(name.as_str(), value.reveal());
    }
    let body = RefCell::new(Vec::new());
    let status = client.attempt(&call, |answer| {
        let status = answer.status;
        if status != 200 {
            return Ok(status);
        }
        let total = answer.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let mut body = body.borrow_mut();
        body.clear();
        let mut next = 0;
        let told = |bytes| tell(Event::Downloading { url: shown.clone(), bytes, total });
        let deadline = std::time::Duration::from_secs(600);
        answer.stream(limit, deadline, |piece| {
            body.extend_from_slice(piece);
            if body.len() as u64 >= next {
                next = body.len() as u64 + STEP_BYTES;
                told(body.len() as u64);
            }
            Ok(())
        })?;
        told(body.len() as u64);
        Ok(200)
    })?;
    match status {
        200 => Ok(body.into_inner()),
        404 | 410 => Err(ClientError::Missing {
            message: format!("there is nothing at `{shown}` ({status})"),
            help: "look for a slip in the address".to_owned(),
        }),
        status => Err(ClientError::Unreachable {
            what: format!("GET {shown}"),
            cause: format!("the server answered {status}"),
        }),
    }
}
