//! Stores that fail where a test wants them to: before a call reached the store, or after it did and
//! the answer got lost. The service must end in the same state from either.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use packhouse_core::claims::OwnerPin;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::Advised;
use packhouse_core::release::{Event, Head, Release};

use crate::ports::{
    Begun, BlobBody, Blobs, Committed, Downloads, HeadChange, Intent, IntentId, Ledger, Listing,
    ListingChange, ListingChanged, MarkChange, Member, Part, Prepared, Quota, Record, Reservation,
    SeenToken, Staged, StoreError, StoreResult, TokenRecord, Train, Upload, UploadBounds,
};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The store never got the call.
    Before,
    /// The store did what was asked, and the answer got lost.
    After,
}

/// Which call fails, and which calls were made. Clones share both, so that one plan covers a ledger
/// and its blobs.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<&'static str>,
    /// The call with this place in `calls` fails.
    nth: Option<(usize, Fault)>,
    /// The next call of this verb fails.
    verb: Option<(&'static str, Fault)>,
    /// The `n`th call of this verb, counted from 1, stops for ever.
    stop: Option<(String, Fault, usize)>,
}

impl Faults {
    /// No faults until one is planned.
    pub fn none() -> Self {
        Self::default()
    }

    /// Lets the `n`th call from now fail, counted from 0.
    pub fn fail_nth(&self, n: usize, fault: Fault) {
        let mut state = self.state();
        state.nth = Some((state.calls.len() + n, fault));
    }

    /// Lets the next call of a verb fail, by its method's name.
    pub fn fail_next(&self, verb: &'static str, fault: Fault) {
        self.state().verb = Some((verb, fault));
    }

    /// Lets a call stop for ever, so that a test can kill the process right there: `commit.before`,
    /// `commit.after`, or `prepare.after#2` for the second call of that verb.
    ///
    /// # Errors
    ///
    /// A text that names no side of a verb.
    pub fn stop_at(&self, failpoint: &str) -> Result<(), String> {
        let wrong = || format!("`{failpoint}` is no failpoint: write `<verb>.before` or `.after`");
        let (step, count) = failpoint.split_once('#').unwrap_or((failpoint, "1"));
        let (verb, side) = step.split_once('.').ok_or_else(wrong)?;
        let fault = match side {
            "before" => Fault::Before,
            "after" => Fault::After,
            _ => return Err(wrong()),
        };
        let count = count.parse().map_err(|_| wrong())?;
        self.state().stop = Some((verb.to_owned(), fault, count));
        Ok(())
    }

    /// Whether this call is the one that stops, and on which side.
    fn stops(&self, verb: &'static str) -> Option<Fault> {
        let mut state = self.state();
        let (name, fault, left) = state.stop.as_mut()?;
        if name != verb {
            return None;
        }
        *left -= 1;
        let fault = *fault;
        (*left == 0).then(|| {
            state.stop = None;
            fault
        })
    }

    /// Whether the planned fault has not come up yet.
    pub fn is_pending(&self) -> bool {
        let state = self.state();
        state.nth.is_some() || state.verb.is_some()
    }

    /// The verbs that were called so far, failed ones included.
    pub fn calls(&self) -> Vec<&'static str> {
        self.state().calls.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call; how it fails.
    fn next(&self, verb: &'static str) -> Option<Fault> {
        let mut state = self.state();
        let place = state.calls.len();
        state.calls.push(verb);
        if let Some((at, fault)) = state.nth
            && at == place
        {
            state.nth = None;
            return Some(fault);
        }
        if let Some((name, fault)) = state.verb
            && name == verb
        {
            state.verb = None;
            return Some(fault);
        }
        None
    }

    async fn around<T>(
        &self,
        verb: &'static str,
        call: impl Future<Output = StoreResult<T>>,
    ) -> StoreResult<T> {
        match self.stops(verb) {
            None => {}
            Some(Fault::Before) => return stopped(verb).await,
            Some(Fault::After) => {
                call.await?;
                return stopped(verb).await;
            }
        }
        match self.next(verb) {
            None => call.await,
            Some(Fault::Before) => {
                Err(StoreError::Unavailable(format!("planned: `{verb}` was not reached")))
            }
            Some(Fault::After) => {
                call.await?;
                Err(StoreError::Unavailable(format!("planned: the answer of `{verb}` got lost")))
            }
        }
    }
}

/// Says so, and never comes back.
async fn stopped<T>(verb: &'static str) -> T {
    crate::log::info(&format!("stopped at the failpoint of `{verb}`"));
    std::future::pending().await
}

/// A store with planned faults.
#[derive(Clone, Debug)]
pub struct Faulty<S> {
    inner: S,
    faults: Faults,
}

