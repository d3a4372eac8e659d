//! What the tables of build tools say about packages, in literals.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Root, is_name, package};
use crate::tree::TreePath;

/// Entries of one list that are looked at.
const LISTED: usize = 200;

/// Packages that are looked at.
const ROOTS: usize = 1_000;

/// The roots that `pyproject.toml` names; none where it leaves them to its tool.
pub(super) fn roots(manifest: &Value, sources: &[&TreePath]) -> Vec<Root> {
    let Some(tool) = manifest.get("tool") else { return Vec::new() };
    for (table, read) in [
        ("/setuptools", setuptools as fn(&Value, &[&TreePath]) -> Vec<Root>),
        ("/hatch/build/targets/wheel", hatch),
        ("/poetry", poetry),
        ("/flit/module", named_module),
        ("/uv/build-backend", uv),
        ("/pdm/build", pdm),
    ] {
        if let Some(table) = tool.pointer(table) {
            let mut roots = read(table, sources);
            roots.truncate(ROOTS);
            if !roots.is_empty() {
                return roots;
            }
        }
    }
    Vec::new()
}

fn setuptools(table: &Value, sources: &[&TreePath]) -> Vec<Root> {
    let folders = table.get("package-dir").and_then(Value::as_object);
    let folder_of = |name: &str| -> String {
        // The nearest package above that has a folder of its own, else the folder of all.
        let folders = folders.into_iter().flatten();
        let mut best: Option<(&str, &str)> = None;
        for (key, folder) in folders {
            let Some(folder) = folder.as_str() else { continue };
            let above = key.is_empty()
                || name == key
                || name.strip_prefix(&**key).is_some_and(|rest| rest.starts_with('.'));
            if above && best.is_none_or(|(known, _)| known.len() < key.len()) {
                best = Some((key, folder));
            }
        }
        let (key, folder) = best.unwrap_or(("", ""));
        let rest = name[key.len()..].trim_start_matches('.').replace('.', "/");
        join(&tidy(folder), &rest)
    };
    let mut roots: Vec<Root> = texts(table.get("py-modules"))
        .filter(|name| name.split('.').all(is_name))
        .map(|name| Root::Module { name: name.to_owned(), path: folder_of(name) + ".py" })
        .collect();
    match table.get("packages") {
        Some(list @ Value::Array(_)) => {
            let names = texts(Some(list)).filter(|name| name.split('.').all(is_name));
            roots.extend(names.map(|name| Root::Package {
                name: name.to_owned(),
                folder: folder_of(name),
                whole: false,
            }));
        }
        Some(Value::Object(packages)) => {
            if let Some(find) = packages.get("find") {
                roots.extend(find_packages(find, sources));
            }
        }
        _ if roots.is_empty() => {
            if let Some(folder) = folders.and_then(|f| f.get("")).and_then(Value::as_str) {
                roots.push(Root::Folder(tidy(folder)));
            }
        }
        _ => {}
    }
    roots
}

/// `[tool.setuptools.packages.find]`: folders to look in, patterns of packages.
fn find_packages(find: &Value, sources: &[&TreePath]) -> Vec<Root> {
    let wheres: Vec<String> = texts(find.get("where")).map(tidy).collect();
    let wheres = if wheres.is_empty() { vec![String::new()] } else { wheres };
    let include: Vec<&str> = texts(find.get("include")).collect();
    let exclude: Vec<&str> = texts(find.get("exclude")).collect();
    let namespaces = find.get("namespaces").and_then(Value::as_bool).unwrap_or(true);
    let own_file = |path: &&&TreePath| path.file_name() == "__init__.py";
    let ordinary: BTreeSet<&str> = sources.iter().filter(own_file).map(|p| p.folder()).collect();
    let mut roots = BTreeSet::new();
    for folder in wheres {
        let below = |path: &&&TreePath| {
            folder.is_empty()
                || path.folder().strip_prefix(&*folder).is_some_and(|r| r.starts_with('/'))
        };
        for path in sources.iter().filter(below) {
            let inside = path.folder()[folder.len()..].trim_start_matches('/');
            if inside.is_empty() || !inside.split('/').all(is_name) {
                continue;
            }
            let name = inside.replace('/', ".");
            let admitted = (include.is_empty() || include.iter().any(|p| fits(p, &name)))
                && !exclude.iter().any(|p| fits(p, &name))
                && (namespaces || ordinary.contains(path.folder()));
            if admitted {
                let folder = path.folder().to_owned();
                roots.insert(Root::Package { name, folder, whole: false });
            }
        }
    }
    roots.into_iter().collect()
}

