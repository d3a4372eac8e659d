//! [`Rows`] over a [`Snapshot`].
//!
//! A read of what the snapshot lacks answers as if there were nothing, and is noted down. A verb
//! that ran with notes ran in vain: the engine reads what was wanted and runs it again. So the rules
//! stay plain functions, and one run finds out about many reads at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::Timestamp;
use packhouse_core::claims::OwnerPin;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::Advised;
use packhouse_core::release::{Event, Head, Release};
use packhouse_registry::ledger::{Hidden, Rows, Usage, publisher_key};
use packhouse_registry::ports::{
    Downloads, Intent, IntentId, Listing, Reservation, SeenToken, StoreError, StoreResult,
    TokenRecord,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::item::{Put, damaged};
use super::key::{self, EVENTS_A_PARTITION, Key, Rank};
use super::quota::Quota;
use super::snapshot::{Snapshot, Wanted, Writes, shadow};
use super::table::Range;

/// How long an item outlives its use before DynamoDB deletes it, in seconds: the sweep comes first.
const AFTER: i64 = 24 * 3600;

/// Holders of one blob that are looked at, beyond which it is told only that there are very many.
const HOLDERS: u32 = 1_000;

/// An unsealed train. Whoever changes a hidden row of it changes this row too, so that a commit needs
/// to guard this one alone, however many members it has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct TrainRow {
    pub(super) expires_at: Option<Timestamp>,
    /// Its hidden rows: (identifier's key, version's key).
    pub(super) members: BTreeSet<(String, String)>,
}

/// An intent in the list of those for a version.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OpenIntent {
    id: IntentId,
    expires_at: Timestamp,
}

/// The rows as one run of a verb sees them.
pub(super) struct DynamoRows<'s> {
    snapshot: &'s Snapshot,
    wanted: RefCell<HashSet<Wanted>>,
    read: RefCell<HashSet<Key>>,
    writes: Writes,
    last_event: u64,
    closed: Vec<String>,
}

/// What a run leaves behind.
pub(super) struct Ran {
    /// What it wanted to read in vain.
    pub(super) wanted: HashSet<Wanted>,
    /// The items that it read.
    pub(super) read: HashSet<Key>,
    /// What is to be written.
    pub(super) writes: Writes,
    /// The number of the newest event afterwards.
    pub(super) last_event: u64,
    /// Intents that were released.
    pub(super) closed: Vec<String>,
}

impl<'s> DynamoRows<'s> {
    pub(super) fn new(snapshot: &'s Snapshot) -> Self {
        Self {
            snapshot,
            wanted: RefCell::default(),
            read: RefCell::default(),
            writes: Writes::default(),
            last_event: snapshot.feed.last_event,
            closed: Vec::new(),
        }
    }

    pub(super) fn end(self) -> Ran {
        let Self { wanted, read, writes, last_event, closed, .. } = self;
        Ran { wanted: wanted.into_inner(), read: read.into_inner(), writes, last_event, closed }
    }

    /// An item's JSON.
    fn json(&self, key: &Key) -> Option<&str> {
        if let Some(put) = self.writes.get(key) {
            return put.map(|put| put.json.as_str());
        }
        self.read.borrow_mut().insert(key.clone());
        match self.snapshot.item(key) {
            Some(json) => json,
            None => {
                self.wanted.borrow_mut().insert(Wanted::Item(key.clone()));
                None
            }
        }
    }

    /// A record.
    pub(super) fn record<T: DeserializeOwned>(&self, key: &Key) -> StoreResult<Option<T>> {
        self.json(key).map(|json| parse(key, json)).transpose()
    }

    /// The records of a range, ascending.
    pub(super) fn records<T: DeserializeOwned>(&self, range: &Range) -> StoreResult<Vec<T>> {
        self.range(range).into_iter().map(|(key, json)| parse(key, json)).collect()
    }

    fn range(&self, range: &Range) -> Vec<(&Key, &str)> {
        let Some(mut found) = self.snapshot.list(range) else {
            self.wanted.borrow_mut().insert(Wanted::List(range.clone()));
            return Vec::new();
        };
        shadow(&mut found, &self.writes, range);
        found
    }

