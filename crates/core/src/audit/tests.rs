//! Runs every fixture through every rule. `fixtures/audit/README.md` tells how a fixture is written.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::strategy::Strategy as _;

use super::*;
use crate::limits::Limits;
use crate::manifest::{Dependency, Export, Field, Manifest, Name, NativeName, Place, Problem};
use crate::requirement::{Grammar, Requirement};
use crate::tree::{Tree, TreePath};
use crate::version::{Order, Version};

const COMPLETE: &str = "format: packhouse
name: acme/sensor
version: 1.2.3
repository: https://github.com/acme/sensor
license: MIT
summary: Reads a sensor
";

/// A fixture: its facts, owned.
struct Fixture {
    tree: Tree,
    oddities: Vec<Oddity>,
    manifest: Manifest,
    tag: Option<String>,
    source: Option<String>,
    registry: Option<RegistryFacts>,
    strict: Option<Strict>,
    tools: std::collections::BTreeMap<String, Version>,
    advisories: Option<crate::quality::Advisories>,
    limits: Limits,
    expected: String,
}

impl Fixture {
    fn facts(&self) -> Facts<'_> {
        Facts {
            oddities: &self.oddities,
            tag: self.tag.as_deref(),
            source_repository: self.source.as_deref(),
            registry: self.registry.as_ref(),
            strict: self.strict.as_ref(),
            tools: Some(&self.tools),
            advisories: self.advisories.as_ref(),
            ..Facts::new(&self.tree, &self.manifest, &self.limits)
        }
    }

    fn parse(text: &str) -> Self {
        let (mut facts, mut manifest, mut expected) =
            (String::new(), COMPLETE.to_owned(), String::new());
        let mut tree = Tree::default();
        let put = |tree: &mut Tree, path: &str, text: &str| {
            tree.insert(path.parse().unwrap(), expand(text), false);
        };
        put(&mut tree, "README.md", "# Sensor\n");
        put(&mut tree, "LICENSE", "MIT License\n");
        for (name, body) in sections(text) {
            match name.rsplit_once(" (") {
                _ if name == "facts" => facts = body,
                _ if name == "manifest" => manifest = body,
                _ if name == "expected" => expected = body,
                Some((path, "absent)")) => {
                    tree.remove(path).unwrap();
                }
                Some((path, "executable)")) => {
                    tree.insert(path.parse().unwrap(), expand(&body), true)
                }
                Some((_, other)) => panic!("unknown mark `({other}`"),
                None => put(&mut tree, &name, &body),
            }
        }
        let manifest_text = manifest;
        let manifest = read_manifest(&manifest_text, &tree);
        tree.insert(manifest.path.clone(), manifest_text.into_bytes(), false);
        let mut fixture = Self {
            tree,
            oddities: Vec::new(),
            manifest,
            tag: None,
            source: None,
            registry: None,
            strict: None,
            tools: Default::default(),
            advisories: None,
            limits: Limits::default(),
            expected,
        };
        for (key, value) in facts.lines().map(|line| line.split_once(": ").unwrap()) {
            fixture.fact(key, value);
        }
        fixture
    }

    fn fact(&mut self, key: &str, value: &str) {
        let order = self.manifest.order;
        match key {
            "tag" => self.tag = Some(value.to_owned()),
            "source" => self.source = Some(value.to_owned()),
            "released" => {
                let parse = |text| Version::parse(order, text).unwrap();
                self.registry.get_or_insert_default().versions =
                    value.split(' ').map(parse).collect();
            }
            "same-version" => {
                let held =
                    if value == "yes" { self.tree.digest() } else { Tree::default().digest() };
                self.registry.get_or_insert_default().same_version = Some(held);
            }
            "missing" => {
                self.registry.get_or_insert_default().missing_dependencies.push(value.to_owned());
            }
            "no-release" => {
                let (name, wanted) = value.split_once(' ').unwrap();
                let missing = (name.to_owned(), wanted.to_owned());
                self.registry.get_or_insert_default().missing_releases.push(missing);
            }
            "clash" => {
                let (short, long) = value.split_once(' ').unwrap();
                let pair = (short.parse().unwrap(), long.parse().unwrap());
                self.registry.get_or_insert_default().clashes.push(pair);
            }
            "held" => {
                let (name, versions) = value.split_once(' ').unwrap();
                let parse = |text| Version::parse(order, text).unwrap();
                let versions = versions.split(' ').map(parse).collect();
                self.registry.get_or_insert_default().held.insert(name.to_owned(), versions);
            }
            "advisory" => {
                let all = self.advisories.get_or_insert_default();
                crate::quality::osv::read(value.as_bytes())
                    .unwrap()
                    .into_iter()
                    .for_each(|a| all.add(a));
            }
            "strict" => self.strict.get_or_insert_default().folder_name = Some(value.to_owned()),
            "built" => {
                let build = self.strict.get_or_insert_default().build.get_or_insert_default();
                if let Some((target, file)) = value.split_once('/') {
                    build.exists = true;
                    build.files.entry(target.to_owned()).or_default().push(file.to_owned());
                }
            }
            "tool" => {
                let (name, version) = value.split_once(' ').unwrap();
                let version = Version::parse(Order::Pep440, version).unwrap();
                self.tools.insert(name.to_owned(), version);
            }
            "limit" => {
                let (name, limit) = value.split_once(' ').unwrap();
                let limit: u64 = limit.parse().unwrap();
                match name {
                    "entries" => self.limits.entries = limit as u32,
                    "unpacked_bytes" => self.limits.unpacked_bytes = limit,
                    "file_bytes" => self.limits.file_bytes = limit,
                    "manifest_bytes" => self.limits.manifest_bytes = limit as usize,
                    "readme_bytes" => self.limits.readme_bytes = limit as usize,
                    _ => panic!("unknown limit `{name}`"),
                }
            }
            "odd" => {
                let (kind, rest) = value.split_once(' ').unwrap();
                let (path, detail) = match kind {
                    "link" => rest.split_once(" -> ").unwrap(),
                    "too-large" => rest.rsplit_once(' ').unwrap(),
                    _ => (rest, ""),
                };
                let path = String::from_utf8(expand(path)).unwrap();
                let kind = match kind {
                    "link" => OddityKind::Link(detail.to_owned()),
                    "not-utf8" => OddityKind::NotUtf8,
                    "special" => OddityKind::Special,
                    "too-large" => OddityKind::TooLarge(detail.parse().unwrap()),
                    "path" => OddityKind::Path(path.parse::<TreePath>().unwrap_err()),
                    _ => panic!("unknown oddity `{kind}`"),
                };
                self.oddities.push(Oddity { path, kind });
            }
            _ => panic!("unknown fact `{key}`"),
        }
    }
}

