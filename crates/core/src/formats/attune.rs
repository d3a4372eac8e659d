//! `attune`: packs of Attune. The manifest is `pack.yaml` at the root of what is published; its
//! components are files beside it, whose names and sentences become exports.

use super::edit;
use super::fields::{At, Reader, author, load};
use super::install::word;
use super::value::{Source, Value, shown};
use super::{Broken, Format, Found, Installed, yaml};
use crate::manifest::{
    Author, Dependency, Export, External, Field, Manifest, Name, NativeName, Problem, Target,
};
use crate::requirement::{Grammar, Requirement};
use crate::tree::{Tree, TreeFile, TreePath};
use crate::version::{Order, Version};

/// `pack.yaml`.
pub(super) struct Attune;

const FILE: &str = "pack.yaml";
const KEYS: [&str; 28] = [
    "ref",
    "version",
    "label",
    "name",
    "description",
    "author",
    "email",
    "license",
    "homepage",
    "repository",
    "use_case",
    "keywords",
    "tags",
    "system",
    "enabled",
    "conf_schema",
    "config",
    "meta",
    "runtime_deps",
    "dependencies",
    "python",
    "nodejs",
    "actions",
    "sensors",
    "triggers",
    "rules",
    "workflows",
    "testing",
];
/// Folders of components, and what one is called.
const COMPONENTS: [(&str, &str); 5] = [
    ("actions", "action"),
    ("sensors", "sensor"),
    ("triggers", "trigger"),
    ("rules", "rule"),
    ("workflows", "workflow"),
];
/// How many bytes of component files are read for their names; the rest are listed by file name.
const COMPONENT_BYTES: usize = 4 << 20;

impl Format for Attune {
    fn id(&self) -> &'static str {
        "attune"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn order(&self) -> Order {
        Order::SemVer
    }
    fn fields(&self) -> [&'static str; 5] {
        ["ref", "version", "repository", "license", "description"]
    }
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("action", "an action of an Attune pack"),
            ("rule", "a rule of an Attune pack"),
            ("sensor", "a sensor of an Attune pack"),
            ("trigger", "a trigger of an Attune pack"),
            ("workflow", "a workflow of an Attune pack"),
        ]
    }
    /// The index of packs holds the latest stable release of each.
    fn install(&self, package: &Installed<'_>) -> String {
        let version = Version::parse(self.order(), package.version);
        let indexed = version.is_ok_and(|version| !version.is_prerelease());
        match package.shown().filter(|_| indexed) {
            Some(name) => {
                let (name, registry) = (word(name), package.registry);
                format!("packhouse attune install {name} --index {registry}/attune/index.json")
            }
            None => package.fetch(),
        }
    }
    fn read(&self, tree: &Tree) -> Found {
        load(FILE, tree, |source| manifest(source, tree).map(Some))
    }
    fn set_version(&self, text: &str, version: &str) -> Option<String> {
        edit::set_yaml(text, &["version"], &["ref"], version)
    }
}

fn manifest(source: &Source, tree: &Tree) -> Result<Manifest, Broken> {
    let node = yaml::read(source)?;
    let root = At::root(source, &node, "`ref: weather` and `version: 1.2.3`")?;
    let mut r = Reader::new("attune", Order::SemVer, source);
    r.known_keys(&root, &KEYS);
    read_pack(&mut r, &root);
    read_runtimes(&mut r, &root);
    read_dependencies(&mut r, &root);
    read_components(&mut r, &root, tree);
    Ok(r.finish(&node))
}

fn read_pack(r: &mut Reader, root: &At) {
    let reference =
        r.parsed(root.get("ref"), "ref: weather", |text| pack_ref(text).map(str::to_owned));
    r.manifest.name = reference.map(|field| Field {
        value: Name::Native(NativeName { ecosystem: "attune".to_owned(), name: field.value }),
        at: field.at,
    });
    r.manifest.version = r.version(root.get("version"), "version: 1.2.3");
    r.text(root.get("label"), "label: Weather");
    r.manifest.summary = r.text(root.get("description"), "description: Asks for the weather");
    let meta = r.map(root.get("meta"), "meta: {category: science}");
    // The older packs keep these in `meta`.
    let either = |key: &str, older: &str| {
        root.get(key).or_else(|| meta.as_ref().and_then(|meta| meta.get(older)))
    };
    r.manifest.license = r.text(either("license", "license"), "license: MIT");
    r.manifest.homepage =
        r.text(either("homepage", "documentation_url"), "homepage: https://acme.example");
    r.manifest.repository = r.text(
        either("repository", "repository_url"),
        "repository: https://github.com/acme/weather",
    );
    let email = r.text(root.get("email"), "email: ada@acme.example").map(|f| f.value);
    if let Some(field) = r.text(root.get("author"), "author: Ada") {
        let Author { name, email: inside } = author(&field.value);
        r.manifest.authors = vec![Author { name, email: email.unwrap_or(inside) }];
    }
    let words = root
        .get("tags")
        .filter(|at| !at.items().is_empty())
        .or_else(|| either("keywords", "keywords"));
    r.manifest.keywords = words_of(r, words);
}

