//! What `--help` says, for every command.
#![allow(clippy::unwrap_used)] // helpers of tests are not `#[test]` themselves

use std::process::Command;

fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_packhouse"))
        .args(args)
        .arg("--help")
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    // Options that every command has are shown once, with the main help.
    let text = String::from_utf8(output.stdout).unwrap();
    if args.is_empty() {
        return text;
    }
    match (text.find("Global options:"), text.find("\nExample")) {
        (Some(global), Some(examples)) => format!("{}{}", &text[..global], &text[examples + 1..]),
        (Some(global), None) => text[..global].to_owned(),
        _ => text,
    }
}

/// Every command with what follows it.
const COMMANDS: &[&[&str]] = &[
    &[],
    &["init"],
    &["audit"],
    &["pack"],
    &["publish"],
    &["fetch"],
    &["verify"],
    &["info"],
    &["search"],
    &["attune"],
    &["attune", "install"],
    &["attune", "list"],
    &["attune", "show"],
    &["attune", "uninstall"],
    &["attune", "test"],
    &["attune", "search"],
    &["attune", "registries"],
    &["attune", "checksum"],
    &["attune", "index-entry"],
    &["attune", "index-update"],
    &["attune", "index-merge"],
    &["attune", "index-validate"],
    &["fppm"],
    &["fppm", "registries"],
    &["fppm", "install"],
    &["fppm", "remove"],
    &["fppm", "import"],
    &["yank"],
    &["deprecate"],
    &["compose", "packages"],
    &["compose", "package-get"],
    &["compose", "package-audit"],
    &["compose", "package-register"],
    &["compose", "processes"],
    &["compose", "steps"],
    &["policy", "show"],
    &["policy", "set"],
    &["apl", "new"],
    &["apl", "create-index"],
    &["apl", "list"],
    &["apl", "add"],
    &["apl", "get"],
    &["apl", "tree"],
    &["admin", "token", "create"],
    &["admin", "token", "list"],
    &["admin", "token", "revoke"],
    &["admin", "transfer"],
    &["admin", "reserve"],
    &["admin", "quarantine"],
    &["admin", "remove"],
    &["admin", "export"],
    &["admin", "import"],
    &["doctor"],
    &["explain"],
    &["completions"],
    &["man"],
    &["serve"],
    &["demo"],
];

#[test]
fn every_command_explains_itself() {
    let all: String = COMMANDS
        .iter()
        .map(|args| format!("$ packhouse {} --help\n{}\n", args.join(" "), help(args).trim_end()))
        .collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/help.txt");
    // `PACKHOUSE_BLESS=1 cargo test -p packhouse --test help` writes the file anew.
    if std::env::var_os("PACKHOUSE_BLESS").is_some() {
        std::fs::write(file, &all).unwrap();
    }
    let known = std::fs::read_to_string(file).unwrap_or_default();
    for (found, known) in all.lines().zip(known.lines()) {
        assert_eq!(found, known, "bless it with PACKHOUSE_BLESS=1 if that is meant");
    }
    assert_eq!(all.lines().count(), known.lines().count());
}

#[test]
fn commands_that_do_something_show_examples() {
    for args in COMMANDS.iter().filter(|args| !args.is_empty() && !args.contains(&"token")) {
        assert!(help(args).contains("Example"), "{args:?}");
    }
}
