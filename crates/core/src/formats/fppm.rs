//! `fppm`: packages of F Prime. The manifest is `package.yaml`, of which the stock client reads
//! `config_objects` alone; so everything else is read as tolerantly as it is written. The version is
//! the tag's: `package_info.version` stays what the template made it.

use super::fields::{At, Reader, author, load};
use super::value::{Source, Value, shown};
use super::{Broken, Format, Found, Installed, yaml};
use crate::fppm::Shortname;
use crate::manifest::{
    Dependency, Export, External, Field, Manifest, Name, NativeName, Place, Target,
};
use crate::requirement::{Grammar, Requirement};
use crate::tree::{Tree, TreePath};
use crate::version::{Order, Version};

/// `package.yaml`.
pub(super) struct Fppm;

const FILE: &str = "package.yaml";
const ROOT_KEYS: [&str; 4] = ["package_info", "fprime_info", "dependencies", "config_objects"];
const INFO_KEYS: [&str; 8] =
    ["id", "name", "description", "author", "repo", "version", "license", "keywords"];
const FPRIME_KEYS: [&str; 2] = ["built-with", "compatible-with"];

impl Format for Fppm {
    fn id(&self) -> &'static str {
        "fppm"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn order(&self) -> Order {
        Order::SemVer
    }
    fn fields(&self) -> [&'static str; 5] {
        [
            "package_info.id",
            "package_info.version",
            "package_info.repo",
            "package_info.license",
            "package_info.description",
        ]
    }
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[("config-object", "a file of an F Prime package that `fppm config` fills in")]
    }
    /// The stock client's. Prereleases stand in a namespace of their own.
    fn install(&self, package: &Installed<'_>) -> String {
        if package.yanked {
            return package.fetch();
        }
        let version = Version::parse(self.order(), package.version);
        let devel = if version.is_ok_and(|version| version.is_prerelease()) { "Devel" } else { "" };
        let (owner, name) = (package.identifier.owner(), package.identifier.name());
        format!("fppm install --package {owner}{devel}/{name}")
    }
    fn read(&self, tree: &Tree) -> Found {
        load(FILE, tree, manifest)
    }
    /// Nothing reads `package_info.version`, so there is no place that counts.
    fn set_version(&self, _text: &str, _version: &str) -> Option<String> {
        None
    }
}

/// Other communities have a `package.yaml`, too: without a key of F Prime's it is none of ours.
fn manifest(source: &Source) -> Result<Option<Manifest>, Broken> {
    let node = yaml::read(source)?;
    if node.get("package_info").is_none() && node.get("fprime_info").is_none() {
        return Ok(None);
    }
    let root = At::root(source, &node, "`package_info: {id: acme/Sensor}`")?;
    let mut r = Reader::new("fppm", Order::SemVer, source);
    r.known_keys(&root, &ROOT_KEYS);
    r.manifest.version_from_tag = true;
    if let Some(info) = r.map(root.get("package_info"), "package_info: {id: acme/Sensor}") {
        read_info(&mut r, &info);
    }
    if let Some(info) = r.map(root.get("fprime_info"), "fprime_info: {built-with: \"3.4.4\"}") {
        read_fprime(&mut r, &info);
    }
    read_dependencies(&mut r, &root);
    for at in r.list(root.get("config_objects"), "config_objects: [config/Sensor.fpp]") {
        let example = "config_objects: [config/Sensor.fpp]";
        if let Some(path) = r.path(Some(at), example) {
            r.manifest.exports.push(config_object(path.value));
        }
    }
    Ok(Some(r.finish(&node)))
}

fn read_info(r: &mut Reader, info: &At) {
    r.known_keys(info, &INFO_KEYS);
    let name = r.parsed(info.get("id"), "id: acme/Sensor", |text| {
        let name: Shortname = text.parse().map_err(|e| format!("{e}"))?;
        match name.is_portable() {
            true => Ok(name),
            false => Err(format!(
                "`{name}` has a dot: packages lie in folders `<namespace>.<Package>`, which another dot would blur"
            )),
        }
    });
    r.manifest.name = name.map(|field| Field {
        value: Name::Native(NativeName {
            ecosystem: "fppm".to_owned(),
            name: field.value.to_string(),
        }),
        at: field.at,
    });
    r.text(info.get("name"), "name: Sensor");
    let summary = "description: Reads a temperature sensor";
    r.manifest.summary = told(r, info.get("description"), summary);
    r.manifest.repository =
        told(r, info.get("repo"), "repo: https://github.com/acme/fprime-sensor");
    r.manifest.license = told(r, info.get("license"), "license: Apache-2.0");
    if let Some(field) = told(r, info.get("author"), "author: Ada <ada@acme.example>") {
        r.manifest.authors = vec![author(&field.value)];
    }
    r.manifest.keywords = r.texts(info.get("keywords"), "keywords: [sensor, i2c]");
}

