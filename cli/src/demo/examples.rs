//! The example packages, carried in the binary so that the demo needs no checkout.

use std::path::Path;

use anyhow::Context as _;

macro_rules! files {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../../examples/", $path)).as_slice())),*]
    };
}

/// Every file below `examples/`.
pub(super) const FILES: &[(&str, &[u8])] = files![
    "apl-package/LICENSE",
    "apl-package/README.md",
    "apl-package/apl-project.json",
    "apl-package/src/Moon.apln",
    "ato-board/LICENSE",
    "ato-board/README.md",
    "ato-board/ato.yaml",
    "ato-board/board.ato",
    "ato-sensor/LICENSE",
    "ato-sensor/README.md",
    "ato-sensor/ato.yaml",
    "ato-sensor/sensor.ato",
    "ato-sensor/usage.ato",
    "attune-pack/LICENSE",
    "attune-pack/README.md",
    "attune-pack/actions/usage.sh",
    "attune-pack/actions/usage.yaml",
    "attune-pack/pack.yaml",
    "attune-pack/rules/almost-full.yaml",
    "fppm-thermometer/CMakeLists.txt",
    "fppm-thermometer/LICENSE",
    "fppm-thermometer/README.md",
    "fppm-thermometer/Thermometer/CMakeLists.txt",
    "fppm-thermometer/Thermometer/Thermometer.fpp",
    "fppm-thermometer/config/ThermometerCfg.fpp",
    "fppm-thermometer/docs/pdd.md",
    "fppm-thermometer/library.cmake",
    "fppm-thermometer/package.yaml",
    "kicad-block/Acme_USB.kicad_sym",
    "kicad-block/Acme_USB.pretty/USB_C_16.kicad_mod",
    "kicad-block/LICENSE",
    "kicad-block/README.md",
    "kicad-block/kicad-tools-block.yaml",
    "kicad-block/sheets/usb-c-sink.kicad_sch",
    "packhouse-lib/LICENSE",
    "packhouse-lib/README.md",
    "packhouse-lib/packhouse.yaml",
    "packhouse-lib/schemas/measurement.json",
    "packhouse-lib/tables/units.csv",
    "python-process/LICENSE",
    "python-process/README.md",
    "python-process/pyproject.toml",
    "python-process/src/pbg_growth/__init__.py",
    "python-process/src/pbg_growth/processes.py",
    "python-process/tests/test_growth.py",
];

/// Writes the examples below `folder`.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    for (path, bytes) in FILES {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_example_is_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let mut there = BTreeSet::new();
        walk(&root, &mut there);
        let carried: BTreeSet<PathBuf> =
            super::FILES.iter().map(|(path, _)| root.join(path)).collect();
        assert_eq!(carried, there);
    }
}
