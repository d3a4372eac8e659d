//! Changes to what is visible: marks, heads, tokens, counts.

use jiff::Timestamp;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Described, Event, Head, Mark, Release};
use serde_json::{Value, json};

use super::{EventDraft, Rows, append};
use crate::ports::{Downloads, HeadChange, MarkChange, StoreError, StoreResult, TokenRecord};

/// [`crate::ports::Ledger::mark`].
///
/// A mark that says the same again (reason and replacement) changes nothing, whoever says it. A
/// removed release takes no further marks.
///
/// # Errors
///
/// Those of the store.
pub fn mark(
    rows: &mut impl Rows,
    identifier: &Identifier,
    key: &str,
    change: &MarkChange,
    now: Timestamp,
) -> StoreResult<Option<Release>> {
    let (Some(mut release), Some(mut head)) =
        (rows.release(identifier, key)?, rows.head(identifier)?)
    else {
        return Ok(None);
    };
    let Some(kind) = apply(&mut release, change) else { return Ok(Some(release)) };
    let data = match change {
        MarkChange::Yank(mark)
        | MarkChange::Deprecate(mark)
        | MarkChange::Quarantine(mark)
        | MarkChange::Remove(mark) => mark_data(mark),
        MarkChange::Unyank | MarkChange::Undeprecate | MarkChange::Restore => json!({}),
    };
    let version = Some(release.version.text().to_owned());
    append(rows, &mut head, EventDraft { kind, version, data }, now)?;
    rows.put_head(&head)?;
    rows.put_release(&release)?;
    Ok(Some(release))
}

/// Applies a change; the event's kind, or `None` when nothing changed.
fn apply(release: &mut Release, change: &MarkChange) -> Option<&'static str> {
    if release.marks.removed.is_some() {
        return None;
    }
    let marks = &mut release.marks;
    match change {
        MarkChange::Yank(mark) => set(&mut marks.yanked, mark).then_some("yanked"),
        MarkChange::Unyank => marks.yanked.take().map(|_| "unyanked"),
        MarkChange::Deprecate(mark) => set(&mut marks.deprecated, mark).then_some("deprecated"),
        MarkChange::Undeprecate => marks.deprecated.take().map(|_| "undeprecated"),
        MarkChange::Quarantine(mark) => set(&mut marks.quarantined, mark).then_some("quarantined"),
        MarkChange::Restore => marks.quarantined.take().map(|_| "restored"),
        MarkChange::Remove(mark) => {
            marks.removed = Some(mark.clone());
            bury(release);
            Some("removed")
        }
    }
}

fn set(slot: &mut Option<Mark>, mark: &Mark) -> bool {
    let said = |m: &Mark| (m.reason.clone(), m.replacement.clone());
    if slot.as_ref().map(said) == Some(said(mark)) {
        return false;
    }
    *slot = Some(mark.clone());
    true
}

/// Leaves a tombstone: digests and sizes, who and when, and nothing that the content says. The
/// attachments keep their digests without paths, so that a removal that was cut short can be
/// repeated and still finds the blobs to delete.
fn bury(release: &mut Release) {
    release.described = Described {
        format: std::mem::take(&mut release.described.format),
        native: None,
        repository: String::new(),
        license: String::new(),
        summary: String::new(),
        homepage: None,
        authors: Vec::new(),
        keywords: Vec::new(),
        dependencies: Vec::new(),
        exports: Vec::new(),
        requires: Vec::new(),
        original: Value::Null,
    };
    release.readme = None;
    release.git_ref = None;
    release.quality = None;
    release.warnings.clear();
    for attachment in release.attachments.iter_mut().flatten() {
        attachment.path.clear();
    }
}

fn mark_data(mark: &Mark) -> Value {
    let mut data = json!({ "by": mark.by, "reason": mark.reason });
    if let Some(replacement) = &mark.replacement {
        data["replacement"] = json!(replacement);
    }
    data
}

