//! Findings for a terminal or a log, as compilers show them: what, where, the line, the fix.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};

use super::{Audited, Counts, rule_page};
use crate::audit::text::is_text;
use crate::audit::{Finding, Severity, masked};
use crate::escape::printable;
use crate::tree::Tree;

/// How a report looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Whether to colour it; the caller knows the terminal and NO_COLOR.
    pub color: bool,
    /// Columns of the terminal; lines of sources are cut to it.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { color: false, width: 120 }
    }
}

/// The longest line of a file that is looked at for an excerpt, in bytes.
const LINE_BYTES: usize = 64 << 10;

/// Renders `packages`, one after the other, each with its findings and their count. Ends in a line
/// break; empty when there is no package.
pub fn render(packages: &[Audited], style: Style) -> String {
    let mut out = String::new();
    for package in packages {
        for finding in package.findings {
            out.push_str(&one(package, finding, style));
            out.push_str("\n\n");
        }
        out.push_str(&format!("{}: {}\n", package.title(), Counts::of(package.findings)));
    }
    if packages.len() > 1 {
        out.push_str(&format!("{} packages: {}\n", packages.len(), Counts::all(packages)));
    }
    out
}

/// One finding.
fn one(package: &Audited, finding: &Finding, style: Style) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let page = rule_page(&finding.rule);
    let message = printable(&finding.message);
    let mut group =
        level.primary_title(&message).id(&finding.rule).id_url(&page).elements(None::<Origin>);
    let path = package.path(finding);
    let mut place = String::new();
    if let Some(path) = &path {
        place = [
            Some(path.clone()),
            finding.line.map(|n| n.to_string()),
            finding.column.map(|n| n.to_string()),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(":");
    }
    // Where the line was cut or escaped, the renderer counts other columns than the file has.
    let mut counted = place.clone();
    match (excerpt(package.tree, finding, style.width), &path) {
        (Some(excerpt), Some(path)) => {
            let line = finding.line.unwrap_or(1) as usize;
            let column = excerpt.text[..excerpt.span.start].chars().count() + 1;
            counted = format!("{path}:{line}:{column}");
            let mark = AnnotationKind::Primary.span(excerpt.span);
            group = group.element(
                Snippet::source(excerpt.text)
                    .line_start(line)
                    .path(path.clone())
                    .fold(false)
                    .annotation(mark),
            );
        }
        (_, Some(_)) => group = group.element(Origin::path(place.clone())),
        (_, None) => {}
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(printable(help)));
    }
    group = group.element(Level::NOTE.with_name("see").message(page.clone()));
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let rendered = renderer.term_width(style.width).render(&[group]);
    let title_end = rendered.find('\n').unwrap_or(rendered.len());
    let (title, rest) = rendered.split_at(title_end);
    format!("{title}{}", rest.replacen(&counted, &place, 1))
}

/// A line of a file, safe to show.
struct Excerpt {
    text: String,
    /// The bytes of `text` that are meant.
    span: std::ops::Range<usize>,
}

/// The line that `finding` is about; `None` where there is none, or it is not text.
fn excerpt(tree: Option<&Tree>, finding: &Finding, width: usize) -> Option<Excerpt> {
    let bytes = &tree?.get(finding.path.as_deref()?)?.bytes;
    if !is_text(bytes) {
        return None;
    }
    let skip = (finding.line? as usize).checked_sub(1)?;
    let start = match skip.checked_sub(1) {
        None => 0,
        Some(nth) => memchr::memchr_iter(b'\n', bytes).nth(nth)? + 1,
    };
    let rest = &bytes[start..];
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line =
        std::str::from_utf8(rest[..end].get(..end.min(LINE_BYTES))?).ok()?.trim_end_matches('\r');
    let column = (finding.column? as usize).checked_sub(1)?;
    let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
    let at = ends.into_iter().nth(column)?;
    // What stands before the column is masked on its own, so that the column survives the masking.
    let (before, after) = line.split_at(at);
    let (before, after) = (masked(before), masked(after));
    let word = word(&after);
    let limit = width.saturating_sub(16).max(40);
    let before = tail(&clean(&before), limit / 2);
    let marked = head(&clean(&after[..word]), limit / 2);
    let room = limit.saturating_sub(before.chars().count() + marked.chars().count());
    let after = head(&clean(&after[word..]), room.max(8));
    let span = before.len()..before.len() + marked.len().max(1);
    // At the end of a line there is nothing to mark but the end itself.
    let end = if marked.is_empty() { " " } else { "" };
    let text = format!("{before}{marked}{end}{after}");
    Some(Excerpt { text, span })
}

fn clean(text: &str) -> String {
    printable(&text.replace('\t', "    "))
}

/// The length of the word or quoted text at the start of `text`, in bytes.
fn word(text: &str) -> usize {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(end) = quote.and_then(|quote| text[1..].find(quote)) {
        return end + 2;
    }
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')' | ']' | '}'));
    match end.unwrap_or(text.len()) {
        0 => text.chars().next().map_or(0, char::len_utf8),
        end => end,
    }
}

/// The first `limit` characters of `text`, with a mark where it was cut.
fn head(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The last `limit` characters of `text`, with a mark where it was cut.
fn tail(text: &str, limit: usize) -> String {
    let over = text.chars().count().saturating_sub(limit);
    match text.char_indices().nth(over) {
        Some((start, _)) if over > 0 => format!("…{}", &text[start..]),
        _ => text.to_owned(),
    }
}
