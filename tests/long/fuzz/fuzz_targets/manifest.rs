//! No manifest makes a format, the audit or a report panic or run away; a version that was set is
//! read back; and no report lets text of a file steer a terminal, a log or a workflow command.
//!
//! The first byte of the input chooses the format, the version and the reports; then come the manifest and up to
//! four files beside it, with `FF FE` in between (no text holds that).
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use packhouse_core::audit::{self, Facts, RegistryFacts, audit, refusals, target_text};
use packhouse_core::escape::printable;
use packhouse_core::formats::{FORMATS, Format, Found, package_identifier};
use packhouse_core::limits::Limits;
use packhouse_core::manifest::Manifest;
use packhouse_core::report::{Audited, github, human, json, markdown, sarif};
use packhouse_core::tree::Tree;

/// Files that formats and rules look at.
const BESIDE: [&str; 4] = ["actions/ask.yaml", "README.md", "LICENSE", "src/secrets.env"];

/// Versions to set; the first is one in every order, others look like numbers or nothing in YAML.
const VERSIONS: [&str; 5] = ["7.8.9", "1.0", "1e3", "2.0.0-rc.1+b", "~"];

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((&kind, rest)) = input.split_first() else { return Corpus::Reject };
    let format = FORMATS[usize::from(kind) % FORMATS.len()];
    let version = VERSIONS[usize::from(kind) / FORMATS.len() % VERSIONS.len()];
    let mut files = parts(rest);
    let Some(manifest) = files.next() else { return Corpus::Reject };
    let mut tree = Tree::default();
    for (path, bytes) in BESIDE.iter().zip(files) {
        tree.insert(path.parse().expect("a plain path"), bytes, false);
    }
    let read = |bytes: &[u8]| {
        let mut tree = tree.clone();
        tree.insert(format.file().parse().expect("a format's own file"), bytes, false);
        (format.read(&tree), tree)
    };
    let (found, whole) = read(manifest);
    assert_eq!(found, read(manifest).0, "the same answer twice");
    match &found {
        // A `pyproject.toml` without `[project]` configures tools, a `package.yaml` without F Prime's keys is
        // another community's: neither is a package.
        Found::Missing => assert!(matches!(format.id(), "fppm" | "pyproject"), "the file is there"),
        Found::Broken(broken) => {
            report(kind, &audit::broken(broken), "?", &whole);
        }
        Found::Package(package) => {
            judge(kind, package, &whole);
            if let Ok(text) = std::str::from_utf8(manifest) {
                set(format, package, text, version, |bytes| read(bytes).0);
            }
        }
    }
    Corpus::Keep
});

/// What stands between the marks.
fn parts(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut done = false;
    std::iter::from_fn(move || {
        if done {
            return None;
        }
        let mark = rest.windows(2).position(|pair| pair == [0xff, 0xfe]);
        let part = &rest[..mark.unwrap_or(rest.len())];
        done = mark.is_none();
        rest = &rest[mark.map_or(rest.len(), |at| at + 2)..];
        Some(part)
    })
}

/// Audits a package as a publisher and a registry would, and renders what was found.
fn judge(kind: u8, manifest: &Manifest, tree: &Tree) {
    let limits = Limits::default();
    let dependencies = manifest.dependencies.iter().map(|d| target_text(&d.target));
    let registry = RegistryFacts {
        versions: manifest.version.iter().map(|version| version.value.clone()).collect(),
        same_version: None,
        missing_dependencies: dependencies.step_by(2).collect(),
        missing_releases: Vec::new(),
        held: Default::default(),
    };
    let facts = Facts {
        tag: Some("v1.0.0"),
        source_repository: Some("acme/sensor"),
        registry: Some(&registry),
        ..Facts::new(tree, manifest, &limits)
    };
    let findings = audit(&facts);
    assert_eq!(findings, audit(&facts), "the same findings twice");
    let errors = findings.iter().filter(|finding| finding.severity == audit::Severity::Error);
    assert!(refusals(&facts).len() <= errors.count(), "the registry is no stricter than the audit");
    let identifier = package_identifier(manifest, Some("acme"));
    report(
        kind,
        &findings,
        &identifier.map_or_else(|error| error.to_string(), |id| id.to_string()),
        tree,
    );
}

/// Renders `findings`, in JSON for large `kind`s: that takes as long as all the rest. `name` is shown
/// as a caller would: nothing cleaned it yet.
fn report(kind: u8, findings: &[audit::Finding], name: &str, tree: &Tree) {
    let audited = Audited {
        package: name.to_owned(),
        version: None,
        folder: String::new(),
        findings,
        exports: &[],
        tree: Some(tree),
    };
    let audited = std::slice::from_ref(&audited);
    if kind < 128 {
        let width = if kind % 2 == 0 { 40 } else { 120 };
        plain("human", &human::render(audited, human::Style { color: false, width }));
        let commands = github::render(audited);
        plain("github", &commands);
        assert!(commands.lines().all(|line| line.starts_with("::")), "{commands}");
        return plain("markdown", &markdown::render(audited));
    }
    for (kind, text) in [("json", json::render(audited)), ("sarif", sarif::render(audited))] {
        plain(kind, &text);
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON");
    }
}

/// Nothing but line breaks steers.
fn plain(kind: &str, text: &str) {
    for line in text.split('\n') {
        assert_eq!(line, printable(line), "in the {kind} report");
    }
}

/// Sets the version, reads it back, and finds nothing else changed.
fn set(
    format: &dyn Format,
    before: &Manifest,
    text: &str,
    version: &str,
    read: impl Fn(&[u8]) -> Found,
) {
    let Some(text) = format.set_version(text, version) else { return };
    let Found::Package(mut after) = read(text.as_bytes()) else {
        panic!("setting the version broke the manifest:\n{text}");
    };
    if version == VERSIONS[0] {
        let found = after.version.as_ref().map(|field| field.value.text());
        assert_eq!(found, Some(version), "in\n{text}");
    }
    let version = format.fields()[1];
    let parents = version.rsplit_once('.').map_or(String::new(), |(map, _)| format!("/{map}"));
    let mut original = before.original.clone();
    let take = |json: &mut serde_json::Value| {
        let map = json.pointer_mut(&parents).and_then(serde_json::Value::as_object_mut);
        map.and_then(|map| map.shift_remove("version"))
    };
    take(&mut original);
    assert_eq!(take(&mut after.original), Some(version.into()), "in\n{text}");
    assert_eq!(after.original, original, "something else changed:\n{text}");
    let again = format.set_version(&text, version);
    assert_eq!(again.as_deref(), Some(&text[..]), "setting it twice changes nothing");
}
