//! The ports: all that the service asks of a store, as verbs of the domain.
//!
//! Implementations: in memory ([`crate::memory`]), SQLite and files (`packhouse-embedded`), and AWS.
//! `crate::conformance` is the one suite that all of them pass.

pub mod jobs;
mod listing;
mod record;
pub mod sources;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use packhouse_core::api::{UploadForm, UploadPut};
use packhouse_core::claims::{OwnerPin, Pins, Publisher};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::policy::Policy;
use packhouse_core::quality::{Advised, Claim};
use packhouse_core::release::{Event, Head, Mark, Release};
use packhouse_core::version::Version;
use serde::{Deserialize, Serialize};

pub use jobs::{Job, Jobs, PullRequest, Taken};
pub use listing::{
    Entry, GitPointer, Listing, ListingChange, ListingChanged, ListingError, OUTLINE_BYTES,
    listing_name,
};
pub use record::Record;

/// A fault of a store. Stores retry passing faults themselves, so this is what remains.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// May go away: answered as 503 with `Retry-After`. The write may have happened.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// Does not go away by itself: a damaged record, a full disk, a defect.
    #[error("the store is broken: {0}")]
    Broken(String),
}

/// What a port's verb answers.
pub type StoreResult<T> = Result<T, StoreError>;

/// 128 random bits as 32 lower-case hex digits: unguessable, safe in paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IntentId(String);

impl IntentId {
    /// A fresh id from the system's randomness.
    pub fn random() -> StoreResult<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .map_err(|e| StoreError::Unavailable(format!("no randomness: {e}")))?;
        Ok(Self(bytes.iter().map(|b| format!("{b:02x}")).collect()))
    }

    /// The id of something that is the same whenever the same is asked for: the first half of a
    /// digest.
    pub fn of(digest: &Digest) -> Self {
        Self(digest.hex()[..32].to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for IntentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for IntentId {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 32 && text.bytes().all(hex) {
            Ok(Self(text))
        } else {
            Err("an intent's id is 32 lower-case hex digits".to_owned())
        }
    }
}

impl From<IntentId> for String {
    fn from(id: IntentId) -> Self {
        id.0
    }
}

/// A package of a train: (identifier, version, digest of the archive).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The package.
    pub identifier: Identifier,
    /// The version.
    pub version: Version,
    /// SHA-256 of its archive.
    pub digest: Digest,
}

/// The packages that become visible together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Train {
    /// SHA-256 over publisher and members: the same publisher asking for the same content again,
    /// in whatever run, rides the same train.
    pub id: Digest,
    /// In ascending order of identifier, at least one.
    pub members: Vec<Member>,
}

/// A token that was used: its issuer, its `jti`, and until when it must be remembered
/// (`exp` + leeway).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenToken {
    /// The issuer.
    pub issuer: String,
    /// The token's id.
    pub jti: String,
    /// Until when.
    pub until: Timestamp,
}

/// A publish that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// 1.
    pub schema: u32,
    /// Its id.
    pub id: IntentId,
    /// The package.
    pub identifier: Identifier,
    /// The version.
    pub version: Version,
    /// The format's id.
    pub format: String,
    /// Who asked.
    pub publisher: Publisher,
    /// Whether the token's audience was bound to the bytes.
    pub bound_audience: bool,
    /// Exact size of the archive in bytes.
    pub bytes: u64,
    /// SHA-256 of the archive; `ato` sends none.
    pub digest: Option<Digest>,
    /// Exact size of `artifacts.zip` in bytes, where one is expected.
    pub artifacts_bytes: Option<u64>,
    /// SHA-256 of `artifacts.zip`, where the client sent one.
    pub artifacts_digest: Option<Digest>,
    /// Short branch name.
    pub git_ref: Option<String>,
    /// What its publisher claims of tests and coverage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Claim>,
    /// The train it rides; `None` until the digest is known (`ato`).
    pub train: Option<Train>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// How much one publisher may have under way.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Open (not released, not expired) intents of one publisher.
    pub open_intents: u32,
    /// Intents of one publisher in ten minutes.
    pub per_ten_minutes: u32,
}

/// What [`Ledger::begin`] answers.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Begun {
    /// The intent stands: this one, or the open one that the same publisher's same run had already
    /// asked for with the same content.
    Opened(Intent),
    /// The version is released with this very digest.
    Same(Release),
    /// The version is released with other content (or the intent names no digest), or removed.
    Taken(Release),
    /// The token was used for another intent.
    Replayed,
    /// The publisher's quota is used up.
    TooMany {
        /// Seconds to wait.
        retry_after: u32,
    },
}