impl<S> Faulty<S> {
    /// Wraps a store, for example an `Arc<dyn Ledger>`.
    pub fn new(inner: S, faults: Faults) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
impl<L: std::ops::Deref<Target: Ledger> + Send + Sync> Ledger for Faulty<L> {
    async fn begin(
        &self,
        intent: &Intent,
        token: Option<&SeenToken>,
        quota: Quota,
        now: Timestamp,
    ) -> StoreResult<Begun> {
        self.faults.around("begin", self.inner.begin(intent, token, quota, now)).await
    }

    async fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>> {
        self.faults.around("intent", self.inner.intent(id)).await
    }

    async fn prepare(
        &self,
        intent: &IntentId,
        train: &Train,
        release: &Release,
        token: Option<&SeenToken>,
        now: Timestamp,
    ) -> StoreResult<Prepared> {
        let call = self.inner.prepare(intent, train, release, token, now);
        self.faults.around("prepare", call).await
    }

    async fn waiting(&self, train: &Train) -> StoreResult<Vec<Member>> {
        self.faults.around("waiting", self.inner.waiting(train)).await
    }

    async fn prepared(&self, train: &Train) -> StoreResult<Vec<Release>> {
        self.faults.around("prepared", self.inner.prepared(train)).await
    }

    async fn use_token(&self, token: &SeenToken, purpose: &IntentId) -> StoreResult<bool> {
        self.faults.around("use_token", self.inner.use_token(token, purpose)).await
    }

    async fn commit(&self, train: &Train, now: Timestamp) -> StoreResult<Committed> {
        self.faults.around("commit", self.inner.commit(train, now)).await
    }

    async fn sweep(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>> {
        self.faults.around("sweep", self.inner.sweep(now, limit)).await
    }

    async fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>> {
        self.faults.around("head", self.inner.head(identifier)).await
    }

    async fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>> {
        self.faults.around("releases", self.inner.releases(identifier)).await
    }

    async fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>> {
        self.faults.around("release", self.inner.release(identifier, key)).await
    }

    async fn packages(
        &self,
        after: Option<&Identifier>,
        limit: u32,
    ) -> StoreResult<Vec<Identifier>> {
        self.faults.around("packages", self.inner.packages(after, limit)).await
    }

    async fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>> {
        self.faults.around("owner_pin", self.inner.owner_pin(owner)).await
    }

    async fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>> {
        self.faults.around("native", self.inner.native(name)).await
    }

    async fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>> {
        self.faults.around("natives", self.inner.natives(ecosystem, after, limit)).await
    }

    async fn first_event(&self, identifier: &Identifier) -> StoreResult<Option<Event>> {
        self.faults.around("first_event", self.inner.first_event(identifier)).await
    }

    async fn change_listing(
        &self,
        change: &ListingChange,
        now: Timestamp,
    ) -> StoreResult<ListingChanged> {
        self.faults.around("change_listing", self.inner.change_listing(change, now)).await
    }

    async fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>> {
        self.faults.around("listing", self.inner.listing(name)).await
    }

    async fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>> {
        self.faults.around("listings", self.inner.listings(after, limit)).await
    }

    async fn mark(
        &self,
        identifier: &Identifier,
        key: &str,
        change: &MarkChange,
        now: Timestamp,
    ) -> StoreResult<Option<Release>> {
        self.faults.around("mark", self.inner.mark(identifier, key, change, now)).await
    }

    async fn change_head(
        &self,
        identifier: &Identifier,
        sequence: u64,
        change: &HeadChange,
        data: serde_json::Value,
        now: Timestamp,
    ) -> StoreResult<Option<Head>> {
        let call = self.inner.change_head(identifier, sequence, change, data, now);
        self.faults.around("change_head", call).await
    }

    async fn reserve(&self, reservation: &Reservation) -> StoreResult<()> {
        self.faults.around("reserve", self.inner.reserve(reservation)).await
    }

    async fn unreserve(&self, name: &str) -> StoreResult<bool> {
        self.faults.around("unreserve", self.inner.unreserve(name)).await
    }

    async fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>> {
        self.faults.around("reservation", self.inner.reservation(name)).await
    }

    async fn reservations(&self) -> StoreResult<Vec<Reservation>> {
        self.faults.around("reservations", self.inner.reservations()).await
    }

    async fn put_token(&self, token: &TokenRecord) -> StoreResult<()> {
        self.faults.around("put_token", self.inner.put_token(token)).await
    }

    async fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>> {
        self.faults.around("token", self.inner.token(sha256)).await
    }

    async fn tokens(&self) -> StoreResult<Vec<TokenRecord>> {
        self.faults.around("tokens", self.inner.tokens()).await
    }

    async fn revoke_token(&self, id: &str, now: Timestamp) -> StoreResult<bool> {
        self.faults.around("revoke_token", self.inner.revoke_token(id, now)).await
    }

    async fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>> {
        self.faults.around("events", self.inner.events(after, limit)).await
    }

    async fn references(&self, digest: &Digest) -> StoreResult<u64> {
        self.faults.around("references", self.inner.references(digest)).await
    }

    async fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>> {
        self.faults.around("holders", self.inner.holders(digest, limit)).await
    }

    async fn count_downloads(&self, counts: &[Downloads]) -> StoreResult<()> {
        self.faults.around("count_downloads", self.inner.count_downloads(counts)).await
    }

    async fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>> {
        self.faults.around("downloads", self.inner.downloads(identifier)).await
    }

    async fn set_advised(&self, advised: &Advised) -> StoreResult<()> {
        self.faults.around("set_advised", self.inner.set_advised(advised)).await
    }

    async fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>> {
        self.faults.around("advised", self.inner.advised(identifier)).await
    }

    async fn load(&self, records: &[Record]) -> StoreResult<()> {
        self.faults.around("load", self.inner.load(records)).await
    }

    /// Never fails: it is asked on every request, and no step of a publish hangs on it.
    fn generation(&self) -> StoreResult<u64> {
        self.inner.generation()
    }
}

#[async_trait]
impl<B: std::ops::Deref<Target: Blobs> + Send + Sync> Blobs for Faulty<B> {
    async fn upload(&self, bounds: &UploadBounds, now: Timestamp) -> StoreResult<Upload> {
        self.faults.around("upload", self.inner.upload(bounds, now)).await
    }

