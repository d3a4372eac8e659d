//! Selections other than "one version each": trees in which several versions of a package stand side by
//! side, as APL's registries answer them.
//!
//! No search and no conflict: every requirement gets its own answer from what is [`Known`]. A version that
//! was reached already is not followed again, so packages that need each other end. Yanked versions are
//! taken by exact pins only; those out of service by none.

use std::collections::{BTreeMap, BTreeSet};

use super::known::Known;
use crate::escape::excerpt;
use crate::identifier::Identifier;
use crate::manifest::{Dependency, Target};
use crate::requirement::{Grammar, Requirement};
use crate::version::Version;

/// The most versions of a tree.
const NODES: usize = 100_000;

/// Which version a requirement gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The one that is pinned; of a range the newest.
    Exact,
    /// The newest that is compatible with a pin (`^`); of a range the newest.
    Latest,
    /// The exact tree first; then each requirement moves to the newest compatible version that is in the
    /// tree already.
    Mvs,
}

/// One version of one package of a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// The package.
    pub identifier: Identifier,
    /// Its version.
    pub version: Version,
}

/// Why there is no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// A package or a version that is not there.
    #[error("`{from}` needs `{identifier}` {requirement}, and no such version is known")]
    Missing {
        /// Who asks.
        from: String,
        /// The package.
        identifier: Identifier,
        /// What is asked for, made printable.
        requirement: String,
    },
    /// It has too many versions.
    #[error("the tree of `{0}` has more than {NODES} versions")]
    TooLarge(String),
}

/// The tree of `dependencies`: each version once with what it needs, in order. Dependencies with a
/// condition, and those that no registry has, are left out.
///
/// # Errors
///
/// [`SelectError`].
pub fn select(
    known: &Known,
    title: &str,
    dependencies: &[Dependency],
    selection: Selection,
) -> Result<BTreeMap<Node, BTreeSet<Node>>, SelectError> {
    let first = match selection {
        Selection::Mvs => Selection::Exact,
        other => other,
    };
    let pick = |from: &str, identifier: &Identifier, requirement: Option<&Requirement>| {
        newest(known, identifier, requirement, first == Selection::Latest).ok_or_else(|| {
            SelectError::Missing {
                from: from.to_owned(),
                identifier: identifier.clone(),
                requirement: requirement.map(|r| excerpt(r.text(), 100)).unwrap_or_default(),
            }
        })
    };
    let tree = walk(known, title, dependencies, pick)?;
    if selection != Selection::Mvs {
        return Ok(tree);
    }
    let there: BTreeSet<Node> = tree.into_keys().collect();
    walk(known, title, dependencies, |from, identifier, requirement| {
        let asked = pick(from, identifier, requirement)?;
        let raised = there.iter().rev().find(|node| {
            node.identifier == *identifier
                && compatible(asked.key()).is_some_and(|r| r.admits(&node.version))
        });
        Ok(raised.map_or(asked, |node| node.version.clone()))
    })
}

/// Follows dependencies; `pick` decides each.
fn walk(
    known: &Known,
    title: &str,
    dependencies: &[Dependency],
    pick: impl Fn(&str, &Identifier, Option<&Requirement>) -> Result<Version, SelectError>,
) -> Result<BTreeMap<Node, BTreeSet<Node>>, SelectError> {
    let wanted = |from: &str, dependencies: &[Dependency]| {
        let mut nodes = BTreeSet::new();
        for dependency in dependencies.iter().filter(|d| d.condition.is_none()) {
            let identifier = match &dependency.target {
                Target::Registry { identifier } => Some(identifier),
                Target::Native(name) => known.natives.get(name),
                _ => None,
            };
            if let Some(identifier) = identifier {
                let version = pick(from, identifier, dependency.requirement.as_ref())?;
                nodes.insert(Node { identifier: identifier.clone(), version });
            }
        }
        Ok(nodes)
    };
    let mut tree = BTreeMap::new();
    let mut waiting: Vec<Node> = wanted(title, dependencies)?.into_iter().collect();
    while let Some(node) = waiting.pop() {
        if tree.contains_key(&node) {
            continue;
        }
        if tree.len() >= NODES {
            return Err(SelectError::TooLarge(title.to_owned()));
        }
        let candidates = known.packages.get(&node.identifier).map(|package| &package.candidates);
        let candidate = candidates
            .and_then(|all| all.iter().find(|c| c.version.as_ref() == Some(&node.version)));
        let needs = match candidate {
            Some(candidate) => {
                wanted(&format!("{}@{}", node.identifier, node.version), &candidate.dependencies)?
            }
            None => BTreeSet::new(),
        };
        waiting.extend(needs.iter().cloned());
        tree.insert(node, needs);
    }
    Ok(tree)
}

