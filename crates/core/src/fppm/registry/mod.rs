//! `registry.yaml`: which packages there are, and in which git repositories.
//!
//! Read are all shapes that people are known to write; each that the stock client cannot use is told
//! with its place. [`super::export`] writes the one shape that it reads in any case.

mod doubles;
mod shapes;
#[cfg(test)]
mod tests;

use super::Shortname;
use crate::formats::Broken;
use crate::formats::fields::At;
use crate::formats::value::{Bounds, Source};
use crate::formats::yaml;
use crate::manifest::{Place, Problem};

/// The recommended name of the file, by which problems name it.
pub const FILE: &str = "registry.yaml";

/// What a registry may hold: some 5,000 packages, each of about 15 values. Manifests are smaller.
const BOUNDS: Bounds = Bounds { bytes: BYTES, nodes: 200_000, text_bytes: BYTES };
/// The longest file that is read, in bytes.
pub const BYTES: usize = 8 << 20;
/// Errors and warnings that are kept, each: one page tells enough.
const PROBLEMS: usize = 100;

/// A registry as its file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Its name; empty where missing.
    pub name: String,
    /// Who offers it; empty where missing.
    pub publisher: String,
    /// A sentence; empty where missing.
    pub description: String,
    /// When it last changed: free text.
    pub updated_on: String,
    /// The packages, in the file's order.
    pub packages: Vec<Entry>,
    /// What makes it, or a package of it, unusable.
    pub errors: Vec<Problem>,
    /// What the stock client stumbles over, or what is bound to surprise.
    pub warnings: Vec<Problem>,
}

/// A package of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Shortname,
    /// What `git clone` takes.
    pub git: String,
    /// The tag or commit that is installed where nobody asks for another.
    pub stable: Option<String>,
    /// The branch that holds it.
    pub branch: Option<String>,
    /// Where it stands.
    pub at: Place,
}

/// Reads a registry. What can be read is read; the rest is told in [`Registry::errors`].
///
/// # Errors
///
/// [`Broken`] for what is no YAML, no map, or too large.
pub fn read(bytes: &[u8]) -> Result<Registry, Broken> {
    let source = Source::open_larger(FILE, bytes, BOUNDS)?;
    let node = yaml::read(&source)?;
    let root = At::root(&source, &node, "`name: Acme` and `namespaces: []`")?;
    let mut reader = shapes::Reader { source: &source, registry: Registry::default() };
    let start = Place { line: 1, column: 1 };
    let mut required = |key: &str| match root.get(key) {
        Some(at) => reader.text(&at, false).unwrap_or_default(),
        None => {
            let help = format!("write `{key}: …`; the stock client refuses a registry without it");
            reader.error(key, start, "is missing", help);
            String::new()
        }
    };
    let about = ["name", "publisher", "description", "updated-on"].map(&mut required);
    [
        reader.registry.name,
        reader.registry.publisher,
        reader.registry.description,
        reader.registry.updated_on,
    ] = about;
    match root.get("namespaces") {
        None => {
            let help = "write `namespaces:` and a list, `[]` where there is none";
            reader.error("namespaces", start, "is missing", help);
        }
        Some(at) => reader.namespaces(&at),
    }
    let mut registry = reader.registry;
    doubles::twice(&mut registry);
    doubles::prefixes(&mut registry);
    registry.errors.sort_by_key(|problem| problem.at);
    registry.warnings.sort_by_key(|problem| problem.at);
    registry.errors.truncate(PROBLEMS);
    registry.warnings.truncate(PROBLEMS);
    Ok(registry)
}

fn push(list: &mut Vec<Problem>, field: &str, at: Place, message: String, help: String) {
    if list.len() < 2 * PROBLEMS {
        list.push(Problem { file: None, field: field.to_owned(), at, message, help });
    }
}
