//! The example packages are what they say: readable without a single complaint, and complete.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;

use packhouse_core::formats::{Found, read_root};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{Manifest, Target};
use packhouse_core::tree::Tree;

fn gather(folder: &Path, prefix: &str, tree: &mut Tree) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            gather(&entry.path(), &format!("{path}/"), tree);
        } else {
            let bytes = std::fs::read(entry.path()).unwrap();
            tree.insert(path.parse().unwrap(), bytes, false);
        }
    }
}

fn example(name: &str) -> (Manifest, Tree) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let mut tree = Tree::default();
    gather(&folder, "", &mut tree);
    match read_root(&tree) {
        Found::Package(manifest) => (manifest, tree),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn every_example_is_complete_and_free_of_complaints() {
    for (name, format, identifier) in [
        ("apl-package", "apl", "acme/Acme-Moon"),
        ("ato-sensor", "ato", "acme/sensor"),
        ("ato-board", "ato", "acme/board"),
        ("python-process", "pyproject", "acme/pbg-growth"),
        ("attune-pack", "attune", "acme/disk-watch"),
        ("kicad-block", "kicad", "acme/usb-c-sink"),
        ("fppm-thermometer", "fppm", "acme/Thermometer"),
        ("packhouse-lib", "packhouse", "acme/units"),
    ] {
        let (m, tree) = example(name);
        assert_eq!(m.format, format, "{name}");
        assert!(m.problems.is_empty() && m.unknown_keys.is_empty(), "{name}: {m:#?}");
        let found = packhouse_core::formats::package_identifier(&m, Some("acme")).unwrap();
        assert_eq!(found.to_string(), identifier);
        assert!(m.version.is_some() || m.version_from_tag, "{name}");
        assert!(m.summary.is_some() && !m.authors.is_empty(), "{name}");
        assert_eq!(m.license.unwrap().value, "MIT", "{name}");
        // Blocks of kicad-tools have no place for it.
        let repository = m.repository.map(|field| field.value);
        assert_eq!(repository.is_none(), format == "kicad", "{name}");
        assert!(repository.is_none_or(|r| r.starts_with("https://github.com/acme/")), "{name}");
        assert!(tree.text(&m.readme).is_some_and(|text| text.starts_with("# ")), "{name}");
        assert!(tree.get("LICENSE").is_some(), "{name}");
        for export in m.exports {
            // Publishers of `packhouse.yaml` choose the words.
            let kinds = packhouse_core::formats::by_id(format).unwrap().kinds();
            let known = kinds.iter().any(|(kind, _)| *kind == export.kind);
            assert!(known || format == "packhouse", "{name}: `{}`", export.kind);
            assert!(export.path.is_none_or(|path| tree.get(&path).is_some()), "{name}");
        }
    }
}

#[test]
fn the_board_pins_the_sensor_that_is_published_beside_it() {
    let (sensor, _) = example("ato-sensor");
    let (board, _) = example("ato-board");
    let [dependency] = &board.dependencies[..] else { panic!("{board:?}") };
    let identifier: Identifier = "acme/sensor".parse().unwrap();
    assert_eq!(dependency.target, Target::Registry { identifier });
    let requirement = dependency.requirement.as_ref().unwrap();
    assert!(requirement.is_exact() && requirement.admits(&sensor.version.unwrap().value));
}

#[test]
fn the_sensors_readme_shows_its_usage_file_byte_for_byte() {
    let (_, tree) = example("ato-sensor");
    assert!(tree.text("README.md").unwrap().contains(tree.text("usage.ato").unwrap()));
}
