//! `project.yaml`: the registries that a project trusts, and the packages that it has.
//!
//! The stock client writes the file anew with every change: keys by name, comments lost. So do we,
//! with every text quoted; keys that we do not know stay.

use super::text::scalar;
use super::{Shortname, is_reference, quoted};
use crate::formats::Broken;
use crate::formats::fields::At;
use crate::formats::value::{Node, Source, Value, shown};
use crate::formats::yaml;
use crate::manifest::{Place, Problem};

/// The file's usual name.
pub const FILE: &str = "project.yaml";
/// Registries of one project, at most.
const REGISTRIES: usize = 100;
/// Packages of one project, at most.
const PACKAGES: usize = 1_000;

/// A project.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    root: Vec<(String, Yaml)>,
    /// Addresses and paths of registries, in the order in which they are asked.
    pub registries: Vec<String>,
    /// What is installed, in the file's order.
    pub packages: Vec<Installed>,
    /// What the stock client stumbles over.
    pub warnings: Vec<Problem>,
}

/// A package of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its name.
    pub name: Shortname,
    /// The tag or commit that was asked for.
    pub version: String,
}

/// What the file holds beside registries and packages.
#[derive(Clone, Debug, PartialEq)]
enum Yaml {
    /// Anything but a text, as it is written.
    Plain(String),
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Project {
    /// Reads a project.
    ///
    /// # Errors
    ///
    /// [`Broken`] with the place: what is wrong here cannot be written again.
    pub fn read(bytes: &[u8]) -> Result<Self, Broken> {
        let source = Source::open_named(FILE, bytes)?;
        let node = yaml::read(&source)?;
        let root = At::root(&source, &node, "`project: {name: Orbiter}`")?;
        let mut project = Self {
            root: Vec::new(),
            registries: Vec::new(),
            packages: Vec::new(),
            warnings: Vec::new(),
        };
        for at in list(&source, root.get("registries"), REGISTRIES)? {
            let text = text(&source, &at, "registries: [https://…/registry.yaml]")?;
            project.registries.push(text);
        }
        for at in list(&source, root.get("packages"), PACKAGES)? {
            let package = installed(&source, &at, &mut project.warnings)?;
            if project.packages.iter().any(|other| other.name == package.name) {
                let message = format!("`{}` stands twice", package.name);
                return Err(wrong(&source, &at, message, "keep one of the two"));
            }
            project.packages.push(package);
        }
        let rest = root
            .entries()
            .into_iter()
            .filter(|(key, _)| !matches!(*key, "registries" | "packages"));
        project.root = rest.map(|(key, at)| (key.to_owned(), kept(&source, at.node))).collect();
        Ok(project)
    }

    /// The file's text.
    pub fn write(&self) -> String {
        let mut root = self.root.clone();
        let texts = |all: &[String]| all.iter().cloned().map(Yaml::Text).collect();
        if !self.registries.is_empty() {
            root.push(("registries".to_owned(), Yaml::List(texts(&self.registries))));
        }
        let packages: Vec<Yaml> = self
            .packages
            .iter()
            .map(|package| {
                Yaml::Map(vec![
                    ("name".to_owned(), Yaml::Text(package.name.to_string())),
                    ("version".to_owned(), Yaml::Text(package.version.clone())),
                ])
            })
            .collect();
        if !packages.is_empty() {
            root.push(("packages".to_owned(), Yaml::List(packages)));
        }
        if root.is_empty() {
            // An empty file would be no mapping.
            return "{}\n".to_owned();
        }
        let mut out = String::new();
        write_map(&mut out, &root, 0);
        out
    }

    /// Records a package, or its other version.
    pub fn set(&mut self, name: &Shortname, version: &str) {
        let version = version.to_owned();
        match self.packages.iter_mut().find(|package| package.name == *name) {
            Some(package) => package.version = version,
            None => self.packages.push(Installed { name: name.clone(), version }),
        }
    }

    /// Takes a package out; `false` when it was not in.
    pub fn remove(&mut self, name: &Shortname) -> bool {
        let before = self.packages.len();
        self.packages.retain(|package| package.name != *name);
        self.packages.len() < before
    }
}

fn wrong(source: &Source, at: &At, message: impl Into<String>, help: &str) -> Broken {
    source.broken(at.node.span.start, Some(at.path.clone()), message, help)
}

fn list<'n>(source: &Source, at: Option<At<'n>>, most: usize) -> Result<Vec<At<'n>>, Broken> {
    let Some(at) = at else { return Ok(Vec::new()) };
    let Value::List(items) = &at.node.value else {
        let message = format!("is {}, it should be a list", at.node.kind());
        return Err(wrong(source, &at, message, "write one item a line, each behind `- `"));
    };
    if items.len() > most {
        let message = format!("has {} items, at most {most} are read", items.len());
        return Err(wrong(source, &at, message, "split the project"));
    }
    Ok(at.items())
}

