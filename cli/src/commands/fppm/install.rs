//! `packhouse fppm install`.

use packhouse_client::fppm::install::{Request, install};
use serde_json::json;

use super::clones::Clones;
use super::{Trusted, open, shortname};
use crate::args::{FppmInstall, Global};
use crate::exit::Exit;
use crate::ui::Ui;

pub(super) fn run(args: &FppmInstall, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let package = args.package.as_deref().map(shortname).transpose()?;
    let mut workspace = open(&args.project)?;
    let request = Request {
        package: package.map(|name| (name, args.version.clone())),
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
