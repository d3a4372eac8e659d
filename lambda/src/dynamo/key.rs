//! Where each record lies in the table: every key is made here.
//!
//! | partition | sort | record |
//! |---|---|---|
//! | `feed` | `feed` | the feed's head: newest event, version, the sealed write that is under way |
//! | `package#<id>` | `head` | a package's head |
//! | | `release#<version>` | a visible release without its original manifest |
//! | | `original#<version>` | the original manifest |
//! | | `event#<sequence>` | a package's event |
//! | `packages` | `<id>` | the list of packages |
//! | `skeleton#<skeleton>` | `<id>` | packages that look alike |
//! | `owner#<owner>` | `owner` | an owner's pin |
//! | `native#<ecosystem>` | `<name>` | the holder of a native name |
//! | `listings` | `<ecosystem>#<name>` | a listing, or what is left of one |
//! | `newest-listing` | `newest-listing` | the highest number of a listing |
//! | `events#<number / 1,000>` | `<number>` | the feed |
//! | `blob#<sha256>` | `<rank>#<id>#<version>` | releases that use a blob, those in service first |
//! | `reserved` | `<name>` | a reservation |
//! | `~intent#<id>` | `intent` | an intent |
//! | `~open#<id>#<version>` | `open` | intents for a version |
//! | `~quota#<publisher>` | `quota` | what a publisher has under way |
//! | `~seen#<hash>` | `seen` | a used token |
//! | `~hidden#<id>#<version>` | `hidden` | the hidden row of a version |
//! | `~train#<digest>` | `train` | an unsealed train |
//! | `~token#<sha256>` | `token` | an API token by its hash |
//! | `~tokens` | `<id>` | API tokens by id |
//! | `~downloads#<id>` | `<day>` | download counts of a day by version |
//! | `~advised#<id>` | `advised` | the advisories about a package |
//! | `~turn#<hash>` | `turn` | when an address may start its next download with `ato` |
//! | `~counted#<source>` | `<id>#<day>` | that a log file's counts are among those of a day |
//!
//! What starts with `~` guards itself by its own version; everything else changes only together with
//! the feed's version.

use packhouse_core::digest::{Digest, Hasher};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use serde::{Deserialize, Serialize};

/// Events in one partition of the feed.
pub(super) const EVENTS_A_PARTITION: u64 = 1_000;

/// The primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Key {
    /// The partition.
    pub(super) pk: String,
    /// The place in it.
    pub(super) sk: String,
}

impl Key {
    fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    /// Whether the item guards itself, and does not belong to what readers see.
    pub(super) fn guards_itself(&self) -> bool {
        self.pk.starts_with('~')
    }

    /// Whether it is a hidden row, which its train's row guards.
    pub(super) fn is_hidden(&self) -> bool {
        self.pk.starts_with("~hidden#")
    }

    pub(super) fn feed() -> Self {
        Self::new("feed", "feed")
    }

    pub(super) fn head(id: &Identifier) -> Self {
        Self::new(package(id), "head")
    }

    pub(super) fn release(id: &Identifier, version: &str) -> Self {
        Self::new(package(id), format!("release#{version}"))
    }

    pub(super) fn original(id: &Identifier, version: &str) -> Self {
        Self::new(package(id), format!("original#{version}"))
    }

    pub(super) fn package_event(id: &Identifier, sequence: u64) -> Self {
        Self::new(package(id), format!("event#{sequence:020}"))
    }

    pub(super) fn listed(id: &Identifier) -> Self {
        Self::new(PACKAGES, id.key())
    }

    pub(super) fn skeleton(skeleton: &str, id: &Identifier) -> Self {
        Self::new(skeletons(skeleton), id.key())
    }

    pub(super) fn owner(owner: &str) -> Self {
        Self::new(format!("owner#{}", owner.to_ascii_lowercase()), "owner")
    }

    pub(super) fn native(name: &NativeName) -> Self {
        Self::new(natives(&name.ecosystem), name.name.as_str())
    }

