//! What is packed unpacks to the same tree, and packs to the same bytes again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::archive::{ArchiveError, pack, unpack};
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;

fuzz_target!(|files: Vec<(String, Vec<u8>, bool)>| {
    let mut tree = Tree::default();
    for (path, bytes, executable) in files {
        if let Ok(path) = path.parse() {
            tree.insert(path, bytes, executable);
        }
    }
    let archive = match pack(&tree) {
        Ok(archive) => archive,
        Err(ArchiveError::Twins { .. }) => return assert!(!tree.twins().is_empty()),
        Err(error) => panic!("{error}"),
    };
    let (back, contents) = unpack(&archive.bytes, &Limits::default()).expect("it is ours");
    assert_eq!(back, tree);
    assert_eq!(contents.tree_digest, archive.tree_digest);
    assert_eq!(pack(&back).expect("again").digest, archive.digest);
});
