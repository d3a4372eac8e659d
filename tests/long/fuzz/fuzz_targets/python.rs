//! No source text makes the scanner for processes and steps panic or run away, and the same files have
//! the same outline.
//!
//! The input is up to four files of one package, with `FF` in between (no text holds that).
#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::python::{self, Outline};
use packhouse_core::tree::Tree;
use serde_json::json;

const FILES: [&str; 4] =
    ["pbg_cells/__init__.py", "pbg_cells/a.py", "pbg_cells/b/__init__.py", "pbg_cells/b/c.py"];

fn outline(input: &[u8]) -> Outline {
    let mut tree = Tree::default();
    for (path, text) in FILES.iter().zip(input.split(|byte| *byte == 0xff)) {
        tree.insert(path.parse().expect("a plain path"), text, false);
    }
    let manifest = json!({ "project": { "name": "pbg-cells", "dependencies": ["process-bigraph"] } });
    python::outline(&tree, &manifest)
}

fuzz_target!(|input: &[u8]| {
    let found = outline(input);
    assert_eq!(found, outline(input), "the same outline twice");
    for class in &found.classes {
        assert!(FILES.contains(&&*class.path), "{class:?}");
        assert!(class.line > 0 && class.module.starts_with("pbg_cells"), "{class:?}");
    }
});
