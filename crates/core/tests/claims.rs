//! What decides a publish: each claim changed in turn, under every kind of policy.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use packhouse_core::api::ErrorCode;
use packhouse_core::claims::{CLAIMS, Check, Claims, OwnerPin, Pins, Weight};
use packhouse_core::identifier::Identifier;
use packhouse_core::policy::{
    Case, Policy, Refusal, Source, admitted_events, decide, decide_manage, is_loosening,
};
use packhouse_core::version::{Order, Version};
use proptest::prelude::*;
use serde_json::{Value, json};

const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// All that a decision is made from.
#[derive(Clone, Debug)]
struct Scene {
    claims: Claims,
    identifier: Identifier,
    version: Version,
    pins: Option<Pins>,
    owner_pin: Option<OwnerPin>,
    policy: Policy,
}

impl Scene {
    fn decide(&self) -> Result<(), Refusal> {
        decide(&Case {
            claims: &self.claims,
            identifier: &self.identifier,
            version: &self.version,
            pins: self.pins.as_ref(),
            owner_pin: self.owner_pin.as_ref(),
            policy: &self.policy,
        })
    }

    /// The same with one claim changed; `null` takes it away.
    fn with(&self, name: &str, value: impl Into<Value>) -> Self {
        let mut claims = serde_json::to_value(&self.claims).unwrap();
        claims[name] = value.into();
        Self { claims: serde_json::from_value(claims).unwrap(), ..self.clone() }
    }

    fn under(&self, policy: Policy) -> Self {
        Self { policy, ..self.clone() }
    }

    fn code(&self) -> Option<ErrorCode> {
        self.decide().err().map(|refusal| refusal.code)
    }
}

/// A tag `v1.2.3` of `acme/sensor`, published before, under the default policy.
fn scene() -> Scene {
    let claims: Claims = serde_json::from_value(json!({
        "iss": GITHUB,
        "aud": "packhouse:https://packages.example.org:acme/sensor@1.2.3:sha256:00",
        "sub": "repo:acme/sensor:ref:refs/tags/v1.2.3",
        "jti": "11111111-2222-3333-4444-555555555555",
        "iat": 1_800_000_000,
        "nbf": 1_799_999_400,
        "exp": 1_800_000_300,
        "repository": "acme/sensor",
        "repository_id": "4242",
        "repository_owner": "acme",
        "repository_owner_id": "77",
        "repository_visibility": "public",
        "event_name": "push",
        "ref": "refs/tags/v1.2.3",
        "ref_type": "tag",
        "ref_protected": "false",
        "sha": "7d3fb0a1b2c3d4e5f60718293a4b5c6d7e8f9012",
        "workflow_ref": "acme/sensor/.github/workflows/publish.yml@refs/tags/v1.2.3",
        "job_workflow_ref": "acme/ci/.github/workflows/isolated.yml@refs/tags/v1",
        "runner_environment": "github-hosted",
        "run_id": "99",
        "run_attempt": "1",
        "actor": "maintainer",
        "actor_id": "5",
        "a_claim_of_tomorrow": "x",
    }))
    .unwrap();
    Scene {
        pins: Some(claims.pins()),
        owner_pin: Some(claims.owner_pin()),
        claims,
        identifier: "acme/sensor".parse().unwrap(),
        version: Version::parse(Order::SemVer, "1.2.3").unwrap(),
        policy: Policy::default(),
    }
}

fn train(tag: &str) -> Source {
    Source::Train { tag: tag.to_owned() }
}

fn branch(branch: &str) -> Source {
    Source::Branch { branch: branch.to_owned() }
}

/// `scene()` at `git_ref` under `source`, protected.
fn at(git_ref: &str, source: Source) -> Scene {
    let ref_type = if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" };
    let protected_ref = matches!(source, Source::Train { .. });
    scene()
        .with("ref", git_ref)
        .with("ref_type", ref_type)
        .with("ref_protected", "true")
        .under(Policy { source, protected_ref, ..Policy::default() })
}

