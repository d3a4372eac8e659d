//! What the first program's code does where its documentation says otherwise, for registries that are
//! set to answer as it: its scanner, a regular expression over raw text, and what comes of it.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::{CLASSES, Compute, ComputeOutline, PackageOutline, port};
use crate::manifest::Export;
use crate::python::{Kind, PROCESS_BIGRAPH};
use crate::tree::Tree;

/// A class with one base whose last word is `Process` or `Step`, wherever it stands in a text.
static CLASS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\bclass\s+([A-Za-z_]\w*)\((?:\w+\.)*(Process|Step)\s*\)").ok());

/// The classes that its scanner finds, in the order of paths, at most as many as a package may have.
///
/// It looks into the folders at the root that hold an `__init__.py` and do not begin with `.` or `_`,
/// and reads every `.py` below them, tests included. Texts that are not UTF-8 are passed over. Of
/// the packages in between a module keeps only the topmost; ports are never known.
pub fn scan(tree: &Tree) -> Vec<ComputeOutline> {
    let Some(class) = CLASS.as_ref() else { return Vec::new() };
    let packages = |path: &str| {
        let top = path.split_once('/')?.0;
        let admitted = !top.starts_with(['.', '_']);
        (admitted && tree.get(format!("{top}/__init__.py").as_str()).is_some())
            .then(|| top.to_owned())
    };
    let mut found = Vec::new();
    for (path, file) in tree.iter() {
        let Some(stem) = path.file_name().strip_suffix(".py") else { continue };
        let Some(top) = packages(path.as_str()) else { continue };
        let Ok(text) = std::str::from_utf8(&file.bytes) else { continue };
        for hit in class.captures_iter(text) {
            if found.len() == CLASSES {
                return found;
            }
            found.push(ComputeOutline {
                module: format!("{top}.{stem}"),
                name: hit[1].to_owned(),
                compute_type: if &hit[2] == "Step" { Kind::Step } else { Kind::Process },
                inputs: "{}".to_owned(),
                outputs: "{}".to_owned(),
            });
        }
    }
    found
}

/// Its outline of the package in `tree`: the project's name, or `folder`'s where it has none.
pub fn outline(tree: &Tree, manifest: &Value, folder: &str) -> PackageOutline {
    let name = manifest.pointer("/project/name").and_then(Value::as_str).unwrap_or(folder);
    PackageOutline { package_type: "pypi".to_owned(), name: name.to_owned(), compute: scan(tree) }
}

/// An export of a release as its outline would have it: a module without the packages in between, ports
/// never known.
pub fn of_export(export: &Export) -> Option<ComputeOutline> {
    let known = ComputeOutline::of_export(export)?;
    let path = export.path.as_deref().unwrap_or_default();
    let stem = path.rsplit('/').next().and_then(|file| file.strip_suffix(".py"));
    let top = known.module.split('.').next().unwrap_or_default();
    let module = stem.map_or_else(|| known.module.clone(), |stem| format!("{top}.{stem}"));
    Some(ComputeOutline { module, inputs: "{}".to_owned(), outputs: "{}".to_owned(), ..known })
}

