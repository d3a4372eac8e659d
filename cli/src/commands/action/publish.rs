//! The action `publish`: `packhouse publish` with its inputs from the environment.

use std::path::PathBuf;

use super::Inputs;
use crate::args::{Files, Global, Publish};
use crate::exit::Exit;
use crate::ui::{Ui, var};

/// Where the receipt is left, in the job's own temporary folder.
const RECEIPT: &str = "packhouse-receipt.json";

pub(super) fn run(inputs: Inputs, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let text = |name| inputs.text(name).map(str::to_owned);
    let receipt = var("RUNNER_TEMP").map(|folder| PathBuf::from(folder).join(RECEIPT));
    let args = Publish {
        paths: inputs.folders()?,
        version: text("package-version"),
        tag: text("tag"),
        dry_run: inputs.flag("dry-run")?,
        skip_duplicate_versions: inputs.flag("skip-duplicate-versions")?,
        artifacts: text("artifacts").map(PathBuf::from),
        test_reports: inputs.paths("test-report"),
        coverage: inputs.paths("coverage"),
        receipt: receipt.clone(),
        files: Files::default(),
    };
    let exit = crate::commands::publish::run(&args, &inputs.global(global)?, ui)?;
    if let Some(receipt) = receipt.filter(|_| exit == Exit::Ok) {
        crate::github::outputs(ui, &[("receipt", &receipt.to_string_lossy())]);
    }
    Ok(exit)
}
