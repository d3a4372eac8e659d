//! The checks that packages of process-bigraph are held to where they are registered: names, messages
//! and order are those that clients of that registry know.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::outline;
use crate::escape::printable;
use crate::formats::{Found, by_id, python_name};
use crate::tree::Tree;

/// Entries of one list of dependencies that are looked at.
const LISTED: usize = 2_000;
/// Classes that the check names.
const NAMED: usize = 5;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It is as it should be.
    Pass,
    /// It works, and could be better.
    Warn,
    /// The package cannot be registered.
    Fail,
}

impl Status {
    /// `PASS`, `WARN` or `FAIL`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        }
    }
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Its name, for example `bigraph-schema dep`.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// What was found; empty where there is nothing to say.
    pub detail: String,
}

/// What the package index says of a name, when the caller asked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is there, in this version.
    As(String),
    /// It is not there.
    Not,
    /// It could not be asked.
    Unknown(String),
}

/// All checks of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// In their order.
    pub checks: Vec<Check>,
    /// What to do about those that did not pass.
    pub fixes: Vec<String>,
}

impl Audit {
    fn add(&mut self, name: &str, status: Status, detail: impl Into<String>) {
        self.checks.push(Check { name: name.to_owned(), status, detail: detail.into() });
    }

    fn fix(&mut self, fix: &str) {
        self.fixes.push(fix.to_owned());
    }

    /// The names of the checks that failed.
    pub fn failed(&self) -> Vec<&str> {
        let failed = self.checks.iter().filter(|check| check.status == Status::Fail);
        failed.map(|check| check.name.as_str()).collect()
    }

    /// All of it as a text for people, without a final line break.
    pub fn summary(&self, target: &str) -> String {
        let mut lines = vec![format!("=== Audit: {} ===", printable(target)), String::new()];
        for check in &self.checks {
            let detail = match check.detail.as_str() {
                "" => String::new(),
                detail => format!("  — {detail}"),
            };
            lines.push(format!("{:<35} {:<5}{detail}", check.name, check.status.as_str()));
        }
        let count = |status| self.checks.iter().filter(|check| check.status == status).count();
        lines.extend([String::new(), "=== Summary ===".to_owned()]);
        lines.push(format!(
            "PASS: {}, WARN: {}, FAIL: {}",
            count(Status::Pass),
            count(Status::Warn),
            count(Status::Fail)
        ));
        if !self.fixes.is_empty() {
            lines.extend([String::new(), "Recommended fixes:".to_owned()]);
            lines.extend(self.fixes.iter().map(|fix| format!("  - {fix}")));
        }
        lines.join("\n")
    }
}

/// Checks the package in `tree`. `published` is asked for its name, when there is an index to ask.
/// Nothing of the package is installed or run.
pub fn audit(tree: &Tree, published: impl FnOnce(&str) -> Option<Published>) -> Audit {
    let mut audit = Audit::default();
    let (file, table) = ("pyproject.toml", "[project] table");
    let original = match by_id("pyproject").map(|format| format.read(tree)) {
        Some(Found::Package(manifest)) => manifest.original,
        Some(Found::Broken(broken)) if broken.message == "has no `[project]` table" => Value::Null,
        Some(Found::Broken(broken)) => {
            audit.add(file, Status::Fail, printable(&format!("parse error: {broken}")));
            return audit;
        }
        _ if tree.get(file).is_none() => {
            audit.add(file, Status::Fail, "missing");
            audit.fix("Add a pyproject.toml with [project] table.");
            return audit;
        }
        _ => Value::Null,
    };
    let project = original.get("project").and_then(Value::as_object);
    let Some(project) = project.filter(|project| !project.is_empty()) else {
        audit.add(table, Status::Fail, "missing");
        audit.fix("Add [project] table with name, version, dependencies.");
        return audit;
    };
    audit.add(file, Status::Pass, "");
    if declares(&original, "bigraph-schema") {
        audit.add("bigraph-schema dep", Status::Pass, "");
    } else {
        let detail =
            "not declared — package will not be picked up by allocate_core() auto-discovery";
        audit.add("bigraph-schema dep", Status::Fail, detail);
        audit.fix("Add \"bigraph-schema>=0.0.60\" to [project].dependencies");
    }
    if declares(&original, "process-bigraph") {
        audit.add("process-bigraph dep", Status::Pass, "");
    } else {
        let detail = "not declared — needed if you use Process/Step base classes";
        audit.add("process-bigraph dep", Status::Warn, detail);
        audit.fix("Add \"process-bigraph>=0.0.66\" to [project].dependencies");
    }
    match project.get("requires-python").and_then(Value::as_str) {
        Some(python) => {
            let detail = format!("declared: {}", printable(python));
            audit.add("requires-python", Status::Pass, detail);
        }
        None => {
            audit.add("requires-python", Status::Warn, "not declared");
            audit.fix("Add `requires-python = \">=3.10\"` to [project]");
        }
    }
    let name = project.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    if let Some((name, published)) = name.and_then(|name| Some((printable(name), published(name)?)))
    {
        let (status, detail) = match published {
            Published::As(version) => {
                (Status::Pass, format!("published on PyPI as {name} (latest: {version})"))
            }
            Published::Not => {
                (Status::Warn, "NOT published on PyPI — recommend publishing".to_owned())
            }
            Published::Unknown(why) => (Status::Warn, format!("PyPI check failed: {why}")),
        };
        audit.add("published on PyPI", status, detail);
    }
    let classes = outline(tree, &original).classes;
    if classes.is_empty() {
        let detail = "no class inheriting from process_bigraph.Process or Step found";
        audit.add("Process/Step subclasses", Status::Warn, detail);
    } else {
        let shown: Vec<String> = classes
            .iter()
            .take(NAMED)
            .map(|class| {
                let kind = if class.kind == super::Kind::Process { "Process" } else { "Step" };
                format!("{} ({kind})", class.name)
            })
            .collect();
        let more = if classes.len() > NAMED { ", ..." } else { "" };
        let detail = format!("found {}: {}{more}", classes.len(), shown.join(", "));
        audit.add("Process/Step subclasses", Status::Pass, detail);
    }
    audit
}

