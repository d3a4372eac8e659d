//! Advisories: read or refused with a place, the same each time; what is read is matched with packages of
//! every order without a panic.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use packhouse_core::escape::printable;
use packhouse_core::manifest::{Dependency, NativeName, Target};
use packhouse_core::quality::{Advisories, Subject, osv};
use packhouse_core::requirement::{Grammar, Requirement};
use packhouse_core::version::{Order, Version};

fuzz_target!(|bytes: &[u8]| {
    let read = osv::read(bytes);
    assert_eq!(read, osv::read(bytes));
    let advisory = match read {
        Ok(Some(advisory)) => advisory,
        Ok(None) => return,
        Err(error) => {
            assert_eq!(error.message, printable(&error.message));
            return;
        }
    };
    assert_eq!(advisory.summary, printable(&advisory.summary));
    let identifier = "acme/a".parse().expect("an identifier");
    let native = NativeName { ecosystem: "python".to_owned(), name: "a".to_owned() };
    let needs = |target: Target, grammar, text| Dependency {
        target,
        requirement: Requirement::parse(grammar, text).ok(),
        condition: None,
        at: None,
    };
    let dependencies = [
        needs(Target::Native(native.clone()), Grammar::Pep508, ">=1.0,<2"),
        needs(Target::Native(native.clone()), Grammar::Pep508, "==1.2"),
        needs(Target::Registry { identifier: "acme/a".parse().expect("one") }, Grammar::Cargo, "^1"),
    ];
    let mut all = Advisories::default();
    all.add(advisory);
    for (order, text) in [(Order::SemVer, "1.2.3"), (Order::Pep440, "1.2"), (Order::Apl, "1.2.3")] {
        let version = Version::parse(order, text).expect("a version");
        let held = BTreeMap::new();
        let subject = Subject {
            identifier: Some(&identifier),
            native: Some(&native),
            version: Some(&version),
            dependencies: &dependencies,
            held: &held,
        };
        for found in all.about(&subject) {
            assert!(found.fixed.is_none_or(|fixed| fixed > found.version));
        }
    }
});
