//! What publishers claim of tests and coverage, and what advisories say: published, shown, matched,
//! withdrawn.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use packhouse_tests::{Ci, Options, Outcome, Runs as _, TestRegistry, plain};
use serde_json::{Value, json};

const JUNIT: &str = r#"<testsuites>
  <testsuite name="unit">
    <testcase name="a" time="1.5"/>
    <testcase name="b" time="0.25"><skipped/></testcase>
    <testcase name="c"><failure message="no"/></testcase>
  </testsuite>
</testsuites>"#;
const LCOV: &str = "SF:a.rs\nFN:1,main\nFNDA:1,main\nDA:1,1\nDA:2,0\nDA:3,4\nend_of_record\n";

/// A place with packages, reports and advisories.
struct Desk {
    dir: tempfile::TempDir,
    registry: TestRegistry,
}

impl Desk {
    /// A registry that knows the advisories in `osv`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("osv")).unwrap();
        let folder = dir.path().join("osv").to_str().unwrap().to_owned();
        let registry = TestRegistry::with(Options {
            arguments: vec!["--advisories".to_owned(), folder],
            ..Options::default()
        });
        Self { dir, registry }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// A package without findings, with `more` in its manifest.
    fn package(&self, name: &str, version: &str, more: &str) -> PathBuf {
        let folder = self.path(&format!("{name}-{version}"));
        std::fs::create_dir_all(&folder).unwrap();
        let manifest = format!(
            "package:\n  identifier: acme/{name}\n  version: {version}\n  repository: https://github.com/acme/{name}\n  license: MIT\n  summary: Measures.\n{more}"
        );
        std::fs::write(folder.join("packhouse.yaml"), manifest).unwrap();
        std::fs::write(folder.join("README.md"), "# It\n").unwrap();
        std::fs::write(folder.join("LICENSE"), "MIT License\n").unwrap();
        folder
    }

    fn ci(&self, name: &str, version: &str) -> Ci {
        let tag = format!("v{version}");
        let ci = self.registry.ci(&format!("acme/{name}")).tag(&tag);
        ci.env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", &tag)
    }

    /// Publishes with these reports.
    fn publish(&self, folder: &Path, name: &str, version: &str, more: &[&Path]) -> Outcome {
        let mut command = self.ci(name, version).command(&[Path::new("publish"), folder]);
        command.args(more).outcome()
    }

    /// `packhouse` as a reader runs it.
    fn run(&self, arguments: &[&str]) -> Outcome {
        let mut command = plain(arguments);
        command.env("PACKHOUSE_REGISTRY", self.registry.url()).current_dir(self.dir.path());
        command.outcome()
    }

