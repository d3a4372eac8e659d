//! What goes wrong, as a person sees it: no network, no registry.
#![allow(clippy::unwrap_used)] // helpers of tests are not `#[test]` themselves

use std::path::Path;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

fn packhouse(dir: &Path, args: &[&str], env: &[(&str, &str)]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_packhouse"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", dir)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let place = dir.to_str().unwrap();
    format!("exit {}\n{out}{err}", output.status.code().unwrap())
        .replace(place, "DIR")
        .trim_end()
        .to_owned()
}

fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

const MANIFEST: &str = "package:\n  identifier: acme/sensor\n  version: 1.0.0\n  repository: https://github.com/acme/sensor\n  license: MIT\n  summary: Measures.\n";

fn package() -> tempfile::TempDir {
    dir(&[("packhouse.yaml", MANIFEST), ("README.md", "# Sensor\n"), ("LICENSE", "MIT License\n")])
}

#[test]
fn a_folder_without_a_manifest() {
    let empty = dir(&[]);
    assert_snapshot!(packhouse(empty.path(), &["audit"], &[]), @"
    exit 3
    error: `.` holds no manifest
    hint: manifests are `packhouse.yaml`, `apl-project.json`, `ato.yaml`, `pack.yaml`, `package.yaml`, `kicad-tools-block.yaml`, `pyproject.toml`; `packhouse init` writes one
    ");
    assert_snapshot!(packhouse(empty.path(), &["pack", "nothing"], &[]), @"
    exit 3
    error: there is no `nothing`
    hint: name the folder that holds the manifest
    ");
    let deep = dir(&[("a/b/packhouse.yaml", MANIFEST)]);
    assert_snapshot!(packhouse(deep.path(), &["pack"], &[]), @"
    exit 3
    error: `.` holds no manifest
    hint: there are packages in `a/b`: name those
    ");
}

#[test]
fn a_broken_manifest() {
    let broken = dir(&[(
        "packhouse.yaml",
        "package:\n  identifier: acme/sensor\n  identifier: acme/other\n",
    )]);
    assert_snapshot!(packhouse(broken.path(), &["audit"], &[]), @"
    exit 1
    error[manifest-field]: `identifier`: the key stands here and at line 2, column 3
     --> packhouse.yaml:3:3
      |
    3 |   identifier: acme/other
      |   ^^^^^^^^^^^
      |
      = help: keep one of the two: readers would disagree about which one counts
      = see: https://github.com/packhouse/packhouse/blob/main/docs/rules/manifest-field.md

    packhouse.yaml: 1 error
    ");
    assert_snapshot!(packhouse(broken.path(), &["pack"], &[]), @"
    exit 1
    error: ./packhouse.yaml:3:3: `identifier`: the key stands here and at line 2, column 3
    hint: keep one of the two: readers would disagree about which one counts
    ");
}

#[test]
fn publishing_without_what_it_takes() {
    let dir = package();
    let registry = ("PACKHOUSE_REGISTRY", "http://127.0.0.1:9");
    let actions = ("GITHUB_ACTIONS", "true");
    assert_snapshot!(packhouse(dir.path(), &["publish"], &[]), @"
    exit 2
    error: no registry is named
    hint: give `--registry URL`, set PACKHOUSE_REGISTRY, or write `registry: URL` into `packhouse.yaml`
    ");
    assert_snapshot!(packhouse(dir.path(), &["publish"], &[registry]), @"
    exit 4
    error: there is no token: this is not a GitHub Actions job, and no API token is given
    hint: publish from a GitHub Actions job with `permissions: {id-token: write, contents: read}`, or give an API token in `PACKHOUSE_TOKEN` or with `--token-file`; the registry's operator makes one with `packhouse admin token create`
      see: `packhouse explain outside-ci`
    ");
    assert_snapshot!(packhouse(dir.path(), &["publish"], &[registry, actions]), @"
    exit 4
    error: there is no token: the job may not ask for one (`ACTIONS_ID_TOKEN_REQUEST_URL` is not set)
    hint: add to the job: `permissions: {id-token: write, contents: read}`; a reusable workflow needs it in the calling job, too
      see: `packhouse explain no-id-token`
    ::error title=packhouse%3A no-id-token::there is no token: the job may not ask for one (`ACTIONS_ID_TOKEN_REQUEST_URL` is not set)%0Ahint: add to the job: `permissions: {id-token: write, contents: read}`; a reusable workflow needs it in the calling job, too
    ");
    let event = dir.path().join("event.json");
    std::fs::write(&event, r#"{"pull_request":{"number":1,"head":{"sha":"0123456789012345678901234567890123456789","repo":{"full_name":"x\u001b[2J/y"}},"base":{"sha":"0123456789012345678901234567890123456789","repo":{"full_name":"a/b"}}}}"#).unwrap();
    let event = ("GITHUB_EVENT_PATH", event.to_str().unwrap());
    assert_snapshot!(packhouse(dir.path(), &["publish", "--dry-run"], &[registry, actions, event]), @r"
    exit 4
    error: there is no token: this job runs for a pull request from `x\u{1b}[2J/y`, and GitHub gives forks none
    hint: publish from a tag or a release of the repository itself; `id-token: write` does not change this
      see: `packhouse explain fork-pull-request`
    ::error title=packhouse%3A fork-pull-request::there is no token: this job runs for a pull request from `x\u{1b}[2J/y`, and GitHub gives forks none%0Ahint: publish from a tag or a release of the repository itself; `id-token: write` does not change this
    ");
    let foreign = [
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://evil.example/?x"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "secret-of-the-job"),
    ];
    assert_snapshot!(packhouse(dir.path(), &["publish"], &[registry, actions, foreign[0], foreign[1]]), @"
    exit 4
    error: `ACTIONS_ID_TOKEN_REQUEST_URL` is not an https address on a host under `actions.githubusercontent.com`
    hint: nothing was sent to it; remove whatever sets the variable, GitHub's runner does so itself
      see: `packhouse explain foreign-token-service`
    ::error title=packhouse%3A foreign-token-service::`ACTIONS_ID_TOKEN_REQUEST_URL` is not an https address on a host under `actions.githubusercontent.com`%0Ahint: nothing was sent to it; remove whatever sets the variable, GitHub's runner does so itself
    ");
    assert_snapshot!(packhouse(dir.path(), &["publish"], &[registry, ("PACKHOUSE_TOKEN", "two words")]), @"
    exit 4
    error: the API token from `PACKHOUSE_TOKEN` is no token: it has blanks, or is far too long
    hint: write the token as `packhouse admin token create` printed it
      see: `packhouse explain bad-api-token`
    ");
    assert_snapshot!(packhouse(dir.path(), &["publish", "--version", "1.x"], &[registry]), @"
    exit 2
    error: `1.x` is not a semantic version: unexpected character 'x' while parsing minor version number; write for example `1.2.3` or `1.2.3-rc.1`
    hint: give another `--version`
    ");
    assert_snapshot!(packhouse(dir.path(), &["publish", "--version", "from-git"], &[registry]), @"
    exit 2
    error: `.` is not in a git checkout
    hint: give the version itself: `--version 1.2.3`
    ");
    assert_snapshot!(packhouse(dir.path(), &["publish", ".", "packhouse.yaml"], &[registry]), @"
    exit 2
    error: `.` and `.` are both `acme/sensor`
    hint: name each package once
    ");
}

#[test]
fn a_token_goes_nowhere_on_a_manifests_word() {
    let dir = package();
    std::fs::write(
        dir.path().join("packhouse.yaml"),
        format!("registry: http://127.0.0.1:9\n{MANIFEST}"),
    )
    .unwrap();
    assert_snapshot!(packhouse(dir.path(), &["publish"], &[("PACKHOUSE_TOKEN", "pkh_secret")]), @"
    exit 2
    error: the registry http://127.0.0.1:9 is named by a manifest only, so the API token is not sent there
    hint: name it with `--registry` or PACKHOUSE_REGISTRY
    ");
    assert_snapshot!(packhouse(dir.path(), &["admin", "token", "list"], &[("PACKHOUSE_TOKEN", "pkh_secret")]), @"
    exit 2
    error: the registry http://127.0.0.1:9 is named by a manifest only, so the API token is not sent there
    hint: name it with `--registry` or PACKHOUSE_REGISTRY
    ");
}

#[test]
fn arguments_that_cannot_be() {
    let dir = package();
    assert_snapshot!(packhouse(dir.path(), &["publsh"], &[]), @"
    exit 2
    error: unrecognized subcommand 'publsh'

      tip: a similar subcommand exists: 'publish'

    Usage: packhouse [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    let json = packhouse(dir.path(), &["--json", "publsh"], &[]);
    assert!(json.contains(r#""message": "unrecognized subcommand 'publsh'""#), "{json}");
    let help = packhouse(dir.path(), &[], &[]);
    assert!(help.starts_with("exit 2") && help.contains("First steps:"), "{help}");
    assert_snapshot!(packhouse(dir.path(), &["pack", "-o", "nothing/x.zip"], &[]), @"
    exit 2
    error: there is no folder `nothing`
    hint: make it first
    ");
    assert_snapshot!(packhouse(dir.path(), &["audit", "--fail-on", "sometimes"], &[]), @"
    exit 2
    error: `sometimes` is no severity to fail on: write `error`, `warning`, `note` or `never`
    hint: `--fail-on error` is the default
    ");
    assert_snapshot!(packhouse(dir.path(), &["fetch", "sensor"], &[]), @"
    exit 2
    error: `sensor` has no owner: write `owner/name`, for example `acme/sensor`
    hint: write `owner/name`, `owner/name@1.2.3` or `owner/name@^1.2`
    ");
    assert_snapshot!(packhouse(dir.path(), &["fetch", "acme/sensor"], &[]), @"
    exit 2
    error: no registry is named
    hint: give `--registry URL`, set PACKHOUSE_REGISTRY, or write `registry: URL` into `packhouse.yaml`
    ");
    assert_snapshot!(packhouse(dir.path(), &["search", "x", "--registry", "http://packages.example.org"], &[]), @"
    exit 2
    error: `http://packages.example.org` is not a registry's address: plain `http` is for this machine only, write `https://…`
    hint: give `--registry URL`
    ");
    assert_snapshot!(packhouse(dir.path(), &["yank", "acme/sensor", "--reason", "x"], &[]), @"
    exit 2
    error: `acme/sensor` names no version
    hint: write `owner/name@1.2.3`
    ");
    assert_snapshot!(packhouse(dir.path(), &["explain", "case-twin"], &[]), @"
    exit 3
    error: there is neither a rule nor an error code `case-twin`
    hint: did you mean `packhouse explain case-twins`?
    ");
    assert_snapshot!(packhouse(dir.path(), &["serve", "--data", "x", "--limit", "archive_byte=5"], &[]), @"
    exit 2
    error: there is no limit `archive_byte=5`
    hint: did you mean `archive_bytes`?
    ");
}

#[test]
fn errors_for_programs() {
    let dir = package();
    let registry = ("PACKHOUSE_REGISTRY", "http://127.0.0.1:9");
    assert_snapshot!(packhouse(dir.path(), &["info", "acme/sensor", "--json"], &[registry]), @r#"
    exit 7
    {
      "schema": 1,
      "error": {
        "exit": 7,
        "code": "registry-unreachable",
        "message": "GET /index/acme/sensor.json at http://127.0.0.1:9: nothing listens there (connection refused)",
        "during": null,
        "help": "check the address and the network, then run it again: nothing is left half done",
        "request_id": null,
        "facts": null
      }
    }
    error: GET /index/acme/sensor.json at http://127.0.0.1:9: nothing listens there (connection refused)
    hint: check the address and the network, then run it again: nothing is left half done
      see: `packhouse explain registry-unreachable`
    "#);
}

#[test]
fn init_writes_what_audit_accepts_and_overwrites_nothing() {
    let dir = dir(&[("sensor/LICENSE", "MIT License\n"), ("sensor/README.md", "mine\n")]);
    assert_snapshot!(packhouse(dir.path(), &["init", "sensor"], &[]), @"
    exit 2
    error: who owns the package is not known: the folder is in no checkout with a remote
    hint: give `--identifier OWNER/sensor`
    ");
    assert_snapshot!(packhouse(dir.path(), &["init", "sensor", "--identifier", "acme/sensor", "--summary", "It: \"measures\" #1"], &[]), @"
    exit 0
    Wrote sensor/packhouse.yaml
    hint: next: `packhouse audit`
    ");
    assert_snapshot!(packhouse(dir.path(), &["audit", "sensor"], &[]), @"
    exit 0
    acme/sensor 0.1.0: no findings
    ");
    assert_snapshot!(packhouse(dir.path(), &["init", "sensor", "--identifier", "acme/x"], &[]), @"
    exit 2
    error: `sensor/packhouse.yaml` is there already
    hint: `packhouse audit` tells what it still needs
    ");
    assert_eq!(std::fs::read_to_string(dir.path().join("sensor/README.md")).unwrap(), "mine\n");
    for format in ["apl", "ato", "attune", "kicad", "pyproject"] {
        let said = packhouse(
            dir.path(),
            &["init", format, "--format", format, "--identifier", "acme/my-thing"],
            &[],
        );
        assert!(said.starts_with("exit 0"), "{said}");
        let said = packhouse(dir.path(), &["audit", format], &[]);
        assert!(!said.contains("manifest-field") && !said.contains("unknown-key"), "{said}");
    }
}

#[test]
fn packing_is_reproducible_and_quiet_when_asked() {
    let dir = package();
    let first = packhouse(dir.path(), &["pack", "-q", "-o", "a.zip"], &[]);
    let second = packhouse(
        dir.path(),
        &["pack", "-q", "-o", "a.zip"],
        &[("TZ", "Asia/Tokyo"), ("LC_ALL", "C")],
    );
    assert_eq!(first, second);
    assert_eq!(first.lines().count(), 2); // the exit code and the digest
    assert_snapshot!(packhouse(dir.path(), &["pack", "--list", "--exclude", "a.zip"], &[]), @"
    exit 0
         133 B  packhouse.yaml
          12 B  LICENSE
           9 B  README.md
    Total 3 files, 154 B
    ");
    let colored = packhouse(dir.path(), &["pack", "nothing"], &[("CLICOLOR_FORCE", "1")]);
    assert!(colored.contains("\u{1b}["));
    let plain =
        packhouse(dir.path(), &["pack", "nothing"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(!plain.contains("\u{1b}["));
}

#[test]
fn a_reader_that_goes_away_is_no_mistake() {
    let dir = package();
    let mut child = Command::new(env!("CARGO_BIN_EXE_packhouse"))
        .arg("explain")
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_written_to_and_stays_what_it_is() {
    use std::os::unix::fs::FileTypeExt as _;
    let dir = package();
    let pipe = dir.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    let said = packhouse(dir.path(), &["pack", "-q", "-o", "pipe", "--exclude", "pipe"], &[]);
    assert!(said.starts_with("exit 0"), "{said}");
    assert!(reader.join().unwrap().starts_with(b"PK"));
    assert!(std::fs::metadata(pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_zip_is_left_out_only_where_it_is_an_earlier_archive() {
    let dir = package();
    for name in ["acme-sensor-0.9.0.zip", "acme-sensor-gerbers.zip"] {
        std::fs::write(dir.path().join(name), "x").unwrap();
    }
    let said = packhouse(dir.path(), &["pack", "--list"], &[]);
    assert!(said.contains("acme-sensor-gerbers.zip") && !said.contains("0.9.0"), "{said}");
}

#[test]
fn the_root_of_a_checkout_is_called_like_its_repository() {
    let dir = dir(&[]);
    git(dir.path(), &["init", "-q"]);
    git(dir.path(), &["remote", "add", "origin", "git@github.com:Acme/My.Sensor.git"]);
    packhouse(dir.path(), &["init"], &[]);
    packhouse(dir.path(), &["init", "parts/motor"], &[]);
    let name = |path: &str| {
        let text = std::fs::read_to_string(dir.path().join(path)).unwrap();
        text.lines().nth(1).unwrap().trim().to_owned()
    };
    assert_eq!(name("packhouse.yaml"), "identifier: Acme/My-Sensor");
    assert_eq!(name("parts/motor/packhouse.yaml"), "identifier: Acme/motor");
}

fn git(dir: &Path, args: &[&str]) {
    let status = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "git {args:?}");
}

#[test]
fn the_version_comes_from_the_one_tag_that_names_one() {
    let dir = package();
    git(dir.path(), &["init", "-q"]);
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-q", "-m", "one"]);
    let pack = |more: &[&str]| {
        let args =
            [&["pack", "--json", "-q", "--version", "from-git", "-o", "x.zip"], more].concat();
        let said = packhouse(dir.path(), &args, &[]);
        let version = said.lines().find(|line| line.contains("\"version\"")).map(str::to_owned);
        version.unwrap_or(said)
    };
    let hint = |said: String| {
        said.lines()
            .filter(|line| !line.starts_with(['{', '}', ' ']))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_snapshot!(hint(pack(&[])), @"
    exit 2
    error: no tag points at the commit that is checked out
    hint: tag it, for example `git tag v1.2.3`, or fetch tags (`fetch-depth: 0`)
    ");
    for tag in ["release", "other-v9.9.9", "$(touch${IFS}pwned)", "v1'\"", "1.0.0\u{202e}"] {
        git(dir.path(), &["tag", "--", tag]);
    }
    assert_snapshot!(hint(pack(&[])), @r#"
    exit 2
    error: no tag on this commit names a version: `$(touch${IFS}pwned)`, `1.0.0\u{202e}`, `other-v9.9.9`, `release`, `v1'"`
    hint: tag it, for example `git tag v1.2.3`, or fetch tags (`fetch-depth: 0`)
    "#);
    git(dir.path(), &["tag", "sensor-v2.5.0"]);
    git(dir.path(), &["tag", "v2.5.0"]); // the same version, said twice
    assert_snapshot!(pack(&[]), @r#"  "version": "2.5.0","#);
    git(dir.path(), &["tag", "v2.6.0"]);
    assert_snapshot!(hint(pack(&[])), @"
    exit 2
    error: several tags on this commit name versions: `sensor-v2.5.0`, `v2.6.0`
    hint: choose one with `--tag`
    ");
    assert_snapshot!(pack(&["--tag", "v2.6.0"]), @r#"  "version": "2.6.0","#);
    assert!(!dir.path().join("pwned").exists());
}
