//! Test reports: read or refused with a place inside of the file, the same each time; what is read can be
//! claimed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::escape::printable;
use packhouse_core::quality::{Claim, junit};

fuzz_target!(|bytes: &[u8]| {
    let read = junit::read(bytes);
    assert_eq!(read, junit::read(bytes));
    match read {
        Ok(tests) => {
            assert!(tests.tests > 0);
            assert_eq!(Claim { tests: Some(tests), coverage: None }.check(), Ok(()));
        }
        Err(error) => {
            assert_eq!(error.message, printable(&error.message));
            assert!(!error.at.is_empty() && !error.help.is_empty());
        }
    }
});