/// The sections of a fixture: name and text.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        let name = line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --"));
        match (name, sections.last_mut()) {
            (Some(name), _) => {
                let name = String::from_utf8(expand(name)).unwrap();
                sections.push((name, String::new()));
            }
            (None, Some((_, body))) => body.push_str(line),
            (None, None) => panic!("text before the first section"),
        }
    }
    sections
}

/// Random-looking text over `alphabet`, the same at each run.
fn noise(length: usize, alphabet: &[u8]) -> String {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        alphabet[(state >> 33) as usize % alphabet.len()] as char
    };
    (0..length).map(|_| next()).collect()
}

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Replaces `{{...}}`.
fn expand(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (command, after) = after.split_once("}}").unwrap();
        out.extend_from_slice(before.as_bytes());
        let words: Vec<_> = command.split(' ').collect();
        let number = |at: usize| words[at].parse::<usize>().unwrap();
        match words[0] {
            "token" => out.extend(format!("{}{}", words[1], noise(number(2), LETTERS)).bytes()),
            "capitals" => {
                let body = noise(number(2), b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
                out.extend(format!("{}{body}", words[1]).bytes());
            }
            "pem" => {
                let (dashes, kind) = ("-".repeat(5), "RSA PRIVATE KEY");
                let body = noise(64, LETTERS);
                out.extend(
                    format!("{dashes}BEGIN {kind}{dashes}\n{body}\n{dashes}END {kind}{dashes}")
                        .bytes(),
                );
            }
            "hex" => {
                let byte = |at| u8::from_str_radix(&words[1][at..at + 2], 16).unwrap();
                out.extend((0..words[1].len()).step_by(2).map(byte));
            }
            "zeros" => out.extend(std::iter::repeat_n(b'0', number(1))),
            "u" => {
                let c = char::from_u32(u32::from_str_radix(words[1], 16).unwrap()).unwrap();
                out.extend(c.to_string().bytes());
            }
            "mark" => out.extend(words[1].repeat(7).bytes()),
            other => panic!("unknown command `{other}`"),
        }
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

/// Reads the notation of the `manifest` section.
fn read_manifest(text: &str, files: &Tree) -> Manifest {
    let Some(format) = text.lines().find_map(|line| line.strip_prefix("format: ")) else {
        // A comment with a manifest's name says of which format it is.
        let first = text.lines().next();
        let first = first.and_then(|l| l.strip_prefix("# ").or_else(|| l.strip_prefix("// ")));
        let named =
            first.filter(|first| crate::formats::FORMATS.iter().any(|f| f.file() == *first));
        let default = if text.starts_with('[') { "pyproject.toml" } else { "ato.yaml" };
        let mut tree = files.clone();
        tree.insert(named.unwrap_or(default).parse().unwrap(), text.as_bytes(), false);
        return match crate::formats::read_root(&tree) {
            crate::formats::Found::Package(manifest) => manifest,
            other => panic!("{other:?}"),
        };
    };
    let (format, file, order) = match format {
        "ato" => ("ato", "ato.yaml", Order::SemVer),
        "pyproject" => ("pyproject", "pyproject.toml", Order::Pep440),
        "packhouse" => ("packhouse", "packhouse.yaml", Order::SemVer),
        other => panic!("unknown format `{other}`"),
    };
    let mut m = Manifest::new(format, order, file.parse().unwrap());
    for (line, (key, value)) in (1..).zip(text.lines().map(|line| line.split_once(": ").unwrap())) {
        let at = Place { line, column: key.len() as u32 + 3 };
        let text = || Some(Field { value: value.to_owned(), at });
        let problem = || {
            let mut parts = value.split(" / ").map(str::to_owned);
            let mut part = || parts.next().unwrap();
            Problem { file: None, field: part(), at, message: part(), help: part() }
        };
        match key {
            "format" => {}
            "name" => m.name = Some(Field { value: read_name(format, value), at }),
            "version" => {
                m.version = Some(Field { value: Version::parse(order, value).unwrap(), at })
            }
            "version-from-tag" => m.version_from_tag = true,
            "repository" => m.repository = text(),
            "license" => m.license = text(),
            "summary" => m.summary = text(),
            "readme" => m.readme = value.to_owned(),
            "dependency" => m.dependencies.push(read_dependency(format, value, at)),
            "export" => {
                let words: Vec<_> = value.split(' ').map(str::to_owned).collect();
                let [kind, name, path] = words.try_into().unwrap();
                let (summary, details) = (None, serde_json::Map::new());
                m.places.insert(format!("exports[{}]", m.exports.len()), at);
                m.exports.push(Export { kind, name, path: Some(path), summary, details });
            }
            "problem" => m.problems.push(problem()),
            "unknown" => m.unknown_keys.push(problem()),
            other => panic!("unknown key `{other}`"),
        }
    }
    m
}

fn read_name(format: &str, text: &str) -> Name {
    match text.parse() {
        Ok(identifier) => Name::Full(identifier),
        Err(_) => Name::Native(NativeName { ecosystem: format.to_owned(), name: text.to_owned() }),
    }
}

fn read_dependency(format: &str, text: &str, at: Place) -> Dependency {
    let (text, condition) = match text.split_once(" if ") {
        Some((text, condition)) => (text, Some(condition.to_owned())),
        None => (text, None),
    };
    let (first, second) = text.split_once(' ').map_or((text, None), |(a, b)| (a, Some(b)));
    let owned = || second.unwrap().to_owned();
    let grammar = if format == "pyproject" { Grammar::Pep508 } else { Grammar::Cargo };
    let (target, requirement) = match first {
        "git" => {
            (Target::Git { url: owned(), reference: None, path: None, identifier: None }, None)
        }
        "file" => (Target::File { path: owned(), identifier: "acme/local".parse().ok() }, None),
        "url" => (Target::Url { url: owned() }, None),
        name => {
            let target = match read_name(format, name) {
                Name::Full(identifier) => Target::Registry { identifier },
                Name::Native(native) => Target::Native(native),
            };
            (target, second.map(|text| Requirement::parse(grammar, text).unwrap()))
        }
    };
    Dependency { target, requirement, condition, at: Some(at) }
}

/// What a fixture's last section holds.
fn shown(findings: &[Finding]) -> String {
    let mut out = String::new();
    for f in findings {
        let place =
            [f.path.clone(), f.line.map(|n| n.to_string()), f.column.map(|n| n.to_string())];
        let place: Vec<_> = place.into_iter().flatten().collect();
        let place = if place.is_empty() { "-".to_owned() } else { place.join(":") };
        out.push_str(&format!(
            "{} {} {place} {}\n  {}\n",
            f.severity, f.rule, f.fingerprint, f.message
        ));
        if let Some(help) = &f.help {
            out.push_str(&format!("  help: {help}\n"));
        }
    }
    out
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/audit")
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_fixture_finds_what_it_says_and_nothing_else() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for rule in RULES {
        let folder = root().join(rule.id());
        let mut kinds = BTreeSet::new();
        for name in names(&folder) {
            let file = folder.join(&name);
            let text = fs::read_to_string(&file).unwrap();
            let fixture = Fixture::parse(&text);
            let findings = audit(&fixture.facts());
            let found = shown(&findings);
            let speaks = findings.iter().any(|finding| finding.rule == rule.id());
            let kind = name.split('-').next().unwrap().to_owned();
            match kind.as_str() {
                "hit" if !speaks => wrong.push(format!("{}/{name}: the rule is silent", rule.id())),
                "miss" if speaks => {
                    wrong.push(format!("{}/{name}: the rule speaks\n{found}", rule.id()))
                }
                "hit" | "miss" => {}
                _ => panic!("{name} is neither `hit-` nor `miss-`"),
            }
            kinds.insert(kind);
            if bless {
                let head = text.split("-- expected --").next().unwrap();
                fs::write(&file, format!("{head}-- expected --\n{found}")).unwrap();
            } else if found != fixture.expected {
                wrong.push(format!(
                    "{}/{name}: found\n{found}expected\n{}",
                    rule.id(),
                    fixture.expected
                ));
            }
        }
        assert_eq!(kinds.len(), 2, "{} has no `hit-*` or no `miss-*`", rule.id());
    }
    assert!(wrong.is_empty(), "{} fixtures are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_rule_has_fixtures_and_a_page_and_nothing_has_no_rule() {
    let ids: Vec<_> = RULES.iter().map(|rule| rule.id().to_owned()).collect();
    let mut sorted = ids.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(ids, sorted, "rules stand once, in the order of their ids");
    let mut folders = names(&root());
    folders.remove("README.md");
    assert_eq!(folders, ids.iter().cloned().collect());

    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules");
    let mut pages = names(&docs);
    pages.remove("README.md");
    assert_eq!(pages, ids.iter().map(|id| format!("{id}.md")).collect());
    let index = fs::read_to_string(docs.join("README.md")).unwrap();
    for rule in RULES {
        let page = fs::read_to_string(docs.join(format!("{}.md", rule.id()))).unwrap();
        assert!(page.starts_with(&format!("# `{}`: ", rule.id())), "{}", rule.id());
        for heading in ["## What it finds", "## Why", "## Example", "## How to mend it"] {
            assert!(page.contains(heading), "{} lacks `{heading}`", rule.id());
        }
        let severity = format!("Severity: {}", rule.severity());
        assert!(page.contains(&severity), "{} does not say `{severity}`", rule.id());
        let refused = page.contains("The registry refuses it, too");
        assert_eq!(refused, rule.binds_registry(), "{} and the registry", rule.id());
        assert!(
            index.contains(&format!("[`{id}`]({id}.md)", id = rule.id())),
            "{} in the index",
            rule.id()
        );
    }
}

#[test]
fn a_complete_package_has_no_findings() {
    assert_eq!(audit(&Fixture::parse("-- facts --\n").facts()), []);
}

#[test]
fn a_registry_refuses_only_errors_that_the_audit_finds_too() {
    let mut refused = BTreeSet::new();
    for rule in RULES {
        for name in names(&root().join(rule.id())) {
            let fixture =
                Fixture::parse(&fs::read_to_string(root().join(rule.id()).join(name)).unwrap());
            let all = audit(&fixture.facts());
            // The registry does not hold the files in memory when it asks.
            let bare = Facts { tree: &Tree::default(), oddities: &[], ..fixture.facts() };
            for refusal in refusals(&bare) {
                assert_eq!(refusal.severity, Severity::Error);
                assert!(all.contains(&refusal), "{refusal:?}");
                refused.insert(refusal.rule);
            }
        }
    }
    let binding =
        RULES.iter().filter(|rule| rule.binds_registry()).map(|rule| rule.id().to_owned());
    assert_eq!(refused, binding.collect(), "every binding rule refuses something");
}

/// How long an audit of 1,400 files and 20 MB takes. Run by hand, in release:
/// `cargo test --release -p packhouse-core --lib -- --ignored --nocapture audit_speed`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout)]
fn audit_speed() {
    let mut tree = Tree::default();
    let line = "def value_of(self, name: str) -> float:  # reads one register of the device\n";
    let words: Vec<_> = line.split(' ').collect();
    let mut state = 1_u64;
    for n in 0..1_400 {
        let mut text = String::with_capacity(15_000);
        while text.len() < 14_300 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(words[(state >> 33) as usize % words.len()]);
            text.push(if state >> 61 == 0 { '\n' } else { ' ' });
        }
        tree.insert(
            format!("src/part{}/file{n}.py", n % 40).parse().unwrap(),
            text.into_bytes(),
            false,
        );
    }
    let fixture = Fixture::parse("-- facts --\n");
    let facts = Facts { tree: &tree, ..fixture.facts() };
    let time = |work: &dyn Fn()| {
        let mut times: Vec<_> = (0..15)
            .map(|_| {
                let start = std::time::Instant::now();
                work();
                start.elapsed()
            })
            .collect();
        times.sort();
        times[7]
    };
    println!("{} files, {} bytes: {:?}", tree.len(), tree.bytes(), time(&|| drop(audit(&facts))));
    for rule in RULES {
        println!("  {:24} {:?}", rule.id(), time(&|| rule.check(&facts, &mut Vec::new())));
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_make_a_rule_panic(
        parts in proptest::collection::vec(proptest::prop_oneof![
            proptest::collection::vec(proptest::num::u8::ANY, 0..12),
            proptest::sample::select(vec![
                &b"ghp_"[..], b"AKIA", b"-----BEGIN RSA PRIVATE KEY-----", b"_authToken=", b"MZ", b"\x7fELF",
                b"\xca\xfe\xba\xbe", b"\xe2\x80\xae", b"\xf3\xa0\x80", b"<<<<<<< ", b"\n=======", b"\n>>>>>>> ",
                b"PK\x03\x04", b"://", b"@", b"\n",
            ]).prop_map(<[u8]>::to_vec),
        ], 0..30),
        name in "[a-z.~#_]{1,6}(/[a-zé.]{1,5}){0,2}",
    ) {
        let mut fixture = Fixture::parse("-- facts --\n");
        let Ok(path) = name.parse::<TreePath>() else { return Ok(()) };
        fixture.tree.insert(path, parts.concat(), true);
        fixture.tree.insert(".gitmodules".parse().unwrap(), parts.concat(), true);
        for finding in audit(&fixture.facts()) {
            proptest::prop_assert_eq!(crate::escape::printable(&finding.message), finding.message);
        }
    }
}
