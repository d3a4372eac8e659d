//! What a ledger decides, apart from where it keeps its rows.
//!
//! [`begin()`], [`prepare()`], [`commit()`], [`mark()`] and the others are the verbs of
//! [`crate::ports::Ledger`] as plain functions over [`Rows`]. A store that runs each of them inside
//! one serializable transaction gets the port's guarantees; all checks of a verb come before its
//! first write, so a refusal leaves nothing behind even where a store cannot roll back.

mod begin;
mod change;
mod event;
mod listing;
mod load;
mod publish;

pub use begin::begin;
pub use change::{change_head, count_downloads, mark, put_token, revoke_token};
pub use event::{EventDraft, append, canonical_bytes, first_previous, verify_chain};
pub use listing::change_listing;
pub use load::load;
pub use publish::{commit, dependency_order, prepare, prepared, use_token, waiting};

use jiff::Timestamp;
use packhouse_core::claims::{OwnerPin, Publisher};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::quality::Advised;
use packhouse_core::release::{Event, Head, Release};

use crate::ports::{
    Downloads, Intent, IntentId, Listing, Reservation, SeenToken, StoreResult, TokenRecord,
};

/// A release that is reserved for a train and that no read returns.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Hidden {
    /// The train that holds the version.
    pub train: Digest,
    /// The release as it will be.
    pub release: Release,
    /// Whether its intent was opened by a token that is bound to the bytes.
    pub bound_audience: bool,
}

/// What a publisher has under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Intents that are neither released nor expired.
    pub open: u32,
    /// When the first of them expires.
    pub next_expiry: Option<Timestamp>,
    /// Intents asked for within [`WINDOW_SECONDS`].
    pub recent: u32,
    /// When the oldest of these was asked for.
    pub oldest_recent: Option<Timestamp>,
}

/// The window in which intents are counted, in seconds.
pub const WINDOW_SECONDS: i64 = 600;

/// The rows of a ledger, as one transaction sees them.
///
/// Reads see this transaction's own writes. Identifiers and owners are compared without case,
/// versions by [`packhouse_core::version::Version::key`]. `put_*` inserts or replaces.
pub trait Rows {
    /// An intent, expired and released ones included.
    fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>>;
    /// The intents for a version that are not released; expired ones may be among them.
    fn open_intents(&self, identifier: &Identifier, key: &str) -> StoreResult<Vec<Intent>>;
    /// Stores an intent, counted for [`publisher_key`].
    fn put_intent(&mut self, intent: &Intent) -> StoreResult<()>;
    /// Takes an intent out of what is open: it was released. One that is not kept is no error.
    fn close_intent(&mut self, id: &str) -> StoreResult<()>;
    /// What the publisher with this key has under way.
    fn usage(&self, publisher: &str, now: Timestamp) -> StoreResult<Usage>;

    /// The intent that a token was used for.
    fn seen(&self, issuer: &str, jti: &str) -> StoreResult<Option<IntentId>>;
    /// Remembers that a token was used for an intent.
    fn put_seen(&mut self, token: &SeenToken, intent: &IntentId) -> StoreResult<()>;

