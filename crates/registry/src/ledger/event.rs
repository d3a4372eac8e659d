//! Events: canonical bytes, the chain of hashes within a package, the feed's numbers.

use jiff::Timestamp;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Event, Head, SCHEMA};
use serde::Serialize;

use super::Rows;
use crate::ports::{StoreError, StoreResult};

/// What an event says, before it has its place in the feed.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// `released`, `yanked`, ...
    pub kind: &'static str,
    /// The version concerned, as text.
    pub version: Option<String>,
    /// What changed.
    pub data: serde_json::Value,
}

/// An event without its hash, in the field order of [`Event`]: what is hashed.
#[derive(Serialize)]
struct Canonical<'a> {
    schema: u32,
    number: u64,
    identifier: &'a Identifier,
    sequence: u64,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    at: Timestamp,
    data: &'a serde_json::Value,
    previous: Digest,
}

/// The bytes whose SHA-256 is [`Event::hash`]: the event's JSON without `hash`, fields in their
/// order, no white space.
///
/// # Errors
///
/// [`StoreError::Broken`] when it is not representable in JSON; no event of ours is.
pub fn canonical_bytes(event: &Event) -> StoreResult<Vec<u8>> {
    serde_json::to_vec(&Canonical {
        schema: event.schema,
        number: event.number,
        identifier: &event.identifier,
        sequence: event.sequence,
        kind: &event.kind,
        version: event.version.as_deref(),
        at: event.at,
        data: &event.data,
        previous: event.previous,
    })
    .map_err(|e| StoreError::Broken(format!("event {} is not JSON: {e}", event.number)))
}

/// What stands in place of the previous hash in a package's first event: 64 zeros.
pub fn first_previous() -> Digest {
    Digest::from_bytes([0; 32])
}

/// Appends an event behind the package's newest one and moves `head` to it. The caller stores the
/// head afterwards.
///
/// # Errors
///
/// Those of the store.
pub fn append(
    rows: &mut impl Rows,
    head: &mut Head,
    draft: EventDraft,
    now: Timestamp,
) -> StoreResult<()> {
    let mut event = Event {
        schema: SCHEMA,
        number: rows.last_event()? + 1,
        identifier: head.identifier.clone(),
        sequence: head.sequence + 1,
        kind: draft.kind.to_owned(),
        version: draft.version,
        at: now,
        data: draft.data,
        previous: head.event_hash,
        hash: first_previous(),
    };
    event.hash = Digest::of(&canonical_bytes(&event)?);
    rows.put_event(&event)?;
    head.sequence = event.sequence;
    head.event_hash = event.hash;
    head.updated_at = now;
    Ok(())
}

/// Checks that `events`, all events of one package in order, form an unbroken chain.
///
/// # Errors
///
/// The first event that does not fit, and why.
pub fn verify_chain(events: &[Event]) -> Result<(), String> {
    let mut previous = first_previous();
    for (at, event) in events.iter().enumerate() {
        let place = format!("event {} of `{}`", event.number, event.identifier);
        if event.sequence != at as u64 + 1 {
            return Err(format!("{place} has sequence {}, expected {}", event.sequence, at + 1));
        }
        if event.previous != previous {
            return Err(format!("{place} follows {}, expected {previous}", event.previous));
        }
        let hash = Digest::of(&canonical_bytes(event).map_err(|e| e.to_string())?);
        if event.hash != hash {
            return Err(format!("{place} says hash {}, its bytes have {hash}", event.hash));
        }
        previous = hash;
    }
    Ok(())
}
