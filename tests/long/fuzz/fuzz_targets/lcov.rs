//! Coverage reports: read or refused with a line of the file, the same each time; what is read can be
//! claimed, and reading a report twice changes no count.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::escape::printable;
use packhouse_core::quality::{Claim, lcov};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = lcov::Reader::default();
    match reader.read(bytes) {
        Ok(()) => {
            let once = reader.finish();
            assert_eq!(Claim { tests: None, coverage: Some(once) }.check(), Ok(()));
            assert_eq!(reader.read(bytes), Ok(()));
            assert_eq!(reader.finish(), once);
        }
        Err(error) => {
            assert_eq!(error.message, printable(&error.message));
            assert_eq!(lcov::Reader::default().read(bytes), Err(error));
        }
    }
});
