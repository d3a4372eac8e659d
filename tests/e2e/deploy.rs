//! `packhouse admin deploy` with a program in the place of `aws` that writes down what it is asked:
//! the account is what cannot be here.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use packhouse_core::digest::Digest;
use packhouse_tests::binary::root;
use packhouse_tests::{Outcome, Runs as _, plain};

/// An `aws` that knows one account, and a stack once it was deployed.
const AWS: &str = r#"#!/bin/sh
printf '%s\n' "$*" >> "$AWS_LOG"
case "$1 $2" in
  "sts get-caller-identity")
    [ -n "$AWS_NO_ACCOUNT" ] && { echo "Unable to locate credentials" >&2; exit 253; }
    echo 123456789012 ;;
  "configure get") echo us-east-1 ;;
  "cloudformation describe-stacks")
    [ -e "$AWS_LOG.deployed" ] || { echo "Stack with id packhouse does not exist" >&2; exit 254; }
    echo '{"Stacks":[{"Outputs":[{"OutputKey":"Url","OutputValue":"https://packages.example.org"}]}]}' ;;
  "cloudformation package")
    folder=$(dirname "$4")
    [ -e "$folder/bootstrap.zip" ] || { echo "no code beside the template" >&2; exit 1; }
    echo "Successfully packaged" ;;
  "cloudformation deploy")
    [ -n "$AWS_FAILS" ] && { echo "ROLLBACK_COMPLETE" >&2; exit 255; }
    touch "$AWS_LOG.deployed"; echo "Successfully created" ;;
  *) echo "unknown: $*" >&2; exit 252 ;;
esac
"#;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(bin.join("aws"), AWS).unwrap();
        std::fs::set_permissions(bin.join("aws"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("functions.zip"), "PK").unwrap();
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn deploy(&self, more: &[&str], environment: &[(&str, &str)]) -> Outcome {
        let template = root().join("lambda/template.yaml");
        let mut arguments =
            vec!["admin", "deploy", "packages.example.org", "--code-bucket", "code"];
        arguments.extend([
            "--functions",
            "functions.zip",
            "--template",
            template.to_str().unwrap(),
        ]);
        arguments.extend(more);
        let mut command = plain(&arguments);
        let path = format!("{}:/usr/bin:/bin", self.path().join("bin").display());
        command.current_dir(self.path()).env("PATH", path).env("AWS_LOG", self.path().join("log"));
        command.envs(environment.iter().copied()).outcome()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    fn token(&self) -> String {
        let text = std::fs::read_to_string(self.path().join("packhouse-admin-token")).unwrap();
        text.trim().to_owned()
    }
}

#[test]
fn a_plan_shows_everything_and_does_nothing() {
    let world = World::new();
    let shown = world.deploy(&["--zone", "Z1", "--plan"], &[]).ok();
    for text in ["account 123456789012", "cloudformation deploy", "HostedZoneId=Z1", "all, in USD"]
    {
        assert!(shown.stderr.contains(text), "{text}: {shown}");
    }
    let json = world.deploy(&["--plan", "--json"], &[]).ok().json();
    assert_eq!((&json["exists"], &json["region"]), (&false.into(), &"us-east-1".into()));
    let refused = world.deploy(&[], &[]);
    assert_eq!(refused.code, 2, "{refused}");
    assert!(refused.stderr.contains("--yes"), "{refused}");
    assert!(!world.log().contains("cloudformation deploy") && !world.log().contains("package"));
    assert!(!world.path().join("packhouse-admin-token").exists());
}

#[test]
fn a_first_deploy_makes_a_token_and_a_later_one_keeps_what_is_there() {
    let world = World::new();
    let failed = world.deploy(&["--yes", "--zone", "Z1"], &[("AWS_FAILS", "1")]);
    assert_eq!(failed.code, 7, "{failed}");
    assert!(failed.stderr.contains("ROLLBACK_COMPLETE"), "{failed}");
    let token = world.token();
    let mode = std::fs::metadata(world.path().join("packhouse-admin-token")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);

    let deployed = world.deploy(&["--yes", "--zone", "Z1", "--set", "Private=true"], &[]).ok();
    assert_eq!(world.token(), token, "the second attempt uses it");
    let sum = format!("AdminTokenSha256={}", Digest::of(token.as_bytes()).hex());
    let log = world.log();
    let last = log.lines().rfind(|line| line.contains("cloudformation deploy")).unwrap();
    for part in [
        &*sum,
        "Domain=packages.example.org",
        "Private=true",
        "HostedZoneId=Z1",
        "CAPABILITY_IAM",
        "--s3-bucket code",
    ] {
        assert!(last.contains(part), "{part}: {last}");
    }
    assert!(!log.contains(&token) && !deployed.stderr.contains(&token), "only its hash leaves");
    assert_eq!(deployed.stdout, "Url = https://packages.example.org\n");
    assert!(deployed.stderr.contains("packhouse doctor --registry https://packages.example.org"));

    let again = world.deploy(&["--yes", "--json"], &[]).ok().json();
    assert_eq!((&again["exists"], &again["token_file"]), (&true.into(), &serde_json::Value::Null));
    assert_eq!(again["outputs"]["Url"], "https://packages.example.org");
    let log = world.log();
    let last = log.lines().rfind(|line| line.contains("cloudformation deploy")).unwrap();
    assert!(!last.contains("AdminTokenSha256"), "tokens stay as they are: {last}");
}

#[test]
fn what_is_missing_is_said_before_anything_is_done() {
    let world = World::new();
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);
    let cases: [Case<'_>; 5] = [
        (&["--set", "Domain=x"], &[], 2, "`Domain=x` is no parameter to set"),
        (&["--set", "oops"], &[], 2, "write --set NAME=VALUE"),
        (&[], &[("AWS_REGION", "eu-central-1")], 2, "certificates of us-east-1 only"),
        (&[], &[("AWS_NO_ACCOUNT", "1")], 4, "Unable to locate credentials"),
        (&[], &[("PATH", "/nowhere")], 2, "install the AWS CLI"),
    ];
    for (arguments, environment, code, text) in cases {
        let refused = world.deploy(&[&["--yes"], arguments].concat(), environment);
        assert_eq!(refused.code, code, "{arguments:?} {environment:?}: {refused}");
        assert!(refused.stderr.contains(text), "{text}: {refused}");
    }
    std::fs::remove_file(world.path().join("functions.zip")).unwrap();
    let refused = world.deploy(&["--yes"], &[]);
    assert!(refused.code == 2 && refused.stderr.contains("no functions' archive"), "{refused}");
    let address = ["admin", "deploy", "https://Packages.example.org", "--code-bucket", "c"];
    let refused = plain(&address).outcome();
    assert!(refused.code == 2 && refused.stderr.contains("is not a host name"), "{refused}");
    assert!(!world.log().contains("cloudformation deploy"), "{}", world.log());
}
