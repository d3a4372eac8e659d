//! Findings as Markdown for a step summary: a verdict, then one table a package.
//!
//! Nothing from outside is interpreted: no mention, link, image or HTML of a file gets through.

use super::{Audited, Counts, rule_page};
use crate::audit::Finding;
use crate::escape::printable;

/// GitHub drops a summary of more than 1 MiB altogether; this is the most that is written, in bytes.
pub const MAX_BYTES: usize = 900 << 10;

/// Renders `packages`, at most [`MAX_BYTES`] long; what did not fit is counted.
pub fn render(packages: &[Audited]) -> String {
    let counts = Counts::all(packages);
    let verdict =
        if counts.errors > 0 { "This cannot be published yet" } else { "Nothing stops a publish" };
    let mut out = format!("### {verdict}: {counts}\n");
    let mut left_out = 0;
    for package in packages {
        let counts = Counts::of(package.findings);
        out.push_str(&format!("\n#### {}: {counts}\n\n", code(&package.title())));
        if package.findings.is_empty() {
            continue;
        }
        out.push_str("| | rule | where | what | help |\n|---|---|---|---|---|\n");
        for finding in package.findings {
            let row = row(package, finding);
            if out.len() + row.len() > MAX_BYTES {
                left_out += 1;
            } else {
                out.push_str(&row);
            }
        }
    }
    if left_out > 0 {
        out.push_str(&format!(
            "\n{left_out} more findings did not fit here; the job's log has them.\n"
        ));
    }
    out
}

fn row(package: &Audited, finding: &Finding) -> String {
    let place = package.path(finding).map(|path| match finding.line {
        Some(line) => code(&format!("{path}:{line}")),
        None => code(&path),
    });
    format!(
        "| {} | [{}]({}) | {} | {} | {} |\n",
        finding.severity,
        finding.rule,
        rule_page(&finding.rule),
        place.unwrap_or_default(),
        prose(&finding.message),
        finding.help.as_deref().map(prose).unwrap_or_default(),
    )
}

/// A sentence of ours that may quote outside text in backticks: quotes become code spans, and the
/// rest is escaped, since a quoted text may hold backticks itself.
pub fn prose(text: &str) -> String {
    let text = printable(text);
    let mut out = String::new();
    for (nth, part) in text.split('`').enumerate() {
        // Escapes do not stop mentions, references and addresses; code spans do.
        let linked = part.contains(['@', '#'])
            || ["://", "www.", "GH-", "gh-"].iter().any(|mark| part.contains(mark));
        if part.is_empty() {
            continue;
        } else if nth % 2 == 1 || linked {
            out.push_str(&code(part));
        } else {
            for c in part.chars() {
                if c.is_ascii_punctuation()
                    && !matches!(c, ',' | '.' | ':' | ';' | '-' | '?' | '\'' | '/')
                {
                    out.push('\\');
                }
                out.push(c);
            }
        }
    }
    out
}

/// [`prose`] that begins with a capital letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    prose(&first.chain(letters).collect::<String>())
}

/// `text` as a code span inside a table.
pub fn code(text: &str) -> String {
    let text = printable(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // A code span that begins or ends in a backtick needs a blank there, which is not shown.
    let pad =
        if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    // In a table a bar ends the cell, in code spans as well; the escape is taken off first.
    format!("{fence}{pad}{}{pad}{fence}", text.replace('|', "\\|"))
}
