//! Which versions a project gets: complete, and with an explanation where there is no answer.
//!
//! [`Known`] holds what the registry and other places have, a [`Request`] what is asked for. Every
//! requirement becomes the set of a package's versions that it admits, so every grammar resolves alike;
//! PubGrub (<https://nex3.medium.com/pubgrub-2fb6470504f>) finds a set of versions that fits, newest
//! first. A yanked version is taken only where the lockfile holds it, a prerelease only where a
//! requirement names one or there is nothing else.

mod cycle;
mod explain;
mod known;
mod problem;

use std::collections::BTreeMap;

use crate::identifier::Identifier;
use crate::manifest::{Dependency, External};
use crate::version::Version;

pub use known::{Known, ResolveError, SourcePackage};
pub use problem::Problem;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// How explanations name who asks, for example `acme/board`.
    pub title: String,
    /// What it needs. Dependencies with a condition are left out.
    pub dependencies: Vec<Dependency>,
    /// What it needs of tools.
    pub requires: Vec<External>,
    /// The versions of the tools that are here; others are not checked.
    pub tools: BTreeMap<String, Version>,
    /// Versions that are kept where they fit: those of the lockfile.
    pub prefer: BTreeMap<Identifier, Version>,
    /// Whether packages may need each other.
    pub cycles: Cycles,
}

/// Whether packages may need each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cycles {
    /// They may.
    Allowed,
    /// They may not: no order would build them.
    Refused,
}

/// What a project gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// In the order of identifiers, one version each.
    pub chosen: Vec<ChosenPackage>,
}

/// One package of a resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenPackage {
    /// The package.
    pub identifier: Identifier,
    /// Its version; a folder or repository may have none.
    pub version: Option<Version>,
    /// What it needs, in order.
    pub dependencies: Vec<Identifier>,
    /// Whether it comes from a folder or repository.
    pub from_source: bool,
}

/// Why there is no resolution.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines.join("\n"))]
pub struct Unresolved {
    /// What is wrong.
    pub kind: UnresolvedKind,
    /// At most 10 lines; the first one says what is wrong, the others who asks for what.
    pub lines: Vec<String>,
    /// What would be right.
    pub help: String,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnresolvedKind {
    /// A package that is not there.
    Missing,
    /// No version that is asked for.
    NoVersion,
    /// Only yanked versions.
    Yanked,
    /// A tool of another version.
    Tool,
    /// Requirements that cannot be met together.
    Conflict,
    /// Packages that need each other.
    Cycle,
    /// The search took too long.
    TooHard,
}

/// Finds a version of everything that `request` needs.
///
/// # Errors
///
/// [`Unresolved`] with an explanation that names the chain.
pub fn resolve(known: &Known, request: &Request) -> Result<Resolution, Unresolved> {
    answer(&Problem::new(known, request), request)
}

/// The same within so many steps, explanation included: for a service, which answers many at once.
///
/// # Errors
///
/// [`Unresolved`]; [`UnresolvedKind::TooHard`] where the steps did not suffice to say why.
pub fn resolve_within(
    known: &Known,
    request: &Request,
    steps: u64,
) -> Result<Resolution, Unresolved> {
    answer(&Problem::new(known, request).within(steps), request)
}

fn answer(problem: &Problem, request: &Request) -> Result<Resolution, Unresolved> {
    let resolution = match problem.solve() {
        Ok(chosen) => problem.resolution(&chosen),
        Err(failure) => {
            let found = explain::explain(problem, failure);
            // A search that was cut short cannot tell which dependencies matter.
            return Err(if problem.is_exhausted() { explain::too_hard(problem) } else { found });
        }
    };
    if request.cycles == Cycles::Refused
        && let Some(found) = cycle::find(request, &resolution)
    {
        return Err(found);
    }
    Ok(resolution)
}

#[cfg(test)]
mod tests;
