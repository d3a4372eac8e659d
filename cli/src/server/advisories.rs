//! Matches the latest releases with a folder of advisories: whenever a file in it changed, for what was
//! published since, and once an hour for all, because what a requirement leads to changes too.
//!
//! Every process does so for itself: scans come to the same, and each then shows what it found.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use packhouse_client::quality;
use packhouse_core::digest::Digest;
use packhouse_core::quality::Advisories;
use packhouse_registry::advisories::{Scope, scan};
use packhouse_registry::app::App;
use packhouse_registry::catalogue::newest_event;
use packhouse_registry::log;
use packhouse_registry::ports::{StoreError, StoreResult};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::listen;

/// How often the folder is looked at; less often where a look takes long.
const LOOK: Duration = Duration::from_secs(3);
/// How many times as long as a look takes it is rested.
const REST: u32 = 50;
/// After which everything is matched again.
const ALL: Duration = Duration::from_secs(3_600);
/// Events that are read from the ledger in one call.
const EVENTS: u32 = 500;

/// A folder of advisories, and what is known of it.
pub(super) struct Watch {
    app: App,
    folder: PathBuf,
    read: Option<(Digest, Arc<Advisories>)>,
    /// The newest event whose package was looked at, and when all packages were.
    scanned: Option<(u64, Instant)>,
    /// What was wrong the last time, so that it is said once.
    told: Option<String>,
}

impl Watch {
    pub(super) fn new(app: App, folder: PathBuf) -> Self {
        Self { app, folder, read: None, scanned: None, told: None }
    }

    /// Watches until `stop` says true.
    pub(super) async fn run(mut self, stop: watch::Receiver<bool>) {
        let mut stopped = std::pin::pin!(listen::stopped(stop));
        loop {
            let start = Instant::now();
            // Dropped where the server stops: the next start scans anew.
            let round = tokio::select! {
                () = stopped.as_mut() => return,
                round = self.round() => round,
            };
            let error = round.err().map(|error| error.to_string());
            if let Some(error) = error.as_ref().filter(|error| self.told.as_ref() != Some(error)) {
                log::error(&format!("advisories stay as they were: {error}"));
            }
            self.told = error;
            tokio::select! {
                () = stopped.as_mut() => return,
                () = tokio::time::sleep(LOOK.max(start.elapsed() * REST)) => {}
            }
        }
    }

    async fn round(&mut self) -> StoreResult<()> {
        let advisories = self.advisories().await?;
        let all = self.scanned.filter(|(_, at)| at.elapsed() < ALL);
        let (scope, last_event) = match all {
            Some((after, _)) => self.since(after, &advisories).await?,
            // Before the packages are listed: what happens meanwhile is then looked at twice.
            None => (Scope::All, newest_event(self.app.ledger.as_ref()).await?),
        };
        let changed = scan(&self.app, &advisories, &scope).await?;
        if !changed.is_empty() {
            log::info(&format!("advisories: {} packages have other ones", changed.len()));
        }
        let at = all.map_or_else(Instant::now, |(_, at)| at);
        self.scanned = Some((last_event, at));
        Ok(())
    }

    /// The advisories of the folder, read again where a file of it changed.
    async fn advisories(&mut self) -> StoreResult<Arc<Advisories>> {
        let folder = self.folder.clone();
        let held = self.read.as_ref().map(|(print, _)| *print);
        let look = spawn_blocking(move || {
            let print = quality::fingerprint(&folder)?;
            let read = (held != Some(print)).then(|| quality::advisories(&folder)).transpose()?;
            Ok::<_, packhouse_client::ClientError>((print, read))
        });
        let unreadable = |error: String| StoreError::Unavailable(error);
        let looked = look.await.map_err(|error| unreadable(error.to_string()))?;
        let (print, read) = looked.map_err(|error| unreadable(error.to_string()))?;
        if let Some(read) = read {
            log::info(&format!("advisories: {} about packages that are matched", read.len()));
            self.read = Some((print, Arc::new(read)));
            self.scanned = None;
        }
        let read = self.read.as_ref().map(|(_, advisories)| advisories.clone());
        read.ok_or_else(|| unreadable("they were not read".to_owned()))
    }

    /// The packages that something happened to after the event `after`, and the newest event. All, where
    /// an advisory is about one of them: requirements of others may lead elsewhere now.
    async fn since(&self, mut after: u64, advisories: &Advisories) -> StoreResult<(Scope, u64)> {
        let mut packages = BTreeSet::new();
        loop {
            let events = self.app.ledger.events(after, EVENTS).await?;
            let Some(last) = events.last() else {
                let about = packages.iter().any(|package| advisories.name(package));
                return Ok((if about { Scope::All } else { Scope::Some(packages) }, after));
            };
            after = last.number;
            packages.extend(events.into_iter().map(|event| event.identifier));
        }
    }
}
