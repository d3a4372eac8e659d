//! Verbs as serializable transactions.
//!
//! A verb is a function over [`Rows`](packhouse_registry::ledger::Rows). The engine runs it over a
//! [`Snapshot`], reads what it lacked, and runs it again until it lacked nothing. Then its writes go
//! out in one conditional transaction:
//!
//! - What readers see changes together with the feed's head, whose version must be the one that was
//!   read. So whoever writes has seen everything that was written before, and readers see all of a
//!   train or nothing.
//! - What starts with `~` (intents, tokens, hidden rows, trains) is guarded by each item's own
//!   version, so that publishes of different packages do not get into one another's way until they
//!   are sealed.
//!
//! A transaction takes at most 100 actions. A longer one, a train or a release with many files, is
//! stored beside the table first; then **one conditional write** of the feed's head names it, and it
//! is sealed. It is carried out at once, by whoever writes next, or by the sweep; until then readers
//! see the table with the sealed write laid over it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put as PutAction, TransactWriteItem, Update,
};
use futures_util::future::{join_all, try_join_all};
use packhouse_core::digest::{Digest, Hasher};
use packhouse_registry::ports::{StoreError, StoreResult};

use super::item::{
    Attributes, Item, damaged, decode, deflate, encode, fresh_version, inflate, key_attributes,
    key_of, number,
};
use super::key::Key;
use super::records::Records;
use super::rows::{DynamoRows, Ran};
use super::snapshot::{Feed, Snapshot, Wanted, Writes};
use super::table::{Ended, Patience, Table, built};

/// Writes and conditions in one transaction, beside the feed's head.
const ACTIONS: usize = 98;
/// Bytes of records in one transaction; DynamoDB takes 4 MB.
const TRANSACTION_BYTES: usize = 2 << 20;
/// Runs of one verb over one snapshot: each but the last finds out about at least one read.
const RUNS: usize = 64;
/// Times that a read is repeated because the registry changed meanwhile. A registry that changes all
/// the time is read all the same: each row is then as it was at some moment of the call.
const READS: usize = 8;