/// Search words; numbers are words too.
fn words_of(r: &mut Reader, at: Option<At>) -> Vec<String> {
    let mut words = Vec::new();
    for at in r.list(at, "tags: [weather, forecast]") {
        match &at.node.value {
            Value::Number(raw) => words.push(raw.clone()),
            _ => words.extend(r.text(Some(at), "tags: [weather]").map(|f| f.value)),
        }
    }
    words
}

/// `a-z`, then `a-z`, `0-9`, `_` and `-`.
fn pack_ref(text: &str) -> Result<&str, String> {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    match text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(word) {
        true => Ok(text),
        false => {
            Err(format!("`{}` is no pack: a-z, 0-9, `_` and `-`, a letter first", shown(text)))
        }
    }
}

/// What has to be installed: `runtime_deps`, and the keys that give a lowest version.
fn read_runtimes(r: &mut Reader, root: &At) {
    let example = "runtime_deps: [\"python3>=3.8\"]";
    for at in r.list(root.get("runtime_deps"), example) {
        if let Some(found) = r.parsed(Some(at), "python3>=3.8", runtime) {
            r.manifest.requires.push(found.value);
        }
    }
    for name in ["python", "nodejs"] {
        let example = format!("{name}: \"3.8\"");
        let lowest = |text: &str| Requirement::parse(Grammar::Attune, &format!(">={text}"));
        if let Some(found) = r.parsed(root.get(name), &example, lowest) {
            let requirement = Some(found.value);
            r.manifest.requires.push(External { name: name.to_owned(), requirement });
        }
    }
}

/// `name`, `name>=1.2`: the name ends at the first operator, sought in this order.
fn runtime(text: &str) -> Result<External, String> {
    let cut = [">=", "<=", "^", "~", ">", "<", "="].iter().find_map(|o| text.find(o));
    let (name, constraint) = text.split_at(cut.unwrap_or(text.len()));
    if name.trim().is_empty() {
        return Err(format!("`{}` names no runtime", shown(text)));
    }
    let parse = |text: &str| Requirement::parse(Grammar::Attune, text).map_err(|e| e.to_string());
    let requirement = cut.map(|_| parse(constraint)).transpose()?;
    Ok(External { name: name.trim().to_owned(), requirement })
}

/// A list of packs, or a map with `packs` and the versions of runtimes.
fn read_dependencies(r: &mut Reader, root: &At) {
    let Some(at) = root.get("dependencies") else { return };
    let mut packs = Some(at.clone());
    if matches!(at.node.value, Value::Map(_)) {
        let known = ["attune_version", "python_version", "nodejs_version", "packs"];
        r.known_keys(&at, &known);
        for key in &known[..3] {
            let example = format!("{key}: \">=1.0\"");
            let requirement = r.requirement(at.get(key), Grammar::Attune, &example);
            if requirement.is_some() {
                let name = key.trim_end_matches("_version").to_owned();
                r.manifest.requires.push(External { name, requirement });
            }
        }
        packs = at.get("packs");
    }
    for at in r.list(packs, "dependencies: [core]") {
        let place = Some(at.node.at);
        if let Some(found) = r.parsed(Some(at), "core", pack) {
            let (target, requirement) = found.value;
            r.manifest.dependencies.push(Dependency {
                target,
                requirement,
                condition: None,
                at: place,
            });
        }
    }
}

/// `ref` or `ref@version`.
fn pack(text: &str) -> Result<(Target, Option<Requirement>), String> {
    let (name, version) = match text.split_once('@') {
        Some((name, version)) => (name, Some(version).filter(|v| *v != "latest")),
        None => (text, None),
    };
    let name = NativeName { ecosystem: "attune".to_owned(), name: pack_ref(name)?.to_owned() };
    let parse = |text: &str| Requirement::parse(Grammar::Attune, text).map_err(|e| e.to_string());
    Ok((Target::Native(name), version.map(parse).transpose()?))
}