    pub(super) fn put(&mut self, key: Key, record: &impl Serialize) -> StoreResult<()> {
        let put = Put::of(&key.pk, record)?;
        self.writes.add(key, Some(put));
        Ok(())
    }

    pub(super) fn delete(&mut self, key: Key) {
        self.writes.add(key, None);
    }

    pub(super) fn train(&self, train: &Digest) -> StoreResult<Option<TrainRow>> {
        self.record(&Key::train(train))
    }

    pub(super) fn put_train_row(&mut self, train: &Digest, row: &TrainRow) -> StoreResult<()> {
        let mut put = Put::of("a train", row)?;
        if let Some(at) = row.expires_at {
            put = put.until(at.as_second() + AFTER).due("train", at.as_second());
        }
        self.writes.add(Key::train(train), Some(put));
        Ok(())
    }

    /// Adds one source's counts of a package on a day, with the mark that they are added; `false` when
    /// they were added before.
    pub(super) fn count_once(
        &mut self,
        source: &str,
        counts: &[&Downloads],
        until: Timestamp,
    ) -> StoreResult<bool> {
        let Some(first) = counts.first() else { return Ok(false) };
        let mark = Key::counted(source, &first.identifier, &first.day);
        if self.record::<bool>(&mark)?.is_some() {
            return Ok(false);
        }
        let put = Put::of("a counted source", &true)?.until(until.as_second());
        self.writes.add(mark, Some(put));
        counts.iter().try_for_each(|count| self.add_downloads(count))?;
        Ok(true)
    }

    /// Takes a hidden row out of its train, if that is still there.
    fn leave_train(&mut self, hidden: &Hidden) -> StoreResult<()> {
        if let Some(mut row) = self.train(&hidden.train)? {
            let release = &hidden.release;
            let member = (release.identifier.key().to_owned(), release.version.key().to_owned());
            row.members.remove(&member);
            self.put_train_row(&hidden.train, &row)?;
        }
        Ok(())
    }

    /// Takes intents out of what their publishers have under way.
    pub(super) fn close_quotas(&mut self, closed: &[String]) -> StoreResult<()> {
        for id in closed {
            let Ok(id) = IntentId::try_from(id.clone()) else { continue };
            let Some(intent) = self.intent(&id)? else { continue };
            let key = quota_key(&intent);
            if let Some(mut quota) = self.record::<Quota>(&key)?
                && quota.close(&id)
            {
                let put = Put::of("a quota", &quota)?.until(quota.ends() + AFTER);
                self.writes.add(key, Some(put));
            }
        }
        Ok(())
    }

    fn blob_uses(release: &Release) -> BTreeMap<Digest, Rank> {
        let rank = match (&release.marks.removed, &release.marks.quarantined) {
            (Some(_), _) => Rank::Removed,
            (None, Some(_)) => Rank::Quarantined,
            (None, None) => Rank::InService,
        };
        let attached = release.attachments.iter().flatten().map(|a| a.digest);
        attached.chain([release.digest]).map(|digest| (digest, rank)).collect()
    }
}

fn parse<T: DeserializeOwned>(key: &Key, json: &str) -> StoreResult<T> {
    serde_json::from_str(json).map_err(|e| damaged(&key.pk, e))
}

/// Publishers are told apart by texts of others: their hash is the key.
fn quota_key(intent: &Intent) -> Key {
    Key::quota(&Digest::of(publisher_key(&intent.publisher).as_bytes()).hex())
}

