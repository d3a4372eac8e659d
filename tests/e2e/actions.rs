//! The actions `publish` and `audit`, run by `act` as GitHub runs them: composite steps, inputs,
//! outputs, summary, events. Registry and token issuer are real, GitHub's API is a fake.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use packhouse_tests::act::{PINNED, Repository, Run, output};
use packhouse_tests::binary;
use packhouse_tests::claim_set::id_of;
use packhouse_tests::github::{APP, FakeGitHub, Fault, Pull};
use packhouse_tests::{Outcome, TestRegistry, example};
use serde_json::{Value, json};

const REPOSITORY: &str = "acme/sensor";

/// A workflow with one job that checks out and runs one of our actions.
fn workflow(action: &str, on: &str, inputs: &[(&str, &str)]) -> String {
    let binary = binary::packhouse().display().to_string();
    let inputs: String = [("binary-path", binary.as_str())]
        .iter()
        .chain(inputs)
        .map(|(name, value)| format!("          {name}: {value}\n"))
        .collect();
    format!(
        "name: Packhouse\non: {on}\njobs:\n  packhouse:\n    runs-on: ubuntu-24.04\n    steps:\n      \
         - uses: actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0\n      \
         - id: packhouse\n        uses: packhouse/packhouse/action/{action}@{PINNED}\n        with:\n{inputs}"
    )
}

/// The repository `acme/sensor` with the example package, and the publishing workflow.
fn publishing(registry: &TestRegistry, inputs: &[(&str, &str)]) -> Repository {
    let repository = Repository::new(REPOSITORY);
    packhouse_tests::copy(&example("ato-sensor"), &repository.path());
    let url = registry.url();
    let mut all = vec![("registry", url.as_str())];
    all.extend(inputs);
    let show = "      - run: cat \"$RECEIPT\"\n        env: { RECEIPT: \"${{ steps.packhouse.outputs.receipt }}\" }\n";
    let text = workflow("publish", "push", &all) + show;
    repository.write(".github/workflows/publish.yml", &text);
    repository.commit("one");
    repository.git(&["tag", "v1.0.0"]);
    repository
}

/// What the step's summary holds, as `act` shows it: with what differs from run to run replaced.
fn summary(run: &Outcome) -> String {
    let text = run.told();
    let from = text.find("Summary - ").unwrap_or_else(|| panic!("no summary in\n{run}"));
    let end = text[from..].find("\n[").map_or(text.len(), |end| from + end);
    text[from + "Summary - ".len()..end].trim().to_owned()
}

