//! The inputs of an action: texts in the environment, each parsed once. An empty one is one that is
//! not there.

use std::path::{Path, PathBuf};

use packhouse_core::api::LocalCode;
use packhouse_core::escape::{excerpt, one_of};

use crate::args::Global;
use crate::exit::{Exit, Stop};

/// The inputs that are set.
pub(super) struct Inputs(Vec<(&'static str, String)>);

/// Every input of both actions, as `action/*/action.yml` names it.
const NAMES: &[&str] = &[
    "registry",
    "packages",
    "tag",
    "package-version",
    "advisories",
    "artifacts",
    "coverage",
    "dry-run",
    "skip-duplicate-versions",
    "fail-on",
    "strict",
    "comment",
    "annotations",
    "sarif-file",
    "test-report",
    "github-token",
];

/// The variable that holds an input.
fn variable(name: &str) -> String {
    format!("INPUT_{}", name.to_ascii_uppercase().replace('-', "_"))
}

impl Inputs {
    /// Reads the environment through `var`, which answers a variable that is set and not empty.
    pub(super) fn read(var: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &&'static str| {
            let text = var(&variable(name))?.trim().to_owned();
            (!text.is_empty()).then_some((*name, text))
        };
        Self(NAMES.iter().filter_map(value).collect())
    }

    pub(super) fn text(&self, name: &'static str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
    }

    /// One of `choices`; the first where nothing is said.
    pub(super) fn choice<'a>(
        &self,
        name: &'static str,
        choices: &[&'a str],
    ) -> anyhow::Result<&'a str> {
        let Some(text) = self.text(name) else { return Ok(choices[0]) };
        let found = choices.iter().find(|choice| **choice == text);
        found.copied().ok_or_else(|| bad(name, text, &format!("write {}", one_of(choices))))
    }

    pub(super) fn flag(&self, name: &'static str) -> anyhow::Result<bool> {
        Ok(self.choice(name, &["false", "true"])? == "true")
    }

    /// The lines of an input.
    pub(super) fn lines(&self, name: &'static str) -> Vec<String> {
        let lines = self.text(name).unwrap_or_default().lines().map(str::trim);
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// The files that an input names, one a line.
    pub(super) fn paths(&self, name: &'static str) -> Vec<PathBuf> {
        self.lines(name).into_iter().map(PathBuf::from).collect()
    }

    /// The folders that `packages` names; one that ends in `/*` stands for all in it that hold a
    /// manifest.
    pub(super) fn folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut folders = Vec::new();
        for line in self.lines("packages") {
            let Some(above) = line.strip_suffix("/*") else {
                folders.push(PathBuf::from(line));
                continue;
            };
            let mut found = below(Path::new(above)).map_err(|error| {
                bad("packages", &line, &format!("{error}: name a folder that is there"))
            })?;
            if found.is_empty() {
                return Err(bad(
                    "packages",
                    &line,
                    "no folder there holds a manifest: name folders that do",
                ));
            }
            found.sort();
            folders.append(&mut found);
        }
        if folders.is_empty() {
            folders.push(PathBuf::from("."));
        }
        Ok(folders)
    }

    /// What every command takes, with the action's registry in it.
    pub(super) fn global(&self, global: &Global) -> anyhow::Result<Global> {
        let mut global = global.clone();
        if let Some(text) = self.text("registry") {
            let wrong =
                |error: packhouse_client::url::UrlError| bad("registry", text, &error.to_string());
            text.parse::<packhouse_client::RegistryUrl>().map_err(wrong)?;
            global.registry = Some(text.to_owned());
        }
        Ok(global)
    }
}

/// The folders in `above` that hold a manifest.
fn below(above: &Path) -> std::io::Result<Vec<PathBuf>> {
    let manifests = packhouse_core::formats::FORMATS.iter().map(|format| format.file());
    let manifests: Vec<_> = manifests.collect();
    let mut found = Vec::new();
    for entry in fs_err::read_dir(above)? {
        let folder = entry?.path();
        if manifests.iter().any(|manifest| folder.join(manifest).is_file()) {
            found.push(folder);
        }
    }
    Ok(found)
}

/// An input that cannot be; tells the line to change.
pub(super) fn bad(name: &str, text: &str, why: &str) -> anyhow::Error {
    Stop::new(
        Exit::Usage,
        format!("the input `{name}` is `{}`, which cannot be", excerpt(text, 200)),
        format!("change the line `{name}:` below `with:`: {why}"),
    )
    .code(LocalCode::BadInput)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(set: &[(&str, &str)]) -> Inputs {
        let set: Vec<_> = set.iter().map(|(n, v)| (variable(n), (*v).to_owned())).collect();
        Inputs::read(|name| set.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone()))
    }

    #[test]
    fn an_input_is_what_it_may_be_or_an_error_that_names_its_line() {
        let set =
            inputs(&[("dry-run", "yes"), ("comment", " auto "), ("packages", "a\n\n b/c \n")]);
        assert_eq!(set.choice("comment", &["auto", "never"]).unwrap(), "auto");
        assert_eq!(set.folders().unwrap(), [PathBuf::from("a"), PathBuf::from("b/c")]);
        let error = set.flag("dry-run").unwrap_err();
        let stop = error.downcast_ref::<Stop>().unwrap();
        assert_eq!(stop.message, "the input `dry-run` is `yes`, which cannot be");
        assert_eq!(stop.hint, "change the line `dry-run:` below `with:`: write `false` or `true`");
        assert!(!inputs(&[]).flag("dry-run").unwrap());
        assert_eq!(inputs(&[]).folders().unwrap(), [PathBuf::from(".")]);
        assert!(inputs(&[("packages", "nowhere/*")]).folders().is_err());
    }

    #[test]
    fn the_actions_declare_these_inputs_and_hand_them_over() {
        for action in ["publish", "audit"] {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../action");
            let text = std::fs::read_to_string(format!("{root}/{action}/action.yml")).unwrap();
            let inputs =
                text.split("\ninputs:\n").nth(1).unwrap().split("\noutputs:\n").next().unwrap();
            let declared: Vec<&str> = inputs
                .lines()
                .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
                .filter(|name| !name.starts_with(' ') && *name != "binary-path")
                .collect();
            for name in &declared {
                assert!(NAMES.contains(name), "{action}: {name}");
                let line = format!("{}: ${{{{ inputs.{name} }}}}", variable(name));
                assert!(text.contains(&line), "{action}: {line}");
            }
            assert!(declared.len() > 5, "{action}: {declared:?}");
        }
    }
}
