//! `kicad`: blocks of kicad-tools, `kicad-tools-block.yaml`: sheets to build boards from, with the
//! footprints and symbols that they bring.

use std::collections::BTreeSet;

use super::dependencies::{self, Edit, EditError, Style};
use super::edit;
use super::fields::{At, Reader, author, load};
use super::value::{Source, Value, shown};
use super::{Broken, Format, Found, yaml};
use crate::identifier::Identifier;
use crate::kicad::{Kind, Reference, references};
use crate::manifest::{Dependency, Export, External, Field, Manifest, Name, NativeName, Target};
use crate::requirement::{Grammar, Requirement};
use crate::tree::Tree;
use crate::version::Order;

/// `kicad-tools-block.yaml`.
pub(super) struct Kicad;

const FILE: &str = "kicad-tools-block.yaml";
const KEYS: [&str; 10] = [
    "name",
    "version",
    "description",
    "author",
    "license",
    "requires-kicad-tools",
    "dependencies",
    "blocks",
    "footprints",
    "symbols",
];
const BLOCK_KEYS: [&str; 2] = ["name", "entry"];
const DEPENDENCY_KEYS: [&str; 2] = ["identifier", "version"];
/// Files up to this size are looked into for the libraries that they name: those that a registry keeps
/// while it reads an archive, so that it finds the same.
const LOOKED_INTO_BYTES: usize = 256 << 10;
/// What is looked into of all files together, in bytes.
const ALL_BYTES: usize = 4 << 20;
/// Libraries from outside that are listed.
const LIBRARIES: usize = 500;

impl Format for Kicad {
    fn id(&self) -> &'static str {
        "kicad"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn order(&self) -> Order {
        Order::SemVer
    }
    fn fields(&self) -> [&'static str; 5] {
        ["name", "version", "", "license", "description"]
    }
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("block", "a sheet of KiCad"),
            ("footprint", "a footprint of KiCad"),
            ("symbol", "a library of symbols of KiCad"),
        ]
    }
    fn read(&self, tree: &Tree) -> Found {
        load(FILE, tree, |source| manifest(source, tree).map(Some))
    }
    fn set_version(&self, text: &str, version: &str) -> Option<String> {
        edit::set_yaml(text, &["version"], &["name"], version)
    }
    fn edit_dependencies(&self, text: &str, edit: &Edit) -> Result<String, EditError> {
        let tree = super::alone(FILE, text);
        let read = load(FILE, &tree, |source| manifest(source, &tree).map(Some));
        let Found::Package(manifest) = read else { return Err(EditError::ByHand) };
        dependencies::apply(text, &manifest, edit, &STYLE)
    }
}

/// One text a dependency.
const STYLE: Style = Style { map: |_| Vec::new(), text: super::ato::text, version: "version" };

fn manifest(source: &Source, tree: &Tree) -> Result<Manifest, Broken> {
    let node = yaml::read(source)?;
    let root = At::root(source, &node, "`name: acme/usb-c` and `version: 1.2.3`")?;
    let mut r = Reader::new("kicad", Order::SemVer, source);
    r.known_keys(&root, &KEYS);
    let name = r.parsed(root.get("name"), "name: acme/usb-c", name);
    r.manifest.name = name;
    r.manifest.version = r.version(root.get("version"), "version: 1.2.3");
    r.manifest.version_from_tag = root.get("version").is_none();
    r.manifest.summary = r.text(root.get("description"), "description: A USB-C sink for 3 A");
    r.manifest.license = r.text(root.get("license"), "license: MIT");
    if let Some(at) = root.get("author") {
        r.manifest.authors = match &at.node.value {
            Value::List(_) => r.authors(Some(at), "author: [Ada <ada@acme.example>]"),
            _ => {
                let text = r.text(Some(at), "author: Ada <ada@acme.example>");
                text.map(|field| author(&field.value)).into_iter().collect()
            }
        };
    }
    let example = "requires-kicad-tools: \">=0.10\"";
    if let Some(found) = r.parsed(root.get("requires-kicad-tools"), example, tool) {
        let requirement = Some(found.value);
        r.manifest.requires.push(External { name: "kicad-tools".to_owned(), requirement });
    }
    read_dependencies(&mut r, &root);
    for at in r.list(root.get("blocks"), "blocks: [{name: sink, entry: sink.kicad_sch}]") {
        let block = block(&mut r, at);
        r.manifest.exports.extend(block);
    }
    let mut outside = BTreeSet::new();
    listed(&mut r, &root, "footprints", "footprint", &mut outside);
    listed(&mut r, &root, "symbols", "symbol", &mut outside);
    read_libraries(&mut r, tree, outside);
    Ok(r.finish(&node))
}