    async fn pin(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Staged>> {
        self.faults.around("pin", self.inner.pin(intent, part)).await
    }

    async fn read_staged(&self, staged: &Staged) -> StoreResult<Option<Bytes>> {
        self.faults.around("read_staged", self.inner.read_staged(staged)).await
    }

    async fn promote(&self, staged: &Staged, digest: &Digest) -> StoreResult<bool> {
        self.faults.around("promote", self.inner.promote(staged, digest)).await
    }

    async fn put(&self, bytes: Bytes) -> StoreResult<Digest> {
        self.faults.around("put", self.inner.put(bytes)).await
    }

    async fn size(&self, digest: &Digest) -> StoreResult<Option<u64>> {
        self.faults.around("size", self.inner.size(digest)).await
    }

    async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> StoreResult<Option<BlobBody>> {
        self.faults.around("read", self.inner.read(digest, offset, length)).await
    }

    async fn discard(&self, intent: &IntentId) -> StoreResult<()> {
        self.faults.around("discard", self.inner.discard(intent)).await
    }

    async fn delete(&self, digest: &Digest) -> StoreResult<()> {
        self.faults.around("delete", self.inner.delete(digest)).await
    }

    async fn withhold(&self, digest: &Digest, withheld: bool) -> StoreResult<()> {
        self.faults.around("withhold", self.inner.withhold(digest, withheld)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::fixtures::{PLENTY, Publish, at, id, train};
    use crate::memory::MemoryLedger;

    /// Each step until it answers, as a client that comes again.
    async fn stubborn_publish(ledger: &dyn Ledger, publish: &Publish) -> Release {
        let train = train([publish]);
        loop {
            let asked = publish.intent(&train);
            let intent = match ledger.begin(&asked, None, PLENTY, at(0)).await {
                Ok(Begun::Opened(intent)) => intent,
                Ok(Begun::Same(release)) => return release,
                Ok(other) => panic!("{other:?}"),
                Err(_) => continue,
            };
            let release = publish.release(&intent);
            let prepared = ledger.prepare(&intent.id, &train, &release, None, at(1)).await;
            if prepared.is_err() {
                continue;
            }
            if let Ok(Committed::Committed(releases)) = ledger.commit(&train, at(2)).await {
                return releases.into_iter().next().unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_publish_ends_the_same_whatever_call_fails_and_how() {
        for fault in [Fault::Before, Fault::After] {
            for nth in 0..4 {
                let faults = Faults::none();
                let ledger = Faulty::new(Arc::new(MemoryLedger::new()), faults.clone());
                faults.fail_nth(nth, fault);
                let publish = Publish::new("acme/sensor", "1.0.0", "a");
                let release = stubborn_publish(&ledger, &publish).await;
                assert_eq!(faults.is_pending(), nth == 3, "a publish is three calls");
                faults.fail_nth(usize::MAX / 2, fault);
                let seen = ledger.release(&id("acme/sensor"), "1.0.0").await.unwrap();
                assert_eq!(seen, Some(release));
                assert_eq!(ledger.events(0, 10).await.unwrap().len(), 1);
            }
        }
    }

    #[tokio::test]
    async fn a_verb_fails_by_name_and_once() {
        let faults = Faults::none();
        let ledger = Faulty::new(Arc::new(MemoryLedger::new()), faults.clone());
        faults.fail_next("head", Fault::Before);
        assert!(ledger.releases(&id("acme/sensor")).await.is_ok());
        assert!(ledger.head(&id("acme/sensor")).await.is_err());
        assert!(ledger.head(&id("acme/sensor")).await.is_ok());
        assert_eq!(faults.calls(), ["releases", "head", "head"]);
    }
}