/// [`crate::ports::Ledger::change_head`].
///
/// Repeating a call whose answer got lost finds its own event and answers the same.
///
/// # Errors
///
/// Those of the store.
pub fn change_head(
    rows: &mut impl Rows,
    identifier: &Identifier,
    sequence: u64,
    change: &HeadChange,
    data: Value,
    now: Timestamp,
) -> StoreResult<Option<Head>> {
    let mut head = match rows.head(identifier)? {
        Some(head) => head,
        // An operator decides about a package before its first release.
        None if sequence == 0 && !matches!(change, HeadChange::Native(_)) => {
            super::publish::new_head(identifier, now)
        }
        None => return Ok(None),
    };
    let kind = match change {
        HeadChange::Policy(_) | HeadChange::TokensAllowed(_) => "policy",
        HeadChange::Transfer(_) => "transferred",
        HeadChange::Native(_) => "reserved",
    };
    if head.sequence != sequence {
        let mine = |event: &Event| event.kind == kind && event.data == data;
        let last = rows.package_event(identifier, head.sequence)?;
        let repeated = sequence.checked_add(1) == Some(head.sequence)
            && last.as_ref().is_some_and(mine)
            && holds(&head, change);
        return Ok(repeated.then_some(head));
    }
    match change {
        HeadChange::Policy(policy) => head.policy = policy.clone(),
        HeadChange::Transfer(pins) => head.pins = pins.clone(),
        HeadChange::TokensAllowed(allowed) => head.tokens_allowed = *allowed,
        HeadChange::Native(name) => {
            if let Some(loser) = rows.native(name)?.filter(|holder| holder != identifier)
                && let Some(mut loser) = rows.head(&loser)?
            {
                let data = json!({ "native": name, "to": identifier });
                if loser.native.as_ref() == Some(name) {
                    loser.native = None;
                }
                append(
                    rows,
                    &mut loser,
                    EventDraft { kind: "transferred", version: None, data },
                    now,
                )?;
                rows.put_head(&loser)?;
            }
            rows.put_native(name, identifier)?;
            head.native = Some(name.clone());
        }
    }
    append(rows, &mut head, EventDraft { kind, version: None, data }, now)?;
    rows.put_head(&head)?;
    Ok(Some(head))
}

/// Whether the head is as the change would leave it.
fn holds(head: &Head, change: &HeadChange) -> bool {
    match change {
        HeadChange::Policy(policy) => head.policy == *policy,
        HeadChange::Transfer(pins) => head.pins == *pins,
        HeadChange::TokensAllowed(allowed) => head.tokens_allowed == *allowed,
        HeadChange::Native(name) => head.native.as_ref() == Some(name),
    }
}

/// [`crate::ports::Ledger::put_token`]: the same record again is no error.
///
/// # Errors
///
/// [`StoreError::Broken`] when the id or the SHA-256 belongs to another record.
pub fn put_token(rows: &mut impl Rows, token: &TokenRecord) -> StoreResult<()> {
    let held = match rows.token_by_id(&token.id)? {
        Some(held) => Some(held),
        None => rows.token(&token.sha256)?,
    };
    match held {
        None => rows.put_token(token),
        Some(held) if held == *token => Ok(()),
        Some(held) => Err(StoreError::Broken(format!(
            "API token `{}` is recorded already as `{}`",
            token.id, held.id
        ))),
    }
}

/// [`crate::ports::Ledger::revoke_token`]: the time of the first revocation stays.
///
/// # Errors
///
/// Those of the store.
pub fn revoke_token(rows: &mut impl Rows, id: &str, now: Timestamp) -> StoreResult<bool> {
    let Some(mut token) = rows.token_by_id(id)? else { return Ok(false) };
    if token.revoked_at.is_none() {
        token.revoked_at = Some(now);
        rows.put_token(&token)?;
    }
    Ok(true)
}

/// [`crate::ports::Ledger::count_downloads`].
///
/// # Errors
///
/// Those of the store.
pub fn count_downloads(rows: &mut impl Rows, counts: &[Downloads]) -> StoreResult<()> {
    counts.iter().try_for_each(|count| rows.add_downloads(count))
}
