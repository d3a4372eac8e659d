//! Dependency trees, in which several versions of a package may stand side by side.
//!
//! No search and no conflict: every request gets its own answer. A version that was reached already is
//! not followed again, so packages that need each other end.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Value, json};

use super::config::{Config, Need};
use super::id::PackageId;
use super::index::Index;
use crate::escape::excerpt;
use crate::requirement::{Grammar, Requirement};

/// The most packages of a tree.
const NODES: usize = 10_000;
/// The most dependencies of all packages of a tree.
const EDGES: usize = 100_000;
/// How deep packages may nest in the nested form: readers of JSON stop at twice as many brackets.
const DEPTH: usize = 60;

/// Which version a request gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Selection {
    /// The one that it names.
    #[default]
    Exact,
    /// The highest one that is compatible with it (`^`).
    Latest,
    /// The exact tree first; then each request moves to the highest compatible version that is in the
    /// tree already.
    Mvs,
}

impl FromStr for Selection {
    type Err = TreeError;
    fn from_str(text: &str) -> Result<Self, TreeError> {
        match text {
            "exact" => Ok(Self::Exact),
            "latest" => Ok(Self::Latest),
            "mvs" => Ok(Self::Mvs),
            _ => Err(TreeError::Strategy(excerpt(text, 40))),
        }
    }
}

/// Why there is no tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// A version that the registry does not have.
    #[error("`{from}` needs `{needs}`, and no such version is in the registry")]
    Missing {
        /// Who asks.
        from: Box<PackageId>,
        /// For what.
        needs: String,
    },
    /// Too many packages or dependencies.
    #[error("the tree has more than {NODES} packages or {EDGES} dependencies")]
    Large,
    /// Too many levels.
    #[error("the tree is more than {DEPTH} packages deep: ask for the flat form")]
    Deep,
    /// Not one of the three.
    #[error("`{0}` is no strategy: write `exact`, `latest` or `mvs`")]
    Strategy(String),
}

/// What packages need, and what that needs.
#[derive(Clone, Debug)]
pub struct Tree<'i> {
    roots: Vec<Package<'i>>,
    nodes: BTreeMap<PackageId, Package<'i>>,
    /// In the order in which they were reached.
    order: Vec<PackageId>,
}

#[derive(Clone, Debug)]
struct Package<'i> {
    config: std::borrow::Cow<'i, Config>,
    needs: Vec<Edge>,
    dev_needs: Vec<Edge>,
}

/// A dependency and what it gets.
#[derive(Clone, Debug)]
struct Edge {
    need: Need,
    to: PackageId,
}

/// The tree of `configs`. One that says nothing of dependencies is looked up in the index.
///
/// # Errors
///
/// [`TreeError`].
pub fn select<'i>(
    index: &'i Index,
    configs: &[Config],
    selection: Selection,
) -> Result<Tree<'i>, TreeError> {
    let pick = |need: &Need| {
        let request = match selection {
            Selection::Latest => compatible(&need.requirement),
            Selection::Exact | Selection::Mvs => None,
        };
        let newest = request.and_then(|request| index.find(&need.project, &request));
        newest.or_else(|| index.find(&need.project, &need.requirement))
    };
    let tree = walk(index, configs, pick)?;
    if selection != Selection::Mvs {
        return Ok(tree);
    }
    let there: BTreeSet<PackageId> = tree.nodes.into_keys().collect();
    walk(index, configs, |need| {
        let asked = pick(need)?;
        let admits = |request: &Requirement, node: &&PackageId| {
            node.project == asked.project && request.admits(&node.version)
        };
        let caret = Requirement::parse(Grammar::Apl, &format!("^{}", asked.version.key())).ok();
        let raised = caret.and_then(|caret| there.iter().rev().find(|node| admits(&caret, node)));
        Some(raised.cloned().unwrap_or(asked))
    })
}

/// `^` and the version that is asked for.
fn compatible(request: &Requirement) -> Option<Requirement> {
    let exact = request.is_exact().then(|| format!("^{}", request.text()));
    Requirement::parse(Grammar::Apl, &exact?).ok()
}

