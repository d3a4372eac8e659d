//! Runs every fixture through the scanner. `fixtures/python/README.md` tells how one is written.

use std::fs;
use std::path::Path;

use super::*;
use crate::formats::{Found, read_root};

const MANIFEST: &str =
    "[project]\nname = \"pbg-cells\"\nversion = \"1.0\"\ndependencies = [\"process-bigraph\"]\n";

fn package(text: &str) -> (Tree, String) {
    let (mut tree, mut expected) = (Tree::default(), String::new());
    tree.insert("pyproject.toml".parse().unwrap(), MANIFEST.as_bytes(), false);
    for section in text.split("\n-- ").map(|section| section.trim_start_matches("-- ")) {
        let (name, body) =
            section.split_once(" --\n").unwrap_or((section.trim_end_matches(" --"), ""));
        match name {
            "expected" => expected = body.to_owned(),
            path => tree.insert(path.parse().unwrap(), format!("{body}\n").into_bytes(), false),
        }
    }
    (tree, expected)
}

fn shown(tree: &Tree) -> String {
    let Found::Package(manifest) = read_root(tree) else { panic!("no package") };
    let outline = outline(tree, &manifest.original);
    let mut lines = Vec::new();
    for class in &outline.classes {
        let relation = if class.relation == Relation::Direct { "direct" } else { "indirect" };
        let (kind, chain) = (class.kind.as_str(), class.chain.join(" < "));
        lines.push(format!(
            "{kind} {} {} {}:{} {relation} < {chain}",
            class.module, class.name, class.path, class.line
        ));
        for (what, port) in
            [("inputs", &class.inputs), ("outputs", &class.outputs), ("config", &class.config)]
        {
            if let Some(port) = port {
                lines.push(format!("  {what} {port}"));
            }
        }
    }
    lines.extend(
        outline.local.iter().map(|(path, line, name)| format!("local {name} {path}:{line}")),
    );
    for remark in &outline.remarks {
        lines.push(format!(
            "remark {}:{}:{} {}",
            remark.path, remark.line, remark.column, remark.message
        ));
    }
    lines.join("\n")
}

#[test]
fn every_fixture_has_its_outline() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/python");
    let (bless, mut count) = (std::env::var_os("BLESS").is_some(), 0);
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "txt") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (tree, expected) = package(&text);
        let found = shown(&tree);
        count += 1;
        if bless {
            let (files, _) = text.split_once("-- expected --").unwrap_or((&text, ""));
            let files = files.trim_end_matches('\n');
            fs::write(&path, format!("{files}\n-- expected --\n{found}\n")).unwrap();
        } else {
            assert_eq!(found.trim_end(), expected.trim_end(), "{}", path.display());
        }
    }
    assert!(count > 20, "{count} fixtures");
}

#[test]
fn the_table_of_process_bigraph_is_whole() {
    let table = &*PROCESS_BIGRAPH;
    assert!(!table.version.is_empty() && table.classes.is_sorted_by_key(Known::full));
    for (name, kind) in [
        ("process_bigraph.Process", Kind::Process),
        ("process_bigraph.composite.Step", Kind::Step),
        ("process_bigraph.Composite", Kind::Process),
        ("process_bigraph.Emitter", Kind::Step),
        ("process_bigraph.emitter.RAMEmitter", Kind::Step),
        ("process_bigraph.Visualization", Kind::Step),
    ] {
        assert_eq!(table.class(name).map(|known| known.kind), Some(kind), "{name}");
    }
    assert!(
        table.names.values().all(|full| table.classes.iter().any(|known| known.full() == *full))
    );
}

#[test]
fn what_nests_too_deep_or_is_too_large_is_a_remark_with_its_place() {
    let source = |text: String| {
        let (mut tree, _) = package("-- pbg_cells/__init__.py --\n");
        tree.insert("pbg_cells/a.py".parse().unwrap(), text.into_bytes(), false);
        shown(&tree)
    };
    let deep = format!("x = 1\ny = {}1\n", "-".repeat(100_000));
    assert!(source(deep).starts_with("remark pbg_cells/a.py:2:"));
    let large = "#".repeat(300_000);
    assert!(source(large).contains("has 300000 bytes"));
    // As deep as is admitted: read and freed without harm.
    let chain = format!(
        "x = {}1\nfrom process_bigraph import Step\nclass A(Step): ...\n",
        "1+".repeat(4_000)
    );
    assert!(source(chain).starts_with("step pbg_cells.a A pbg_cells/a.py:3"));
}

#[test]
fn bases_and_imports_that_turn_in_circles_end() {
    let many: String = (0..3_000).map(|n| format!("class A{n}(A{}): ...\n", n + 1)).collect();
    let stars: String = (0..40).map(|n| format!("from .m{n} import *\n")).collect();
    let (mut tree, _) = package("-- pbg_cells/__init__.py --\n");
    tree.insert("pbg_cells/chain.py".parse().unwrap(), many.into_bytes(), false);
    for n in 0..40 {
        let text = format!(
            "{stars}class B{n}(Nowhere): ...\nif x:\n    C = D\nelse:\n    C = E\nD = E = C\nclass F{n}(C): ...\n"
        );
        tree.insert(format!("pbg_cells/m{n}.py").parse().unwrap(), text.into_bytes(), false);
    }
    let start = std::time::Instant::now();
    let found = shown(&tree);
    assert!(found.contains("base `Nowhere` of class `B0`: `Nowhere` is not defined or imported"));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