/// Every event that starts a workflow on GitHub, or once did.
const EVENTS: &[&str] = &[
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "dynamic",
    "fork",
    "gollum",
    "image_version",
    "issue_comment",
    "issues",
    "label",
    "merge_group",
    "milestone",
    "page_build",
    "project",
    "project_card",
    "project_column",
    "public",
    "pull_request",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_target",
    "push",
    "registry_package",
    "release",
    "repository_dispatch",
    "schedule",
    "status",
    "watch",
    "workflow_call",
    "workflow_dispatch",
    "workflow_run",
    "",
    "PUSH",
    "push ",
    "an_event_of_tomorrow",
];

#[test]
fn events_are_admitted_by_a_list() {
    let scenes = [
        at("refs/tags/v1.2.3", Source::Tag),
        at("refs/tags/release-7", train("release-*")),
        at("refs/heads/main", branch("main")),
    ];
    for scene in scenes {
        let admitted: Vec<&str> = EVENTS
            .iter()
            .copied()
            .filter(|event| {
                let code = scene.with("event_name", *event).code();
                assert!(code.is_none() || code == Some(ErrorCode::WrongEvent), "{event}: {code:?}");
                code.is_none()
            })
            .collect();
        let wanted: &[&str] = match scene.policy.source {
            Source::Branch { .. } => &["push", "schedule", "workflow_dispatch"],
            _ => &["push", "release", "workflow_dispatch"],
        };
        assert_eq!(admitted, wanted, "{:?}", scene.policy.source);
    }
}

#[test]
fn refs_are_what_the_policy_names() {
    use ErrorCode::{TagMismatch, UnprotectedRef, WrongRef};
    let table = [
        (at("refs/tags/v1.2.3", Source::Tag), None),
        (at("refs/tags/1.2.3", Source::Tag), None),
        (at("refs/tags/sensor-v1.2.3", Source::Tag), None),
        (at("refs/tags/sensor@1.2.3", Source::Tag), None),
        (at("refs/tags/v1.2.4", Source::Tag), Some(TagMismatch)),
        (at("refs/tags/v1.2.3-rc.1", Source::Tag), Some(TagMismatch)),
        (at("refs/tags/other-v1.2.3", Source::Tag), Some(TagMismatch)),
        (at("refs/tags/latest", Source::Tag), Some(TagMismatch)),
        (at("refs/tags/", Source::Tag), Some(TagMismatch)),
        (at("refs/heads/v1.2.3", Source::Tag), Some(WrongRef)),
        (at("refs/heads/v1.2.3", Source::Tag).with("ref_type", "tag"), Some(WrongRef)),
        (at("refs/tags/v1.2.3", Source::Tag).with("ref_type", "branch"), Some(WrongRef)),
        (at("refs/tags/v1.2.3", Source::Tag).with("ref_type", "Tag"), Some(WrongRef)),
        (at("v1.2.3", Source::Tag).with("ref_type", "tag"), Some(WrongRef)),
        (at("refs/pull/7/merge", Source::Tag), Some(WrongRef)),
        (at("refs/tags/release-7", train("release-*")), None),
        (
            at("refs/tags/release-7", train("release-*")).with("ref_protected", "false"),
            Some(UnprotectedRef),
        ),
        (
            at("refs/tags/release-7", train("release-*")).with("ref_protected", Value::Null),
            Some(UnprotectedRef),
        ),
        (at("refs/tags/v1.2.3", train("release-*")), Some(WrongRef)),
        (at("refs/heads/release-7", train("release-*")), Some(WrongRef)),
        (at("refs/heads/main", branch("main")), None),
        (
            at("refs/heads/main", branch("main")).with("ref_protected", "false"),
            Some(UnprotectedRef),
        ),
        (
            at("refs/heads/main", branch("main")).with("ref_protected", Value::Null),
            Some(UnprotectedRef),
        ),
        (at("refs/heads/main", branch("main")).with("ref_protected", "TRUE"), Some(UnprotectedRef)),
        (at("refs/heads/Main", branch("main")), Some(WrongRef)),
        (at("refs/heads/main2", branch("main")), Some(WrongRef)),
        (at("refs/heads/x/main", branch("main")), Some(WrongRef)),
        (at("refs/tags/main", branch("main")), Some(WrongRef)),
        (at("refs/tags/main", branch("main")).with("ref_type", "branch"), Some(WrongRef)),
    ];
    for (scene, code) in table {
        let (git_ref, source) = (&scene.claims.git_ref, &scene.policy.source);
        assert_eq!(scene.code(), code, "{git_ref} under {source:?}");
    }
}

