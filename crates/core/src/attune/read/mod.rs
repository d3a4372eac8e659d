//! Reading an index: what is wrong is named with its place. What the later program refuses is a flaw;
//! what nobody could use is fatal.

mod address;
mod entry;
mod sources;
#[cfg(test)]
mod tests;
mod values;

use serde_json::Value;

pub(super) use self::address::{check_url, is_git_ref, is_homepage};
use self::values::{Reader, join, kind};
use super::index::{Entry, FORMAT, INDEX_BYTES, Index, PACKS};
use super::{Flaw, stackstorm};
use crate::escape::excerpt;

/// An index that was read tolerantly.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The index.
    pub index: Index,
    /// What a strict reader would refuse.
    pub flaws: Vec<Flaw>,
}

/// Reads an index that anybody wrote: Attune's, of either program, or StackStorm's.
///
/// # Errors
///
/// The fatal flaws: no JSON, no list of packs, a pack without ref, version or a way to get it. An
/// index with one of them is refused whole: to skip a pack would let an index behind it answer for it.
pub fn read(bytes: &[u8]) -> Result<Read, Vec<Flaw>> {
    let value = json(bytes).map_err(|flaw| vec![flaw])?;
    if let Some(index) = stackstorm::index(&value) {
        return index;
    }
    let mut reader = Reader::default();
    let index = reader.index(&value);
    let (fatal, flaws): (Vec<_>, Vec<_>) = reader.flaws.into_iter().partition(|(fatal, _)| *fatal);
    let plain = |flaws: Vec<(bool, Flaw)>| flaws.into_iter().map(|(_, flaw)| flaw).collect();
    match index {
        Some(index) if fatal.is_empty() => Ok(Read { index, flaws: plain(flaws) }),
        _ => Err(plain(fatal)),
    }
}

/// Reads an index by the rules of format 1.0.
///
/// # Errors
///
/// All flaws, a hundred at most.
pub fn strict(bytes: &[u8]) -> Result<Index, Vec<Flaw>> {
    let value = json(bytes).map_err(|flaw| vec![flaw])?;
    let mut reader = Reader::default();
    match reader.index(&value) {
        Some(index) if reader.flaws.is_empty() => Ok(index),
        _ => Err(reader.flaws.into_iter().map(|(_, flaw)| flaw).collect()),
    }
}

/// Reads one pack of an index by the rules of format 1.0.
///
/// # Errors
///
/// As [`strict`]; places begin with `pack`.
pub fn strict_entry(value: &Value) -> Result<Entry, Vec<Flaw>> {
    let mut reader = Reader::default();
    match reader.entry(value, "pack") {
        Some(entry) if reader.flaws.is_empty() => Ok(entry),
        _ => Err(reader.flaws.into_iter().map(|(_, flaw)| flaw).collect()),
    }
}

/// The JSON of a file of at most [`INDEX_BYTES`].
pub(super) fn json(bytes: &[u8]) -> Result<Value, Flaw> {
    if bytes.len() as u64 > INDEX_BYTES {
        let reason = format!("has {} bytes, an index has at most {INDEX_BYTES}", bytes.len());
        return Err(Flaw::new("index", reason));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        Flaw::new(place, format!("is no JSON: {}", excerpt(&e.to_string(), 200)))
    })
}

impl Reader {
    fn index(&mut self, value: &Value) -> Option<Index> {
        let Value::Object(object) = value else {
            self.fatal("index", format!("is {}, an index is an object", kind(value)));
            return None;
        };
        let keys = ["registry_name", "registry_url", "version", "last_updated", "packs"];
        self.known(object, "", &keys);
        let registry_name = self.text(object, "", "registry_name", false).unwrap_or_default();
        let registry_url = self.text(object, "", "registry_url", false).unwrap_or_default();
        self.url("registry_url", &registry_url);
        let version = self.text(object, "", "version", false).unwrap_or_default();
        if !version.is_empty() && version != FORMAT {
            let reason = format!("is `{}`, this reader knows `{FORMAT}`", excerpt(&version, 40));
            self.flaw("version", reason);
        }
        let last_updated = self.text(object, "", "last_updated", false).unwrap_or_default();
        if !last_updated.is_empty() && last_updated.parse::<jiff::Timestamp>().is_err() {
            let reason = format!("is `{}`, write a time as in", excerpt(&last_updated, 40));
            self.flaw("last_updated", format!("{reason} `2026-01-31T12:00:00Z`"));
        }
        let Some(Value::Array(list)) = object.get("packs") else {
            self.fatal("packs", "is missing, or no list of packs");
            return None;
        };
        if list.len() > PACKS {
            self.fatal("packs", format!("lists {} packs, at most {PACKS} are read", list.len()));
            return None;
        }
        let mut packs: Vec<Entry> = Vec::with_capacity(list.len());
        let mut seen = std::collections::HashSet::new();
        for (number, one) in list.iter().enumerate() {
            let place = format!("packs[{number}]");
            let Some(entry) = self.entry(one, &place) else { continue };
            let at = join(&place, "ref");
            if !seen.insert(entry.reference.clone()) {
                self.fatal(&at, format!("`{}` is listed twice", entry.reference));
            } else if packs.last().is_some_and(|last| last.reference > entry.reference) {
                self.flaw(&at, format!("`{}` is not sorted in by its ref", entry.reference));
            }
            packs.push(entry);
        }
        Some(Index { registry_name, registry_url, version, last_updated, packs })
    }
}