/// Components: the files directly in their folders, or, where a folder has none, the inline maps.
fn read_components(r: &mut Reader, root: &At, tree: &Tree) {
    let mut left_bytes = COMPONENT_BYTES;
    for (folder, kind) in COMPONENTS {
        let inside = |path: &TreePath| {
            let name = path.file_name();
            path.folder() == folder && (name.ends_with(".yaml") || name.ends_with(".yml"))
        };
        let mut files = tree.iter().filter(|(path, _)| inside(path)).peekable();
        if files.peek().is_none() {
            inline(r, root, folder, kind);
            continue;
        }
        for (path, file) in files {
            let read = file.bytes.len() <= left_bytes;
            if read {
                left_bytes -= file.bytes.len();
            }
            let export = component(r, path, file, kind, read);
            r.manifest.exports.extend(export);
        }
    }
}

fn inline(r: &mut Reader, root: &At, folder: &str, kind: &str) {
    let example = format!("{folder}: {{ask: {{label: Ask}}}}");
    let Some(map) = r.map(root.get(folder), &example) else { return };
    for (name, at) in map.entries() {
        let export = export(r, &at, kind, name.to_owned(), None);
        r.manifest.exports.push(export);
    }
}

/// A component's file; one that cannot be read is a problem of its own.
fn component(
    r: &mut Reader,
    path: &TreePath,
    file: &TreeFile,
    kind: &str,
    read: bool,
) -> Option<Export> {
    let stem = path.file_name().rsplit_once('.').map_or(path.file_name(), |(stem, _)| stem);
    let node = match read {
        true => Source::open(path.clone(), &file.bytes).and_then(|source| {
            let node = yaml::read(&source)?;
            At::root(&source, &node, "`ref: weather.ask`").map(|_| ())?;
            Ok(node)
        }),
        false => Ok(super::value::Node {
            value: Value::Map(Vec::new()),
            span: 0..0,
            at: crate::manifest::Place { line: 1, column: 1 },
        }),
    };
    match node {
        Ok(node) => {
            let at = At { node: &node, path: String::new() };
            Some(export(r, &at, kind, stem.to_owned(), Some(path.as_str())))
        }
        Err(Broken { path, at, field, message, help }) => {
            let field = field.unwrap_or_default();
            r.push_problem(Problem { file: Some(path), field, at, message, help });
            None
        }
    }
}