fn text(source: &Source, at: &At, example: &str) -> Result<String, Broken> {
    let found = scalar(source, at.node).map(|(text, _)| text).filter(|text| !text.is_empty());
    found.ok_or_else(|| {
        let message = format!("is {}, it should be a text", at.node.kind());
        wrong(source, at, message, &format!("write for example `{example}`"))
    })
}

fn installed(source: &Source, at: &At, warnings: &mut Vec<Problem>) -> Result<Installed, Broken> {
    let example = "packages: [{name: acme/Sensor, version: v1.2.3}]";
    let field = |key: &str| {
        let missing = || wrong(source, at, format!("has no `{key}`"), example);
        at.get(key).ok_or_else(missing)
    };
    let (name, version) = (field("name")?, field("version")?);
    let parsed: Shortname = text(source, &name, example)?
        .parse()
        .map_err(|e| wrong(source, &name, format!("{e}"), example))?;
    let wanted = text(source, &version, example)?;
    if !is_reference(&wanted) {
        let message = format!("`{}` is no tag, branch or commit", shown(&wanted));
        return Err(wrong(source, &version, message, example));
    }
    if scalar(source, version.node).is_some_and(|(_, is_text)| !is_text) {
        let at: Place = version.node.at;
        let message = format!("`{}` is no text to YAML 1.1", shown(&wanted));
        let help = format!("quote it: `{}`", quoted(&wanted));
        warnings.push(Problem { file: None, field: version.path.clone(), at, message, help });
    }
    Ok(Installed { name: parsed, version: wanted })
}

/// A value as it can be written again. What YAML 1.1 takes for no text stays unquoted, or its meaning
/// would change.
fn kept(source: &Source, node: &Node) -> Yaml {
    match &node.value {
        Value::List(items) => Yaml::List(items.iter().map(|item| kept(source, item)).collect()),
        Value::Map(entries) => {
            Yaml::Map(entries.iter().map(|e| (e.key.clone(), kept(source, &e.node))).collect())
        }
        Value::Null => Yaml::Plain("null".to_owned()),
        _ => match scalar(source, node) {
            Some((text, false)) => Yaml::Plain(text),
            Some((text, true)) => Yaml::Text(text),
            None => Yaml::Plain("null".to_owned()),
        },
    }
}

fn write_map(out: &mut String, entries: &[(String, Yaml)], indent: usize) {
    let mut sorted: Vec<_> = entries.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    for (at, (key, value)) in sorted.into_iter().enumerate() {
        // The first key of a map in a list stands behind the list's `- `.
        if at > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(indent));
        }
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        let plain = key.bytes().all(word)
            && key.starts_with(|c: char| c.is_ascii_alphabetic())
            && key.len() > 3
            && yaml::resolve(key) == Value::Text(key.clone());
        out.push_str(&if plain { key.clone() } else { quoted(key) });
        out.push(':');
        write_value(out, value, indent);
    }
}

