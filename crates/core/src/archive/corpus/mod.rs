//! Hostile archives, generated: what no reader of packages may let through.
//!
//! For tests and fuzzing only (feature `corpus`): the tests of this crate read them, those of the
//! service upload them, and the fuzzer starts from them.

mod build;
mod content;
mod names;
mod structure;

/// An archive that has to be refused under default limits.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// What is wrong with it; unique.
    pub name: &'static str,
    /// The variant of [`ArchiveError`](super::ArchiveError) that has to name it.
    pub expected: &'static str,
    /// The archive.
    pub bytes: Vec<u8>,
}

/// All hostile archives, in a fixed order; together about 4 MiB.
pub fn hostile() -> Vec<Hostile> {
    let mut all = structure::cases();
    all.extend(names::cases());
    all.extend(content::cases());
    all
}

/// A plain archive that every reader accepts: what the hostile ones were before one thing changed.
pub fn harmless() -> Vec<u8> {
    build::Draft::plain().bytes()
}

fn case(name: &'static str, expected: &'static str, bytes: Vec<u8>) -> Hostile {
    Hostile { name, expected, bytes }
}
