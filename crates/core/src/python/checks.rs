//! The checks that packages of process-bigraph are held to where they are registered: names, messages
//! and order are those that clients of that registry know.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Kind, outline};
use crate::audit::{self as rules, Facts, Severity};
use crate::escape::printable;
use crate::formats::{Found, by_id, python_name};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::tree::Tree;

/// Entries of one list of dependencies that are looked at.
const LISTED: usize = 2_000;
/// Classes that the check names.
const NAMED: usize = 5;
/// Rules of the audit that look at what the first program's checks do not.
const BEYOND: [&str; 5] =
    ["dependency-conflict", "license-file-missing", "license-spdx", "name-clash", "python-source"];

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

/// What the package index says of a name, as far as the caller asked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// It is there, in this version.
    As(String),
    /// It is not there.
    Not,
    /// It could not be asked.
    Unknown(String),
}

/// How a package is checked.
#[derive(Clone, Debug)]
pub struct Way {
    /// What the package index says of its name.
    pub published: Published,
    /// Whether an installation was asked for: it never happens, and the answer says so.
    pub install: bool,
    /// Whether classes are looked for as the first program's code does ([`crate::compose::as_code`]).
    pub as_code: bool,
}

impl Default for Way {
    fn default() -> Self {
        let published = Published::Unknown("no package index was asked".to_owned());
        Self { published, install: false, as_code: false }
    }
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

/// Checks the package in `tree`. Nothing of it is installed or run.
///
/// The first checks are those of the first program, under its names. What the rules of [`crate::audit`]
/// find beyond them stands behind, each as a check that warns; where they find nothing, there is none.
pub fn audit(tree: &Tree, way: &Way) -> Audit {
    let mut audit = Audit::default();
    let (file, table) = ("pyproject.toml", "[project] table");
    let manifest = match by_id("pyproject").map(|format| format.read(tree)) {
        Some(Found::Package(manifest)) => Some(manifest),
        Some(Found::Broken(broken)) if broken.message == "has no `[project]` table" => None,
        Some(Found::Broken(broken)) => {
            audit.add(file, Status::Fail, printable(&format!("parse error: {broken}")));
            return audit;
        }
        _ if tree.get(file).is_none() => {
            audit.add(file, Status::Fail, "missing");
            audit.fix("Add a pyproject.toml with [project] table.");
            return audit;
        }
        _ => None,
    };
    let project = |manifest: &Manifest| manifest.original.get("project").cloned();
    let filled = manifest
        .as_ref()
        .and_then(project)
        .filter(|p| p.as_object().is_some_and(|p| !p.is_empty()));
    let (Some(manifest), Some(project)) = (manifest, filled) else {
        audit.add(table, Status::Fail, "missing");
        audit.fix("Add [project] table with name, version, dependencies.");
        return audit;
    };
    audit.add(file, Status::Pass, "");
    audit.declared(&manifest.original, &project);
    audit.published(&project, &way.published);
    audit.classes(tree, &manifest.original, way.as_code);
    if way.install {
        let detail = "skipped: nothing of an audited package is installed or run";
        audit.add("pip install -e .", Status::Warn, detail);
    }
    if !way.as_code {
        audit.beyond(tree, &manifest);
    }
    audit
}

impl Audit {
    /// Dependencies, and the versions of Python.
    fn declared(&mut self, original: &Value, project: &Value) {
        if declares(original, "bigraph-schema") {
            self.add("bigraph-schema dep", Status::Pass, "");
        } else {
            let detail =
                "not declared — package will not be picked up by allocate_core() auto-discovery";
            self.add("bigraph-schema dep", Status::Fail, detail);
            self.fix("Add \"bigraph-schema>=0.0.60\" to [project].dependencies");
        }
        if declares(original, "process-bigraph") {
            self.add("process-bigraph dep", Status::Pass, "");
        } else {
            let detail = "not declared — needed if you use Process/Step base classes";
            self.add("process-bigraph dep", Status::Warn, detail);
            self.fix("Add \"process-bigraph>=0.0.66\" to [project].dependencies");
        }
        match project.get("requires-python").and_then(Value::as_str) {
            Some(python) => {
                let detail = format!("declared: {}", printable(python));
                self.add("requires-python", Status::Pass, detail);
            }
            None => {
                self.add("requires-python", Status::Warn, "not declared");
                self.fix("Add `requires-python = \">=3.10\"` to [project]");
            }
        }
    }

    fn published(&mut self, project: &Value, published: &Published) {
        let name = project.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let Some(name) = name.map(printable) else { return };
        let (status, detail) = match published {
            Published::As(version) => {
                let version = printable(version);
                (Status::Pass, format!("published on PyPI as {name} (latest: {version})"))
            }
            Published::Not => {
                (Status::Warn, "NOT published on PyPI — recommend publishing".to_owned())
            }
            Published::Unknown(why) => (Status::Warn, format!("PyPI check failed: {why}")),
        };
        self.add("published on PyPI", status, detail);
    }

    fn classes(&mut self, tree: &Tree, original: &Value, as_code: bool) {
        let classes: Vec<(String, Kind)> = if as_code {
            let found = crate::compose::as_code::scan(tree).into_iter();
            found.map(|class| (class.name, class.compute_type)).collect()
        } else {
            let found = outline(tree, original).classes.into_iter();
            found.map(|class| (class.name, class.kind)).collect()
        };
        let check = "Process/Step subclasses";
        if classes.is_empty() {
            let detail = "no class inheriting from process_bigraph.Process or Step found";
            return self.add(check, Status::Warn, detail);
        }
        let shown = classes.iter().take(NAMED).map(|(name, kind)| {
            let kind = if *kind == Kind::Process { "Process" } else { "Step" };
            format!("{name} ({kind})")
        });
        let shown = shown.collect::<Vec<_>>().join(", ");
        let more = if classes.len() > NAMED { ", ..." } else { "" };
        self.add(check, Status::Pass, format!("found {}: {shown}{more}", classes.len()));
    }

    /// What the rules of the audit find that the checks of the first program do not look at.
    fn beyond(&mut self, tree: &Tree, manifest: &Manifest) {
        let limits = Limits::default();
        let findings = rules::audit_by(&BEYOND, &Facts::new(tree, manifest, &limits));
        for rule in BEYOND {
            let of_rule = || {
                findings
                    .iter()
                    .filter(|finding| finding.rule == rule && finding.severity > Severity::Note)
            };
            let Some(first) = of_rule().next() else { continue };
            let more = match of_rule().count() {
                1 => String::new(),
                all => format!(" (and {} more)", all - 1),
            };
            self.add(rule, Status::Warn, format!("{}{more}", printable(&first.message)));
            if let Some(help) = &first.help {
                self.fix(&printable(help));
            }
        }
    }
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

/// Whether two texts name one package or extra.
pub(super) fn same_name(a: &str, b: &str) -> bool {
    a == b || python_name(a).is_ok_and(|a| python_name(b).is_ok_and(|b| a == b))
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
        audit(&tree, &Way::default()).summary("acme")
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
