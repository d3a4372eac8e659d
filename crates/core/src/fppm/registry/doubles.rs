//! What no package by itself shows: names that stand twice, and names that begin alike.

use std::collections::HashMap;

use super::{Registry, push};
use crate::fppm::{Shortname, clash};
use crate::manifest::Place;

/// Packages that stand twice: the stock client asks which one is meant.
pub(super) fn twice(registry: &mut Registry) {
    let mut seen: HashMap<&Shortname, Place> = HashMap::new();
    let mut found = Vec::new();
    for entry in &registry.packages {
        match seen.get(&entry.name) {
            Some(first) => found.push((entry.name.to_string(), entry.at, *first)),
            None => {
                seen.insert(&entry.name, entry.at);
            }
        }
    }
    for (name, at, first) in found {
        let message =
            format!("`{name}` stands here and at line {}, column {}", first.line, first.column);
        push(&mut registry.warnings, &name, at, message, "keep one of the two".to_owned());
    }
}

/// Packages whose folder's name begins with that of another: the stock client takes the one for the
/// other.
pub(super) fn prefixes(registry: &mut Registry) {
    for (short, long) in clash::prefixed(registry.packages.iter().map(|entry| &entry.name)) {
        let at = registry.packages.iter().find(|entry| entry.name == long).map(|entry| entry.at);
        let message = clash::told(&short, &long);
        let help = clash::HELP.to_owned();
        let at = at.unwrap_or(Place { line: 1, column: 1 });
        push(&mut registry.warnings, &long.to_string(), at, message, help);
    }
}
