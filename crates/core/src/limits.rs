//! One table of limits. Settings may lower or raise the start values; every refusal quotes them.

use serde::{Deserialize, Serialize};

/// What bounds a package, its archive and its texts. All sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The archive as it is uploaded.
    pub archive_bytes: u64,
    /// All files of an archive, unpacked.
    pub unpacked_bytes: u64,
    /// One file, unpacked.
    pub file_bytes: u64,
    /// Files in an archive.
    pub entries: u32,
    /// A path, in UTF-8 bytes.
    pub path_bytes: usize,
    /// Folders above a file.
    pub depth: usize,
    /// Unpacked over packed bytes of one entry; counted once an entry unpacks to more than 1 MiB.
    pub ratio: u64,
    /// A manifest.
    pub manifest_bytes: usize,
    /// A README that is shown.
    pub readme_bytes: usize,
    /// A JSON request body.
    pub request_bytes: usize,
    /// A git repository that is fetched, on the disk.
    pub repository_bytes: u64,
    /// Packages in one train.
    pub train_members: usize,
    /// Open intents of one repository.
    pub open_intents: u32,
    /// Publish requests of one repository in a window of ten minutes.
    pub publishes_per_ten_minutes: u32,
    /// How long an intent lives, in seconds.
    pub intent_seconds: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 64 << 20,
            unpacked_bytes: 256 << 20,
            file_bytes: 128 << 20,
            entries: 10_000,
            path_bytes: 240,
            depth: 32,
            ratio: 200,
            manifest_bytes: 256 << 10,
            readme_bytes: 1 << 20,
            request_bytes: 1 << 20,
            repository_bytes: 2 << 30,
            train_members: 200,
            open_intents: 400,
            publishes_per_ten_minutes: 1_000,
            intent_seconds: 900,
        }
    }
}

/// The largest package that is posted in one request, in bytes. A function on AWS takes 6 MB, in which
/// bytes are written as Base64; larger packages go to the store itself.
pub const POSTED_BYTES: u64 = 4 << 20;

/// How far two clocks may differ: one constant for token checks and for keeping seen `jti`s.
pub const LEEWAY_SECONDS: i64 = 60;

/// The longest life of a CI token that is accepted (`exp - iat`); GitHub issues 300 s.
pub const TOKEN_LIFE_SECONDS: i64 = 900;

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS takes events of at most 6 MB, and answers larger ones itself, in words that help nobody.
    #[test]
    fn what_may_be_posted_fits_into_an_event_of_a_function_and_so_does_what_is_just_too_large() {
        let event = |body: u64| body.div_ceil(3) * 4 + (64 << 10);
        assert!(event(POSTED_BYTES) < 6_000_000);
        assert!(event(POSTED_BYTES + (128 << 10)) < 6_000_000, "so that it is told what to do");
    }
}