/// Follows dependencies; `pick` decides each.
fn walk<'i>(
    index: &'i Index,
    configs: &[Config],
    pick: impl Fn(&Need) -> Option<PackageId>,
) -> Result<Tree<'i>, TreeError> {
    let mut edges = 0;
    let mut follow = |from: &PackageId, needs: &[Need]| {
        edges += needs.len();
        if edges > EDGES {
            return Err(TreeError::Large);
        }
        let one = |need: &Need| match pick(need) {
            Some(to) => Ok(Edge { need: need.clone(), to }),
            None => Err(TreeError::Missing { from: Box::new(from.clone()), needs: need.text() }),
        };
        needs.iter().map(one).collect::<Result<Vec<_>, _>>()
    };
    let mut roots = Vec::new();
    for config in configs {
        let silent = config.needs.is_empty() && config.dev_needs.is_empty();
        let config = index.get(&config.id).filter(|_| silent).unwrap_or(config).clone();
        let needs = follow(&config.id, &config.needs)?;
        let dev_needs = follow(&config.id, &config.dev_needs)?;
        roots.push(Package { config: std::borrow::Cow::Owned(config), needs, dev_needs });
    }
    let (mut nodes, mut order) = (BTreeMap::new(), Vec::new());
    let mut waiting: Vec<PackageId> = Vec::new();
    for root in roots.iter().rev() {
        waiting.extend(root.needs.iter().chain(&root.dev_needs).rev().map(|edge| edge.to.clone()));
    }
    while let Some(id) = waiting.pop() {
        if nodes.contains_key(&id) {
            continue;
        }
        if nodes.len() >= NODES {
            return Err(TreeError::Large);
        }
        let Some(config) = index.get(&id) else { continue };
        let needs = follow(&id, &config.needs)?;
        waiting.extend(needs.iter().rev().map(|edge| edge.to.clone()));
        order.push(id.clone());
        let config = std::borrow::Cow::Borrowed(config);
        nodes.insert(id, Package { config, needs, dev_needs: Vec::new() });
    }
    Ok(Tree { roots, nodes, order })
}

