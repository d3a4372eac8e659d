//! An identifier reads what it writes, and its key is a fixed point.
#![no_main]

use libfuzzer_sys::fuzz_target;
use packhouse_core::identifier::{Identifier, skeleton};
use packhouse_core::version::{Order, Version};

fuzz_target!(|text: &str| {
    if let Ok(identifier) = text.parse::<Identifier>() {
        let again: Identifier = identifier.to_string().parse().expect("its own text");
        assert_eq!(again, identifier);
        let key: Identifier = identifier.key().parse().expect("its own key");
        assert_eq!(key.key(), identifier.key());
        assert_eq!(key, identifier);
        assert_eq!(key.skeleton(), identifier.skeleton());
    }
    let _ = skeleton(text);
    for order in [Order::SemVer, Order::Pep440] {
        if let Ok(version) = Version::parse(order, text) {
            let again = Version::parse(order, version.text()).expect("its own text");
            assert_eq!(again, version);
            assert_eq!(again.cmp(&version), std::cmp::Ordering::Equal);
        }
    }
});