/// `owner/name`, or a name whose owner is the repository's.
fn name(text: &str) -> Result<Name, String> {
    if text.contains('/') {
        return text.parse().map(Name::Full).map_err(|e| format!("{e}"));
    }
    // What makes no identifier below any owner makes none here.
    Identifier::new("owner", text).map_err(|_| {
        format!(
            "`{}` is no name: a-z, A-Z, 0-9, `_` and `-`, and none of them a `-` first",
            shown(text)
        )
    })?;
    let (ecosystem, name) = ("kicad".to_owned(), text.to_owned());
    Ok(Name::Native(NativeName { ecosystem, name }))
}

/// A requirement on a Python program: PEP 440's specifiers, or Cargo's where it has none of their
/// operators (`^0.10`, `0.10`).
fn tool(text: &str) -> Result<Requirement, String> {
    Requirement::parse(Grammar::Pep508, text)
        .or_else(|first| Requirement::parse(Grammar::Cargo, text).map_err(|_| first))
        .map_err(|e| e.to_string())
}

/// A list of `owner/name@version` and `{identifier, version}`, or a map of versions by identifier.
fn read_dependencies(r: &mut Reader, root: &At) {
    let example = "dependencies: [acme/base@1.2.0]";
    let Some(all) = root.get("dependencies") else { return };
    let mut found = Vec::new();
    if matches!(all.node.value, Value::Map(_)) {
        for (key, at) in all.entries() {
            let identifier: Identifier = match key.parse() {
                Ok(identifier) => identifier,
                Err(error) => {
                    r.problem(&at, error, format!("write for example `{example}`"));
                    continue;
                }
            };
            let requirement = version_of(r, Some(at.clone()));
            found.push((Target::Registry { identifier }, requirement, at.node.at));
        }
    } else {
        for at in r.list(Some(all), example) {
            let place = at.node.at;
            if matches!(at.node.value, Value::Map(_)) {
                r.known_keys(&at, &DEPENDENCY_KEYS);
                if at.get("identifier").is_none() {
                    r.problem(&at, "has no `identifier`", "add `identifier: acme/base`");
                }
                let identifier = r.identifier(at.get("identifier"), "identifier: acme/base");
                let requirement = version_of(r, at.get("version"));
                if let Some(Field { value: identifier, .. }) = identifier {
                    found.push((Target::Registry { identifier }, requirement, place));
                }
            } else if let Some(field) =
                r.parsed(Some(at), "acme/base@1.2.0", super::packhouse::spec)
            {
                let (target, requirement) = field.value;
                found.push((target, requirement, place));
            }
        }
    }
    r.manifest.dependencies.extend(found.into_iter().map(|(target, requirement, at)| Dependency {
        target,
        requirement,
        condition: None,
        at: Some(at),
    }));
}

fn version_of(r: &mut Reader, at: Option<At>) -> Option<Requirement> {
    r.requirement(at, Grammar::Cargo, "version: 1.2.0")
}

fn block(r: &mut Reader, at: At) -> Option<Export> {
    let example = "{name: sink, entry: sink.kicad_sch}";
    let at = r.map(Some(at), example)?;
    r.known_keys(&at, &BLOCK_KEYS);
    for key in BLOCK_KEYS {
        if at.get(key).is_none() {
            r.problem(&at, format!("has no `{key}`"), format!("write for example `{example}`"));
        }
    }
    let name = r.text(at.get("name"), "name: sink")?.value;
    let path = r.path(at.get("entry"), "entry: sink.kicad_sch").map(|f| f.value.into());
    let (kind, details) = ("block".to_owned(), serde_json::Map::new());
    Some(Export { kind, name, path, summary: None, details })
}

