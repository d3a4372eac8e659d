//! The bulk of a catalogue as two runs of bytes that are read in place: a search index, and the
//! entries by identifier.
//!
//! Entries: the 8 bytes `PKHENTRY`, a 32-bit format number, a 32-bit count, then count + 1 64-bit
//! offsets into the rest, all little endian; the rest is each entry as JSON.

use std::collections::BTreeMap;

use bytes::Bytes;
use packhouse_core::identifier::Identifier;
use packhouse_core::search::{Index, IndexError};

use super::{Changes, Entry};
use crate::ports::{StoreError, StoreResult};

const MAGIC: &[u8; 8] = b"PKHENTRY";
const FORMAT: u32 = 2;
const HEADER: usize = 16;

/// Why bytes are no base of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The entries.
    #[error("not the entries of a catalogue: {0}; make them again")]
    Entries(&'static str),
    /// Each is right, but they do not belong together.
    #[error("an index over {index} packages with {entries} entries; make both again")]
    Count {
        /// Packages in the index.
        index: usize,
        /// Entries.
        entries: usize,
    },
}

/// Packages at one moment, and the index over them; some 350 bytes a package.
#[derive(Clone, Debug)]
pub struct Base {
    index: Index<Bytes>,
    entries: Bytes,
    count: usize,
}

impl Base {
    /// The base of `entries`, which are in ascending order of identifier.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] when an entry is not representable in JSON; none of ours is.
    pub fn build(entries: &[Entry]) -> StoreResult<Self> {
        let broken = |e: &dyn std::fmt::Display| StoreError::Broken(format!("a catalogue: {e}"));
        let mut bytes = Vec::with_capacity(HEADER + entries.len() * 300);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        let count = u32::try_from(entries.len()).map_err(|e| broken(&e))?;
        bytes.extend_from_slice(&count.to_le_bytes());
        let table = bytes.len();
        let start = table + (entries.len() + 1) * 8;
        bytes.resize(start, 0);
        for (at, entry) in entries.iter().enumerate() {
            serde_json::to_writer(&mut bytes, entry).map_err(|e| broken(&e))?;
            let end = (bytes.len() - start) as u64;
            bytes[table + (at + 1) * 8..][..8].copy_from_slice(&end.to_le_bytes());
        }
        let index = Index::build(entries.iter().map(Entry::document));
        let index = Bytes::copy_from_slice(index.to_bytes());
        Self::open(index, bytes.into()).map_err(|e| broken(&e))
    }

    /// A new base with the changes in it.
    ///
    /// # Errors
    ///
    /// As of [`Base::build`].
    pub fn with(&self, changes: &Changes) -> StoreResult<Self> {
        let mut all: BTreeMap<Identifier, Entry> = (0..self.count)
            .filter_map(|at| self.entry(at))
            .map(|entry| (entry.identifier.clone(), entry))
            .collect();
        for (id, entry) in changes {
            match entry {
                Some(entry) => all.insert(id.clone(), entry.clone()),
                None => all.remove(id),
            };
        }
        Self::build(&all.into_values().collect::<Vec<_>>())
    }

    /// Opens what [`Base::index_bytes`] and [`Base::entry_bytes`] gave. Only the headers are read: wrong
    /// bytes behind them give wrong answers, never a panic.
    ///
    /// # Errors
    ///
    /// [`BaseError`] where a header is wrong.
    pub fn open(index: Bytes, entries: Bytes) -> Result<Self, BaseError> {
        let index = Index::from_bytes(index)?;
        if entries.len() < HEADER || &entries[..8] != MAGIC {
            return Err(BaseError::Entries("they do not start with `PKHENTRY`"));
        }
        if number(&entries, 8) != FORMAT {
            return Err(BaseError::Entries("they have another format"));
        }
        let count = number(&entries, 12) as usize;
        if entries.len() < HEADER + (count + 1) * 8 {
            return Err(BaseError::Entries("they are cut short"));
        }
        if index.len() != count {
            return Err(BaseError::Count { index: index.len(), entries: count });
        }
        Ok(Self { index, entries, count })
    }

    /// The search index.
    pub fn index(&self) -> &Index<Bytes> {
        &self.index
    }

    /// The search index as bytes.
    pub fn index_bytes(&self) -> Bytes {
        self.index.bytes().clone()
    }

    /// The entries as bytes.
    pub fn entry_bytes(&self) -> Bytes {
        self.entries.clone()
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entry at a place, by identifier; `None` beyond the end and where bytes are damaged.
    pub fn entry(&self, at: usize) -> Option<Entry> {
        if at >= self.count {
            return None;
        }
        let offset = |at: usize| {
            let held = self.entries.get(HEADER + at * 8..)?.first_chunk::<8>()?;
            usize::try_from(u64::from_le_bytes(*held)).ok()
        };
        let all = self.entries.get(HEADER + (self.count + 1) * 8..)?;
        serde_json::from_slice(all.get(offset(at)?..offset(at + 1)?)?).ok()
    }

    /// Where the first package stands whose identifier is not below `id`.
    pub fn position(&self, id: &Identifier) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let below = self.entry(middle).is_some_and(|entry| entry.identifier < *id);
            if below { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Whether the package is there.
    pub fn contains(&self, id: &Identifier) -> bool {
        self.index.position(id).is_some()
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    let held = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    held.map_or(0, |held| u32::from_le_bytes(*held))
}