/// The lines of our program, without what `act` puts before them.
fn said(run: &Outcome) -> String {
    let text = run.told();
    let ours = text.lines().filter_map(|line| line.split_once("]   ").map(|(_, line)| line));
    let ours = ours.filter(|line| line.starts_with("| ") || line.contains("::error"));
    let ours = ours.map(|line| line.trim_start_matches("| "));
    ours.filter(|line| !line.starts_with("  request: ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_tag_publishes_and_leaves_outputs_and_a_summary() {
    let registry = TestRegistry::start();
    let repository = publishing(&registry, &[]);
    let ci = registry.ci(REPOSITORY).tag("v1.0.0");
    let run = repository.push_tag("v1.0.0").tokens(&ci.token_url()).outcome().ok();
    let release = registry.get("/v1/package/acme/sensor/releases/1.0.0");
    let digest = release["info"]["hashes"]["sha256"].as_str().unwrap();
    assert_eq!(output(&run, "status").as_deref(), Some("published"));
    assert_eq!(output(&run, "identifier").as_deref(), Some(REPOSITORY));
    assert_eq!(output(&run, "version").as_deref(), Some("1.0.0"));
    assert_eq!(output(&run, "digest").as_deref(), Some(digest));
    assert_eq!(output(&run, "url").unwrap(), format!("{}/p/acme/sensor", registry.url()));
    let results: Value = serde_json::from_str(&output(&run, "results").unwrap()).unwrap();
    let receipt = &results[0]["receipt"];
    assert_eq!(receipt["digest"], digest);
    let left =
        run.stdout.lines().filter_map(|line| line.split_once("]   | ")).map(|(_, line)| line);
    let left: String = left.skip_while(|line| *line != "{").collect();
    let left: Value = serde_json::from_str(&left).unwrap();
    assert_eq!(&left["packages"][0]["receipt"], receipt, "the file of a later step");
    assert_eq!(output(&run, "findings").unwrap(), r#"{"error":[],"warning":[],"note":[]}"#);
    insta::assert_snapshot!("publish-summary", summary(&run));

    let again = repository.push_tag("v1.0.0").tokens(&ci.token_url()).outcome().ok();
    assert_eq!(output(&again, "status").as_deref(), Some("already-published"));
    let results: Value = serde_json::from_str(&output(&again, "results").unwrap()).unwrap();
    assert_eq!(&results[0]["receipt"], receipt, "the same receipt");
}

/// A run that must fail, within a second of the step's begin, with `code`; what it said.
#[track_caller]
fn stopped(run: &Run, code: &str) -> (String, String) {
    let (outcome, took) = whole(run);
    assert_ne!(outcome.code, 0, "{outcome}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let text = outcome.to_string();
    let step = text.lines().rev().find(|line| line.contains("Failure - Main packhouse/packhouse"));
    // `[412.1ms]` or `[1.2s]`, as act counts the step.
    let step = step.unwrap_or_else(|| panic!("the step did not fail:\n{text}"));
    let time = step.rsplit('[').next().unwrap().trim_end_matches(']');
    assert!(time.ends_with("ms"), "{code} took {time}");
    assert!(text.contains(code), "{code} in\n{text}");
    (said(&outcome), summary(&outcome))
}

/// A run and its time, with all that the step printed: `act` now and then ends before it has read a
/// failing step's last lines, so a run without the annotation, which is the last, is run again.
#[track_caller]
fn whole(run: &Run) -> (Outcome, Duration) {
    for _ in 0..5 {
        let begun = Instant::now();
        let outcome = run.outcome();
        let took = begun.elapsed();
        if said(&outcome).contains("::error") {
            return (outcome, took);
        }
    }
    panic!("no run had the annotation:\n{}", run.outcome());
}

#[test]
fn a_branch_a_missing_permission_and_a_fork_are_three_messages() {
    let registry = TestRegistry::start();
    let repository = publishing(&registry, &[]);
    let branch = registry.ci(REPOSITORY).branch("main");
    let payload = json!({ "ref": "refs/heads/main", "repository": { "full_name": REPOSITORY } });
    let run = repository.run("push", payload.clone()).tokens(&branch.token_url());
    let (said, summary) = stopped(&run, "wrong-ref");
    insta::assert_snapshot!("publish-on-a-branch", said);
    insta::assert_snapshot!("publish-on-a-branch-summary", summary);

    let (said, summary) = stopped(&repository.push_tag("v1.0.0"), "no-id-token");
    insta::assert_snapshot!("publish-without-permission", said);
    insta::assert_snapshot!("publish-without-permission-summary", summary);

    let repository = publishing(&registry, &[]);
    let url = registry.url();
    let text = workflow("publish", "pull_request", &[("registry", &url)]);
    repository.write(".github/workflows/publish.yml", &text).commit("two");
    let run = repository
        .run("pull_request", pull_request("stranger/sensor", &"a".repeat(40), &"b".repeat(40)));
    let (said, summary) = stopped(&run, "fork-pull-request");
    insta::assert_snapshot!("publish-on-a-fork", said);
    insta::assert_snapshot!("publish-on-a-fork-summary", summary);
    assert_eq!(registry.get("/v1/packages/all")["packages"], json!([]), "nothing was published");
}

fn pull_request(from: &str, head: &str, base: &str) -> Value {
    let id = |name: &str| id_of(name).parse::<u64>().unwrap();
    let repo = |name: &str| {
        let owner = name.split('/').next().unwrap();
        json!({ "id": id(name), "full_name": name, "owner": { "id": id(owner), "login": owner } })
    };
    json!({
        "action": "synchronize", "number": 12,
        "repository": { "full_name": REPOSITORY, "name": "sensor", "owner": { "login": "acme" } },
        "pull_request": {
            "number": 12,
            "head": { "sha": head, "ref": "change", "repo": repo(from) },
            "base": { "sha": base, "ref": "main", "repo": repo(REPOSITORY) },
        },
    })
}

#[test]
fn what_cannot_be_ends_the_step_at_once_and_names_the_line() {
    let registry = TestRegistry::start();
    let ci = registry.ci(REPOSITORY).tag("v1.0.0");
    for (input, value, line) in [
        ("dry-run", "maybe", "change the line `dry-run:` below `with:`: write `false` or `true`"),
        ("packages", "nowhere/*", "change the line `packages:` below `with:`"),
    ] {
        let repository = publishing(&registry, &[(input, value)]);
        let (said, _) =
            stopped(&repository.push_tag("v1.0.0").tokens(&ci.token_url()), "bad-input");
        assert!(said.contains(line), "{said}");
    }
    let repository = Repository::new(REPOSITORY);
    let bad = |text: &str| {
        repository.write(".github/workflows/publish.yml", text).commit("one");
        stopped(&repository.push_tag("v1.0.0"), "bad-input").0
    };
    let said = bad(&workflow("publish", "push", &[("registry", "ftp://x")]));
    assert!(said.contains("change the line `registry:`"), "{said}");
    let text = workflow("publish", "push", &[("registry", "https://x.org")]);
    let binary = binary::packhouse().display().to_string();
    let said = bad(&text.replace(&binary, "/nowhere/packhouse"));
    assert!(said.contains("change the line `binary-path:`"), "{said}");
    // The file with the event: `act` always writes a right one, so the program is run by itself.
    for (path, why) in [("/nowhere/event.json", "entity not found"), ("/etc/hostname", "expected")]
    {
        let outcome = ci.clone().env("GITHUB_EVENT_PATH", path).run(&["action", "audit"]);
        assert_eq!(outcome.code, 2, "{outcome}");
        assert!(outcome.stderr.contains("bad-event") && outcome.stderr.contains(why), "{outcome}");
    }
}

#[test]
fn the_program_is_the_one_of_the_table_or_none() {
    let root = tempfile::tempdir().unwrap();
    let action = root.path().join("action");
    packhouse_tests::copy(&binary::root().join("action"), &action);
    let served = root.path().join("v9.9.9");
    std::fs::create_dir(&served).unwrap();
    std::fs::write(served.join("packhouse-9.9.9"), "#!/bin/sh\necho ran\n").unwrap();
    let releases = serve_folder(root.path());
    let install = |table: &str, os: &str, releases: &str| {
        std::fs::write(action.join("binaries.txt"), table).unwrap();
        let output = root.path().join("output");
        std::fs::write(&output, "").unwrap();
        let begun = Instant::now();
        let run = std::process::Command::new("bash")
            .arg(action.join("install.sh"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("RUNNER_OS", os)
            .env("RUNNER_ARCH", "X64")
            .env("RUNNER_TEMP", root.path())
            .env("GITHUB_OUTPUT", &output)
            .env("GITHUB_STEP_SUMMARY", root.path().join("summary"))
            .env("PACKHOUSE_RELEASES", releases)
            .output()
            .unwrap();
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        (run.status.code().unwrap(), said, std::fs::read_to_string(&output).unwrap())
    };
    let target = "x86_64-unknown-linux-musl";
    let digest = packhouse_core::digest::Digest::of(b"#!/bin/sh\necho ran\n").hex();
    let row = |digest: &str| format!("# a table\n9.9.9 {target} {digest} packhouse-9.9.9\n");
    let (code, said, output) = install(&row(&digest), "Linux", &releases);
    assert_eq!(code, 0, "{said}");
    let path = output.trim().strip_prefix("path=").unwrap();
    let ran = std::process::Command::new(path).output().unwrap();
    assert_eq!(ran.stdout, b"ran\n");
    let other = "0".repeat(64);
    let (code, said, output) = install(&row(&other), "Linux", &releases);
    assert_eq!((code, output.as_str()), (6, ""), "{said}");
    assert!(said.contains(&format!("has the SHA-256 {digest}, expected {other}")), "{said}");
    assert!(said.contains("binary-mismatch"), "{said}");
    let (code, said, _) = install("# nothing yet\n", "Linux", &releases);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("tagged `action-v...`"), "{said}");
    let (code, said, _) = install(&row(&digest), "Plan9", &releases);
    assert!(code == 2 && said.contains("`binary-path:`"), "{said}");
    let summary = std::fs::read_to_string(root.path().join("summary")).unwrap();
    assert!(summary.contains("### Packhouse stopped: `binary-mismatch`"), "{summary}");
}

/// Serves the files below a folder on a free port, for as long as the process lives.
fn serve_folder(folder: &std::path::Path) -> String {
    use std::io::Write as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&client).read_line(&mut line);
            let path = line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            let body = std::fs::read(folder.join(path)).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = client.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    format!("http://{address}")
}

/// The repository with a pull request's branch checked out, and GitHub knowing of it.
struct Change {
    repository: Repository,
    github: FakeGitHub,
    registry: TestRegistry,
    base: String,
}

fn change(inputs: &[(&str, &str)]) -> Change {
    let (registry, github) = (TestRegistry::start(), FakeGitHub::start());
    let repository = Repository::new(REPOSITORY);
    packhouse_tests::copy(&example("ato-sensor"), &repository.path());
    let url = registry.url();
    let mut all = vec![("registry", url.as_str())];
    all.extend(inputs);
    let text = workflow("audit", "pull_request", &all);
    repository.write(".github/workflows/audit.yml", &text);
    repository.write(
        ".github/workflows/publish.yml",
        "on: push\njobs: {p: {runs-on: x, steps: [{run: packhouse publish}]}}\n",
    );
    let base = repository.commit("one");
    repository.git(&["checkout", "-q", "-b", "change"]);
    Change { repository, github, registry, base }
}

impl Change {
    /// Commits what was written, and runs the audit as GitHub would.
    fn run(&self, token: &str, from: &str) -> Outcome {
        let head = self.repository.commit("more");
        self.run_while(token, from, &head)
    }

    /// The same while GitHub has the pull request at `now` already.
    fn run_while(&self, token: &str, from: &str, now: &str) -> Outcome {
        let head = self.repository.git(&["rev-parse", "HEAD"]);
        let (base, from_now) = (self.base.clone(), from.to_owned());
        let pull = Pull { head: now.to_owned(), base, from: from_now, open: true };
        self.github.pull(REPOSITORY, 12, pull);
        let ci = self.registry.ci(REPOSITORY).claim("event_name", "pull_request");
        let run = self.repository.run("pull_request", pull_request(from, &head, &self.base));
        let run = run.env("GITHUB_API_URL", &self.github.url());
        let run = run.argument("--secret").argument(&format!("GITHUB_TOKEN={token}"));
        // Forks get no tokens of the issuer.
        let run = if from == REPOSITORY { run.tokens(&ci.token_url()) } else { run };
        run.outcome()
    }
}

const CONFLICT: &str = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n";

#[test]
fn a_pull_request_has_one_comment_that_is_edited_and_goes() {
    let change = change(&[]);
    change.github.installed(false);
    let token = change.github.token("github-actions[bot]", true);
    // Another bot speaks in our marker's words; it is not us.
    let marker = "<!-- packhouse:audit content=x -->\nI am another bot";
    change.github.say(12, "other[bot]", marker);

    change.repository.write("a.txt", CONFLICT).write("b.txt", CONFLICT);
    let run = change.run(&token, REPOSITORY);
    assert_eq!(run.code, 1, "{run}");
    assert_eq!(output(&run, "comment").as_deref(), Some("created"), "{run}");
    assert_eq!(output(&run, "status").as_deref(), Some("failed"));
    let comments = change.github.comments(12);
    assert_eq!(comments.len(), 2);
    let ours = comments[1].clone();
    assert_eq!(ours.login, "github-actions[bot]");
    let told = |body: &str| body.replace(&change.repository.git(&["rev-parse", "HEAD"]), "HEAD");
    insta::assert_snapshot!("audit-comment", told(&ours.body));
    let new: Value = serde_json::from_str(&output(&run, "findings-new").unwrap()).unwrap();
    assert_eq!(new["error"].as_array().unwrap().len(), 2, "{new}");

    // The same again: nothing is written.
    let run = change.run(&token, REPOSITORY);
    assert_eq!(output(&run, "comment").as_deref(), Some("unchanged"), "{run}");

    // One of the two is mended, and its lines have moved: the same comment says so.
    change.repository.remove("b.txt").write("a.txt", &format!("one\ntwo\n{CONFLICT}"));
    let run = change.run(&token, REPOSITORY);
    assert_eq!(output(&run, "comment").as_deref(), Some("edited"), "{run}");
    let comments = change.github.comments(12);
    assert_eq!((comments.len(), comments[1].id), (2, ours.id));
    assert!(
        comments[1].body.contains("1 new problem would stop a release"),
        "{}",
        comments[1].body
    );

    // Clean: it goes. The other bot's is left alone all the time.
    change.repository.write("a.txt", "mended\n");
    let run = change.run(&token, REPOSITORY).ok();
    assert_eq!(output(&run, "comment").as_deref(), Some("removed"));
    let comments = change.github.comments(12);
    assert_eq!(comments.len(), 1);
    assert_eq!(comments[0].body, marker);

    // With an answer of a person behind it, it stays as one line.
    change.repository.write("a.txt", CONFLICT);
    change.run(&token, REPOSITORY);
    change.github.say(12, "maintainer", "please mend this");
    change.repository.write("a.txt", "mended again\n");
    let run = change.run(&token, REPOSITORY).ok();
    assert_eq!(output(&run, "comment").as_deref(), Some("settled"));
    let said = change.github.comments(12)[1].body.clone();
    assert!(said.lines().nth(1).unwrap().starts_with("All clear as of `"), "{said}");
}

#[test]
fn a_strict_audit_fails_for_what_ato_verifies() {
    let change = change(&[("strict", "true")]);
    change.github.installed(false);
    let token = change.github.token("github-actions[bot]", true);
    let path = change.repository.path().join("sensor.ato");
    let sensor = std::fs::read_to_string(path).unwrap();
    change.repository.write("sensor.ato", &format!("import Unheard\n{sensor}"));
    let run = change.run(&token, REPOSITORY);
    assert_eq!(run.code, 1, "{run}");
    let new: Value = serde_json::from_str(&output(&run, "findings-new").unwrap()).unwrap();
    let rules: Vec<_> = new["error"].as_array().unwrap().iter().map(|f| &f["rule"]).collect();
    assert_eq!(rules, ["unused-import"], "{new}");
}

const JUNIT: &str =
    "<testsuite><testcase time=\"1.5\"/><testcase><skipped/></testcase></testsuite>";
const LCOV: &str = "SF:a\nDA:1,1\nDA:2,0\nend_of_record\n";

#[test]
fn a_published_claim_and_the_reports_of_a_change_stand_side_by_side() {
    let inputs = [
        ("test-report", "junit.xml"),
        ("coverage", "lcov.info"),
        ("advisories", "osv"),
        ("comment", "always"),
    ];
    let change = change(&inputs);
    change.github.installed(false);
    let token = change.github.token("github-actions[bot]", true);
    let publishing = publishing(&change.registry, &inputs[..2]);
    publishing.write("junit.xml", JUNIT).write("lcov.info", LCOV).commit("reports");
    publishing.git(&["tag", "--force", "v1.0.0"]);
    let ci = change.registry.ci(REPOSITORY).tag("v1.0.0");
    publishing.push_tag("v1.0.0").tokens(&ci.token_url()).outcome().ok();
    let info = change.registry.get("/v1/package/acme/sensor/releases/1.0.0")["info"].clone();
    assert_eq!(info["quality"]["tests"]["passed"], 1);
    assert_eq!(info["quality"]["coverage"]["lines"], json!({"found": 2, "hit": 1}));

    let more = JUNIT.replace("</testsuite>", "<testcase><failure/></testcase></testsuite>");
    let advisory = json!({
        "id": "PKH-1", "modified": "2026-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "Packhouse", "name": "acme/sensor"}, "versions": ["1.0.0"]}],
    });
    change.repository.write("junit.xml", &more).write("lcov.info", LCOV);
    change.repository.write("osv/one.json", &advisory.to_string());
    let run = change.run(&token, REPOSITORY).ok();
    assert_eq!(output(&run, "comment").as_deref(), Some("created"), "{run}");
    let body = change.github.comments(12)[0].body.clone();
    for told in [
        "| package | latest release | downloads | tests | coverage | advisories |",
        "| `1.0.0` | 0 | 2: 1 passed, 1 skipped, in 1.5 s | 50.0 % of 2 lines | – |",
        "| the reports of this change | – | – | 3: 1 passed, 1 failed, 1 skipped, in 1.5 s | 50.0 % of 2 lines | – |",
    ] {
        assert!(body.contains(told), "{told} in\n{body}");
    }

    // The version had it before, so it is carried over.
    let findings: Value = serde_json::from_str(&output(&run, "findings").unwrap()).unwrap();
    assert_eq!(findings["warning"][0]["rule"], "advisory");

    change.repository.write("junit.xml", "<html/>");
    let run = change.run(&token, REPOSITORY);
    assert_eq!(run.code, 1, "{run}");
    assert!(
        run.to_string().contains("`junit.xml`: line 1, column 1: the root is `<html>`"),
        "{run}"
    );
}

#[test]
fn a_comment_is_cut_at_githubs_limit_and_links_to_the_run() {
    let change = change(&[]);
    change.github.installed(false);
    let token = change.github.token("github-actions[bot]", true);
    for package in 0..8 {
        let manifest = format!("package:\n  identifier: acme/p{package}\n  version: 1.0.0\n");
        change.repository.write(&format!("packages/p{package}/packhouse.yaml"), &manifest);
        for at in 0..100 {
            change
                .repository
                .write(&format!("packages/p{package}/{at}-{}.txt", "x".repeat(60)), CONFLICT);
        }
    }
    let run = change.run(&token, REPOSITORY);
    assert_eq!(output(&run, "comment").as_deref(), Some("created"), "{run}");
    let body = &change.github.comments(12)[0].body;
    assert!(body.chars().count() <= 65_536, "{}", body.len());
    let last = body.lines().last().unwrap();
    assert!(last.contains("did not fit here: [the whole report](https://github.com/"), "{last}");
    assert!(last.contains("/actions/runs/"), "{last}");
}

#[test]
fn a_comment_that_cannot_be_written_fails_nothing() {
    let change = change(&[("fail-on", "never")]);
    change.github.installed(false);
    change.repository.write("a.txt", CONFLICT);
    // A fork's token reads only.
    let reads = change.github.token("github-actions[bot]", false);
    let run = change.run(&reads, "stranger/sensor").ok();
    assert!(
        run.to_string().contains("a pull request from a fork gets no token that may comment"),
        "{run}"
    );
    // Without a token of the issuer, the rehearsal is simulated, and says so.
    assert!(summary(&run).contains("(by simulated claims)"), "{run}");
    let run = change.run(&reads, REPOSITORY).ok();
    assert!(run.to_string().contains("add `pull-requests: write`"), "{run}");
    // GitHub is down, or wants to be left alone for long.
    let token = change.github.token("github-actions[bot]", true);
    let headers = vec![("retry-after".to_owned(), "3600".to_owned())];
    let fault = Fault { call: "/comments".to_owned(), status: 403, headers, times: 1 };
    change.github.fail(fault);
    let run = change.run(&token, REPOSITORY).ok();
    assert!(run.to_string().contains("limit is used up for another 3600 s"), "{run}");
    // The pull request has moved on meanwhile: an outdated run says nothing.
    let run = change.run_while(&token, REPOSITORY, &"1".repeat(40)).ok();
    assert_eq!(output(&run, "comment").as_deref(), Some("outdated"), "{run}");
    assert_eq!(change.github.comments(12), []);
    // A checkout of something else than the pull request is not audited in its name.
    let pull = pull_request(REPOSITORY, &"1".repeat(40), &change.base);
    let run = change.repository.run("pull_request", pull);
    let (said, _) = stopped(&run, "bad-event");
    assert!(said.contains("leave `ref:` out of `actions/checkout`"), "{said}");
}

#[test]
fn the_action_is_silent_where_the_app_speaks() {
    let (github, files) = (FakeGitHub::start(), tempfile::tempdir().unwrap());
    let (key, secret) = (files.path().join("key.pem"), files.path().join("secret"));
    std::fs::write(&key, packhouse_tests::github::app_key()).unwrap();
    std::fs::write(&secret, "a secret of the test's webhook").unwrap();
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let arguments = vec![
        "--github-app".to_owned(),
        APP.1.to_string(),
        "--github-app-key".to_owned(),
        path(&key),
        "--github-webhook-secret".to_owned(),
        path(&secret),
        "--github-api".to_owned(),
        github.url(),
    ];
    let options = packhouse_tests::Options { arguments, ..Default::default() };
    let change = Change { github, registry: TestRegistry::with(options), ..change(&[]) };
    let text = workflow("audit", "pull_request", &[("registry", &change.registry.url())]);
    change.repository.write(".github/workflows/audit.yml", &text).write("a.txt", CONFLICT);
    let token = change.github.token("github-actions[bot]", true);
    // What the action said before the App came goes.
    change.github.say(12, "github-actions[bot]", "<!-- packhouse:audit content=x -->\nolder");
    let run = change.run(&token, REPOSITORY);
    assert_eq!(output(&run, "comment").as_deref(), Some("left-to-app"), "{run}");
    assert_eq!(change.github.comments(12), []);
    // Where the App cannot be seen by its checks, its own comment tells.
    change.github.installed(false);
    change.github.say(12, &format!("{}[bot]", APP.0), "<!-- packhouse:audit content=x -->\n");
    let run = change.run(&token, REPOSITORY);
    assert_eq!(output(&run, "comment").as_deref(), Some("left-to-app"), "{run}");
}

/// Five packages that one tag releases together.
fn train(registry: &TestRegistry) -> Repository {
    let repository = Repository::new("acme/kit");
    for name in ["a", "b", "c", "d", "e"] {
        let manifest = format!(
            "package:\n  identifier: acme/kit/{name}\n  version: 1.0.0\n  license: MIT\n  repository: https://github.com/acme/kit\n"
        );
        repository
            .write(&format!("packages/{name}/packhouse.yaml"), &manifest)
            .write(&format!("packages/{name}/README.md"), "# A part\n");
    }
    let text =
        workflow("publish", "push", &[("registry", &registry.url()), ("packages", "packages/*")]);
    repository.write(".github/workflows/publish.yml", &text);
    repository.commit("one");
    repository.git(&["tag", "v1.0.0"]);
    repository
}

fn visible(registry: &TestRegistry) -> usize {
    registry.get("/v1/packages/all")["packages"].as_array().unwrap().len()
}

fn receipts(results: &Value) -> Vec<Value> {
    results.as_array().unwrap().iter().map(|package| package["receipt"].clone()).collect()
}

#[test]
fn a_train_whose_job_is_killed_after_any_step_is_none_or_all_and_ends_green() {
    let mut kills = 0;
    for nth in 1.. {
        let registry = TestRegistry::start();
        let repository = train(&registry);
        let ci = registry.ci("acme/kit").tag("v1.0.0");
        let job = |run_id: &str| {
            let mut command = ci
                .clone()
                .claim("run_id", run_id)
                .env("INPUT_PACKAGES", "packages/*")
                .env("GITHUB_OUTPUT", repository.path().join("../output").to_str().unwrap())
                .command(&["--json", "--verbose", "action", "publish"]);
            command.current_dir(repository.path());
            command
        };
        let mut child = job("1").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let steps = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let is_step = |line: &String| line.contains("acme/kit/") && line.contains("ing ");
        let killed = steps.filter(is_step).nth(nth - 1).is_some();
        let _ = child.kill();
        child.wait().unwrap();
        let seen = visible(&registry);
        assert!(seen == 0 || seen == 5, "{seen} of five are visible after step {nth}");
        let again = job("2").output().unwrap();
        let said = String::from_utf8_lossy(&again.stderr);
        assert!(again.status.success(), "after step {nth}: {said}");
        let document: Value = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!(visible(&registry), 5);
        // Through act once more, in the first and the last round: the very same receipts.
        if nth == 1 || !killed {
            let run = repository.push_tag("v1.0.0").tokens(&ci.token_url()).outcome().ok();
            let results = serde_json::from_str(&output(&run, "results").unwrap()).unwrap();
            assert_eq!(receipts(&results), receipts(&document["packages"]));
        }
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 20, "five packages have twenty steps, {kills} were seen");
}