#[test]
fn workflows_are_compared_whole() {
    use ErrorCode::WrongWorkflow;
    let caller =
        Policy { workflow: Some(".github/workflows/publish.yml".to_owned()), ..Policy::default() };
    let holder = |path: &str| Policy { job_workflow: Some(path.to_owned()), ..Policy::default() };
    let any = holder("acme/ci/.github/workflows/isolated.yml");
    let one = holder("acme/ci/.github/workflows/isolated.yml@refs/tags/v1");
    let sha = "0123456789012345678901234567890123456789";
    let commit = holder(&format!("acme/ci/.github/workflows/isolated.yml@{sha}"));
    let scene = scene();
    for (policy, claim, value, right) in [
        (
            &caller,
            "workflow_ref",
            "acme/sensor/.github/workflows/publish.yml@refs/tags/v1.2.3",
            true,
        ),
        (
            &caller,
            "workflow_ref",
            "Acme/Sensor/.github/workflows/Publish.yml@refs/tags/v1.2.3",
            true,
        ),
        (
            &caller,
            "workflow_ref",
            "acme/sensor/.github/workflows/publish.yml@refs/heads/main",
            false,
        ),
        (
            &caller,
            "workflow_ref",
            "acme/sensor/.github/workflows/publish.yml@evil.yml@refs/tags/v1.2.3",
            false,
        ),
        (
            &caller,
            "workflow_ref",
            "acme/sensor/.github/workflows/other.yml@refs/tags/v1.2.3",
            false,
        ),
        (
            &caller,
            "workflow_ref",
            "evil/sensor/.github/workflows/publish.yml@refs/tags/v1.2.3",
            false,
        ),
        (&caller, "workflow_ref", "acme/sensor/.github/workflows/publish.yml", false),
        (&caller, "workflow_ref", "", false),
        (&any, "job_workflow_ref", "acme/ci/.github/workflows/isolated.yml@refs/tags/v2", true),
        (&any, "job_workflow_ref", &format!("acme/ci/.github/workflows/isolated.yml@{sha}"), true),
        (
            &any,
            "job_workflow_ref",
            "acme/ci/.github/workflows/isolated.yml@evil.yml@refs/tags/v1",
            false,
        ),
        (&any, "job_workflow_ref", "acme/ci/.github/workflows/isolated.yml@v1", false),
        (&any, "job_workflow_ref", "evil/ci/.github/workflows/isolated.yml@refs/tags/v1", false),
        (&any, "job_workflow_ref", "é", false),
        (&one, "job_workflow_ref", "acme/ci/.github/workflows/isolated.yml@refs/tags/v1", true),
        (&one, "job_workflow_ref", "acme/ci/.github/workflows/isolated.yml@refs/tags/v2", false),
        (
            &commit,
            "job_workflow_ref",
            &format!("acme/ci/.github/workflows/isolated.yml@{sha}"),
            true,
        ),
        (&commit, "job_workflow_ref", "acme/ci/.github/workflows/isolated.yml@refs/tags/v1", false),
    ] {
        let refusal = scene.with(claim, value).under(policy.clone()).decide().err();
        assert_eq!(refusal.is_none(), right, "{claim} {value}: {refusal:?}");
        if let Some(refusal) = refusal {
            assert_eq!((refusal.code, refusal.claim.as_str()), (WrongWorkflow, claim));
        }
    }
}

