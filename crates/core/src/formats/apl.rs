//! `apl`: packages of APL. The manifest is `apl-project.json`, which people write as JSON5.

use super::edit::{self, parse, splice, split_mark};
use super::fields::{At, Reader, load};
use super::install::word;
use super::value::{Entry, Node, Source, Value};
use super::{Broken, Edit, EditError, Format, Found, Installed, json5};
use crate::apl::{FILE, Need, NeedError, ProjectId};
use crate::audit::target_text;
use crate::manifest::{Dependency, Export, Field, Manifest, Name, Target};
use crate::tree::{Tree, TreePath};
use crate::version::Order;

/// `apl-project.json`.
pub(super) struct Apl;

const KEYS: [&str; 19] = [
    "group",
    "name",
    "version",
    "source",
    "caseCode",
    "packageFiles",
    "files",
    "api",
    "dependencies",
    "devDependencies",
    "description",
    "license",
    "author",
    "authors",
    "repository",
    "homepage",
    "keywords",
    "tags",
    "readme",
];
const NEED_KEYS: [&str; 5] = ["group", "name", "version", "alias", "inject"];
const EXAMPLE: &str = "`{\"group\": \"Dyalog\", \"name\": \"Conga\", \"version\": \"1.2.3\"}`";
const NEED: &str = "\"Dyalog-Conga-v3.1.3\"";
/// What a dependency of developers says instead of an extra or a marker.
const DEV: &str = "dev";

impl Format for Apl {
    fn id(&self) -> &'static str {
        "apl"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn order(&self) -> Order {
        Order::Apl
    }
    fn fields(&self) -> [&'static str; 5] {
        ["group and name", "version", "repository", "license", "description"]
    }
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[("namespace", "the namespace that an APL package makes")]
    }
    fn install(&self, package: &Installed<'_>) -> String {
        let Some(name) = package.shown() else { return package.fetch() };
        let id = word(&format!("{name}-v{}", package.version));
        format!("packhouse apl get {id} --uri {}/apl", package.registry)
    }
    fn read(&self, tree: &Tree) -> Found {
        load(FILE, tree, |source| manifest(source).map(Some))
    }
    fn packs(&self, manifest: &Manifest, path: &TreePath) -> bool {
        packs(manifest, path)
    }
    fn set_version(&self, text: &str, version: &str) -> Option<String> {
        set_version(text, version)
    }
    fn edit_dependencies(&self, text: &str, edit: &Edit) -> Result<String, EditError> {
        edit_dependencies(text, edit)
    }
}

fn manifest(source: &Source) -> Result<Manifest, Broken> {
    let node = json5::read(source)?;
    let root = At::root(source, &node, EXAMPLE)?;
    let mut r = Reader::new("apl", Order::Apl, source);
    r.known_keys(&root, &KEYS);
    read_name(&mut r, &root);
    r.manifest.version = r.version(root.get("version"), "\"version\": \"1.2.3\"");
    if root.get("version").is_none() {
        let help = "write for example `\"version\": \"0.1.0\"`";
        r.problem_at("version".to_owned(), node.at, "is missing", help);
    }
    read_about(&mut r, &root);
    read_files(&mut r, &root);
    for (key, condition) in [("dependencies", None), ("devDependencies", Some(DEV))] {
        read_dependencies(&mut r, root.get(key), condition);
    }
    Ok(r.finish(&node))
}

fn read_name(r: &mut Reader, root: &At) {
    let mut part = |key: &str, example: &str| {
        let field = r.text(root.get(key), example);
        if field.is_none() && root.get(key).is_none_or(|at| at.text().is_some()) {
            let help = format!("write for example `{example}`");
            r.problem_at(key.to_owned(), root.node.at, "is missing", help);
        }
        field
    };
    let (group, name) =
        (part("group", "\"group\": \"Dyalog\""), part("name", "\"name\": \"Conga\""));
    let (Some(group), Some(name)) = (group, name) else { return };
    match ProjectId::new(&group.value, &name.value) {
        Ok(project) => {
            r.manifest.name = Some(Field { value: Name::Native(project.native()), at: name.at });
        }
        Err(error) => {
            let good = ProjectId::new(&group.value, "x").is_ok();
            let (key, at) = if good { ("name", name.at) } else { ("group", group.at) };
            r.problem_at(key.to_owned(), at, error, format!("write for example {EXAMPLE}"));
        }
    }
}