    /// `#` comes before all that ecosystems are written with, so listings lie by (ecosystem, name).
    pub(super) fn listing(name: &NativeName) -> Self {
        Self::new(LISTINGS, format!("{}#{}", name.ecosystem, name.name))
    }

    pub(super) fn newest_listing() -> Self {
        Self::new("newest-listing", "newest-listing")
    }

    pub(super) fn event(number: u64) -> Self {
        Self::new(events(number), format!("{number:020}"))
    }

    pub(super) fn blob(digest: &Digest, rank: Rank, id: &Identifier, version: &str) -> Self {
        Self::new(blob(digest), format!("{}#{}#{version}", rank as u8, id.key()))
    }

    pub(super) fn reservation(name: &str) -> Self {
        Self::new(RESERVED, name)
    }

    pub(super) fn intent(id: &str) -> Self {
        Self::new(format!("~intent#{id}"), "intent")
    }

    pub(super) fn open(id: &Identifier, version: &str) -> Self {
        Self::new(format!("~open#{}#{version}", id.key()), "open")
    }

    pub(super) fn quota(publisher: &str) -> Self {
        Self::new(format!("~quota#{publisher}"), "quota")
    }

    /// Issuers and token ids are others' texts of any length: their hash is the key.
    pub(super) fn seen(issuer: &str, jti: &str) -> Self {
        let mut hash = Hasher::default();
        hash.update(issuer.as_bytes());
        hash.update(&[0]);
        hash.update(jti.as_bytes());
        Self::new(format!("~seen#{}", hash.finish()), "seen")
    }

    /// An address is a person's: its hash is the key.
    pub(super) fn turn(address: std::net::IpAddr) -> Self {
        Self::new(format!("~turn#{}", Digest::of(address.to_string().as_bytes())), "turn")
    }

    pub(super) fn hidden(id: &Identifier, version: &str) -> Self {
        Self::new(format!("~hidden#{}#{version}", id.key()), "hidden")
    }

    pub(super) fn train(train: &Digest) -> Self {
        Self::new(format!("~train#{train}"), "train")
    }

    pub(super) fn token(sha256: &Digest) -> Self {
        Self::new(format!("~token#{sha256}"), "token")
    }

    pub(super) fn token_by_id(id: &str) -> Self {
        Self::new(TOKENS, id)
    }

    pub(super) fn downloads(id: &Identifier, day: &str) -> Self {
        Self::new(downloads(id), day)
    }

    pub(super) fn advised(id: &Identifier) -> Self {
        Self::new(format!("~advised#{}", id.key()), "advised")
    }

    /// Sources are names of log files, of any length: their hash is the key.
    pub(super) fn counted(source: &str, id: &Identifier, day: &str) -> Self {
        let source = Digest::of(source.as_bytes());
        Self::new(format!("~counted#{source}"), format!("{}#{day}", id.key()))
    }
}

/// How much in service a release is that uses a blob; holders are listed in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    InService = 0,
    Quarantined = 1,
    Removed = 2,
}

/// The list of packages.
pub(super) const PACKAGES: &str = "packages";
/// The listings.
pub(super) const LISTINGS: &str = "listings";
/// The reservations.
pub(super) const RESERVED: &str = "reserved";
/// The API tokens by id.
pub(super) const TOKENS: &str = "~tokens";

pub(super) fn package(id: &Identifier) -> String {
    format!("package#{}", id.key())
}

pub(super) fn skeletons(skeleton: &str) -> String {
    format!("skeleton#{skeleton}")
}

pub(super) fn natives(ecosystem: &str) -> String {
    format!("native#{ecosystem}")
}

pub(super) fn events(number: u64) -> String {
    format!("events#{}", number / EVENTS_A_PARTITION)
}

pub(super) fn blob(digest: &Digest) -> String {
    format!("blob#{digest}")
}

pub(super) fn downloads(id: &Identifier) -> String {
    format!("~downloads#{}", id.key())
}
