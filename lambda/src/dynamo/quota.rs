//! What a publisher has under way: one item, so that a burst of requests is counted exactly.

use std::collections::BTreeMap;

use jiff::Timestamp;
use packhouse_registry::ledger::{Usage, WINDOW_SECONDS};
use packhouse_registry::ports::{Intent, IntentId};
use serde::{Deserialize, Serialize};

/// The intents that count, by id: at most as many as the quota admits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Quota {
    intents: BTreeMap<IntentId, Counted>,
}

/// When it was asked for and when it expires, in microseconds of the Unix epoch, and whether it was
/// released: without names, since there may be many.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Counted(i64, i64, bool);

impl Counted {
    /// Whether it was asked for within the window.
    fn is_recent(self, now: Timestamp) -> bool {
        now.as_microsecond() - self.0 < WINDOW_SECONDS * 1_000_000
    }

    /// Whether it is neither released nor expired.
    fn is_open(self, now: Timestamp) -> bool {
        !self.2 && self.1 > now.as_microsecond()
    }
}

impl Quota {
    /// Counts an intent, or gives it its later expiry; drops what counts no more.
    pub(super) fn open(&mut self, intent: &Intent) {
        let now = intent.created_at;
        self.intents.retain(|_, held| held.is_recent(now) || held.is_open(now));
        let closed = self.intents.get(&intent.id).is_some_and(|held| held.2);
        let expires = intent.expires_at.as_microsecond();
        self.intents.insert(intent.id.clone(), Counted(now.as_microsecond(), expires, closed));
    }

    /// The intent was released; whether that changed anything.
    pub(super) fn close(&mut self, id: &IntentId) -> bool {
        let held = self.intents.get_mut(id);
        held.is_some_and(|held| !std::mem::replace(&mut held.2, true))
    }

    /// What counts at `now`.
    pub(super) fn usage(&self, now: Timestamp) -> Usage {
        let time = |at| Timestamp::from_microsecond(at).ok();
        let open = self.intents.values().filter(|held| held.is_open(now));
        let recent = self.intents.values().filter(|held| held.is_recent(now));
        let count = |held: usize| u32::try_from(held).unwrap_or(u32::MAX);
        Usage {
            open: count(open.clone().count()),
            next_expiry: open.map(|held| held.1).min().and_then(time),
            recent: count(recent.clone().count()),
            oldest_recent: recent.map(|held| held.0).min().and_then(time),
        }
    }

    /// The second of the Unix epoch after which none of it counts.
    pub(super) fn ends(&self) -> i64 {
        let ends =
            self.intents.values().map(|held| held.1.max(held.0 + WINDOW_SECONDS * 1_000_000));
        ends.max().unwrap_or_default() / 1_000_000 + 1
    }
}
