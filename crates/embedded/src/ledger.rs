//! [`Ledger`] on SQLite.
//!
//! Reads of one row take microseconds from the page cache and run where they are asked for; lists
//! and writes, which may wait for a disk or another process, run on the blocking pool.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_core::claims::OwnerPin;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::Advised;
use packhouse_core::release::{Event, Head, Release};
use packhouse_registry::ledger::{self as rules, Rows};
use packhouse_registry::ports::{
    Begun, Committed, Downloads, HeadChange, Intent, IntentId, Ledger, Listing, ListingChange,
    ListingChanged, MarkChange, Member, Prepared, Quota, Record, Reservation, SeenToken,
    StoreError, StoreResult, TokenRecord, Train,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use crate::database::{Database, Durability};
use crate::fault;
use crate::folder::DataDir;
use crate::rows::SqlRows;

/// How long a call waits for those before it; clients wait ten seconds.
const QUEUE: Duration = Duration::from_secs(5);

/// Lists that are read at one time.
const LISTS: usize = 32;

/// The ledger of a data folder. Any number of values and processes may have it open.
#[derive(Clone)]
pub struct EmbeddedLedger {
    database: Arc<Database>,
    /// Writers that hold a thread: one that writes and one that stands ready. All others wait
    /// without one, in the order in which they came.
    writers: Arc<Semaphore>,
    /// Lists that are read at one time, each with a thread and a connection.
    lists: Arc<Semaphore>,
}

impl EmbeddedLedger {
    /// Opens the ledger of a data folder, or makes it.
    ///
    /// # Errors
    ///
    /// [`packhouse_registry::ports::StoreError`] when it is damaged, newer than this program, not
    /// writable, or held by another process for long.
    pub fn open(folder: &DataDir) -> StoreResult<Self> {
        Ok(Self {
            database: Arc::new(Database::open(folder.ledger())?),
            writers: Arc::new(Semaphore::new(2)),
            lists: Arc::new(Semaphore::new(LISTS)),
        })
    }

    /// Begins the log ahead of the first publish, which then has two syncs less to wait for. Meant
    /// for a background thread after the start, next to [`crate::FileBlobs::make_folders`].
    ///
    /// # Errors
    ///
    /// [`packhouse_registry::ports::StoreError`] when the ledger cannot be written.
    pub fn start_log(&self) -> StoreResult<()> {
        self.database.start_log()
    }

    /// Changes rows that no read returns.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        verb: impl FnOnce(&mut SqlRows<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let database = Arc::clone(&self.database);
        let turn = turn(&self.writers).await?;
        let answer = spawn_blocking(move || {
            let answer = database.write(durability, verb);
            drop(turn); // here, since the write goes on where nobody waits for it any more
            answer
        });
        let answer = answer.await.map_err(fault::task)?;
        if self.database.is_log_long() {
            let database = Arc::clone(&self.database);
            // Nobody waits for it. What fails now is tried again after the next write.
            drop(spawn_blocking(move || database.checkpoint()));
        }
        answer
    }

    /// Changes what reads return.
    async fn change<T: Send + 'static>(
        &self,
        verb: impl FnOnce(&mut SqlRows<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        self.write(Durability::Synced, |rows| {
            let answer = verb(rows)?;
            rows.bump_generation()?;
            Ok(answer)
        })
        .await
    }

    /// Reads what may be long.
    async fn list<T: Send + 'static>(
        &self,
        read: impl FnOnce(&SqlRows<'_>) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let database = Arc::clone(&self.database);
        let turn = turn(&self.lists).await?;
        let answer = spawn_blocking(move || {
            let answer = database.read(read);
            drop(turn);
            answer
        });
        answer.await.map_err(fault::task)?
    }
}

/// Waits for a turn.
async fn turn(queue: &Arc<Semaphore>) -> StoreResult<OwnedSemaphorePermit> {
    match tokio::time::timeout(QUEUE, Arc::clone(queue).acquire_owned()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(StoreError::Unavailable(format!(
            "ledger.sqlite: {} s were not enough for those that came before",
            QUEUE.as_secs()
        ))),
    }
}

#[async_trait]
impl Ledger for EmbeddedLedger {
    async fn begin(
        &self,
        intent: &Intent,
        token: Option<&SeenToken>,
        quota: Quota,
        now: Timestamp,
    ) -> StoreResult<Begun> {
        let (intent, token) = (intent.clone(), token.cloned());
        let verb =
            move |rows: &mut SqlRows<'_>| rules::begin(rows, &intent, token.as_ref(), quota, now);
        self.write(Durability::Synced, verb).await
    }

    async fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>> {
        self.database.read(|rows| rows.intent(id))
    }

