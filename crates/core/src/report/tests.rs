use super::*;
use crate::audit::{Facts, audit};
use crate::limits::Limits;
use crate::manifest::{Field, Manifest, Name, Place};
use crate::version::{Order, Version};

/// A package of hostile and ordinary findings, with the files they are about.
fn sample() -> (Tree, Vec<Finding>) {
    let mut tree = Tree::default();
    let manifest = "name: acme/sensor\nversion: 1.2.3 # as released\nlicense: mit\nrepository: https://me:geheim@github.com/acme/sensor\n";
    let mut put = |path: &str, text: &str| {
        tree.insert(path.parse().unwrap(), text.as_bytes().to_vec(), false)
    };
    put("packhouse.yaml", manifest);
    put("README.md", "# Sensor\n");
    put("src/\u{202e}evil.py", "x = 1\n");
    put("tool.bin", "\u{7f}ELF\0\0");
    put(
        "a%b,c.py",
        &format!("{}# \u{202e} \x1b[31m `|@everyone {}\n", "pad ".repeat(60), "tail ".repeat(60)),
    );
    let mut m = Manifest::new("packhouse", Order::SemVer, "packhouse.yaml".parse().unwrap());
    let at = |line, column| Place { line, column };
    m.name = Some(Field { value: Name::Full("acme/sensor".parse().unwrap()), at: at(1, 7) });
    m.version =
        Some(Field { value: Version::parse(Order::SemVer, "1.2.3").unwrap(), at: at(2, 10) });
    m.license = Some(Field { value: "mit".into(), at: at(3, 10) });
    m.repository =
        Some(Field { value: "https://me:geheim@github.com/acme/sensor".into(), at: at(4, 13) });
    m.problems.push(crate::manifest::Problem {
        file: None,
        field: "keywords".into(),
        at: at(9, 1),
        message: "found `<img src=x>\n::error::@everyone | \u{202e}`".into(),
        help: "see https://evil.example/`x` #1".into(),
    });
    let limits = Limits::default();
    let findings = audit(&Facts { tag: Some("v1.2.4"), ..Facts::new(&tree, &m, &limits) });
    (tree, findings)
}

fn audited<'a>(tree: &'a Tree, findings: &'a [Finding]) -> Vec<Audited<'a>> {
    vec![Audited {
        package: "acme/sensor".into(),
        version: Some("1.2.3".into()),
        folder: "packages/sensor".into(),
        findings,
        exports: &[],
        tree: Some(tree),
    }]
}

#[test]
fn people_read_what_where_and_how_to_mend_it() {
    let (tree, findings) = sample();
    insta::assert_snapshot!(human::render(&audited(&tree, &findings), human::Style::default()));
}

#[test]
fn a_narrow_terminal_cuts_the_line_around_the_place() {
    let (tree, findings) = sample();
    let style = human::Style { color: false, width: 60 };
    let text = human::render(&audited(&tree, &findings), style);
    let excerpt = text
        .lines()
        .filter(|line| line.contains("evil") || line.contains("u{202e}"))
        .collect::<Vec<_>>();
    insta::assert_snapshot!(excerpt.join("\n"));
}

#[test]
fn colour_adds_escapes_and_changes_no_text() {
    let (tree, findings) = sample();
    let packages = audited(&tree, &findings);
    let colored = human::render(&packages, human::Style { color: true, width: 120 });
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        // A colour ends at `m`, a hyperlink at its terminator.
        let end = if rest[at..].starts_with("\u{1b}]") { "\u{1b}\\" } else { "m" };
        rest = &rest[at + rest[at..].find(end).unwrap() + end.len()..];
    }
    plain.push_str(rest);
    assert_eq!(plain, human::render(&packages, human::Style::default()));
}

#[test]
fn annotations_carry_the_place_and_cannot_be_forged() {
    let (tree, findings) = sample();
    let text = github::render(&audited(&tree, &findings));
    assert!(
        text.lines().all(|line| line.starts_with("::error ") || line.starts_with("::warning "))
    );
    insta::assert_snapshot!(text);
}

