//! The table: DynamoDB's calls, paged, repeated with jitter while a fault may pass, and bounded by a
//! deadline.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue, TransactWriteItem};
use packhouse_registry::ports::{StoreError, StoreResult};
use tokio::time::Instant;

use super::item::{Attributes, key_attributes, key_of};
use super::key::Key;

/// How long one call may wait for its answer before it is sent again.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Items in one `BatchGetItem`.
const BATCH: usize = 100;

/// What a query lists: a range of one partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Range {
    pub(super) pk: String,
    /// The first sort key, included.
    pub(super) from: String,
    /// The last sort key, included.
    pub(super) to: String,
    /// At most this many items.
    pub(super) limit: Option<u32>,
}

impl Range {
    /// All items whose sort key starts with `prefix`.
    pub(super) fn prefix(pk: String, prefix: &str) -> Self {
        Self { pk, from: prefix.to_owned(), to: format!("{prefix}\u{10ffff}"), limit: None }
    }

    /// Whether the range holds this key.
    pub(super) fn holds(&self, key: &Key) -> bool {
        key.pk == self.pk && key.sk >= self.from && key.sk <= self.to
    }
}

/// How a transaction ended that DynamoDB did answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All of it is written.
    Written,
    /// A condition did not hold: nothing is written, and what was read is out of date.
    Conditions,
}

/// Until when something is tried, and how long to wait between tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    deadline: Instant,
    tries: u32,
}

impl Patience {
    pub(super) fn new(budget: Duration) -> Self {
        Self { deadline: Instant::now() + budget, tries: 0 }
    }

    /// Waits before the next try, at most until the deadline: longer each time, and never as long
    /// as others who try for the same.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] with `why` once the deadline is over.
    pub(super) async fn pause(&mut self, why: &str) -> StoreResult<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(StoreError::Unavailable(format!("{why}, {} times", self.tries + 1)));
        }
        let most = Duration::from_millis(8 << self.tries.min(6));
        self.tries += 1;
        tokio::time::sleep(most.mul_f64(random_fraction()).min(left)).await;
        Ok(())
    }
}

/// Between 0 and 1.
fn random_fraction() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness all wait as long: slower, and still right.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// The one table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    client: Client,
    name: String,
    budget: Duration,
}