/// Whether `[project] dependencies` of `pyproject.toml` name `package`, in any spelling of PEP 508:
/// case and `-`, `_`, `.` do not matter, extras, versions, addresses and markers may follow.
pub fn declares(manifest: &Value, package: &str) -> bool {
    let list = manifest.pointer("/project/dependencies").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .take(LISTED)
        .filter_map(Value::as_str)
        .any(|text| named(text, package))
}

/// Whether a dependency's text begins with this name.
fn named(text: &str, package: &str) -> bool {
    let text = text.trim_start();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = text.find(|c| !word(c)).unwrap_or(text.len());
    // What is glued to the name must be able to follow one: `bigraph-schema/x` is a path.
    let follows = text[end..].starts_with(|c: char| c.is_whitespace() || "<>=!~;@[(,".contains(c));
    (end == text.len() || follows) && python_name(&text[..end]).is_ok_and(|name| name == package)
}

/// Whether a project is a package of process-bigraph: it needs it or `bigraph-schema`, or is it.
pub fn is_bigraph(manifest: &Value) -> bool {
    let name = manifest.pointer("/project/name").and_then(Value::as_str);
    ["process-bigraph", "bigraph-schema"].into_iter().any(|package| {
        declares(manifest, package)
            || name.is_some_and(|name| python_name(name).is_ok_and(|name| name == package))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_is_known_in_every_spelling() {
        for text in [
            "bigraph-schema",
            " bigraph-schema ",
            "bigraph_schema>=1",
            "Bigraph.Schema[x] ~=1.0",
            "bigraph-schema @ git+https://github.com/x/y@main",
            "bigraph-schema; python_version>'3.10'",
            "bigraph-schema (>=1.0)",
            "bigraph-schema!=2",
        ] {
            assert!(named(text, "bigraph-schema"), "{text}");
        }
        for text in
            ["bigraph-schema2", "bigraph-schema-x>=1", "x bigraph-schema", "bigraph-schema/x", ""]
        {
            assert!(!named(text, "bigraph-schema"), "{text}");
        }
    }

    fn checked(files: &[(&str, &str)]) -> String {
        let mut tree = Tree::default();
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes(), false);
        }
        audit(&tree, |_| None).summary("acme")
    }

    #[test]
    fn the_checks_say_what_their_clients_know() {
        let classes: String = ["A", "B", "C", "D", "E", "F"]
            .iter()
            .map(|name| format!("class {name}(Process): ...\n"))
            .collect();
        let full = "[project]\nname = 'x'\nversion = '1'\nrequires-python = '>=3.11'\n\
                    dependencies = ['Bigraph_Schema (>=1)', 'process.bigraph']\n";
        let all = [
            checked(&[("README.md", "")]),
            checked(&[("pyproject.toml", "[project")]),
            checked(&[("pyproject.toml", "[tool.x]\n")]),
            checked(&[("pyproject.toml", "[project]\nname = 'x'\n")]),
            checked(&[
                ("pyproject.toml", full),
                ("x/__init__.py", &format!("from process_bigraph import Process\n{classes}")),
            ]),
        ];
        insta::assert_snapshot!(all.join("\n\n\n"));
    }
}