/// What a component says about itself; `name` is what it is called otherwise.
fn export(r: &Reader, at: &At, kind: &str, name: String, path: Option<&str>) -> Export {
    let text = |key: &str| {
        let text = at.get(key).and_then(|at| at.text()).map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let pack = match r.manifest.name.as_ref().map(|field| &field.value) {
        Some(Name::Native(native)) => format!("{}.", native.name),
        _ => String::new(),
    };
    let own = |text: String| text.strip_prefix(&pack).map(str::to_owned).unwrap_or(text);
    let workflow = kind == "action" && at.get("workflow_file").is_some();
    Export {
        kind: if workflow { "workflow" } else { kind }.to_owned(),
        name: text("ref").map(own).or_else(|| text("name")).unwrap_or(name),
        path: path.map(str::to_owned),
        summary: text("description").or_else(|| text("label")),
        details: serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const PACK: &str = "\
ref: weather
label: Weather
version: 1.2.3
description: Asks for the weather
author: Ada
email: ada@acme.example
license: MIT
keywords: [forecast]
tags: [weather, 2026]
repository: https://github.com/acme/weather
meta:
  documentation_url: https://acme.example/weather
runtime_deps:
  - python3 >= 3.8
  - shell
  - nodejs^14.0.0
python: '3.9'
dependencies:
  attune_version: '>=0.3.0'
  packs: [core, 'maps@1.0.0']
rules:
  rainy: {label: When it rains}
";

    #[test]
    fn a_pack_is_read() {
        insta::assert_snapshot!(facts("attune", PACK), @r#"
        attune:weather@1.2.3
        repository https://github.com/acme/weather (10:13)
        license MIT (7:10)
        summary Asks for the weather (4:14)
        homepage https://acme.example/weather (12:22)
        readme README.md
        author Ada <ada@acme.example>
        keywords weather, 2026
        needs {"type":"native","ecosystem":"attune","name":"core"} any
        needs {"type":"native","ecosystem":"attune","name":"maps"} 1.0.0
        offers {"kind":"rule","name":"rainy","summary":"When it rains"}
        requires python3 >= 3.8
        requires shell any
        requires nodejs ^14.0.0
        requires python >=3.9
        requires attune >=0.3.0
        "#);
        assert_eq!(complaints("attune", PACK), "");
        let list = package(
            "attune",
            "ref: a\ndependencies: [core]\nmeta: {keywords: [x], license: MIT}\n",
        );
        assert_eq!((list.dependencies.len(), list.keywords.len()), (1, 1));
        assert_eq!(list.license.unwrap().value, "MIT");
    }

    #[test]
    fn components_are_exports() {
        let found = Attune.read(&tree(&[
            ("pack.yaml", PACK),
            ("actions/ask.yaml", "ref: weather.ask\nlabel: Ask\ndescription: Asks now\n"),
            ("actions/ask.py", "print()"),
            ("actions/plan.yml", "name: plan\nworkflow_file: workflows/plan.yaml\n"),
            ("actions/deep/no.yaml", "ref: weather.no\n"),
            ("sensors/rain.yaml", "label: Rain\n"),
            ("sensors/odd.yaml", "a: 1\na: 2\n"),
            ("triggers/list.yaml", "- a\n"),
        ]));
        let Found::Package(manifest) = found else { panic!("{found:?}") };
        let offers: Vec<_> =
            manifest.exports.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
        insta::assert_snapshot!(offers.join("\n"), @r#"
        {"kind":"action","name":"ask","path":"actions/ask.yaml","summary":"Asks now"}
        {"kind":"workflow","name":"plan","path":"actions/plan.yml"}
        {"kind":"sensor","name":"rain","path":"sensors/rain.yaml","summary":"Rain"}
        {"kind":"rule","name":"rainy","summary":"When it rains"}
        "#);
        let problems: Vec<_> = manifest
            .problems
            .iter()
            .map(|p| format!("{}:{}: {}", p.file.as_ref().unwrap(), p.at.line, p.message))
            .collect();
        insta::assert_snapshot!(problems.join("\n"), @"
        sensors/odd.yaml:2: the key stands here and at line 1, column 1
        triggers/list.yaml:1: is a list, a manifest is a map of fields
        ");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        insta::assert_snapshot!(complaints("attune", "\
ref: Weather.Pack
version: 1.0
lable: Weather
author: [Ada]
tags: weather
runtime_deps: ['>=3', 'python3>=3.8,<4', 7]
dependencies: ['Core', 'core@one']
actions: [ask]
"), @r#"
pack.yaml:1:6: ref: `Weather.Pack` is no pack: a-z, 0-9, `_` and `-`, a letter first
  help: write for example `ref: weather`
pack.yaml:2:10: version: is the number `1.0`, a version has three
  help: write for example `version: 1.2.3`
pack.yaml:4:9: author: is a list, it should be a text
  help: write for example `author: Ada`
pack.yaml:6:16: runtime_deps[0]: `>=3` names no runtime
  help: write for example `python3>=3.8`
pack.yaml:6:23: runtime_deps[1]: `>=3.8,<4` is not a requirement: Attune takes one constraint and no comma; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
  help: write for example `python3>=3.8`
pack.yaml:6:42: runtime_deps[2]: is the number `7`, it should be a text
  help: quote it: `"7"`
pack.yaml:7:16: dependencies[0]: `Core` is no pack: a-z, 0-9, `_` and `-`, a letter first
  help: write for example `core`
pack.yaml:7:24: dependencies[1]: `one` is not a requirement: `one` is not a plain number; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
  help: write for example `core`
pack.yaml:8:10: actions: is a list, it should be a map
  help: write for example `actions: {ask: {label: Ask}}`
hint: pack.yaml:3:1: lable: the key `lable` is not known here
  help: did you mean `label`?
"#);
        insta::assert_snapshot!(complaints("attune", "weather\n"), @"
        broken: pack.yaml:1:1: is the text `weather`, a manifest is a map of fields
          help: write for example `ref: weather` and `version: 1.2.3`
        ");
        assert_eq!(Attune.read(&tree(&[("pack/pack.yaml", PACK)])), Found::Missing);
    }
}