/// What [`Ledger::prepare`] answers.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Prepared {
    /// The hidden row reserves the version for the train.
    Ready,
    /// The version is released with this very digest.
    Same(Release),
    /// The version is released with other content, or removed.
    Taken(Release),
    /// Another train, neither sealed nor expired, holds the version.
    Reserved {
        /// Until when at the latest.
        until: Timestamp,
    },
    /// The intent expired, or there is none.
    Expired,
    /// The token was used for another intent.
    Replayed,
}

/// What [`Ledger::commit`] answers.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Committed {
    /// All of the train is visible: now, or since an earlier call. In the train's order.
    Committed(Vec<Release>),
    /// Members without a hidden row.
    Waiting(Vec<Member>),
    /// A package was pinned to another publisher in the meantime.
    PinsDiffer(Head),
    /// The owner's name was pinned to another owner in the meantime.
    OwnerDiffers(OwnerPin),
    /// A new package's name looks like this one of another owner.
    LooksLike(Identifier),
    /// The train expired before it was sealed: nothing of it is visible.
    Expired,
}

/// A change of a release's marks.
#[derive(Clone, Debug)]
pub enum MarkChange {
    /// Sets the yank.
    Yank(Mark),
    /// Takes the yank back.
    Unyank,
    /// Sets the deprecation.
    Deprecate(Mark),
    /// Takes the deprecation back.
    Undeprecate,
    /// Takes it out of service.
    Quarantine(Mark),
    /// Puts it back into service.
    Restore,
    /// Removes it for good: the record loses what it says of itself, the version stays taken.
    Remove(Mark),
}

/// A change of a package's head.
#[derive(Clone, Debug)]
pub enum HeadChange {
    /// Another policy.
    Policy(Policy),
    /// Another identity to be pinned to; `None` pins at the next release.
    Transfer(Option<Pins>),
    /// Whether API tokens may publish it.
    TokensAllowed(bool),
    /// The ecosystem's own name is this package's from now on.
    Native(NativeName),
}

/// Names that nobody, or only one owner, may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// An owner (`acme`), an identifier (`acme/sensor`), or a native name (`python:numpy`); lower case.
    pub name: String,
    /// Who may use it all the same.
    pub holder: Option<OwnerPin>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// An API token's record; the token itself is stored nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its public id: 12 hex digits.
    pub id: String,
    /// SHA-256 of the token.
    pub sha256: Digest,
    /// What it is for.
    pub label: String,
    /// Prefix it is good for: of identifiers (`acme/`, `acme/sensor`), or of native names with their
    /// ecosystem (`python:`, `python:pbg-`); empty for all.
    pub prefix: String,
    /// What it may do.
    pub actions: Vec<Action>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// What an API token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Read a private registry.
    Read,
    /// Publish.
    Publish,
    /// Yank and deprecate.
    Yank,
    /// Put listings into compat views, and change or take out its own.
    List,
    /// Everything under `/v1/admin`.
    Admin,
}

/// Downloads of one release on one day (UTC).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Downloads {
    /// The package.
    pub identifier: Identifier,
    /// The version's key.
    pub version: String,
    /// The day as `YYYY-MM-DD`.
    pub day: String,
    /// How many.
    pub count: u64,
}

