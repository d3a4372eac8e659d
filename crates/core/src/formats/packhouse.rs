//! `packhouse`: our own `packhouse.yaml`, for every community without a manifest of its own. It also
//! wins over any other manifest beside it, so that a project can say what it publishes.

use super::dependencies::{self, Edit, EditError, Style};
use super::edit;
use super::fields::{At, Reader, load};
use super::value::{Source, Value, shown};
use super::{Broken, Format, Found, yaml};
use crate::identifier::Identifier;
use crate::manifest::{Dependency, Export, External, Field, Manifest, Name, Target};
use crate::requirement::{Grammar, Requirement};
use crate::tree::Tree;
use crate::version::Order;

/// `packhouse.yaml`.
pub(super) struct Packhouse;

const FILE: &str = "packhouse.yaml";
const VERSION: [&str; 2] = ["package", "version"];
const ROOT_KEYS: [&str; 5] = ["package", "registry", "dependencies", "exports", "requires"];
const PACKAGE_KEYS: [&str; 10] = [
    "identifier",
    "version",
    "version-order",
    "repository",
    "license",
    "authors",
    "summary",
    "homepage",
    "readme",
    "keywords",
];
const DEPENDENCY_KEYS: [&str; 3] = ["identifier", "requirement", "condition"];
const SOURCE_KEYS: [&str; 6] = ["git", "file", "ref", "path", "identifier", "condition"];
const EXPORT_KEYS: [&str; 5] = ["kind", "name", "path", "summary", "details"];

impl Format for Packhouse {
    fn id(&self) -> &'static str {
        "packhouse"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn order(&self) -> Order {
        Order::SemVer
    }
    fn read(&self, tree: &Tree) -> Found {
        load(FILE, tree, |source| manifest(source).map(Some))
    }
    fn set_version(&self, text: &str, version: &str) -> Option<String> {
        edit::set_yaml(text, &VERSION, &["identifier"], version)
    }
    fn edit_dependencies(&self, text: &str, edit: &Edit) -> Result<String, EditError> {
        let read = load(FILE, &super::alone(FILE, text), |source| manifest(source).map(Some));
        let Found::Package(manifest) = read else { return Err(EditError::ByHand) };
        dependencies::apply(text, &manifest, edit, &STYLE)
    }
}

/// One text a dependency.
const STYLE: Style = Style { map: |_| Vec::new(), text: super::ato::text, version: "requirement" };

fn manifest(source: &Source) -> Result<Manifest, Broken> {
    let node = yaml::read(source)?;
    let root = At::root(source, &node, "`package: {identifier: acme/tool, version: 1.2.3}`")?;
    let mut r = Reader::new("packhouse", Order::SemVer, source);
    r.known_keys(&root, &ROOT_KEYS);
    r.manifest.version_from_tag = true;
    if let Some(package) = r.map(root.get("package"), "package: {identifier: acme/tool}") {
        read_package(&mut r, &package);
    }
    for at in r.list(root.get("dependencies"), "dependencies: [\"acme/sensor@^1.2\"]") {
        if let Some(dependency) = dependency(&mut r, &at) {
            r.manifest.dependencies.push(dependency);
        }
    }
    let example = "exports: [{kind: schema, name: reading, path: reading.json}]";
    for at in r.list(root.get("exports"), example) {
        if let Some(export) = export(&mut r, at) {
            r.manifest.exports.push(export);
        }
    }
    if let Some(requires) = r.map(root.get("requires"), "requires: {kicad: \">=9\"}") {
        for (name, at) in requires.entries() {
            if let Some(requirement) = requirement(&mut r, &at, "requires: {kicad: \">=9\"}") {
                r.manifest.requires.push(External { name: name.to_owned(), requirement });
            }
        }
    }
    Ok(r.finish(&node))
}

fn read_package(r: &mut Reader, package: &At) {
    r.known_keys(package, &PACKAGE_KEYS);
    let order =
        r.parsed(package.get("version-order"), "version-order: semver", |text| match text {
            "semver" => Ok(Order::SemVer),
            "pep440" => Ok(Order::Pep440),
            _ => {
                Err(format!("`{}` is no order of versions: `semver` and `pep440` are", shown(text)))
            }
        });
    r.manifest.order = order.map_or(Order::SemVer, |field| field.value);
    let identifier = r.identifier(package.get("identifier"), "identifier: acme/tool");
    r.manifest.name = identifier.map(|f| Field { value: Name::Full(f.value), at: f.at });
    // A declared version that is wrong must not be replaced by the tag's.
    r.manifest.version_from_tag = package.get("version").is_none();
    r.manifest.version = r.version(package.get("version"), "version: 1.2.3");
    r.manifest.repository =
        r.text(package.get("repository"), "repository: https://github.com/acme/tool");
    r.manifest.license = r.text(package.get("license"), "license: MIT");
    r.manifest.authors = r.authors(package.get("authors"), "authors: [\"Ada <ada@acme.example>\"]");
    r.manifest.summary = r.text(package.get("summary"), "summary: Turns readings into tables");
    r.manifest.homepage = r.text(package.get("homepage"), "homepage: https://acme.example");
    r.manifest.keywords = r.texts(package.get("keywords"), "keywords: [sensor, table]");
    if let Some(readme) = r.path(package.get("readme"), "readme: README.md") {
        r.manifest.readme = readme.value.into();
    }
}

