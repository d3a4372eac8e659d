//! [`Ledger`] on one DynamoDB table: the registry's rules, run by the [`Engine`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TableStatus,
};
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

use super::engine::Engine;
use super::item::due_key;
use super::key::Key;
use super::records::Records;
use super::rows::DynamoRows;
use super::table::{Patience, Table, built};

/// How long one verb may take; clients wait ten seconds for the whole request.
const BUDGET: Duration = Duration::from_secs(5);
/// How long it may take to make a table.
const TABLE: Duration = Duration::from_secs(60);
/// Hidden rows of a dead train that one transaction drops.
const DROPPED: usize = 40;
/// Days of packages whose counts one transaction adds to.
const COUNTED: usize = 40;
/// Records that one transaction loads: each may be a token, which is two items that guard themselves.
const LOADED: usize = 40;

/// The ledger on AWS. Any number of functions may share a table.
pub struct DynamoLedger {
    engine: Engine,
}

impl DynamoLedger {
    /// A ledger on the table `table`; what is too long for an item lies in `records`.
    pub fn new(client: &Client, table: impl Into<String>, records: Arc<dyn Records>) -> Self {
        Self { engine: Engine::new(Table::new(client, table.into(), BUDGET), records) }
    }

    /// With another time that one verb may take; 5 seconds from the start.
    #[must_use]
    pub fn within(mut self, budget: Duration) -> Self {
        self.engine.table.within(budget);
        self
    }

    /// Reads how far the registry is, so that [`Ledger::generation`] is of now: before each request.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn refresh(&self) -> StoreResult<()> {
        self.engine.feed().await.map(drop)
    }

    /// The number of the newest event, as of the last [`DynamoLedger::refresh`] or later.
    pub fn newest_event(&self) -> u64 {
        self.engine.newest_event()
    }

    /// Carries out what an earlier function sealed and did not get to carry out.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn settle_sealed(&self) -> StoreResult<()> {
        self.engine.settled(&mut self.engine.table.patience()).await.map(drop)
    }

    /// Adds the download counts of one `source` (a log file's name), once however often and by however
    /// many it is called until `until`, when the source is forgotten. `false` when all of it was
    /// counted before.
    ///
    /// # Errors
    ///
    /// Those of the store. Some of the counts may be added then; the next call adds the others.
    pub async fn count_once(
        &self,
        source: &str,
        counts: &[Downloads],
        until: Timestamp,
    ) -> StoreResult<bool> {
        let mut new = false;
        for some in by_day(counts).chunks(COUNTED) {
            new |= self
                .own(|rows: &mut DynamoRows<'_>| {
                    let mut new = false;
                    for day in some {
                        new |= rows.count_once(source, day, until)?;
                    }
                    Ok(new)
                })
                .await?;
        }
        if new {
            self.engine.counted().await?;
        }
        Ok(new)
    }

    /// Carries out a verb that changes only what guards itself.
    async fn own<T>(&self, verb: impl super::engine::Verb<T>) -> StoreResult<T> {
        self.engine.transact(false, verb).await.map(|(answer, _)| answer)
    }

    /// Carries out a verb that changes what readers see.
    async fn change<T>(&self, verb: impl super::engine::Verb<T>) -> StoreResult<T> {
        self.engine.transact(true, verb).await.map(|(answer, _)| answer)
    }

    /// Drops an unsealed train that expired before `now`, its hidden rows first: what is left of it
    /// when this is cut short can never be sealed.
    async fn drop_train(&self, key: &Key, now: Timestamp) -> StoreResult<()> {
        let Some(digest) = key.pk.rsplit('#').next().and_then(|hex| hex.parse::<Digest>().ok())
        else {
            return Err(StoreError::Broken(format!("`{}` is no train", key.pk)));
        };
        loop {
            let verb = |rows: &mut DynamoRows<'_>| {
                let Some(mut train) = rows.train(&digest)? else { return Ok(true) };
                if train.expires_at.is_none_or(|at| at >= now) {
                    return Ok(true);
                }
                for _ in 0..DROPPED {
                    let Some((package, version)) = train.members.pop_first() else {
                        return rows.drop_train(&digest).map(|()| true);
                    };
                    let package = Identifier::try_from(package)
                        .map_err(|e| super::item::damaged("a train", e))?;
                    if rows.hidden(&package, &version)?.is_some_and(|row| row.train == digest) {
                        rows.drop_hidden(&package, &version)?;
                    }
                }
                rows.put_train_row(&digest, &train)?;
                Ok(false)
            };
            if self.own(verb).await? {
                return Ok(());
            }
        }
    }
}

