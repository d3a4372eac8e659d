//! Findings as GitHub workflow commands, which become annotations on the diff.
//!
//! GitHub keeps 10 errors, 10 warnings and 10 notices of a step and drops the rest in silence, so
//! the worst come first and the tenth says how many there are besides.
//! Source: GitHub's documentation of workflow commands.

use super::{Audited, rule_page};
use crate::audit::{Finding, Severity};
use crate::escape::{workflow_data, workflow_property};

/// How many annotations of one severity GitHub shows of a step.
pub const MAX_ANNOTATIONS: usize = 10;

/// Renders `packages` as one workflow command a line.
pub fn render(packages: &[Audited]) -> String {
    let mut out = String::new();
    for severity in Severity::ALL {
        let all: Vec<(&Audited, &Finding)> = packages
            .iter()
            .flat_map(|package| package.findings.iter().map(move |finding| (package, finding)))
            .filter(|(_, finding)| finding.severity == severity)
            .collect();
        let over = all.len().saturating_sub(MAX_ANNOTATIONS);
        for (at, (package, finding)) in all.iter().take(MAX_ANNOTATIONS).enumerate() {
            let last = over > 0 && at + 1 == MAX_ANNOTATIONS;
            out.push_str(&command(package, finding, if last { over } else { 0 }));
        }
    }
    out
}

/// One annotation; `more` tells how many follow only in the summary.
fn command(package: &Audited, finding: &Finding, more: usize) -> String {
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let mut properties = Vec::new();
    if let Some(path) = package.path(finding) {
        properties.push(format!("file={}", workflow_property(&path)));
        // Without a line GitHub does not attach the annotation to the file at all.
        properties.push(format!("line={}", finding.line.unwrap_or(1)));
        properties.extend(finding.column.map(|column| format!("col={column}")));
    }
    let title = format!("{}: {}", package.title(), finding.rule);
    properties.push(format!("title={}", workflow_property(&title)));
    let mut text = finding.message.clone();
    if let Some(help) = &finding.help {
        text.push_str(&format!("\nhelp: {help}"));
    }
    text.push_str(&format!("\n{}", rule_page(&finding.rule)));
    if more > 0 {
        text.push_str(&format!("\n{more} more in the summary"));
    }
    format!("::{name} {}::{}\n", properties.join(","), workflow_data(&text))
}