    /// The hidden row of a version.
    fn hidden(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Hidden>>;
    /// Stores the hidden row of its release's version.
    fn put_hidden(&mut self, hidden: &Hidden) -> StoreResult<()>;
    /// Drops the hidden row of a version, if there is one.
    fn drop_hidden(&mut self, identifier: &Identifier, key: &str) -> StoreResult<()>;
    /// When an unsealed train expires; `None` when none of it is prepared.
    fn train_expiry(&self, train: &Digest) -> StoreResult<Option<Timestamp>>;
    /// Sets when an unsealed train expires.
    fn put_train(&mut self, train: &Digest, expires_at: Timestamp) -> StoreResult<()>;
    /// Drops an unsealed train's row: it is sealed.
    fn drop_train(&mut self, train: &Digest) -> StoreResult<()>;
    /// Drops at most `limit` each of: intents, trains with their hidden rows, and seen tokens that
    /// expired before `now`. Answers the intents.
    fn sweep(&mut self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>>;

    /// A visible release.
    fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>>;
    /// All visible releases of a package, without their original manifests.
    fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>>;
    /// Stores a visible release.
    fn put_release(&mut self, release: &Release) -> StoreResult<()>;
    /// How many releases that are not removed use a blob.
    fn references(&self, digest: &Digest) -> StoreResult<u64>;
    /// Releases that use a blob, those in service first, without their original manifests.
    fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>>;

    /// A package's head.
    fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>>;
    /// Stores a head.
    fn put_head(&mut self, head: &Head) -> StoreResult<()>;
    /// Identifiers with a head, ascending, after `after`.
    fn packages(&self, after: Option<&Identifier>, limit: u32) -> StoreResult<Vec<Identifier>>;
    /// The packages whose identifier has this skeleton.
    fn look_alikes(&self, skeleton: &str) -> StoreResult<Vec<Identifier>>;
    /// The pin of an owner's name.
    fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>>;
    /// Pins an owner's name.
    fn put_owner_pin(&mut self, owner: &str, pin: &OwnerPin) -> StoreResult<()>;
    /// The package that holds a native name.
    fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>>;
    /// Gives a native name to a package.
    fn put_native(&mut self, name: &NativeName, holder: &Identifier) -> StoreResult<()>;
    /// The held native names of an ecosystem, ascending, after `after`.
    fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>>;

    /// The row of a listing, with or without an entry.
    fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>>;
    /// Listings by (ecosystem, name), ascending, after `after`.
    fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>>;
    /// The highest number of a listing; 0 when there was none.
    fn newest_listing(&self) -> StoreResult<u64>;
    /// Stores a listing.
    fn put_listing(&mut self, listing: &Listing) -> StoreResult<()>;

    /// The number of the newest event; 0 when there is none.
    fn last_event(&self) -> StoreResult<u64>;
    /// Events with a number above `after`, ascending.
    fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>>;
    /// A package's event by its sequence.
    fn package_event(&self, identifier: &Identifier, sequence: u64) -> StoreResult<Option<Event>>;
    /// Appends an event; its number and sequence must be free.
    fn put_event(&mut self, event: &Event) -> StoreResult<()>;

    /// The reservation of exactly this name.
    fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>>;
    /// All reservations, by name.
    fn reservations(&self) -> StoreResult<Vec<Reservation>>;
    /// Stores a reservation.
    fn put_reservation(&mut self, reservation: &Reservation) -> StoreResult<()>;
    /// Drops a reservation; `false` when there was none.
    fn drop_reservation(&mut self, name: &str) -> StoreResult<bool>;

    /// A token's record by its public id.
    fn token_by_id(&self, id: &str) -> StoreResult<Option<TokenRecord>>;
    /// A token's record by its SHA-256.
    fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>>;
    /// All token records, newest first.
    fn tokens(&self) -> StoreResult<Vec<TokenRecord>>;
    /// Stores a token's record.
    fn put_token(&mut self, token: &TokenRecord) -> StoreResult<()>;

    /// Stores the advisories about a package.
    fn put_advised(&mut self, advised: &Advised) -> StoreResult<()>;
    /// The advisories about a package.
    fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>>;

    /// Adds to a download count.
    fn add_downloads(&mut self, count: &Downloads) -> StoreResult<()>;
    /// The download counts of a package.
    fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>>;
}

/// By what quotas count a publisher: a repository of an issuer, or an API token.
pub fn publisher_key(publisher: &Publisher) -> String {
    match publisher {
        Publisher::Oidc(job) => format!("oidc {} {}", job.pins.repository_id, job.pins.issuer),
        Publisher::Token { token_id } => format!("token {token_id}"),
        Publisher::Open => "open".to_owned(),
        // By commit, so that no counter grows with a whole history.
        Publisher::Imported(from) => format!("imported {}", from.commit),
    }
}

/// Whether two publishers are the same run of the same repository, or the same API token.
pub fn same_job(a: &Publisher, b: &Publisher) -> bool {
    match (a, b) {
        (Publisher::Oidc(a), Publisher::Oidc(b)) => {
            a.pins.issuer == b.pins.issuer
                && a.pins.repository_id == b.pins.repository_id
                && a.run_id == b.run_id
        }
        (Publisher::Token { token_id: a }, Publisher::Token { token_id: b }) => a == b,
        (Publisher::Open, Publisher::Open) => true,
        (Publisher::Imported(a), Publisher::Imported(b)) => a == b,
        _ => false,
    }
}

/// What an owner's name would be pinned to by this publisher.
pub fn owner_pin_of(publisher: &Publisher) -> Option<OwnerPin> {
    match publisher {
        Publisher::Oidc(job) => {
            Some(OwnerPin { issuer: job.pins.issuer.clone(), owner_id: job.pins.owner_id.clone() })
        }
        Publisher::Token { .. } | Publisher::Open | Publisher::Imported(_) => None,
    }
}

/// The name under which a native name is reserved: `python:numpy`, lower case.
pub fn reserved_native(name: &NativeName) -> String {
    format!("{}:{}", name.ecosystem, name.name).to_lowercase()
}
