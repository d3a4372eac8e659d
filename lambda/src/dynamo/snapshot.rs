//! What a verb has read: items and ranges of the table, under one state of the feed.

use std::collections::HashMap;
use std::sync::Arc;

use packhouse_registry::ports::StoreResult;
use serde::{Deserialize, Serialize};

use super::item::{Item, Put, damaged};
use super::key::Key;
use super::table::Range;

/// The head of the feed. Whatever readers can see changes together with it: it is the registry's
/// one clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Feed {
    /// Changes with every write to what readers see; 0 before the first.
    pub(super) version: u64,
    /// The number of the newest event.
    pub(super) last_event: u64,
    /// Counts of downloads that were written: they change what readers see and decide nothing.
    pub(super) counted: u64,
    /// The digest of a sealed write that is not carried out yet, or not known to be.
    pub(super) sealed: Option<String>,
}

impl Feed {
    /// A number that differs whenever anything that readers see may have changed.
    pub(super) fn generation(&self) -> u64 {
        self.version.wrapping_add(self.counted)
    }
}

/// Writes in their order; `None` deletes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Writes {
    list: Vec<(Key, Option<Put>)>,
    #[serde(skip)]
    place: HashMap<Key, usize>,
}

impl Writes {
    /// Takes the writes out of JSON.
    pub(super) fn from_json(json: &str) -> StoreResult<Self> {
        let mut writes: Self =
            serde_json::from_str(json).map_err(|e| damaged("a sealed write", e))?;
        let places = writes.list.iter().enumerate().map(|(place, (key, _))| (key.clone(), place));
        writes.place = places.collect();
        Ok(writes)
    }

    /// Adds a write; a later one for the same key takes the place of the earlier.
    pub(super) fn add(&mut self, key: Key, put: Option<Put>) {
        match self.place.get(&key) {
            Some(place) => self.list[*place].1 = put,
            None => {
                self.place.insert(key.clone(), self.list.len());
                self.list.push((key, put));
            }
        }
    }

    /// What is to be written at a key; `None` if nothing is, `Some(None)` if it is to be deleted.
    pub(super) fn get(&self, key: &Key) -> Option<Option<&Put>> {
        self.place.get(key).map(|place| self.list[*place].1.as_ref())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, Option<&Put>)> {
        self.list.iter().map(|(key, put)| (key, put.as_ref()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }
}

/// Something that a verb wants to read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wanted {
    /// One item.
    Item(Key),
    /// A range of items.
    List(Range),
}

impl Wanted {
    /// Whether it is one item.
    pub(super) fn is_item(&self) -> bool {
        matches!(self, Self::Item(_))
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) feed: Feed,
    /// A sealed write that the table does not show yet: readers see it all the same.
    pub(super) overlay: Option<Arc<Writes>>,
    items: HashMap<Key, Option<Item>>,
    lists: HashMap<Range, Vec<(Key, String)>>,
}

impl Snapshot {
    pub(super) fn keep_item(&mut self, key: Key, item: Option<Item>) {
        self.items.insert(key, item);
    }

    pub(super) fn keep_list(&mut self, range: Range, items: Vec<(Key, String)>) {
        self.lists.insert(range, items);
    }

    /// The version of an item in the table; `None` where it was not read, `Some(None)` where there
    /// is none.
    pub(super) fn version(&self, key: &Key) -> Option<Option<u64>> {
        self.items.get(key).map(|item| item.as_ref().map(|item| item.version))
    }

    /// An item's JSON; the outer `None` where it was not read.
    pub(super) fn item(&self, key: &Key) -> Option<Option<&str>> {
        if let Some(put) = self.overlay.as_ref().and_then(|overlay| overlay.get(key)) {
            return Some(put.map(|put| put.json.as_str()));
        }
        self.items.get(key).map(|item| item.as_ref().map(|item| item.json.as_str()))
    }

    /// The items of a range with their JSON, ascending; `None` where it was not read.
    pub(super) fn list(&self, range: &Range) -> Option<Vec<(&Key, &str)>> {
        let read = self.lists.get(range)?;
        let mut found: Vec<(&Key, &str)> =
            read.iter().map(|(k, json)| (k, json.as_str())).collect();
        if let Some(overlay) = &self.overlay {
            shadow(&mut found, overlay, range);
        }
        Some(found)
    }
}

/// Lays writes over the items of a range.
pub(super) fn shadow<'a>(found: &mut Vec<(&'a Key, &'a str)>, writes: &'a Writes, range: &Range) {
    let mut touched = false;
    for (key, put) in writes.iter().filter(|(key, _)| range.holds(key)) {
        touched = true;
        found.retain(|(held, _)| *held != key);
        if let Some(put) = put {
            found.push((key, &put.json));
        }
    }
    if touched {
        found.sort_unstable_by(|a, b| a.0.cmp(b.0));
        found.truncate(range.limit.map_or(usize::MAX, |limit| limit as usize));
    }
}
