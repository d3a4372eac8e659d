//! `registry.yaml`: which packages there are, and in which git repositories.
//!
//! Read are all shapes that people are known to write; each that the stock client cannot use is told
//! with its place. [`super::export`] writes the one shape that it reads in any case.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use super::text::scalar;
use super::{Shortname, quoted};
use crate::escape::excerpt;
use crate::formats::Broken;
use crate::formats::fields::At;
use crate::formats::value::{Source, Value, shown};
use crate::formats::yaml;
use crate::manifest::{Place, Problem};

/// The recommended name of the file, by which problems name it.
pub const FILE: &str = "registry.yaml";

/// Errors and warnings that are kept, each: one page tells enough.
const PROBLEMS: usize = 100;
/// The longest git address that is read, in bytes.
const ADDRESS_BYTES: usize = 2_000;
/// The longest version or branch that is read, in bytes.
const REFERENCE_BYTES: usize = 250;

/// The full name of a commit: 40 hex digits in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commit(String);

impl Commit {
    /// The name of an object that was hashed here.
    pub(super) fn of(id: &[u8; 20]) -> Self {
        Self(super::git::hex(id))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Commit {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        match text.len() == 40 && text.bytes().all(hex) {
            true => Ok(Self(text.to_owned())),
            false => {
                Err(format!("`{}` is no full name of a commit, 40 hex digits", excerpt(text, 60)))
            }
        }
    }
}

impl std::fmt::Display for Commit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A registry as its file says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Its name; empty where missing.
    pub name: String,
    /// Who offers it; empty where missing.
    pub publisher: String,
    /// A sentence; empty where missing.
    pub description: String,
    /// When it last changed: free text.
    pub updated_on: String,
    /// The packages, in the file's order.
    pub packages: Vec<Entry>,
    /// What makes it, or a package of it, unusable.
    pub errors: Vec<Problem>,
    /// What the stock client stumbles over, or what is bound to surprise.
    pub warnings: Vec<Problem>,
}

/// A package of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Shortname,
    /// What `git clone` takes.
    pub git: String,
    /// The tag or commit that is installed where nobody asks for another.
    pub stable: Option<String>,
    /// The branch that holds it.
    pub branch: Option<String>,
    /// Where it stands.
    pub at: Place,
}

/// Reads a registry. What can be read is read; the rest is told in [`Registry::errors`].
///
/// # Errors
///
/// [`Broken`] for what is no YAML, no map, or too large.
pub fn read(bytes: &[u8]) -> Result<Registry, Broken> {
    let source = Source::open_named(FILE, bytes)?;
    let node = yaml::read(&source)?;
    let root = At::root(&source, &node, "`name: Acme` and `namespaces: []`")?;
    let mut reader = Reader { source: &source, registry: Registry::default() };
    let start = Place { line: 1, column: 1 };
    let mut required = |key: &str| match root.get(key) {
        Some(at) => reader.text(&at, false).unwrap_or_default(),
        None => {
            let help = format!("write `{key}: …`; the stock client refuses a registry without it");
            reader.error(key, start, "is missing", help);
            String::new()
        }
    };
    let about = ["name", "publisher", "description", "updated-on"].map(&mut required);
    [
        reader.registry.name,
        reader.registry.publisher,
        reader.registry.description,
        reader.registry.updated_on,
    ] = about;
    match root.get("namespaces") {
        None => {
            let help = "write `namespaces:` and a list, `[]` where there is none";
            reader.error("namespaces", start, "is missing", help);
        }
        Some(at) => reader.namespaces(&at),
    }
    let mut registry = reader.registry;
    twice(&mut registry);
    prefixes(&mut registry);
    registry.errors.sort_by_key(|problem| problem.at);
    registry.warnings.sort_by_key(|problem| problem.at);
    registry.errors.truncate(PROBLEMS);
    registry.warnings.truncate(PROBLEMS);
    Ok(registry)
}

struct Reader<'s, 'a> {
    source: &'s Source<'a>,
    registry: Registry,
}

