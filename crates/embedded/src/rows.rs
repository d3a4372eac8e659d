//! [`Rows`] in SQLite: one statement a method, prepared once for each connection.

use jiff::Timestamp;
use packhouse_core::claims::OwnerPin;
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::Advised;
use packhouse_core::release::{Event, Head, Release};
use packhouse_registry::ledger::{Hidden, Rows, Usage, WINDOW_SECONDS, publisher_key};
use packhouse_registry::ports::{
    Downloads, Intent, IntentId, Listing, Reservation, SeenToken, StoreResult, TokenRecord,
};
use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::fault;

/// The rows as one connection sees them, inside a transaction or not.
pub(crate) struct SqlRows<'c> {
    connection: &'c Connection,
}

impl<'c> SqlRows<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        Self { connection }
    }

    /// Says that what reads return has changed.
    pub(crate) fn bump_generation(&mut self) -> StoreResult<()> {
        self.run("UPDATE generation SET value = value + 1", []).map(drop)
    }

    pub(crate) fn run(&self, sql: &str, values: impl Params) -> StoreResult<usize> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault::sqlite)?;
        statement.execute(values).map_err(fault::sqlite)
    }

    pub(crate) fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        mut read: impl FnMut(&Row<'_>) -> StoreResult<T>,
    ) -> StoreResult<Vec<T>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault::sqlite)?;
        let mut rows = statement.query(values).map_err(fault::sqlite)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(fault::sqlite)? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    fn one<T: FromSql>(&self, sql: &str, values: impl Params) -> StoreResult<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault::sqlite)?;
        statement.query_row(values, |row| row.get(0)).optional().map_err(fault::sqlite)
    }

    /// The JSON record of one row.
    fn record<T: DeserializeOwned>(
        &self,
        what: &str,
        sql: &str,
        values: impl Params,
    ) -> StoreResult<Option<T>> {
        let mut statement = self.connection.prepare_cached(sql).map_err(fault::sqlite)?;
        let mut rows = statement.query(values).map_err(fault::sqlite)?;
        let row = rows.next().map_err(fault::sqlite)?;
        row.map(|row| column(what, row, 0)).transpose()
    }

    /// The JSON records of many rows.
    fn records<T: DeserializeOwned>(
        &self,
        what: &str,
        sql: &str,
        values: impl Params,
    ) -> StoreResult<Vec<T>> {
        self.all(sql, values, |row| column(what, row, 0))
    }
}

/// A JSON column, parsed where it lies.
pub(crate) fn column<T: DeserializeOwned>(what: &str, row: &Row<'_>, at: usize) -> StoreResult<T> {
    let text = row.get_ref(at).map_err(fault::sqlite)?;
    let text = text.as_str().map_err(|e| fault::record(what, e))?;
    serde_json::from_str(text).map_err(|e| fault::record(what, e))
}

pub(crate) fn json(what: &str, value: &impl Serialize) -> StoreResult<String> {
    serde_json::to_string(value).map_err(|e| fault::record(what, e))
}

fn identifier(text: String) -> StoreResult<Identifier> {
    Identifier::try_from(text).map_err(|e| fault::record("identifier", e))
}

fn intent_id(text: String) -> StoreResult<IntentId> {
    IntentId::try_from(text).map_err(|e| fault::record("intent", e))
}

fn time(at: i64) -> StoreResult<Timestamp> {
    Timestamp::from_microsecond(at).map_err(|e| fault::record("time", e))
}

/// Numbers beyond SQLite's are as good as endless.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn text(row: &Row<'_>, at: usize) -> StoreResult<String> {
    row.get(at).map_err(fault::sqlite)
}