/// The processes or steps of process-bigraph as its registry of links has them: each under every key,
/// its full name and, where no other class had it first, its short one; its configuration in place of
/// its ports.
pub fn core(kind: Kind) -> Vec<Compute> {
    let mut short = std::collections::HashSet::new();
    let mut listed = Vec::new();
    for class in &PROCESS_BIGRAPH.classes {
        let mut keys = vec![class.full()];
        if short.insert(&class.name) {
            keys.push(class.name.clone());
        }
        let config = port(class.config.as_ref());
        for name in keys.into_iter().filter(|_| class.kind == kind) {
            listed.push(Compute {
                module: class.module.clone(),
                name,
                compute_type: kind,
                inputs: config.clone(),
                outputs: config.clone(),
                database_id: 0,
            });
        }
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &[u8])]) -> Tree {
        let mut tree = Tree::default();
        for (path, bytes) in files {
            tree.insert(path.parse().unwrap(), *bytes, false);
        }
        tree
    }

    fn names(files: &[(&str, &[u8])]) -> String {
        let shown =
            |c: &ComputeOutline| format!("{} {} {}", c.compute_type.as_str(), c.module, c.name);
        scan(&tree(files)).iter().map(shown).collect::<Vec<_>>().join("\n")
    }

    fn text(source: &str) -> String {
        names(&[("p/__init__.py", b""), ("p/m.py", source.as_bytes())])
    }

    #[test]
    fn folders_at_the_root_that_are_packages_are_looked_into() {
        let class: &[u8] = b"class A(Process):";
        let found = names(&[
            ("pkg/__init__.py", class),
            ("pkg/deep/er/dfba.py", class),
            ("pkg/.hidden/x.py", class),
            ("pkg/tests/test_a.py", class),
            ("pkg/notes.txt", class),
            ("tests/__init__.py", b""),
            ("tests/t.py", class),
            ("src/inner/__init__.py", b""),
            ("src/inner/m.py", class),
            ("namespace/m.py", class),
            (".tox/__init__.py", class),
            ("_private/__init__.py", class),
            ("setup.py", class),
        ]);
        let expected = [
            "process pkg.x A",
            "process pkg.__init__ A",
            "process pkg.dfba A",
            "process pkg.test_a A",
            "process tests.t A",
        ];
        assert_eq!(found, expected.join("\n"));
    }

    #[test]
    fn one_base_by_its_word_is_a_class_whatever_it_is() {
        for (source, found) in [
            ("class A(Process):", "process p.m A"),
            ("class  A(pb.deep.Step ):", "step p.m A"),
            ("class A(Process\n):", "process p.m A"),
            ("class A(multiprocessing.Process): ...", "process p.m A"),
            ("'''class A(Step)'''", "step p.m A"),
            ("# class A(Step)", "step p.m A"),
            ("def f():\n    class A(Step): ...", "step p.m A"),
            ("class A(Step):\n  x = (", "step p.m A"),
            ("class A(Process, B):", ""),
            ("class A(Process, metaclass=M):", ""),
            ("class A(Process[int]):", ""),
            ("class A[T](Process):", ""),
            ("class A(Process,):", ""),
            ("class A(Process # why\n):", ""),
            ("from x import Process as P\nclass A(P):", ""),
            ("class A(Emitter):", ""),
            ("class A(MyProcess):", ""),
            ("subclass A(Process):", ""),
        ] {
            assert_eq!(text(source), found, "{source}");
        }
        assert_eq!(text("class A(Step): ...\nclass A(Step): ..."), "step p.m A\nstep p.m A");
        let latin: &[u8] = b"# \xe9\nclass A(Step):";
        assert_eq!(names(&[("p/__init__.py", b""), ("p/m.py", latin)]), "");
    }

    #[test]
    fn a_package_without_a_name_is_called_as_its_folder() {
        let files: &[(&str, &[u8])] = &[("p/__init__.py", b"class A(Step):")];
        let tree = tree(files);
        let none = serde_json::json!({ "project": { "version": "1" } });
        let outline = super::outline(&tree, &none, "repo");
        assert_eq!((&*outline.name, &*outline.package_type), ("repo", "pypi"));
        assert_eq!((&*outline.compute[0].inputs, &*outline.compute[0].outputs), ("{}", "{}"));
        let named = serde_json::json!({ "project": { "name": "Pbg_A" } });
        assert_eq!(super::outline(&tree, &named, "repo").name, "Pbg_A");
    }

    #[test]
    fn a_class_of_process_bigraph_has_a_row_for_each_of_its_keys() {
        let listed = core(Kind::Process);
        let composite: Vec<_> = listed.iter().filter(|c| c.name.ends_with("Composite")).collect();
        assert_eq!(composite[0].name, "process_bigraph.composite.Composite");
        assert_eq!(composite[1].name, "Composite");
        assert_eq!(composite[0].module, composite[1].module);
        assert_eq!(composite[1].inputs, composite[1].outputs);
        assert!(listed.iter().all(|compute| compute.database_id == 0));
        let mut keys: Vec<_> = listed.iter().map(|compute| &compute.name).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), listed.len(), "a key stands once");
    }
}
