//! A requirement never panics, reads its own text again, and decides the same each time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::requirement::{Grammar, Requirement};
use packhouse_core::version::{Order, Version};

fuzz_target!(|input: (&str, &str)| {
    let (text, version) = input;
    let versions = [Order::SemVer, Order::Pep440].map(|order| Version::parse(order, version).ok());
    for grammar in [
        Grammar::Cargo,
        Grammar::Npm,
        Grammar::Ato,
        Grammar::Pep508,
        Grammar::Exact,
        Grammar::Attune,
    ] {
        let Ok(requirement) = Requirement::parse(grammar, text) else { continue };
        let again = Requirement::parse(grammar, requirement.text()).expect("its own text");
        for version in versions.iter().flatten() {
            assert_eq!(requirement.admits(version), again.admits(version));
        }
        let _ = requirement.is_exact();
    }
});
