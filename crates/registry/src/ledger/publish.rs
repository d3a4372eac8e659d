//! `prepare` and `commit`: a version is reserved with a hidden row, then a train is sealed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use packhouse_core::claims::Publisher;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{NativeName, Target};
use packhouse_core::policy::Policy;
use packhouse_core::release::{Head, Release, SCHEMA};
use serde_json::json;

use super::{
    EventDraft, Hidden, Rows, append, first_previous, owner_pin_of, publisher_key, reserved_native,
};
use crate::ports::{
    Committed, IntentId, Member, Prepared, SeenToken, StoreError, StoreResult, Train,
};

/// [`crate::ports::Ledger::prepare`].
///
/// # Errors
///
/// Those of the store, and [`StoreError::Broken`] when `release` is no member of `train`.
pub fn prepare(
    rows: &mut impl Rows,
    intent: &IntentId,
    train: &Train,
    release: &Release,
    token: Option<&SeenToken>,
    now: Timestamp,
) -> StoreResult<Prepared> {
    let (identifier, key) = (&release.identifier, release.version.key());
    let is_release = |m: &Member| m.identifier == *identifier && m.version.key() == key;
    if !train.members.iter().any(|m| is_release(m) && m.digest == release.digest) {
        return Err(StoreError::Broken(format!(
            "`{identifier}@{}` with {} is no member of its train {}",
            release.version, release.digest, train.id
        )));
    }
    if let Some(visible) = rows.release(identifier, key)? {
        let same = visible.digest == release.digest && visible.marks.removed.is_none();
        return Ok(if same { Prepared::Same(visible) } else { Prepared::Taken(visible) });
    }
    let mut kept = match rows.intent(intent)? {
        Some(kept) if kept.expires_at > now => kept,
        _ => return Ok(Prepared::Expired),
    };
    if let Some(token) = token
        && rows.seen(&token.issuer, &token.jti)?.is_some_and(|first| first != *intent)
    {
        return Ok(Prepared::Replayed);
    }
    // A row that its pins keep from ever being sealed reserves nothing: else whoever is refused
    // could lock the rightful publisher out until the row expires.
    if let Some(held) = rows.hidden(identifier, key)?
        && held.train != train.id
        && let Some(until) = rows.train_expiry(&held.train)?
        && until > now
        && check(rows, &held.release)?.is_none()
        && !is_given_up(rows, &held, release)?
    {
        return Ok(Prepared::Reserved { until });
    }
    let expires_at =
        rows.train_expiry(&train.id)?.map_or(kept.expires_at, |at| at.max(kept.expires_at));
    rows.put_hidden(&Hidden {
        train: train.id,
        release: release.clone(),
        bound_audience: kept.bound_audience,
    })?;
    rows.put_train(&train.id, expires_at)?;
    if let Some(token) = token {
        rows.put_seen(token, intent)?;
    }
    if kept.train.as_ref() != Some(train) {
        kept.train = Some(train.clone());
        rows.put_intent(&kept)?;
    }
    Ok(Prepared::Ready)
}

/// Whether `held` rides an incomplete train of the very publisher who now comes with `release` in
/// another one: a member of the first was refused, and the publisher mended it. Without this the
/// mended train would wait until the first expires.
fn is_given_up(rows: &impl Rows, held: &Hidden, release: &Release) -> StoreResult<bool> {
    if publisher_key(&held.release.publisher) != publisher_key(&release.publisher) {
        return Ok(false);
    }
    let Ok(intent) = IntentId::try_from(held.release.intent.clone()) else { return Ok(false) };
    let train = rows.intent(&intent)?.and_then(|intent| intent.train);
    let Some(train) = train.filter(|train| train.id == held.train) else { return Ok(false) };
    Ok(!waiting(rows, &train)?.is_empty())
}

/// [`crate::ports::Ledger::commit`].
///
/// A member that is released with its digest already counts as done; one whose version went to
/// other content is waited for, and the next `prepare` says who holds it.
///
/// # Errors
///
/// Those of the store.
pub fn commit(rows: &mut impl Rows, train: &Train, now: Timestamp) -> StoreResult<Committed> {
    let (ready, waiting) = members(rows, train)?;
    if ready.is_empty() && waiting.is_empty() {
        return sealed(rows, train);
    }
    if rows.train_expiry(&train.id)?.is_some_and(|until| until <= now) {
        return Ok(Committed::Expired);
    }
    if !waiting.is_empty() {
        return Ok(Committed::Waiting(waiting));
    }
    for hidden in &ready {
        if let Some(refusal) = check(rows, &hidden.release)? {
            return Ok(refusal);
        }
    }
    for at in dependency_order(ready.iter().map(|hidden| &hidden.release)) {
        seal(rows, &ready[at], now)?;
    }
    rows.drop_train(&train.id)?;
    sealed(rows, train)
}