fn read_about(r: &mut Reader, root: &At) {
    r.manifest.summary = r.text(root.get("description"), "\"description\": \"Talks TCP\"");
    r.manifest.license = r.text(root.get("license"), "\"license\": \"MIT\"");
    let example = "\"repository\": \"https://github.com/acme/conga\"";
    r.manifest.repository = r.text(root.get("repository"), example);
    r.manifest.homepage = r.text(root.get("homepage"), "\"homepage\": \"https://acme.example\"");
    if let Some(field) = r.text(root.get("author"), "\"author\": \"Ada <ada@acme.example>\"") {
        r.manifest.authors.push(super::fields::author(&field.value));
    }
    let more = r.authors(root.get("authors"), "\"authors\": [\"Ada <ada@acme.example>\"]");
    r.manifest.authors.extend(more);
    let words = root.get("keywords").or_else(|| root.get("tags"));
    // Tatin writes its tags as one text.
    r.manifest.keywords = match words.as_ref().and_then(At::text) {
        Some(text) => {
            text.split(',').map(|w| w.trim().to_owned()).filter(|w| !w.is_empty()).collect()
        }
        None => r.texts(words, "\"keywords\": [\"tcp\"]"),
    };
    if let Some(path) = r.path(root.get("readme"), "\"readme\": \"README.md\"") {
        r.manifest.readme = path.value.into();
    }
}

/// The namespace that the package is, and where its code lies.
fn read_files(r: &mut Reader, root: &At) {
    let source = r.text(root.get("source"), "\"source\": \"src\"").map(|field| field.value);
    let api = r.text(root.get("api"), "\"api\": \"Conga\"").map(|field| field.value);
    let files = root.get("packageFiles").or_else(|| root.get("files"));
    if files.as_ref().and_then(At::text) != Some("") {
        r.texts(files, "\"packageFiles\": [\"src\"]");
    }
    if let Some(at) = root.get("caseCode")
        && !matches!(at.text(), Some("on" | "off"))
    {
        r.problem(&at, "is neither `on` nor `off`", "write for example `\"caseCode\": \"off\"`");
    }
    let Some(Name::Native(native)) = r.manifest.name.as_ref().map(|field| &field.value) else {
        return;
    };
    let own = native.name.split_once('-').map_or(&*native.name, |(_, name)| name).to_owned();
    r.manifest.exports.push(Export {
        kind: "namespace".to_owned(),
        name: api.unwrap_or(own),
        path: source,
        summary: None,
        details: serde_json::Map::new(),
    });
}

/// Where the config lists files: those, the code, and what every package has (config, README, licence).
fn packs(manifest: &Manifest, path: &TreePath) -> bool {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let field = |key: &str| manifest.original.get(key);
    let listed = field("packageFiles").or_else(|| field("files")).and_then(|list| list.as_array());
    let mut named: Vec<String> = listed.into_iter().flatten().filter_map(text).collect();
    named.retain(|path| !path.trim().is_empty());
    if named.is_empty() {
        return true;
    }
    named.extend(field("source").and_then(text));
    named.extend([FILE.to_owned(), manifest.readme.clone()]);
    let inside = |name: &String| {
        let plain = name.trim().trim_start_matches("./").trim_end_matches('/');
        let rest = path.as_str().strip_prefix(plain);
        matches!(plain, "" | ".") || rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
    };
    let stem = path.as_str().split('.').next().unwrap_or_default().to_ascii_uppercase();
    named.iter().any(inside) || matches!(&*stem, "LICENSE" | "LICENCE" | "COPYING")
}

fn read_dependencies(r: &mut Reader, at: Option<At>, condition: Option<&str>) {
    let at = at.filter(|at| at.text() != Some(""));
    for at in r.list(at, "\"dependencies\": [\"Dyalog-Conga-v3.1.3\"]") {
        let found = match &at.node.value {
            Value::Text(text) if text.trim().is_empty() => continue,
            Value::Text(text) if text.starts_with("file:") => {
                Some((Target::File { path: text.clone(), identifier: None }, None))
            }
            Value::Map(_) => {
                r.known_keys(&at, &NEED_KEYS);
                let read = need_of(at.node).map_err(|e| e.to_string());
                read.map_err(|e| r.problem(&at, e, format!("write for example `{NEED}`")))
                    .ok()
                    .map(|need| (Target::Native(need.project.native()), Some(need.requirement)))
            }
            _ => r.parsed(Some(at.clone()), NEED, Need::parse).map(|need| {
                (Target::Native(need.value.project.native()), Some(need.value.requirement))
            }),
        };
        if let Some((target, requirement)) = found {
            let condition = condition.map(str::to_owned);
            let at = Some(at.node.at);
            r.manifest.dependencies.push(Dependency { target, requirement, condition, at });
        }
    }
}

