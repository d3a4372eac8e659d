//! The table of process-bigraph's classes is what its generator makes of the source distribution that
//! `tests/process-bigraph.txt` pins.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::fs;
use std::io::Read as _;
use std::path::Path;

use packhouse_core::digest::Digest;
use packhouse_core::formats::{Found, read_root};
use packhouse_core::python::{PROCESS_BIGRAPH, table_of};
use packhouse_core::tree::Tree;

fn unpacked(bytes: &[u8]) -> Tree {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes));
    let mut tree = Tree::default();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        let Some((_, inside)) = path.split_once('/') else { continue };
        if let (true, Ok(place)) = (entry.header().entry_type().is_file(), inside.parse()) {
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            tree.insert(place, bytes, false);
        }
    }
    tree
}

#[test]
fn the_table_is_what_the_pinned_distribution_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pin = fs::read_to_string(root.join("tests/process-bigraph.txt")).unwrap();
    let (version, hash) = pin
        .trim()
        .strip_prefix("process-bigraph==")
        .and_then(|rest| rest.split_once(" --hash=sha256:"))
        .expect("a version and a hash");
    assert_eq!(PROCESS_BIGRAPH.version, version, "the table is of the pinned release");
    let path = root.join(format!("target/tools-pbg/process_bigraph-{version}.tar.gz"));
    let bytes = fs::read(&path).expect("`tests/run` fetches the source of process-bigraph");
    assert_eq!(Digest::of(&bytes).hex(), hash, "{}", path.display());

    let tree = unpacked(&bytes);
    let Found::Package(manifest) = read_root(&tree) else { panic!("no `pyproject.toml`") };
    let table = table_of(&tree, &manifest.original, version).unwrap();
    let text = serde_json::to_string_pretty(&table).unwrap() + "\n";
    let held = root.join("crates/core/src/python/process_bigraph.json");
    assert!(
        fs::read_to_string(held).unwrap() == text,
        "run `tests/long/process-bigraph-table {version}`, and read the difference"
    );
}
