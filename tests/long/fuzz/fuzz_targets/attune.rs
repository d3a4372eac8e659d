//! Indices, configurations, archives and test descriptions of Attune: whatever comes in, a reader
//! answers or refuses, and what a strict reader took is written and read again as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::attune::{archive, config, edit, entry, index, pack_folder, testing};
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;

fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else { return };
    match kind {
        0 => indices(rest),
        1 => {
            if let Ok(path) = "attune.yaml".parse() {
                let _ = config::read(&path, rest);
            }
        }
        2 => packed("x.zip", rest),
        3 => packed("x.tar.gz", rest),
        _ => {
            let mut tree = Tree::default();
            if let Ok(path) = "pack.yaml".parse() {
                tree.insert(path, rest, false);
            }
            pack(&tree);
        }
    }
});

fn indices(bytes: &[u8]) {
    let tolerant = index::read(bytes);
    if let Ok(read) = index::strict(bytes) {
        let text = read.text().expect("what is strictly read is strictly written");
        assert_eq!(index::strict(text.as_bytes()).expect("it is read again"), read);
        assert!(tolerant.is_ok(), "the tolerant reader is not the stricter one");
    }
    if let Ok(read) = tolerant {
        let twice = edit::merge(vec![read.clone(), read]);
        assert!(twice.is_some_and(|(_, counts)| counts.total_loaded == 2 * counts.unique_packs));
    }
}

fn packed(name: &str, bytes: &[u8]) {
    let limits = Limits { unpacked_bytes: 4 << 20, entries: 200, ..Limits::default() };
    if let Ok(tree) = archive::read(name, bytes, &limits) {
        assert!(tree.bytes() <= limits.unpacked_bytes && tree.twins().is_empty());
        if let Some(folder) = pack_folder(&tree) {
            pack(&tree.subtree(folder));
        }
    }
}

fn pack(tree: &Tree) {
    if let Ok(pack) = entry::pack(tree) {
        let _ = testing::testing(&pack.manifest.original);
        let _ = entry::entry(tree, Vec::new());
    }
}