    async fn prepare(
        &self,
        intent: &IntentId,
        train: &Train,
        release: &Release,
        token: Option<&SeenToken>,
        now: Timestamp,
    ) -> StoreResult<Prepared> {
        let (intent, train) = (intent.clone(), train.clone());
        let (release, token) = (release.clone(), token.cloned());
        let verb = move |rows: &mut SqlRows<'_>| {
            rules::prepare(rows, &intent, &train, &release, token.as_ref(), now)
        };
        self.write(Durability::Deferred, verb).await
    }

    async fn waiting(&self, train: &Train) -> StoreResult<Vec<Member>> {
        self.database.read(|rows| rules::waiting(rows, train))
    }

    async fn prepared(&self, train: &Train) -> StoreResult<Vec<Release>> {
        self.database.read(|rows| rules::prepared(rows, train))
    }

    async fn use_token(&self, token: &SeenToken, purpose: &IntentId) -> StoreResult<bool> {
        let (token, purpose) = (token.clone(), purpose.clone());
        let verb = move |rows: &mut SqlRows<'_>| rules::use_token(rows, &token, &purpose);
        self.write(Durability::Synced, verb).await
    }

    async fn commit(&self, train: &Train, now: Timestamp) -> StoreResult<Committed> {
        let train = train.clone();
        self.write(Durability::Synced, move |rows| {
            let before = rows.last_event()?;
            let answer = rules::commit(rows, &train, now)?;
            if rows.last_event()? != before {
                rows.bump_generation()?;
            }
            Ok(answer)
        })
        .await
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>> {
        self.write(Durability::Deferred, move |rows| rows.sweep(now, limit)).await
    }

    async fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>> {
        self.database.read(|rows| rows.head(identifier))
    }

    async fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>> {
        let identifier = identifier.clone();
        self.list(move |rows| rows.releases(&identifier)).await
    }

    async fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>> {
        self.database.read(|rows| rows.release(identifier, key))
    }

    async fn packages(
        &self,
        after: Option<&Identifier>,
        limit: u32,
    ) -> StoreResult<Vec<Identifier>> {
        let after = after.cloned();
        self.list(move |rows| rows.packages(after.as_ref(), limit)).await
    }

    async fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>> {
        self.database.read(|rows| rows.owner_pin(owner))
    }

    async fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>> {
        self.database.read(|rows| rows.native(name))
    }

    async fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>> {
        let (ecosystem, after) = (ecosystem.to_owned(), after.map(str::to_owned));
        self.list(move |rows| rows.natives(&ecosystem, after.as_deref(), limit)).await
    }

    async fn first_event(&self, identifier: &Identifier) -> StoreResult<Option<Event>> {
        self.database.read(|rows| rows.package_event(identifier, 1))
    }

    async fn change_listing(
        &self,
        change: &ListingChange,
        now: Timestamp,
    ) -> StoreResult<ListingChanged> {
        let change = change.clone();
        self.change(move |rows| rules::change_listing(rows, &change, now)).await
    }

    async fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>> {
        self.database.read(|rows| rows.listing(name))
    }

    async fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>> {
        let after = after.cloned();
        self.list(move |rows| rows.listings(after.as_ref(), limit)).await
    }

    async fn mark(
        &self,
        identifier: &Identifier,
        key: &str,
        change: &MarkChange,
        now: Timestamp,
    ) -> StoreResult<Option<Release>> {
        let (identifier, key, change) = (identifier.clone(), key.to_owned(), change.clone());
        self.change(move |rows| rules::mark(rows, &identifier, &key, &change, now)).await
    }

    async fn change_head(
        &self,
        identifier: &Identifier,
        sequence: u64,
        change: &HeadChange,
        data: serde_json::Value,
        now: Timestamp,
    ) -> StoreResult<Option<Head>> {
        let (identifier, change) = (identifier.clone(), change.clone());
        let verb = move |rows: &mut SqlRows<'_>| {
            rules::change_head(rows, &identifier, sequence, &change, data, now)
        };
        self.change(verb).await
    }

    async fn reserve(&self, reservation: &Reservation) -> StoreResult<()> {
        let reservation = reservation.clone();
        self.change(move |rows| rows.put_reservation(&reservation)).await
    }

    async fn unreserve(&self, name: &str) -> StoreResult<bool> {
        let name = name.to_owned();
        self.change(move |rows| rows.drop_reservation(&name)).await
    }

    async fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>> {
        self.database.read(|rows| rows.reservation(name))
    }

    async fn reservations(&self) -> StoreResult<Vec<Reservation>> {
        self.list(|rows| rows.reservations()).await
    }

    async fn put_token(&self, token: &TokenRecord) -> StoreResult<()> {
        let token = token.clone();
        self.change(move |rows| rules::put_token(rows, &token)).await
    }

    async fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>> {
        self.database.read(|rows| rows.token(sha256))
    }

    async fn tokens(&self) -> StoreResult<Vec<TokenRecord>> {
        self.list(|rows| rows.tokens()).await
    }

    async fn revoke_token(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        let id = id.to_owned();
        self.change(move |rows| rules::revoke_token(rows, &id, now)).await
    }

    async fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>> {
        self.list(move |rows| rows.events(after, limit)).await
    }

    async fn references(&self, digest: &Digest) -> StoreResult<u64> {
        self.database.read(|rows| rows.references(digest))
    }

    async fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>> {
        self.database.read(|rows| rows.holders(digest, limit))
    }

    async fn count_downloads(&self, counts: &[Downloads]) -> StoreResult<()> {
        let counts = counts.to_vec();
        self.change(move |rows| rules::count_downloads(rows, &counts)).await
    }

    async fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>> {
        let identifier = identifier.clone();
        self.list(move |rows| rows.downloads(&identifier)).await
    }

    async fn set_advised(&self, advised: &Advised) -> StoreResult<()> {
        let advised = advised.clone();
        self.change(move |rows| rows.put_advised(&advised)).await
    }

    async fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>> {
        self.database.read(|rows| rows.advised(identifier))
    }

    async fn load(&self, records: &[Record]) -> StoreResult<()> {
        let records = records.to_vec();
        self.change(move |rows| rules::load(rows, &records)).await
    }

    fn generation(&self) -> StoreResult<u64> {
        self.database.generation()
    }
}