impl Table {
    /// The client's own repeats are switched off: this module repeats, with its deadline.
    pub(super) fn new(client: &Client, name: String, budget: Duration) -> Self {
        let once = client
            .config()
            .to_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build())
            .build();
        Self { client: Client::from_conf(once), name, budget }
    }

    /// Another time that one verb may take.
    pub(super) fn within(&mut self, budget: Duration) {
        self.budget = budget;
    }

    /// As long as one verb may take.
    pub(super) fn patience(&self) -> Patience {
        Patience::new(self.budget)
    }

    /// One item, read consistently.
    pub(super) async fn get(&self, key: &Key) -> StoreResult<Option<Attributes>> {
        let mut patience = self.patience();
        loop {
            let call = self.client.get_item().table_name(&self.name).consistent_read(true);
            match call.set_key(Some(key_attributes(key))).send().await {
                Ok(answer) => return Ok(answer.item),
                Err(error) => patience.pause(&passing("GetItem", error)?).await?,
            }
        }
    }

    /// Updates an item under a condition, numbers being `values`; the number that the attribute `answer`
    /// has then, or `None` where the condition did not hold. `#ttl` names the expiry.
    pub(super) async fn update_number(
        &self,
        key: &Key,
        update: &str,
        condition: &str,
        values: &[(&str, u64)],
        answer: &str,
    ) -> StoreResult<Option<u64>> {
        let mut patience = self.patience();
        let values: HashMap<_, _> = values
            .iter()
            .map(|(name, n)| ((*name).to_owned(), AttributeValue::N(n.to_string())))
            .collect();
        loop {
            let call = self
                .client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(key_attributes(key)))
                .update_expression(update)
                .condition_expression(condition)
                .expression_attribute_names("#ttl", "ttl")
                .set_expression_attribute_values(Some(values.clone()))
                .return_values(ReturnValue::UpdatedNew);
            match call.send().await {
                Ok(done) => {
                    let number = done.attributes.as_ref().and_then(|all| all.get(answer));
                    let number = number.and_then(|n| n.as_n().ok()?.parse().ok());
                    return Ok(Some(number.unwrap_or_default()));
                }
                Err(error) if error.code() == Some("ConditionalCheckFailedException") => {
                    return Ok(None);
                }
                Err(error) => patience.pause(&passing("UpdateItem", error)?).await?,
            }
        }
    }

    /// The items that exist among `keys`, read consistently, in any order.
    pub(super) async fn get_many(&self, keys: &[Key]) -> StoreResult<Vec<Attributes>> {
        if let [key] = keys {
            return Ok(self.get(key).await?.into_iter().collect());
        }
        let mut found = Vec::with_capacity(keys.len());
        for some in keys.chunks(BATCH) {
            let mut wanted: Vec<Attributes> = some.iter().map(key_attributes).collect();
            let mut patience = self.patience();
            while !wanted.is_empty() {
                let ask = KeysAndAttributes::builder().consistent_read(true);
                let ask = ask.set_keys(Some(wanted.clone())).build().map_err(built)?;
                let call = self.client.batch_get_item().request_items(&self.name, ask);
                match call.send().await {
                    Ok(answer) => {
                        let mut items = answer.responses.unwrap_or_default();
                        let items = items.remove(&self.name).unwrap_or_default();
                        let got_some = !items.is_empty();
                        found.extend(items);
                        let mut left = answer.unprocessed_keys.unwrap_or_default();
                        wanted = left.remove(&self.name).map(|l| l.keys).unwrap_or_default();
                        // An answer is cut at 16 MB: as long as it goes on, there is no fault.
                        if !wanted.is_empty() && !got_some {
                            patience.pause("BatchGetItem left keys unread").await?;
                        }
                    }
                    Err(error) => patience.pause(&passing("BatchGetItem", error)?).await?,
                }
            }
        }
        Ok(found)
    }

    /// The items of a range in ascending order, read consistently, over as many pages as it takes.
    pub(super) async fn list(&self, range: &Range) -> StoreResult<Vec<Attributes>> {
        let values = HashMap::from([
            (":pk".to_owned(), AttributeValue::S(range.pk.clone())),
            (":from".to_owned(), AttributeValue::S(range.from.clone())),
            (":to".to_owned(), AttributeValue::S(range.to.clone())),
        ]);
        let wanted = range.limit.map_or(usize::MAX, |limit| limit as usize);
        let (mut found, mut start) = (Vec::new(), None);
        while found.len() < wanted {
            let mut patience = self.patience();
            let answer = loop {
                let left = i32::try_from(wanted - found.len()).ok();
                let call = self
                    .client
                    .query()
                    .table_name(&self.name)
                    .consistent_read(true)
                    .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                    .set_expression_attribute_values(Some(values.clone()))
                    .set_limit(range.limit.and(left))
                    .set_exclusive_start_key(start.clone());
                match call.send().await {
                    Ok(answer) => break answer,
                    Err(error) => patience.pause(&passing("Query", error)?).await?,
                }
            };
            found.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Keys of the index `due` under `kind` with a sort key below `before`, oldest first, at most
    /// `limit`. The index follows the table within moments.
    pub(super) async fn due(&self, kind: &str, before: &str, limit: u32) -> StoreResult<Vec<Key>> {
        let mut patience = self.patience();
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .index_name("due")
                .key_condition_expression("due_pk = :kind AND due_sk < :before")
                .expression_attribute_values(":kind", AttributeValue::S(kind.to_owned()))
                .expression_attribute_values(":before", AttributeValue::S(before.to_owned()))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX));
            match call.send().await {
                Ok(answer) => return answer.items().iter().map(key_of).collect(),
                Err(error) => patience.pause(&passing("Query of `due`", error)?).await?,
            }
        }
    }

    /// Writes all of `actions` or nothing. Sent again with the same `token` after a lost answer, it
    /// is written once: DynamoDB remembers tokens for ten minutes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when no answer came in time: it may have been written.
    pub(super) async fn transact(
        &self,
        actions: &[TransactWriteItem],
        token: &str,
        patience: &mut Patience,
    ) -> StoreResult<Ended> {
        loop {
            let call = self.client.transact_write_items().client_request_token(token);
            let error = match call.set_transact_items(Some(actions.to_vec())).send().await {
                Ok(_) => return Ok(Ended::Written),
                Err(error) => error,
            };
            if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
                error.as_service_error()
            {
                let codes = cancelled.cancellation_reasons().iter();
                let mut codes = codes.filter_map(|reason| reason.code());
                if codes.clone().any(|code| code == "ConditionalCheckFailed") {
                    return Ok(Ended::Conditions);
                }
                if let Some(code) = codes.find(|code| !is_passing(code) && *code != "None") {
                    return Err(StoreError::Broken(format!("TransactWriteItems: {code}")));
                }
            }
            patience.pause(&passing("TransactWriteItems", error)?).await?;
        }
    }

    /// The table's name, for actions.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Whether what this code names may go away by itself.
fn is_passing(code: &str) -> bool {
    matches!(
        code,
        "TransactionConflict"
            | "TransactionConflictException"
            | "TransactionCanceledException"
            | "TransactionInProgressException"
            | "ProvisionedThroughputExceeded"
            | "ProvisionedThroughputExceededException"
            | "ReplicatedWriteConflictException"
            | "RequestLimitExceeded"
            | "ThrottlingError"
            | "ThrottlingException"
            | "Throttling"
            | "InternalServerError"
            | "ServiceUnavailable"
            | "LimitExceededException"
    )
}

/// What a fault says if it may pass.
///
/// # Errors
///
/// [`StoreError::Broken`] for one that will not.
fn passing<E>(call: &str, error: SdkError<E>) -> StoreResult<String>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let message = error.message().unwrap_or_default().to_owned();
    match error {
        SdkError::TimeoutError(_) => Ok(format!("{call}: no answer in time")),
        SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            Ok(format!("{call}: DynamoDB cannot be reached"))
        }
        SdkError::ServiceError(failed)
            if is_passing(&code) || failed.raw().status().is_server_error() =>
        {
            Ok(format!("{call}: {code}"))
        }
        _ => Err(StoreError::Broken(format!("{call}: {code} {message}"))),
    }
}

/// A request that cannot be built is a defect of ours.
pub(super) fn built(error: impl std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("a request to DynamoDB cannot be built: {error}"))
}
