//! `ato`: circuits of atopile. The manifest is `ato.yaml`; what `ato` itself refuses in a package is
//! a problem here, because a release with it would break everybody who installs it.

use serde_json::json;

use super::dependencies::{self, Edit, EditError, Style};
use super::edit;
use super::fields::{At, Reader, load};
use super::value::{Source, Value, shown};
use super::{Broken, Format, Found, Installed, yaml};
use crate::identifier::Identifier;
use crate::manifest::{Dependency, Export, External, Manifest, Name, Target};
use crate::requirement::{Grammar, Requirement};
use crate::tree::Tree;
use crate::version::{Order, Version};

/// `ato.yaml`.
pub(super) struct Ato;

const FILE: &str = "ato.yaml";
const VERSION: [&str; 2] = ["package", "version"];
const ROOT_KEYS: [&str; 9] = [
    "requires-atopile",
    "package",
    "dependencies",
    "builds",
    "paths",
    "services",
    "entry",
    "open-layout-on-build",
    "ato-version",
];
const PACKAGE_KEYS: [&str; 8] =
    ["identifier", "version", "repository", "authors", "license", "summary", "homepage", "readme"];
const EXAMPLE: &str = "package: {identifier: acme/sensor, version: 1.2.3}";

impl Format for Ato {
    fn id(&self) -> &'static str {
        "ato"
    }
    fn file(&self) -> &'static str {
        FILE
    }
    fn order(&self) -> Order {
        Order::SemVer
    }
    fn kinds(&self) -> &'static [(&'static str, &'static str)] {
        &[("build", "a build target of `ato.yaml`")]
    }
    fn install(&self, package: &Installed<'_>) -> String {
        format!("ato add {}", package.identifier)
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

/// `ato add` writes mappings, and so do we.
const STYLE: Style = Style { map, text, version: "release" };

fn map(dependency: &Dependency) -> Vec<(&'static str, String)> {
    let own = |text: &str| text.to_owned();
    let id = |id: &Identifier| ("identifier", id.to_string());
    let mut pairs = Vec::new();
    match &dependency.target {
        Target::Registry { identifier } => {
            pairs.extend([("type", own("registry")), id(identifier)]);
            pairs.extend(dependency.requirement.iter().map(|r| ("release", own(r.text()))));
        }
        Target::Git { url, reference, path, identifier } => {
            pairs.extend([("type", own("git")), ("repo_url", own(url))]);
            pairs.extend(reference.iter().map(|r| ("ref", own(r))));
            pairs.extend(path.iter().map(|p| ("path_within_repo", own(p))));
            pairs.extend(identifier.iter().map(id));
        }
        Target::File { path, identifier } => {
            pairs.extend([("type", own("file")), ("path", own(path))]);
            pairs.extend(identifier.iter().map(id));
        }
        Target::Native(_) | Target::Url { .. } => {}
    }
    pairs
}

/// A dependency as one text, as [`spec`] reads it.
pub(super) fn text(dependency: &Dependency) -> Option<String> {
    match &dependency.target {
        Target::Registry { identifier } => Some(match &dependency.requirement {
            Some(requirement) => format!("{identifier}@{requirement}"),
            None => identifier.to_string(),
        }),
        Target::Git { url, reference, path, .. } => {
            let reference = reference.as_ref().map(|r| format!("#{r}")).unwrap_or_default();
            let path = path.as_ref().map(|p| format!(":{p}")).unwrap_or_default();
            Some(format!("git://{url}{reference}{path}"))
        }
        Target::File { path, .. } => Some(format!("file://{path}")),
        Target::Native(_) | Target::Url { .. } => None,
    }
}

fn manifest(source: &Source) -> Result<Manifest, Broken> {
    let node = yaml::read(source)?;
    let root = At::root(source, &node, &format!("`{EXAMPLE}`"))?;
    let mut r = Reader::new("ato", Order::SemVer, source);
    r.known_keys(&root, &ROOT_KEYS);
    if let Some(package) = r.map(root.get("package"), EXAMPLE) {
        read_package(&mut r, &package);
    }
    read_client(&mut r, &root);
    let example = "dependencies: [acme/sensor@1.2.3]";
    for at in r.list(root.get("dependencies"), example) {
        if let Some(dependency) = dependency(&mut r, &at) {
            r.manifest.dependencies.push(dependency);
        }
    }
    read_builds(&mut r, &root);
    if let Some(paths) = r.map(root.get("paths"), "paths: {layout: ./layouts}") {
        for key in ["footprints", "component_lib"] {
            if let Some(at) = paths.get(key) {
                r.problem(&at, "`ato` refuses this key since 0.9", "remove it");
            }
        }
    }
    Ok(r.finish(&node))
}

fn read_package(r: &mut Reader, package: &At) {
    r.known_keys(package, &PACKAGE_KEYS);
    let identifier = r.identifier(package.get("identifier"), "identifier: acme/sensor");
    r.manifest.name =
        identifier.map(|f| crate::manifest::Field { value: Name::Full(f.value), at: f.at });
    r.manifest.version = r.version(package.get("version"), "version: 1.2.3");
    only_numbers(r, package);
    r.manifest.repository =
        r.text(package.get("repository"), "repository: https://github.com/acme/sensor");
    r.manifest.authors =
        r.authors(package.get("authors"), "authors: [{name: Ada, email: ada@acme.example}]");
    r.manifest.license = r.text(package.get("license"), "license: MIT");
    r.manifest.summary = r.text(package.get("summary"), "summary: Reads a sensor");
    r.manifest.homepage = r.text(package.get("homepage"), "homepage: https://acme.example");
    if let Some(readme) = r.path(package.get("readme"), "readme: README.md") {
        r.manifest.readme = readme.value.into();
    }
}

/// `ato` reads releases of three numbers only; a prerelease would stop it from loading the package.
fn only_numbers(r: &mut Reader, package: &At) {
    let more = |v: &Version| v.is_prerelease() || v.build().is_some();
    if let Some(version) = r.manifest.version.take_if(|field| more(&field.value))
        && let Some(at) = package.get("version")
    {
        let text = version.value.text();
        let message =
            format!("`{}` has more than three numbers, which `ato` cannot read", shown(text));
        r.problem(&at, message, "write for example `version: 1.2.3`");
    }
}

/// Which versions of `ato` the package is for.
fn read_client(r: &mut Reader, root: &At) {
    if let Some(at) = root.get("ato-version") {
        r.problem(&at, "`ato` refuses this key", "rename it to `requires-atopile`");
    }
    let example = "requires-atopile: ^0.14.0";
    let parse = |text: &str| {
        if !is_client_requirement(text) {
            return Err(format!(
                "`{}` is not what `ato` accepts here: one of ^ > >= < <= or nothing before three numbers, or a lower and an upper bound with a comma and no blank",
                shown(text)
            ));
        }
        Requirement::parse(Grammar::Ato, text).map_err(|e| e.to_string())
    };
    let at = root.get("requires-atopile");
    if let Some(at) = at.as_ref().filter(|at| at.text().is_some_and(|t| t.trim().is_empty())) {
        r.problem(
            at,
            "is empty, which `ato` cannot read",
            format!("write for example `{example}`"),
        );
    }
    if let Some(found) = r.parsed(at, example, parse) {
        let requirement = Some(found.value);
        r.manifest.requires.push(External { name: "atopile".to_owned(), requirement });
    }
}

/// `^1.2.3`, `>=1.2.3`, `1.2.3`, ... or `>=1.2.3,<2.0.0`.
fn is_client_requirement(text: &str) -> bool {
    let numbers = |t: &str| {
        let parts: Vec<_> = t.split('.').collect();
        parts.len() == 3
            && parts.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let after = |t: &str, operators: &[&str]| {
        operators.iter().any(|o| t.strip_prefix(o).is_some_and(numbers))
    };
    match text.split_once(',') {
        Some((lower, upper)) => after(lower, &[">=", ">"]) && after(upper, &["<=", "<"]),
        None => after(text, &[">=", "<=", ">", "<", "^", ""]),
    }
}

fn read_builds(r: &mut Reader, root: &At) {
    let example = "builds: {default: {entry: sensor.ato:Sensor}}";
    let Some(builds) = r.map(root.get("builds"), example) else { return };
    let mut entries: std::collections::BTreeMap<String, String> = Default::default();
    for (name, at) in builds.entries() {
        let Some(build) = r.map(Some(at), example) else { continue };
        let entry = r.text(build.get("entry"), "entry: sensor.ato:Sensor").map(|f| f.value);
        let (mut path, mut details) = (None, serde_json::Map::new());
        if let Some(entry) = entry {
            path = entry.split_once(':').map(|(file, _)| file.to_owned());
            details.insert("entry".to_owned(), json!(entry));
            if let Some(first) = entries.insert(entry.clone(), name.to_owned()) {
                let (entry, first) = (shown(&entry), shown(&first));
                r.problem(
                    &build,
                    format!("has the entry `{entry}` that `{first}` has, which `ato` refuses"),
                    "give each build an entry of its own",
                );
            }
        }
        let (kind, name) = ("build".to_owned(), name.to_owned());
        r.manifest.exports.push(Export { kind, name, path, summary: None, details });
    }
}

/// One item of `dependencies`: a text, or a map with `type`.
fn dependency(r: &mut Reader, at: &At) -> Option<Dependency> {
    let place = Some(at.node.at);
    let done =
        |target, requirement| Some(Dependency { target, requirement, condition: None, at: place });
    if !matches!(at.node.value, Value::Map(_)) {
        let example = "acme/sensor@1.2.3";
        let (target, requirement) = r.parsed(Some(at.clone()), example, spec)?.value;
        return done(target, requirement);
    }
    let kind = match at.get("type") {
        Some(kind) => r.text(Some(kind), "type: registry")?.value,
        None => {
            r.problem(at, "has no `type`", "add `type: registry`, `type: git` or `type: file`");
            return None;
        }
    };
    let identifier = r.identifier(at.get("identifier"), "identifier: acme/sensor").map(|f| f.value);
    let mut needed = |key: &str, example: &str| match at.get(key) {
        Some(field) => r.text(Some(field), example).map(|f| f.value),
        None => {
            r.problem(at, format!("has no `{key}`"), format!("add for example `{example}`"));
            None
        }
    };
    match kind.as_str() {
        "registry" => {
            let Some(identifier) = identifier else {
                if at.get("identifier").is_none() {
                    r.problem(at, "has no `identifier`", "add `identifier: acme/sensor`");
                }
                return None;
            };
            let release = at.get("release");
            let requirement = r.requirement(release.clone(), Grammar::Exact, "release: 1.2.3");
            if release.is_some() && requirement.is_none() {
                return None;
            }
            done(Target::Registry { identifier }, requirement)
        }
        "git" => {
            let url = needed("repo_url", "repo_url: https://github.com/acme/sensor.git")?;
            let reference = r.text(at.get("ref"), "ref: v1.2.3").map(|f| f.value);
            let path = r.text(at.get("path_within_repo"), "path_within_repo: a/b").map(|f| f.value);
            done(Target::Git { url, reference, path, identifier }, None)
        }
        "file" => {
            let path = needed("path", "path: ../sensor")?;
            done(Target::File { path, identifier }, None)
        }
        other => {
            let message = format!("has the type `{}`, which `ato` does not know", shown(other));
            r.problem(at, message, "write `type: registry`, `type: git` or `type: file`");
            None
        }
    }
}

/// A dependency as one text: `owner/name@1.2.3`, `registry://...`, `git://URL.git#ref:path`, `file://path`.
fn spec(text: &str) -> Result<(Target, Option<Requirement>), String> {
    if let Some(source) = source(text) {
        return Ok((source?, None));
    }
    let text = text.strip_prefix("registry://").unwrap_or(text);
    let (name, release) = match text.split_once('@') {
        Some((name, release)) => (name, Some(release)),
        None => (text, None),
    };
    let identifier: Identifier = name.parse().map_err(|e| format!("{e}"))?;
    // A range would be taken literally by `ato` and never be found.
    let exact = |release| Requirement::parse(Grammar::Exact, release).map_err(|e| e.to_string());
    Ok((Target::Registry { identifier }, release.map(exact).transpose()?))
}

/// A folder or repository as one text; `None` where it is neither.
pub(super) fn source(text: &str) -> Option<Result<Target, String>> {
    if let Some(path) = text.strip_prefix("file://") {
        return Some(Ok(Target::File { path: path.to_owned(), identifier: None }));
    }
    text.strip_prefix("git://").map(git)
}

/// `URL.git`, then optionally `#ref`, then optionally `:path`.
fn git(text: &str) -> Result<Target, String> {
    let ends =
        |(i, _): &(usize, &str)| matches!(text.as_bytes().get(i + 4), None | Some(b'#' | b':'));
    let Some((i, _)) = text.match_indices(".git").find(ends) else {
        return Err(format!("`git://{}` has no address that ends in `.git`", shown(text)));
    };
    let (url, rest) = text.split_at(i + 4);
    let (reference, path) = match rest.strip_prefix('#') {
        Some(rest) => match rest.split_once(':') {
            Some((reference, path)) => (Some(reference), Some(path)),
            None => (Some(rest), None),
        },
        None => (None, rest.strip_prefix(':')),
    };
    let some = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let (url, reference, path) = (url.to_owned(), some(reference), some(path));
    Ok(Target::Git { url, reference, path, identifier: None })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    const BOARD: &str = "\
requires-atopile: ^0.14.0
paths:
  src: ./
  layout: ./layouts
builds:
  default:
    entry: board.ato:Board
  usage: {entry: usage.ato:Usage, hide_designators: true}
package:
  identifier: Acme/board
  version: 1.2.3
  repository: https://github.com/acme/board
  authors:
    - name: Ada
      email: ada@acme.example
  license: MIT
  summary: A board
  homepage:
dependencies:
  - acme/sensor@1.0.0
  - registry://acme/loose
  - type: registry
    identifier: acme/driver/small
    release: 0.2.0
  - {type: git, repo_url: https://github.com/acme/x.git, ref: main, path_within_repo: a/b}
  - git://https://github.com/acme/y.git#v1:sub/dir
  - file://../z
  - type: file
    path: ../w
    identifier: acme/w
";

    #[test]
    fn a_package_is_read() {
        insta::assert_snapshot!(facts("ato", BOARD), @r#"
        Acme/board@1.2.3
        repository https://github.com/acme/board (12:15)
        license MIT (16:12)
        summary A board (17:12)
        readme README.md
        author Ada <ada@acme.example>
        needs {"type":"registry","identifier":"acme/sensor"} 1.0.0
        needs {"type":"registry","identifier":"acme/loose"} any
        needs {"type":"registry","identifier":"acme/driver/small"} 0.2.0
        needs {"type":"git","url":"https://github.com/acme/x.git","ref":"main","path":"a/b","identifier":null} any
        needs {"type":"git","url":"https://github.com/acme/y.git","ref":"v1","path":"sub/dir","identifier":null} any
        needs {"type":"file","path":"../z","identifier":null} any
        needs {"type":"file","path":"../w","identifier":"acme/w"} any
        offers {"kind":"build","name":"default","path":"board.ato","details":{"entry":"board.ato:Board"}}
        offers {"kind":"build","name":"usage","path":"usage.ato","details":{"entry":"usage.ato:Usage"}}
        requires atopile ^0.14.0
        "#);
        assert_eq!(complaints("ato", BOARD), "");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        insta::assert_snapshot!(complaints("ato", "\
requires-atopile: '>=0.14 <2'
ato-version: 0.3.0
packages: {}
package:
  identifier: sensor
  version: 1.0
  versoin: 1.0.0
  license: [MIT]
  authors: Ada
  readme: ../README.md
dependencies:
  - acme/sensor@^1.0.0
  - {identifier: acme/x}
  - {type: registry}
  - {type: svn, path: x}
  - {type: git, ref: main}
  - git://https://github.com/acme/y
  - 7
builds:
  a: {entry: x.ato:X}
  b: {entry: x.ato:X}
  c: x.ato:X
paths:
  footprints: x
"), @r#"
ato.yaml:1:19: requires-atopile: `>=0.14 <2` is not what `ato` accepts here: one of ^ > >= < <= or nothing before three numbers, or a lower and an upper bound with a comma and no blank
  help: write for example `requires-atopile: ^0.14.0`
ato.yaml:2:14: ato-version: `ato` refuses this key
  help: rename it to `requires-atopile`
ato.yaml:5:15: package.identifier: `sensor` has no owner: write `owner/name`, for example `acme/sensor`
  help: write for example `identifier: acme/sensor`
ato.yaml:6:12: package.version: is the number `1.0`, a version has three
  help: write for example `version: 1.2.3`
ato.yaml:8:12: package.license: is a list, it should be a text
  help: write for example `license: MIT`
ato.yaml:9:12: package.authors: is the text `Ada`, it should be a list
  help: write for example `authors: [{name: Ada, email: ada@acme.example}]`
ato.yaml:10:11: package.readme: `../README.md` has a part `.` or `..`: paths stay inside the package's folder
  help: write for example `readme: README.md`
ato.yaml:12:5: dependencies[0]: `^1.0.0` is not a requirement: it must be one exact version: unexpected character '^' while parsing major version number; write for example `1.2.3` or `1.2.3-rc.1`
  help: write for example `acme/sensor@1.2.3`
ato.yaml:13:5: dependencies[1]: has no `type`
  help: add `type: registry`, `type: git` or `type: file`
ato.yaml:14:5: dependencies[2]: has no `identifier`
  help: add `identifier: acme/sensor`
ato.yaml:15:5: dependencies[3]: has the type `svn`, which `ato` does not know
  help: write `type: registry`, `type: git` or `type: file`
ato.yaml:16:5: dependencies[4]: has no `repo_url`
  help: add for example `repo_url: https://github.com/acme/sensor.git`
ato.yaml:17:5: dependencies[5]: `git://https://github.com/acme/y` has no address that ends in `.git`
  help: write for example `acme/sensor@1.2.3`
ato.yaml:18:5: dependencies[6]: is the number `7`, it should be a text
  help: quote it: `"7"`
ato.yaml:21:6: builds.b: has the entry `x.ato:X` that `a` has, which `ato` refuses
  help: give each build an entry of its own
ato.yaml:22:6: builds.c: is the text `x.ato:X`, it should be a map
  help: write for example `builds: {default: {entry: sensor.ato:Sensor}}`
ato.yaml:24:15: paths.footprints: `ato` refuses this key since 0.9
  help: remove it
hint: ato.yaml:3:1: packages: the key `packages` is not known here
  help: did you mean `package`?
hint: ato.yaml:7:3: package.versoin: the key `versoin` is not known here
  help: did you mean `version`?
"#);
        insta::assert_snapshot!(complaints("ato", "package:\n  identifier: acme/x\n  version: 1.2.3-rc.1\n"), @"
        ato.yaml:3:12: package.version: `1.2.3-rc.1` has more than three numbers, which `ato` cannot read
          help: write for example `version: 1.2.3`
        ");
    }

    #[test]
    fn broken_missing_and_bare_are_different_answers() {
        insta::assert_snapshot!(complaints("ato", ""), @"
        broken: ato.yaml:1:1: is empty
          help: write for example `package: {identifier: acme/sensor, version: 1.2.3}`
        ");
        insta::assert_snapshot!(complaints("ato", "- a\n"), @"
        broken: ato.yaml:1:1: is a list, a manifest is a map of fields
          help: write for example `package: {identifier: acme/sensor, version: 1.2.3}`
        ");
        insta::assert_snapshot!(complaints("ato", "package:\n  version: 1.0.0\n  version: 1.1.0\n"), @"
        broken: ato.yaml:3:3: `version`: the key stands here and at line 2, column 3
          help: keep one of the two: readers would disagree about which one counts
        ");
        assert_eq!(Ato.read(&tree(&[("README.md", "x")])), Found::Missing);
        let project = package("ato", "requires-atopile: 0.14.0\n");
        assert_eq!((project.name, project.version, project.version_from_tag), (None, None, false));
    }

    #[test]
    fn only_requirements_that_ato_itself_reads_are_accepted() {
        for good in ["0.14.0", "^0.14.0", ">=0.14.0", "<1.0.0", ">=0.14.0,<1.0.0", ">0.1.0,<=0.2.0"]
        {
            assert!(is_client_requirement(good), "{good}");
        }
        for bad in [
            "~0.14.0",
            "*",
            "==1.0.0",
            "0.14",
            ">=0.14.0, <1.0.0",
            "^1.0.0||^2.0.0",
            "",
            "<1.0.0,>0.1.0",
            "v1.0.0",
        ] {
            assert!(!is_client_requirement(bad), "{bad}");
        }
        insta::assert_snapshot!(complaints("ato", "requires-atopile: ''\npackage: {identifier: acme/x, version: 1.2.3}\n"), @"
        ato.yaml:1:19: requires-atopile: is empty, which `ato` cannot read
          help: write for example `requires-atopile: ^0.14.0`
        ");
    }
}
