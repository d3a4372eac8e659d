//! `begin`: an intent is opened, found again, or refused.

use jiff::{SignedDuration, Timestamp};

use super::{Rows, Usage, WINDOW_SECONDS, publisher_key, same_job};
use crate::ports::{Begun, Intent, Quota, SeenToken, StoreResult};

/// [`crate::ports::Ledger::begin`].
///
/// A released version answers first, whatever the token. An intent that is found again is renewed:
/// it takes the later expiry, or a publish that is rerun late would have no time left.
pub fn begin(
    rows: &mut impl Rows,
    intent: &Intent,
    token: Option<&SeenToken>,
    quota: Quota,
    now: Timestamp,
) -> StoreResult<Begun> {
    let key = intent.version.key();
    if let Some(release) = rows.release(&intent.identifier, key)? {
        let same = intent.digest == Some(release.digest) && release.marks.removed.is_none();
        return Ok(if same { Begun::Same(release) } else { Begun::Taken(release) });
    }
    // The caller repeats this very call because an answer got lost.
    if let Some(mine) = rows.intent(&intent.id)? {
        return Ok(Begun::Opened(mine));
    }
    let seen = match token {
        Some(token) => rows.seen(&token.issuer, &token.jti)?,
        None => None,
    };
    let found = match seen {
        Some(id) => match rows.intent(&id)? {
            Some(first) if first.expires_at > now && same_request(&first, intent) => Some(first),
            _ => return Ok(Begun::Replayed),
        },
        // Without a digest nobody can tell whether two requests mean the same bytes.
        None if intent.digest.is_none() => None,
        None => rows
            .open_intents(&intent.identifier, key)?
            .into_iter()
            .find(|open| open.expires_at > now && same_request(open, intent)),
    };
    let opened = match found {
        Some(mut open) => {
            open.expires_at = open.expires_at.max(intent.expires_at);
            open
        }
        None => {
            let usage = rows.usage(&publisher_key(&intent.publisher), now)?;
            if let Some(retry_after) = too_many(usage, quota, now) {
                return Ok(Begun::TooMany { retry_after });
            }
            intent.clone()
        }
    };
    rows.put_intent(&opened)?;
    if let Some(token) = token {
        rows.put_seen(token, &opened.id)?;
    }
    Ok(Begun::Opened(opened))
}

/// Whether two intents ask for the same by the same job; who it was in detail (which try of the run)
/// does not matter.
fn same_request(a: &Intent, b: &Intent) -> bool {
    // An intent that came without a train gets one at confirm; the request did not change by that.
    let same_train = b.train.is_none() || a.train == b.train;
    a.identifier == b.identifier
        && a.version == b.version
        && a.version.text() == b.version.text()
        && a.format == b.format
        && a.bytes == b.bytes
        && a.digest == b.digest
        && a.artifacts_bytes == b.artifacts_bytes
        && a.artifacts_digest == b.artifacts_digest
        && a.bound_audience == b.bound_audience
        && a.git_ref == b.git_ref
        && same_train
        && same_job(&a.publisher, &b.publisher)
}

/// Seconds to wait, at least 1, when the quota is used up.
fn too_many(usage: Usage, quota: Quota, now: Timestamp) -> Option<u32> {
    let seconds_until = |at: Timestamp| {
        let wait = at.duration_since(now).as_millis().max(0).div_euclid(1000) + 1;
        u32::try_from(wait).unwrap_or(u32::MAX)
    };
    if usage.open >= quota.open_intents {
        return Some(usage.next_expiry.map_or(1, seconds_until));
    }
    if usage.recent >= quota.per_ten_minutes {
        let window = SignedDuration::from_secs(WINDOW_SECONDS);
        let free = usage.oldest_recent.and_then(|oldest| oldest.checked_add(window).ok());
        return Some(free.map_or(1, seconds_until));
    }
    None
}
