//! Which files of a project can be imported, and by which names.
//!
//! What the build tool's table says in literals counts; else what that tool would find by itself:
//! `src/`, a folder of the project's name, or the folders at the root that are no tests, documents or
//! tools (as setuptools finds them, namespace packages of PEP 420 included). Nothing is run, so what
//! a `setup.py` computes is not known.

mod tools;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::module::File;
use crate::tree::{Tree, TreePath};

/// Folders at the root that are never a package of a flat layout: setuptools' list, and where
/// environments and builds lie.
const BESIDE: [&str; 38] = [
    "ci",
    "bin",
    "debian",
    "doc",
    "docs",
    "documentation",
    "manpages",
    "news",
    "newsfragments",
    "changelog",
    "test",
    "tests",
    "unit_test",
    "unit_tests",
    "example",
    "examples",
    "scripts",
    "tools",
    "util",
    "utils",
    "python",
    "build",
    "benchmark",
    "benchmarks",
    "exercise",
    "exercises",
    "htmlcov",
    "tasks",
    "dist",
    "venv",
    "env",
    "node_modules",
    "notebooks",
    "demo",
    "demos",
    "reports",
    "site",
    "data",
];
/// Modules at the root that belong to tools.
const TOOL_MODULES: [&str; 8] =
    ["setup", "conftest", "test", "tests", "example", "noxfile", "tasks", "fabfile"];

/// A folder of the tree that is a package, or holds top-level packages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// All below it is importable by its path from here.
    Folder(String),
    /// A package by its dotted name and folder; with or without the packages inside.
    Package { name: String, folder: String, whole: bool },
    /// A single module at a path.
    Module { name: String, path: String },
}

/// The importable files of `tree`, by module, in the order of paths. `manifest` is `pyproject.toml`.
pub(super) fn files(tree: &Tree, manifest: &Value) -> Vec<File> {
    let sources: Vec<&TreePath> =
        tree.iter().map(|(path, _)| path).filter(|path| path.as_str().ends_with(".py")).collect();
    let roots = match tools::roots(manifest, &sources) {
        roots if !roots.is_empty() => roots,
        _ => found(&sources, project_name(manifest).as_deref()),
    };
    // A package of a name wins over a module of it, as in Python.
    let mut by_module: BTreeMap<String, (bool, &TreePath)> = BTreeMap::new();
    for path in sources {
        for root in &roots {
            let Some((module, package)) = module_of(path.as_str(), root) else { continue };
            let known = by_module.get(&module);
            if known.is_none_or(|(other, _)| package && !other) {
                by_module.insert(module, (package, path));
            }
        }
    }
    let mut files: Vec<File> = by_module
        .into_iter()
        .map(|(module, (package, path))| File { module, path: path.clone(), package })
        .collect();
    files.sort_by(|a, b| (&a.path, &a.module).cmp(&(&b.path, &b.module)));
    files
}

/// The project's name as a module would be called.
fn project_name(manifest: &Value) -> Option<String> {
    let project = manifest.pointer("/project/name").or(manifest.pointer("/tool/poetry/name"))?;
    Some(project.as_str()?.replace(['-', '.'], "_"))
}

/// What a build tool finds by itself.
fn found(sources: &[&TreePath], name: Option<&str>) -> Vec<Root> {
    if sources.iter().any(|path| path.as_str().starts_with("src/")) {
        let flat = sources.iter().any(|path| path.as_str() == "src/__init__.py");
        if !flat {
            return vec![Root::Folder("src".to_owned())];
        }
    }
    let tops: BTreeSet<&str> = sources
        .iter()
        .filter_map(|path| path.as_str().split_once('/'))
        .map(|(top, _)| top)
        .collect();
    if let Some(own) =
        tops.iter().find(|top| name.is_some_and(|name| top.eq_ignore_ascii_case(name)))
    {
        return vec![package(own, own)];
    }
    let packages: Vec<Root> = tops
        .into_iter()
        .filter(|top| is_name(top) && !BESIDE.contains(top) && !top.starts_with("test_"))
        .map(|top| package(top, top))
        .collect();
    if !packages.is_empty() {
        return packages;
    }
    let modules = sources.iter().filter_map(|path| {
        let stem = path.as_str().strip_suffix(".py").filter(|stem| is_name(stem))?;
        let tool = TOOL_MODULES.contains(&stem) || stem.starts_with("test_");
        (!tool).then(|| Root::Module { name: stem.to_owned(), path: path.to_string() })
    });
    modules.collect()
}

fn package(name: &str, folder: &str) -> Root {
    Root::Package { name: name.to_owned(), folder: folder.to_owned(), whole: true }
}

/// The module that the file at `path` is below `root`, and whether it is a package's own file.
fn module_of(path: &str, root: &Root) -> Option<(String, bool)> {
    let (prefix, below, whole) = match root {
        Root::Module { name, path: file } => {
            return (file == path).then(|| (name.clone(), false));
        }
        Root::Folder(folder) if folder.is_empty() => ("", path, true),
        Root::Folder(folder) => ("", path.strip_prefix(&**folder)?.strip_prefix('/')?, true),
        Root::Package { name, folder, whole } => {
            (&**name, path.strip_prefix(&**folder)?.strip_prefix('/')?, *whole)
        }
    };
    let stem = below.strip_suffix(".py")?;
    if !whole && stem.contains('/') {
        return None;
    }
    let mut parts: Vec<&str> =
        if prefix.is_empty() { Vec::new() } else { prefix.split('.').collect() };
    parts.extend(stem.split('/'));
    let package = parts.last() == Some(&"__init__");
    if package {
        parts.pop();
    }
    let fits = !parts.is_empty() && parts.iter().all(|part| is_name(part));
    fits.then(|| (parts.join("."), package))
}

/// Whether `text` can stand in an import.
pub(super) fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}
