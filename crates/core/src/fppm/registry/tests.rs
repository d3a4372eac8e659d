//! Registries as people write them, and as nobody should.

use proptest::prelude::*;

use super::*;
use crate::fppm::export::{Export, Exported, Stable};

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
}

/// As a registry of 3,000 packages writes it, prereleases of each among them.
#[test]
fn a_large_export_is_written_and_read_at_once() {
    let mut export = Export { name: "n".into(), ..Export::default() };
    (export.publisher, export.description) = ("p".into(), "d".into());
    export.updated_on = "today".into();
    for nth in 0..3_000 {
        let stable = Stable::Commit {
            commit: format!("{nth:040x}").parse().unwrap(),
            branch: "main".to_owned(),
        };
        let exported = Exported {
            git: format!("https://packages.example.org/fppm/git/acme{}/Package{nth}.git", nth % 7),
            stable,
            version: format!("1.{nth}.0"),
            description: "Reads a temperature over I2C and reports it as telemetry ".repeat(4),
        };
        for namespace in [format!("acme{}", nth % 7), format!("acme{}Devel", nth % 7)] {
            export.insert(&namespace, &format!("Package{nth}"), exported.clone());
        }
    }
    let start = std::time::Instant::now();
    let text = export.write();
    let written = start.elapsed();
    let registry = read(text.as_bytes()).unwrap();
    let read = start.elapsed() - written;
    assert_eq!((registry.packages.len(), registry.errors.len()), (6_000, 0));
    assert_eq!(registry.packages[0].name.to_string(), "acme0/Package0");
    // A tenth of it where nothing else runs, even without optimisations.
    assert!(written.as_millis() < 2_000 && read.as_millis() < 20_000, "{written:?} {read:?}");
    assert!(text.len() > 2 << 20, "{} bytes", text.len());
    // What is past the bounds is refused, and says which they are.
    let bomb = format!("a: &a [{}]\nb: [{}]\n", "1,".repeat(999), "*a,".repeat(999));
    let refused = super::read(bomb.as_bytes()).unwrap_err().to_string();
    assert!(refused.contains("has more than 200000 values"), "{refused}");
    let refused = super::read(&vec![b' '; BYTES + 1]).unwrap_err().to_string();
    assert!(refused.contains("at most 8388608 are read"), "{refused}");
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