/// Writes a value behind `key:` or `-`, to the end of its last line.
fn write_value(out: &mut String, value: &Yaml, indent: usize) {
    match value {
        Yaml::Plain(text) => out.push_str(&format!(" {text}\n")),
        Yaml::Text(text) => out.push_str(&format!(" {}\n", quoted(text))),
        Yaml::List(items) if items.is_empty() => out.push_str(" []\n"),
        Yaml::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
        Yaml::Map(entries) => {
            out.push('\n');
            write_map(out, entries, indent + 2);
        }
        Yaml::List(items) => {
            out.push('\n');
            for item in items {
                out.push_str(&" ".repeat(indent));
                match item {
                    Yaml::Map(entries) if !entries.is_empty() => {
                        out.push_str("- ");
                        write_map(out, entries, indent + 2);
                    }
                    other => {
                        out.push('-');
                        write_value(out, other, indent + 2);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "\
# comments are lost, as with the stock client
project:
  name: Orbiter
  author: Ada
  description: on
  tools: [a, {b: 1.0, no: [x, [y], {}]}, []]
registries:
- https://example.org/registry.yaml
- ../local.yaml
packages:
- name: acme/Sensor
  version: v1.2.3
- {name: acme/Bus, version: 1.0}
";

    #[test]
    fn a_project_is_written_with_all_that_it_held() {
        let mut project = Project::read(PROJECT.as_bytes()).unwrap();
        assert_eq!(project.warnings.len(), 1);
        insta::assert_snapshot!(project.write(), @r#"
        packages:
        - name: "acme/Sensor"
          version: "v1.2.3"
        - name: "acme/Bus"
          version: "1.0"
        project:
          author: "Ada"
          description: on
          name: "Orbiter"
          tools:
          - "a"
          - "b": 1.0
            "no":
            - "x"
            -
              - y
            - {}
          - []
        registries:
        - "https://example.org/registry.yaml"
        - "../local.yaml"
        "#);
        let again = Project::read(project.write().as_bytes()).unwrap();
        assert_eq!((again.write(), again.warnings.len()), (project.write(), 0));
        assert_eq!((&again.registries, &again.packages), (&project.registries, &project.packages));
        assert!(project.remove(&"acme/Bus".parse().unwrap()));
        assert!(!project.remove(&"acme/Bus".parse().unwrap()));
        project.set(&"acme/Sensor".parse().unwrap(), "v2.0.0");
        project.set(&"acme/New".parse().unwrap(), "main");
        let told: Vec<_> =
            project.packages.iter().map(|p| format!("{}@{}", p.name, p.version)).collect();
        assert_eq!(told, ["acme/Sensor@v2.0.0", "acme/New@main"]);
    }

    #[test]
    fn a_broken_project_is_refused_with_its_place() {
        let told: Vec<String> = [
            "",
            "- a",
            "registries: x",
            "registries: [[a]]",
            "packages: {a: b}",
            "packages: [a]",
            "packages:\n- name: acme/Sensor\n",
            "packages:\n- {name: acme, version: v1}\n",
            "packages:\n- {name: acme/Sensor, version: --x}\n",
            "packages:\n- {name: a/b, version: v1}\n- {name: a/b, version: v2}\n",
            "project: {name: !tag x}",
        ]
        .iter()
        .map(|text| Project::read(text.as_bytes()).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(told.join("\n"), @"
        project.yaml:1:1: is empty
        project.yaml:1:1: is a list, a manifest is a map of fields
        project.yaml:1:13: `registries`: is the text `x`, it should be a list
        project.yaml:1:14: `registries[0]`: is a list, it should be a text
        project.yaml:1:11: `packages`: is a map, it should be a list
        project.yaml:1:12: `packages[0]`: has no `name`
        project.yaml:2:3: `packages[0]`: has no `version`
        project.yaml:2:10: `packages[0].name`: `acme` is not `Namespace/Package`, for example `acme/Sensor`
        project.yaml:2:32: `packages[0].version`: `--x` is no tag, branch or commit
        project.yaml:3:3: `packages[1]`: `a/b` stands twice
        project.yaml:1:17: has the tag `!tag`
        ");
    }
}