#[test]
fn the_tenth_annotation_counts_the_rest() {
    let finding = |n: u32, severity| Finding {
        rule: "secrets".into(),
        severity,
        path: Some("a".into()),
        line: Some(n),
        column: None,
        message: "found".into(),
        help: None,
        fingerprint: "0".repeat(16),
    };
    let mut findings: Vec<_> = (1..=13).map(|n| finding(n, Severity::Error)).collect();
    findings.extend((1..=10).map(|n| finding(n, Severity::Warning)));
    let text = github::render(&[Audited {
        package: "a/b".into(),
        version: None,
        folder: String::new(),
        findings: &findings,
        exports: &[],
        tree: None,
    }]);
    let errors: Vec<_> = text.lines().filter(|line| line.starts_with("::error")).collect();
    assert_eq!(errors.len(), 10);
    assert!(errors[9].ends_with("%0A3 more in the summary"), "{}", errors[9]);
    assert_eq!(text.matches("more in the summary").count(), 1);
    assert_eq!(text.lines().filter(|line| line.starts_with("::warning")).count(), 10);
}

#[test]
fn programs_read_schema_1() {
    let (tree, findings) = sample();
    let text = json::render(&audited(&tree, &findings[..2]));
    insta::assert_snapshot!(text);
    let back: json::Report = serde_json::from_str(&text).unwrap();
    assert_eq!(back.packages[0].findings, findings[..2]);
    assert_eq!(back.counts, Counts { errors: 2, warnings: 0, notes: 0 });
}

#[test]
fn the_summary_interprets_nothing_from_outside() {
    let (tree, findings) = sample();
    insta::assert_snapshot!(markdown::render(&audited(&tree, &findings)));
}

#[test]
fn the_summary_stays_below_what_github_takes() {
    let (tree, findings) = sample();
    let many: Vec<_> = findings.iter().cycle().take(20_000).cloned().collect();
    let text = markdown::render(&audited(&tree, &many));
    assert!(text.len() < markdown::MAX_BYTES + 200);
    assert!(text.ends_with("more findings did not fit here; the job's log has them.\n"));
}

#[test]
fn sarif_has_the_shape_that_the_standard_asks_for() {
    let (tree, findings) = sample();
    let text = sarif::render(&audited(&tree, &findings));
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert!(run["tool"]["driver"]["name"].is_string());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string());
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"));
        assert!(
            ["error", "warning", "note"]
                .contains(&rule["defaultConfiguration"]["level"].as_str().unwrap())
        );
    }
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), findings.len());
    let mut prints = std::collections::HashSet::new();
    for result in results {
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(result["message"]["text"].as_str().is_some_and(|text| !text.is_empty()));
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("packages/sensor/"), "{uri}");
        assert!(uri.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b)), "{uri}");
        assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line > 0));
        let print = result["partialFingerprints"]["packhouse/v1"].as_str().unwrap();
        assert_eq!(print.len(), 16);
        assert!(prints.insert(print.to_owned()), "a fingerprint twice");
    }
    // The index changes with each new rule and was compared above.
    let mut first = results[..4].to_vec();
    for result in &mut first {
        result.as_object_mut().unwrap().shift_remove("ruleIndex");
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&first).unwrap());
}

#[test]
fn no_report_shows_the_password() {
    let (tree, findings) = sample();
    let packages = audited(&tree, &findings);
    let reports = [
        human::render(&packages, human::Style::default()),
        json::render(&packages),
        github::render(&packages),
        sarif::render(&packages),
        markdown::render(&packages),
    ];
    for report in reports {
        assert!(report.contains("repository-url"));
        assert!(!report.contains("geheim"));
        assert!(
            report
                .chars()
                .all(|c| c == '\n' || crate::escape::printable(&c.to_string()) == c.to_string())
        );
    }
}

