//! `pyproject`: Python projects, `[project]` of `pyproject.toml` (PEP 621 and its successors 639, 735,
//! 753). The name is Python's own, in the form of PEP 503.

use serde_json::json;

use super::fields::{At, Reader, load};
use super::install::word;
use super::value::{Node, Source, Value, shown};
use super::{Broken, Format, Found, Installed, edit, pep508, toml};
use crate::manifest::{
    Dependency, Export, External, Field, Manifest, Name, NativeName, Place, Problem,
};
use crate::requirement::Grammar;
use crate::tree::Tree;
use crate::version::Order;

/// `pyproject.toml`.
pub(super) struct Pyproject;

const FILE: &str = "pyproject.toml";
const VERSION: [&str; 2] = ["project", "version"];
const KEYS: [&str; 19] = [
    "name",
    "version",
    "description",
    "readme",
    "requires-python",
    "license",
    "license-files",
    "authors",
    "maintainers",
    "keywords",
    "classifiers",
    "urls",
    "scripts",
    "gui-scripts",
    "entry-points",
    "dependencies",
    "optional-dependencies",
    "dynamic",
    "import-names",
];

impl Format for Pyproject {
    fn id(&self) -> &'static str {
        "pyproject"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn order(&self) -> Order {
        Order::Pep440
    }
    fn fields(&self) -> [&'static str; 5] {
        [
            "project.name",
            "project.version",
            "project.urls.Repository",
            "project.license",
            "project.description",
        ]
    }
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("entry-point", "an entry point of a Python package"),
            ("gui-script", "a program of a Python package that opens a window"),
            ("process", "a class of process-bigraph's `Process`"),
            ("script", "a program of a Python package"),
            ("step", "a class of process-bigraph's `Step`"),
        ]
    }
    fn install(&self, package: &Installed<'_>) -> String {
        match package.archive {
            Some(archive) => format!("pip install {}", word(archive)),
            None => package.fetch(),
        }
    }
    fn installs_archives(&self) -> bool {
        true
    }
    fn read(&self, tree: &Tree) -> Found {
        match load(FILE, tree, manifest) {
            Found::Package(mut manifest) if crate::python::is_bigraph(&manifest.original) => {
                read_classes(&mut manifest, tree);
                Found::Package(manifest)
            }
            found => found,
        }
    }
    fn set_version(&self, text: &str, version: &str) -> Option<String> {
        set_version(text, version)
    }
}

/// `None` for a file that only configures tools: no `[project]`, and nothing to build.
fn manifest(source: &Source) -> Result<Option<Manifest>, Broken> {
    let node = toml::read(source)?;
    let root = At { node: &node, path: String::new() };
    let Some(project) = root.get("project") else {
        let poetry = node.get("tool").and_then(|tool| tool.get("poetry")).is_some();
        if node.get("build-system").is_none() && !poetry {
            return Ok(None);
        }
        let help = "add a `[project]` table with `name`, `version` and `description`";
        return Err(source.broken(0, None, "has no `[project]` table", help));
    };
    if !matches!(project.node.value, Value::Map(_)) {
        let message = format!("is {}, it should be a table", project.node.kind());
        let help = "write `[project]` on a line of its own";
        return Err(source.broken(
            project.node.span.start,
            Some("project".to_owned()),
            message,
            help,
        ));
    }
    let mut r = Reader::new("pyproject", Order::Pep440, source);
    r.known_keys(&project, &KEYS);
    read_project(&mut r, &project);
    read_urls(&mut r, &project);
    read_dependencies(&mut r, &project);
    read_exports(&mut r, &project);
    Ok(Some(r.finish(&node)))
}