impl Rows for DynamoRows<'_> {
    fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>> {
        self.record(&Key::intent(id.as_str()))
    }

    fn open_intents(&self, identifier: &Identifier, key: &str) -> StoreResult<Vec<Intent>> {
        let open: Option<Vec<OpenIntent>> = self.record(&Key::open(identifier, key))?;
        let mut found = Vec::new();
        for one in open.into_iter().flatten() {
            found.extend(self.intent(&one.id)?);
        }
        Ok(found)
    }

    fn put_intent(&mut self, intent: &Intent) -> StoreResult<()> {
        let key = Key::intent(intent.id.as_str());
        let before: Option<Intent> = self.record(&key)?;
        let expires = intent.expires_at.as_second();
        let put = Put::of("an intent", intent)?.until(expires + AFTER).due("intent", expires);
        self.writes.add(key, Some(put));
        if before.is_some_and(|before| before.expires_at == intent.expires_at) {
            return Ok(()); // counted and listed already
        }
        let key = quota_key(intent);
        let mut quota: Quota = self.record(&key)?.unwrap_or_default();
        quota.open(intent);
        let put = Put::of("a quota", &quota)?.until(quota.ends() + AFTER);
        self.writes.add(key, Some(put));
        if intent.digest.is_some() {
            let key = Key::open(&intent.identifier, intent.version.key());
            let mut open: Vec<OpenIntent> = self.record(&key)?.unwrap_or_default();
            open.retain(|one| one.id != intent.id && one.expires_at > intent.created_at);
            open.push(OpenIntent { id: intent.id.clone(), expires_at: intent.expires_at });
            let put = Put::of("open intents", &open)?.until(expires + AFTER);
            self.writes.add(key, Some(put));
        }
        Ok(())
    }

    /// The publisher's quota follows after the seal: see [`DynamoRows::close_quotas`].
    fn close_intent(&mut self, id: &str) -> StoreResult<()> {
        self.closed.push(id.to_owned());
        Ok(())
    }

    fn usage(&self, publisher: &str, now: Timestamp) -> StoreResult<Usage> {
        let key = Key::quota(&Digest::of(publisher.as_bytes()).hex());
        let quota: Option<Quota> = self.record(&key)?;
        Ok(quota.map(|quota| quota.usage(now)).unwrap_or_default())
    }

    fn seen(&self, issuer: &str, jti: &str) -> StoreResult<Option<IntentId>> {
        self.record(&Key::seen(issuer, jti))
    }

    fn put_seen(&mut self, token: &SeenToken, intent: &IntentId) -> StoreResult<()> {
        let key = Key::seen(&token.issuer, &token.jti);
        let before: Option<IntentId> = self.record(&key)?;
        if before.as_ref() != Some(intent) {
            let put = Put::of("a used token", intent)?.until(token.until.as_second() + 1);
            self.writes.add(key, Some(put));
        }
        Ok(())
    }

    fn hidden(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Hidden>> {
        self.record(&Key::hidden(identifier, key))
    }

    fn put_hidden(&mut self, hidden: &Hidden) -> StoreResult<()> {
        let (identifier, version) = (&hidden.release.identifier, hidden.release.version.key());
        if let Some(before) = self.hidden(identifier, version)?
            && before.train != hidden.train
        {
            self.leave_train(&before)?;
        }
        let mut row = self.train(&hidden.train)?.unwrap_or_default();
        row.members.insert((identifier.key().to_owned(), version.to_owned()));
        self.put_train_row(&hidden.train, &row)?;
        self.put(Key::hidden(identifier, version), hidden)
    }

    fn drop_hidden(&mut self, identifier: &Identifier, key: &str) -> StoreResult<()> {
        self.delete(Key::hidden(identifier, key));
        Ok(())
    }

    fn train_expiry(&self, train: &Digest) -> StoreResult<Option<Timestamp>> {
        Ok(self.train(train)?.and_then(|row| row.expires_at))
    }

    fn put_train(&mut self, train: &Digest, expires_at: Timestamp) -> StoreResult<()> {
        let mut row = self.train(train)?.unwrap_or_default();
        row.expires_at = Some(expires_at);
        self.put_train_row(train, &row)
    }

    fn drop_train(&mut self, train: &Digest) -> StoreResult<()> {
        self.delete(Key::train(train));
        Ok(())
    }

    /// The ledger sweeps by the index `due` instead, in steps that each fit a transaction.
    fn sweep(&mut self, _now: Timestamp, _limit: u32) -> StoreResult<Vec<IntentId>> {
        Err(StoreError::Broken("a table is not swept in one transaction".to_owned()))
    }

    fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>> {
        let release: Option<Release> = self.record(&Key::release(identifier, key))?;
        let original = self.record(&Key::original(identifier, key))?;
        Ok(release.map(|mut release| {
            release.described.original = original.unwrap_or_default();
            release
        }))
    }

    fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>> {
        self.records(&Range::prefix(key::package(identifier), "release#"))
    }

    fn put_release(&mut self, release: &Release) -> StoreResult<()> {
        let (identifier, version) = (&release.identifier, release.version.key());
        let key = Key::release(identifier, version);
        let before: Option<Release> = self.record(&key)?;
        let (now, then) = (Self::blob_uses(release), before.as_ref().map(Self::blob_uses));
        for (digest, rank) in then.iter().flatten() {
            if now.get(digest) != Some(rank) {
                self.delete(Key::blob(digest, *rank, identifier, version));
            }
        }
        let of = (identifier, version);
        for (digest, rank) in &now {
            if then.as_ref().is_none_or(|then| then.get(digest) != Some(rank)) {
                self.put(Key::blob(digest, *rank, identifier, version), &of)?;
            }
        }
        let mut listed = release.clone();
        let original = std::mem::take(&mut listed.described.original);
        let original_key = Key::original(identifier, version);
        if original.is_null() {
            self.delete(original_key);
        } else {
            self.put(original_key, &original)?;
        }
        self.put(key, &listed)
    }

    fn references(&self, digest: &Digest) -> StoreResult<u64> {
        let mut range = Range::prefix(key::blob(digest), "");
        range.to = format!("{}", Rank::Removed as u8); // `0#...` and `1#...` sort before `2`
        Ok(self.range(&range).len() as u64)
    }

    fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>> {
        let mut range = Range::prefix(key::blob(digest), "");
        range.limit = Some(limit.min(HOLDERS));
        let uses: Vec<(Identifier, String)> = self.records(&range)?;
        let mut found = Vec::with_capacity(uses.len());
        for (identifier, version) in uses {
            found.extend(self.record::<Release>(&Key::release(&identifier, &version))?);
        }
        found.sort_by_key(|r| r.marks.removed.is_some() || r.marks.quarantined.is_some());
        Ok(found)
    }

    fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>> {
        self.record(&Key::head(identifier))
    }

    fn put_head(&mut self, head: &Head) -> StoreResult<()> {
        let identifier = &head.identifier;
        if self.head(identifier)?.is_none() {
            self.put(Key::listed(identifier), identifier)?;
            self.put(Key::skeleton(&identifier.skeleton(), identifier), identifier)?;
        }
        self.put(Key::head(identifier), head)
    }

    fn packages(&self, after: Option<&Identifier>, limit: u32) -> StoreResult<Vec<Identifier>> {
        let mut range = Range::prefix(key::PACKAGES.to_owned(), "");
        if let Some(after) = after {
            range.from = format!("{}\u{0}", after.key());
        }
        range.limit = Some(limit);
        self.records(&range)
    }

    fn look_alikes(&self, skeleton: &str) -> StoreResult<Vec<Identifier>> {
        self.records(&Range::prefix(key::skeletons(skeleton), ""))
    }

    fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>> {
        self.record(&Key::owner(owner))
    }

    fn put_owner_pin(&mut self, owner: &str, pin: &OwnerPin) -> StoreResult<()> {
        self.put(Key::owner(owner), pin)
    }

    fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>> {
        self.record(&Key::native(name))
    }

    fn put_native(&mut self, name: &NativeName, holder: &Identifier) -> StoreResult<()> {
        self.put(Key::native(name), holder)
    }

    fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>> {
        let mut range = Range::prefix(key::natives(ecosystem), "");
        if let Some(after) = after {
            range.from = format!("{after}\u{0}");
        }
        range.limit = Some(limit);
        let found = self.range(&range).into_iter().map(|(key, json)| {
            let name = NativeName { ecosystem: ecosystem.to_owned(), name: key.sk.clone() };
            Ok((name, parse(key, json)?))
        });
        found.collect()
    }

    fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>> {
        self.record(&Key::listing(name))
    }

    fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>> {
        let mut range = Range::prefix(key::LISTINGS.to_owned(), "");
        if let Some(after) = after {
            range.from = format!("{}\u{0}", Key::listing(after).sk);
        }
        range.limit = Some(limit);
        self.records(&range)
    }

    fn newest_listing(&self) -> StoreResult<u64> {
        Ok(self.record(&Key::newest_listing())?.unwrap_or_default())
    }

    fn put_listing(&mut self, listing: &Listing) -> StoreResult<()> {
        if self.newest_listing()? < listing.number {
            self.put(Key::newest_listing(), &listing.number)?;
        }
        self.put(Key::listing(&listing.name), listing)
    }

    fn last_event(&self) -> StoreResult<u64> {
        Ok(self.last_event)
    }

    fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>> {
        let last = self.last_event.min(after.saturating_add(u64::from(limit)));
        let mut found = Vec::new();
        let mut from = after.saturating_add(1);
        while from <= last {
            let to = last.min((from / EVENTS_A_PARTITION + 1) * EVENTS_A_PARTITION - 1);
            let (from_key, to_key) = (Key::event(from), Key::event(to));
            let range = Range { pk: from_key.pk, from: from_key.sk, to: to_key.sk, limit: None };
            found.extend(self.records(&range)?);
            from = to + 1;
        }
        Ok(found)
    }

    fn package_event(&self, identifier: &Identifier, sequence: u64) -> StoreResult<Option<Event>> {
        self.record(&Key::package_event(identifier, sequence))
    }

    fn put_event(&mut self, event: &Event) -> StoreResult<()> {
        if event.number != self.last_event + 1 {
            return Err(StoreError::Broken(format!("event {} leaves a gap", event.number)));
        }
        self.put(Key::event(event.number), event)?;
        self.put(Key::package_event(&event.identifier, event.sequence), event)?;
        self.last_event = event.number;
        Ok(())
    }

    fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>> {
        self.record(&Key::reservation(name))
    }

    fn reservations(&self) -> StoreResult<Vec<Reservation>> {
        self.records(&Range::prefix(key::RESERVED.to_owned(), ""))
    }

    fn put_reservation(&mut self, reservation: &Reservation) -> StoreResult<()> {
        self.put(Key::reservation(&reservation.name), reservation)
    }

    fn drop_reservation(&mut self, name: &str) -> StoreResult<bool> {
        let held = self.reservation(name)?.is_some();
        if held {
            self.delete(Key::reservation(name));
        }
        Ok(held)
    }

    fn token_by_id(&self, id: &str) -> StoreResult<Option<TokenRecord>> {
        self.record(&Key::token_by_id(id))
    }

    fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>> {
        self.record(&Key::token(sha256))
    }

    fn tokens(&self) -> StoreResult<Vec<TokenRecord>> {
        let range = Range::prefix(key::TOKENS.to_owned(), "");
        let mut tokens: Vec<TokenRecord> = self.records(&range)?;
        tokens.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
        Ok(tokens)
    }

    fn put_token(&mut self, token: &TokenRecord) -> StoreResult<()> {
        self.put(Key::token_by_id(&token.id), token)?;
        self.put(Key::token(&token.sha256), token)
    }

    fn put_advised(&mut self, advised: &Advised) -> StoreResult<()> {
        self.put(Key::advised(&advised.identifier), advised)
    }

    fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>> {
        self.record(&Key::advised(identifier))
    }

    fn add_downloads(&mut self, count: &Downloads) -> StoreResult<()> {
        let key = Key::downloads(&count.identifier, &count.day);
        let mut day: BTreeMap<String, u64> = self.record(&key)?.unwrap_or_default();
        let sum = day.entry(count.version.clone()).or_default();
        *sum = sum.saturating_add(count.count);
        self.put(key, &day)
    }

    fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>> {
        let mut found = Vec::new();
        for (key, json) in self.range(&Range::prefix(key::downloads(identifier), "")) {
            let day: BTreeMap<String, u64> = parse(key, json)?;
            found.extend(day.into_iter().map(|(version, count)| Downloads {
                identifier: identifier.clone(),
                version,
                day: key.sk.clone(),
                count,
            }));
        }
        Ok(found)
    }
}
