//! Releases as commits: made from their archives when they are asked for, and kept while there is room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use packhouse_core::fppm::Commit;
use packhouse_core::fppm::git::{self, Subject};
use packhouse_core::release::Release;
use tokio::sync::Semaphore;

use crate::app::App;
use crate::compat::archive::{archive, lost};
use crate::error::ApiResult;

/// What is kept, in bytes.
const KEPT_BYTES: usize = 32 << 20;
/// What an entry takes beside its bytes.
const ENTRY_BYTES: usize = 512;

/// A release as a commit with its pack.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) commit: Commit,
    /// `pack-<name>.pack`.
    pub(super) name: String,
    pub(super) index: Bytes,
    /// `None` once there was no room for it: it can be made again.
    pub(super) pack: Option<Bytes>,
}

impl Made {
    fn cost(&self) -> usize {
        ENTRY_BYTES + self.index.len() + self.pack.as_ref().map_or(0, Bytes::len)
    }
}

/// Commits of releases, bounded.
pub struct Packs {
    held: Mutex<Held>,
    /// One is made at a time: it takes the memory of an archive and as much again.
    making: Semaphore,
}

#[derive(Default)]
struct Held {
    /// By all that the commit depends on.
    made: HashMap<String, (Arc<Made>, u64)>,
    bytes: usize,
    uses: u64,
}

impl Default for Packs {
    fn default() -> Self {
        Self { held: Mutex::default(), making: Semaphore::new(1) }
    }
}

impl Packs {
    /// The commit of a release.
    pub(super) async fn of(&self, app: &App, release: &Release) -> ApiResult<Arc<Made>> {
        self.get(app, release, false).await
    }

    /// The pack of a release.
    pub(super) async fn pack(&self, app: &App, release: &Release) -> ApiResult<Bytes> {
        let made = self.get(app, release, true).await?;
        made.pack.clone().ok_or_else(|| lost(release, &"no pack was made"))
    }

    async fn get(&self, app: &App, release: &Release, pack: bool) -> ApiResult<Arc<Made>> {
        let key = key(release);
        if let Some(made) = self.held().find(&key, pack) {
            return Ok(made);
        }
        // Closed only when the service is dropped, and then nobody waits for the answer.
        let _turn = self.making.acquire().await;
        if let Some(made) = self.held().find(&key, pack) {
            return Ok(made);
        }
        let made = Arc::new(make(app, release).await?);
        self.held().keep(key, &made);
        Ok(made)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn find(&mut self, key: &str, pack: bool) -> Option<Arc<Made>> {
        self.uses += 1;
        let (made, used) = self.made.get_mut(key)?;
        *used = self.uses;
        (!pack || made.pack.is_some()).then(|| made.clone())
    }

    /// Keeps what was made. Where there is no room, packs go first and those not used for long before
    /// others: the rest of an entry is small, and tells which pack is whose.
    fn keep(&mut self, key: String, made: &Arc<Made>) {
        self.uses += 1;
        self.bytes += made.cost();
        if let Some((old, _)) = self.made.insert(key, (made.clone(), self.uses)) {
            self.bytes -= old.cost();
        }
        if self.bytes <= KEPT_BYTES {
            return;
        }
        let mut by_use: Vec<(u64, String)> =
            self.made.iter().map(|(key, (_, used))| (*used, key.clone())).collect();
        by_use.sort();
        for (_, key) in &by_use {
            if self.bytes > KEPT_BYTES
                && let Some((made, _)) = self.made.get_mut(key)
                && let Some(pack) = &made.pack
            {
                self.bytes -= pack.len();
                let Made { commit, name, index, .. } = &**made;
                let (commit, name, index) = (commit.clone(), name.clone(), index.clone());
                *made = Arc::new(Made { commit, name, index, pack: None });
            }
        }
        for (_, key) in &by_use {
            if self.bytes > KEPT_BYTES
                && let Some((made, _)) = self.made.remove(key)
            {
                self.bytes -= made.cost();
            }
        }
    }
}

fn key(release: &Release) -> String {
    let Release { identifier, version, digest, released_at, .. } = release;
    format!("{} {} {digest} {}", identifier.key(), version.text(), released_at.as_second())
}

async fn make(app: &App, release: &Release) -> ApiResult<Made> {
    let archive = archive(app, release).await?;
    let (limits, copy) = (app.settings.limits.clone(), release.clone());
    let work = move || git::pack(&archive, &Subject::of(&copy), &limits);
    let packed = tokio::task::spawn_blocking(work).await.map_err(|e| lost(release, &e))?;
    let git::Packed { commit, name, pack, index } = packed.map_err(|e| lost(release, &e))?;
    Ok(Made { commit, name, index: index.into(), pack: Some(pack.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_make_room_before_what_tells_of_them() {
        let mut held = Held::default();
        let made = |size: usize| {
            Arc::new(Made {
                commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
                name: String::new(),
                index: Bytes::from(vec![0; 1_000]),
                pack: Some(Bytes::from(vec![0; size])),
            })
        };
        for n in 0..100 {
            held.keep(n.to_string(), &made(1 << 20));
            assert!(held.find("0", false).is_some());
            assert!(held.bytes <= KEPT_BYTES, "{n}");
        }
        assert_eq!(held.made.len(), 100);
        let packs = held.made.values().filter(|(made, _)| made.pack.is_some()).count();
        assert!((25..32).contains(&packs), "{packs}");
        held.keep("large".to_owned(), &made(KEPT_BYTES + 1));
        assert!(held.find("large", true).is_none() && held.find("large", false).is_some());
        let sum: usize = held.made.values().map(|(made, _)| made.cost()).sum();
        assert_eq!(held.bytes, sum);
    }
}