#[test]
fn names_decide_only_before_anything_is_pinned() {
    use ErrorCode::{WrongIssuer, WrongOwner, WrongRepository};
    let pinned = scene();
    // A rename of owner and repository keeps the ids.
    let renamed = pinned.with("repository", "newco/probe").with("repository_owner", "newco");
    assert_eq!(renamed.code(), None);
    // The same names, created anew, have other ids.
    assert_eq!(pinned.with("repository_id", "4243").code(), Some(WrongRepository));
    assert_eq!(pinned.with("repository_owner_id", "78").code(), Some(WrongOwner));
    // Other issuers count ids of their own.
    assert_eq!(
        pinned.with("iss", "https://ghes.example.org/_services/token").code(),
        Some(WrongIssuer)
    );

    // A new package under a pinned owner: any of its repositories, by id.
    let new = Scene { pins: None, ..scene() };
    assert_eq!(new.with("repository_id", "1").code(), None);
    assert_eq!(new.with("repository_owner", "newco").code(), None);
    assert_eq!(new.with("repository_owner_id", "78").code(), Some(WrongOwner));
    assert_eq!(new.with("iss", "https://ghes.example.org").code(), Some(WrongIssuer));

    // The first package of an owner: the name decides, without case.
    let first = Scene { pins: None, owner_pin: None, ..scene() };
    assert_eq!(first.with("repository_owner", "ACME").code(), None);
    for other in ["acme-", "acm", "acme/sensor", "ácme", ""] {
        assert_eq!(first.with("repository_owner", other).code(), Some(WrongOwner), "{other}");
    }

    // An operator gave one package of an owner to another owner: the package's pins win.
    let owner_pin = Some(OwnerPin { issuer: GITHUB.to_owned(), owner_id: "1".to_owned() });
    assert_eq!(Scene { owner_pin, ..scene() }.code(), None);
}

#[test]
fn only_a_pinned_job_manages() {
    let Scene { claims, identifier, pins, .. } = scene();
    let manage = |claims: &Claims, pins: Option<&Pins>, policy: Option<&Policy>| {
        decide_manage(claims, &identifier, pins, policy).err().map(|refusal| refusal.code)
    };
    let (pins, tag) = (pins.as_ref(), Policy::default());
    assert_eq!(manage(&claims, pins, None), None);
    assert_eq!(manage(&claims, None, None), Some(ErrorCode::Forbidden));
    let stranger = scene().with("repository_id", "1").claims;
    assert_eq!(manage(&stranger, pins, None), Some(ErrorCode::WrongRepository));
    let outsider = scene().with("event_name", "issue_comment").claims;
    assert_eq!(manage(&outsider, pins, None), Some(ErrorCode::WrongEvent));
    let at_branch = at("refs/heads/main", Source::Tag).claims;
    assert_eq!(manage(&at_branch, pins, None), None, "a yank binds no version");
    assert_eq!(manage(&at_branch, pins, Some(&tag)), Some(ErrorCode::WrongRef));
    assert_eq!(manage(&claims, pins, Some(&tag)), None);
    let unnamed = scene().with("ref", "refs/tags/latest").claims;
    assert_eq!(manage(&unnamed, pins, Some(&tag)), Some(ErrorCode::TagMismatch));
}