/// Files of the package, which it offers, and items of libraries (`Device:R`), which it needs.
fn listed(r: &mut Reader, root: &At, key: &str, kind: &str, outside: &mut BTreeSet<Reference>) {
    let file = match kind {
        "symbol" => "parts.kicad_sym",
        _ => "parts.pretty/usb-c.kicad_mod",
    };
    for at in r.list(root.get(key), &format!("{key}: [{file}]")) {
        let Some(text) = r.text(Some(at.clone()), file) else { continue };
        if let Some(library) = Reference::library(&text.value) {
            let library = library.to_owned();
            outside.insert(match kind {
                "symbol" => Reference::Symbols(library),
                _ => Reference::Footprints(library),
            });
            continue;
        }
        let Some(path) = r.path(Some(at), file) else { continue };
        let path: String = path.value.into();
        let name = path.rsplit('/').next().unwrap_or(&path);
        let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
        let details = serde_json::Map::new();
        let kind = kind.to_owned();
        r.manifest.exports.push(Export { kind, name, path: Some(path), summary: None, details });
    }
}

/// What the listed files name beyond the package's own libraries.
fn read_libraries(r: &mut Reader, tree: &Tree, mut named: BTreeSet<Reference>) {
    let paths: BTreeSet<&str> =
        r.manifest.exports.iter().filter_map(|export| export.path.as_deref()).collect();
    let mut left_bytes = ALL_BYTES;
    for path in &paths {
        let reads = matches!(Kind::of(path), Some(Kind::Schematic | Kind::Symbols));
        let Some(file) = tree.get(path).filter(|_| reads) else { continue };
        if file.bytes.len() <= LOOKED_INTO_BYTES.min(left_bytes) {
            left_bytes -= file.bytes.len();
            named.extend(references(&file.bytes));
        }
    }
    named.retain(|reference| {
        !paths.iter().any(|path| reference.is_in(path))
            && !tree.iter().any(|(path, _)| reference.is_in(path.as_str()))
    });
    let outside = named.iter().take(LIBRARIES);
    let outside =
        outside.map(|reference| External { name: reference.external(), requirement: None });
    r.manifest.requires.extend(outside);
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const BLOCK: &str = "\
name: acme/usb-c
version: 1.2.0
description: A USB-C sink for 3 A
author: Ada Acme <ada@acme.example>
license: CERN-OHL-P-2.0
requires-kicad-tools: '>=0.10,<1'
dependencies:
  - acme/base@^1.2
  - {identifier: acme/esd, version: '=1.0.3'}
blocks:
  - {name: sink, entry: sheets/sink.kicad_sch}
footprints: [parts.pretty/usb-c.kicad_mod, 'Resistor_SMD:R_0402']
symbols: [Acme.kicad_sym, 'Device:R']
";

    #[test]
    fn a_block_is_read() {
        insta::assert_snapshot!(facts("kicad", BLOCK), @r#"
        acme/usb-c@1.2.0
        license CERN-OHL-P-2.0 (5:10)
        summary A USB-C sink for 3 A (3:14)
        readme README.md
        author Ada Acme <ada@acme.example>
        needs {"type":"registry","identifier":"acme/base"} ^1.2
        needs {"type":"registry","identifier":"acme/esd"} =1.0.3
        offers {"kind":"block","name":"sink","path":"sheets/sink.kicad_sch"}
        offers {"kind":"footprint","name":"usb-c","path":"parts.pretty/usb-c.kicad_mod"}
        offers {"kind":"symbol","name":"Acme","path":"Acme.kicad_sym"}
        requires kicad-tools >=0.10,<1
        requires kicad-footprints:Resistor_SMD any
        requires kicad-symbols:Device any
        "#);
        assert_eq!(complaints("kicad", BLOCK), "");
        let other = "name: usb-c\nauthor: [Ada, {name: Bo}]\nrequires-kicad-tools: ^0.10\ndependencies: {acme/base: '1.2', acme/any: }\n";
        insta::assert_snapshot!(facts("kicad", other), @r#"
        kicad:usb-c@(tag)
        readme README.md
        author Ada <>
        author Bo <>
        needs {"type":"registry","identifier":"acme/base"} 1.2
        needs {"type":"registry","identifier":"acme/any"} any
        requires kicad-tools ^0.10
        "#);
    }

    #[test]
    fn libraries_that_the_package_holds_are_not_from_outside() {
        let sheet = "(kicad_sch (version 1) (symbol (lib_id \"Acme:USB\") (property \"Footprint\" \"parts:usb-c\"))
            (symbol (lib_id \"Device:R\") (property \"Footprint\" \"Other:R_0402\")))";
        let found = Kicad.read(&tree(&[
            (FILE, "name: acme/a\nblocks: [{name: sink, entry: sheets/sink.kicad_sch}]\n"),
            ("sheets/sink.kicad_sch", sheet),
            ("sheets/not-listed.kicad_sch", "(kicad_sch (version 1) (lib_id \"No:No\"))"),
            ("lib/Acme.kicad_sym", ""),
            ("parts.pretty/usb-c.kicad_mod", ""),
        ]));
        let Found::Package(manifest) = found else { panic!("{found:?}") };
        let names: Vec<_> = manifest.requires.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["kicad-footprints:Other", "kicad-symbols:Device"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        insta::assert_snapshot!(complaints("kicad", "\
name: 'usb c'
version: 1.0
discription: x
author: 7
requires-kicad-tools: newer
dependencies: ['base', {version: 1.2.0}, {identifier: acme/x, version: one}, 3]
blocks: [sink, {name: sink}, {entry: ../x.kicad_sch}]
footprints: a.kicad_mod
symbols: [/abs.kicad_sym]
"), @r#"
        kicad-tools-block.yaml:1:7: name: `usb c` is no name: a-z, A-Z, 0-9, `_` and `-`, and none of them a `-` first
          help: write for example `name: acme/usb-c`
        kicad-tools-block.yaml:2:10: version: is the number `1.0`, a version has three
          help: write for example `version: 1.2.3`
        kicad-tools-block.yaml:4:9: author: is the number `7`, it should be a text
          help: quote it: `author: "7"`
        kicad-tools-block.yaml:5:23: requires-kicad-tools: `newer` is not a requirement: Unexpected end of version specifier, expected operator; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
          help: write for example `requires-kicad-tools: ">=0.10"`
        kicad-tools-block.yaml:6:16: dependencies[0]: `base` has no owner: write `owner/name`, for example `acme/sensor`
          help: write for example `acme/base@1.2.0`
        kicad-tools-block.yaml:6:24: dependencies[1]: has no `identifier`
          help: add `identifier: acme/base`
        kicad-tools-block.yaml:6:72: dependencies[2].version: `one` is not a requirement: unexpected character 'o' while parsing major version number; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
          help: write for example `version: 1.2.0`
        kicad-tools-block.yaml:6:78: dependencies[3]: is the number `3`, it should be a text
          help: quote it: `"3"`
        kicad-tools-block.yaml:7:10: blocks[0]: is the text `sink`, it should be a map
          help: write for example `{name: sink, entry: sink.kicad_sch}`
        kicad-tools-block.yaml:7:16: blocks[1]: has no `entry`
          help: write for example `{name: sink, entry: sink.kicad_sch}`
        kicad-tools-block.yaml:7:30: blocks[2]: has no `name`
          help: write for example `{name: sink, entry: sink.kicad_sch}`
        kicad-tools-block.yaml:8:13: footprints: is the text `a.kicad_mod`, it should be a list
          help: write for example `footprints: [parts.pretty/usb-c.kicad_mod]`
        kicad-tools-block.yaml:9:11: symbols[0]: `/abs.kicad_sym` is absolute: paths are relative to the package's folder
          help: write for example `parts.kicad_sym`
        hint: kicad-tools-block.yaml:3:1: discription: the key `discription` is not known here
          help: did you mean `description`?
        "#);
        insta::assert_snapshot!(complaints("kicad", "name: acme/a\nname: acme/b\n"), @r#"
        broken: kicad-tools-block.yaml:2:1: `name`: the key stands here and at line 1, column 1
          help: keep one of the two: readers would disagree about which one counts
        "#);
        insta::assert_snapshot!(complaints("kicad", "- a\n"), @r#"
        broken: kicad-tools-block.yaml:1:1: is a list, a manifest is a map of fields
          help: write for example `name: acme/usb-c` and `version: 1.2.3`
        "#);
        insta::assert_snapshot!(complaints("kicad", "dependencies: {base: '1.0'}\n"), @r#"
        kicad-tools-block.yaml:1:22: dependencies.base: `base` has no owner: write `owner/name`, for example `acme/sensor`
          help: write for example `dependencies: [acme/base@1.2.0]`
        "#);
    }

    #[test]
    fn the_version_and_dependencies_are_set_in_place() {
        let text = "# a block\nname: acme/a # mine\n";
        let set = Kicad.set_version(text, "2.0.0").unwrap();
        assert_eq!(set, "# a block\nname: acme/a # mine\nversion: \"2.0.0\"\n");
        assert_eq!(Kicad.set_version(&set, "2.0.0").unwrap(), set);
    }
}
