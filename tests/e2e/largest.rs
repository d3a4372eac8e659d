//! The largest archive that the limits allow, published through the functions on AWS: how long its confirm takes
//! and how much memory. `tests/long/largest` runs it with the functions as they ship.

use std::time::{Duration, Instant};

use packhouse_core::limits::Limits;
use packhouse_tests::TestRegistry;
use packhouse_tests::raw::{Parcel, Raw};

/// What a confirm may take at most.
const TARGET: Duration = Duration::from_secs(8);
/// Below this, an archive is not the largest in any sense.
const NEARLY: f64 = 0.98;

/// Text of four letters in no order: it packs to a fourth, so that packed and unpacked size both come near
/// their limits.
fn text(bytes: usize, seed: &mut u64) -> String {
    let mut out = String::with_capacity(bytes);
    while out.len() < bytes {
        // xorshift64: the same archive in every run.
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        out.extend((0..32).map(|n| char::from(b"acgt"[(*seed >> (2 * n)) as usize & 3])));
    }
    out.truncate(bytes);
    out
}

/// As many files as are allowed, with nearly as many bytes as are allowed.
fn largest(limits: &Limits) -> Parcel {
    let entries = limits.entries as usize;
    // Four letters pack to a bit more than a fourth, and names and heads of entries come on top.
    let each = (limits.archive_bytes as f64 * 3.55 / entries as f64) as usize;
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let manifest = "package:\n  identifier: acme/genome\n  version: 1.0.0\n  summary: The largest\n  license: MIT\n  repository: https://github.com/acme/genome\n";
    let mut files = vec![
        ("packhouse.yaml".to_owned(), manifest.to_owned()),
        ("README.md".to_owned(), "# The largest\n".to_owned()),
    ];
    let rest = entries - files.len();
    files.extend(
        (0..rest).map(|n| (format!("reads/{:03}/{n:05}.txt", n / 100), text(each, &mut seed))),
    );
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (&**path, &**text)).collect();
    Parcel::of("acme/genome", "1.0.0", "packhouse", &files)
}

/// The most that the process of the publish function with the most memory ever held, in MB (10^6 bytes).
fn peak_mb() -> f64 {
    let mut peaks = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let status = String::from_utf8_lossy(&read("status")).into_owned();
        let line = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        };
        let ours = line("PPid:") == Some(u64::from(std::process::id()));
        if ours && environment.split('\0').any(|text| text == "PACKHOUSE_ROLE=publish") {
            peaks.push(line("VmHWM:").unwrap_or(0) as f64 * 1024.0 / 1e6);
        }
    }
    assert!(!peaks.is_empty(), "the publish function runs");
    peaks.into_iter().fold(0.0, f64::max)
}

#[test]
#[ignore = "a measurement: tests/long/largest"]
fn the_largest_archive_is_confirmed_in_eight_seconds() {
    let registry = TestRegistry::start();
    assert!(registry.is_on_aws(), "PACKHOUSE_TEST_BACKEND=aws says that it is about the functions");
    let limits = Limits::default();
    let parcel = largest(&limits);
    let size = parcel.zip.len() as f64;
    assert!(size <= limits.archive_bytes as f64, "{size} bytes are refused");
    assert!(size >= NEARLY * limits.archive_bytes as f64, "{size} bytes are not the largest");

    let ci = registry.ci("acme/genome").tag("v1.0.0");
    let raw = Raw { url: registry.url(), ci };
    let before = peak_mb();
    let (status, asked) = raw.request(&parcel, &[]);
    assert_eq!(status, 200, "{asked}");
    let started = Instant::now();
    let (status, body) = raw.upload(&asked, &parcel.zip);
    let upload = started.elapsed();
    assert!((200..300).contains(&status), "{status}: {}", String::from_utf8_lossy(&body));
    let started = Instant::now();
    let (status, receipt) = raw.confirm(&parcel, asked["release_id"].as_str().expect("an id"));
    let confirm = started.elapsed();
    assert_eq!(status, 200, "{receipt}");

    println!(
        "archive {:.1} MB, {} entries; upload {:.2} s, confirm {:.2} s; publish function {before:.1} MB before, {:.1} MB at most",
        size / 1e6,
        limits.entries,
        upload.as_secs_f64(),
        confirm.as_secs_f64(),
        peak_mb(),
    );
    assert!(confirm <= TARGET, "the confirm took {confirm:?}");
}