/// `owner/name@requirement`, or a map.
fn dependency(r: &mut Reader, at: &At) -> Option<Dependency> {
    let place = Some(at.node.at);
    let done = |target, requirement, condition| {
        Some(Dependency { target, requirement, condition, at: place })
    };
    if !matches!(at.node.value, Value::Map(_)) {
        let (target, requirement) = r.parsed(Some(at.clone()), "acme/sensor@^1.2", spec)?.value;
        return done(target, requirement, None);
    }
    if at.get("git").is_some() || at.get("file").is_some() {
        let (target, condition) = source(r, at)?;
        return done(target, None, condition);
    }
    r.known_keys(at, &DEPENDENCY_KEYS);
    let Some(field) = at.get("identifier") else {
        r.problem(at, "has no `identifier`", "add `identifier: acme/sensor`");
        return None;
    };
    let identifier = r.identifier(Some(field), "identifier: acme/sensor")?.value;
    let requirement = match at.get("requirement") {
        Some(field) => requirement(r, &field, "requirement: ^1.2")?,
        None => None,
    };
    let condition = r.text(at.get("condition"), "condition: only for tests").map(|f| f.value);
    done(Target::Registry { identifier }, requirement, condition)
}

/// A folder or a repository: for trying out, since nobody else can have the folder.
fn source(r: &mut Reader, at: &At) -> Option<(Target, Option<String>)> {
    r.known_keys(at, &SOURCE_KEYS);
    let condition = r.text(at.get("condition"), "condition: only for tests").map(|f| f.value);
    let identifier = r.identifier(at.get("identifier"), "identifier: acme/sensor").map(|f| f.value);
    let mut text = |key: &str, example: &str| r.text(at.get(key), example).map(|f| f.value);
    let target = if at.get("git").is_some() {
        let url = text("git", "git: https://github.com/acme/sensor.git")?;
        let (reference, path) = (text("ref", "ref: v1.2.3"), text("path", "path: packages/sensor"));
        Target::Git { url, reference, path, identifier }
    } else {
        Target::File { path: text("file", "file: ../sensor")?, identifier }
    };
    Some((target, condition))
}

pub(super) fn spec(text: &str) -> Result<(Target, Option<Requirement>), String> {
    if let Some(source) = super::ato::source(text) {
        return Ok((source?, None));
    }
    let (name, requirement) = match text.split_once('@') {
        Some((name, requirement)) => (name, Some(requirement)),
        None => (text, None),
    };
    let identifier: Identifier = name.trim().parse().map_err(|e| format!("{e}"))?;
    let parse = |text: &str| Requirement::parse(Grammar::Cargo, text.trim());
    Ok((
        Target::Registry { identifier },
        requirement.map(parse).transpose().map_err(|e| e.to_string())?,
    ))
}

/// A requirement in Cargo's grammar; the inner `None` admits all.
fn requirement(r: &mut Reader, at: &At, example: &str) -> Option<Option<Requirement>> {
    match at.node.value {
        Value::Null => Some(None),
        _ => r.requirement(Some(at.clone()), Grammar::Cargo, example).map(Some),
    }
}