fn read_project(r: &mut Reader, project: &At) {
    let name = r.parsed(project.get("name"), "name = \"pbg-cells\"", normalised);
    r.manifest.name = name.map(|field| Field {
        value: Name::Native(NativeName { ecosystem: "python".to_owned(), name: field.value }),
        at: field.at,
    });
    let dynamic = r.texts(project.get("dynamic"), "dynamic = [\"version\"]");
    r.manifest.version_from_tag = dynamic.iter().any(|field| field == "version");
    match project.get("version") {
        Some(at) if r.manifest.version_from_tag => {
            r.manifest.version_from_tag = false;
            r.problem(&at, "stands here and in `dynamic`", "keep one of the two");
        }
        at => r.manifest.version = r.version(at, "version = \"1.2.3\""),
    }
    r.manifest.summary = r.text(project.get("description"), "description = \"Cells that grow\"");
    r.manifest.authors = r.authors(
        project.get("authors"),
        "authors = [{ name = \"Ada\", email = \"ada@acme.example\" }]",
    );
    r.manifest.keywords = r.texts(project.get("keywords"), "keywords = [\"cells\"]");
    let example = "requires-python = \">=3.11\"";
    if let Some(requirement) =
        r.requirement(project.get("requires-python"), Grammar::Pep508, example)
    {
        let requirement = Some(requirement);
        r.manifest.requires.push(External { name: "python".to_owned(), requirement });
    }
    read_license(r, project);
    let readme = match project.get("readme") {
        Some(at) if matches!(at.node.value, Value::Map(_)) => at.get("file"),
        at => at,
    };
    if let Some(path) = r.path(readme, "readme = \"README.md\"") {
        r.manifest.readme = path.value.into();
    }
}

/// An SPDX expression (PEP 639), or the older table: a `text` of one line is taken for one, a `file`
/// says nothing about what the licence is.
fn read_license(r: &mut Reader, project: &At) {
    let example = "license = \"MIT\"";
    let license = match project.get("license") {
        Some(at) if matches!(at.node.value, Value::Map(_)) => {
            r.path(at.get("file"), "license = \"MIT\"");
            r.text(at.get("text"), example).filter(|f| !f.value.contains('\n'))
        }
        at => r.text(at, example),
    };
    r.manifest.license = license;
}

/// Repository and homepage by the well-known labels of PEP 753.
fn read_urls(r: &mut Reader, project: &At) {
    let example = "[project.urls]`, then `Repository = \"https://github.com/acme/cells\"";
    let Some(urls) = r.map(project.get("urls"), example) else { return };
    let find = |labels: &[&str]| {
        let plain = |key: &str| {
            let word = key.chars().filter(|c| c.is_ascii_alphanumeric());
            word.collect::<String>().to_ascii_lowercase()
        };
        let entries = urls.entries();
        labels.iter().find_map(|label| {
            entries.iter().find(|(key, _)| plain(key) == *label).map(|(_, at)| at.clone())
        })
    };
    let example = "Repository = \"https://github.com/acme/cells\"";
    r.manifest.repository =
        r.text(find(&["repository", "source", "sourcecode", "github", "code"]), example);
    r.manifest.homepage =
        r.text(find(&["homepage", "home"]), "Homepage = \"https://acme.example\"");
}

fn read_dependencies(r: &mut Reader, project: &At) {
    let example = "dependencies = [\"process-bigraph>=0.0.20\"]";
    for at in r.list(project.get("dependencies"), example) {
        dependency(r, at, None);
    }
    let example = "optional-dependencies = { plots = [\"matplotlib\"] }";
    let Some(extras) = r.map(project.get("optional-dependencies"), example) else { return };
    for (extra, at) in extras.entries() {
        for at in r.list(Some(at), example) {
            dependency(r, at, Some(extra));
        }
    }
}

