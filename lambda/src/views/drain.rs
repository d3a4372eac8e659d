//! Makes the views of what changed.

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use packhouse_core::identifier::Identifier;
use packhouse_registry::app::App;
use packhouse_registry::catalogue::{Base, Entry};
use packhouse_registry::downloads::stats;
use packhouse_registry::log;
use packhouse_registry::ports::{StoreError, StoreResult};
use packhouse_registry::read::{index_of, latest};
use tokio::time::Instant;

use super::index::{index_key, written};
use super::manifest::{BaseName, Manifest};
use crate::s3::{S3Views, ViewTag};

/// Events that are read at once.
const EVENTS: u32 = 500;
/// Changed packages after which the manifest is stored, however many are to come.
const BULK: usize = 10_000;
/// Packages whose views are made at the same time.
const AT_ONCE: usize = 8;
/// Changed packages that the manifest holds, beyond which they are merged into a new base: some
/// 200 kB, which each cold search reads.
const CHANGES: usize = 500;
/// How often one view is made again because somebody else made it meanwhile.
const TURNS: usize = 8;

/// Makes views from the ledger. Any number may run at once.
pub struct Drain {
    app: App,
    views: S3Views,
}

/// What a drain did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Drained {
    /// The views show all events up to this number.
    pub event: u64,
    /// Index files that were made.
    pub made: usize,
    /// Packages whose records cannot be read.
    pub failed: usize,
    /// Whether there is nothing left.
    pub done: bool,
}

impl Drain {
    /// A drain of this registry into `views`.
    pub fn new(app: App, views: S3Views) -> Self {
        Self { app, views }
    }

    /// Makes the views of all events that have none yet, and of `recounted` packages, whose download
    /// counts changed; stops between two portions once `until` is over.
    ///
    /// A package whose records are damaged is noted in the manifest and tried again by the next
    /// drain; it stops none of the others.
    ///
    /// # Errors
    ///
    /// Those of the stores: the next drain goes on from the last portion that was finished.
    pub async fn run(
        &self,
        mut recounted: BTreeSet<Identifier>,
        until: Instant,
    ) -> StoreResult<Drained> {
        let mut drained = Drained::default();
        let mut retried = false;
        loop {
            let (old, tag) = self.manifest().await?;
            let mut manifest = old.clone();
            let mut packages = recounted.clone();
            if !retried {
                packages.append(&mut manifest.failed);
            }
            // A long list is made as a whole, so that few bases come of it.
            loop {
                let events = self.app.ledger.events(manifest.event, EVENTS).await?;
                packages.extend(events.iter().map(|event| event.identifier.clone()));
                manifest.event = events.last().map_or(manifest.event, |last| last.number);
                drained.made += self.portion(&mut manifest, std::mem::take(&mut packages)).await?;
                drained.done = events.is_empty();
                if drained.done || manifest.changes.len() > BULK || Instant::now() >= until {
                    break;
                }
            }
            (drained.event, drained.failed) = (manifest.event, manifest.failed.len());
            if !self.replace(manifest, &old, tag.as_ref()).await? {
                // Somebody else drained these events; what the feed does not tell is still ours.
                continue;
            }
            (retried, recounted) = (true, BTreeSet::new());
            if drained.done || Instant::now() >= until {
                return Ok(drained);
            }
        }
    }

    async fn manifest(&self) -> StoreResult<(Manifest, Option<ViewTag>)> {
        Ok(match self.views.get(Manifest::KEY).await? {
            Some((bytes, tag)) => (Manifest::read(&bytes)?, Some(tag)),
            None => (Manifest::default(), None),
        })
    }

    /// Makes the index files of `packages` and puts their entries into `manifest`; how many.
    async fn portion(
        &self,
        manifest: &mut Manifest,
        packages: BTreeSet<Identifier>,
    ) -> StoreResult<usize> {
        let each = packages.into_iter().map(|id| async move {
            match self.package(&id).await {
                Ok(entry) => Ok((id, Ok(entry))),
                Err(StoreError::Broken(why)) => Ok((id, Err(why))),
                Err(passing) => Err(passing),
            }
        });
        let made: Vec<_> = stream::iter(each).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut count = 0;
        for (id, entry) in made {
            match entry {
                Ok(entry) => {
                    manifest.changes.insert(id, entry);
                    count += 1;
                }
                Err(why) => {
                    log::error(&format!("the views of `{id}` cannot be made: {why}"));
                    manifest.failed.insert(id);
                }
            }
        }
        Ok(count)
    }

    /// Makes a package's index file; its entry in the catalogue.
    async fn package(&self, id: &Identifier) -> StoreResult<Option<Entry>> {
        let key = index_key(id);
        for _ in 0..TURNS {
            // Before the ledger is read: who writes in between has read the ledger before us, or
            // changes the tag. So a newer file is never replaced by an older one.
            let tag = self.views.tag(&key).await?;
            let ledger = &self.app.ledger;
            let (head, releases, counts, advised) = tokio::try_join!(
                ledger.head(id),
                ledger.releases(id),
                ledger.downloads(id),
                ledger.advised(id)
            )?;
            if releases.is_empty() {
                return Ok(None); // a policy or a reservation came first
            }
            let downloads = stats(&counts, None, self.app.clock.now()).total_downloads;
            let entry = latest(releases.clone())
                .map(|latest| Entry::of(latest, head.as_ref(), downloads, advised));
            let file = written(&index_of(head.as_ref(), id, releases))?;
            let control = "public, max-age=60";
            if self.views.put(&key, file, "application/json", control, tag.as_ref()).await? {
                return Ok(entry);
            }
        }
        Err(StoreError::Unavailable(format!("others make the index file of `{id}`, too")))
    }

    /// Stores the manifest in place of the one with the tag, with a new base if the changes are many;
    /// `false` where somebody else was first.
    async fn replace(
        &self,
        mut manifest: Manifest,
        old: &Manifest,
        tag: Option<&ViewTag>,
    ) -> StoreResult<bool> {
        if manifest == *old {
            return Ok(true);
        }
        let mut outdated = None;
        if manifest.changes.len() > CHANGES {
            let base = match &manifest.base {
                None => Some(Base::build(&[])?),
                Some(name) => name.get(&self.views).await?,
            };
            // Gone already: somebody else merged twice meanwhile, and our tag is no good.
            let Some(base) = base else { return Ok(false) };
            let changes = std::mem::take(&mut manifest.changes);
            let merged = tokio::task::spawn_blocking(move || base.with(&changes)).await;
            let merged = merged.map_err(|e| StoreError::Broken(format!("a catalogue: {e}")))??;
            let name = BaseName::put(&self.views, &merged).await?;
            outdated = std::mem::replace(&mut manifest.before, manifest.base.replace(name));
        }
        let replaced = manifest.put(&self.views, tag).await?;
        if let Some(outdated) =
            outdated.filter(|old| replaced && Some(old) != manifest.base.as_ref())
        {
            // If this gets lost, one old base stays behind; it is in nobody's way.
            let _ = outdated.delete(&self.views).await;
        }
        Ok(replaced)
    }
}
