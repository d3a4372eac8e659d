//! Files of KiCad: a head is read or refused with a place inside of the file, what libraries are named is
//! bounded, and both are the same each time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::escape::printable;
use packhouse_core::kicad::{Kind, Reference, header, references};

fuzz_target!(|bytes: &[u8]| {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    for kind in [Kind::Schematic, Kind::Footprint, Kind::Symbols] {
        let read = header(kind, bytes);
        assert_eq!(read, header(kind, bytes));
        if let Err(error) = read {
            let line = usize::try_from(error.at.line).expect("a line");
            assert!((1..=lines).contains(&line), "line {line} of {lines}");
            assert_eq!(error.message, printable(&error.message));
        }
    }
    let found = references(bytes);
    assert!(found.len() <= 200);
    for reference in &found {
        assert_eq!(Reference::of_external(&reference.external()).as_ref(), Some(reference));
    }
});
