//! [`Rows`] in maps.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::{SignedDuration, Timestamp};
use packhouse_core::claims::OwnerPin;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::Advised;
use packhouse_core::release::{Event, Head, Release};

use crate::ledger::{Hidden, Rows, Usage, WINDOW_SECONDS, publisher_key};
use crate::ports::{
    Downloads, Intent, IntentId, Listing, Reservation, SeenToken, StoreError, StoreResult,
    TokenRecord,
};

/// (identifier's key, version's key).
type VersionKey = (String, String);

#[derive(Default)]
pub(super) struct MemoryRows {
    intents: BTreeMap<IntentId, (Intent, bool)>,
    seen: BTreeMap<(String, String), (IntentId, Timestamp)>,
    hidden: BTreeMap<VersionKey, Hidden>,
    trains: BTreeMap<Digest, Timestamp>,
    releases: BTreeMap<VersionKey, Release>,
    heads: BTreeMap<Identifier, Head>,
    owners: BTreeMap<String, OwnerPin>,
    natives: BTreeMap<NativeName, Identifier>,
    listings: BTreeMap<NativeName, Listing>,
    events: Vec<Event>,
    reservations: BTreeMap<String, Reservation>,
    tokens: BTreeMap<String, TokenRecord>,
    downloads: BTreeMap<(String, String, String), Downloads>,
    advised: BTreeMap<Identifier, Advised>,
}

fn version_key(identifier: &Identifier, key: &str) -> VersionKey {
    (identifier.key().to_owned(), key.to_owned())
}

fn release_key(release: &Release) -> VersionKey {
    version_key(&release.identifier, release.version.key())
}

fn uses(release: &Release, digest: &Digest) -> bool {
    release.digest == *digest || release.attachments.iter().flatten().any(|a| a.digest == *digest)
}

/// The release as lists have it.
fn listed(release: &Release) -> Release {
    let mut release = release.clone();
    release.described.original = serde_json::Value::Null;
    release
}