fn hatch(table: &Value, _: &[&TreePath]) -> Vec<Root> {
    let listed = texts(table.get("packages")).chain(texts(table.get("only-include")));
    let folders = listed.map(tidy).filter(|folder| !folder.ends_with(".py"));
    folders
        .map(|folder| {
            // The last part is what gets installed, so it is what gets imported.
            let name = folder.rsplit('/').next().unwrap_or(&folder).to_owned();
            package(&name, &folder)
        })
        .collect()
}

fn poetry(table: &Value, _: &[&TreePath]) -> Vec<Root> {
    let packages = table.get("packages").and_then(Value::as_array).into_iter().flatten();
    packages
        .take(LISTED)
        .filter_map(|entry| {
            let include = tidy(entry.get("include")?.as_str()?);
            let include = include.trim_end_matches("/**/*.py").trim_end_matches("/*");
            let from = entry.get("from").and_then(Value::as_str).map(tidy).unwrap_or_default();
            Some(match include.strip_suffix(".py") {
                Some(stem) => {
                    Root::Module { name: stem.replace('/', "."), path: join(&from, include) }
                }
                None => package(&include.replace('/', "."), &join(&from, include)),
            })
        })
        .collect()
}

fn named_module(table: &Value, sources: &[&TreePath]) -> Vec<Root> {
    let name =
        table.get("name").and_then(Value::as_str).filter(|name| name.split('.').all(is_name));
    name.map_or_else(Vec::new, |name| at(name, &["", "src"], sources))
}

fn uv(table: &Value, sources: &[&TreePath]) -> Vec<Root> {
    let root = table.get("module-root").and_then(Value::as_str).map_or("src".to_owned(), tidy);
    let names: Vec<&str> = match table.get("module-name") {
        Some(Value::String(name)) => vec![name],
        list => texts(list).collect(),
    };
    let names = names.into_iter().filter(|name| name.split('.').all(is_name));
    names.flat_map(|name| at(name, &[&root], sources)).collect()
}

fn pdm(table: &Value, _: &[&TreePath]) -> Vec<Root> {
    let folder = table.get("package-dir").and_then(Value::as_str).map(tidy);
    folder.filter(|folder| !folder.is_empty()).map(Root::Folder).into_iter().collect()
}

/// The package or module `name` in the first of `folders` that has it.
fn at(name: &str, folders: &[&str], sources: &[&TreePath]) -> Vec<Root> {
    let path = name.replace('.', "/");
    for folder in folders {
        let base = join(folder, &path);
        let file = format!("{base}.py");
        if sources.iter().any(|source| {
            source.folder() == base || source.as_str().starts_with(&format!("{base}/"))
        }) {
            return vec![package(name, &base)];
        }
        if sources.iter().any(|source| source.as_str() == file) {
            return vec![Root::Module { name: name.to_owned(), path: file }];
        }
    }
    Vec::new()
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().take(LISTED).filter_map(Value::as_str)
}

/// A folder as tree paths spell it: no `./`, no final `/`, the root as nothing.
fn tidy(folder: &str) -> String {
    let folder = folder.trim_start_matches("./").trim_matches('/');
    if folder == "." { String::new() } else { folder.to_owned() }
}

fn join(folder: &str, rest: &str) -> String {
    match (folder, rest) {
        ("", rest) => rest.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, rest) => format!("{folder}/{rest}"),
    }
}

/// A shell pattern with `*` and `?`, in linear steps per star.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