impl Reader<'_, '_> {
    fn error(
        &mut self,
        field: &str,
        at: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        push(&mut self.registry.errors, field, at, message.into(), help.into());
    }

    fn warn(
        &mut self,
        field: &str,
        at: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        push(&mut self.registry.warnings, field, at, message.into(), help.into());
    }

    /// A scalar's text as written; where it `must` be a text, one that YAML 1.1 takes for something else
    /// is told.
    fn text(&mut self, at: &At, must: bool) -> Option<String> {
        let Some((text, is_text)) = scalar(self.source, at.node) else {
            let message = format!("is {}, it should be a text", at.node.kind());
            self.error(&at.path, at.node.at, message, "write one text, in quotes");
            return None;
        };
        if must && !is_text {
            let message = format!(
                "`{}` is no text to YAML 1.1, and the stock client fails on it",
                shown(&text)
            );
            self.warn(&at.path, at.node.at, message, format!("quote it: `{}`", quoted(&text)));
        }
        Some(text)
    }

    /// A list of maps from namespaces to packages; a map of them is understood, too.
    fn namespaces(&mut self, at: &At) {
        match &at.node.value {
            Value::List(_) => {
                for item in at.items() {
                    match &item.node.value {
                        Value::Map(_) => {
                            for (name, at) in item.entries() {
                                self.namespace(name, &at);
                            }
                        }
                        _ => self.misshapen(&item, "a map of a namespace"),
                    }
                }
            }
            Value::Map(_) => {
                self.odd(at, "is a map, it should be a list of maps");
                for (name, at) in at.entries() {
                    self.namespace(name, &at);
                }
            }
            _ => self.misshapen(at, "a list of namespaces"),
        }
    }

    fn namespace(&mut self, name: &str, at: &At) {
        match &at.node.value {
            Value::Null => {
                let message = format!(
                    "the namespace `{}` has no packages, and the stock client fails on it",
                    shown(name)
                );
                self.warn(&at.path, at.node.at, message, "leave it out until it has one");
            }
            Value::List(items) if items.is_empty() => {}
            Value::List(_) => {
                for item in at.items() {
                    match &item.node.value {
                        Value::Map(_) => {
                            for (package, at) in item.entries() {
                                self.package(name, package, &at);
                            }
                        }
                        _ => self.misshapen(&item, "a map of a package"),
                    }
                }
            }
            Value::Map(_) => {
                self.odd(at, "is a map, it should be a list of maps");
                for (package, at) in at.entries() {
                    self.package(name, package, &at);
                }
            }
            _ => self.misshapen(at, "a list of packages"),
        }
    }

    fn package(&mut self, namespace: &str, package: &str, at: &At) {
        let name: Shortname = match format!("{namespace}/{package}").parse() {
            Ok(name) => name,
            Err(error) => {
                self.error(&at.path, at.node.at, error.to_string(), "give it another name");
                return;
            }
        };
        let Some(mut fields) = self.fields(at) else { return };
        let Some(git) = fields.remove("git").and_then(|at| self.address(&at)) else {
            if !self.registry.errors.iter().any(|p| p.field.starts_with(&at.path)) {
                let help = "write `git: https://…`";
                self.error(&at.path, at.node.at, format!("`{name}` has no `git`"), help);
            }
            return;
        };
        let mut reference = |key: &str, reader: &mut Self| {
            let at = fields.remove(key)?;
            let text = reader.text(&at, key == "stable")?;
            if is_reference(&text) {
                return Some(text);
            }
            let message = format!("`{}` is no tag, branch or commit", shown(&text));
            reader.error(&at.path, at.node.at, message, "write for example `\"v1.2.3\"`");
            None
        };
        let stable = reference("stable", self);
        let branch = reference("branch", self);
        match &stable {
            None if !self.registry.errors.iter().any(|p| p.field.starts_with(&at.path)) => {
                let message =
                    format!("`{name}` has no `stable`: it installs with `--version` only");
                self.warn(&at.path, at.node.at, message, "write a tag, or a commit and its branch");
            }
            Some(stable) if branch.is_none() && is_hex(stable) => {
                let message = format!("`{name}` names a commit and no `branch`");
                let help = "write the branch that holds it: `branch: \"main\"`";
                self.warn(&at.path, at.node.at, message, help);
            }
            _ => {}
        }
        if let Some(stable) = stable.as_deref().filter(|s| is_hex(s) && s.len() < 40) {
            let message = format!("`{}` is a part of a commit's name", shown(stable));
            self.warn(
                &at.path,
                at.node.at,
                message,
                "write all 40 digits: a part may come to name several",
            );
        }
        self.registry.packages.push(Entry { name, git, stable, branch, at: at.node.at });
    }

