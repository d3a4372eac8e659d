//! What an installation tells while it goes on.

use serde::Serialize;

/// Something happened. Texts from outside are printable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event")]
pub enum Event {
    /// A step begins.
    StepStarted {
        /// Which.
        step: &'static str,
    },
    /// A step is done.
    StepCompleted {
        /// Which.
        step: &'static str,
        /// What came of it.
        message: String,
    },
    /// Bytes arrive.
    Downloading {
        /// From where.
        url: String,
        /// So many so far.
        bytes: u64,
        /// Of so many, where the server says it.
        total: Option<u64>,
    },
    /// An archive is unpacked.
    Extracting {
        /// Which.
        file: String,
    },
    /// A checksum or a signature is held against what arrived.
    Verifying {
        /// What is promised.
        checksum: String,
    },
    /// Something is odd and no obstacle.
    Warning {
        /// What.
        message: String,
    },
    /// Something good to know.
    Info {
        /// What.
        message: String,
    },
}

/// Who is told.
pub type Tell<'a> = &'a (dyn Fn(Event) + Sync);
