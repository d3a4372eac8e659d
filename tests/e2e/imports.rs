//! Imports go downward only: the table in ARCHITECTURE.md, kept true.

use std::collections::BTreeSet;
use std::process::Command;

/// Crate, and what of ours it may import.
const TABLE: &[(&str, &[&str])] = &[
    ("packhouse-core", &[]),
    ("packhouse-registry", &["packhouse-core"]),
    ("packhouse-embedded", &["packhouse-core", "packhouse-registry"]),
    ("packhouse-forge", &["packhouse-core", "packhouse-registry"]),
    ("packhouse-client", &["packhouse-core"]),
    ("packhouse-lambda", &["packhouse-core", "packhouse-registry", "packhouse-forge"]),
    (
        "packhouse",
        &[
            "packhouse-core",
            "packhouse-registry",
            "packhouse-embedded",
            "packhouse-forge",
            "packhouse-client",
        ],
    ),
];

/// What only one crate of ours may import.
const ONLY: &[(&str, &str)] = &[
    ("rusqlite", "packhouse-embedded"),
    ("clap", "packhouse"),
    ("octocrab", "packhouse-forge"),
    ("aws-config", "packhouse-lambda"),
];

/// What `core` must not import: async, network, clock, environment.
const NOT_IN_CORE: &[&str] =
    &["tokio", "axum", "hyper", "ureq", "async-trait", "tempfile", "fs-err", "getrandom"];

#[test]
fn the_import_table_is_true() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(packhouse_tests::binary::root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(
        packages.len(),
        TABLE.len() + 1,
        "a crate is missing in the table (tests has a row of its own)"
    );
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let normal = package["dependencies"].as_array().expect("dependencies");
        let imports: BTreeSet<&str> = normal
            .iter()
            .filter(|dependency| dependency["kind"].is_null())
            .map(|dependency| dependency["name"].as_str().expect("a name"))
            .collect();
        for (library, owner) in ONLY {
            assert!(!imports.contains(library) || name == *owner, "{name} imports {library}");
        }
        if name == "packhouse-core" {
            let wrong: Vec<_> =
                NOT_IN_CORE.iter().filter(|library| imports.contains(*library)).collect();
            assert!(wrong.is_empty(), "core is pure, and imports {wrong:?}");
        }
        let Some((_, allowed)) = TABLE.iter().find(|(crate_name, _)| *crate_name == name) else {
            assert_eq!(name, "packhouse-tests");
            continue;
        };
        let ours = imports.iter().filter(|import| import.starts_with("packhouse"));
        for import in ours {
            assert!(allowed.contains(import), "{name} must not import {import}");
        }
    }
}