/// The record of what is published. Calls are serializable, across processes too.
///
/// Nothing that a call acknowledged is ever lost; what [`Ledger::commit`] did not seal is never
/// returned by a read. Every verb may be repeated after a lost answer and then answers the same.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Opens an intent, in one step with remembering `token` and counting `quota`.
    async fn begin(
        &self,
        intent: &Intent,
        token: Option<&SeenToken>,
        quota: Quota,
        now: Timestamp,
    ) -> StoreResult<Begun>;

    /// An intent, expired ones included as long as they are kept.
    async fn intent(&self, id: &IntentId) -> StoreResult<Option<Intent>>;

    /// Reserves the version for `train` with a hidden row that holds `release`, and remembers
    /// `token` for the intent. Calling it again for the same intent replaces the row.
    async fn prepare(
        &self,
        intent: &IntentId,
        train: &Train,
        release: &Release,
        token: Option<&SeenToken>,
        now: Timestamp,
    ) -> StoreResult<Prepared>;

    /// Members of a train without a hidden row, and not released with their digest.
    async fn waiting(&self, train: &Train) -> StoreResult<Vec<Member>>;

    /// The releases of a train's hidden rows: what is prepared and not sealed yet.
    async fn prepared(&self, train: &Train) -> StoreResult<Vec<Release>>;

    /// Remembers that `token` was used for `purpose` (not a publish: those remember their own);
    /// `false` when it was used for something else before.
    async fn use_token(&self, token: &SeenToken, purpose: &IntentId) -> StoreResult<bool>;

    /// Seals a train whose members all have their hidden row: one write, after which all of it is
    /// visible, with heads, owner pins, native names and events in place before it returns.
    /// `released_at` of its releases becomes `now`.
    async fn commit(&self, train: &Train, now: Timestamp) -> StoreResult<Committed>;

    /// Drops intents, hidden rows and seen tokens that expired before `now`, at most `limit` of
    /// each; answers the dropped intents, whose staged bytes may go.
    async fn sweep(&self, now: Timestamp, limit: u32) -> StoreResult<Vec<IntentId>>;

    /// A package's head.
    async fn head(&self, identifier: &Identifier) -> StoreResult<Option<Head>>;

    /// All visible releases of a package, tombstones included, in no particular order. Their
    /// `described.original` is `null`: thousands of manifests are too much for one list, and
    /// [`Ledger::release`] has each.
    async fn releases(&self, identifier: &Identifier) -> StoreResult<Vec<Release>>;

    /// One visible release, by the version's key.
    async fn release(&self, identifier: &Identifier, key: &str) -> StoreResult<Option<Release>>;

    /// Identifiers with a head, in ascending order after `after`, at most `limit`.
    async fn packages(
        &self,
        after: Option<&Identifier>,
        limit: u32,
    ) -> StoreResult<Vec<Identifier>>;

    /// The pin of an owner's name (compared without case).
    async fn owner_pin(&self, owner: &str) -> StoreResult<Option<OwnerPin>>;

    /// The package that holds a native name.
    async fn native(&self, name: &NativeName) -> StoreResult<Option<Identifier>>;

    /// The held native names of an ecosystem in ascending order after `after`, at most `limit`, each
    /// with the package that holds it.
    async fn natives(
        &self,
        ecosystem: &str,
        after: Option<&str>,
        limit: u32,
    ) -> StoreResult<Vec<(NativeName, Identifier)>>;

    /// The first event of a package: its number is the package's own for good.
    async fn first_event(&self, identifier: &Identifier) -> StoreResult<Option<Event>>;

    /// Puts, changes or takes out a listing: from the sequence that was read, by its owner or an
    /// operator. Of two changes from one sequence, one is done. Appends no event: the feed is of
    /// packages.
    async fn change_listing(
        &self,
        change: &ListingChange,
        now: Timestamp,
    ) -> StoreResult<ListingChanged>;

    /// The listing of a name, one that was taken out (without an entry) or that a package shadows
    /// included.
    async fn listing(&self, name: &NativeName) -> StoreResult<Option<Listing>>;

    /// Listings by (ecosystem, name) in ascending order after `after`, at most `limit`, with those that
    /// were taken out.
    async fn listings(&self, after: Option<&NativeName>, limit: u32) -> StoreResult<Vec<Listing>>;

    /// Changes the marks of a visible release and appends the event; `None` when there is no such
    /// release. A change that changes nothing appends nothing.
    async fn mark(
        &self,
        identifier: &Identifier,
        key: &str,
        change: &MarkChange,
        now: Timestamp,
    ) -> StoreResult<Option<Release>>;

    /// Changes a head and appends the event with `data`; `None` when its sequence is not
    /// `sequence` any more. Where there is no head, sequence 0 makes one that has no release yet
    /// (not for a native name: that needs a package).
    async fn change_head(
        &self,
        identifier: &Identifier,
        sequence: u64,
        change: &HeadChange,
        data: serde_json::Value,
        now: Timestamp,
    ) -> StoreResult<Option<Head>>;

    /// Reserves a name, or replaces its reservation.
    async fn reserve(&self, reservation: &Reservation) -> StoreResult<()>;

    /// Frees a reserved name; `false` when it was not reserved.
    async fn unreserve(&self, name: &str) -> StoreResult<bool>;

    /// The reservation of exactly this name (lower case).
    async fn reservation(&self, name: &str) -> StoreResult<Option<Reservation>>;

    /// All reservations, by name.
    async fn reservations(&self) -> StoreResult<Vec<Reservation>>;

    /// Stores an API token's record; a record with its id must not exist.
    async fn put_token(&self, token: &TokenRecord) -> StoreResult<()>;

    /// The record of the token with this SHA-256, revoked and expired ones included.
    async fn token(&self, sha256: &Digest) -> StoreResult<Option<TokenRecord>>;

    /// All token records, newest first.
    async fn tokens(&self) -> StoreResult<Vec<TokenRecord>>;

    /// Revokes a token; `false` when there is none with this id.
    async fn revoke_token(&self, id: &str, now: Timestamp) -> StoreResult<bool>;

    /// Events with a number above `after`, ascending, at most `limit`.
    async fn events(&self, after: u64, limit: u32) -> StoreResult<Vec<Event>>;

    /// How many releases that are not removed use this blob, as archive or attachment.
    async fn references(&self, digest: &Digest) -> StoreResult<u64>;

    /// Visible releases that use this blob as archive or attachment, tombstones included: at most
    /// `limit`, those in service (neither quarantined nor removed) first. `described.original` is
    /// `null`. Asked on every download.
    async fn holders(&self, digest: &Digest, limit: u32) -> StoreResult<Vec<Release>>;

    /// Adds to the download counts.
    async fn count_downloads(&self, counts: &[Downloads]) -> StoreResult<()>;

    /// The download counts of a package by version and day.
    async fn downloads(&self, identifier: &Identifier) -> StoreResult<Vec<Downloads>>;

    /// Keeps which advisories are about a package, in place of what was kept before. A view: it appends
    /// no event, and moves with no export.
    async fn set_advised(&self, advised: &Advised) -> StoreResult<()>;

    /// The advisories about a package as they were last kept; of whatever version it was then.
    async fn advised(&self, identifier: &Identifier) -> StoreResult<Option<Advised>>;

    /// Puts records of another ledger in as they are, in their order. Nothing is taken away: of a
    /// record that stands already the newer one stays, so repeating a call changes nothing. Events
    /// continue the feed: one that stands with the same hash is skipped.
    ///
    /// What contradicts what stands (an event with another hash or that leaves a gap, a version with
    /// other content, an owner's other pin, another token's hash) is [`StoreError::Broken`], and of
    /// that call some records before it may have been put in.
    async fn load(&self, records: &[Record]) -> StoreResult<()>;

    /// A number that differs whenever anything that reads return may have changed, by whatever
    /// process; download counts are among it. Cheap: it is asked on every request.
    fn generation(&self) -> StoreResult<u64>;
}