impl Rows for SqlRows<'_> {
    fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>> {
        self.record("intent", "SELECT record FROM intents WHERE id = ?1", [id.as_str()])
    }

    fn open_intents(&self, package: &Identifier, key: &str) -> StoreResult<Vec<Intent>> {
        let sql = "SELECT record FROM intents WHERE package = ?1 AND version = ?2 AND closed = 0";
        self.records("intent", sql, [package.key(), key])
    }

    fn put_intent(&mut self, intent: &Intent) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO intents
            (id, package, version, publisher, created_at, expires_at, record)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let values = params![
            intent.id.as_str(),
            intent.identifier.key(),
            intent.version.key(),
            publisher_key(&intent.publisher),
            intent.created_at.as_microsecond(),
            intent.expires_at.as_microsecond(),
            json("intent", intent)?,
        ];
        self.run(sql, values).map(drop)
    }

    fn close_intent(&mut self, id: &str) -> StoreResult<()> {
        self.run("UPDATE intents SET closed = 1 WHERE id = ?1", [id]).map(drop)
    }

    fn usage(&self, publisher: &str, now: Timestamp) -> StoreResult<Usage> {
        let now = now.as_microsecond();
        let since = now.saturating_sub(WINDOW_SECONDS * 1_000_000);
        let sql = "SELECT count(*) FILTER (WHERE closed = 0 AND expires_at > ?2),
            min(expires_at) FILTER (WHERE closed = 0 AND expires_at > ?2),
            count(*) FILTER (WHERE created_at > ?3),
            min(created_at) FILTER (WHERE created_at > ?3)
            FROM intents WHERE publisher = ?1";
        let found = self.all(sql, params![publisher, now, since], |row| {
            let optional_time = |at: usize| {
                let at: Option<i64> = row.get(at).map_err(fault::sqlite)?;
                at.map(time).transpose()
            };
            Ok(Usage {
                open: row.get(0).map_err(fault::sqlite)?,
                next_expiry: optional_time(1)?,
                recent: row.get(2).map_err(fault::sqlite)?,
                oldest_recent: optional_time(3)?,
            })
        })?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn seen(&self, issuer: &str, jti: &str) -> StoreResult<Option<IntentId>> {
        let sql = "SELECT intent FROM seen_tokens WHERE issuer = ?1 AND jti = ?2";
        self.one(sql, [issuer, jti])?.map(intent_id).transpose()
    }

    fn put_seen(&mut self, token: &SeenToken, intent: &IntentId) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO seen_tokens (issuer, jti, intent, until)
            VALUES (?1, ?2, ?3, ?4)";
        let until = token.until.as_microsecond();
        self.run(sql, params![token.issuer, token.jti, intent.as_str(), until]).map(drop)
    }

    fn hidden(&self, package: &Identifier, key: &str) -> StoreResult<Option<Hidden>> {
        let sql = "SELECT record FROM hidden WHERE package = ?1 AND version = ?2";
        self.record("hidden release", sql, [package.key(), key])
    }

    fn put_hidden(&mut self, hidden: &Hidden) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO hidden (package, version, train, record)
            VALUES (?1, ?2, ?3, ?4)";
        let release = &hidden.release;
        let values = params![
            release.identifier.key(),
            release.version.key(),
            hidden.train.hex(),
            json("hidden release", hidden)?,
        ];
        self.run(sql, values).map(drop)
    }

    fn drop_hidden(&mut self, package: &Identifier, key: &str) -> StoreResult<()> {
        let sql = "DELETE FROM hidden WHERE package = ?1 AND version = ?2";
        self.run(sql, [package.key(), key]).map(drop)
    }

    fn train_expiry(&self, train: &Digest) -> StoreResult<Option<Timestamp>> {
        let at = self.one("SELECT expires_at FROM trains WHERE id = ?1", [train.hex()])?;
        at.map(time).transpose()
    }

    fn put_train(&mut self, train: &Digest, expires_at: Timestamp) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO trains (id, expires_at) VALUES (?1, ?2)";
        self.run(sql, params![train.hex(), expires_at.as_microsecond()]).map(drop)
    }

    fn drop_train(&mut self, train: &Digest) -> StoreResult<()> {
        self.run("DELETE FROM trains WHERE id = ?1", [train.hex()]).map(drop)
    }

    fn sweep(&mut self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>> {
        let late = params![now.as_microsecond(), limit];
        let sql = "DELETE FROM intents WHERE id IN
            (SELECT id FROM intents WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2) RETURNING id";
        let intents = self.all(sql, late, |row| intent_id(text(row, 0)?))?;
        let sql = "DELETE FROM seen_tokens WHERE (issuer, jti) IN
            (SELECT issuer, jti FROM seen_tokens WHERE until < ?1 ORDER BY until LIMIT ?2)";
        self.run(sql, late)?;
        let sql = "DELETE FROM trains WHERE id IN
            (SELECT id FROM trains WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2) RETURNING id";
        for train in self.all(sql, late, |row| text(row, 0))? {
            self.run("DELETE FROM hidden WHERE train = ?1", [train])?;
        }
        Ok(intents)
    }

    fn release(&self, package: &Identifier, key: &str) -> StoreResult<Option<Release>> {
        let sql = "SELECT record, original FROM releases WHERE package = ?1 AND version = ?2";
        let found = self.all(sql, [package.key(), key], |row| {
            let mut release: Release = column("release", row, 0)?;
            release.described.original = column("manifest", row, 1)?;
            Ok(release)
        })?;
        Ok(found.into_iter().next())
    }

    fn releases(&self, package: &Identifier) -> StoreResult<Vec<Release>> {
        let sql = "SELECT record FROM releases WHERE package = ?1";
        self.records("release", sql, [package.key()])
    }

    fn put_release(&mut self, release: &Release) -> StoreResult<()> {
        let (package, version) = (release.identifier.key(), release.version.key());
        let mut listed = release.clone();
        let original = json("manifest", &std::mem::take(&mut listed.described.original))?;
        let removed = release.marks.removed.is_some();
        let in_service = !removed && release.marks.quarantined.is_none();
        let sql = "INSERT OR REPLACE INTO releases
            (package, version, in_service, removed, record, original)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let record = json("release", &listed)?;
        self.run(sql, params![package, version, in_service, removed, record, original])?;
        let sql = "INSERT OR IGNORE INTO blob_uses (digest, package, version) VALUES (?1, ?2, ?3)";
        let attached = release.attachments.iter().flatten().map(|a| a.digest);
        for digest in std::iter::once(release.digest).chain(attached) {
            self.run(sql, params![digest.hex(), package, version])?;
        }
        Ok(())
    }

    fn references(&self, digest: &Digest) -> StoreResult<u64> {
        let sql = "SELECT count(*) FROM blob_uses JOIN releases USING (package, version)
            WHERE digest = ?1 AND removed = 0";
        let count: Option<i64> = self.one(sql, [digest.hex()])?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>> {
        let sql = "SELECT record FROM blob_uses JOIN releases USING (package, version)
            WHERE digest = ?1 ORDER BY in_service DESC LIMIT ?2";
        self.records("release", sql, params![digest.hex(), limit])
    }

    fn head(&self, package: &Identifier) -> StoreResult<Option<Head>> {
        self.record("head", "SELECT record FROM heads WHERE package = ?1", [package.key()])
    }

    fn put_head(&mut self, head: &Head) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO heads (package, skeleton, identifier, record)
            VALUES (?1, ?2, ?3, ?4)";
        let package = &head.identifier;
        let record = json("head", head)?;
        let values = params![package.key(), package.skeleton(), package.to_string(), record];
        self.run(sql, values).map(drop)
    }

    fn packages(&self, after: Option<&Identifier>, limit: u32) -> StoreResult<Vec<Identifier>> {
        let sql = "SELECT identifier FROM heads WHERE package > ?1 ORDER BY package LIMIT ?2";
        let after = after.map_or("", Identifier::key);
        self.all(sql, params![after, limit], |row| identifier(text(row, 0)?))
    }

    fn look_alikes(&self, skeleton: &str) -> StoreResult<Vec<Identifier>> {
        let sql = "SELECT identifier FROM heads WHERE skeleton = ?1 ORDER BY package";
        self.all(sql, [skeleton], |row| identifier(text(row, 0)?))
    }

    fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>> {
        let sql = "SELECT record FROM owners WHERE owner = ?1";
        self.record("owner", sql, [owner.to_ascii_lowercase()])
    }

    fn put_owner_pin(&mut self, owner: &str, pin: &OwnerPin) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO owners (owner, record) VALUES (?1, ?2)";
        self.run(sql, [owner.to_ascii_lowercase(), json("owner", pin)?]).map(drop)
    }

    fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>> {
        let sql = "SELECT identifier FROM natives WHERE ecosystem = ?1 AND name = ?2";
        self.one(sql, [&name.ecosystem, &name.name])?.map(identifier).transpose()
    }

    fn put_native(&mut self, name: &NativeName, holder: &Identifier) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO natives (ecosystem, name, identifier)
            VALUES (?1, ?2, ?3)";
        self.run(sql, [&name.ecosystem, &name.name, &holder.to_string()]).map(drop)
    }

    fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>> {
        let sql = "SELECT name, identifier FROM natives
            WHERE ecosystem = ?1 AND name > ?2 ORDER BY name LIMIT ?3";
        self.all(sql, params![ecosystem, after.unwrap_or_default(), limit], |row| {
            let name = NativeName { ecosystem: ecosystem.to_owned(), name: text(row, 0)? };
            Ok((name, identifier(text(row, 1)?)?))
        })
    }

    fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>> {
        let sql = "SELECT record FROM listings WHERE ecosystem = ?1 AND name = ?2";
        self.record("listing", sql, [&name.ecosystem, &name.name])
    }

    fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>> {
        let sql = "SELECT record FROM listings WHERE (ecosystem, name) > (?1, ?2)
            ORDER BY ecosystem, name LIMIT ?3";
        let (ecosystem, name) = after.map_or(("", ""), |after| (&after.ecosystem, &after.name));
        self.records("listing", sql, params![ecosystem, name, limit])
    }

    fn newest_listing(&self) -> StoreResult<u64> {
        let newest: Option<Option<i64>> = self.one("SELECT max(number) FROM listings", [])?;
        Ok(newest.flatten().unwrap_or_default().unsigned_abs())
    }

    fn put_listing(&mut self, listing: &Listing) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO listings (ecosystem, name, number, record)
            VALUES (?1, ?2, ?3, ?4)";
        let name = &listing.name;
        let record = json("listing", listing)?;
        self.run(sql, params![name.ecosystem, name.name, number(listing.number), record]).map(drop)
    }

    fn last_event(&self) -> StoreResult<u64> {
        let last: Option<Option<i64>> = self.one("SELECT max(number) FROM events", [])?;
        Ok(last.flatten().unwrap_or_default().unsigned_abs())
    }

    fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>> {
        let sql = "SELECT record FROM events WHERE number > ?1 ORDER BY number LIMIT ?2";
        self.records("event", sql, params![number(after), limit])
    }

    fn package_event(&self, package: &Identifier, sequence: u64) -> StoreResult<Option<Event>> {
        let sql = "SELECT record FROM events WHERE package = ?1 AND sequence = ?2";
        self.record("event", sql, params![package.key(), number(sequence)])
    }

    fn put_event(&mut self, event: &Event) -> StoreResult<()> {
        let sql = "INSERT INTO events (number, package, sequence, record) VALUES (?1, ?2, ?3, ?4)";
        let (at, sequence) = (number(event.number), number(event.sequence));
        let record = json("event", event)?;
        self.run(sql, params![at, event.identifier.key(), sequence, record]).map(drop)
    }

    fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>> {
        self.record("reservation", "SELECT record FROM reservations WHERE name = ?1", [name])
    }

    fn reservations(&self) -> StoreResult<Vec<Reservation>> {
        self.records("reservation", "SELECT record FROM reservations ORDER BY name", [])
    }

    fn put_reservation(&mut self, reservation: &Reservation) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO reservations (name, record) VALUES (?1, ?2)";
        let record = json("reservation", reservation)?;
        self.run(sql, [&reservation.name, &record]).map(drop)
    }

    fn drop_reservation(&mut self, name: &str) -> StoreResult<bool> {
        Ok(self.run("DELETE FROM reservations WHERE name = ?1", [name])? > 0)
    }

    fn token_by_id(&self, id: &str) -> StoreResult<Option<TokenRecord>> {
        self.record("API token", "SELECT record FROM tokens WHERE id = ?1", [id])
    }

    fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>> {
        self.record("API token", "SELECT record FROM tokens WHERE sha256 = ?1", [sha256.hex()])
    }

    fn tokens(&self) -> StoreResult<Vec<TokenRecord>> {
        let sql = "SELECT record FROM tokens ORDER BY created_at DESC, id";
        self.records("API token", sql, [])
    }

    fn put_token(&mut self, token: &TokenRecord) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO tokens (id, sha256, created_at, record)
            VALUES (?1, ?2, ?3, ?4)";
        let record = json("API token", token)?;
        let created = token.created_at.as_microsecond();
        self.run(sql, params![token.id, token.sha256.hex(), created, record]).map(drop)
    }

    fn put_advised(&mut self, advised: &Advised) -> StoreResult<()> {
        let sql = "INSERT OR REPLACE INTO advised (package, record) VALUES (?1, ?2)";
        let record = json("advisories", advised)?;
        self.run(sql, params![advised.identifier.key(), record]).map(drop)
    }

    fn advised(&self, package: &Identifier) -> StoreResult<Option<Advised>> {
        self.record("advisories", "SELECT record FROM advised WHERE package = ?1", [package.key()])
    }

    fn add_downloads(&mut self, count: &Downloads) -> StoreResult<()> {
        let sql = "INSERT INTO downloads (package, version, day, count) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT DO UPDATE SET count = min(count, 9223372036854775807 - excluded.count)
                + excluded.count";
        let package = count.identifier.key();
        self.run(sql, params![package, count.version, count.day, number(count.count)]).map(drop)
    }

    fn downloads(&self, package: &Identifier) -> StoreResult<Vec<Downloads>> {
        let sql = "SELECT version, day, count FROM downloads WHERE package = ?1";
        self.all(sql, [package.key()], |row| {
            let count: i64 = row.get(2).map_err(fault::sqlite)?;
            Ok(Downloads {
                identifier: package.clone(),
                version: text(row, 0)?,
                day: text(row, 1)?,
                count: count.unsigned_abs(),
            })
        })
    }
}
