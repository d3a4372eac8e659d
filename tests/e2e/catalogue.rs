//! Every row of `docs/ci-errors.md`, produced: a publish from CI that is stopped says the code in the
//! log, as an annotation and in the summary, and the page's table lists no code that nobody can get.
#![allow(clippy::unwrap_used, clippy::expect_used)] // these are tests

use std::path::PathBuf;
use std::sync::Arc;

use packhouse_registry::oidc::SigningKey;
use packhouse_tests::issuer::{Behaviour, TestIssuer};
use packhouse_tests::{Ci, Outcome, Runs as _, TestRegistry, example, http, plain};
use serde_json::{Value, json};

/// A world in which a publish of `examples/ato-sensor` would go well.
struct World {
    registry: TestRegistry,
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { registry: TestRegistry::start(), folder: tempfile::tempdir().unwrap() }
    }

    fn summary(&self) -> PathBuf {
        self.folder.path().join("summary.md")
    }

    fn ci(&self) -> Ci {
        let summary = self.summary();
        let ci = self.registry.ci("acme/sensor").tag("v1.0.0");
        ci.env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())
    }

    fn publish(&self, ci: &Ci) -> Outcome {
        ci.publish(&example("ato-sensor"))
    }

    /// Publishes under a policy that the operator set.
    fn under(&self, policy: Value, ci: &Ci) -> Outcome {
        let url = format!("{}/v1/package/acme/sensor/-/policy", self.registry.url());
        let bearer = format!("Bearer {}", self.registry.admin_token());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let (status, body) = http::send("PUT", &url, &headers, policy.to_string().as_bytes());
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        self.publish(ci)
    }
}

/// Gets `code`, as a job of the world would.
fn provoke(code: &str, world: &World) -> Outcome {
    let ci = world.ci();
    let no_job = |ci: &Ci| {
        let mut command = ci.command(&["publish", example("ato-sensor").to_str().unwrap()]);
        command.env_remove("ACTIONS_ID_TOKEN_REQUEST_URL");
        command
    };
    let event = |text: &str| {
        let path = world.folder.path().join("event.json");
        std::fs::write(&path, text).unwrap();
        path
    };
    match code {
        "no-id-token" => no_job(&ci).outcome(),
        "fork-pull-request" => {
            let event = event(
                r#"{"pull_request": {"number": 1,
                    "head": {"sha": "0123456789012345678901234567890123456789", "repo": {"full_name": "stranger/sensor"}},
                    "base": {"sha": "0123456789012345678901234567890123456789", "repo": {"full_name": "acme/sensor"}}}}"#,
            );
            no_job(&ci).env("GITHUB_EVENT_PATH", event).outcome()
        }
        "outside-ci" => plain(&["publish", example("ato-sensor").to_str().unwrap()])
            .env("PACKHOUSE_REGISTRY", world.registry.url())
            .outcome(),
        "foreign-token-service" => {
            let ci = ci.env("ACTIONS_ID_TOKEN_REQUEST_URL", "https://evil.example.org/token");
            world.publish(&ci)
        }
        "token-service" => world.publish(&ci.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "another")),
        "bad-api-token" => no_job(&ci).env("PACKHOUSE_TOKEN", "two words").outcome(),
        "registry-unreachable" => {
            world.publish(&ci.env("PACKHOUSE_REGISTRY", "http://127.0.0.1:1"))
        }
        "not-a-registry" => {
            world.publish(&ci.clone().env("PACKHOUSE_REGISTRY", world.registry.issuer.url()))
        }
        "wrong-issuer" => {
            let other = TestIssuer::start();
            let url = ci.token_url().replace(world.registry.issuer.url(), other.url());
            world.publish(&ci.env("ACTIONS_ID_TOKEN_REQUEST_URL", &url))
        }
        "wrong-audience" => {
            // Reached by another name than the one that it knows itself by.
            let url = world.registry.url().replace("127.0.0.1", "localhost");
            world.publish(&ci.env("PACKHOUSE_REGISTRY", &url))
        }
        "token-invalid" => {
            let forger = TestIssuer::start_with(Arc::new(SigningKey::generate().unwrap()));
            let ci = ci.claim("iss", world.registry.issuer.url());
            let url = ci.token_url().replacen(world.registry.issuer.url(), forger.url(), 1);
            world.publish(&ci.env("ACTIONS_ID_TOKEN_REQUEST_URL", &url))
        }
        // Of a clock that is five minutes ahead.
        "token-expired" => world.publish(&ci.claim("iat", "300").claim("exp", "600")),
        "token-replayed" => {
            let ci = ci.claim("jti", "the same for every token");
            world.publish(&ci).ok();
            let folder = world.folder.path().join("other");
            packhouse_tests::copy(&example("ato-sensor"), &folder);
            let manifest = folder.join("ato.yaml");
            let text = std::fs::read_to_string(&manifest).unwrap();
            std::fs::write(&manifest, text.replace("1.0.0", "1.0.1")).unwrap();
            ci.tag("v1.0.1").publish(&folder)
        }
        "issuer-unavailable" => {
            world.registry.issuer.behave(Behaviour::Status(500));
            world.publish(&ci)
        }
        "wrong-event" => world.publish(&ci.claim("event_name", "issue_comment")),
        "wrong-repository" => {
            world.publish(&ci).ok();
            world.publish(&ci.claim("repository_id", "999"))
        }
        "wrong-owner" => {
            let ci = ci.claim("repository_owner", "evil").claim("repository_owner_id", "666");
            world.publish(&ci)
        }
        "wrong-ref" => world.publish(&ci.branch("main")),
        "tag-mismatch" => world.publish(&ci.tag("v9.0.0")),
        "unprotected-ref" => world.under(json!({ "kind": "tag", "protected_ref": true }), &ci),
        "wrong-workflow" => {
            let policy = json!({ "kind": "tag", "workflow": ".github/workflows/release.yml" });
            world.under(policy, &ci)
        }
        "wrong-environment" => world.under(json!({ "kind": "tag", "environment": "release" }), &ci),
        "wrong-runner" => world.under(json!({ "kind": "tag", "runner": "self-hosted" }), &ci),
        other => panic!("docs/ci-errors.md lists `{other}`, and no test produces it"),
    }
}