    /// Waits until the package's advisories have these ids.
    #[track_caller]
    fn wait_for_advisories(&self, name: &str, expected: &[&str]) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let info = self.registry.get(&format!("/v1/package/acme/{name}"))["info"].clone();
            let found = info["advisories"].as_array().map(|all| {
                all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            });
            if found.as_deref().is_some_and(|found| found == expected) {
                return info;
            }
            assert!(Instant::now() < end, "{found:?} is not {expected:?}\n{}", self.registry.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn advisory(id: &str, package: &str, fixed: &str) -> String {
    json!({
        "schema_version": "1.7.0", "id": id, "modified": "2026-01-01T00:00:00Z",
        "aliases": ["CVE-2026-1"], "summary": "It burns",
        "affected": [{
            "package": {"ecosystem": "Packhouse", "name": package},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
        }],
    })
    .to_string()
}

#[test]
fn reports_become_a_claim_that_readers_see() {
    let desk = Desk::new();
    let folder = desk.package("kit", "1.0.0", "");
    let (junit, lcov) = (desk.write("junit.xml", JUNIT), desk.write("lcov.info", LCOV));
    let reports = [
        Path::new("--test-report"),
        &junit,
        "--coverage".as_ref(),
        &lcov,
        "--coverage".as_ref(),
        &lcov,
    ];
    desk.publish(&folder, "kit", "1.0.0", &reports).ok();
    let claim = json!({
        "tests": {"tests": 3, "passed": 1, "failures": 1, "errors": 0, "skipped": 1, "duration_ms": 1750},
        "coverage": {
            "lines": {"found": 3, "hit": 2}, "functions": {"found": 1, "hit": 1},
            "branches": {"found": 0, "hit": 0},
        },
    });
    let get = |path: &str| desk.registry.get(path);
    assert_eq!(get("/v1/package/acme/kit")["info"]["quality"], claim);
    assert_eq!(get("/v1/package/acme/kit/releases/1.0.0")["info"]["quality"], claim);
    let event = get("/v1/package/acme/kit/-/events")["events"][0].clone();
    assert_eq!(event["data"]["quality"], claim, "it is in the chain of hashes");
    let shown = desk.run(&["info", "acme/kit"]).ok();
    for line in [
        "tests       3: 1 passed, 1 failed, 1 skipped, in 1.7 s",
        "coverage    66.6 % of 3 lines, 100.0 % of 1 functions",
    ] {
        assert!(shown.stdout.contains(line), "{shown}");
    }
    let shown = desk.run(&["info", "acme/kit", "--json"]).ok().json();
    assert_eq!(shown["release"]["quality"], claim);
    assert_eq!(get("/v1/packages?query=kit")["packages"][0]["quality"], claim);
    let found = desk.run(&["search", "kit"]).ok();
    assert!(
        found.stdout.contains(
            "tests 3: 1 passed, 1 failed, 1 skipped, in 1.7 s; coverage 66.6 % of 3 lines"
        ),
        "{found}"
    );
    let page = String::from_utf8(desk.registry.fetch("/p/acme/kit").1).unwrap();
    assert!(page.contains("<h2>Tests</h2>3: 1 passed, 1 failed, 1 skipped, in 1.7 s"), "{page}");

    // The same content with other reports, and with none: what was said first stays.
    let other = desk.write("other.xml", "<testsuite><testcase/></testsuite>");
    let again = desk.publish(&folder, "kit", "1.0.0", &["--test-report".as_ref(), &other]).ok();
    assert!(again.stderr.contains("released before with other reports"), "{again}");
    desk.publish(&folder, "kit", "1.0.0", &[]).ok();
    assert_eq!(get("/v1/package/acme/kit/releases/1.0.0")["info"]["quality"], claim);
}

#[test]
fn a_broken_report_stops_a_publish_before_anybody_is_asked() {
    let desk = Desk::new();
    let folder = desk.package("kit", "1.0.0", "");
    let entities = "<!DOCTYPE t [<!ENTITY a \"x\">]>\n<testsuite>&a;</testsuite>";
    let half = &JUNIT[..JUNIT.len() - 20];
    let contradiction = "SF:a\nLF:1\nLH:2\nend_of_record\n";
    for (option, text, told) in [
        ("--test-report", entities, "line 1, column 1: it has a document type"),
        ("--test-report", half, "line 6, column 3: not well-formed XML"),
        ("--coverage", "SF:a\nDA:1,x\nend_of_record\n", "line 2: `DA:` has `x`"),
        ("--coverage", contradiction, "line 4: 2 of 1 lines are reached"),
    ] {
        let report = desk.write("report", text);
        let refused = desk.publish(&folder, "kit", "1.0.0", &[Path::new(option), &report]);
        assert_eq!(refused.code, 2, "{refused}");
        assert!(refused.stderr.contains("report`: ") && refused.stderr.contains(told), "{refused}");
        assert!(refused.stderr.contains("hint: "), "{refused}");
    }
    let missing = desk.publish(&folder, "kit", "1.0.0", &["--coverage".as_ref(), "none".as_ref()]);
    assert_eq!(missing.code, 2, "{missing}");
    assert_eq!(desk.registry.issuer.tokens(), 0, "nobody asked for a token");
    assert_eq!(desk.registry.fetch("/v1/package/acme/kit").0, 404);
}

#[test]
fn a_claim_that_contradicts_itself_is_refused_by_the_registry() {
    let desk = Desk::new();
    let token = desk.registry.admin_token();
    let claim = json!({"tests": {"tests": 3, "passed": 9, "failures": 0, "errors": 0, "skipped": 0, "duration_ms": 0}});
    let body = json!({
        "identifier": "acme/kit", "package_version": "1.0.0", "package_size": 9, "format": "packhouse",
        "digest": "0".repeat(64), "quality": claim,
    });
    let url = format!("{}/v1/publish", desk.registry.url());
    let (status, answer) = packhouse_tests::http::post(&url, &token, &body);
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("bad-request")));
    assert!(
        answer["detail"].as_str().unwrap().contains("`quality.tests` counts 3 tests"),
        "{answer}"
    );
}

