//! Download counts: gathered in memory, written every few seconds, never on the way of an answer.
//!
//! A download is counted when its answer starts with the first byte of the archive: `HEAD`, later
//! ranges of a resumed or parallel download, and revalidations count nothing, and a client that asks
//! for the same archive again within [`WINDOW`] is one that tries again. A killed server loses the
//! counts of its last seconds, and no others.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use packhouse_core::api::read::Stats;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;

use crate::app::App;
use crate::ports::{Downloads, Ledger, StoreResult};
use crate::spacing::ClientAddr;

/// How long a repeated download of one client counts as the same.
pub const WINDOW: Duration = Duration::from_secs(600);

/// How often the counts are written.
pub const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// Releases with counts in memory, and clients remembered, at most; beyond, nothing is counted until
/// the next flush, so that a flood costs memory of a fixed size.
const HELD: usize = 10_000;

/// The counts that are not written yet.
#[derive(Default)]
pub struct Counter {
    pending: Mutex<HashMap<(Identifier, String, String), u64>>,
    recent: Mutex<HashMap<u64, Instant>>,
    hasher: RandomState,
}

impl Counter {
    /// Counts one download of `release`, unless this client had it a moment ago.
    pub fn count(&self, release: &Release, client: Option<ClientAddr>, now: Timestamp) {
        if client.is_some_and(|client| !self.first(release, client, Instant::now())) {
            return;
        }
        let day = now.to_zoned(TimeZone::UTC).date().to_string();
        let key = (release.identifier.clone(), release.version.key().to_owned(), day);
        let mut pending = lock(&self.pending);
        if pending.len() < HELD || pending.contains_key(&key) {
            *pending.entry(key).or_default() += 1;
        }
    }

    /// Whether `client` did not download `release` within the window.
    fn first(&self, release: &Release, client: ClientAddr, now: Instant) -> bool {
        // A keyed hash instead of address and digest: a collision costs one count.
        let id = self.hasher.hash_one((client, release.digest, release.identifier.key()));
        let mut recent = lock(&self.recent);
        if recent.len() >= HELD {
            recent.retain(|_, seen| now.duration_since(*seen) < WINDOW);
            if recent.len() >= HELD {
                return true;
            }
        }
        let before = recent.insert(id, now);
        before.is_none_or(|seen| now.duration_since(seen) >= WINDOW)
    }

    /// Writes the counts; answers the packages concerned. What could not be written is kept.
    pub async fn flush(&self, ledger: &dyn Ledger) -> StoreResult<Vec<Identifier>> {
        let taken = std::mem::take(&mut *lock(&self.pending));
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let counts: Vec<_> = taken
            .into_iter()
            .map(|((identifier, version, day), count)| Downloads {
                identifier,
                version,
                day,
                count,
            })
            .collect();
        if let Err(error) = ledger.count_downloads(&counts).await {
            let mut pending = lock(&self.pending);
            for Downloads { identifier, version, day, count } in counts {
                *pending.entry((identifier, version, day)).or_default() += count;
            }
            return Err(error);
        }
        let mut identifiers: Vec<_> = counts.into_iter().map(|c| c.identifier).collect();
        identifiers.sort();
        identifiers.dedup();
        Ok(identifiers)
    }
}

/// Flushes the counts every [`FLUSH_EVERY`] until `shutdown` ends, and once more then. One task of
/// the service runs this.
pub async fn run(app: App, shutdown: impl Future<Output = ()> + Send) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let stop = tokio::select! {
            () = &mut shutdown => true,
            () = tokio::time::sleep(FLUSH_EVERY) => false,
        };
        match app.reads.downloads.flush(app.ledger.as_ref()).await {
            Ok(counted) => app.reads.catalogue.recount(counted),
            Err(error) => crate::log::error(&format!("download counts were not written: {error}")),
        }
        if stop {
            return;
        }
    }
}

/// The statistics of `counts`, of one version where `key` names one, on the day of `now`.
pub fn stats(counts: &[Downloads], key: Option<&str>, now: Timestamp) -> Stats {
    let today = now.to_zoned(TimeZone::UTC).date();
    let since = |days: i64| today.checked_sub((days - 1).days()).unwrap_or(today).to_string();
    let (week, month) = (since(7), since(30));
    let mut stats = Stats::default();
    for count in counts.iter().filter(|c| key.is_none_or(|key| key == c.version)) {
        // Days are `YYYY-MM-DD`: as text, they are in order of time.
        let add = |sum: &mut u64, since: &str| {
            if count.day.as_str() >= since {
                *sum = sum.saturating_add(count.count);
            }
        };
        add(&mut stats.total_downloads, "");
        add(&mut stats.this_week_downloads, &week);
        add(&mut stats.this_month_downloads, &month);
    }
    stats
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_and_months_count_today_as_their_last_day() {
        let count = |version: &str, day: &str, count: u64| Downloads {
            identifier: "acme/sensor".parse().unwrap(),
            version: version.to_owned(),
            day: day.to_owned(),
            count,
        };
        let counts = [
            count("1.0.0", "2026-03-02", 1),
            count("1.0.0", "2026-02-24", 10),
            count("1.0.0", "2026-02-23", 100),
            count("2.0.0", "2026-02-01", 1_000),
            count("1.0.0", "2026-01-31", 10_000),
        ];
        let now: Timestamp = "2026-03-02T23:59:59Z".parse().unwrap();
        let all = stats(&counts, None, now);
        assert_eq!(
            (all.total_downloads, all.this_week_downloads, all.this_month_downloads),
            (11_111, 11, 1_111)
        );
        let one = stats(&counts, Some("2.0.0"), now);
        assert_eq!((one.total_downloads, one.this_week_downloads), (1_000, 0));
        assert_eq!(stats(&counts, Some("3.0.0"), now), Stats::default());
    }
}