fn export(r: &mut Reader, at: At) -> Option<Export> {
    let example = "{kind: schema, name: reading, path: reading.json}";
    let at = r.map(Some(at), example)?;
    r.known_keys(&at, &EXPORT_KEYS);
    for key in ["kind", "name"] {
        if at.get(key).is_none() {
            r.problem(&at, format!("has no `{key}`"), format!("write for example `{example}`"));
        }
    }
    let kind = r.parsed(at.get("kind"), "kind: schema", |text| {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = text.len() <= 40
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(word);
        match fits {
            true => Ok(text.to_owned()),
            false => Err(format!("`{}` is no kind: a-z, 0-9 and `-`, a letter first", shown(text))),
        }
    });
    let name = r.text(at.get("name"), "name: reading");
    let path = r.path(at.get("path"), "path: schemas/reading.json").map(|f| f.value.into());
    let summary = r.text(at.get("summary"), "summary: One reading").map(|f| f.value);
    let details =
        match r.map(at.get("details"), "details: {unit: kelvin}").map(|d| d.node.to_json()) {
            Some(serde_json::Value::Object(details)) => details,
            _ => serde_json::Map::new(),
        };
    Some(Export { kind: kind?.value, name: name?.value, path, summary, details })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn a_package_is_read() {
        let text = "\
package:
  identifier: acme/units/table
  version: 1.2.0-rc.1
  repository: https://github.com/acme/units
  license: MIT OR Apache-2.0
  authors: [Ada <ada@acme.example>, {name: Ben}]
  summary: Units and their tables
  homepage: https://acme.example
  readme: ./docs/README.md
  keywords: [units, si]
dependencies:
  - acme/base@^1.2
  - acme/any
  - identifier: acme/tests
    requirement: '>=1, <3'
    condition: tests
exports:
  - {kind: schema, name: unit, path: schemas/unit.json, summary: One unit, details: {draft: 7}}
requires:
  kicad: '>=9'
  jq:
";
        insta::assert_snapshot!(facts("packhouse", text), @r#"
        acme/units/table@1.2.0-rc.1
        repository https://github.com/acme/units (4:15)
        license MIT OR Apache-2.0 (5:12)
        summary Units and their tables (7:12)
        homepage https://acme.example (8:13)
        readme docs/README.md
        author Ada <ada@acme.example>
        author Ben <>
        keywords units, si
        needs {"type":"registry","identifier":"acme/base"} ^1.2
        needs {"type":"registry","identifier":"acme/any"} any
        needs {"type":"registry","identifier":"acme/tests"} >=1, <3 if tests
        offers {"kind":"schema","name":"unit","path":"schemas/unit.json","summary":"One unit","details":{"draft":7}}
        requires kicad >=9
        requires jq any
        "#);
        assert_eq!(complaints("packhouse", text), "");
    }

    #[test]
    fn a_version_comes_from_the_tag_unless_it_is_declared() {
        insta::assert_snapshot!(facts("packhouse", "package: {identifier: a/b}"), @"
        a/b@(tag)
        readme README.md
        ");
        let wrong = package("packhouse", "package: {identifier: a/b, version: 1.0}");
        assert!(wrong.version.is_none() && !wrong.version_from_tag);
        let python = "package: {identifier: a/b, version: 1.0rc1, version-order: pep440}";
        assert_eq!(package("packhouse", python).version.unwrap().value.key(), "1rc1");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        insta::assert_snapshot!(complaints("packhouse", "\
package:
  identifer: acme/x
  version: v1.0.0
  version-order: calver
  keywords: units
dependencies:
  - acme/base@not a version
  - {requirement: 1}
  - {identifier: acme/base, requirement: 1.5}
exports:
  - {kind: Schema, name: x}
  - {name: x, path: /etc/passwd}
  - x
requires: [kicad]
"), @r#"
packhouse.yaml:3:12: package.version: `v1.0.0` is not a semantic version: the `v` belongs to the tag, write `1.0.0`
  help: write for example `version: 1.2.3`
packhouse.yaml:4:18: package.version-order: `calver` is no order of versions: `semver` and `pep440` are
  help: write for example `version-order: semver`
packhouse.yaml:5:13: package.keywords: is the text `units`, it should be a list
  help: write for example `keywords: [sensor, table]`
packhouse.yaml:7:5: dependencies[0]: `not a version` is not a requirement: unexpected character 'n' while parsing major version number; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
  help: write for example `acme/sensor@^1.2`
packhouse.yaml:8:5: dependencies[1]: has no `identifier`
  help: add `identifier: acme/sensor`
packhouse.yaml:9:42: dependencies[2].requirement: is the number `1.5`, it should be a text
  help: quote it: `requirement: "1.5"`
packhouse.yaml:11:12: exports[0].kind: `Schema` is no kind: a-z, 0-9 and `-`, a letter first
  help: write for example `kind: schema`
packhouse.yaml:12:5: exports[1]: has no `kind`
  help: write for example `{kind: schema, name: reading, path: reading.json}`
packhouse.yaml:12:21: exports[1].path: `/etc/passwd` is absolute: paths are relative to the package's folder
  help: write for example `path: schemas/reading.json`
packhouse.yaml:13:5: exports[2]: is the text `x`, it should be a map
  help: write for example `{kind: schema, name: reading, path: reading.json}`
packhouse.yaml:14:11: requires: is a list, it should be a map
  help: write for example `requires: {kicad: ">=9"}`
hint: packhouse.yaml:2:3: package.identifer: the key `identifer` is not known here
  help: did you mean `identifier`?
"#);
        insta::assert_snapshot!(complaints("packhouse", "[]"), @"
        broken: packhouse.yaml:1:1: is a list, a manifest is a map of fields
          help: write for example `package: {identifier: acme/tool, version: 1.2.3}`
        ");
    }
}
