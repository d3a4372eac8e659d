//! Publishing as a maintainer does it: the real program in a CI job, a real registry.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use insta::assert_snapshot;
use packhouse_tests::liar::{Liar, Reply, forward};
use packhouse_tests::{Ci, Options, Runs as _, TestRegistry, example, plain};
use serde_json::json;

/// A folder with a package that has no finding.
fn package(dir: &Path, identifier: &str, version: &str) -> PathBuf {
    let folder = dir.join(identifier.replace('/', "-"));
    std::fs::create_dir_all(&folder).unwrap();
    let manifest = format!(
        "package:\n  identifier: {identifier}\n  version: {version}\n  repository: https://github.com/acme/kit\n  license: MIT\n  summary: Measures.\n"
    );
    std::fs::write(folder.join("packhouse.yaml"), manifest).unwrap();
    std::fs::write(folder.join("README.md"), "# Sensor\n").unwrap();
    std::fs::write(folder.join("LICENSE"), "MIT License\n").unwrap();
    folder
}

fn kit(registry: &TestRegistry, tag: &str) -> Ci {
    registry.ci("acme/kit").tag(tag).env("GITHUB_REF_TYPE", "tag").env("GITHUB_REF_NAME", tag)
}

#[test]
fn a_version_is_published_once_and_its_content_again_and_again() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path(), "acme/kit", "1.0.0");
    let ci = kit(&registry, "v1.0.0");
    assert_snapshot!(ci.publish(&folder).told(), @"
    exit 0
    Published acme/kit@1.0.0: 437 B, read back
    acme/kit@1.0.0  HEX  REGISTRY/p/acme/kit
    ");
    assert_snapshot!(ci.publish(&folder).told(), @"
    exit 0
    Unchanged acme/kit@1.0.0: 437 B, read back
    acme/kit@1.0.0  HEX  REGISTRY/p/acme/kit
    ");
    let first = ci.run(&[Path::new("publish"), &folder, Path::new("--json")]).ok().json();
    let held = first["packages"][0]["digest"].as_str().unwrap().to_owned();
    assert_eq!(first["status"], "already-published");
    assert_eq!(first["packages"][0]["receipt"]["digest"], held.as_str());

    std::fs::write(folder.join("new.txt"), "other content").unwrap();
    let conflict = ci.publish(&folder);
    assert!(conflict.stderr.contains(&held), "it names what holds the version: {conflict}");
    assert_snapshot!(conflict.told(), @"
    exit 5
    error: `acme/kit@1.0.0` is already released, since TIME, with the content sha256:HEX
      while: asking to publish `acme/kit@1.0.0`
    hint: releases never change: raise the version
      see: `packhouse explain version-exists`
    ::error title=packhouse%3A version-exists::`acme/kit@1.0.0` is already released, since TIME, with the content sha256:HEX%0Ahint: releases never change: raise the version
    ");
    let conflict = ci.run(&[Path::new("publish"), &folder, Path::new("--json")]);
    assert_eq!((conflict.code, &conflict.json()["error"]["code"]), (5, &json!("version-exists")));
    assert_eq!(registry.get("/index/acme/kit.json")["versions"].as_array().unwrap().len(), 1);
}

#[test]
fn duplicates_are_skipped_where_that_is_asked_for() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = ["acme/kit", "acme/kit/b"].map(|name| package(dir.path(), name, "1.0.0"));
    kit(&registry, "v1.0.0").publish(&a).ok();
    std::fs::write(a.join("new.txt"), "other content").unwrap();
    let skip = |more: &[&str]| {
        let mut command =
            kit(&registry, "v1.0.0").command(&["publish", "--skip-duplicate-versions"]);
        command.args([&a, &b]).args(more);
        command.outcome()
    };
    assert_snapshot!(skip(&["--dry-run"]).told(), @"
    exit 0
    ::warning file=DIR/acme-kit/packhouse.yaml,line=3,col=12,title=acme/kit 1.0.0%3A version-not-above::`1.0.0` is already released, with other content%0Ahelp: raise the version above `1.0.0`%0Ahttps://github.com/packhouse/packhouse/blob/main/docs/rules/version-not-above.md
    note: 1 warning; `packhouse audit` shows them
    warning: acme/kit@1.0.0 is skipped: it is published with other content, which stays
    Rehearsed acme/kit/b@1.0.0: would be released, as its first release, which pins the package to this repository
    acme/kit@1.0.0
    acme/kit/b@1.0.0
    ");
    assert_snapshot!(skip(&[]).told(), @"
    exit 0
    ::warning file=DIR/acme-kit/packhouse.yaml,line=3,col=12,title=acme/kit 1.0.0%3A version-not-above::`1.0.0` is already released, with other content%0Ahelp: raise the version above `1.0.0`%0Ahttps://github.com/packhouse/packhouse/blob/main/docs/rules/version-not-above.md
    note: 1 warning; `packhouse audit` shows them
    warning: acme/kit@1.0.0 is skipped: it is published with other content, which stays
    Published acme/kit/b@1.0.0: 439 B, read back
    acme/kit/b@1.0.0  HEX  REGISTRY/p/acme/kit/b
    ");
    let only = kit(&registry, "v1.0.0")
        .command(&["publish", "--skip-duplicate-versions", "--json"])
        .arg(&a)
        .outcome();
    assert_eq!((only.code, &only.json()["status"]), (0, &json!("skipped")));
}

#[test]
fn a_dry_run_exercises_the_whole_decision_and_stores_nothing() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path(), "acme/kit", "1.0.0");
    let dry = |ci: Ci| ci.command(&["publish", "--dry-run"]).arg(&folder).outcome();
    assert_snapshot!(dry(kit(&registry, "v1.0.0")).told(), @"
    exit 0
    Rehearsed acme/kit@1.0.0: would be released, as its first release, which pins the package to this repository
    acme/kit@1.0.0
    ");
    assert_eq!(registry.fetch("/index/acme/kit.json").0, 404);
    kit(&registry, "v1.0.0").publish(&folder).ok();
    assert_snapshot!(dry(kit(&registry, "v1.0.0")).told(), @"
    exit 0
    Rehearsed acme/kit@1.0.0: is released with this very content: nothing would happen
    acme/kit@1.0.0
    ");
    let elsewhere = registry.ci("mallory/kit").tag("v1.0.0");
    assert_snapshot!(dry(elsewhere).told(), @"
    exit 4
    ::warning file=DIR/acme-kit/packhouse.yaml,line=4,col=15,title=acme/kit 1.0.0%3A repository-url::the repository is `acme/kit`, this one is `mallory/kit`%0Ahelp: name the repository that publishes the package%0Ahttps://github.com/packhouse/packhouse/blob/main/docs/rules/repository-url.md
    note: 1 warning; `packhouse audit` shows them
    error: claim `repository_id` is `486212459`, expected `1772376919`, the repository that `acme/kit` is pinned to
      while: asking to publish `acme/kit@1.0.0`
    hint: publish from the repository of the earlier releases (a rename keeps its id, deleting and creating it again does not), or ask the operator: `packhouse admin transfer acme/kit`
      see: `packhouse explain wrong-repository`
    ::error title=packhouse%3A wrong-repository::claim `repository_id` is `486212459`, expected `1772376919`, the repository that `acme/kit` is pinned to%0Ahint: publish from the repository of the earlier releases (a rename keeps its id, deleting and creating it again does not), or ask the operator: `packhouse admin transfer acme/kit`
    ");
    let branch = registry.ci("acme/kit").branch("main");
    assert_snapshot!(dry(branch).told(), @"
    exit 4
    error: claim `ref_type` is `branch`, expected `tag`: `acme/kit` is published from tags
      while: asking to publish `acme/kit@1.0.0`
    hint: push a tag: `git tag v1.0.0 && git push origin v1.0.0`
      see: `packhouse explain wrong-ref`
    ::error title=packhouse%3A wrong-ref::claim `ref_type` is `branch`, expected `tag`: `acme/kit` is published from tags%0Ahint: push a tag: `git tag v1.0.0 && git push origin v1.0.0`
    ");
    let untrusted = kit(&registry, "v1.0.0").claim("event_name", "pull_request_target");
    assert_snapshot!(dry(untrusted).told(), @"
    exit 4
    error: claim `event_name` is `pull_request_target`, expected `push`, `release` or `workflow_dispatch`
      while: asking to publish `acme/kit@1.0.0`
    hint: let the workflow start with `on: { push: { tags: ['v*'] } }`
      see: `packhouse explain wrong-event`
    ::error title=packhouse%3A wrong-event::claim `event_name` is `pull_request_target`, expected `push`, `release` or `workflow_dispatch`%0Ahint: let the workflow start with `on: { push: { tags: ['v*'] } }`
    ");
    std::fs::write(folder.join("new.txt"), "other content").unwrap();
    assert_eq!(dry(kit(&registry, "v1.0.0")).code, 5);
    assert!(registry.get("/index/acme/kit.json")["versions"].as_array().unwrap().len() == 1);
}

#[test]
fn a_train_arrives_whole_or_not_at_all() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let names = ["acme/kit/a", "acme/kit/b", "acme/kit/c"];
    let folders = names.map(|name| package(dir.path(), name, "1.0.0"));
    let train = || kit(&registry, "v1.0.0").command(&["publish"]).args(&folders).outcome();
    let stranger = package(dir.path(), "other/d", "1.0.0");
    let refused =
        kit(&registry, "v1.0.0").command(&["publish"]).args(&folders).arg(&stranger).outcome();
    assert_snapshot!(refused.told(), @"
    exit 4
    ::warning file=DIR/other-d/packhouse.yaml,line=4,col=15,title=other/d 1.0.0%3A repository-url::the package belongs to `other`, its repository to `acme`%0Ahelp: the first publish pins the package to the repository that ran it: make sure that both are yours%0Ahttps://github.com/packhouse/packhouse/blob/main/docs/rules/repository-url.md
    note: 1 warning; `packhouse audit` shows them
    error: claim `repository_owner` is `acme`, expected `other`, the owner in `other/d`
      while: asking to publish `other/d@1.0.0`
    hint: publish from a repository of `other`, or rename the package in its manifest to `acme/d`
      see: `packhouse explain wrong-owner`
    ::error title=packhouse%3A wrong-owner::claim `repository_owner` is `acme`, expected `other`, the owner in `other/d`%0Ahint: publish from a repository of `other`, or rename the package in its manifest to `acme/d`
    ");
    std::fs::write(folders[2].join("packhouse.yaml"), "package: {identifier: nothing}\n").unwrap();
    let broken = train();
    assert_eq!(broken.code, 1, "{broken}");
    assert!(broken.stderr.contains("acme-kit-c/packhouse.yaml:1:"), "the line is named: {broken}");
    for name in names {
        assert_eq!(registry.fetch(&format!("/index/{name}.json")).0, 404, "{name}");
    }
    package(dir.path(), names[2], "1.0.0");
    assert_snapshot!(train().told(), @"
    exit 0
    Published acme/kit/a@1.0.0: 438 B, read back
    Published acme/kit/b@1.0.0: 439 B, read back
    Published acme/kit/c@1.0.0: 439 B, read back
    acme/kit/a@1.0.0  HEX  REGISTRY/p/acme/kit/a
    acme/kit/b@1.0.0  HEX  REGISTRY/p/acme/kit/b
    acme/kit/c@1.0.0  HEX  REGISTRY/p/acme/kit/c
    ");
    assert_eq!(train().ok().stderr.matches("Unchanged").count(), 3);
}

#[test]
fn the_version_is_the_tags_where_it_is_asked_for() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path(), "acme/kit", "0.0.0");
    let before = std::fs::read(folder.join("packhouse.yaml")).unwrap();
    assert_eq!(kit(&registry, "v2.5.0").publish(&folder).code, 1, "the tag is not the manifest's");
    let set = |tag: &str, version: &str| {
        let mut command = kit(&registry, tag).command(&["publish", "--version", version]);
        command.arg(&folder).outcome()
    };
    set("v2.5.0", "from-git").ok();
    assert_eq!(std::fs::read(folder.join("packhouse.yaml")).unwrap(), before, "the file stays");
    let inside = registry.fetch("/v1/package/acme/kit/-/files/2.5.0/packhouse.yaml").1;
    assert!(String::from_utf8(inside).unwrap().contains("version: 2.5.0"));
    assert_snapshot!(set("v2.6.0", "2.7.0").told(), @"
    exit 1
    ::error file=DIR/acme-kit/packhouse.yaml,line=3,col=12,title=acme/kit 2.7.0%3A tag-mismatch::the tag `v2.6.0` names `2.6.0`, the manifest `2.7.0`%0Ahelp: set the version to `2.6.0`, or tag `v2.7.0`%0Ahttps://github.com/packhouse/packhouse/blob/main/docs/rules/tag-mismatch.md
    error[tag-mismatch]: the tag `v2.6.0` names `2.6.0`, the manifest `2.7.0`
     --> DIR/acme-kit/packhouse.yaml:3:12
      |
    3 |   version: 2.7.0
      |            ^^^^^
      |
      = help: set the version to `2.6.0`, or tag `v2.7.0`
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/tag-mismatch.md

    acme/kit 2.7.0: 1 error
    error: nothing was published: 1 error
    hint: `packhouse explain <rule>` tells more of a rule
    ");
    assert_snapshot!(set("nightly", "from-git").told(), @"
    exit 2
    error: `nightly` is not a semantic version: a tag is `v1.2.3`, `1.2.3`, `kit-v1.2.3`, `kit@1.2.3` or `kit/v1.2.3`
    hint: name the tag after the version
    ::error title=packhouse::`nightly` is not a semantic version: a tag is `v1.2.3`, `1.2.3`, `kit-v1.2.3`, `kit@1.2.3` or `kit/v1.2.3`%0Ahint: name the tag after the version
    ");
}

#[test]
fn artifacts_hang_off_the_release_and_stay_as_they_are() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let builds = dir.path().join("builds");
    std::fs::create_dir_all(builds.join("default")).unwrap();
    let ci = registry.ci("acme/board").tag("v0.3.0");
    let publish = |builds: &Path| {
        let mut command = ci.command(&["publish", "--artifacts"]);
        command.arg(builds).arg(example("ato-board")).outcome()
    };
    let missing = publish(&dir.path().join("nothing"));
    assert_eq!(missing.code, 3, "{missing}");
    let empty = publish(&builds);
    assert!(empty.code == 2 && empty.stderr.contains("holds no artifacts"), "{empty}");
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", builds.join("default/link")).unwrap();
        let link = publish(&builds);
        assert!(link.code == 2 && link.stderr.contains("`default/link` in"), "{link}");
        std::fs::remove_file(builds.join("default/link")).unwrap();
    }
    std::fs::write(builds.join("default/board.kicad_pcb"), "(kicad_pcb)").unwrap();
    publish(&builds).ok();
    let release = registry.get("/v1/package/acme/board/releases/0.3.0");
    let listed = release.pointer("/info/artifacts/artifacts/0").unwrap();
    assert_eq!((&listed["filename"], &listed["size"]), (&json!("board.kicad_pcb"), &json!(11)));
    assert!(!publish(&builds).ok().stderr.contains("other artifacts"));
    std::fs::write(builds.join("default/board.kicad_pcb"), "(kicad_pcb other)").unwrap();
    let again = publish(&builds).ok();
    assert!(again.stderr.contains("released before with other artifacts"), "{again}");
}

#[test]
fn outside_of_ci_an_api_token_is_what_it_takes() {
    let registry = TestRegistry::start();
    let dir = tempfile::tempdir().unwrap();
    let folder = package(dir.path(), "acme/kit", "1.0.0");
    let outside = |token: &str| {
        let mut command = plain(&["publish"]);
        command.arg(&folder).env("PACKHOUSE_REGISTRY", registry.url());
        command.env("PACKHOUSE_TOKEN", token).outcome()
    };
    assert_snapshot!(outside("").told(), @"
    exit 4
    error: there is no token: this is not a GitHub Actions job, and no API token is given
    hint: publish from a GitHub Actions job with `permissions: {id-token: write, contents: read}`, or give an API token in `PACKHOUSE_TOKEN` or with `--token-file`; the registry's operator makes one with `packhouse admin token create`
      see: `packhouse explain outside-ci`
    ");
    assert_snapshot!(outside("pkh_notatokenatallnotatokenatallnotatokenatallnotato").told(), @"
    exit 4
    error: the API token is not known to this registry
      while: asking to publish `acme/kit@1.0.0`
    hint: check that it is complete and made for this registry; an operator makes tokens with `packhouse admin token create`
      see: `packhouse explain token-invalid`
    ");
    let made = plain(&[
        "admin", "token", "create", "--label", "x", "--prefix", "acme/", "--action", "publish",
        "--days", "1",
    ])
    .env("PACKHOUSE_REGISTRY", registry.url())
    .env("PACKHOUSE_TOKEN", registry.admin_token())
    .outcome()
    .ok();
    let token = made.stdout.trim();
    let published = outside(token);
    assert!(!published.to_string().contains(token));
    assert_snapshot!(published.told(), @"
    exit 0
    Published acme/kit@1.0.0: 437 B, read back
    acme/kit@1.0.0  HEX  REGISTRY/p/acme/kit
    ");
    outside(token).ok();
    // A token for other names, and one for a package that CI jobs publish.
    let other = package(dir.path(), "other/kit", "1.0.0");
    let other = plain(&["publish"])
        .arg(&other)
        .env("PACKHOUSE_REGISTRY", registry.url())
        .env("PACKHOUSE_TOKEN", token)
        .outcome();
    assert_snapshot!(other.told(), @"
    exit 4
    note: 1 warning; `packhouse audit` shows them
    error: the API token `HEX` is good for `acme/`, not for `other/kit`
      while: asking to publish `other/kit@1.0.0`
    hint: ask an operator for a token with this right
      see: `packhouse explain forbidden`
    ");
    kit(&registry, "v1.0.0").publish(&package(dir.path(), "acme/pinned", "1.0.0")).ok();
    package(dir.path(), "acme/pinned", "1.1.0");
    let pinned = plain(&["publish"])
        .arg(dir.path().join("acme-pinned"))
        .env("PACKHOUSE_REGISTRY", registry.url())
        .env("PACKHOUSE_TOKEN", token)
        .outcome();
    assert_eq!(pinned.code, 4, "{pinned}");
}

/// A registry behind a network that the test controls.
fn behind() -> (TestRegistry, Liar, String) {
    let liar = Liar::start(|_| Reply::default());
    let registry =
        TestRegistry::with(Options { public_url: Some(liar.url.clone()), ..Options::default() });
    let to = registry.url();
    (registry, liar, to)
}

#[test]
fn answers_that_get_lost_are_asked_for_again() {
    let (registry, liar, to) = behind();
    let dir = tempfile::tempdir().unwrap();
    let publish = |version: &str| {
        let folder = package(dir.path(), "acme/kit", version);
        kit(&registry, &format!("v{version}")).env("PACKHOUSE_REGISTRY", &liar.url).publish(&folder)
    };
    let honest = to.clone();
    liar.say(move |request| forward(&honest, request));
    publish("1.0.0").ok();
    let requests = liar.seen().len();
    assert!(requests >= 4, "index, request, upload, confirm, a look: {requests}");
    for lost in 0..requests {
        for arrived in [false, true] {
            let (to, count) = (to.clone(), Arc::new(AtomicUsize::new(0)));
            liar.say(move |request| {
                if count.fetch_add(1, Ordering::SeqCst) != lost {
                    return forward(&to, request);
                }
                if arrived {
                    forward(&to, request);
                }
                Reply::default()
            });
            let version = format!("1.{}.{}", lost + 1, u8::from(arrived));
            let outcome = publish(&version);
            assert_eq!(outcome.code, 0, "request {lost}, arrived: {arrived}: {outcome}");
        }
    }
    let index = registry.get("/index/acme/kit.json");
    assert_eq!(index["versions"].as_array().unwrap().len(), 1 + 2 * requests);
}

#[test]
fn a_publish_that_was_killed_is_run_again() {
    let (registry, liar, to) = behind();
    let dir = tempfile::tempdir().unwrap();
    // On AWS the upload goes past the registry, straight to the store.
    let steps = if registry.is_on_aws() { 4 } else { 5 };
    for step in 1..=steps {
        let version = format!("1.{step}.0");
        let folder = package(dir.path(), "acme/kit", &version);
        let ci = kit(&registry, &format!("v{version}")).env("PACKHOUSE_REGISTRY", &liar.url);
        let (to, count) = (to.clone(), Arc::new(AtomicUsize::new(0)));
        liar.forget();
        liar.say(move |request| {
            let reply = forward(&to, request);
            if count.fetch_add(1, Ordering::SeqCst) + 1 == step {
                // Stand still: the client is killed meanwhile.
                return Reply { hang: std::time::Duration::from_secs(5), cut: Some(0), ..reply };
            }
            reply
        });
        let mut child = ci
            .command(&["publish"])
            .arg(&folder)
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        assert!(liar.wait_for(step), "request {step} comes");
        child.kill().unwrap();
        child.wait().unwrap();
        ci.publish(&folder).ok();
    }
    assert_eq!(registry.get("/index/acme/kit.json")["versions"].as_array().unwrap().len(), steps);
}
