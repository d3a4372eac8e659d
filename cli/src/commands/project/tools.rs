//! Which version of `ato` is here: packages say which ones they work with.
//!
//! Starting `ato` to ask takes a second. Its version stands in the name of a folder beside the Python
//! that runs it, so that folder is looked for, and nothing is run.

use std::collections::BTreeMap;
use std::path::Path;

use packhouse_core::version::{Order, Version};

use crate::exit::Stop;
use crate::ui::var;

/// Versions of tools by the name that packages use: those of `given` (`NAME=VERSION`), else what is on
/// the PATH.
pub(super) fn find(given: &[String]) -> anyhow::Result<BTreeMap<String, Version>> {
    let mut tools = BTreeMap::new();
    for text in given {
        let wrong =
            |message: String| Stop::usage(message, "write for example `--tool atopile=0.14.0`");
        let (name, version) =
            text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
                wrong(format!(
                    "`{}` names no tool and version",
                    packhouse_core::escape::excerpt(text, 100)
                ))
            })?;
        let version = Version::parse(Order::SemVer, version).map_err(|e| wrong(e.to_string()))?;
        tools.insert(name.to_owned(), version);
    }
    if !tools.contains_key("atopile")
        && let Some(version) = atopile()
    {
        tools.insert("atopile".to_owned(), version);
    }
    Ok(tools)
}

fn atopile() -> Option<Version> {
    let path = var("PATH")?;
    let program =
        std::env::split_paths(&path).map(|folder| folder.join("ato")).find(|p| p.is_file())?;
    let real = std::fs::canonicalize(program).ok()?;
    // <environment>/bin/ato, <environment>/lib/python3.13/site-packages/atopile-0.14.0.dist-info
    in_environment(real.parent()?.parent()?)
}

fn in_environment(environment: &Path) -> Option<Version> {
    let pythons =
        std::fs::read_dir(environment.join("lib")).ok()?.flatten().map(|entry| entry.path());
    pythons
        .filter_map(|python| std::fs::read_dir(python.join("site-packages")).ok())
        .flatten()
        .flatten()
        .find_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix("atopile-")?.strip_suffix(".dist-info")?;
            Version::parse(Order::SemVer, version).ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_name_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        assert!(in_environment(dir.path()).is_none());
        let packages = dir.path().join("lib/python3.13/site-packages");
        fs_err::create_dir_all(packages.join("atopile-0.14.10.dist-info")).unwrap();
        assert_eq!(in_environment(dir.path()).unwrap().text(), "0.14.10");
    }

    #[test]
    fn a_tool_is_named_with_its_version() {
        let given = |text: &str| find(&[text.to_owned()]);
        assert_eq!(given("atopile=0.12.5").unwrap()["atopile"].text(), "0.12.5");
        assert!(given("atopile").is_err() && given("=1.0.0").is_err() && given("x=y").is_err());
    }
}