/// A dependency as an object, or as a text.
fn need_of(node: &Node) -> Result<Need, NeedError> {
    let text = |key: &str| match node.get(key).map(|node| &node.value) {
        Some(Value::Text(text)) => text.trim(),
        _ => "",
    };
    match &node.value {
        Value::Text(text) => Need::parse(text.trim()),
        _ => {
            let alias = Some(text("alias"));
            let mut need = Need::new(text("group"), text("name"), text("version"), alias)?;
            need.inject = Some(text("inject").to_owned()).filter(|inject| !inject.is_empty());
            Ok(need)
        }
    }
}

fn set_version(text: &str, version: &str) -> Option<String> {
    let (mark, body) = split_mark(text);
    let root = parse(body, json5::read)?;
    if !edit::is_plain_ascii(version) {
        return None;
    }
    let new = match root.entry("version") {
        Some(entry) => {
            let span = entry.node.span.clone();
            let quote = if body.get(span.clone())?.starts_with('\'') { '\'' } else { '"' };
            splice(body, span, &format!("{quote}{version}{quote}"))
        }
        None => {
            let named = root.entry("name").or_else(|| root.entry("group"));
            insert(body, &root, named, &format!("\"version\": \"{version}\""))?
        }
    };
    edit::verified(mark, body, new, &["version"], version, json5::read)
}

/// `text` with a field behind `anchor`, or behind the last one, on a line of its own where that has one.
fn insert(text: &str, map: &Node, anchor: Option<&Entry>, field: &str) -> Option<String> {
    let Value::Map(entries) = &map.value else { return None };
    let Some(anchor) = anchor.or(entries.last()) else {
        let open = map.span.start + 1;
        return Some(splice(text, open..open, field));
    };
    let gap = line_gap(text, anchor.key_span.start);
    let end = anchor.node.span.end;
    Some(splice(text, end..end, &format!(",{gap}{field}")))
}

/// What stands between two things of which one starts at `at`: a line's end and its indent, or a blank.
fn line_gap(text: &str, at: usize) -> String {
    let start = text[..at].rfind('\n').map_or(0, |i| i + 1);
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    match &text[start..at] {
        indent if start > 0 && indent.bytes().all(|b| matches!(b, b' ' | b'\t')) => {
            format!("{newline}{indent}")
        }
        _ => " ".to_owned(),
    }
}

fn edit_dependencies(text: &str, edit: &Edit) -> Result<String, EditError> {
    const KEY: &str = "dependencies";
    let (mark, body) = split_mark(text);
    let root = parse(body, json5::read).ok_or(EditError::ByHand)?;
    let (target, need) = match edit {
        Edit::Add(dependency) => (&dependency.target, Some(need(dependency)?)),
        Edit::Remove(target) => (*target, None),
    };
    let project = project(target).ok_or_else(|| EditError::NotThere(target_text(target)))?;
    let empty = |node: &&Node| match &node.value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        _ => false,
    };
    let there = root.get(KEY);
    let items: &[Node] = match there.filter(|node| !empty(node)).map(|node| &node.value) {
        Some(Value::List(items)) => items,
        None => &[],
        Some(_) => return Err(EditError::ByHand),
    };
    let is_it = |node: &Node| need_of(node).is_ok_and(|need| need.project == project);
    let at = items.iter().position(is_it);
    let mut expected: Vec<_> = items.iter().map(Node::to_json).collect();
    let new = match (need, at) {
        (None, None) => return Err(EditError::NotThere(target_text(target))),
        (None, Some(at)) => {
            expected.remove(at);
            removed(body, items, at)
        }
        (Some(mut need), Some(at)) => {
            let old = need_of(&items[at]).map_err(|_| EditError::ByHand)?;
            (need.alias, need.inject) = (old.alias, old.inject);
            expected[at] = need.to_json();
            splice(body, items[at].span.clone(), &written(&need))
        }
        (Some(need), None) => {
            expected.push(need.to_json());
            let item = written(&need);
            match (items.last(), there) {
                (Some(last), _) => {
                    let gap = line_gap(body, last.span.start);
                    splice(body, last.span.end..last.span.end, &format!(",{gap}{item}"))
                }
                (None, Some(node)) if empty(&node) => {
                    splice(body, node.span.clone(), &format!("[{item}]"))
                }
                (None, Some(node)) => {
                    let open = node.span.start + 1;
                    splice(body, open..open, &item)
                }
                (None, None) => insert(body, &root, None, &format!("\"{KEY}\": [{item}]"))
                    .ok_or(EditError::ByHand)?,
            }
        }
    };
    let mut before = root.to_json();
    before.as_object_mut().ok_or(EditError::ByHand)?.insert(KEY.to_owned(), expected.into());
    let after = parse(&new, json5::read).ok_or(EditError::ByHand)?.to_json();
    if before == after { Ok(format!("{mark}{new}")) } else { Err(EditError::ByHand) }
}

