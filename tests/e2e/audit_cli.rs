//! The audit from the outside: every format of packages in every format of reports.

use std::path::{Path, PathBuf};

use insta::assert_snapshot;
use packhouse_tests::{Outcome, Runs as _, TestRegistry, copy, example, plain};
use serde_json::{Value, json};

fn audit(dir: &Path, arguments: &[&str]) -> Outcome {
    let mut command = plain(&["audit"]);
    command.current_dir(dir).args(arguments).outcome()
}

/// One broken package of each format: (folder, manifest, text, exit code).
const BROKEN: [(&str, &str, &str); 14] = [
    (
        "packhouse",
        "packhouse.yaml",
        "package:\n  identifier: acme/kit\n  version: 1.x\n  license: Beerware-ish\n",
    ),
    ("packhouse-syntax", "packhouse.yaml", "package:\n  identifier: [acme\n"),
    (
        "ato",
        "ato.yaml",
        "requires-atopile: '>=0.9'\npackage:\n  identifier: acme/kit\n  version: 1.0\ndependencies:\n  - type: git\n    identifier: acme/base\n    repo_url: https://github.com/acme/base\n",
    ),
    ("ato-syntax", "ato.yaml", "package: {identifier: acme/kit\n"),
    ("attune", "pack.yaml", "ref: Disk Watch\nversion: one\n"),
    ("attune-syntax", "pack.yaml", "ref: a\nref: b\n"),
    (
        "pyproject",
        "pyproject.toml",
        "[project]\nname = \"-kit-\"\nversion = \"one\"\ndependencies = [\"a b c\"]\n",
    ),
    (
        "apl",
        "apl-project.json",
        "{\n  group: '9lives',\n  \"name\": \"Moon\",\n  \"version\": \"1.0\",\n  \"caseCode\": true,\n  \"dependencies\": [\"Conga\", {\"group\": \"Dyalog\", \"name\": \"Util\"}],\n}\n",
    ),
    ("apl-syntax", "apl-project.json", "{\n  group: 'Acme\n}\n"),
    (
        "fppm",
        "package.yaml",
        "package_info:\n  id: acme/my.Sensor\n  author: [Ada]\nfprime_info:\n  built-with: three\ndependencies: [Bus]\n",
    ),
    ("fppm-syntax", "package.yaml", "package_info: [\nfprime_info: {}\n"),
    (
        "kicad",
        "kicad-tools-block.yaml",
        "name: acme/usb c\nversion: 1.0\nblocks:\n  - name: sink\n",
    ),
    ("kicad-syntax", "kicad-tools-block.yaml", "name: a\nname: b\n"),
    ("pyproject-syntax", "pyproject.toml", "[project\nname = 1\n"),
];

fn broken() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (folder, manifest, text) in BROKEN {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
        std::fs::write(dir.path().join(folder).join(manifest), text).unwrap();
    }
    dir
}

