//! `load`: records of another ledger are put in as they are.
//!
//! An import is repeated until it is complete, perhaps while the ledger that it comes from goes on,
//! perhaps after this one did. So each record is compared with what stands: the newer one stays, and
//! what cannot both be true is refused before anything is written.

use std::collections::BTreeMap;

use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Event, Release, SCHEMA};

use super::{Rows, canonical_bytes, first_previous};
use crate::ports::{Downloads, Record, StoreError, StoreResult, TokenRecord};

/// [`crate::ports::Ledger::load`].
///
/// # Errors
///
/// Those of the store, and [`StoreError::Broken`] for the first record that contradicts what stands
/// here; nothing of `records` is written then.
pub fn load(rows: &mut impl Rows, records: &[Record]) -> StoreResult<()> {
    let mut chain = Chain { next: rows.last_event()? + 1, ends: BTreeMap::new() };
    // All are looked at although one is refused: a store that reads what a run lacked, and runs it
    // again, so learns of all reads at once.
    let checked: Vec<_> = records.iter().map(|record| check(rows, record, &mut chain)).collect();
    checked.into_iter().collect::<StoreResult<()>>()?;
    records.iter().try_for_each(|record| put(rows, record))
}

/// The events that the call itself appends, so that each is checked behind the one before it.
struct Chain {
    next: u64,
    ends: BTreeMap<Identifier, (u64, Digest)>,
}

fn refuse<T>(why: String) -> StoreResult<T> {
    Err(StoreError::Broken(format!("the record cannot be loaded: {why}")))
}

/// Refuses a record that cannot be true together with what stands.
fn check(rows: &impl Rows, record: &Record, chain: &mut Chain) -> StoreResult<()> {
    match record {
        Record::Event(event) => check_event(rows, event, chain),
        Record::Head(head) => {
            let held = rows.head(&head.identifier)?;
            schema(head.schema)?;
            match held.filter(|held| held.sequence == head.sequence) {
                Some(held) if held.event_hash != head.event_hash => refuse(format!(
                    "`{}` stands with event {} {}, the record has {}",
                    head.identifier, held.sequence, held.event_hash, head.event_hash
                )),
                _ => Ok(()),
            }
        }
        Record::Release { release, .. } => {
            let held = rows.release(&release.identifier, release.version.key())?;
            rows.head(&release.identifier)?;
            schema(release.schema)?;
            match held.filter(|held| held.digest != release.digest) {
                Some(held) => refuse(format!(
                    "`{}@{}` stands with {}, the record has {}",
                    release.identifier, release.version, held.digest, release.digest
                )),
                None => Ok(()),
            }
        }
        Record::OwnerPin { owner, pin } => match rows.owner_pin(owner)? {
            Some(held) if held != *pin => refuse(format!(
                "owner `{owner}` is pinned to owner {} of {}, the record has {} of {}",
                held.owner_id, held.issuer, pin.owner_id, pin.issuer
            )),
            _ => Ok(()),
        },
        Record::Token(token) => {
            let held = (rows.token_by_id(&token.id)?, rows.token(&token.sha256)?);
            match held.0.or(held.1).filter(|held| !is_same(held, token)) {
                Some(held) => {
                    refuse(format!("API token `{}` stands already as `{}`", token.id, held.id))
                }
                None => Ok(()),
            }
        }
        Record::Native { name, holder } => {
            rows.native(name)?;
            rows.head(holder).map(drop)
        }
        Record::Listing(listing) => {
            let held = rows.listing(&listing.name)?;
            rows.newest_listing()?;
            schema(listing.schema)?;
            match held.filter(|held| held.sequence == listing.sequence) {
                Some(held) if held.change != listing.change => refuse(format!(
                    "listing `{}:{}` stands with change {} of sequence {}, the record has {}",
                    held.name.ecosystem, held.name.name, held.change, held.sequence, listing.change
                )),
                _ => Ok(()),
            }
        }
        Record::Reservation(reservation) => rows.reservation(&reservation.name).map(drop),
        Record::Downloads(count) => rows.downloads(&count.identifier).map(drop),
    }
}