#[test]
fn every_message_of_the_catalogue_is_told_in_three_places() {
    let page = packhouse_tests::binary::root().join("docs/ci-errors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| [`"));
    let codes: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    assert!(codes.len() > 20, "{codes:?}");
    // Some wait for an answer that never comes.
    std::thread::scope(|scope| {
        for code in codes {
            scope.spawn(move || told(code));
        }
    });
}

fn told(code: &str) {
    let world = World::new();
    let outcome = provoke(code, &world);
    let said = &outcome.stderr;
    assert!(!matches!(outcome.code, 0 | 1 | 70), "{code}: {outcome}");
    assert!(said.contains(&format!("`packhouse explain {code}`")), "{code}: {outcome}");
    assert!(said.contains("hint: "), "{code} names no fix: {outcome}");
    if code == "outside-ci" {
        return; // no job, no annotation
    }
    let annotation = format!("::error title=packhouse%3A {code}::");
    assert_eq!(said.matches(&annotation).count(), 1, "{code}: {outcome}");
    let summary = std::fs::read_to_string(world.summary()).unwrap();
    assert!(summary.contains(&format!("### Packhouse stopped: `{code}`")), "{code}: {summary}");
    assert!(summary.contains("**To mend it:** "), "{code}: {summary}");
    let claim = code.starts_with("wrong-") || code == "unprotected-ref" || code == "tag-mismatch";
    assert_eq!(
        summary.contains("| claim | expected | actual |"),
        claim || code == "token-expired",
        "{code}: {summary}"
    );
    // A token is masked before anything else of it could be printed.
    let mask = said.find("::add-mask::").unwrap_or(usize::MAX);
    assert!(mask == usize::MAX || mask < said.find("error: ").unwrap(), "{code}: {outcome}");
}
