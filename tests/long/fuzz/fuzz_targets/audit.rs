//! No files make a rule panic, run away or answer twice differently, the strict rules included; and what
//! a finding says steers nothing.
//!
//! The input holds up to five files, with `FF FE` in between (no text holds that).
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use packhouse_core::audit::{BuildOutputs, Facts, Strict, audit, audit_whole};
use packhouse_core::escape::printable;
use packhouse_core::formats::{Found, read_root};
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;

const MANIFEST: &str = "package: {identifier: acme/sensor, version: 1.0.0}
paths: {src: ./, layout: ./layouts}
dependencies: [acme/i2c@1.0.0]
builds: {usage: {entry: 'usage.ato:Usage'}, other: {entry: 'sensor.ato:Sensor', exclude_checks: 1}}
";
const FILES: [&str; 5] =
    ["usage.ato", "sensor.ato", "layouts/a/a.kicad_pcb", "README.md", "parts/a/a.step"];

fuzz_target!(|input: &[u8]| {
    let mut tree = Tree::default();
    tree.insert("ato.yaml".parse().expect("a path"), MANIFEST.as_bytes(), false);
    let mut rest = input;
    for path in FILES {
        let mark = rest.windows(2).position(|pair| pair == [0xff, 0xfe]);
        tree.insert(path.parse().expect("a path"), &rest[..mark.unwrap_or(rest.len())], false);
        let Some(mark) = mark else { break };
        rest = &rest[mark + 2..];
    }
    let Found::Package(manifest) = read_root(&tree) else { panic!("the manifest is right") };
    let files = BTreeMap::from([("usage".to_owned(), vec!["a.glb".to_owned()])]);
    let build = Some(BuildOutputs { exists: input.len() % 2 == 0, files });
    let strict = Strict { folder_name: Some("sensor".to_owned()), build };
    let limits = Limits::default();
    let facts = Facts { strict: Some(&strict), ..Facts::new(&tree, &manifest, &limits) };
    let findings = audit_whole(&facts);
    assert_eq!(findings, audit_whole(&facts), "the same findings twice");
    for finding in &findings {
        for text in [Some(&finding.message), finding.help.as_ref(), finding.path.as_ref()] {
            let text = text.map_or("", String::as_str);
            assert_eq!(printable(text), text);
        }
        let lines = finding
            .path
            .as_deref()
            .and_then(|path| tree.get(path))
            .map(|file| file.bytes.iter().filter(|byte| **byte == b'\n').count() + 1);
        let line = finding.line.map_or(0, |line| line as usize);
        assert!(lines.is_none_or(|lines| line <= lines), "{finding:?}");
    }
    let plain = audit(&Facts { strict: None, ..facts });
    assert!(plain.len() <= audit(&facts).len(), "strict finds no less");
});
