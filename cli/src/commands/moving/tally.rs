//! What a stream of records holds: counts, the chain of events, and each record's latest state.

use std::collections::HashMap;

use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Event, SCHEMA};
use packhouse_registry::ledger::{canonical_bytes, first_previous};
use packhouse_registry::ports::Record;
use packhouse_registry::transfer::Line;
use serde::{Deserialize, Serialize};

/// How many of each there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) packages: u64,
    pub(crate) releases: u64,
    pub(crate) events: u64,
    pub(crate) owners: u64,
    pub(crate) native_names: u64,
    /// Exports of before there were any have none.
    #[serde(default)]
    pub(crate) listings: u64,
    pub(crate) reservations: u64,
    pub(crate) tokens: u64,
    pub(crate) download_counts: u64,
}

/// Reads records one by one; a few dozen bytes are remembered of each.
#[derive(Default)]
pub(crate) struct Tally {
    /// By kind and key, both hashed: the hash of the newest line.
    states: HashMap<Digest, (Digest, Kind)>,
    /// Of each package: how many events came, and the last one's hash.
    chains: HashMap<Identifier, (u64, Digest)>,
    events: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Head,
    Release,
    Owner,
    Native,
    Listing,
    Event,
    Reservation,
    Token,
    Downloads,
}

/// How two registries differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Records that the second lacks.
    pub(crate) missing: u64,
    /// Records that say something else.
    pub(crate) other: u64,
}

impl Tally {
    /// Takes a line in and answers its record.
    ///
    /// # Errors
    ///
    /// Why it is no record, or why an event does not follow on the ones before it.
    pub(crate) fn add(&mut self, line: &[u8]) -> Result<Record, String> {
        let record = Line::read(line)?;
        let (kind, key) = key_of(&record);
        if let Record::Event(event) = &record {
            self.follow(event)?;
        }
        let state = match &record {
            // When it was read is no part of what it is.
            Record::Release { release, .. } => {
                let line = Line {
                    schema: SCHEMA,
                    record: Record::Release { sequence: 0, release: release.clone() },
                };
                Digest::of(&serde_json::to_vec(&line).map_err(|e| e.to_string())?)
            }
            _ => Digest::of(line),
        };
        self.states.insert(Digest::of(format!("{kind:?} {key}").as_bytes()), (state, kind));
        Ok(record)
    }

    fn follow(&mut self, event: &Event) -> Result<(), String> {
        let place = format!("event {} of `{}`", event.number, event.identifier);
        if event.number != self.events + 1 {
            return Err(format!("{place} follows on event {} of the feed", self.events));
        }
        let end = self.chains.get(&event.identifier).copied().unwrap_or((0, first_previous()));
        if (event.sequence, event.previous) != (end.0 + 1, end.1) {
            return Err(format!("{place} does not follow on the package's event {}", end.0));
        }
        let bytes = canonical_bytes(event).map_err(|e| e.to_string())?;
        if Digest::of(&bytes) != event.hash {
            return Err(format!("{place} says hash {}, its bytes have another", event.hash));
        }
        self.events += 1;
        self.chains.insert(event.identifier.clone(), (event.sequence, event.hash));
        Ok(())
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, kind) in self.states.values() {
            *match kind {
                Kind::Head => &mut counts.packages,
                Kind::Release => &mut counts.releases,
                Kind::Owner => &mut counts.owners,
                Kind::Native => &mut counts.native_names,
                Kind::Listing => &mut counts.listings,
                Kind::Event => &mut counts.events,
                Kind::Reservation => &mut counts.reservations,
                Kind::Token => &mut counts.tokens,
                Kind::Downloads => &mut counts.download_counts,
            } += 1;
        }
        counts
    }

    /// What `there` lacks of this, or has otherwise. Counts of downloads go on, and tokens are
    /// revoked: of these it only matters that they are there.
    pub(crate) fn held_against(&self, there: &Self) -> Difference {
        let mut difference = Difference::default();
        for (key, (state, kind)) in &self.states {
            match there.states.get(key) {
                None => difference.missing += 1,
                Some((other, _)) if other != state => {
                    let goes_on = matches!(kind, Kind::Downloads | Kind::Token);
                    difference.other += u64::from(!goes_on);
                }
                Some(_) => {}
            }
        }
        difference
    }
}

fn key_of(record: &Record) -> (Kind, String) {
    match record {
        Record::Head(head) => (Kind::Head, head.identifier.key().to_owned()),
        Record::Release { release, .. } => {
            (Kind::Release, format!("{} {}", release.identifier.key(), release.version.key()))
        }
        Record::OwnerPin { owner, .. } => (Kind::Owner, owner.to_ascii_lowercase()),
        Record::Native { name, .. } => (Kind::Native, format!("{} {}", name.ecosystem, name.name)),
        Record::Listing(listing) => {
            let name = &listing.name;
            (Kind::Listing, format!("{} {}", name.ecosystem, name.name))
        }
        Record::Event(event) => (Kind::Event, event.number.to_string()),
        Record::Reservation(reservation) => (Kind::Reservation, reservation.name.clone()),
        Record::Token(token) => (Kind::Token, token.id.clone()),
        Record::Downloads(count) => {
            (Kind::Downloads, format!("{} {} {}", count.identifier.key(), count.version, count.day))
        }
    }
}
