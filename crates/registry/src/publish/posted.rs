//! A publish in one request: clients of other communities post the archive itself.
//!
//! The same checks as of a request and a confirm stand before it, and the same commit seals it. There is
//! no upload to bind: the registry packed the bytes itself.

use bytes::Bytes;
use packhouse_core::api::ErrorCode;
use packhouse_core::archive::Archive;
use packhouse_core::identifier::Identifier;
use packhouse_core::version::Version;

use super::confirm::{blocking, release, seal};
use super::contents;
use super::identity::{admit, taken};
use super::whole::Whole;
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, ApiResult};
use crate::ports::{Begun, Quota};

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It is released.
    Released,
    /// The same content was released before.
    WasThere,
}

/// Publishes `archive` as `identifier@version` for `caller`, who holds an API token or needs none.
///
/// # Errors
///
/// What stands against any publish: pins, reservations, rights, a version with other content, a manifest
/// that is not of this package.
pub(crate) async fn posted(
    app: &App,
    caller: &Caller,
    identifier: &Identifier,
    version: &Version,
    format: &str,
    archive: Archive,
) -> ApiResult<Posted> {
    admit(app, caller, identifier, version, true).await?;
    let limits = app.settings.limits.clone();
    let now = app.clock.now();
    let digest = archive.digest;
    let whole = Whole {
        identifier: identifier.clone(),
        version: version.clone(),
        format: format.to_owned(),
        publisher: caller.publisher(),
        bytes: archive.bytes.len() as u64,
        digest,
    };
    let (intent, train) = whole.intent(now, &limits)?;
    let turn = app.turns.take(&intent, &limits).await?;
    let bytes = Bytes::from(archive.bytes);
    let (reading, expected) = (bytes.clone(), intent.clone());
    let checked = blocking(&turn, move || contents::check(&reading, &expected, &limits)).await?;
    drop(turn);
    let limits = &app.settings.limits;
    let quota = Quota {
        open_intents: limits.open_intents,
        per_ten_minutes: limits.publishes_per_ten_minutes,
    };
    let intent = match app.ledger.begin(&intent, None, quota, now).await? {
        Begun::Opened(intent) => intent,
        Begun::Same(_) => return Ok(Posted::WasThere),
        Begun::Taken(held) => return Err(taken(&held)),
        Begun::Replayed => return Err(super::replayed()),
        Begun::TooMany { retry_after } => {
            let message = "this token has asked for too many publishes in a short time";
            let help = format!("wait {retry_after} s, and post it again");
            return Err(
                ApiError::new(ErrorCode::RateLimited, message, help).retry_after(retry_after)
            );
        }
    };
    app.blobs.put(bytes).await?;
    let publisher = intent.publisher.clone();
    let release = release(app, &intent, &train, digest, checked, None, publisher).await?;
    seal(app, &intent, &train, &release, None).await?;
    Ok(Posted::Released)
}