fn dependency(r: &mut Reader, at: At, extra: Option<&str>) {
    let place = at.node.at;
    let example = "process-bigraph>=0.0.20";
    let Some(parsed) = r.parsed(Some(at), example, pep508::parse) else { return };
    let pep508::Parsed { target, requirement, condition } = parsed.value;
    let extra = extra.map(|extra| format!("extra == \"{}\"", shown(extra)));
    let condition = match (condition, extra) {
        (Some(marker), Some(extra)) => Some(format!("({marker}) and {extra}")),
        (marker, extra) => marker.or(extra),
    };
    r.manifest.dependencies.push(Dependency { target, requirement, condition, at: Some(place) });
}

/// Scripts and entry points.
fn read_exports(r: &mut Reader, project: &At) {
    let example = "[project.scripts]`, then `cells = \"cells.cli:main\"";
    for (table, kind) in [("scripts", "script"), ("gui-scripts", "gui-script")] {
        if let Some(at) = r.map(project.get(table), example) {
            entry_points(r, &at, kind, None);
        }
    }
    let example = "[project.entry-points.\"acme.plugins\"]`, then `cells = \"cells.plugin:Plugin\"";
    let Some(groups) = r.map(project.get("entry-points"), example) else { return };
    for (group, at) in groups.entries() {
        if let Some(at) = r.map(Some(at), example) {
            entry_points(r, &at, "entry-point", Some(group));
        }
    }
}

fn entry_points(r: &mut Reader, table: &At, kind: &str, group: Option<&str>) {
    for (name, at) in table.entries() {
        let Some(entry) = r.text(Some(at), "cells = \"cells.cli:main\"") else { continue };
        let mut details = serde_json::Map::new();
        if let Some(group) = group {
            details.insert("group".to_owned(), json!(group));
        }
        details.insert("entry".to_owned(), json!(entry.value));
        let (kind, name) = (kind.to_owned(), name.to_owned());
        r.manifest.exports.push(Export { kind, name, path: None, summary: None, details });
    }
}

/// The processes and steps of a package that needs process-bigraph.
fn read_classes(manifest: &mut Manifest, tree: &Tree) {
    let outline = crate::python::outline(tree, &manifest.original);
    manifest.exports.extend(outline.classes.iter().map(crate::python::Class::export));
    let problem = |remark: crate::python::Remark| Problem {
        file: remark.path.parse().ok(),
        field: String::new(),
        at: Place { line: remark.line, column: remark.column },
        message: remark.message,
        help: remark.help,
    };
    manifest.remarks.extend(outline.remarks.into_iter().map(problem));
}

/// The name in the form of PEP 503: lower case, runs of `-`, `_` and `.` as one `-`.
///
/// # Errors
///
/// Why a text is no name.
pub fn normalised(text: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphanumeric();
    let fits = text.starts_with(word)
        && text.ends_with(word)
        && text.chars().all(|c| word(c) || matches!(c, '-' | '_' | '.'));
    if !fits {
        return Err(format!(
            "`{}` is no name of Python: letters, digits, `-`, `_` and `.`, a letter or digit first and last",
            shown(text)
        ));
    }
    let parts = text.split(['-', '_', '.']).filter(|part| !part.is_empty());
    Ok(parts.collect::<Vec<_>>().join("-").to_ascii_lowercase())
}

fn set_version(text: &str, version: &str) -> Option<String> {
    let (mark, body) = edit::split_mark(text);
    let root = edit::parse(body, toml::read)?;
    let project = root.get("project")?;
    if !edit::is_plain_ascii(version) || is_dynamic(project) {
        return None;
    }
    let checked = |new: String| edit::verified(mark, body, new, &VERSION, version, toml::read);
    if let Some(old) = project.get("version") {
        let quote = if body[old.span.start..].starts_with('\'') { '\'' } else { '"' };
        return checked(edit::splice(body, old.span.clone(), &format!("{quote}{version}{quote}")));
    }
    // A line after the name's; where the table has another shape, as the library would add it.
    let line_after_name = || {
        let end = project.get("name")?.span.end;
        let end = end + body.get(end..)?.find('\n')? + 1;
        let newline = if body.contains("\r\n") { "\r\n" } else { "\n" };
        checked(edit::splice(body, end..end, &format!("version = \"{version}\"{newline}")))
    };
    line_after_name().or_else(|| {
        let mut document: toml_edit::DocumentMut = body.parse().ok()?;
        document
            .get_mut("project")?
            .as_table_like_mut()?
            .insert("version", toml_edit::value(version));
        checked(document.to_string())
    })
}

