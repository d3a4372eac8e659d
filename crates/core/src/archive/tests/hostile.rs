use std::fmt::Write as _;

use crate::archive::corpus::{Hostile, harmless, hostile};
use crate::archive::{ArchiveError, read, read_parallel, unpack};
use crate::limits::Limits;

/// What reading `bytes` answers, whichever way it is read.
fn refusal(bytes: &[u8]) -> ArchiveError {
    let limits = Limits::default();
    let refusal = read(bytes, &limits, |_, _| {}).map(drop).unwrap_err();
    let parallel = read_parallel(bytes, &limits, |_, _| Ok::<_, ArchiveError>(()));
    assert_eq!(parallel.map(drop).unwrap_err(), refusal);
    assert_eq!(unpack(bytes, &limits).map(drop).unwrap_err(), refusal);
    refusal
}

#[test]
fn what_the_corpus_bends_is_accepted_unbent() {
    let (tree, contents) = unpack(&harmless(), &Limits::default()).unwrap();
    assert_eq!(contents.entries.iter().map(|e| e.method).collect::<Vec<_>>(), [0, 8, 12]);
    assert_eq!(tree.get("src/sensor.ato"), tree.get("src/probe.ato"));
}

#[test]
fn every_hostile_archive_is_refused_with_its_reason() {
    let mut table = String::new();
    for Hostile { name, expected, bytes } in hostile() {
        let error = refusal(&bytes);
        let variant = format!("{error:?}");
        let variant = variant.split([' ', '{', '(']).next().unwrap();
        assert_eq!(variant, expected, "{name}: {error}");
        writeln!(table, "{name}\n    {error}").unwrap();
    }
    insta::assert_snapshot!("hostile", table);
}

#[test]
fn every_cut_of_a_plain_archive_is_refused() {
    let plain = harmless();
    for length in 0..plain.len() {
        let error = refusal(&plain[..length]);
        assert!(matches!(error, ArchiveError::Truncated { .. } | ArchiveError::Empty), "{error}");
    }
}

#[test]
fn every_flipped_bit_of_a_plain_archive_is_refused_or_harmless() {
    let plain = harmless();
    let (tree, _) = unpack(&plain, &Limits::default()).unwrap();
    let mut accepted = 0;
    for bit in 0..plain.len() * 8 {
        let mut bytes = plain.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok((other, _)) = unpack(&bytes, &Limits::default()) {
            // What may change unseen: permission bits, DOS attributes, who made it, text or not, and
            // what a packed stream leaves open (padding, tables that it does not use).
            let mut same = tree.iter().zip(other.iter());
            assert!(same.all(|((p, f), (q, g))| p == q && f.bytes == g.bytes), "bit {bit}");
            accepted += 1;
        }
    }
    assert!(accepted < 150, "{accepted} bits mean nothing to the reader");
}

/// Peak memory of a process that reads the whole corpus, bombs included. The largest file that
/// limits allow (128 MiB) has to fit, nothing beside it.
#[test]
fn the_corpus_is_refused_in_bounded_memory() {
    const CHILD: &str = "PACKHOUSE_TEST_CORPUS_PEAK";
    const LIMIT_KIB: u64 = 192 << 10;
    if std::env::var_os(CHILD).is_some() {
        for case in hostile() {
            refusal(&case.bytes);
        }
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        println!("peak:{}:", peak.trim().trim_end_matches(" kB"));
        return;
    }
    let name = "archive::tests::hostile::the_corpus_is_refused_in_bounded_memory";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    let peak = output.split("peak:").nth(1).and_then(|rest| rest.split(':').next());
    let peak: u64 = peak.unwrap_or_else(|| panic!("no figure in {output}")).parse().unwrap();
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    println!("peak memory over the corpus: {} MiB", peak >> 10);
}