    /// The fields of a package: a map, or the list of maps with one key each that some write.
    fn fields<'n>(&mut self, at: &At<'n>) -> Option<HashMap<&'n str, At<'n>>> {
        let entries = match &at.node.value {
            Value::Map(_) => at.entries(),
            Value::List(_) => {
                self.odd(at, "is a list, it should be a map");
                at.items().iter().flat_map(At::entries).collect()
            }
            _ => {
                self.misshapen(at, "a map with `git` and `stable`");
                return None;
            }
        };
        // An empty `stable:` is none.
        let said = entries.into_iter().filter(|(_, at)| at.node.value != Value::Null);
        Some(said.collect())
    }

    /// What `git clone` takes; nothing that it would read as an option.
    fn address(&mut self, at: &At) -> Option<String> {
        let text = self.text(at, true)?;
        let clean = !text.is_empty()
            && text.len() <= ADDRESS_BYTES
            && !text.starts_with('-')
            && !text.contains(char::is_whitespace)
            && crate::escape::printable(&text) == text;
        if !clean {
            let message = format!("`{}` is no address of a repository", shown(&text));
            self.error(&at.path, at.node.at, message, "write for example `https://…`");
            return None;
        }
        if text
            .split_once("://")
            .and_then(|(_, rest)| rest.split('/').next()?.split_once('@'))
            .is_some_and(|(user, _)| user.contains(':'))
        {
            let help = "take it out: whoever reads the registry reads it, too";
            self.warn(&at.path, at.node.at, "the address holds a password", help);
        }
        Some(text)
    }

    fn misshapen(&mut self, at: &At, wanted: &str) {
        let message = format!("is {}, it should be {wanted}", at.node.kind());
        self.error(&at.path, at.node.at, message, "see the example in `docs/ecosystems/fppm.md`");
    }

    fn odd(&mut self, at: &At, message: &str) {
        let message = format!("{message}: the stock client cannot install from it");
        self.warn(&at.path, at.node.at, message, "write `- Namespace:` and below it `- Package:`");
    }
}

fn push(list: &mut Vec<Problem>, field: &str, at: Place, message: String, help: String) {
    if list.len() < 2 * PROBLEMS {
        list.push(Problem { file: None, field: field.to_owned(), at, message, help });
    }
}

