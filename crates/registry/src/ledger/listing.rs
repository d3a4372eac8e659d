//! Listings: put, changed and taken out by the token that owns them.

use jiff::Timestamp;
use packhouse_core::release::SCHEMA;

use super::{Rows, reserved_native};
use crate::ports::{Listing, ListingChange, ListingChanged, StoreResult};

/// [`crate::ports::Ledger::change_listing`].
///
/// What was taken out leaves a row without an entry, so that its number is never given again, here or
/// in a ledger that was loaded from this one.
///
/// # Errors
///
/// Those of the store.
pub fn change_listing(
    rows: &mut impl Rows,
    change: &ListingChange,
    now: Timestamp,
) -> StoreResult<ListingChanged> {
    // All of them first: a store that reads what a run lacked then reads once.
    let held = rows.listing(&change.name)?;
    let package = rows.native(&change.name)?;
    let reserved = rows.reservation(&reserved_native(&change.name))?;
    let newest = rows.newest_listing()?;
    if let Some(held) = &held
        && held.change == change.id
    {
        return Ok(ListingChanged::Done(held.clone()));
    }
    let live = held.as_ref().filter(|held| held.entry.is_some());
    if change.entry.is_some() {
        if let Some(package) = package {
            return Ok(ListingChanged::Package(package));
        }
        if let Some(reserved) = reserved
            && !change.operator
        {
            return Ok(ListingChanged::Reserved(reserved));
        }
    }
    let listing = match (live, change.sequence) {
        (None, 0) if change.entry.is_some() => Listing {
            schema: SCHEMA,
            name: change.name.clone(),
            number: newest + 1,
            sequence: held.as_ref().map_or(0, |held| held.sequence) + 1,
            owner: change.owner.clone(),
            change: change.id.clone(),
            entry: change.entry.clone(),
            created_at: now,
            updated_at: now,
        },
        (None, _) => return Ok(ListingChanged::Missing),
        (Some(live), sequence) => {
            let mine = change.operator || live.owner == change.owner;
            if live.sequence != sequence || !mine {
                return Ok(ListingChanged::Listing(live.clone()));
            }
            Listing {
                sequence: sequence + 1,
                change: change.id.clone(),
                entry: change.entry.clone(),
                updated_at: now,
                ..live.clone()
            }
        }
    };
    rows.put_listing(&listing)?;
    Ok(ListingChanged::Done(listing))
}