impl Tree<'_> {
    /// The nested form: configs whose dependencies are configs. Where a package stands a second time,
    /// it has no `dependencies` and says `"repeated": true`.
    ///
    /// # Errors
    ///
    /// [`TreeError::Deep`].
    pub fn nested(&self) -> Result<Value, TreeError> {
        let mut seen = BTreeSet::new();
        let one = |root: &Package| self.package(root, None, &mut seen, DEPTH);
        self.roots.iter().map(one).collect()
    }

    fn package(
        &self,
        package: &Package,
        need: Option<&Need>,
        seen: &mut BTreeSet<PackageId>,
        depth: usize,
    ) -> Result<Value, TreeError> {
        let id = &package.config.id;
        let mut json = package.config.to_json();
        let Some(map) = json.as_object_mut() else { return Ok(json) };
        if let Some(alias) = need.and_then(|need| need.alias.as_ref()) {
            map.insert("alias".to_owned(), alias.as_str().into());
        }
        map.shift_remove("dependencies");
        map.shift_remove("devDependencies");
        if !seen.insert(id.clone()) {
            map.insert("repeated".to_owned(), true.into());
            return Ok(json);
        }
        let depth = depth.checked_sub(1).ok_or(TreeError::Deep)?;
        let mut children = |edges: &[Edge]| {
            let below = edges.iter().filter_map(|edge| Some((edge, self.nodes.get(&edge.to)?)));
            below
                .map(|(edge, node)| self.package(node, Some(&edge.need), seen, depth))
                .collect::<Result<Value, _>>()
        };
        map.insert("dependencies".to_owned(), children(&package.needs)?);
        if !package.dev_needs.is_empty() {
            map.insert("devDependencies".to_owned(), children(&package.dev_needs)?);
        }
        Ok(json)
    }

    /// The flat form: each package once, as `id`, the `orig_ids` that asked for it, and the texts of its
    /// `dependencies`, in the order in which they are reached. Those that were asked for are no part of it.
    pub fn flat(&self) -> Value {
        let mut asked: BTreeMap<&PackageId, BTreeSet<String>> = BTreeMap::new();
        for package in self.roots.iter().chain(self.nodes.values()) {
            for edge in package.needs.iter().chain(&package.dev_needs) {
                let text = format!("{}-v{}", edge.need.project, edge.need.requirement);
                asked.entry(&edge.to).or_default().insert(text);
            }
        }
        let one = |id: &PackageId| {
            let package = self.nodes.get(id)?;
            let texts: Vec<String> = package.config.needs.iter().map(Need::text).collect();
            Some(json!({"id": id.to_string(), "orig_ids": asked.get(id), "dependencies": texts}))
        };
        self.order.iter().filter_map(one).collect()
    }

    /// The packages, in the order in which they are reached.
    pub fn ids(&self) -> &[PackageId] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &[(&str, &str)] = &[
        ("t-hub-v1.0.0", ""),
        ("t-hub-v1.2.0", ""),
        ("t-hub-v1.3.0-rc.1", ""),
        ("t-hub-v2.0.0", ""),
        ("t-low-v0.0.1", ""),
        ("t-low-v0.0.2", ""),
        ("t-a-v1.0.0", "t-hub-v1.0.0@H t-low-v0.0.1"),
        ("t-b-v1.0.0", "t-hub-v1.2.0 t-low-v0.0.2"),
        ("t-c-v1.0.0", "t-hub-v2.0.0"),
        ("t-gone-v1.0.0", "t-hub-v3.0.0"),
        ("t-x-v1.0.0", "t-y-v1.0.0"),
        ("t-y-v1.0.0", "t-x-v1.0.0@Back"),
    ];

    fn needs(text: &str) -> Vec<Need> {
        text.split_whitespace().map(|text| Need::parse(text).unwrap()).collect()
    }

    fn index(rows: &[(&str, &str)]) -> Index {
        let mut index = Index::default();
        for (id, dependencies) in rows {
            index.add(Config::new(id.parse().unwrap(), needs(dependencies))).unwrap();
        }
        index
    }

    fn project(text: &str) -> Config {
        Config::new("my-app-v0.1.0".parse().unwrap(), needs(text))
    }

    fn ids(asked: &str, selection: &str) -> String {
        match select(&index(ROWS), &[project(asked)], selection.parse().unwrap()) {
            Ok(tree) => {
                let ids: BTreeSet<_> =
                    tree.ids().iter().map(|id| id.to_string()[2..].to_owned()).collect();
                ids.into_iter().collect::<Vec<_>>().join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn exact_requests_stand_side_by_side() {
        let expected =
            "a-v1.0.0 b-v1.0.0 c-v1.0.0 hub-v1.0.0 hub-v1.2.0 hub-v2.0.0 low-v0.0.1 low-v0.0.2";
        assert_eq!(ids("t-a-v1.0.0 t-b-1.0.0 t-c-v1.0.0", "exact"), expected);
    }

    #[test]
    fn latest_takes_the_highest_compatible_version_of_each_request() {
        let expected = "a-v1.0.0 c-v1.0.0 hub-v1.3.0-rc.1 hub-v2.0.0 low-v0.0.2";
        assert_eq!(ids("t-a-v1.0.0 t-c-v1.0.0", "latest"), expected);
    }

    #[test]
    fn minimal_selection_moves_within_the_tree_only() {
        let expected = "a-v1.0.0 b-v1.0.0 c-v1.0.0 hub-v1.2.0 hub-v2.0.0 low-v0.0.2";
        assert_eq!(ids("t-a-v1.0.0 t-b-v1.0.0 t-c-v1.0.0", "mvs"), expected);
        assert_eq!(ids("t-a-v1.0.0", "mvs"), "a-v1.0.0 hub-v1.0.0 low-v0.0.1");
    }

    #[test]
    fn circles_end_and_what_is_missing_is_named() {
        for selection in ["exact", "latest", "mvs"] {
            assert_eq!(ids("t-x-v1.0.0", selection), "x-v1.0.0 y-v1.0.0");
            let lost =
                "`t-gone-v1.0.0` needs `t-hub-v3.0.0`, and no such version is in the registry";
            assert_eq!(ids("t-gone-v1.0.0", selection), lost);
        }
        assert!("newest".parse::<Selection>().unwrap_err().to_string().contains("`mvs`"));
    }

    #[test]
    fn the_nested_form_cuts_repeated_packages() {
        let index = index(ROWS);
        let asked = [project("t-a-v1.0.0 t-x-v1.0.0 t-hub-v1.0.0")];
        let tree = select(&index, &asked, Selection::Exact).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&tree.nested().unwrap()).unwrap());
        insta::assert_snapshot!(serde_json::to_string_pretty(&tree.flat()).unwrap());
        // A config that says nothing of its dependencies is the registry's own.
        let asked = [Config::new("t-c-v1.0.0".parse().unwrap(), Vec::new())];
        let tree = select(&index, &asked, Selection::Exact).unwrap();
        assert_eq!(tree.nested().unwrap()[0]["dependencies"][0]["version"], "2.0.0");
    }

    #[test]
    fn a_chain_that_no_reader_of_json_would_follow_has_a_flat_form() {
        let rows: Vec<(String, String)> = (0..100)
            .map(|n| {
                (
                    format!("t-p{n}-v1.0.0"),
                    if n < 99 { format!("t-p{}-v1.0.0", n + 1) } else { String::new() },
                )
            })
            .collect();
        let rows: Vec<_> = rows.iter().map(|(id, needs)| (&**id, &**needs)).collect();
        let index = index(&rows);
        let tree = select(&index, &[project("t-p0-v1.0.0")], Selection::Exact).unwrap();
        assert_eq!(tree.nested(), Err(TreeError::Deep));
        assert_eq!(tree.flat().as_array().unwrap().len(), 100);
    }
}
