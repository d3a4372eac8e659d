//! What moves from one ledger to another.

use packhouse_core::claims::OwnerPin;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::{Event, Head, Release};
use serde::{Deserialize, Serialize};

use super::{Downloads, Listing, Reservation, TokenRecord};

/// A record of a ledger, as it moves from one to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)]
pub enum Record {
    /// A package's head.
    Head(Head),
    /// A visible release with its original manifest.
    Release {
        /// The head's sequence when it was read: whether a standing release has newer marks.
        sequence: u64,
        /// The release.
        release: Release,
    },
    /// What an owner's name is pinned to.
    OwnerPin {
        /// The owner, in any case.
        owner: String,
        /// Its pin.
        pin: OwnerPin,
    },
    /// Who holds a native name.
    Native {
        /// The name.
        name: NativeName,
        /// The package.
        holder: Identifier,
    },
    /// An event of the feed.
    Event(Event),
    /// A listing, or what is left of one.
    Listing(Listing),
    /// A reserved name.
    Reservation(Reservation),
    /// An API token's record.
    Token(TokenRecord),
    /// A count of downloads.
    Downloads(Downloads),
}