/// [`crate::ports::Ledger::waiting`].
///
/// # Errors
///
/// Those of the store.
pub fn waiting(rows: &impl Rows, train: &Train) -> StoreResult<Vec<Member>> {
    members(rows, train).map(|(_, waiting)| waiting)
}

/// [`crate::ports::Ledger::prepared`].
///
/// # Errors
///
/// Those of the store.
pub fn prepared(rows: &impl Rows, train: &Train) -> StoreResult<Vec<Release>> {
    members(rows, train).map(|(ready, _)| ready.into_iter().map(|row| row.release).collect())
}

/// [`crate::ports::Ledger::use_token`].
///
/// # Errors
///
/// Those of the store.
pub fn use_token(rows: &mut impl Rows, token: &SeenToken, purpose: &IntentId) -> StoreResult<bool> {
    match rows.seen(&token.issuer, &token.jti)? {
        Some(first) => Ok(first == *purpose),
        None => rows.put_seen(token, purpose).map(|()| true),
    }
}

/// The hidden rows of a train, and its members that neither have one nor are released.
fn members(rows: &impl Rows, train: &Train) -> StoreResult<(Vec<Hidden>, Vec<Member>)> {
    let mut ready = Vec::new();
    let mut waiting = Vec::new();
    for member in &train.members {
        let key = member.version.key();
        match rows.release(&member.identifier, key)? {
            Some(release) if release.digest == member.digest => continue,
            Some(_) => waiting.push(member.clone()),
            None => match rows.hidden(&member.identifier, key)? {
                Some(hidden) if hidden.train == train.id => ready.push(hidden),
                _ => waiting.push(member.clone()),
            },
        }
    }
    Ok((ready, waiting))
}

/// The releases of a train that is visible, in its order.
fn sealed(rows: &impl Rows, train: &Train) -> StoreResult<Committed> {
    let mut releases = Vec::with_capacity(train.members.len());
    for member in &train.members {
        releases.extend(rows.release(&member.identifier, member.version.key())?);
    }
    Ok(Committed::Committed(releases))
}

/// Why a release may not become visible, although it could when it was prepared.
fn check(rows: &impl Rows, release: &Release) -> StoreResult<Option<Committed>> {
    let head = rows.head(&release.identifier)?;
    let pinned = head.as_ref().and_then(|head| head.pins.as_ref());
    if let (Publisher::Token { .. }, Some(head), Some(_)) = (&release.publisher, &head, pinned)
        && !head.tokens_allowed
    {
        return Ok(Some(Committed::PinsDiffer(head.clone())));
    }
    if let Publisher::Oidc(job) = &release.publisher {
        match (head.as_ref(), pinned) {
            (Some(head), Some(pins)) if *pins != job.pins => {
                return Ok(Some(Committed::PinsDiffer(head.clone())));
            }
            // Pinned to exactly this repository: an operator may have moved it below another
            // owner's name, so the owner's pin has no say any more.
            (_, Some(_)) => {}
            (_, None) => {
                let owner = rows.owner_pin(release.identifier.owner())?;
                if let Some(pin) = owner
                    && Some(&pin) != owner_pin_of(&release.publisher).as_ref()
                {
                    return Ok(Some(Committed::OwnerDiffers(pin)));
                }
            }
        }
    }
    if head.is_none() {
        for other in rows.look_alikes(&release.identifier.skeleton())? {
            if is_foreign(rows, &other, release)? {
                return Ok(Some(Committed::LooksLike(other)));
            }
        }
    }
    Ok(None)
}

/// Whether `other` belongs to somebody else: another owner's name that is not pinned to the owner
/// who publishes `release`.
fn is_foreign(rows: &impl Rows, other: &Identifier, release: &Release) -> StoreResult<bool> {
    if other.owner().eq_ignore_ascii_case(release.identifier.owner()) {
        return Ok(false);
    }
    let mine = owner_pin_of(&release.publisher);
    Ok(mine.is_none() || rows.owner_pin(other.owner())? != mine)
}

