//! [`Ledger`] in memory: the rules under one lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_core::claims::OwnerPin;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::Advised;
use packhouse_core::release::{Event, Head, Release};

use super::rows::MemoryRows;
use crate::ledger::{self as rules, Rows};
use crate::ports::{
    Begun, Committed, Downloads, HeadChange, Intent, IntentId, Ledger, Listing, ListingChange,
    ListingChanged, MarkChange, Member, Prepared, Quota, Record, Reservation, SeenToken,
    StoreResult, TokenRecord, Train,
};

/// A ledger that lives as long as the value.
#[derive(Default)]
pub struct MemoryLedger {
    rows: Mutex<MemoryRows>,
    generation: AtomicU64,
}

impl MemoryLedger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// The rows, for reads and for what no read returns before a commit.
    fn rows(&self) -> MutexGuard<'_, MemoryRows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rows, to change what reads return.
    fn change<T>(&self, verb: impl FnOnce(&mut MemoryRows) -> StoreResult<T>) -> StoreResult<T> {
        let mut rows = self.rows();
        let answer = verb(&mut rows);
        self.generation.fetch_add(1, Ordering::Release);
        answer
    }
}

#[async_trait]
impl Ledger for MemoryLedger {
    async fn begin(
        &self,
        intent: &Intent,
        token: Option<&SeenToken>,
        quota: Quota,
        now: Timestamp,
    ) -> StoreResult<Begun> {
        rules::begin(&mut *self.rows(), intent, token, quota, now)
    }

    async fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>> {
        self.rows().intent(id)
    }

    async fn prepare(
        &self,
        intent: &IntentId,
        train: &Train,
        release: &Release,
        token: Option<&SeenToken>,
        now: Timestamp,
    ) -> StoreResult<Prepared> {
        rules::prepare(&mut *self.rows(), intent, train, release, token, now)
    }

    async fn waiting(&self, train: &Train) -> StoreResult<Vec<Member>> {
        rules::waiting(&*self.rows(), train)
    }

    async fn prepared(&self, train: &Train) -> StoreResult<Vec<Release>> {
        rules::prepared(&*self.rows(), train)
    }

    async fn use_token(&self, token: &SeenToken, purpose: &IntentId) -> StoreResult<bool> {
        rules::use_token(&mut *self.rows(), token, purpose)
    }

    async fn commit(&self, train: &Train, now: Timestamp) -> StoreResult<Committed> {
        self.change(|rows| rules::commit(rows, train, now))
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>> {
        self.rows().sweep(now, limit)
    }

    async fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>> {
        self.rows().head(identifier)
    }

    async fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>> {
        self.rows().releases(identifier)
    }

    async fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>> {
        self.rows().release(identifier, key)
    }

    async fn packages(
        &self,
        after: Option<&Identifier>,
        limit: u32,
    ) -> StoreResult<Vec<Identifier>> {
        self.rows().packages(after, limit)
    }

    async fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>> {
        self.rows().owner_pin(owner)
    }

    async fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>> {
        self.rows().native(name)
    }

    async fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>> {
        self.rows().natives(ecosystem, after, limit)
    }

    async fn first_event(&self, identifier: &Identifier) -> StoreResult<Option<Event>> {
        self.rows().package_event(identifier, 1)
    }

    async fn change_listing(
        &self,
        change: &ListingChange,
        now: Timestamp,
    ) -> StoreResult<ListingChanged> {
        self.change(|rows| rules::change_listing(rows, change, now))
    }

    async fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>> {
        self.rows().listing(name)
    }

    async fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>> {
        self.rows().listings(after, limit)
    }

    async fn mark(
        &self,
        identifier: &Identifier,
        key: &str,
        change: &MarkChange,
        now: Timestamp,
    ) -> StoreResult<Option<Release>> {
        self.change(|rows| rules::mark(rows, identifier, key, change, now))
    }

    async fn change_head(
        &self,
        identifier: &Identifier,
        sequence: u64,
        change: &HeadChange,
        data: serde_json::Value,
        now: Timestamp,
    ) -> StoreResult<Option<Head>> {
        self.change(|rows| rules::change_head(rows, identifier, sequence, change, data, now))
    }

    async fn reserve(&self, reservation: &Reservation) -> StoreResult<()> {
        self.change(|rows| rows.put_reservation(reservation))
    }

    async fn unreserve(&self, name: &str) -> StoreResult<bool> {
        self.change(|rows| rows.drop_reservation(name))
    }

    async fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>> {
        self.rows().reservation(name)
    }

    async fn reservations(&self) -> StoreResult<Vec<Reservation>> {
        self.rows().reservations()
    }

    async fn put_token(&self, token: &TokenRecord) -> StoreResult<()> {
        self.change(|rows| rules::put_token(rows, token))
    }

    async fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>> {
        self.rows().token(sha256)
    }

    async fn tokens(&self) -> StoreResult<Vec<TokenRecord>> {
        self.rows().tokens()
    }

    async fn revoke_token(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        self.change(|rows| rules::revoke_token(rows, id, now))
    }

    async fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>> {
        self.rows().events(after, limit)
    }

    async fn references(&self, digest: &Digest) -> StoreResult<u64> {
        self.rows().references(digest)
    }

    async fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>> {
        self.rows().holders(digest, limit)
    }

    async fn count_downloads(&self, counts: &[Downloads]) -> StoreResult<()> {
        self.change(|rows| rules::count_downloads(rows, counts))
    }

    async fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>> {
        self.rows().downloads(identifier)
    }

    async fn set_advised(&self, advised: &Advised) -> StoreResult<()> {
        self.change(|rows| rows.put_advised(advised))
    }

    async fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>> {
        self.rows().advised(identifier)
    }

    async fn load(&self, records: &[Record]) -> StoreResult<()> {
        self.change(|rows| rules::load(rows, records))
    }

    fn generation(&self) -> StoreResult<u64> {
        Ok(self.generation.load(Ordering::Acquire))
    }
}
