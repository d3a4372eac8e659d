//! Turns of `ato`'s downloads, booked in the table: parallel requests of one client reach several
//! functions.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use packhouse_registry::log;
use packhouse_registry::ports::{StoreError, StoreResult};
use packhouse_registry::spacing::{GAP, LONGEST, Turns};

use super::key::Key;
use super::table::Table;

/// A download waits less for its turn than it would take to be told that there is none.
const BUDGET: Duration = Duration::from_secs(1);
/// How often a turn is tried to be had that others had first.
const TRIES: u32 = 4;
/// How long an address is remembered, in seconds; it stands in the table as a hash.
const REMEMBERED: u64 = 3600;

/// Turns in the registry's table: one or two writes for each download of `ato`.
pub struct DynamoTurns {
    table: Table,
}

impl DynamoTurns {
    /// Turns in this table.
    pub fn new(client: &Client, table: impl Into<String>) -> Self {
        Self { table: Table::new(client, table.into(), BUDGET) }
    }

    /// Books the next free turn of an address from `now` on; when it is. In milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn book_at(&self, address: IpAddr, now: u64) -> StoreResult<u64> {
        let key = Key::turn(address);
        let gap = GAP.as_millis() as u64;
        let ttl = now / 1_000 + REMEMBERED;
        for _ in 0..TRIES {
            // Behind the one before, or, where that is over, at once.
            let behind = ("SET nxt = nxt + :step, #ttl = :ttl", "nxt > :now", gap);
            let at_once = (
                "SET nxt = :step, #ttl = :ttl",
                "attribute_not_exists(nxt) OR nxt <= :now",
                now + gap,
            );
            for (update, condition, step) in [behind, at_once] {
                let values = [(":step", step), (":ttl", ttl), (":now", now)];
                let next =
                    self.table.update_number(&key, update, condition, &values, "nxt").await?;
                if let Some(next) = next {
                    return Ok(next.saturating_sub(gap));
                }
            }
        }
        Err(StoreError::Unavailable("others always had the turn first".to_owned()))
    }
}

/// Milliseconds since 1970: functions' clocks agree far better than a gap is long.
fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl Turns for DynamoTurns {
    async fn book(&self, address: IpAddr) -> Duration {
        match self.book_at(address, now_ms()).await {
            // From now, and not from when it was asked: the answer took its time.
            Ok(turn) => Duration::from_millis(turn.saturating_sub(now_ms())).min(LONGEST),
            Err(error) => {
                log::error(&format!("a download of ato goes without its turn: {error}"));
                Duration::ZERO
            }
        }
    }
}