#[test]
fn advisories_turn_up_without_a_publish_and_withdrawn_ones_vanish() {
    let desk = Desk::new();
    for (name, needs) in [("base", ""), ("kit", "dependencies:\n  - acme/base@^1.0\n")] {
        let folder = desk.package(name, "1.0.0", needs);
        desk.publish(&folder, name, "1.0.0", &[]).ok();
    }
    desk.wait_for_advisories("kit", &[]);
    assert!(desk.run(&["info", "acme/kit"]).ok().stdout.contains("advisories  none"));

    desk.write("osv/one.json", &advisory("PKH-1", "acme/base", "1.1.0"));
    desk.wait_for_advisories("base", &["PKH-1"]);
    let info = desk.wait_for_advisories("kit", &["PKH-1"]);
    let expected = json!({
        "id": "PKH-1", "aliases": ["CVE-2026-1"], "summary": "It burns", "dependency": "acme/base",
        "affected": "<1.1.0", "fixed": "1.1.0",
    });
    assert_eq!(info["advisories"][0], expected);
    let shown = desk.run(&["info", "acme/kit"]).ok();
    let line = "advisories  PKH-1 through acme/base (<1.1.0, fixed in 1.1.0)";
    assert!(shown.stdout.contains(line), "{shown}");

    let hit = || desk.registry.get("/v1/packages?query=kit")["packages"][0]["advisories"].clone();
    assert_eq!(hit(), json!(["PKH-1"]));
    let found = desk.run(&["search", "kit"]).ok();
    assert!(found.stdout.contains("    advisories PKH-1\n"), "{found}");

    // A release that mends it: the requirement leads there, and nobody published the kit again.
    let mended = desk.package("base", "1.1.0", "");
    desk.publish(&mended, "base", "1.1.0", &[]).ok();
    desk.wait_for_advisories("base", &[]);
    desk.wait_for_advisories("kit", &[]);
    desk.write("osv/two.json", &advisory("PKH-2", "acme/base", "2.0.0"));
    desk.wait_for_advisories("base", &["PKH-2"]);
    desk.wait_for_advisories("kit", &["PKH-2"]);

    // A file that is no advisory changes nothing, and says why.
    desk.write("osv/three.json", "{\"id\": \"PKH-3\"}");
    assert!(desk.registry.wait_for_log("three.json`: line 1, column 15: missing field `modified`"));
    desk.wait_for_advisories("kit", &["PKH-2"]);
    std::fs::remove_file(desk.path("osv/three.json")).unwrap();

    let gone = advisory("PKH-2", "acme/base", "2.0.0");
    let gone = gone.replace("\"id\"", "\"withdrawn\":\"2026-02-01T00:00:00Z\",\"id\"");
    desk.write("osv/two.json", &gone);
    desk.wait_for_advisories("kit", &[]);
    desk.wait_for_advisories("base", &[]);
    assert_eq!(hit(), json!([]), "a search shows the same");
    let release = desk.registry.get("/v1/package/acme/kit/releases/1.0.0");
    assert_eq!(release["info"]["publisher"]["kind"], "oidc", "the release itself is as it was");
    let events = desk.registry.get("/v1/package/acme/kit/-/events");
    assert_eq!(events["events"].as_array().unwrap().len(), 1);
}

#[test]
fn an_audit_matches_dependencies_with_a_folder_of_advisories() {
    let desk = Desk::new();
    let base = desk.package("base", "1.0.0", "");
    desk.publish(&base, "base", "1.0.0", &[]).ok();
    let kit = desk.package("kit", "1.0.0", "dependencies:\n  - acme/base@^1.0\n");
    let kit = kit.to_str().unwrap();
    let audit = |more: &[&str]| {
        let mut arguments = vec!["audit", kit, "--advisories", "osv"];
        arguments.extend(more);
        desk.run(&arguments)
    };
    audit(&["--fail-on", "note"]).ok();
    desk.write("osv/one.json", &advisory("PKH-1", "acme/base", "1.1.0"));
    let found = audit(&["--json"]).ok().json();
    let finding = &found["packages"][0]["findings"][0];
    assert_eq!((&finding["rule"], &finding["severity"]), (&json!("advisory"), &json!("warning")));
    assert_eq!((&finding["path"], &finding["line"]), (&json!("packhouse.yaml"), &json!(8)));
    assert_eq!(
        finding["message"],
        "`acme/base ^1.0` leads to a version that is affected by `PKH-1` (<1.1.0): It burns"
    );
    assert_eq!(finding["help"], "require `1.1.0` or later");
    assert_eq!(audit(&["--strict"]).code, 1);
    desk.write("osv/two.json", "[]");
    let broken = audit(&[]);
    assert_eq!(broken.code, 2, "{broken}");
    assert!(
        broken.stderr.contains("two.json`: line 1, column 1: it is no JSON object"),
        "{broken}"
    );
}