/// Makes one release visible, with its head, pins, native name and event.
fn seal(rows: &mut impl Rows, hidden: &Hidden, now: Timestamp) -> StoreResult<()> {
    let mut release = hidden.release.clone();
    release.released_at = now;
    let identifier = release.identifier.clone();
    let mut head = rows.head(&identifier)?.unwrap_or_else(|| new_head(&identifier, now));
    let mut data = json!({
        "digest": release.digest,
        "tree_digest": release.tree_digest,
        "bytes": release.bytes,
        "format": release.described.format,
        "publisher": release.publisher,
    });
    if let Some(claim) = &release.quality {
        data["quality"] = json!(claim);
    }
    if let Publisher::Oidc(job) = &release.publisher
        && head.pins.is_none()
    {
        head.pins = Some(job.pins.clone());
        data["pinned"] = json!(job.pins);
        if rows.owner_pin(identifier.owner())?.is_none()
            && let Some(pin) = owner_pin_of(&release.publisher)
        {
            rows.put_owner_pin(identifier.owner(), &pin)?;
            data["owner_pinned"] = json!(pin);
        }
    }
    if let Some(name) = &release.described.native {
        let holder = rows.native(name)?;
        if holder.is_none() && may_hold(rows, name, &release)? {
            rows.put_native(name, &identifier)?;
            data["native"] = json!(name);
        }
        if rows.native(name)?.as_ref() == Some(&identifier) {
            head.native = Some(name.clone());
        }
    }
    head.bound_audience_seen |= hidden.bound_audience;
    let version = Some(release.version.text().to_owned());
    append(rows, &mut head, EventDraft { kind: "released", version, data }, now)?;
    rows.put_head(&head)?;
    rows.put_release(&release)?;
    rows.drop_hidden(&identifier, release.version.key())?;
    rows.close_intent(&release.intent)
}

/// Whether a native name that nobody holds is free for the release's publisher.
fn may_hold(rows: &impl Rows, name: &NativeName, release: &Release) -> StoreResult<bool> {
    let reserved = rows.reservation(&reserved_native(name))?;
    Ok(match reserved {
        None => true,
        Some(held) => held.holder.is_some() && held.holder == owner_pin_of(&release.publisher),
    })
}

/// The head of a package that nothing is known of.
pub(super) fn new_head(identifier: &Identifier, now: Timestamp) -> Head {
    Head {
        schema: SCHEMA,
        identifier: identifier.clone(),
        pins: None,
        policy: Policy::default(),
        tokens_allowed: false,
        bound_audience_seen: false,
        native: None,
        sequence: 0,
        event_hash: first_previous(),
        created_at: now,
        updated_at: now,
    }
}

/// The places of `releases` in an order in which a release comes after those that it depends on;
/// otherwise, and within a cycle, in the order given.
pub fn dependency_order<'a>(releases: impl Iterator<Item = &'a Release>) -> Vec<usize> {
    let releases: Vec<&Release> = releases.collect();
    let mut by_name = BTreeMap::new();
    for (at, release) in releases.iter().enumerate() {
        by_name.insert((String::new(), release.identifier.key().to_owned()), at);
        if let Some(native) = &release.described.native {
            by_name.entry((native.ecosystem.clone(), native.name.clone())).or_insert(at);
        }
    }
    let needs = |at: usize| {
        let targets = releases[at].described.dependencies.iter().map(|d| &d.target);
        targets.filter_map(|target| by_name.get(&label(target)?).copied())
    };
    let mut order = Vec::with_capacity(releases.len());
    let mut entered = vec![false; releases.len()];
    for start in 0..releases.len() {
        // Depth first without recursion: a train may be a chain as long as it likes.
        let mut path = vec![(start, needs(start))];
        if std::mem::replace(&mut entered[start], true) {
            continue;
        }
        while let Some((at, open)) = path.last_mut() {
            match open.next() {
                Some(next) if !std::mem::replace(&mut entered[next], true) => {
                    path.push((next, needs(next)));
                }
                Some(_) => {}
                None => {
                    order.push(*at);
                    path.pop();
                }
            }
        }
    }
    order
}

/// By what a dependency's target is looked up among a train's members: (ecosystem, name), the
/// ecosystem empty for identifiers.
fn label(target: &Target) -> Option<(String, String)> {
    match target {
        Target::Registry { identifier }
        | Target::Git { identifier: Some(identifier), .. }
        | Target::File { identifier: Some(identifier), .. } => {
            Some((String::new(), identifier.key().to_owned()))
        }
        Target::Native(name) => Some((name.ecosystem.clone(), name.name.clone())),
        Target::Git { .. } | Target::File { .. } | Target::Url { .. } => None,
    }
}