/// Which upload of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The package's archive.
    Archive,
    /// `artifacts.zip`.
    Artifacts,
}

/// What an upload is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadBounds {
    /// The intent.
    pub intent: IntentId,
    /// Which of its uploads.
    pub part: Part,
    /// Exact length in bytes.
    pub bytes: u64,
    /// SHA-256, where it is known before.
    pub digest: Option<Digest>,
    /// After which it is refused.
    pub expires_at: Timestamp,
}

/// Where to upload: the same object by either way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// PUT; only for uploads with a known digest.
    pub put: Option<UploadPut>,
    /// POST form.
    pub form: UploadForm,
}

/// A staged object as it was when it was pinned; later overwrites do not change what it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// The intent.
    pub intent: IntentId,
    /// Which of its uploads.
    pub part: Part,
    /// The store's name of this very version of the object.
    pub version: String,
    /// Its length in bytes.
    pub bytes: u64,
}

/// A stored object, or a range of it, being read.
pub struct BlobBody {
    /// Length of the whole object in bytes.
    pub bytes: u64,
    /// The bytes asked for.
    pub stream: BoxStream<'static, std::io::Result<Bytes>>,
}

/// The bytes: uploads are staged, checked, and promoted to content-addressed blobs that never change.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// A presigned upload that enforces `bounds` and works once.
    async fn upload(&self, bounds: &UploadBounds, now: Timestamp) -> StoreResult<Upload>;

    /// The staged object as it is now; `None` when nothing was uploaded.
    async fn pin(&self, intent: &IntentId, part: Part) -> StoreResult<Option<Staged>>;

    /// The bytes of exactly that staged version; `None` when it is gone.
    async fn read_staged(&self, staged: &Staged) -> StoreResult<Option<Bytes>>;

    /// Makes exactly that staged version the blob `digest`: durable when it returns. `false` when
    /// the version is gone or its bytes have another digest. A blob that is there already stays.
    async fn promote(&self, staged: &Staged, digest: &Digest) -> StoreResult<bool>;

    /// Stores `bytes` as a blob: durable when it returns.
    async fn put(&self, bytes: Bytes) -> StoreResult<Digest>;

    /// A blob's length in bytes.
    async fn size(&self, digest: &Digest) -> StoreResult<Option<u64>>;

    /// `length` bytes of a blob from `offset`, both inside of it; `None` when there is no such blob.
    async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        length: u64,
    ) -> StoreResult<Option<BlobBody>>;

    /// Drops what is staged for an intent.
    async fn discard(&self, intent: &IntentId) -> StoreResult<()>;

    /// Deletes a blob: only for an operator's removal, once nothing refers to it.
    async fn delete(&self, digest: &Digest) -> StoreResult<()>;

    /// Keeps a blob from those who read the store without asking the service, or gives it back to
    /// them; the service reads it all the same. A store that only the service reads has nothing to
    /// do. A blob that is not there is no error.
    async fn withhold(&self, _digest: &Digest, _withheld: bool) -> StoreResult<()> {
        Ok(())
    }
}

/// The time, so that tests can set it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The system's clock in whole seconds, so that every time in a record, an answer or an event's
/// canonical bytes is written the same way: `2026-03-01T12:00:00Z`, which every client parses.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }
}