/// A text that somebody filled in; the template's `<< … >>` counts as missing.
fn told(r: &mut Reader, at: Option<At>, example: &str) -> Option<Field<String>> {
    r.text(at, example).filter(|field| !is_placeholder(&field.value))
}

fn is_placeholder(text: &str) -> bool {
    text.starts_with("<<") && text.ends_with(">>")
}

/// The versions of F Prime that it was built with or is said to fit, as one requirement.
fn read_fprime(r: &mut Reader, info: &At) {
    r.known_keys(info, &FPRIME_KEYS);
    let mut versions: Vec<String> = Vec::new();
    let listed = match info.get("compatible-with") {
        Some(at) if matches!(at.node.value, Value::List(_)) => at.items(),
        other => other.into_iter().collect(),
    };
    for at in listed.into_iter().chain(info.get("built-with")) {
        let text = match &at.node.value {
            Value::Number(raw) => raw.clone(),
            _ => match r.text(Some(at.clone()), "built-with: \"3.4.4\"") {
                Some(field) => field.value,
                None => continue,
            },
        };
        if is_placeholder(&text) {
            continue;
        }
        let version = text.strip_prefix('v').unwrap_or(&text).to_owned();
        if let Err(error) = Requirement::parse(Grammar::Npm, &version) {
            let help = "write a version of F Prime, for example `\"3.4.4\"`";
            r.problem(&at, error, help);
        } else if !versions.contains(&version) {
            versions.push(version);
        }
    }
    if let Ok(requirement) = Requirement::parse(Grammar::Npm, &versions.join(" || "))
        && !versions.is_empty()
    {
        let requirement = Some(requirement);
        r.manifest.requires.push(External { name: "fprime".to_owned(), requirement });
    }
}

/// `NS/Package` or `NS/Package@requirement`, in a list. The stock client reads none of it, and nothing
/// says what it may be: another shape is left alone.
fn read_dependencies(r: &mut Reader, root: &At) {
    let Some(at) = root.get("dependencies") else { return };
    let Value::List(_) = &at.node.value else {
        let help = "write a list: `dependencies: [acme/Sensor, \"acme/Bus@^1.2\"]`";
        note(r, &at, format!("is {}, which nothing reads", at.node.kind()), help);
        return;
    };
    for at in at.items() {
        let place = Some(at.node.at);
        if let Some(found) = r.parsed(Some(at), "acme/Bus@^1.2", dependency) {
            let (target, requirement) = found.value;
            let one = Dependency { target, requirement, condition: None, at: place };
            r.manifest.dependencies.push(one);
        }
    }
}

/// Says something that is no reason to refuse.
fn note(r: &mut Reader, at: &At, message: String, help: &str) {
    let (field, place): (String, Place) = (at.path.clone(), at.node.at);
    r.manifest.unknown_keys.push(crate::manifest::Problem {
        file: None,
        field,
        at: place,
        message,
        help: help.to_owned(),
    });
}

fn dependency(text: &str) -> Result<(Target, Option<Requirement>), String> {
    let (name, wanted) = match text.split_once('@') {
        Some((name, wanted)) => (name, Some(wanted)),
        None => (text, None),
    };
    let name: Shortname = name.trim().parse().map_err(|e| format!("{e}"))?;
    let parse = |text: &str| Requirement::parse(Grammar::Cargo, text).map_err(|e| e.to_string());
    let native = NativeName { ecosystem: "fppm".to_owned(), name: name.to_string() };
    Ok((Target::Native(native), wanted.map(|text| parse(text.trim())).transpose()?))
}