fn is_hex(text: &str) -> bool {
    (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether git can take a text for nothing but the name of a branch, a tag or a commit.
pub fn is_reference(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b"._/-@+".contains(&b);
    (1..=REFERENCE_BYTES).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(word)
        && !text.contains("..")
        && !text.contains("@{")
}

/// Packages that stand twice: the stock client asks which one is meant.
fn twice(registry: &mut Registry) {
    let mut seen: HashMap<&Shortname, Place> = HashMap::new();
    let mut found = Vec::new();
    for entry in &registry.packages {
        match seen.get(&entry.name) {
            Some(first) => found.push((entry.name.to_string(), entry.at, *first)),
            None => {
                seen.insert(&entry.name, entry.at);
            }
        }
    }
    for (name, at, first) in found {
        let message =
            format!("`{name}` stands here and at line {}, column {}", first.line, first.column);
        push(&mut registry.warnings, &name, at, message, "keep one of the two".to_owned());
    }
}

/// Packages whose folder's name begins with that of another: the stock client takes the one for the
/// other.
fn prefixes(registry: &mut Registry) {
    for (short, long) in prefixed(registry.packages.iter().map(|entry| &entry.name)) {
        let at = registry.packages.iter().find(|entry| entry.name == long).map(|entry| entry.at);
        let message = format!(
            "`{long}` begins with the name of `{short}`: removing or updating the latter with `fppm` hits both"
        );
        let help = "give one of them another name, or use `packhouse fppm`".to_owned();
        let at = at.unwrap_or(Place { line: 1, column: 1 });
        push(&mut registry.warnings, &long.to_string(), at, message, help);
    }
}

/// Pairs of packages of which the folder of the first begins that of the second; at most 100.
pub fn prefixed<'n>(names: impl Iterator<Item = &'n Shortname>) -> Vec<(Shortname, Shortname)> {
    let sorted: BTreeMap<String, &Shortname> = names.map(|name| (name.folder(), name)).collect();
    let mut found = Vec::new();
    // Those that begin with a text follow it directly in this order.
    let mut open: Vec<(&str, &Shortname)> = Vec::new();
    for (folder, name) in &sorted {
        while open.last().is_some_and(|(before, _)| !folder.starts_with(before)) {
            open.pop();
        }
        if let Some((_, before)) = open.last()
            && found.len() < PROBLEMS
        {
            found.push(((*before).clone(), (*name).clone()));
        }
        open.push((folder, name));
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "name: n\npublisher: p\ndescription: d\nupdated-on: 10 JUL 2024\n";

    fn told(text: &str) -> String {
        let registry = match read(text.as_bytes()) {
            Ok(registry) => registry,
            Err(broken) => return format!("broken: {broken}"),
        };
        let line = |sign: &str, p: &Problem| {
            format!(
                "{sign}{FILE}:{}:{}: {}: {}\n  help: {}",
                p.at.line, p.at.column, p.field, p.message, p.help
            )
        };
        let packages = registry
            .packages
            .iter()
            .map(|e| format!("{} {} {:?} {:?}", e.name, e.git, e.stable, e.branch));
        let errors = registry.errors.iter().map(|p| line("error: ", p));
        let warnings = registry.warnings.iter().map(|p| line("warning: ", p));
        packages.chain(errors).chain(warnings).collect::<Vec<_>>().join("\n")
    }

    fn with(namespaces: &str) -> String {
        told(&format!("{HEAD}namespaces:\n{namespaces}"))
    }

    #[test]
    fn every_shape_that_people_write_is_read() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        insta::assert_snapshot!(with(&format!("  - A:
    - One:
        git: https://example.org/one
        stable: v1.0
      Two: {{git: https://example.org/two, stable: '{commit}', branch: main}}
    B:
    - Three: {{git: git@example.org:three.git, stable: \"2.0\"}}
  - A:
    - Four: {{git: /srv/four.git, stable: v4}}
")), @r#"
        A/One https://example.org/one Some("v1.0") None
        A/Two https://example.org/two Some("0123456789abcdef0123456789abcdef01234567") Some("main")
        B/Three git@example.org:three.git Some("2.0") None
        A/Four /srv/four.git Some("v4") None
        "#);
        let json = r#"{"name": "n", "publisher": "p", "description": "d", "updated-on": "x",
            "namespaces": [{"A": [{"One": {"git": "https://example.org/one", "stable": "v1"}}]}]}"#;
        insta::assert_snapshot!(told(json), @r#"A/One https://example.org/one Some("v1") None"#);
    }

    #[test]
    fn what_the_stock_client_stumbles_over_is_a_warning() {
        insta::assert_snapshot!(with("  - A:
    - One: {git: https://example.org/one, stable: 1.0}
    - Two:
      - package: Two
      - git: https://example.org/two
      - stable: 0123456
    - None: {git: https://example.org/none, stable: }
    - Commit: {git: https://example.org/commit, stable: 0123456789abcdef0123456789abcdef01234567}
    - OneMore: {git: 'https://u:p@example.org/x', stable: 1:30}
    - One: {git: https://example.org/one, stable: v1}
  - Empty:
  - Map: {Three: {git: https://example.org/three, stable: v3}}
"), @r#"
        A/One https://example.org/one Some("1.0") None
        A/Two https://example.org/two Some("0123456") None
        A/None https://example.org/none None None
        A/Commit https://example.org/commit Some("0123456789abcdef0123456789abcdef01234567") None
        A/OneMore https://u:p@example.org/x None None
        A/One https://example.org/one Some("v1") None
        Map/Three https://example.org/three Some("v3") None
        error: registry.yaml:14:59: namespaces[0].A[4].OneMore.stable: `1:30` is no tag, branch or commit
          help: write for example `"v1.2.3"`
        warning: registry.yaml:7:51: namespaces[0].A[0].One.stable: `1.0` is no text to YAML 1.1, and the stock client fails on it
          help: quote it: `"1.0"`
        warning: registry.yaml:9:9: namespaces[0].A[1].Two: is a list, it should be a map: the stock client cannot install from it
          help: write `- Namespace:` and below it `- Package:`
        warning: registry.yaml:9:9: namespaces[0].A[1].Two: `A/Two` names a commit and no `branch`
          help: write the branch that holds it: `branch: "main"`
        warning: registry.yaml:9:9: namespaces[0].A[1].Two: `0123456` is a part of a commit's name
          help: write all 40 digits: a part may come to name several
        warning: registry.yaml:11:17: namespaces[0].A[1].Two[2].stable: `0123456` is no text to YAML 1.1, and the stock client fails on it
          help: quote it: `"0123456"`
        warning: registry.yaml:12:13: namespaces[0].A[2].None: `A/None` has no `stable`: it installs with `--version` only
          help: write a tag, or a commit and its branch
        warning: registry.yaml:13:15: namespaces[0].A[3].Commit: `A/Commit` names a commit and no `branch`
          help: write the branch that holds it: `branch: "main"`
        warning: registry.yaml:14:16: A/OneMore: `A/OneMore` begins with the name of `A/One`: removing or updating the latter with `fppm` hits both
          help: give one of them another name, or use `packhouse fppm`
        warning: registry.yaml:14:22: namespaces[0].A[4].OneMore.git: the address holds a password
          help: take it out: whoever reads the registry reads it, too
        warning: registry.yaml:14:59: namespaces[0].A[4].OneMore.stable: `1:30` is no text to YAML 1.1, and the stock client fails on it
          help: quote it: `"1:30"`
        warning: registry.yaml:15:12: A/One: `A/One` stands here and at line 7, column 12
          help: keep one of the two
        warning: registry.yaml:16:10: namespaces[1].Empty: the namespace `Empty` has no packages, and the stock client fails on it
          help: leave it out until it has one
        warning: registry.yaml:17:10: namespaces[2].Map: is a map, it should be a list of maps: the stock client cannot install from it
          help: write `- Namespace:` and below it `- Package:`
        "#);
        insta::assert_snapshot!(told(&format!("{HEAD}namespaces: {{A: [{{B: {{git: x, stable: v1}}}}]}}")), @r#"
        A/B x Some("v1") None
        warning: registry.yaml:5:13: namespaces: is a map, it should be a list of maps: the stock client cannot install from it
          help: write `- Namespace:` and below it `- Package:`
        "#);
    }

    #[test]
    fn what_is_unusable_is_an_error_with_its_place() {
        insta::assert_snapshot!(told("name: n\npublisher:\n"), @"
        error: registry.yaml:1:1: publisher: is missing
          help: write `publisher: …`; the stock client refuses a registry without it
        error: registry.yaml:1:1: description: is missing
          help: write `description: …`; the stock client refuses a registry without it
        error: registry.yaml:1:1: updated-on: is missing
          help: write `updated-on: …`; the stock client refuses a registry without it
        error: registry.yaml:1:1: namespaces: is missing
          help: write `namespaces:` and a list, `[]` where there is none
        ");
        insta::assert_snapshot!(with("  - A:
    - One: {stable: v1}
    - Two: {git: '--upload-pack=touch', stable: v1}
    - Three: {git: https://example.org/x, stable: '--x'}
    - Four: [a]
    - ../Five: {git: https://example.org/x, stable: v1}
    - text
    - Six: text
  - text
  - B: text
  - C: [{D: {git: [a]}}]
"), @r#"
        A/Three https://example.org/x None None
        error: registry.yaml:7:12: namespaces[0].A[0].One: `A/One` has no `git`
          help: write `git: https://…`
        error: registry.yaml:8:18: namespaces[0].A[1].Two.git: `--upload-pack=touch` is no address of a repository
          help: write for example `https://…`
        error: registry.yaml:9:51: namespaces[0].A[2].Three.stable: `--x` is no tag, branch or commit
          help: write for example `"v1.2.3"`
        error: registry.yaml:10:13: namespaces[0].A[3].Four: `A/Four` has no `git`
          help: write `git: https://…`
        error: registry.yaml:11:16: namespaces[0].A[4]."../Five": `A/../Five` is not `Namespace/Package`, for example `acme/Sensor`
          help: give it another name
        error: registry.yaml:12:7: namespaces[0].A[5]: is the text `text`, it should be a map of a package
          help: see the example in `docs/ecosystems/fppm.md`
        error: registry.yaml:13:12: namespaces[0].A[6].Six: is the text `text`, it should be a map with `git` and `stable`
          help: see the example in `docs/ecosystems/fppm.md`
        error: registry.yaml:14:5: namespaces[1]: is the text `text`, it should be a map of a namespace
          help: see the example in `docs/ecosystems/fppm.md`
        error: registry.yaml:15:8: namespaces[2].B: is the text `text`, it should be a list of packages
          help: see the example in `docs/ecosystems/fppm.md`
        error: registry.yaml:16:19: namespaces[3].C[0].D.git: is a list, it should be a text
          help: write one text, in quotes
        warning: registry.yaml:10:13: namespaces[0].A[3].Four: is a list, it should be a map: the stock client cannot install from it
          help: write `- Namespace:` and below it `- Package:`
        "#);
        for (text, broken) in [
            ("", "registry.yaml:1:1: is empty"),
            (
                "<html>404</html>",
                "registry.yaml:1:1: is the text `<html>404</html>`, a manifest is a map of fields",
            ),
            ("- a", "registry.yaml:1:1: is a list, a manifest is a map of fields"),
            (
                "a: [",
                "registry.yaml:1:5: is not YAML: while parsing a node, did not find expected node content",
            ),
            ("a: 1\na: 2", "registry.yaml:2:1: `a`: the key stands here and at line 1, column 1"),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), broken, "{text}");
        }
        assert!(read(&vec![b' '; 300 << 10]).is_err());
    }

    #[test]
    fn a_name_that_begins_with_another_is_found() {
        let names: Vec<Shortname> = ["a/Pkg", "a/PkgFile", "a/Pk", "b/Pkg", "a/Q", "a/Pkg-2"]
            .iter()
            .map(|name| name.parse().unwrap())
            .collect();
        let found: Vec<_> =
            prefixed(names.iter()).iter().map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(found, ["a/Pk a/Pkg", "a/Pkg a/Pkg-2", "a/Pkg a/PkgFile"]);
    }

    proptest! {
        #[test]
        fn no_registry_makes_the_reader_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "name: n\n", "publisher: p\n", "description: d\n", "updated-on: 2024-07-10\n", "namespaces:\n", "  - A:\n",
                "    - B:\n", "        git: x\n", "        stable: 1.0\n", "  ", "- ", ": ", "\n", "{", "}", "[", "]", "&a ", "*a",
            ]), 0..30)
        ) {
            let _ = read(parts.concat().as_bytes());
        }
    }
}