fn removed(text: &str, items: &[Node], at: usize) -> String {
    let item = &items[at].span;
    let (from, to) = match (items.get(at + 1), at.checked_sub(1).and_then(|i| items.get(i))) {
        (Some(next), _) => (item.start, next.span.start),
        (None, Some(before)) => (before.span.end, item.end),
        (None, None) => {
            let rest = &text[item.end..];
            let blanks = rest.len() - rest.trim_start().len();
            let comma = if rest[blanks..].starts_with(',') { blanks + 1 } else { 0 };
            (item.start, item.end + comma)
        }
    };
    splice(text, from..to, "")
}

/// An object on one line.
fn written(need: &Need) -> String {
    let json = need.to_json();
    let pairs = json.as_object().into_iter().flatten();
    let pairs: Vec<String> = pairs
        .map(|(key, value)| format!("{}: {value}", serde_json::Value::from(key.as_str())))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// The package that a target names: by its own name, or by an identifier `<owner>/<group-name>`.
fn project(target: &Target) -> Option<ProjectId> {
    match target {
        Target::Native(native) if native.ecosystem == crate::apl::ECOSYSTEM => {
            native.name.parse().ok()
        }
        Target::Registry { identifier } => identifier.rest().parse().ok(),
        _ => None,
    }
}

fn need(dependency: &Dependency) -> Result<Need, EditError> {
    let project = project(&dependency.target).ok_or(EditError::Unsupported)?;
    let requirement = dependency.requirement.as_ref().ok_or(EditError::ByHand)?;
    let version = requirement.text().trim_start_matches(['=', ' ']);
    Need::new(project.group(), project.name(), version, None).map_err(|_| EditError::ByHand)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::identifier::Identifier;

    const RUMBA: &str = r#"// the config of a dance
{
  group: 'Carlisle',
  "name": "Rumba",
  "version": "2.1.0", // soon 3
  "description": "Dances",
  "license": "MIT",
  "author": "Ada <ada@acme.example>",
  "repository": "https://github.com/acme/rumba",
  "tags": "dance, music",
  "source": "src",
  "files": ["src", "README.md"],
  "dependencies": [
    "Dyalog-Conga-v3.1.3@C",
    {group: "Dyalog", name: "Util", version: "^1.0.0-rc.1", alias: "U",},
  ],
  "devDependencies": ["Test-Runner-0.2.0"],
  "engines": {"dyalog": 17},
}
"#;

    #[test]
    fn a_config_is_read() {
        insta::assert_snapshot!(facts("apl", RUMBA));
        insta::assert_snapshot!(complaints("apl", RUMBA));
        assert_eq!(package("apl", RUMBA).original["engines"]["dyalog"], 17);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        insta::assert_snapshot!(complaints(
            "apl",
            r#"{
  "group": "9lives", "name": "cat-dog", "version": "1.0",
  "caseCode": true, "source": 7, "packageFiles": "src", "descripton": "x",
  "dependencies": ["Conga", "Dyalog-Conga-v3.1", {"group": "a", "name": "b"}, 5, "file:///x.zip", ""],
  "devDependencies": {}
}"#
        ));
        insta::assert_snapshot!(complaints("apl", "{\"name\": \"x\"}"));
        insta::assert_snapshot!(complaints("apl", "{\"group\": \"a\", name: \"b\", version: 1.0}"));
    }

    #[test]
    fn a_config_that_lists_files_packs_those_and_what_every_package_has() {
        let packed = |config: &str| {
            let manifest = package("apl", config);
            let files = [
                FILE,
                "src/a.apl",
                "srcs/b.apl",
                "lib/c.apl",
                "README.md",
                "LICENSE.txt",
                "notes.md",
            ];
            let packs = |file: &&str| Apl.packs(&manifest, &file.parse().unwrap());
            files.into_iter().filter(packs).collect::<Vec<_>>()
        };
        let head = "{group: 'a', name: 'b', version: '1.0.0', source: 'src'";
        let some = [FILE, "src/a.apl", "lib/c.apl", "README.md", "LICENSE.txt"];
        assert_eq!(packed(&format!("{head}, packageFiles: ['./lib/']}}")), some);
        assert_eq!(packed(&format!("{head}, files: ['lib/c.apl', '']}}")), some);
        assert_eq!(packed(&format!("{head}, files: ['.']}}")).len(), 7);
        assert_eq!(packed(&format!("{head}}}")).len(), 7);
    }

    #[test]
    fn broken_and_missing_are_different_answers() {
        for text in ["", "[]", "{\n  group: 'a\n}", "{\n  \"group\": \"a\",\n  \"group\": \"b\"\n}"]
        {
            assert!(complaints("apl", text).starts_with("broken: apl-project.json:"), "{text}");
        }
        assert_eq!(Apl.read(&Tree::default()), Found::Missing);
    }

    #[test]
    fn a_version_is_set_where_it_stands() {
        for (old, new) in [
            ("{version: '1.0.0', // c\n}", "{version: '2.0.0', // c\n}"),
            ("{\"version\":1.0}", "{\"version\":\"2.0.0\"}"),
            (
                "{\r\n  name: 'x', // c\r\n}",
                "{\r\n  name: 'x',\r\n  \"version\": \"2.0.0\", // c\r\n}",
            ),
            ("{ }", "{\"version\": \"2.0.0\" }"),
            ("{group: 'a', name: 'b'}", "{group: 'a', name: 'b', \"version\": \"2.0.0\"}"),
        ] {
            assert_eq!(set_version(old, "2.0.0").as_deref(), Some(new), "{old}");
        }
        for text in ["[]", "{", ""] {
            assert_eq!(set_version(text, "2.0.0"), None, "{text}");
        }
    }

    #[test]
    fn dependencies_are_edited_in_place() {
        let requirement =
            crate::requirement::Requirement::parse(crate::requirement::Grammar::Cargo, "=2.0.0")
                .unwrap();
        let on = |name: &str| {
            let target = match name.parse::<Identifier>() {
                Ok(identifier) => Target::Registry { identifier },
                Err(_) => Target::Native(name.parse::<ProjectId>().unwrap().native()),
            };
            let requirement = Some(requirement.clone());
            Dependency { target, requirement, condition: None, at: None }
        };
        let item = |name: &str| {
            format!("{{\"group\": \"a\", \"name\": \"{name}\", \"version\": \"2.0.0\"}}")
        };
        for (old, name, new) in [
            ("{dependencies: []}", "a-b", format!("{{dependencies: [{}]}}", item("b"))),
            ("{dependencies: \"\"}", "me/a-b", format!("{{dependencies: [{}]}}", item("b"))),
            (
                "{\n  x: 1, // c\n}",
                "a-b",
                format!("{{\n  x: 1,\n  \"dependencies\": [{}], // c\n}}", item("b")),
            ),
            (
                "{dependencies: [\n    \"a-c-v1.0.0\", // c\n  ]}",
                "a-b",
                format!("{{dependencies: [\n    \"a-c-v1.0.0\",\n    {}, // c\n  ]}}", item("b")),
            ),
        ] {
            let added = edit_dependencies(old, &Edit::Add(&on(name))).unwrap();
            assert_eq!(added, new);
            let again = edit_dependencies(&added, &Edit::Remove(&on(name).target)).unwrap();
            assert!(!again.contains("2.0.0"), "{again}");
        }
        let raised = edit_dependencies(
            "{dependencies: ['a-b-v1.0.0@B', 'c-d-v1.0.0']}",
            &Edit::Add(&on("a-b")),
        )
        .unwrap();
        assert_eq!(
            raised,
            "{dependencies: [{\"group\": \"a\", \"name\": \"b\", \"version\": \"2.0.0\", \"alias\": \"B\"}, 'c-d-v1.0.0']}"
        );
        let removed = edit_dependencies(
            "{dependencies: ['a-b-v1.0.0' , ]}",
            &Edit::Remove(&on("a-b").target),
        );
        assert_eq!(removed.unwrap(), "{dependencies: [ ]}");
        let lost = edit_dependencies("{}", &Edit::Remove(&on("a-b").target)).unwrap_err();
        assert_eq!(lost.to_string(), "`a-b` is no dependency in it");
        assert_eq!(
            edit_dependencies("{dependencies: {}}", &Edit::Add(&on("a-b"))),
            Err(EditError::ByHand)
        );
    }
}
