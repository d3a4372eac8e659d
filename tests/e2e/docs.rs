//! The documentation is true where a program can tell.
#![allow(clippy::expect_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::path::Path;

use packhouse_tests::binary::root;

/// The names of all test functions of the workspace.
fn tests() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
            let path = entry.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source");
                let names = text.lines().filter_map(|line| line.trim().split_once("fn "));
                found.extend(
                    names.map(|(_, rest)| {
                        rest.split(['(', '<']).next().unwrap_or_default().to_owned()
                    }),
                );
            }
        }
    }
    let mut found = BTreeSet::new();
    for folder in ["crates", "cli", "lambda", "tests"] {
        walk(&root().join(folder), &mut found);
    }
    found
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let page = std::fs::read_to_string(root().join("docs/security.md")).expect("the page");
    let tests = tests();
    let quoted = page.split('`').skip(1).step_by(2);
    let named: BTreeSet<&str> = quoted
        .filter(|name| {
            name.matches('_').count() >= 2
                && name.chars().all(|c| c == '_' || c.is_ascii_lowercase())
        })
        .collect();
    assert!(named.len() > 30, "the page names its tests: {named:?}");
    let missing: Vec<_> = named.iter().filter(|name| !tests.contains(**name)).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    fn walk(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != ".git" && name != "fixtures" {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    walk(root(), &mut pages);
    let mut broken = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("the page");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let local = !file.is_empty() && !file.contains("://") && !file.contains(' ');
            if local && !page.parent().expect("a folder").join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_table_of_limits_is_the_one_in_the_code() {
    let page = std::fs::read_to_string(root().join("docs/operating.md")).expect("the page");
    let (_, section) = page.split_once("## Limits").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let told: Vec<(String, u64)> = section
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some((name.to_owned(), digits.parse().expect("a number")))
        })
        .collect();
    let table = serde_json::to_value(packhouse_core::limits::Limits::default()).expect("JSON");
    let table = table.as_object().expect("a table").iter();
    let held: Vec<_> = table.map(|(n, v)| (n.clone(), v.as_u64().expect("a number"))).collect();
    assert_eq!(told, held);
}

#[test]
fn cargo_run_knows_which_program_the_readme_means() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let told = std::process::Command::new(cargo)
        .current_dir(root())
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let usual = told["workspace_default_members"].as_array().expect("members");
    let packages = told["packages"].as_array().expect("packages").iter();
    let targets = packages
        .filter(|package| usual.contains(&package["id"]))
        .flat_map(|package| package["targets"].as_array().expect("targets"));
    let programs: Vec<_> = targets
        .filter(|target| target["kind"][0] == "bin")
        .map(|target| target["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(programs, ["packhouse"]);
}