fn is_dynamic(project: &Node) -> bool {
    match project.get("dynamic").map(|node| &node.value) {
        Some(Value::List(items)) => items.iter().any(|i| i.value == Value::Text("version".into())),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const CELLS: &str = r#"
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "PBG_Cells.core"
version = "1.2rc1"
description = "Cells that grow"
readme = { file = "docs/README.md", content-type = "text/markdown" }
requires-python = ">=3.11,<3.14"
license = { text = "MIT" }
authors = [{ name = "Ada", email = "ada@acme.example" }, { name = "Ben" }]
keywords = ["cells", "growth"]
dependencies = [
  "process-bigraph>=0.0.20",
  "numpy",
  "bigraph-schema @ git+https://github.com/acme/schema@main ; python_version < '3.13'",
]

[project.optional-dependencies]
plots = ["matplotlib>=3; os_name != 'nt'", "seaborn"]

[project.urls]
"Source Code" = "https://github.com/acme/cells"
homepage = "https://acme.example/cells"

[project.scripts]
cells = "cells.cli:main"

[project.entry-points."bigraph.processes"]
grow = "cells.processes:Grow"
"#;

    #[test]
    fn a_project_is_read() {
        insta::assert_snapshot!(facts("pyproject", CELLS), @r#"
        python:pbg-cells-core@1.2rc1
        repository https://github.com/acme/cells (25:17)
        license MIT (12:20)
        summary Cells that grow (9:15)
        homepage https://acme.example/cells (26:12)
        readme docs/README.md
        author Ada <ada@acme.example>
        author Ben <>
        keywords cells, growth
        needs {"type":"native","ecosystem":"python","name":"process-bigraph"} >=0.0.20
        needs {"type":"native","ecosystem":"python","name":"numpy"} any
        needs {"type":"git","url":"https://github.com/acme/schema","ref":"main","path":null,"identifier":null} any if python_version < '3.13'
        needs {"type":"native","ecosystem":"python","name":"matplotlib"} >=3 if (os_name != 'nt') and extra == "plots"
        needs {"type":"native","ecosystem":"python","name":"seaborn"} any if extra == "plots"
        offers {"kind":"script","name":"cells","details":{"entry":"cells.cli:main"}}
        offers {"kind":"entry-point","name":"grow","details":{"group":"bigraph.processes","entry":"cells.processes:Grow"}}
        requires python >=3.11,<3.14
        "#);
        assert_eq!(complaints("pyproject", CELLS), "");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        insta::assert_snapshot!(complaints("pyproject", r#"
[project]
name = "-cells"
version = 1.0
desciption = "x"
readme = ["README.md"]
requires-python = "3.11+"
license = 7
dependencies = ["numpy >= one", 5]
dynamic = "version"
scripts = ["x"]

[project.optional-dependencies]
plots = "matplotlib"
"#), @r#"
pyproject.toml:3:8: project.name: `-cells` is no name of Python: letters, digits, `-`, `_` and `.`, a letter or digit first and last
  help: write for example `name = "pbg-cells"`
pyproject.toml:4:11: project.version: is the number `1.0`, it should be a text
  help: quote it: `version = "1.0"`
pyproject.toml:6:10: project.readme: is a list, it should be a text
  help: write for example `readme = "README.md"`
pyproject.toml:7:19: project.requires-python: `3.11+` is not a requirement: Unexpected end of version specifier, expected operator; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
  help: write for example `requires-python = ">=3.11"`
pyproject.toml:8:11: project.license: is the number `7`, it should be a text
  help: quote it: `license = "7"`
pyproject.toml:9:17: project.dependencies[0]: `numpy >= one` is no dependency: `>= one` is not a requirement: expected version to start with a number, but no leading ASCII digits were found; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
  help: write for example `process-bigraph>=0.0.20`
pyproject.toml:9:33: project.dependencies[1]: is the number `5`, it should be a text
  help: quote it: `"5"`
pyproject.toml:10:11: project.dynamic: is the text `version`, it should be a list
  help: write for example `dynamic = ["version"]`
pyproject.toml:11:11: project.scripts: is a list, it should be a map
  help: write for example `[project.scripts]`, then `cells = "cells.cli:main"`
pyproject.toml:14:9: project.optional-dependencies.plots: is the text `matplotlib`, it should be a list
  help: write for example `optional-dependencies = { plots = ["matplotlib"] }`
hint: pyproject.toml:5:1: project.desciption: the key `desciption` is not known here
  help: did you mean `description`?
"#);
        let both = "[project]\nname = 'x'\nversion = '1.0'\ndynamic = ['version']\n";
        insta::assert_snapshot!(complaints("pyproject", both), @"
        pyproject.toml:3:11: project.version: stands here and in `dynamic`
          help: keep one of the two
        ");
    }

    #[test]
    fn broken_missing_and_tool_settings_are_different_answers() {
        insta::assert_snapshot!(complaints("pyproject", "[project\n"), @"
        broken: pyproject.toml:1:9: is not TOML: unclosed table, expected `]`
          help: check the quotes, brackets and `=` of this line
        ");
        insta::assert_snapshot!(complaints("pyproject", "project = 1\n"), @"
        broken: pyproject.toml:1:11: `project`: is the number `1`, it should be a table
          help: write `[project]` on a line of its own
        ");
        insta::assert_snapshot!(complaints("pyproject", "[build-system]\nrequires = []\n"), @"
        broken: pyproject.toml:1:1: has no `[project]` table
          help: add a `[project]` table with `name`, `version` and `description`
        ");
        insta::assert_snapshot!(complaints("pyproject", "[tool.poetry]\nname = 'x'\n"), @"
        broken: pyproject.toml:1:1: has no `[project]` table
          help: add a `[project]` table with `name`, `version` and `description`
        ");
        assert_eq!(complaints("pyproject", "[tool.ruff]\nline-length = 100\n"), "missing");
        assert_eq!(complaints("pyproject", ""), "missing");
    }

    #[test]
    fn a_dynamic_version_comes_from_the_tag_and_is_never_set() {
        let text = "[project]\nname = \"x\"\ndynamic = [\"version\"]\n";
        assert!(package("pyproject", text).version_from_tag);
        assert_eq!(set_version(text, "1.0"), None);
    }

    #[test]
    fn a_version_is_set_where_it_stands() {
        for (old, new) in [
            ("[project]\nversion = '1' # c\n", "[project]\nversion = '2.0' # c\n"),
            ("[project]\nversion=1.0\n", "[project]\nversion=\"2.0\"\n"),
            (
                "[project]\r\nname = 'x' # c\r\n\r\n[tool]\r\n",
                "[project]\r\nname = 'x' # c\r\nversion = \"2.0\"\r\n\r\n[tool]\r\n",
            ),
            ("project = { name = 'x' }\n", "project = { name = 'x' , version = \"2.0\" }\n"),
            ("project.name = 'x'\n", "project.name = 'x'\nproject.version = \"2.0\"\n"),
            ("[project]\nname = 'x'", "[project]\nname = 'x'\nversion = \"2.0\"\n"),
        ] {
            assert_eq!(set_version(old, "2.0").as_deref(), Some(new), "{old}");
        }
        for text in ["[tool]\n", "[project\n", "project = 1\n"] {
            assert_eq!(set_version(text, "2.0"), None);
        }
    }
}