/// What a verb does.
pub(super) trait Verb<T>: Fn(&mut DynamoRows<'_>) -> StoreResult<T> + Send + Sync {}
impl<T, F: Fn(&mut DynamoRows<'_>) -> StoreResult<T> + Send + Sync> Verb<T> for F {}

/// Runs verbs over one table.
pub(super) struct Engine {
    pub(super) table: Table,
    pub(super) records: Arc<dyn Records>,
    generation: AtomicU64,
    newest_event: AtomicU64,
    /// One of this process at a time changes what readers see: the others would only find the feed's
    /// head changed.
    turn: tokio::sync::Mutex<()>,
}

impl Engine {
    pub(super) fn new(table: Table, records: Arc<dyn Records>) -> Self {
        let (generation, newest_event) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { table, records, generation, newest_event, turn: tokio::sync::Mutex::default() }
    }

    /// As of the newest head that this process has seen.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The number of the newest event that this process has seen.
    pub(super) fn newest_event(&self) -> u64 {
        self.newest_event.load(Ordering::Acquire)
    }

    fn saw(&self, feed: &Feed) {
        self.newest_event.fetch_max(feed.last_event, Ordering::AcqRel);
        self.generation.fetch_max(feed.generation(), Ordering::AcqRel);
    }

    /// The feed's head as it is now.
    pub(super) async fn feed(&self) -> StoreResult<Feed> {
        let Some(attributes) = self.table.get(&Key::feed()).await? else {
            return Ok(Feed::default());
        };
        let read = |name: &str| -> StoreResult<u64> {
            let Some(value) = attributes.get(name) else { return Ok(0) };
            let value = value.as_n().ok().and_then(|text| text.parse().ok());
            value.ok_or_else(|| damaged("the feed", format!("`{name}` is no number")))
        };
        let sealed = attributes.get("sealed").and_then(|value| value.as_s().ok()).cloned();
        let feed = Feed {
            version: read("v")?,
            last_event: read("last_event")?,
            counted: read("counted")?,
            sealed,
        };
        self.saw(&feed);
        Ok(feed)
    }

    /// Answers a verb that writes nothing.
    pub(super) async fn view<T>(&self, verb: impl Verb<T>) -> StoreResult<T> {
        let (mut patience, mut tries) = (self.table.patience(), 0);
        loop {
            let mut snapshot = Snapshot::default();
            // What the first run lacks is read beside the head: answers of one row take one turn.
            let wanted = run(&snapshot, &verb).1.wanted;
            let one_row = wanted.len() == 1 && wanted.iter().all(Wanted::is_item);
            let (feed, read) = tokio::join!(self.feed(), self.read(wanted));
            (snapshot.feed, snapshot.overlay) = self.overlaid(feed?).await?;
            keep(&mut snapshot, read?);
            let rounds = self.complete(&mut snapshot, &verb).await?;
            // Rows that were read one after the other agree if nothing was sealed meanwhile.
            let agrees =
                (rounds == 0 && one_row) || self.feed().await?.version == snapshot.feed.version;
            tries += 1;
            if agrees || tries == READS {
                return run(&snapshot, &verb).0;
            }
            patience.pause("the registry changed while it was read").await?;
        }
    }

    /// Carries out a verb. `visible` says whether it may change what readers see.
    pub(super) async fn transact<T>(
        &self,
        visible: bool,
        verb: impl Verb<T>,
    ) -> StoreResult<(T, Vec<String>)> {
        let _turn = if visible { Some(self.turn.lock().await) } else { None };
        let mut patience = self.table.patience();
        loop {
            let mut snapshot = Snapshot::default();
            snapshot.feed = self.settled(&mut patience).await?;
            self.complete(&mut snapshot, &verb).await?;
            let (answer, ran) = run(&snapshot, &verb);
            let answer = answer?;
            let done = if ran.writes.is_empty() {
                !visible || self.feed().await?.version == snapshot.feed.version
            } else {
                self.write(&snapshot, &ran, &mut patience).await?
            };
            if done {
                return Ok((answer, ran.closed));
            }
            patience.pause("others changed the same records").await?;
        }
    }

    /// Reads what a verb lacks until it lacks nothing; how many times it had to.
    async fn complete<T>(
        &self,
        snapshot: &mut Snapshot,
        verb: &impl Verb<T>,
    ) -> StoreResult<usize> {
        for round in 0..RUNS {
            let wanted = run(snapshot, verb).1.wanted;
            if wanted.is_empty() {
                return Ok(round);
            }
            keep(snapshot, self.read(wanted).await?);
        }
        Err(StoreError::Broken("a verb never stops reading".to_owned()))
    }

    async fn read(&self, wanted: impl IntoIterator<Item = Wanted>) -> StoreResult<Read> {
        let (mut keys, mut ranges) = (Vec::new(), Vec::new());
        for one in wanted {
            match one {
                Wanted::Item(key) => keys.push(key),
                Wanted::List(range) => ranges.push(range),
            }
        }
        let lists = join_all(ranges.iter().map(|range| self.table.list(range)));
        let (items, lists) = tokio::join!(self.table.get_many(&keys), lists);
        let items = try_join_all(items?.iter().map(|found| self.keyed(found))).await?;
        let mut read = Read { keys, items: items.into_iter().collect(), lists: Vec::new() };
        for (range, list) in ranges.into_iter().zip(lists) {
            let list = list?;
            let list = try_join_all(list.iter().map(|found| self.keyed(found))).await?;
            let list = list.into_iter().map(|(key, item)| (key, item.json)).collect();
            read.lists.push((range, list));
        }
        Ok(read)
    }

    async fn keyed(&self, attributes: &Attributes) -> StoreResult<(Key, Item)> {
        Ok((key_of(attributes)?, decode(attributes, &*self.records).await?))
    }

    /// The head, and the sealed write that it names.
    async fn overlaid(&self, feed: Feed) -> StoreResult<(Feed, Option<Arc<Writes>>)> {
        let overlay = match &feed.sealed {
            Some(hex) => Some(Arc::new(self.sealed_write(hex).await?)),
            None => None,
        };
        Ok((feed, overlay))
    }

    async fn sealed_write(&self, hex: &str) -> StoreResult<Writes> {
        let what = "a sealed write";
        let digest: Digest = hex.parse().map_err(|e| damaged(what, e))?;
        let packed = self.records.get(&digest).await?;
        let packed = packed.ok_or_else(|| damaged(what, format!("{hex} is not there")))?;
        Writes::from_json(&inflate(what, &packed)?)
    }

    /// The head once no sealed write is left to be carried out.
    pub(super) async fn settled(&self, patience: &mut Patience) -> StoreResult<Feed> {
        loop {
            let feed = self.feed().await?;
            let Some(hex) = &feed.sealed else { return Ok(feed) };
            let writes = self.sealed_write(hex).await?;
            if !self.carry_out(hex, &writes, patience).await? {
                patience.pause("a sealed write is being carried out").await?;
            }
        }
    }

    /// Writes what the head names, part by part, each only while the head still names it, and then
    /// takes the name away; `false` when somebody else did.
    async fn carry_out(
        &self,
        hex: &str,
        writes: &Writes,
        patience: &mut Patience,
    ) -> StoreResult<bool> {
        const NAMED: &str = "sealed = :sealed";
        let (table, feed) = (self.table.name(), Some(key_attributes(&Key::feed())));
        let name = AttributeValue::S(hex.to_owned());
        let check = ConditionCheck::builder().table_name(table).set_key(feed.clone());
        let check = check.condition_expression(NAMED);
        let check = check.expression_attribute_values(":sealed", name.clone()).build();
        let check = TransactWriteItem::builder().condition_check(check.map_err(built)?).build();
        let end = Update::builder().table_name(table).set_key(feed).condition_expression(NAMED);
        let end = end.update_expression("REMOVE sealed");
        let end = end.expression_attribute_values(":sealed", name).build();
        let end = TransactWriteItem::builder().update(end.map_err(built)?).build();
        let all: Vec<_> = writes.iter().collect();
        let version = fresh_version()?;
        for (number, part) in parts(&all).enumerate() {
            let mut actions = vec![check.clone()];
            for (key, put) in part {
                actions.push(self.action(key, *put, None, version).await?);
            }
            let token =
                client_token(&[hex.as_bytes(), &number.to_le_bytes(), &version.to_le_bytes()]);
            if self.table.transact(&actions, &token, patience).await? == Ended::Conditions {
                return Ok(false);
            }
        }
        let token = client_token(&[hex.as_bytes(), b"end", &version.to_le_bytes()]);
        Ok(self.table.transact(&[end], &token, patience).await? == Ended::Written)
    }

    /// Writes what a run left behind; `false` when something that it had read has changed.
    async fn write(
        &self,
        snapshot: &Snapshot,
        ran: &Ran,
        patience: &mut Patience,
    ) -> StoreResult<bool> {
        let visible = ran.writes.iter().any(|(key, _)| !key.guards_itself());
        let only_read =
            |key: &&Key| key.guards_itself() && !key.is_hidden() && ran.writes.get(key).is_none();
        let checks: Vec<&Key> = ran.read.iter().filter(only_read).collect();
        let bytes: usize =
            ran.writes.iter().filter_map(|(_, put)| put).map(|put| put.json.len()).sum();
        let fits = ran.writes.len() + checks.len() <= ACTIONS && bytes <= TRANSACTION_BYTES;
        let json = serde_json::to_vec(&ran.writes).map_err(|e| damaged("a write", e))?;
        let version = fresh_version()?;
        let mut actions = Vec::new();
        for key in checks {
            actions.push(self.check(key, snapshot)?);
        }
        let mut sealed = None;
        if fits {
            for (key, put) in ran.writes.iter() {
                let condition = key.guards_itself().then(|| snapshot.version(key)).flatten();
                actions.push(self.action(key, put, condition, version).await?);
            }
        } else if visible {
            // Trains guard their hidden rows; what else guards itself is few, and is checked here.
            for (key, _) in ran.writes.iter().filter(|(k, _)| k.guards_itself() && !k.is_hidden()) {
                actions.push(self.check(key, snapshot)?);
            }
            let packed = deflate(&json).map_err(|e| damaged("a write", e))?;
            sealed = Some(self.records.put(packed.into()).await?.hex());
        } else {
            return Err(StoreError::Broken(
                "a verb writes too much for one transaction".to_owned(),
            ));
        }
        let next = Feed {
            version: snapshot.feed.version + 1,
            last_event: ran.last_event,
            counted: snapshot.feed.counted,
            sealed: sealed.clone(),
        };
        if visible {
            actions.push(self.turn_feed(&snapshot.feed, &next)?);
        }
        let token =
            client_token(&[&version.to_le_bytes(), &snapshot.feed.version.to_le_bytes(), &json]);
        if self.table.transact(&actions, &token, patience).await? == Ended::Conditions {
            return Ok(false);
        }
        if visible {
            self.saw(&next);
        }
        if let Some(hex) = sealed {
            // It is sealed: whatever happens from here on, the next writer carries it out.
            let carried = self.carry_out(&hex, &ran.writes, patience).await;
            if let Err(StoreError::Broken(cause)) = carried {
                packhouse_registry::log::error(&format!("a sealed write is left over: {cause}"));
            }
        }
        Ok(true)
    }

    /// The one write of the head: only if it is as it was read.
    fn turn_feed(&self, read: &Feed, next: &Feed) -> StoreResult<TransactWriteItem> {
        let mut set = "SET v = :next, last_event = :last".to_owned();
        let mut update = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(key_attributes(&Key::feed())))
            .expression_attribute_values(":next", number(next.version))
            .expression_attribute_values(":last", number(next.last_event));
        if let Some(hex) = &next.sealed {
            set.push_str(", sealed = :sealed");
            update = update.expression_attribute_values(":sealed", AttributeValue::S(hex.clone()));
        }
        let update = if read.version == 0 {
            update.condition_expression("attribute_not_exists(v)")
        } else {
            update
                .condition_expression("v = :read AND attribute_not_exists(sealed)")
                .expression_attribute_values(":read", number(read.version))
        };
        let update = update.update_expression(set).build().map_err(built)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// A check that an item is as it was read.
    fn check(&self, key: &Key, snapshot: &Snapshot) -> StoreResult<TransactWriteItem> {
        let (condition, values) = condition(snapshot.version(key).flatten());
        let check = ConditionCheck::builder()
            .table_name(self.table.name())
            .set_key(Some(key_attributes(key)))
            .condition_expression(condition)
            .set_expression_attribute_values(values)
            .build()
            .map_err(built)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    /// A put (of `version`) or a delete; `read` is the version that must still be there.
    async fn action(
        &self,
        key: &Key,
        put: Option<&super::item::Put>,
        read: Option<Option<u64>>,
        version: u64,
    ) -> StoreResult<TransactWriteItem> {
        let (expression, values) = read.map(condition).unzip();
        let (expression, values) = (expression.map(str::to_owned), values.flatten());
        let builder = TransactWriteItem::builder();
        let table = self.table.name();
        Ok(match put {
            Some(put) => {
                let item = encode(key, put, version, &*self.records).await?;
                let put = PutAction::builder().table_name(table).set_item(Some(item));
                let put = put.set_condition_expression(expression);
                let put = put.set_expression_attribute_values(values).build();
                builder.put(put.map_err(built)?).build()
            }
            None => {
                let delete = Delete::builder().table_name(table);
                let delete = delete.set_key(Some(key_attributes(key)));
                let delete = delete.set_condition_expression(expression);
                let delete = delete.set_expression_attribute_values(values).build();
                builder.delete(delete.map_err(built)?).build()
            }
        })
    }

    /// Says that download counts were written.
    pub(super) async fn counted(&self) -> StoreResult<()> {
        let mut patience = self.table.patience();
        let update = Update::builder()
            .table_name(self.table.name())
            .set_key(Some(key_attributes(&Key::feed())))
            .update_expression("ADD counted :one")
            .expression_attribute_values(":one", number(1))
            .build()
            .map_err(built)?;
        let action = TransactWriteItem::builder().update(update).build();
        let token = client_token(&[b"counted", &fresh_version()?.to_le_bytes()]);
        self.table.transact(&[action], &token, &mut patience).await?;
        self.feed().await.map(drop)
    }
}

/// Answers to reads.
struct Read {
    keys: Vec<Key>,
    items: HashMap<Key, Item>,
    lists: Vec<(super::table::Range, Vec<(Key, String)>)>,
}

fn keep(snapshot: &mut Snapshot, read: Read) {
    let Read { keys, mut items, lists } = read;
    for key in keys {
        let item = items.remove(&key);
        snapshot.keep_item(key, item);
    }
    for (range, list) in lists {
        snapshot.keep_list(range, list);
    }
}

/// Runs a verb once.
fn run<T>(snapshot: &Snapshot, verb: &impl Verb<T>) -> (StoreResult<T>, Ran) {
    let mut rows = DynamoRows::new(snapshot);
    let answer = verb(&mut rows);
    (answer, rows.end())
}

/// The condition that an item has this version, or does not exist.
fn condition(version: Option<u64>) -> (&'static str, Option<HashMap<String, AttributeValue>>) {
    match version {
        Some(version) => {
            ("v = :read", Some(HashMap::from([(":read".to_owned(), number(version))])))
        }
        None => ("attribute_not_exists(pk)", None),
    }
}

/// Cuts writes into parts that each fit a transaction.
fn parts<'a, T>(
    writes: &'a [(T, Option<&'a super::item::Put>)],
) -> impl Iterator<Item = &'a [(T, Option<&'a super::item::Put>)]> {
    let mut rest = writes;
    std::iter::from_fn(move || {
        let (mut length, mut bytes) = (0, 0);
        for (_, put) in rest.iter().take(ACTIONS) {
            bytes += put.map_or(0, |put| put.json.len());
            if length > 0 && bytes > TRANSACTION_BYTES {
                break;
            }
            length += 1;
        }
        let (part, after) = rest.split_at(length);
        rest = after;
        (length > 0).then_some(part)
    })
}

/// The token of a request, a hash of all that it depends on: sent again, it has the same token. The
/// version that it writes is random, so another request has another.
fn client_token(parts: &[&[u8]]) -> String {
    let mut hash = Hasher::default();
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finish().hex()[..32].to_owned()
}
