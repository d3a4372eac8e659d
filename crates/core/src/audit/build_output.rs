//! `build-output`: what a build made does not ship with what it was made from. One finding a folder.
//! Names that sources may have, too, count at the root only.

use std::collections::BTreeMap;

use super::finding::{count, quote};
use super::{Draft, Facts, Rule, Severity};

pub(super) struct BuildOutput;

/// Output at the package's root; elsewhere `build` may be a module's name.
const AT_ROOT: [&str; 5] = ["build", "dist", "target", "venv", "out"];
/// Output wherever it stands.
const ANYWHERE: [&str; 12] = [
    "node_modules",
    "__pycache__",
    ".ato",
    ".venv",
    ".tox",
    ".nox",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".gradle",
    ".eggs",
    "htmlcov",
];
/// Compiled files. `.obj` is none: it is a 3D model as often.
const EXTENSIONS: [&str; 4] = [".pyc", ".pyo", ".o", ".egg"];

impl Rule for BuildOutput {
    fn id(&self) -> &'static str {
        "build-output"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The output of a build is among the files"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let mut folders = BTreeMap::<&str, (usize, usize)>::new();
        for (path, file) in facts.tree.iter() {
            if let Some(folder) = output(path.as_str()) {
                let (files, bytes) = folders.entry(folder).or_default();
                *files += 1;
                *bytes += file.bytes.len();
            } else if EXTENSIONS.iter().any(|end| path.file_name().ends_with(end)) {
                let help = "remove it, and add its ending to `.gitignore`";
                found.push(
                    self.finding("this is compiled from another file")
                        .file(path)
                        .about("file")
                        .help(help),
                );
            }
        }
        for (folder, (files, bytes)) in folders {
            let message = format!(
                "{} holds the output of a build ({}, {bytes} bytes)",
                quote(folder),
                count(files, "file")
            );
            let help = format!("add `{folder}/` to `.gitignore`");
            found.push(self.finding(message).file(folder).about(folder).help(help));
        }
    }
}

/// The outermost folder above `path` that holds the output of a build.
fn output(path: &str) -> Option<&str> {
    let mut start = 0;
    for (slash, _) in path.match_indices('/') {
        let part = &path[start..slash];
        if ANYWHERE.contains(&part)
            || part.ends_with(".egg-info")
            || (start == 0 && AT_ROOT.contains(&part))
        {
            return Some(&path[..slash]);
        }
        start = slash + 1;
    }
    None
}
