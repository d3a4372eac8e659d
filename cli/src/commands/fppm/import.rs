//! `packhouse fppm import`: the packages of a registry's file, as listings of a Packhouse registry.

use packhouse_client::fppm::location::public;
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::fppm::Commit;
use packhouse_core::fppm::registry::Entry;
use packhouse_forge::git::look_up;
use serde_json::{Value, json};

use super::Trusted;
use super::registries::{tell, unusable};
use crate::args::{FppmImport, Global};
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

/// Packages of one request.
const AT_ONCE: usize = 100;

pub(super) fn run(args: &FppmImport, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let here = std::env::current_dir()?;
    let trusted = Trusted::find(global)?;
    let (registry, _) = trusted.reader().read(&args.source, &here)?;
    let shown = printable(&public(&args.source));
    tell(&shown, &registry, ui);
    if let Some(missing) = unusable(&registry) {
        let text = format!("{shown}: `{}` {}", missing.field, missing.message);
        return Err(Stop::new(Exit::Findings, text, &missing.help).into());
    }
    let mut exit = if registry.errors.is_empty() { Exit::Ok } else { Exit::Findings };
    let mut packages = Vec::new();
    for entry in &registry.packages {
        match package(entry, args.resolve, ui) {
            Ok(package) => packages.push(package),
            Err(reason) => {
                exit = Exit::Findings;
                ui.error(&format!("{}: {reason}", entry.name));
            }
        }
    }
    let mut told: Vec<Value> = Vec::new();
    if args.dry_run {
        for package in &packages {
            told.push(json!({"name": package["name"], "result": "would-list"}));
        }
    } else {
        let target = context::registry(global, None)?;
        let token = context::operator_token(global, &target)?;
        let client = context::client(global, &target)?;
        for portion in packages.chunks(AT_ONCE) {
            let body = json!({ "packages": portion });
            let answer: Value =
                client.send("POST".parse()?, "/fppm/listings", Some(&token), Some(&body))?;
            told.extend(answer["packages"].as_array().cloned().unwrap_or_default());
        }
    }
    for one in &told {
        let field = |key: &str| excerpt(one[key].as_str().unwrap_or_default(), 300);
        if one["result"] == "refused" {
            exit = Exit::Findings;
            ui.error(&format!("{}: {}", field("name"), field("reason")));
        }
    }
    let count = |result: &str| told.iter().filter(|one| one["result"] == result).count();
    let (listed, unchanged, refused) = (count("listed"), count("unchanged"), count("refused"));
    if args.dry_run {
        ui.done("Checked", &format!("{} packages, and sent none", told.len()));
    } else {
        ui.done(
            "Imported",
            &format!("{listed} packages; {unchanged} stood already, {refused} were refused"),
        );
    }
    if ui.json {
        ui.print_json(&json!({"schema": 1, "source": shown, "packages": told}))?;
    }
    Ok(exit)
}

/// What is sent of a package. A commit is sent as such, anything else as what it is called; with
/// `resolve`, the commit that it names now.
fn package(entry: &Entry, resolve: bool, ui: &Ui) -> Result<Value, String> {
    let stable = entry.stable.as_deref().ok_or("it names no stable version")?;
    let whole = stable.to_ascii_lowercase().parse::<Commit>().ok().map(|commit| commit.to_string());
    let commit = match whole {
        Some(commit) => Some(commit),
        None if resolve => {
            ui.step(&format!("asking {}", printable(&public(&entry.git))));
            let found = look_up(&entry.git, stable).map_err(|e| e.to_string())?;
            let found = found.ok_or_else(|| format!("its repository has no `{stable}`"))?;
            Some(found.as_str().to_owned())
        }
        None => None,
    };
    let reference = match (&commit, &entry.branch) {
        (Some(_), Some(branch)) => Some(branch.as_str()),
        _ if commit.as_deref() == Some(stable) => None,
        _ => Some(stable),
    };
    Ok(
        json!({"name": entry.name.to_string(), "git": entry.git, "commit": commit, "ref": reference}),
    )
}