#[test]
fn outcomes_follow_the_level() {
    let (_, findings) = sample();
    let warnings: Vec<_> = findings.iter().filter(|f| f.severity < Severity::Error).collect();
    assert_eq!(outcome([], FailOn::Note), Outcome::Clean);
    assert_eq!(outcome(&findings, FailOn::Error), Outcome::Failed(Severity::Error));
    assert_eq!(outcome(&findings, FailOn::Never), Outcome::Passed(Severity::Error));
    assert_eq!(
        outcome(warnings.iter().copied(), FailOn::Error),
        Outcome::Passed(Severity::Warning)
    );
    assert_eq!(
        outcome(warnings.iter().copied(), FailOn::Warning),
        Outcome::Failed(Severity::Warning)
    );
    assert_eq!("warning".parse(), Ok(FailOn::Warning));
    assert!("bad\u{1b}".parse::<FailOn>().is_err_and(|e| !e.to_string().contains('\u{1b}')));
}

#[test]
fn a_manifest_that_cannot_be_read_is_a_finding_with_its_line() {
    let mut tree = Tree::default();
    tree.insert("ato.yaml".parse().unwrap(), b"package:\n\tidentifier: a/b\n".to_vec(), false);
    let findings = crate::audit::broken(&crate::formats::Broken {
        path: "ato.yaml".parse().unwrap(),
        at: Place { line: 2, column: 1 },
        field: None,
        message: "found a tab where blanks are needed".into(),
        help: "indent with blanks".into(),
    });
    let package = Audited {
        package: "ato.yaml".into(),
        version: None,
        folder: String::new(),
        findings: &findings,
        exports: &[],
        tree: Some(&tree),
    };
    insta::assert_snapshot!(human::render(&[package], human::Style::default()), @"
    error[manifest-field]: found a tab where blanks are needed
     --> ato.yaml:2:1
      |
    2 |     identifier: a/b
      | ^^^^
      |
      = help: indent with blanks
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    ato.yaml: 1 error
    ");
}

/// The whole way, as the CLI goes it: files, manifest, facts, findings, report.
#[test]
fn a_package_as_people_write_it() {
    let mut tree = Tree::default();
    let mut put = |path: &str, text: &str| {
        tree.insert(path.parse().unwrap(), text.as_bytes().to_vec(), false)
    };
    put(
        "ato.yaml",
        "requires-atopile: ^0.12.0
package:
  identifier: acme/Sensor
  version: 1.2
  repository: https://github.com/acme/sensor
  license: Apache
dependencies:
  - type: registry
    identifier: acme/i2c
  - type: file
    path: ../led
builds:
  default:
    entry: sensr.ato:Sensor
",
    );
    put("sensor.ato", "module Sensor:\n    pass\n");
    put("README.md", "# Sensor\n");
    put("LICENSE", "Apache License\n");
    put("build/cache.json", "{}\n");
    let crate::formats::Found::Package(manifest) = crate::formats::read_root(&tree) else {
        panic!("a manifest");
    };
    let limits = Limits::default();
    let findings = audit(&Facts { tag: Some("v1.2.0"), ..Facts::new(&tree, &manifest, &limits) });
    let package = Audited::new(&manifest, "", &tree, &findings);
    insta::assert_snapshot!(human::render(&[package], human::Style::default()));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
    #[test]
    fn no_file_and_no_place_makes_a_report_panic_or_steer(
        text in "(.|\n|\t|\u{202e}|\u{1b}\\[2J|\u{300}|\u{4e2d}|\u{1f469}\u{200d}\u{1f4bb}|\"|'|ghp_[a-z0-9]{36}){0,60}",
        line in 0_u32..6,
        column in 0_u32..50,
        width in 0_usize..200,
        color in proptest::bool::ANY,
    ) {
        let mut tree = Tree::default();
        tree.insert("a".parse().unwrap(), text.into_bytes(), false);
        let findings = [Finding {
            rule: "secrets".into(),
            severity: Severity::Note,
            path: Some("a".into()),
            line: Some(line),
            column: Some(column),
            message: "found".into(),
            help: None,
            fingerprint: "0".repeat(16),
        }];
        let package = Audited { package: "a/b".into(), version: None, folder: String::new(), findings: &findings, exports: &[], tree: Some(&tree) };
        let report = human::render(&[package], human::Style { color, width });
        if !color {
            let steers = |c: char| c != '\n' && crate::escape::printable(&c.to_string()) != c.to_string();
            proptest::prop_assert!(!report.contains(steers), "{report:?}");
        }
    }
}
