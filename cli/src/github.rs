//! What a GitHub Actions job gets beside the log: a summary, and outputs for later steps.

use std::io::Write as _;

use packhouse_core::digest::Digest;
use packhouse_core::escape::printable;

use crate::ui::{Ui, var};

/// Appends Markdown to the job's summary.
pub(crate) fn summary(ui: &Ui, markdown: &str) {
    if ui.in_actions {
        append(ui, "GITHUB_STEP_SUMMARY", markdown);
    }
}

/// Sets outputs of the step. What could steer is made visible; lines stay lines.
pub(crate) fn outputs(ui: &Ui, values: &[(&str, &str)]) {
    if ui.in_actions {
        let lines: String = values.iter().map(|(name, value)| output(name, value)).collect();
        append(ui, "GITHUB_OUTPUT", &lines);
    }
}

/// One output as GitHub reads it. Several lines stand between marks that are made of their digest, so
/// that they cannot hold their own end.
fn output(name: &str, value: &str) -> String {
    if !value.contains('\n') {
        return format!("{name}={}\n", printable(value));
    }
    let mark = format!("packhouse-{}", Digest::of(value.as_bytes()));
    let lines: Vec<String> = value.lines().map(printable).collect();
    format!("{name}<<{mark}\n{}\n{mark}\n", lines.join("\n"))
}

/// A summary that cannot be written is no reason to fail a publish.
fn append(ui: &Ui, variable: &str, text: &str) {
    let Some(path) = var(variable) else { return };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
        ui.warn(&format!("{variable} could not be written: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_cannot_set_another() {
        assert_eq!(output("a", "b\u{1b}[2J"), "a=b\\u{1b}[2J\n");
        let several = output("a", "b\nc=d\npackhouse-\n");
        let lines: Vec<_> = several.lines().collect();
        let mark = lines[0].strip_prefix("a<<").unwrap();
        assert_eq!(lines[1..4], ["b", "c=d", "packhouse-"]);
        assert_eq!((lines.len(), lines[4]), (5, mark));
    }
}
