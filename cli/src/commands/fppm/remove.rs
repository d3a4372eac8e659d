//! `packhouse fppm remove`.

use packhouse_client::fppm::remove::remove;
use serde_json::json;

use super::clones::Clones;
use super::{open, shortname};
use crate::args::FppmRemove;
use crate::exit::Exit;
use crate::ui::{Ui, shown};

pub(super) fn run(args: &FppmRemove, ui: &Ui) -> anyhow::Result<Exit> {
    let name = shortname(&args.package)?;
    let mut workspace = open(&args.project)?;
    let changed = remove(&mut workspace, &name, args.force, &Clones { ui })?;
    let fillables = workspace.folder.join(format!("{}.fillables", name.folder()));
    if fillables.exists() {
        ui.note(&format!("`{}` holds what you filled in, and stays", shown(&fillables)));
    }
    ui.done("Removed", &name.to_string());
    if ui.json {
        ui.print_json(&json!({"schema": 1, "name": name.to_string(), "changed": changed}))?;
    }
    Ok(Exit::Ok)
}