/// The newest version that `requirement` admits, or with `latest` one that is compatible with its pin.
fn newest(
    known: &Known,
    identifier: &Identifier,
    requirement: Option<&Requirement>,
    latest: bool,
) -> Option<Version> {
    let pinned = requirement.filter(|requirement| requirement.is_exact());
    let versions = known.packages.get(identifier)?.candidates.iter().rev().filter(|c| c.in_service);
    let version = |c: &super::known::Candidate, rule: Option<&Requirement>| {
        c.version.clone().filter(|v| rule.is_none_or(|rule| rule.admits(v)))
    };
    if let (Some(_), true) = (pinned, latest) {
        let caret = requirement.and_then(|r| compatible(r.text().trim_start_matches(['=', ' '])));
        let mut fresh = versions.clone().filter(|c| c.yanked.is_none());
        if let Some(found) =
            caret.as_ref().and_then(|rule| fresh.find_map(|c| version(c, Some(rule))))
        {
            return Some(found);
        }
    }
    let mut usable = versions.filter(|c| pinned.is_some() || c.yanked.is_none());
    usable.find_map(|c| version(c, requirement))
}

/// What is compatible with a version's text: the same major number, below 1.0 the same minor number, and not lower.
fn compatible(text: &str) -> Option<Requirement> {
    // APL's rule for 0.0.x is that of 0.x, while Cargo's `^0.0.1` admits one version.
    let rule = match text.strip_prefix("0.0.") {
        Some(_) => format!(">={text}, <0.1.0-0"),
        None => format!("^{text}"),
    };
    Requirement::parse(Grammar::Cargo, &rule).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::tests::{known, needs};

    const ROWS: &[(&str, &str, &str)] = &[
        ("hub", "1.0.0", ""),
        ("hub", "1.2.0", ""),
        ("hub", "1.3.0", ""),
        ("hub", "1.4.0!", ""),
        ("hub", "2.0.0", ""),
        ("low", "0.0.1", ""),
        ("low", "0.0.2", ""),
        ("a", "1.0.0", "hub@1.0.0 low@0.0.1"),
        ("b", "1.0.0", "hub@1.2.0 low@0.0.2"),
        ("c", "1.0.0", "hub@2.0.0"),
        ("old", "1.0.0", "hub@1.4.0"),
        ("gone", "1.0.0", "hub@3.0.0"),
        ("x", "1.0.0", "y@1.0.0"),
        ("y", "1.0.0", "x@1.0.0"),
    ];

    fn tree(asked: &str, selection: Selection) -> String {
        match select(&known(ROWS), "my/board", &needs(asked), selection) {
            Ok(tree) => {
                let one = |node: &Node| format!("{}@{}", node.identifier.rest(), node.version);
                tree.keys().map(one).collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn exact_pins_stand_side_by_side() {
        let asked = "a@1.0.0 b@1.0.0 c@1.0.0";
        let expected = "a@1.0.0 b@1.0.0 c@1.0.0 hub@1.0.0 hub@1.2.0 hub@2.0.0 low@0.0.1 low@0.0.2";
        assert_eq!(tree(asked, Selection::Exact), expected);
        assert_eq!(tree("old@1.0.0", Selection::Exact), "hub@1.4.0 old@1.0.0");
    }

    #[test]
    fn latest_takes_the_newest_compatible_version_of_each_pin() {
        let expected = "a@1.0.0 c@1.0.0 hub@1.3.0 hub@2.0.0 low@0.0.2";
        assert_eq!(tree("a@1.0.0 c@1.0.0", Selection::Latest), expected);
    }

    #[test]
    fn minimal_selection_moves_within_the_tree_only() {
        let expected = "a@1.0.0 b@1.0.0 c@1.0.0 hub@1.2.0 hub@2.0.0 low@0.0.2";
        assert_eq!(tree("a@1.0.0 b@1.0.0 c@1.0.0", Selection::Mvs), expected);
        assert_eq!(tree("a@1.0.0", Selection::Mvs), "a@1.0.0 hub@1.0.0 low@0.0.1");
    }

    #[test]
    fn circles_end_and_what_is_missing_is_named() {
        for selection in [Selection::Exact, Selection::Latest, Selection::Mvs] {
            assert_eq!(tree("x@1.0.0", selection), "x@1.0.0 y@1.0.0");
            let lost = "`t/gone@1.0.0` needs `t/hub` 3.0.0, and no such version is known";
            assert_eq!(tree("gone@1.0.0", selection), lost);
        }
    }
}