/// The first `limit` keys whose value expired before `now`.
fn expired<'a, K: Clone + 'a>(
    rows: impl Iterator<Item = (&'a K, Timestamp)>,
    now: Timestamp,
    limit: u32,
) -> Vec<K> {
    let late = rows.filter(|(_, until)| *until < now).map(|(key, _)| key.clone());
    late.take(limit as usize).collect()
}

impl Rows for MemoryRows {
    fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>> {
        Ok(self.intents.get(id).map(|(intent, _)| intent.clone()))
    }

    fn open_intents(&self, identifier: &Identifier, key: &str) -> StoreResult<Vec<Intent>> {
        let open = self.intents.values().filter(|(_, closed)| !closed).map(|(intent, _)| intent);
        let same = |i: &&Intent| i.identifier == *identifier && i.version.key() == key;
        Ok(open.filter(same).cloned().collect())
    }

    fn put_intent(&mut self, intent: &Intent) -> StoreResult<()> {
        self.intents.insert(intent.id.clone(), (intent.clone(), false));
        Ok(())
    }

    fn close_intent(&mut self, id: &str) -> StoreResult<()> {
        let id = IntentId::try_from(id.to_owned()).map_err(StoreError::Broken)?;
        if let Some((_, closed)) = self.intents.get_mut(&id) {
            *closed = true;
        }
        Ok(())
    }

    fn usage(&self, publisher: &str, now: Timestamp) -> StoreResult<Usage> {
        let mut usage = Usage::default();
        let window = SignedDuration::from_secs(WINDOW_SECONDS);
        for (intent, closed) in self.intents.values() {
            if publisher_key(&intent.publisher) != publisher {
                continue;
            }
            if !closed && intent.expires_at > now {
                usage.open += 1;
                let first = usage.next_expiry.unwrap_or(intent.expires_at);
                usage.next_expiry = Some(first.min(intent.expires_at));
            }
            if now.duration_since(intent.created_at) < window {
                usage.recent += 1;
                let oldest = usage.oldest_recent.unwrap_or(intent.created_at);
                usage.oldest_recent = Some(oldest.min(intent.created_at));
            }
        }
        Ok(usage)
    }

    fn seen(&self, issuer: &str, jti: &str) -> StoreResult<Option<IntentId>> {
        let token = (issuer.to_owned(), jti.to_owned());
        Ok(self.seen.get(&token).map(|(intent, _)| intent.clone()))
    }

    fn put_seen(&mut self, token: &SeenToken, intent: &IntentId) -> StoreResult<()> {
        let key = (token.issuer.clone(), token.jti.clone());
        self.seen.insert(key, (intent.clone(), token.until));
        Ok(())
    }

    fn hidden(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Hidden>> {
        Ok(self.hidden.get(&version_key(identifier, key)).cloned())
    }

    fn put_hidden(&mut self, hidden: &Hidden) -> StoreResult<()> {
        self.hidden.insert(release_key(&hidden.release), hidden.clone());
        Ok(())
    }

    fn drop_hidden(&mut self, identifier: &Identifier, key: &str) -> StoreResult<()> {
        self.hidden.remove(&version_key(identifier, key));
        Ok(())
    }

    fn train_expiry(&self, train: &Digest) -> StoreResult<Option<Timestamp>> {
        Ok(self.trains.get(train).copied())
    }

    fn put_train(&mut self, train: &Digest, expires_at: Timestamp) -> StoreResult<()> {
        self.trains.insert(*train, expires_at);
        Ok(())
    }

    fn drop_train(&mut self, train: &Digest) -> StoreResult<()> {
        self.trains.remove(train);
        Ok(())
    }

    fn sweep(&mut self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>> {
        let intents = expired(self.intents.iter().map(|(k, v)| (k, v.0.expires_at)), now, limit);
        for id in &intents {
            self.intents.remove(id);
        }
        for token in expired(self.seen.iter().map(|(k, v)| (k, v.1)), now, limit) {
            self.seen.remove(&token);
        }
        let trains: BTreeSet<Digest> =
            expired(self.trains.iter().map(|(k, v)| (k, *v)), now, limit).into_iter().collect();
        self.trains.retain(|id, _| !trains.contains(id));
        self.hidden.retain(|_, hidden| !trains.contains(&hidden.train));
        Ok(intents)
    }

    fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>> {
        Ok(self.releases.get(&version_key(identifier, key)).cloned())
    }

    fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>> {
        let of_package = self.releases.range(version_key(identifier, "")..);
        let of_package = of_package.take_while(|((package, _), _)| package == identifier.key());
        Ok(of_package.map(|(_, release)| listed(release)).collect())
    }

    fn put_release(&mut self, release: &Release) -> StoreResult<()> {
        self.releases.insert(release_key(release), release.clone());
        Ok(())
    }

    fn references(&self, digest: &Digest) -> StoreResult<u64> {
        let kept = self.releases.values().filter(|release| release.marks.removed.is_none());
        Ok(kept.filter(|release| uses(release, digest)).count() as u64)
    }

    fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>> {
        let held = self.releases.values().filter(|release| uses(release, digest));
        let mut held: Vec<Release> = held.map(listed).collect();
        held.sort_by_key(|r| r.marks.removed.is_some() || r.marks.quarantined.is_some());
        held.truncate(limit as usize);
        Ok(held)
    }

    fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>> {
        Ok(self.heads.get(identifier).cloned())
    }

    fn put_head(&mut self, head: &Head) -> StoreResult<()> {
        self.heads.insert(head.identifier.clone(), head.clone());
        Ok(())
    }

    fn packages(&self, after: Option<&Identifier>, limit: u32) -> StoreResult<Vec<Identifier>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let heads = self.heads.range::<Identifier, _>((from, Bound::Unbounded));
        Ok(heads.take(limit as usize).map(|(_, head)| head.identifier.clone()).collect())
    }

    fn look_alikes(&self, skeleton: &str) -> StoreResult<Vec<Identifier>> {
        let alike = self.heads.keys().filter(|identifier| identifier.skeleton() == skeleton);
        Ok(alike.cloned().collect())
    }

    fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>> {
        Ok(self.owners.get(&owner.to_ascii_lowercase()).cloned())
    }

    fn put_owner_pin(&mut self, owner: &str, pin: &OwnerPin) -> StoreResult<()> {
        self.owners.insert(owner.to_ascii_lowercase(), pin.clone());
        Ok(())
    }

    fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>> {
        Ok(self.natives.get(name).cloned())
    }

    fn put_native(&mut self, name: &NativeName, holder: &Identifier) -> StoreResult<()> {
        self.natives.insert(name.clone(), holder.clone());
        Ok(())
    }

    fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>> {
        let name = after.unwrap_or_default().to_owned();
        let after = NativeName { ecosystem: ecosystem.to_owned(), name };
        let held = self.natives.range((Bound::Excluded(after), Bound::Unbounded));
        let held = held.take_while(|(name, _)| name.ecosystem == ecosystem);
        Ok(held.take(limit as usize).map(|(name, id)| (name.clone(), id.clone())).collect())
    }

    fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>> {
        Ok(self.listings.get(name).cloned())
    }

    fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let listed = self.listings.range::<NativeName, _>((from, Bound::Unbounded));
        Ok(listed.take(limit as usize).map(|(_, listing)| listing.clone()).collect())
    }

    fn newest_listing(&self) -> StoreResult<u64> {
        Ok(self.listings.values().map(|listing| listing.number).max().unwrap_or_default())
    }

    fn put_listing(&mut self, listing: &Listing) -> StoreResult<()> {
        self.listings.insert(listing.name.clone(), listing.clone());
        Ok(())
    }

    fn last_event(&self) -> StoreResult<u64> {
        Ok(self.events.len() as u64)
    }

    fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>> {
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(self.events.iter().skip(skipped).take(limit as usize).cloned().collect())
    }

    fn package_event(&self, identifier: &Identifier, sequence: u64) -> StoreResult<Option<Event>> {
        let of_package = self.events.iter().filter(|event| event.identifier == *identifier);
        Ok(of_package.into_iter().find(|event| event.sequence == sequence).cloned())
    }

    fn put_event(&mut self, event: &Event) -> StoreResult<()> {
        if event.number != self.events.len() as u64 + 1 {
            return Err(StoreError::Broken(format!("event {} leaves a gap", event.number)));
        }
        self.events.push(event.clone());
        Ok(())
    }

    fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>> {
        Ok(self.reservations.get(name).cloned())
    }

    fn reservations(&self) -> StoreResult<Vec<Reservation>> {
        Ok(self.reservations.values().cloned().collect())
    }

    fn put_reservation(&mut self, reservation: &Reservation) -> StoreResult<()> {
        self.reservations.insert(reservation.name.clone(), reservation.clone());
        Ok(())
    }

    fn drop_reservation(&mut self, name: &str) -> StoreResult<bool> {
        Ok(self.reservations.remove(name).is_some())
    }

    fn token_by_id(&self, id: &str) -> StoreResult<Option<TokenRecord>> {
        Ok(self.tokens.get(id).cloned())
    }

    fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>> {
        Ok(self.tokens.values().find(|token| token.sha256 == *sha256).cloned())
    }

    fn tokens(&self) -> StoreResult<Vec<TokenRecord>> {
        let mut tokens: Vec<_> = self.tokens.values().cloned().collect();
        tokens.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
        Ok(tokens)
    }

    fn put_token(&mut self, token: &TokenRecord) -> StoreResult<()> {
        self.tokens.insert(token.id.clone(), token.clone());
        Ok(())
    }

    fn put_advised(&mut self, advised: &Advised) -> StoreResult<()> {
        self.advised.insert(advised.identifier.clone(), advised.clone());
        Ok(())
    }

    fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>> {
        Ok(self.advised.get(identifier).cloned())
    }

    fn add_downloads(&mut self, count: &Downloads) -> StoreResult<()> {
        let key = (count.identifier.key().to_owned(), count.version.clone(), count.day.clone());
        let row = self.downloads.entry(key).or_insert(Downloads { count: 0, ..count.clone() });
        row.count = row.count.saturating_add(count.count);
        Ok(())
    }

    fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>> {
        let of_package = self.downloads.values().filter(|d| d.identifier == *identifier);
        Ok(of_package.cloned().collect())
    }
}
