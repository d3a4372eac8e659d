//! The classes of one release of process-bigraph, as data: what a base of that name is.
//!
//! `tests/long/process-bigraph-table` writes the file anew from the source distribution.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Kind;

/// What process-bigraph offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its version.
    pub version: String,
    /// Its classes of processes and steps, in the order of their full names.
    pub classes: Vec<Known>,
    /// Every name under which one of them can be imported: to its full name.
    pub names: BTreeMap<String, String>,
    /// Its modules.
    pub modules: BTreeSet<String>,
    /// Its decorators that make a class of a function.
    pub makers: BTreeMap<String, Kind>,
}

/// A class of process-bigraph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The module that defines it, and its name.
    pub module: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// From its base to `Process` or `Step`.
    pub chain: Vec<String>,
    /// Its input ports, where they are literals.
    pub inputs: Option<Value>,
    /// Its output ports, where they are literals.
    pub outputs: Option<Value>,
    /// Its configuration, where it is a literal.
    pub config: Option<Value>,
}

impl Known {
    /// Module and name.
    pub fn full(&self) -> String {
        format!("{}.{}", self.module, self.name)
    }
}

impl Table {
    /// The class that is imported as `dotted`.
    pub(super) fn class(&self, dotted: &str) -> Option<&Known> {
        let full = self.names.get(dotted)?;
        let nth = self.classes.binary_search_by(|known| known.full().cmp(full)).ok()?;
        self.classes.get(nth)
    }
}

/// The release of process-bigraph that the registry knows.
pub static PROCESS_BIGRAPH: LazyLock<Table> = LazyLock::new(|| {
    // A test holds the file to its shape, so this is never the empty table.
    serde_json::from_str(include_str!("process_bigraph.json")).unwrap_or_default()
});