/// A file that `fppm config` fills in for a project.
fn config_object(path: TreePath) -> Export {
    Export {
        kind: "config-object".to_owned(),
        name: shown(path.file_name()),
        path: Some(path.into()),
        summary: None,
        details: serde_json::Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const PACKAGE: &str = "\
package_info:
  id: mosallaei/fprime-TlmChan
  name: TlmChan
  description: A telemetry channel
  author: Ada <ada@acme.example>
  repo: https://github.com/acme/fprime-TlmChan
  version: 0.0.1
  license: Apache-2.0

fprime_info:
  built-with: 3.4.4
  compatible-with:
    - 3.4.3
    - v3.5

dependencies: [acme/Bus, 'acme/Queue@^1.2']
config_objects:
  - config/{{cookiecutter.name}}Cfg.fpp
";

    #[test]
    fn a_package_is_read_and_its_version_is_the_tags() {
        insta::assert_snapshot!(facts("fppm", PACKAGE), @r#"
        fppm:mosallaei/fprime-TlmChan@(tag)
        repository https://github.com/acme/fprime-TlmChan (6:9)
        license Apache-2.0 (8:12)
        summary A telemetry channel (4:16)
        readme README.md
        author Ada <ada@acme.example>
        needs {"type":"native","ecosystem":"fppm","name":"acme/Bus"} any
        needs {"type":"native","ecosystem":"fppm","name":"acme/Queue"} ^1.2
        offers {"kind":"config-object","name":"{{cookiecutter.name}}Cfg.fpp","path":"config/{{cookiecutter.name}}Cfg.fpp"}
        requires fprime 3.4.3 || 3.5 || 3.4.4
        "#);
        assert_eq!(complaints("fppm", PACKAGE), "");
    }

    #[test]
    fn an_untouched_template_lacks_a_lot_and_is_no_mistake() {
        let text = "\
package_info:
  id: acme/Sensor
  name: Sensor
  description: x
  author: Ada
  repo: # fill this in with a link to the git repo
  version: 0.0.1

fprime_info:
  built-with: << GET F PRIME VERSION >>
  compatible-with:
    - << GET F PRIME VERSION >> 

dependencies:
  # some dependencies, if had
";
        assert_eq!(complaints("fppm", text), "");
        let read = package("fppm", text);
        assert!(read.repository.is_none() && read.requires.is_empty());
        assert!(read.dependencies.is_empty() && read.version_from_tag);
    }

    #[test]
    fn a_package_yaml_of_somebody_else_is_no_package() {
        for text in ["name: my-tool\nlibrary: {}\n", "", "- a\n", "packages: [a]\n"] {
            assert_eq!(read("fppm", text), Found::Missing, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let text = "\
package_info: {id: acme, descripton: x, author: [Ada], keywords: i2c}
fprime_info: {built-with: three, compatible-with: 3.4}
dependencies: [Bus, 'acme/Queue@new', {a: b}]
config_objects: [../x, 7]
";
        insta::assert_snapshot!(complaints("fppm", text), @r#"
        package.yaml:1:20: package_info.id: `acme` is not `Namespace/Package`, for example `acme/Sensor`
          help: write for example `id: acme/Sensor`
        package.yaml:1:49: package_info.author: is a list, it should be a text
          help: write for example `author: Ada <ada@acme.example>`
        package.yaml:1:66: package_info.keywords: is the text `i2c`, it should be a list
          help: write for example `keywords: [sensor, i2c]`
        package.yaml:2:27: fprime_info.built-with: `three` is not a requirement: `three` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
          help: write a version of F Prime, for example `"3.4.4"`
        package.yaml:3:16: dependencies[0]: `Bus` is not `Namespace/Package`, for example `acme/Sensor`
          help: write for example `acme/Bus@^1.2`
        package.yaml:3:21: dependencies[1]: `new` is not a requirement: unexpected character 'n' while parsing major version number; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
          help: write for example `acme/Bus@^1.2`
        package.yaml:3:39: dependencies[2]: is a map, it should be a text
          help: write for example `acme/Bus@^1.2`
        package.yaml:4:18: config_objects[0]: `../x` has a part `.` or `..`: paths stay inside the package's folder
          help: write for example `config_objects: [config/Sensor.fpp]`
        package.yaml:4:24: config_objects[1]: is the number `7`, it should be a text
          help: quote it: `"7"`
        hint: package.yaml:1:26: package_info.descripton: the key `descripton` is not known here
          help: did you mean `description`?
        "#);
        let dotted = "package_info: {id: acme/my.Sensor}\n";
        insta::assert_snapshot!(complaints("fppm", dotted), @"
        package.yaml:1:20: package_info.id: `acme/my.Sensor` has a dot: packages lie in folders `<namespace>.<Package>`, which another dot would blur
          help: write for example `id: acme/Sensor`
        ");
        let shape = "package_info: {id: acme/Sensor}\ndependencies: {a: b}\n";
        insta::assert_snapshot!(complaints("fppm", shape), @r#"
        hint: package.yaml:2:15: dependencies: is a map, which nothing reads
          help: write a list: `dependencies: [acme/Sensor, "acme/Bus@^1.2"]`
        "#);
        insta::assert_snapshot!(complaints("fppm", "package_info: [a]\na: ["), @"
        broken: package.yaml:2:5: is not YAML: while parsing a node, did not find expected node content
          help: check the indentation and the quotes of this line and the one above
        ");
    }
}