#[test]
fn a_refusal_names_claim_and_fix() {
    let strict = Policy {
        workflow: Some(".github/workflows/publish.yml".to_owned()),
        environment: Some("release".to_owned()),
        protected_ref: true,
        runner: Some("github-hosted".to_owned()),
        ..Policy::default()
    };
    let strict = scene().with("ref_protected", "true").with("environment", "release").under(strict);
    assert_eq!(strict.code(), None);
    let first = Scene { pins: None, owner_pin: None, ..scene() };
    let scenes = [
        strict.with("repository_id", "1"),
        strict.with("repository_owner_id", "1"),
        first.with("repository_owner", "emca"),
        strict.with("iss", "https://evil.example"),
        strict.with("event_name", "pull_request_target"),
        strict.with("ref_type", "branch"),
        strict.with("ref", "refs/tags/v1.2.4"),
        at("refs/tags/x", train("release-*")),
        at("refs/heads/x\u{1b}[31m", branch("main")),
        strict.with("ref_protected", "false"),
        strict.with("workflow_ref", Value::Null),
        strict.with("environment", Value::Null),
        strict.with("runner_environment", "self-hosted"),
        scene().under(Policy { source: train("x"), ..Policy::default() }),
    ];
    let shown: Vec<String> = scenes
        .iter()
        .map(|scene| scene.decide().unwrap_err())
        .map(|refusal| format!("{}: {refusal}\n  help: {}", refusal.code, refusal.help))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    wrong-repository: claim `repository_id` is `1`, expected `4242`, the repository that `acme/sensor` is pinned to
      help: publish from the repository of the earlier releases (a rename keeps its id, deleting and creating it again does not), or ask the operator: `packhouse admin transfer acme/sensor`
    wrong-owner: claim `repository_owner_id` is `1`, expected `77`, to which `acme/sensor` is pinned
      help: the account `acme` is not the one that published first: it was created anew, or took the name over; ask the operator: `packhouse admin transfer acme/sensor`
    wrong-owner: claim `repository_owner` is `emca`, expected `acme`, the owner in `acme/sensor`
      help: publish from a repository of `acme`, or rename the package in its manifest to `emca/sensor`
    wrong-issuer: claim `iss` is `https://evil.example`, expected `https://token.actions.githubusercontent.com`, to which `acme/sensor` is pinned
      help: ask the operator for a transfer: `packhouse admin transfer acme/sensor`
    wrong-event: claim `event_name` is `pull_request_target`, expected `push`, `release` or `workflow_dispatch`
      help: let the workflow start with `on: { push: { tags: ['v*'] } }`
    wrong-ref: claim `ref_type` is `branch`, expected `tag`: `acme/sensor` is published from tags
      help: push a tag: `git tag v1.2.3 && git push origin v1.2.3`
    tag-mismatch: claim `ref` is `refs/tags/v1.2.4`, expected a tag that says version `1.2.3`: `v1.2.3`, `1.2.3`, `sensor-v1.2.3` or `sensor@1.2.3`
      help: set the version that the tag says in the manifest, or `git tag v1.2.3 && git push origin v1.2.3`
    wrong-ref: claim `ref` is `refs/tags/x`, expected a tag that fits `release-*`
      help: push a tag: `git tag release-1.2.3 && git push origin release-1.2.3`
    wrong-ref: claim `ref` is `refs/heads/x\u{1b}[31m`, expected `refs/heads/main`
      help: publish from it: `on: { push: { branches: ['main'] } }`
    unprotected-ref: claim `ref_protected` is `false`, expected `true`
      help: protect `refs/tags/v1.2.3` with a ruleset in the repository's settings (Rules, Rulesets), then run the job again
    wrong-workflow: claim `workflow_ref` is absent, expected `acme/sensor/.github/workflows/publish.yml@refs/tags/v1.2.3`
      help: publish from `.github/workflows/publish.yml`, or change the policy from that workflow: `packhouse policy set acme/sensor`
    wrong-environment: claim `environment` is absent, expected `release`
      help: give the publishing job the line `environment: release`
    wrong-runner: claim `runner_environment` is `self-hosted`, expected `github-hosted`
      help: give the publishing job the line `runs-on: ubuntu-latest`
    invalid-policy: claim `policy` is `broken`, expected one that can hold
      help: tag pattern `x` is not one: write a tag with exactly one `*`, for example `release-*`; the operator sets it with `packhouse policy set acme/sensor`
    "#);
}

