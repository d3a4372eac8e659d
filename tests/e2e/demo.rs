//! `packhouse demo` tells its story to the end and leaves nothing running.

use packhouse_tests::{Runs as _, plain};

#[test]
fn the_demo_is_green() {
    let outcome = plain(&["demo"]).outcome().ok();
    for part in [
        "acme/sensor@1.0.0",
        "acme/board@0.3.0",
        "acme/pbg-growth@0.2.0",
        "acme/disk-watch@1.1.0",
        "acme/Thermometer@1.0.0",
        "acme/Acme-Moon@0.3.0",
        "acme/usb-c-sink@1.0.0",
        "acme/units@2.1.0",
        "BadDigest",
        "wrong-repository",
        "wrong-ref",
        "files verified",
        "What to try next",
    ] {
        assert!(outcome.stdout.contains(part), "{part} is missing:\n{outcome}");
    }
    let url = outcome.stdout.split_whitespace().find(|word| word.starts_with("http://127.0.0.1:"));
    let address = url.unwrap().trim_start_matches("http://").trim_end_matches([';', ',', '.']);
    assert!(std::net::TcpStream::connect(address).is_err(), "the registry ended with the demo");
}
