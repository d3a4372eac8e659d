//! No manifest makes a format panic or run away, and a version that was set is read back.
//!
//! The first byte of the input chooses the format.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use packhouse_core::formats::{FORMATS, Found};
use packhouse_core::tree::Tree;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&kind, bytes)) = input.split_first() else { return Corpus::Reject };
    let format = FORMATS[usize::from(kind) % FORMATS.len()];
    let read = |bytes: &[u8]| {
        let mut tree = Tree::default();
        tree.insert(format.file().parse().expect("a format's own file"), bytes, false);
        format.read(&tree)
    };
    let found = read(bytes);
    assert_ne!(found, Found::Missing, "the file is there");
    assert_eq!(found, read(bytes), "the same answer twice");
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Keep };
    if let (Found::Package(_), Some(text)) = (found, format.set_version(text, "7.8.9")) {
        let Found::Package(manifest) = read(text.as_bytes()) else {
            panic!("setting the version broke the manifest:\n{text}");
        };
        let again = format.set_version(&text, "7.8.9");
        assert_eq!(again.as_deref(), Some(&text[..]), "setting it twice changes nothing");
        drop(manifest);
    }
    Corpus::Keep
});