#[test]
fn every_claim_of_a_token_is_in_the_table() {
    let claims =
        serde_json::to_value(&at("refs/tags/v1.2.3", Source::Tag).with("environment", "x").claims);
    let mut read: Vec<String> = claims.unwrap().as_object().unwrap().keys().cloned().collect();
    let mut listed: Vec<String> = CLAIMS.iter().map(|rule| rule.name.to_owned()).collect();
    read.sort();
    listed.sort();
    assert_eq!(read, listed);
    for rule in CLAIMS {
        assert_eq!(rule.code.is_none(), rule.weight == Weight::Recorded, "{}", rule.name);
        assert_eq!(rule.check == Check::None, rule.weight == Weight::Recorded, "{}", rule.name);
    }
}

#[test]
fn the_docs_show_the_table() {
    let table: String = CLAIMS
        .iter()
        .map(|rule| {
            let weight = format!("{:?}", rule.weight).to_lowercase();
            let code = rule.code.map_or("–".to_owned(), |code| format!("`{code}`"));
            format!("| `{}` | {weight} | {} | {code} |\n", rule.name, rule.rule)
        })
        .collect();
    let table = format!(
        "| claim | weight | what is asked of it | refused with |\n|---|---|---|---|\n{table}"
    );
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/claims.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains(&table), "docs/claims.md must hold this table:\n{table}");
}

// ---------------------------------------------------------------- properties

fn option(values: &'static [&'static str]) -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::sample::select(values).prop_map(str::to_owned))
}

prop_compose! {
    fn policies()(
        kind in 0..3,
        tag in proptest::sample::select(&["*", "release-*", "release-1*", "*-all"][..]),
        name in proptest::sample::select(&["main", "stable"][..]),
        workflow in option(&[".github/workflows/publish.yml", ".github/workflows/Publish.yml", ".github/workflows/b.yaml"]),
        job_workflow in option(&["acme/ci/.github/workflows/x.yml", "acme/ci/.github/workflows/x.yml@refs/tags/v1"]),
        environment in option(&["release", "Release", "staging"]),
        protected_ref in any::<bool>(),
        runner in option(&["github-hosted", "self-hosted"]),
    ) -> Policy {
        let source = match kind {
            0 => Source::Tag,
            1 => train(tag),
            _ => branch(name),
        };
        let protected_ref = protected_ref || (kind == 1 && environment.is_none());
        Policy { source, workflow, job_workflow, environment, protected_ref, runner }
    }
}

prop_compose! {
    /// A scene that is admitted, whatever it is.
    fn scenes()(
        policy in policies(),
        pinned in 0..3,
        event in any::<prop::sample::Index>(),
        version in "[0-9]\\.[0-9]\\.[1-9]",
        ids in proptest::array::uniform2(1_u32..),
        repository in "[a-z]{1,8}",
        free in proptest::array::uniform3(option(&["true", "false", "release", "github-hosted"])),
    ) -> Scene {
        let git_ref = match &policy.source {
            Source::Tag => format!("refs/tags/v{version}"),
            Source::Train { tag } => format!("refs/tags/{}", tag.replace('*', "release-1")),
            Source::Branch { branch } => format!("refs/heads/{branch}"),
        };
        let events = admitted_events(&policy.source);
        let [protected, environment, runner] = free;
        let mut scene = scene()
            .with("ref_type", if git_ref.starts_with("refs/tags/") { "tag" } else { "branch" })
            .with("event_name", events[event.index(events.len())])
            .with("repository", format!("acme/{repository}"))
            .with("repository_id", ids[0].to_string())
            .with("repository_owner_id", ids[1].to_string())
            .with("ref_protected", if policy.asks_protected_ref() { json!("true") } else { json!(protected) })
            .with("environment", policy.environment.clone().map_or(json!(environment), |name| json!(name.to_uppercase())))
            .with("runner_environment", policy.runner.clone().map_or(json!(runner), Value::from))
            .with("workflow_ref", policy.workflow.as_ref().map(|path| format!("acme/{repository}/{path}@{git_ref}")))
            .with("job_workflow_ref", policy.job_workflow.as_ref().map(|path| {
                if path.contains('@') { path.clone() } else { format!("{path}@refs/heads/any") }
            }))
            .with("ref", git_ref);
        scene.version = Version::parse(Order::SemVer, &version).unwrap();
        scene.pins = (pinned == 0).then(|| scene.claims.pins());
        scene.owner_pin = (pinned <= 1).then(|| scene.claims.owner_pin());
        scene.policy = policy;
        scene
    }
}

