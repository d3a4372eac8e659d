//! Which versions of tools are here: packages say which ones they work with.
//!
//! Starting such a program to ask takes a second. Its version stands in the name of a folder beside the
//! Python that runs it, so that folder is looked for, and nothing is run.

use std::collections::BTreeMap;
use std::path::Path;

use packhouse_core::version::{Order, Version};

use crate::exit::Stop;
use crate::ui::var;

/// A tool: the name that packages use, its programs, what its folder's name begins with, and the order
/// of its versions.
struct Tool {
    name: &'static str,
    programs: &'static [&'static str],
    folder: &'static str,
    order: Order,
}

const TOOLS: [Tool; 2] = [
    Tool { name: "atopile", programs: &["ato"], folder: "atopile-", order: Order::SemVer },
    Tool {
        name: "kicad-tools",
        programs: &["kct", "kicad-tools"],
        folder: "kicad_tools-",
        order: Order::Pep440,
    },
];

/// Versions of tools by the name that packages use: those of `given` (`NAME=VERSION`) and `kicad_tools`,
/// else what is on the PATH.
pub(crate) fn find(
    given: &[String],
    kicad_tools: Option<&str>,
) -> anyhow::Result<BTreeMap<String, Version>> {
    let mut tools = BTreeMap::new();
    let order = |name: &str| {
        TOOLS.iter().find(|tool| tool.name == name).map_or(Order::SemVer, |tool| tool.order)
    };
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
        let version = Version::parse(order(name), version).map_err(|e| wrong(e.to_string()))?;
        tools.insert(name.to_owned(), version);
    }
    if let Some(version) = kicad_tools {
        let help = "write for example `--kicad-tools-version 0.10.1`";
        let version = Version::parse(order("kicad-tools"), version);
        let version = version.map_err(|e| Stop::usage(e.to_string(), help))?;
        tools.insert("kicad-tools".to_owned(), version);
    }
    for tool in &TOOLS {
        if !tools.contains_key(tool.name)
            && let Some(version) = installed(tool)
        {
            tools.insert(tool.name.to_owned(), version);
        }
    }
    Ok(tools)
}

fn installed(tool: &Tool) -> Option<Version> {
    let path = var("PATH")?;
    let mut programs = std::env::split_paths(&path)
        .flat_map(|folder| tool.programs.iter().map(move |program| folder.join(program)));
    let real = std::fs::canonicalize(programs.find(|program| program.is_file())?).ok()?;
    // <environment>/bin/ato, <environment>/lib/python3.13/site-packages/atopile-0.14.0.dist-info
    in_environment(real.parent()?.parent()?, tool)
}

fn in_environment(environment: &Path, tool: &Tool) -> Option<Version> {
    let pythons =
        std::fs::read_dir(environment.join("lib")).ok()?.flatten().map(|entry| entry.path());
    pythons
        .filter_map(|python| std::fs::read_dir(python.join("site-packages")).ok())
        .flatten()
        .flatten()
        .find_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(tool.folder)?.strip_suffix(".dist-info")?;
            Version::parse(tool.order, version).ok()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_in_the_name_of_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let [ato, kicad] = &TOOLS;
        assert!(in_environment(dir.path(), ato).is_none());
        let packages = dir.path().join("lib/python3.13/site-packages");
        fs_err::create_dir_all(packages.join("atopile-0.14.10.dist-info")).unwrap();
        fs_err::create_dir_all(packages.join("kicad_tools-0.10.dist-info")).unwrap();
        assert_eq!(in_environment(dir.path(), ato).unwrap().text(), "0.14.10");
        assert_eq!(in_environment(dir.path(), kicad).unwrap().text(), "0.10");
    }

    #[test]
    fn a_tool_is_named_with_its_version() {
        let given = |text: &str| find(&[text.to_owned()], None);
        assert_eq!(given("atopile=0.12.5").unwrap()["atopile"].text(), "0.12.5");
        assert!(given("atopile").is_err() && given("=1.0.0").is_err() && given("x=y").is_err());
        assert_eq!(given("kicad-tools=0.10").unwrap()["kicad-tools"].text(), "0.10");
        assert_eq!(find(&[], Some("1.2.dev3")).unwrap()["kicad-tools"].text(), "1.2.dev3");
        assert!(find(&[], Some("new")).is_err());
    }
}
