//! What a GitHub Actions job gets beside the log: a summary, and outputs for later steps.

use std::io::Write as _;

use packhouse_core::escape::printable;

use crate::ui::{Ui, var};

/// Appends Markdown to the job's summary.
pub(crate) fn summary(ui: &Ui, markdown: &str) {
    if ui.in_actions {
        append(ui, "GITHUB_STEP_SUMMARY", markdown);
    }
}

/// Sets outputs of the step. Values are single lines: what would break one is made visible.
pub(crate) fn outputs(ui: &Ui, values: &[(&str, &str)]) {
    if ui.in_actions {
        let lines: String =
            values.iter().map(|(name, value)| format!("{name}={}\n", printable(value))).collect();
        append(ui, "GITHUB_OUTPUT", &lines);
    }
}

/// A summary that cannot be written is no reason to fail a publish.
fn append(ui: &Ui, variable: &str, text: &str) {
    let Some(path) = var(variable) else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        ui.warn(&format!("{variable} could not be written: {error}"));
    }
}