/// Whether `scene` is one in which a change of the claim decides; its name in the refusal.
fn decides(scene: &Scene, claim: &str) -> Option<&'static str> {
    let policy = &scene.policy;
    let (pinned, owned) = (scene.pins.is_some(), scene.owner_pin.is_some());
    let in_force = |holds: bool, name| holds.then_some(name);
    match claim {
        "event_name" => Some("event_name"),
        "ref" => Some("ref"),
        "ref_type" => Some("ref_type"),
        "iss" => in_force(pinned || owned, "iss"),
        "repository_id" => in_force(pinned, "repository_id"),
        "repository_owner_id" => in_force(pinned || owned, "repository_owner_id"),
        "repository_owner" => in_force(!pinned && !owned, "repository_owner"),
        "repository" | "workflow_ref" => in_force(policy.workflow.is_some(), "workflow_ref"),
        "job_workflow_ref" => in_force(policy.job_workflow.is_some(), "job_workflow_ref"),
        "ref_protected" => in_force(policy.asks_protected_ref(), "ref_protected"),
        "environment" => in_force(policy.environment.is_some(), "environment"),
        "runner_environment" => in_force(policy.runner.is_some(), "runner_environment"),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn each_claim_weighs_what_the_table_says(scene in scenes(), other in "[a-z0-9/._-]{1,20}!") {
        prop_assert_eq!(scene.decide(), Ok(()));
        for rule in CLAIMS {
            let number = matches!(rule.name, "iat" | "nbf" | "exp");
            let value = if number { json!(other.len()) } else { json!(other) };
            let refusal = scene.with(rule.name, value).decide().err();
            let decides = decides(&scene, rule.name);
            if rule.weight == Weight::Recorded || matches!(rule.check, Check::Protocol | Check::None) {
                prop_assert_eq!(decides, None);
            }
            let Some(claim) = decides else {
                prop_assert_eq!(refusal, None, "{}", rule.name);
                continue;
            };
            let Some(refusal) = refusal else {
                return Err(TestCaseError::fail(format!("a change of `{}` is accepted", rule.name)));
            };
            prop_assert_eq!(refusal.claim.as_str(), claim);
            prop_assert_eq!(Some(refusal.code), rule.code);
            prop_assert!(refusal.actual.contains(&other) || rule.name == "repository");
            prop_assert!(!refusal.help.is_empty() && !refusal.expected.is_empty());
        }
    }

    #[test]
    fn what_is_not_loosened_admits_no_more(admitted in scenes(), old in policies()) {
        if !is_loosening(&old, &admitted.policy) {
            prop_assert_eq!(admitted.under(old).decide(), Ok(()));
        }
        prop_assert!(!is_loosening(&admitted.policy, &admitted.policy));
    }

    #[test]
    fn no_claim_can_steer_a_terminal(scene in scenes(), text in "\\PC*[\u{1b}\n\u{202e}]\\PC*") {
        for rule in CLAIMS.iter().filter(|rule| !matches!(rule.name, "iat" | "nbf" | "exp")) {
            let Err(refusal) = scene.with(rule.name, text.as_str()).decide() else { continue };
            let shown = format!("{refusal} {}", refusal.help);
            prop_assert!(!shown.contains(['\u{1b}', '\n', '\u{202e}']), "{}", shown);
        }
    }
}
