//! `packhouse fppm registries`.

use packhouse_client::fppm::Workspace;
use packhouse_client::fppm::location::{Reader, is_remote, public};
use packhouse_core::escape::printable;
use packhouse_core::fppm::registry::Registry;
use packhouse_core::manifest::Problem;
use serde_json::json;

use super::{Trusted, open};
use crate::args::{Global, Registries};
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

pub(super) fn run(args: &Registries, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let mut workspace = open(&args.project)?;
    let trusted = Trusted::find(global)?;
    let reader = trusted.reader();
    if let Some(location) = &args.add {
        return add(&mut workspace, location, &reader, ui);
    }
    if args.validate {
        return validate(&workspace, &reader, ui);
    }
    let registries: Vec<_> = workspace.project.registries.iter().map(|l| public(l)).collect();
    if ui.json {
        ui.print_json(&json!({"schema": 1, "registries": registries}))?;
    } else {
        ui.print(&registries.iter().map(|l| format!("{}\n", printable(l))).collect::<String>())?;
    }
    Ok(Exit::Ok)
}

fn add(
    workspace: &mut Workspace,
    location: &str,
    reader: &Reader,
    ui: &Ui,
) -> anyhow::Result<Exit> {
    let shown = printable(&public(location));
    let known = |other: &String| public(other) == public(location);
    if workspace.project.registries.iter().any(known) {
        let hint = "`packhouse fppm registries` lists those of the project";
        return Err(Stop::usage(format!("the project has the registry {shown}"), hint).into());
    }
    let (registry, _) = reader.read(location, &workspace.folder)?;
    if let Some(missing) = unusable(&registry) {
        let (line, column) = (missing.at.line, missing.at.column);
        let text = format!("{shown}:{line}:{column}: `{}` {}", missing.field, missing.message);
        return Err(Stop::new(Exit::Findings, text, &missing.help).into());
    }
    tell(&shown, &registry, ui);
    if is_remote(location) && !location.ends_with(".yaml") {
        ui.warn("the stock client takes addresses that end in `.yaml` only");
    }
    workspace.project.registries.push(location.to_owned());
    workspace.save()?;
    ui.done("Added", &format!("{shown}, with {} packages", registry.packages.len()));
    if ui.json {
        ui.print_json(&json!({"schema": 1, "registries": [one(&shown, &registry)]}))?;
    }
    Ok(Exit::Ok)
}

/// Reads all of them; unlike the stock client it takes none out of the project, and fails where one is
/// not right.
fn validate(workspace: &Workspace, reader: &Reader, ui: &Ui) -> anyhow::Result<Exit> {
    let mut exit = Exit::Ok;
    let mut told = Vec::new();
    for location in &workspace.project.registries {
        let shown = printable(&public(location));
        match reader.read(location, &workspace.folder) {
            Ok((registry, _)) => {
                tell(&shown, &registry, ui);
                if !registry.errors.is_empty() {
                    exit = Exit::Findings;
                }
                let (packages, errors) = (registry.packages.len(), registry.errors.len());
                let warnings = registry.warnings.len();
                ui.done(
                    "Read",
                    &format!("{shown}: {packages} packages, {errors} errors, {warnings} warnings"),
                );
                told.push(one(&shown, &registry));
            }
            Err(error) => {
                exit = Exit::Findings;
                ui.error(&format!("{shown}: {error}"));
                let unread = json!({"message": error.to_string(), "help": error.help()});
                told.push(json!({"registry": shown, "unreadable": unread}));
            }
        }
    }
    if workspace.project.registries.is_empty() {
        ui.note("the project has no registries: add one with `--add`");
    }
    if ui.json {
        ui.print_json(&json!({"schema": 1, "registries": told}))?;
    }
    Ok(exit)
}

/// Why the stock client would refuse the whole registry; what is wrong with one package is no reason.
pub(super) fn unusable(registry: &Registry) -> Option<&Problem> {
    let whole = ["name", "publisher", "description", "updated-on", "namespaces"];
    registry.errors.iter().find(|problem| whole.contains(&&*problem.field))
}

pub(super) fn tell(shown: &str, registry: &Registry, ui: &Ui) {
    let line = |p: &Problem| {
        let (line, column) = (p.at.line, p.at.column);
        format!("{shown}:{line}:{column}: `{}`: {} ({})", p.field, p.message, p.help)
    };
    for problem in &registry.errors {
        ui.error(&line(problem));
    }
    for problem in &registry.warnings {
        ui.warn(&line(problem));
    }
}

fn one(shown: &str, registry: &Registry) -> serde_json::Value {
    let problems = |all: &[Problem]| -> Vec<_> {
        let one = |p: &Problem| {
            json!({
                "line": p.at.line, "column": p.at.column, "field": p.field,
                "message": p.message, "help": p.help,
            })
        };
        all.iter().map(one).collect()
    };
    json!({
        "registry": shown, "name": registry.name, "publisher": registry.publisher,
        "packages": registry.packages.iter().map(|e| json!({
            "name": e.name.to_string(), "git": public(&e.git), "stable": e.stable,
        })).collect::<Vec<_>>(),
        "errors": problems(&registry.errors), "warnings": problems(&registry.warnings),
    })
}