#[test]
fn broken_packages_of_all_formats_name_the_line() {
    let dir = broken();
    let human = |folder: &str| audit(dir.path(), &[folder]).told();
    assert_snapshot!(human("packhouse"), @"
    exit 1
    error[version-valid]: `package.version`: `1.x` is not a semantic version: unexpected character 'x' while parsing minor version number; write for example `1.2.3` or `1.2.3-rc.1`
     --> packhouse/packhouse.yaml:3:12
      |
    3 |   version: 1.x
      |            ^^^
      |
      = help: write for example `version: 1.2.3`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/version-valid.md

    warning[license-file-missing]: no licence file at the root of the package
     |
     = help: add the text of the licence as `LICENSE`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-file-missing.md

    warning[readme-missing]: `README.md` is missing
     |
     = help: say in a few lines what the package is and how to use it
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/readme-missing.md

    warning[complete]: the package has no repository
    --> packhouse/packhouse.yaml
     = help: set `package.repository` in `packhouse.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no summary
    --> packhouse/packhouse.yaml
     = help: set `package.summary` in `packhouse.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[license-spdx]: `Beerware-ish` is no SPDX licence
     --> packhouse/packhouse.yaml:4:12
      |
    4 |   license: Beerware-ish
      |            ^^^^^^^^^^^^
      |
      = help: did you mean `Beerware`?
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-spdx.md

    acme/kit: 1 error, 5 warnings
    ");
    assert_snapshot!(human("packhouse-syntax"), @"
    exit 1
    error[manifest-field]: is not YAML: while parsing a flow sequence, expected ',' or ']'
     --> packhouse-syntax/packhouse.yaml:3:1
      |
    3 |
      | ^
      |
      = help: check the indentation and the quotes of this line and the one above
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    packhouse.yaml: 1 error
    ");
    assert_snapshot!(human("ato"), @"
    exit 1
    error[complete]: the package has no repository
    --> ato/ato.yaml
     = help: set `package.repository` in `ato.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    error[manifest-field]: `requires-atopile`: `>=0.9` is not what `ato` accepts here: one of ^ > >= < <= or nothing before three numbers, or a lower and an upper bound with a comma and no blank
     --> ato/ato.yaml:1:19
      |
    1 | requires-atopile: '>=0.9'
      |                   ^^^^^^^
      |
      = help: write for example `requires-atopile: ^0.14.0`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    error[version-valid]: `package.version` is the number `1.0`, a version has three
     --> ato/ato.yaml:4:12
      |
    4 |   version: 1.0
      |            ^^^
      |
      = help: write for example `version: 1.2.3`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/version-valid.md

    error[dependency-publishable]: `https://github.com/acme/base` is a git repository, which can change or vanish
     --> ato/ato.yaml:6:5
      |
    6 |   - type: git
      |     ^^^^^
      |
      = help: publish `acme/base` and depend on its release
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/dependency-publishable.md

    warning[license-file-missing]: no licence file at the root of the package
     |
     = help: add the text of the licence as `LICENSE`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-file-missing.md

    warning[readme-missing]: `README.md` is missing
     |
     = help: say in a few lines what the package is and how to use it
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/readme-missing.md

    warning[complete]: the package has no licence
    --> ato/ato.yaml
     = help: set `package.license` in `ato.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no summary
    --> ato/ato.yaml
     = help: set `package.summary` in `ato.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    acme/kit: 4 errors, 4 warnings
    ");
    assert_snapshot!(human("ato-syntax"), @"
    exit 1
    error[manifest-field]: is not YAML: while parsing a flow mapping, did not find expected ',' or '}'
     --> ato-syntax/ato.yaml:2:1
      |
    2 |
      | ^
      |
      = help: check the indentation and the quotes of this line and the one above
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    ato.yaml: 1 error
    ");
    assert_snapshot!(human("attune"), @"
    exit 1
    error[identifier-valid]: `ref`: `Disk Watch` is no pack: a-z, 0-9, `_` and `-`, a letter first
     --> attune/pack.yaml:1:6
      |
    1 | ref: Disk Watch
      |      ^^^^
      |
      = help: write for example `ref: weather`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/identifier-valid.md

    error[version-valid]: `version`: `one` is not a semantic version: unexpected character 'o' while parsing major version number; write for example `1.2.3` or `1.2.3-rc.1`
     --> attune/pack.yaml:2:10
      |
    2 | version: one
      |          ^^^
      |
      = help: write for example `version: 1.2.3`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/version-valid.md

    warning[license-file-missing]: no licence file at the root of the package
     |
     = help: add the text of the licence as `LICENSE`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-file-missing.md

    warning[readme-missing]: `README.md` is missing
     |
     = help: say in a few lines what the package is and how to use it
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/readme-missing.md

    warning[complete]: the package has no licence
    --> attune/pack.yaml
     = help: set `license` in `pack.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no repository
    --> attune/pack.yaml
     = help: set `repository` in `pack.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no summary
    --> attune/pack.yaml
     = help: set `description` in `pack.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    pack.yaml: 2 errors, 5 warnings
    ");
    assert_snapshot!(human("attune-syntax"), @"
    exit 1
    error[manifest-field]: `ref`: the key stands here and at line 1, column 1
     --> attune-syntax/pack.yaml:2:1
      |
    2 | ref: b
      | ^^^^
      |
      = help: keep one of the two: readers would disagree about which one counts
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    pack.yaml: 1 error
    ");
    assert_snapshot!(human("pyproject"), @r#"
    exit 1
    error[identifier-valid]: `project.name`: `-kit-` is no name of Python: letters, digits, `-`, `_` and `.`, a letter or digit first and last
     --> pyproject/pyproject.toml:2:8
      |
    2 | name = "-kit-"
      |        ^^^^^^^
      |
      = help: write for example `name = "pbg-cells"`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/identifier-valid.md

    error[version-valid]: `project.version`: `one` is not a PEP 440 version: expected version to start with a number, but no leading ASCII digits were found; write for example `1.2.3`, `1.2rc1` or `1.2.post1`
     --> pyproject/pyproject.toml:3:11
      |
    3 | version = "one"
      |           ^^^^^
      |
      = help: write for example `version = "1.2.3"`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/version-valid.md

    error[manifest-field]: `project.dependencies[0]`: `a b c` is no dependency: `b c` does not belong after the name
     --> pyproject/pyproject.toml:4:17
      |
    4 | dependencies = ["a b c"]
      |                 ^^^^^^^
      |
      = help: write for example `process-bigraph>=0.0.20`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    warning[license-file-missing]: no licence file at the root of the package
     |
     = help: add the text of the licence as `LICENSE`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-file-missing.md

    warning[readme-missing]: `README.md` is missing
     |
     = help: say in a few lines what the package is and how to use it
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/readme-missing.md

    warning[complete]: the package has no licence
    --> pyproject/pyproject.toml
     = help: set `project.license` in `pyproject.toml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no repository
    --> pyproject/pyproject.toml
     = help: set `project.urls.Repository` in `pyproject.toml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no summary
    --> pyproject/pyproject.toml
     = help: set `project.description` in `pyproject.toml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    pyproject.toml: 3 errors, 5 warnings
    "#);
    assert_snapshot!(human("pyproject-syntax"), @"
    exit 1
    error[manifest-field]: is not TOML: unclosed table, expected `]`
     --> pyproject-syntax/pyproject.toml:1:9
      |
    1 | [project
      |         ^
      |
      = help: check the quotes, brackets and `=` of this line
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    pyproject.toml: 1 error
    ");
    assert_snapshot!(human("apl"), @r#"
    exit 1
    error[identifier-valid]: `group`: `9lives` is no name of APL: letters, digits and `_`, no digit first
     --> apl/apl-project.json:2:10
      |
    2 |   group: '9lives',
      |          ^^^^^^^^
      |
      = help: write for example `{"group": "Dyalog", "name": "Conga", "version": "1.2.3"}`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/identifier-valid.md

    error[version-valid]: `version`: `1.0` is not a valid APL version: it needs three numbers and has 2; write for example `1.2.3` or `1.2.3-rc.1`
     --> apl/apl-project.json:4:14
      |
    4 |   "version": "1.0",
      |              ^^^^^
      |
      = help: write for example `"version": "1.2.3"`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/version-valid.md

    error[manifest-field]: `caseCode` is neither `on` nor `off`
     --> apl/apl-project.json:5:15
      |
    5 |   "caseCode": true,
      |               ^^^^
      |
      = help: write for example `"caseCode": "off"`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    error[manifest-field]: `dependencies[0]`: `Conga` is no package ID: write `group-name-vVERSION`, for example `Dyalog-Conga-v3.1.3`
     --> apl/apl-project.json:6:20
      |
    6 |   "dependencies": ["Conga", {"group": "Dyalog", "name": "Util"}],
      |                    ^^^^^^^
      |
      = help: write for example `"Dyalog-Conga-v3.1.3"`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    error[manifest-field]: `dependencies[1]` has no `version`
     --> apl/apl-project.json:6:29
      |
    6 |   "dependencies": ["Conga", {"group": "Dyalog", "name": "Util"}],
      |                             ^^^^^^^^^
      |
      = help: write for example `{"group": "Dyalog", "name": "Conga", "version": "1.2.3"}`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    warning[license-file-missing]: no licence file at the root of the package
     |
     = help: add the text of the licence as `LICENSE`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-file-missing.md

    warning[readme-missing]: `README.md` is missing
     |
     = help: say in a few lines what the package is and how to use it
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/readme-missing.md

    warning[complete]: the package has no licence
    --> apl/apl-project.json
     = help: set `license` in `apl-project.json`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no repository
    --> apl/apl-project.json
     = help: set `repository` in `apl-project.json`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no summary
    --> apl/apl-project.json
     = help: set `description` in `apl-project.json`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    apl-project.json: 5 errors, 5 warnings
    "#);
    assert_snapshot!(human("apl-syntax"), @r#"
    exit 1
    error[manifest-field]: is not JSON: the text has no end
     --> apl-syntax/apl-project.json:2:10
      |
    2 |   group: 'Acme
      |          ^^^^^
      |
      = help: end it with its quote
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    apl-project.json: 1 error
    "#);
    assert_snapshot!(human("fppm"), @r#"
    exit 1
    error[identifier-valid]: `package_info.id`: `acme/my.Sensor` has a dot: packages lie in folders `<namespace>.<Package>`, which another dot would blur
     --> fppm/package.yaml:2:7
      |
    2 |   id: acme/my.Sensor
      |       ^^^^^^^^^^^^^^
      |
      = help: write for example `id: acme/Sensor`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/identifier-valid.md

    error[manifest-field]: `package_info.author` is a list, it should be a text
     --> fppm/package.yaml:3:11
      |
    3 |   author: [Ada]
      |           ^^^^
      |
      = help: write for example `author: Ada <ada@acme.example>`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    error[manifest-field]: `fprime_info.built-with`: `three` is not a requirement: `three` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
     --> fppm/package.yaml:5:15
      |
    5 |   built-with: three
      |               ^^^^^
      |
      = help: write a version of F Prime, for example `"3.4.4"`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    error[manifest-field]: `dependencies[0]`: `Bus` is not `Namespace/Package`, for example `acme/Sensor`
     --> fppm/package.yaml:6:16
      |
    6 | dependencies: [Bus]
      |                ^^^
      |
      = help: write for example `acme/Bus@^1.2`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    warning[license-file-missing]: no licence file at the root of the package
     |
     = help: add the text of the licence as `LICENSE`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-file-missing.md

    warning[readme-missing]: `README.md` is missing
     |
     = help: say in a few lines what the package is and how to use it
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/readme-missing.md

    warning[complete]: the package has no licence
    --> fppm/package.yaml
     = help: set `package_info.license` in `package.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no repository
    --> fppm/package.yaml
     = help: set `package_info.repo` in `package.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no summary
    --> fppm/package.yaml
     = help: set `package_info.description` in `package.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    package.yaml: 4 errors, 5 warnings
    "#);
    assert_snapshot!(human("fppm-syntax"), @r#"
    exit 1
    error[manifest-field]: is not YAML: invalid indentation
     --> fppm-syntax/package.yaml:2:1
      |
    2 | fprime_info: {}
      | ^^^^^^^^^^^^
      |
      = help: check the indentation and the quotes of this line and the one above
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    package.yaml: 1 error
    "#);
    assert_snapshot!(human("kicad"), @r#"
    exit 1
    error[identifier-valid]: `name`: `acme/usb c` has ' ' at byte 8: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`
     --> kicad/kicad-tools-block.yaml:1:7
      |
    1 | name: acme/usb c
      |       ^^^^^^^^
      |
      = help: write for example `name: acme/usb-c`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/identifier-valid.md

    error[version-valid]: `version` is the number `1.0`, a version has three
     --> kicad/kicad-tools-block.yaml:2:10
      |
    2 | version: 1.0
      |          ^^^
      |
      = help: write for example `version: 1.2.3`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/version-valid.md

    error[manifest-field]: `blocks[0]` has no `entry`
     --> kicad/kicad-tools-block.yaml:4:5
      |
    4 |   - name: sink
      |     ^^^^^
      |
      = help: write for example `{name: sink, entry: sink.kicad_sch}`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    warning[license-file-missing]: no licence file at the root of the package
     |
     = help: add the text of the licence as `LICENSE`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/license-file-missing.md

    warning[readme-missing]: `README.md` is missing
     |
     = help: say in a few lines what the package is and how to use it
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/readme-missing.md

    warning[complete]: the package has no licence
    --> kicad/kicad-tools-block.yaml
     = help: set `license` in `kicad-tools-block.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    warning[complete]: the package has no summary
    --> kicad/kicad-tools-block.yaml
     = help: set `description` in `kicad-tools-block.yaml`
     = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/complete.md

    kicad-tools-block.yaml: 3 errors, 4 warnings
    "#);
    assert_snapshot!(human("kicad-syntax"), @r#"
    exit 1
    error[manifest-field]: `name`: the key stands here and at line 1, column 1
     --> kicad-syntax/kicad-tools-block.yaml:2:1
      |
    2 | name: b
      | ^^^^^
      |
      = help: keep one of the two: readers would disagree about which one counts
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    kicad-tools-block.yaml: 1 error
    "#);
}

#[test]
fn all_reports_tell_the_same_findings() {
    let dir = broken();
    let folders = BROKEN.map(|(folder, ..)| folder);
    for folder in folders {
        let said = |format: &str| {
            let outcome = audit(dir.path(), &[folder, "--format", format]);
            assert_eq!(outcome.code, 1, "{folder} as {format}: {outcome}");
            outcome
        };
        let json = said("json").json();
        assert_eq!(json["schema"], 1);
        let found = json["packages"][0]["findings"].as_array().unwrap();
        let errors = json["counts"]["errors"].as_u64().unwrap();
        assert!(errors > 0 && !found.is_empty(), "{folder}");
        assert_eq!(audit(dir.path(), &[folder, "--json"]).json(), json, "--json is --format json");
        let sarif = said("sarif").json();
        let results = sarif.pointer("/runs/0/results").and_then(Value::as_array).unwrap();
        let ids = |list: &[Value], key: &str| -> Vec<String> {
            list.iter().map(|f| f[key].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(ids(results, "ruleId"), ids(found, "rule"), "{folder}");
        let rules = sarif.pointer("/runs/0/tool/driver/rules").and_then(Value::as_array).unwrap();
        for result in results {
            let at = result["ruleIndex"].as_u64().unwrap() as usize;
            assert_eq!(rules[at]["id"], result["ruleId"]);
        }
        let github = said("github").stdout;
        let commands: Vec<_> = github.lines().filter(|line| line.starts_with("::")).collect();
        assert_eq!(commands.len(), found.len(), "{folder}: {github}");
        let (human, markdown) = (said("human").stdout, said("markdown").stdout);
        for finding in found {
            let rule = finding["rule"].as_str().unwrap();
            assert!(
                human.contains(&format!("[{rule}]")) && markdown.contains(rule),
                "{folder} {rule}"
            );
            if let Some(line) = finding["line"].as_u64() {
                assert!(human.contains(&format!(":{line}:")), "{folder} {rule}: {human}");
                assert!(github.contains(&format!("line={line}")), "{folder} {rule}: {github}");
            }
        }
    }
}

#[test]
fn the_examples_are_clean_in_every_report() {
    let dir = tempfile::tempdir().unwrap();
    let names = [
        "apl-package",
        "ato-board",
        "ato-sensor",
        "attune-pack",
        "fppm-thermometer",
        "kicad-block",
        "packhouse-lib",
        "python-process",
    ];
    let folders: Vec<PathBuf> = names.iter().map(|name| example(name)).collect();
    let all: Vec<_> = folders.iter().map(|folder| folder.to_str().unwrap()).collect();
    let human = audit(dir.path(), &all);
    assert_snapshot!(human.told(), @"
    exit 0
    acme/Acme-Moon 0.3.0: no findings
    acme/board 0.3.0: no findings
    acme/sensor 1.0.0: no findings
    acme/disk-watch 1.1.0: no findings
    acme/Thermometer: no findings
    acme/usb-c-sink 1.0.0: no findings
    acme/units 2.1.0: no findings
    acme/pbg-growth 0.2.0: no findings
    8 packages: no findings
    ");
    for format in ["json", "github", "sarif", "markdown"] {
        let outcome =
            audit(dir.path(), &[&all[..], &["--format", format, "--fail-on", "note"]].concat())
                .ok();
        assert!(outcome.stderr.is_empty(), "{outcome}");
    }
}

#[test]
fn severities_decide_the_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = "package:\n  identifier: acme/kit\n  version: 1.0.0\n  license: MIT\n  summary: Measures.\n  repository: https://github.com/acme/kit\n";
    std::fs::write(dir.path().join("packhouse.yaml"), manifest).unwrap();
    std::fs::write(dir.path().join("README.md"), "# Kit\n").unwrap();
    let codes = ["error", "warning", "note", "never"]
        .map(|fail_on| audit(dir.path(), &["--fail-on", fail_on]).code);
    assert_eq!(codes, [0, 1, 1, 0], "a missing licence file is a warning");
    std::fs::write(
        dir.path().join(".env"),
        "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY\n",
    )
    .unwrap();
    let secret = audit(dir.path(), &[]);
    assert_eq!(secret.code, 1, "{secret}");
    assert!(!secret.stdout.contains("wJalrXUtnFEMI"), "a report shows no secret: {secret}");
    let excluded = audit(dir.path(), &["--exclude", ".env"]);
    assert_eq!(excluded.code, 0, "{excluded}");
    assert_eq!(audit(dir.path(), &["--fail-on", "never"]).code, 0);
}

#[test]
fn hostile_names_are_shown_and_do_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = "package:\n  identifier: acme/kit\n  version: 1.0.0\n  license: MIT\n  summary: \"\\e[31m\\n::error::x\"\n  repository: https://github.com/acme/kit\n";
    std::fs::write(dir.path().join("packhouse.yaml"), manifest).unwrap();
    for name in [
        "a\u{1b}[2J.txt",
        "b\n::set-env name=PATH::x",
        "c%0A::error::x,line=1",
        "con.txt",
        "\u{202e}gnp.exe",
    ] {
        std::fs::write(dir.path().join(name), "MZ").unwrap();
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        std::fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "").unwrap();
        std::os::unix::fs::symlink("/etc/passwd\u{1b}[2J", dir.path().join("link")).unwrap();
    }
    for format in ["human", "json", "github", "sarif", "markdown"] {
        let outcome = audit(dir.path(), &["--format", format]);
        assert_eq!(outcome.code, 1, "{outcome}");
        assert!(!outcome.to_string().contains(['\u{1b}', '\u{202e}']), "{format}: {outcome}");
        assert!(
            !outcome.stdout.contains("\n::set-env") && !outcome.stdout.contains("\n::error::x"),
            "{format}: {outcome}"
        );
        if matches!(format, "json" | "sarif") {
            assert_ne!(outcome.json(), json!(null));
        }
    }
}

const CIRCUIT: &str = "requires-atopile: ^0.14.0
package:
  identifier: acme/sensor
  version: 1.2.3
  repository: https://github.com/acme/sensor
  license: MIT
  summary: Reads a sensor
paths:
  layout: ./layouts
builds:
  usage: {entry: usage.ato:Usage, hide_designators: true, exclude_checks: [PCB.requires_drc_check]}
";
const USAGE: &str =
    "from \"acme/sensor/sensor.ato\" import Sensor\n\nmodule Usage:\n    sensor = new Sensor\n";

/// A circuit in a folder `sensor` that `ato package verify --strict` would pass.
fn circuit() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sensor");
    let readme = format!("# Sensor\n\n```ato\n{USAGE}```\n");
    for (path, text) in [
        ("ato.yaml", CIRCUIT),
        (".gitignore", "build/\n"),
        ("LICENSE", "MIT License\n"),
        ("README.md", &readme),
        ("usage.ato", USAGE),
        ("sensor.ato", "import Resistor\n\nmodule Sensor:\n    upper = new Resistor\n"),
        (
            "layouts/usage/usage.kicad_pcb",
            "(kicad_pcb (footprint \"a\" (model \"${KIPRJMOD}/../../parts/a/a.step\")))\n",
        ),
        ("parts/a/a.step", "ISO-10303-21;\n"),
        ("build/builds/usage/usage.glb", "glTF"),
        ("build/builds/usage/usage.bom.csv", "Designator\n"),
        ("build/builds/usage/usage.gerber.zip", "PK"),
        ("build/builds/usage/usage.pcba.step", "ISO-10303-21;\n"),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    (dir, folder)
}

#[test]
fn strict_names_each_thing_that_ato_would_miss() {
    let (_dir, folder) = circuit();
    assert_snapshot!(audit(&folder, &["--strict"]).told(), @"
    exit 0
    acme/sensor 1.2.3: no findings
    ");
    let replaced = |file: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(from), "{file}");
        (file.to_owned(), Some(text.replace(from, to)))
    };
    let gone = |file: &str| (file.to_owned(), None);
    for (rule, (file, text), told) in [
        ("artifact-missing", gone("build/builds/usage/usage.glb"), "`*.glb`"),
        ("artifact-missing", gone("build/builds/usage/usage.bom.csv"), "`*.bom.csv`"),
        ("artifact-missing", gone("build/builds/usage/usage.gerber.zip"), "`*gerber.zip`"),
        ("artifact-missing", gone("build/builds/usage/usage.pcba.step"), "`*step`"),
        ("model-missing", gone("parts/a/a.step"), "`parts/a/a.step`"),
        ("file-structure", gone("sensor.ato"), "`sensor.ato`"),
        ("file-structure", gone("layouts/usage/usage.kicad_pcb"), "`layouts`"),
        ("file-structure", replaced("ato.yaml", "hide_designators: true, ", ""), "designators"),
        ("file-structure", replaced("ato.yaml", "[PCB.requires_drc_check]", "[]"), "design rule"),
        (
            "file-structure",
            replaced("ato.yaml", "acme/sensor\n  version", "acme/probe\n  version"),
            "`sensor`",
        ),
        ("usage-import", replaced("ato.yaml", "  usage: {", "  default: {"), "target `usage`"),
        ("usage-import", replaced("usage.ato", "acme/sensor/", ""), "`sensor.ato`"),
        ("usage-in-readme", replaced("README.md", "sensor = new", "probe = new"), "`usage.ato`"),
        ("unused-import", replaced("sensor.ato", "new Resistor", "new Capacitor"), "`Resistor`"),
        (
            "duplicate-import",
            replaced("sensor.ato", "import Resistor", "import Resistor; import Resistor"),
            "`Resistor`",
        ),
        (
            "dependency-pinned",
            replaced("ato.yaml", "builds:", "dependencies: [acme/i2c]\nbuilds:"),
            "`acme/i2c`",
        ),
    ] {
        let path = folder.join(&file);
        let before = std::fs::read(&path).unwrap();
        match text {
            Some(text) => std::fs::write(&path, text).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let strict = audit(&folder, &["--strict"]);
        assert_eq!(strict.code, 1, "{file}: {strict}");
        let heading = format!("error[{rule}]: ");
        let named =
            strict.stdout.lines().any(|line| line.starts_with(&heading) && line.contains(told));
        assert!(named, "{rule}, {told}: {strict}");
        let plain = audit(&folder, &[]);
        assert_eq!(plain.code, 0, "{file}: {plain}");
        // What others cannot import is worth a warning to everybody, that there is no example is not.
        let warned = plain.stdout.contains("warning[usage-import]");
        let import = strict.stdout.contains("error[usage-import]: `");
        assert_eq!(warned, import, "{file}: {plain}");
        assert!(import || file != "usage.ato", "{strict}");
        std::fs::write(&path, before).unwrap();
    }
    std::fs::remove_dir_all(folder.join("build")).unwrap();
    let unbuilt = audit(&folder, &["--strict"]);
    assert!(unbuilt.code == 1 && unbuilt.stdout.contains("error[build-missing]"), "{unbuilt}");
    assert!(!unbuilt.stdout.contains("artifact-missing"), "one finding is enough: {unbuilt}");
}

#[cfg(unix)]
#[test]
fn strict_looks_at_no_build_behind_a_link() {
    let (dir, folder) = circuit();
    std::fs::rename(folder.join("build"), dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("elsewhere"), folder.join("build")).unwrap();
    let outcome = audit(&folder, &["--strict", "--exclude", "build"]);
    assert!(outcome.stdout.contains("error[build-missing]"), "{outcome}");
}

#[test]
fn a_registry_says_which_dependencies_it_lacks() {
    let registry = TestRegistry::start();
    registry.ci("acme/sensor").tag("v1.0.0").publish(&example("ato-sensor")).ok();
    let dir = tempfile::tempdir().unwrap();
    copy(&example("ato-board"), dir.path());
    let (file, url) = (dir.path().join("ato.yaml"), registry.url());
    let known = audit(dir.path(), &["--registry", &url]).ok();
    assert!(!known.stdout.contains("dependency-missing"), "{known}");

    let text = std::fs::read_to_string(&file).unwrap();
    let newer = text.replace("release: 1.0.0", "release: 1.1.0\n  - acme/gone@1.0.0");
    assert_ne!(newer, text);
    std::fs::write(&file, newer).unwrap();
    let told = [
        "the registry holds no release of `acme/sensor` that fits `1.1.0`",
        "the registry does not hold `acme/gone`",
    ];
    for (strict, severity) in [(false, "warning"), (true, "error")] {
        let arguments = ["--registry", &url, "--strict"];
        let outcome = audit(dir.path(), &arguments[..if strict { 3 } else { 2 }]);
        assert_eq!(outcome.code, i32::from(strict), "{outcome}");
        for told in told {
            let line = format!("{severity}[dependency-missing]: {told}");
            assert!(outcome.stdout.contains(&line), "{line}: {outcome}");
        }
    }
}