/// An event stands already, or is the next of the feed and of its package.
fn check_event(rows: &impl Rows, event: &Event, chain: &mut Chain) -> StoreResult<()> {
    let place = format!("event {} of `{}`", event.number, event.identifier);
    let before = event.sequence.saturating_sub(1);
    let held = match event.number {
        0 => None,
        number => rows.events(number - 1, 1)?.into_iter().next(),
    };
    let previous = rows.package_event(&event.identifier, before)?;
    let taken = rows.package_event(&event.identifier, event.sequence)?;
    schema(event.schema)?;
    if let Some(held) = held.filter(|held| held.number == event.number) {
        if held.hash == event.hash {
            return Ok(());
        }
        return refuse(format!("{place} has hash {}, {} stands there", event.hash, held.hash));
    }
    if event.number != chain.next {
        return refuse(format!("{place} leaves a gap: the next one is {}", chain.next));
    }
    if let Some(taken) = taken {
        return refuse(format!(
            "{place} has sequence {}, as event {}",
            event.sequence, taken.number
        ));
    }
    let bytes = canonical_bytes(event)?;
    if Digest::of(&bytes) != event.hash {
        return refuse(format!("{place} says hash {}, its bytes have another", event.hash));
    }
    let stands = chain.ends.get(&event.identifier).copied();
    let stands = stands.or_else(|| previous.map(|event| (event.sequence, event.hash)));
    if stands.unwrap_or((0, first_previous())) != (before, event.previous) {
        return refuse(format!("{place} does not follow on the package's event {before}"));
    }
    chain.ends.insert(event.identifier.clone(), (event.sequence, event.hash));
    chain.next += 1;
    Ok(())
}

fn schema(found: u32) -> StoreResult<()> {
    if found == SCHEMA {
        return Ok(());
    }
    refuse(format!("it has schema {found}, this program reads {SCHEMA}"))
}

/// Whether two records are of one token; a revocation may have come to either.
fn is_same(a: &TokenRecord, b: &TokenRecord) -> bool {
    TokenRecord { revoked_at: None, ..a.clone() } == TokenRecord { revoked_at: None, ..b.clone() }
}

/// Writes a record where it is new.
fn put(rows: &mut impl Rows, record: &Record) -> StoreResult<()> {
    match record {
        Record::Event(event) if event.number > rows.last_event()? => rows.put_event(event),
        Record::Event(_) => Ok(()),
        Record::Head(head) => match rows.head(&head.identifier)? {
            Some(held) if held.sequence >= head.sequence => Ok(()),
            _ => rows.put_head(head),
        },
        Record::Release { sequence, release } => put_release(rows, *sequence, release),
        Record::OwnerPin { owner, pin } => match rows.owner_pin(owner)? {
            Some(_) => Ok(()),
            None => rows.put_owner_pin(owner, pin),
        },
        Record::Native { name, holder } => match rows.native(name)? {
            Some(held) if held == *holder => Ok(()),
            // Handed over, here or there: the heads tell which is later.
            Some(_) if rows.head(holder)?.is_none_or(|h| h.native.as_ref() != Some(name)) => Ok(()),
            _ => rows.put_native(name, holder),
        },
        Record::Listing(listing) => match rows.listing(&listing.name)? {
            Some(held) if held.sequence >= listing.sequence => Ok(()),
            _ => rows.put_listing(listing),
        },
        Record::Reservation(reservation) => match rows.reservation(&reservation.name)? {
            Some(held) if held.at > reservation.at || held == *reservation => Ok(()),
            _ => rows.put_reservation(reservation),
        },
        Record::Token(token) => match rows.token_by_id(&token.id)? {
            Some(held) if held.revoked_at.is_some() || held == *token => Ok(()),
            _ => rows.put_token(token),
        },
        Record::Downloads(count) => put_downloads(rows, count),
    }
}

/// A package that went on here has newer marks than the record.
fn put_release(rows: &mut impl Rows, sequence: u64, release: &Release) -> StoreResult<()> {
    let here = rows.head(&release.identifier)?.map_or(0, |head| head.sequence);
    match rows.release(&release.identifier, release.version.key())? {
        Some(held) if here > sequence || held == *release => Ok(()),
        _ => rows.put_release(release),
    }
}

/// Counts only grow: the higher one has seen the other.
fn put_downloads(rows: &mut impl Rows, count: &Downloads) -> StoreResult<()> {
    let held = rows.downloads(&count.identifier)?;
    let held = held.iter().find(|held| held.version == count.version && held.day == count.day);
    let missing = count.count.saturating_sub(held.map_or(0, |held| held.count));
    if missing == 0 {
        return Ok(());
    }
    rows.add_downloads(&Downloads { count: missing, ..count.clone() })
}