/// Counts in groups of one package and day: each is one item.
fn by_day(counts: &[Downloads]) -> Vec<Vec<&Downloads>> {
    let mut days: BTreeMap<(&Identifier, &str), Vec<&Downloads>> = BTreeMap::new();
    for count in counts {
        days.entry((&count.identifier, &count.day)).or_default().push(count);
    }
    days.into_values().collect()
}

#[async_trait]
impl Ledger for DynamoLedger {
    async fn begin(
        &self,
        intent: &Intent,
        token: Option<&SeenToken>,
        quota: Quota,
        now: Timestamp,
    ) -> StoreResult<Begun> {
        self.own(|rows: &mut DynamoRows<'_>| rules::begin(rows, intent, token, quota, now)).await
    }

    async fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.intent(id)).await
    }

    async fn prepare(
        &self,
        intent: &IntentId,
        train: &Train,
        release: &Release,
        token: Option<&SeenToken>,
        now: Timestamp,
    ) -> StoreResult<Prepared> {
        self.own(|rows: &mut DynamoRows<'_>| {
            rules::prepare(rows, intent, train, release, token, now)
        })
        .await
    }

    async fn waiting(&self, train: &Train) -> StoreResult<Vec<Member>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rules::waiting(rows, train)).await
    }

    async fn prepared(&self, train: &Train) -> StoreResult<Vec<Release>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rules::prepared(rows, train)).await
    }

    async fn use_token(&self, token: &SeenToken, purpose: &IntentId) -> StoreResult<bool> {
        self.own(|rows: &mut DynamoRows<'_>| rules::use_token(rows, token, purpose)).await
    }

    async fn commit(&self, train: &Train, now: Timestamp) -> StoreResult<Committed> {
        let verb = |rows: &mut DynamoRows<'_>| rules::commit(rows, train, now);
        let (answer, closed) = self.engine.transact(true, verb).await?;
        if !closed.is_empty() {
            // Quotas follow the seal. If this gets lost, the intents count until they expire.
            let _ = self.own(|rows: &mut DynamoRows<'_>| rows.close_quotas(&closed)).await;
        }
        Ok(answer)
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.settle_sealed().await?;
        // A second is not over while it lasts: what expires within it is left alone by each verb.
        let before = due_key(now.as_second() + 1);
        for key in self.engine.table.due("train", &before, limit).await? {
            self.drop_train(&key, now).await?;
        }
        let mut dropped = Vec::new();
        for key in self.engine.table.due("intent", &before, limit).await? {
            let id = key.pk.trim_start_matches("~intent#").to_owned();
            let id = IntentId::try_from(id).map_err(StoreError::Broken)?;
            let verb = |rows: &mut DynamoRows<'_>| {
                let Some(intent) = rows.intent(&id)? else { return Ok(false) };
                let late = intent.expires_at < now;
                if late {
                    rows.delete(key.clone());
                }
                Ok(late)
            };
            if self.own(verb).await? {
                dropped.push(id);
            }
        }
        Ok(dropped)
    }

    async fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.head(identifier)).await
    }

    async fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.releases(identifier)).await
    }

    async fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.release(identifier, key)).await
    }

    async fn packages(
        &self,
        after: Option<&Identifier>,
        limit: u32,
    ) -> StoreResult<Vec<Identifier>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.packages(after, limit)).await
    }

    async fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.owner_pin(owner)).await
    }

    async fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.native(name)).await
    }

    async fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.natives(ecosystem, after, limit)).await
    }

    async fn first_event(&self, identifier: &Identifier) -> StoreResult<Option<Event>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.package_event(identifier, 1)).await
    }

    async fn change_listing(
        &self,
        change: &ListingChange,
        now: Timestamp,
    ) -> StoreResult<ListingChanged> {
        self.change(|rows: &mut DynamoRows<'_>| rules::change_listing(rows, change, now)).await
    }

    async fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.listing(name)).await
    }

    async fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.listings(after, limit)).await
    }

    async fn mark(
        &self,
        identifier: &Identifier,
        key: &str,
        change: &MarkChange,
        now: Timestamp,
    ) -> StoreResult<Option<Release>> {
        self.change(|rows: &mut DynamoRows<'_>| rules::mark(rows, identifier, key, change, now))
            .await
    }

    async fn change_head(
        &self,
        identifier: &Identifier,
        sequence: u64,
        change: &HeadChange,
        data: serde_json::Value,
        now: Timestamp,
    ) -> StoreResult<Option<Head>> {
        self.change(|rows: &mut DynamoRows<'_>| {
            rules::change_head(rows, identifier, sequence, change, data.clone(), now)
        })
        .await
    }

    async fn reserve(&self, reservation: &Reservation) -> StoreResult<()> {
        self.change(|rows: &mut DynamoRows<'_>| rows.put_reservation(reservation)).await
    }

    async fn unreserve(&self, name: &str) -> StoreResult<bool> {
        self.change(|rows: &mut DynamoRows<'_>| rows.drop_reservation(name)).await
    }

    async fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.reservation(name)).await
    }

    async fn reservations(&self) -> StoreResult<Vec<Reservation>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.reservations()).await
    }

    async fn put_token(&self, token: &TokenRecord) -> StoreResult<()> {
        self.own(|rows: &mut DynamoRows<'_>| rules::put_token(rows, token)).await
    }

    async fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.token(sha256)).await
    }

    async fn tokens(&self) -> StoreResult<Vec<TokenRecord>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.tokens()).await
    }

    async fn revoke_token(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        self.own(|rows: &mut DynamoRows<'_>| rules::revoke_token(rows, id, now)).await
    }

    async fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.events(after, limit)).await
    }

    async fn references(&self, digest: &Digest) -> StoreResult<u64> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.references(digest)).await
    }

    async fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.holders(digest, limit)).await
    }

    async fn count_downloads(&self, counts: &[Downloads]) -> StoreResult<()> {
        for some in by_day(counts).chunks(COUNTED) {
            self.own(|rows: &mut DynamoRows<'_>| {
                some.iter().flatten().try_for_each(|count| rows.add_downloads(count))
            })
            .await?;
        }
        self.engine.counted().await
    }

    async fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.downloads(identifier)).await
    }

    async fn set_advised(&self, advised: &Advised) -> StoreResult<()> {
        self.own(|rows: &mut DynamoRows<'_>| rows.put_advised(advised)).await?;
        self.engine.counted().await
    }

    async fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>> {
        self.engine.view(|rows: &mut DynamoRows<'_>| rows.advised(identifier)).await
    }

    async fn load(&self, records: &[Record]) -> StoreResult<()> {
        for some in records.chunks(LOADED) {
            self.change(|rows: &mut DynamoRows<'_>| rules::load(rows, some)).await?;
        }
        self.engine.counted().await
    }

    fn generation(&self) -> StoreResult<u64> {
        Ok(self.engine.generation())
    }
}

/// Makes a table as `template.yaml` describes it, for tests and for emulators.
///
/// # Errors
///
/// What DynamoDB answers.
pub async fn create_table(client: &Client, name: &str) -> StoreResult<()> {
    let attribute = |name: &str| {
        let text = AttributeDefinition::builder().attribute_name(name);
        text.attribute_type(ScalarAttributeType::S).build().map_err(built)
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().map_err(built)
    };
    let keys = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
    let due = GlobalSecondaryIndex::builder()
        .index_name("due")
        .key_schema(key("due_pk", KeyType::Hash)?)
        .key_schema(key("due_sk", KeyType::Range)?)
        .projection(keys)
        .build()
        .map_err(built)?;
    let call = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk")?)
        .attribute_definitions(attribute("sk")?)
        .attribute_definitions(attribute("due_pk")?)
        .attribute_definitions(attribute("due_sk")?)
        .key_schema(key("pk", KeyType::Hash)?)
        .key_schema(key("sk", KeyType::Range)?)
        .global_secondary_indexes(due);
    let failed = |error: String| StoreError::Broken(format!("the table cannot be made: {error}"));
    call.send().await.map_err(|e| failed(format!("{:?}", e.into_service_error())))?;
    let mut patience = Patience::new(TABLE);
    loop {
        let made = client.describe_table().table_name(name).send().await;
        let made = made.map_err(|e| failed(format!("{:?}", e.into_service_error())))?;
        let status = made.table.and_then(|table| table.table_status);
        if status == Some(TableStatus::Active) {
            return Ok(());
        }
        patience.pause("the table is being made").await?;
    }
}
