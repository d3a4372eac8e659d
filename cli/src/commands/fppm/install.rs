//! `packhouse fppm install`.

use packhouse_client::fppm::address::is_address;
use packhouse_client::fppm::install::{Request, What, install};
use packhouse_core::escape::excerpt;
use packhouse_forge::git::look_up;
use serde_json::json;

use super::clones::Clones;
use super::{Trusted, open, shortname};
use crate::args::{FppmInstall, Global};
use crate::exit::{Exit, Stop};
use crate::ui::Ui;

pub(super) fn run(args: &FppmInstall, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let what = what(args)?;
    let mut workspace = open(&args.project)?;
    let request = Request {
        what,
        from: args.from.clone(),
        force: args.force,
        relock: args.relock,
        locked: args.locked,
        packages_only: args.packages_only,
    };
    let trusted = Trusted::find(global)?;
    let outcome = install(&mut workspace, &request, &trusted.reader(), &Clones { ui })?;
    for note in &outcome.notes {
        ui.warn(note);
    }
    for one in &outcome.packages {
        let short = one.commit.get(..12).unwrap_or(&one.commit);
        let text = format!("{} {} ({short})", one.name, one.version);
        ui.done(if one.changed { "Installed" } else { "Unchanged" }, &text);
    }
    if outcome.packages.is_empty() {
        ui.note("the project has no packages yet: name one with `--package`");
    }
    let packages = outcome.packages.iter().map(|one| {
        json!({
            "name": one.name.to_string(), "version": one.version, "commit": one.commit,
            "changed": one.changed,
            "folder": workspace.place(&one.name).to_string_lossy(),
        })
    });
    let packages: Vec<_> = packages.collect();
    if ui.json {
        ui.print_json(&json!({"schema": 1, "packages": packages, "notes": outcome.notes}))?;
    } else {
        let lines = outcome.packages.iter().map(|one| format!("{}@{}\n", one.name, one.version));
        ui.print(&lines.collect::<String>())?;
    }
    Ok(Exit::Ok)
}

/// What is meant: without a version, a repository's package is the commit that it has checked out, by its
/// full name, so that `project.yaml` says which one it was.
fn what(args: &FppmInstall) -> anyhow::Result<What> {
    let Some(package) = &args.package else { return Ok(What::Project) };
    if !is_address(package) {
        return Ok(What::Package(shortname(package)?, args.version.clone()));
    }
    if args.from.is_some() || args.locked {
        let hint = "an address needs no registry; `install --locked` installs what fppm.lock knows";
        let message = format!("`{}` is an address", excerpt(package, 200));
        return Err(Stop::usage(message, hint).into());
    }
    let version = match &args.version {
        Some(version) => version.clone(),
        None => {
            let hint = "look at the address, or give a tag with `--version`";
            let failed = |found: String| {
                Stop::usage(
                    format!("`{}` cannot be installed: {found}", excerpt(package, 200)),
                    hint,
                )
            };
            let found = look_up(package, "HEAD").map_err(|e| failed(e.to_string()))?;
            found.ok_or_else(|| failed("it has no commit".to_owned()))?.as_str().to_owned()
        }
    };
    Ok(What::Repository(package.clone(), version))
}
