//! No zip, index or ID makes the readers of APL panic or run away; what they accept is read back.
//!
//! The first byte of the input chooses the reader.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use packhouse_core::apl::{Config, Filter, Index, Need, PackageId, Selection, repack, select};
use packhouse_core::archive::{pack, scan};
use packhouse_core::limits::Limits;

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&kind, rest)) = input.split_first() else { return Corpus::Reject };
    match kind % 3 {
        0 => archive(rest),
        1 => index(rest),
        _ => names(rest),
    }
    Corpus::Keep
});

fn archive(zip: &[u8]) {
    let limits = Limits { unpacked_bytes: 1 << 20, entries: 100, ..Limits::default() };
    if let Ok(tree) = packhouse_core::archive::foreign(zip, &limits) {
        let packed = pack(&tree).expect("what was read can be packed");
        assert!(scan(&packed.bytes, &limits).is_ok(), "and scanned");
    }
    if let Ok(packed) = repack(zip, &limits) {
        let again = repack(&packed.archive.bytes, &limits).expect("our own archive is read");
        assert_eq!(again.archive.digest, packed.archive.digest, "packing it again changes nothing");
    }
}

fn index(text: &[u8]) {
    let Ok(index) = Index::parse(text) else { return };
    let written = index.to_text();
    let again = Index::parse(written.as_bytes()).expect("an index that was written is read");
    assert_eq!(again.to_text(), written);
    let all: Vec<Config> = index.list(&Filter::default()).cloned().collect();
    for selection in [Selection::Exact, Selection::Latest, Selection::Mvs] {
        if let Ok(tree) = select(&index, &all, selection) {
            let _ = (tree.nested(), tree.flat());
        }
    }
}

fn names(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Ok(id) = text.parse::<PackageId>() {
        assert_eq!(id.to_string().parse(), Ok(id), "an ID is read as it is written");
    }
    if let Ok(need) = Need::parse(text) {
        assert_eq!(Need::parse(&need.text()), Ok(need));
    }
    let _ = Filter::new(Some(text), None, None);
}
