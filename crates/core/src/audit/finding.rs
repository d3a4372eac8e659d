//! Findings: what a rule says, and how it becomes a record that is safe to show.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::secrets;
use crate::digest::Digest;
use crate::escape::printable;
use crate::manifest::Place;

/// The most findings of one rule that are listed; the rest is one finding that counts them. So a
/// hostile tree cannot drown a report.
pub const MAX_PER_RULE: usize = 50;

/// The longest message or help text, in characters.
const MAX_TEXT: usize = 600;

/// How bad a finding is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Should be mended; does not stop a publish.
    Warning,
    /// Stops a publish.
    Error,
}

impl Severity {
    /// Every severity, worst first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Note];

    /// The severity as text, for example `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl std::fmt::Display for Severity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a rule found. All texts are printable and hold no secret that the `secrets` rule knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// The rule's id, for example `case-twins`; its page is `docs/rules/<id>.md`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the package's folder; made printable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What was found.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// 16 hex digits that stay the same when lines move: rule, path and the text found.
    pub fingerprint: String,
}

/// A finding that a rule is putting together; the engine makes it a [`Finding`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Draft {
    finding: Finding,
    about: Option<String>,
}

impl Draft {
    /// A finding of the rule `rule` about the package as a whole.
    pub fn new(rule: &str, severity: Severity, message: impl Into<String>) -> Self {
        let finding = Finding {
            rule: rule.to_owned(),
            severity,
            path: None,
            line: None,
            column: None,
            message: message.into(),
            help: None,
            fingerprint: String::new(),
        };
        Self { finding, about: None }
    }

    /// Says in which file.
    pub fn file(mut self, path: impl std::fmt::Display) -> Self {
        self.finding.path = Some(path.to_string());
        self
    }

    /// Says where in the file.
    pub fn at(mut self, place: Place) -> Self {
        self.finding.line = Some(place.line);
        self.finding.column = Some(place.column);
        self
    }

    /// Says what would be right.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.finding.help = Some(help.into());
        self
    }

    /// The offending text, by which the finding is known again when it moves; else its message is.
    pub fn about(mut self, text: impl Into<String>) -> Self {
        self.about = Some(text.into());
        self
    }

    /// Another severity than the rule's own.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// How bad it is.
    pub(super) fn is(&self) -> Severity {
        self.finding.severity
    }

    fn order(&self) -> impl Ord + '_ {
        let f = &self.finding;
        (std::cmp::Reverse(f.severity), &f.path, f.line, f.column, &f.rule, &f.message)
    }
}

/// `text` in backticks, cut to 80 characters: how messages quote what was found.
pub(super) fn quote(text: impl std::fmt::Display) -> String {
    format!("`{}`", shorten(&text.to_string(), 80))
}

/// `1 file`, `2 files`.
pub(super) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// `text`, cut to `limit` characters with a mark that it was.
pub(super) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The most findings of one rule that are compared with those of another commit.
pub(super) const COMPARED_PER_RULE: usize = 5_000;

/// Sorts, cuts, cleans and fingerprints what the rules found.
pub(super) fn seal(drafts: Vec<Draft>) -> Vec<Finding> {
    seal_up_to(drafts, MAX_PER_RULE)
}

/// [`seal`] with at most `per_rule` findings of each rule.
pub(super) fn seal_up_to(mut drafts: Vec<Draft>, per_rule: usize) -> Vec<Finding> {
    drafts.sort_by(|a, b| a.order().cmp(&b.order()));
    let dropped = keep(&mut drafts, per_rule, |draft| (draft.finding.rule.clone(), draft.is()));
    drafts
        .extend(dropped.into_iter().map(|(rule, (severity, count))| more(&rule, severity, count)));
    drafts.sort_by(|a, b| a.order().cmp(&b.order()));
    let mut seen = HashMap::new();
    drafts.into_iter().map(|draft| finish(draft, &mut seen)).collect()
}

/// Cuts findings that were sealed with a larger limit.
pub(super) fn cut(mut findings: Vec<Finding>) -> Vec<Finding> {
    let dropped = keep(&mut findings, MAX_PER_RULE, |f| (f.rule.clone(), f.severity));
    let mut seen = HashMap::new();
    let more = dropped.into_iter().map(|(rule, (severity, count))| more(&rule, severity, count));
    findings.extend(more.map(|draft| finish(draft, &mut seen)));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Keeps the first `per_rule` of each rule; what is dropped, with its worst severity.
fn keep<T>(
    all: &mut Vec<T>,
    per_rule: usize,
    of: impl Fn(&T) -> (String, Severity),
) -> std::collections::BTreeMap<String, (Severity, usize)> {
    let mut listed: HashMap<String, usize> = HashMap::new();
    let mut dropped = std::collections::BTreeMap::new();
    all.retain(|one| {
        let (rule, severity) = of(one);
        let count = listed.entry(rule.clone()).or_default();
        *count += 1;
        let kept = *count <= per_rule;
        if !kept {
            // Sorted worst first: the first that is dropped is the worst.
            dropped.entry(rule).or_insert((severity, 0)).1 += 1;
        }
        kept
    });
    dropped
}

/// The finding that counts those of a rule that are not listed.
fn more(rule: &str, severity: Severity, count: usize) -> Draft {
    let message = format!("{count} more findings of this rule are not listed");
    Draft::new(rule, severity, message).about("more")
}

/// Makes one finding's texts safe and gives it its fingerprint; `seen` counts equal ones.
fn finish(draft: Draft, seen: &mut HashMap<Digest, u32>) -> Finding {
    let Draft { mut finding, about } = draft;
    let about = about.as_deref().unwrap_or(&finding.message);
    let path = finding.path.as_deref().unwrap_or_default();
    let same = Digest::of(format!("{}\0{path}\0{about}", finding.rule).as_bytes());
    let occurrence = seen.entry(same).or_default();
    *occurrence += 1;
    let digest = Digest::of(format!("{same}\0{occurrence}").as_bytes());
    finding.fingerprint = digest.hex()[..16].to_owned();
    finding.path = finding.path.map(|path| shorten(&printable(&path), MAX_TEXT));
    finding.message = clean(&finding.message);
    finding.help = finding.help.map(|help| clean(&help));
    finding
}

fn clean(text: &str) -> String {
    shorten(&printable(&secrets::masked(text)), MAX_TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(path: &str, line: u32) -> Draft {
        Draft::new("some-rule", Severity::Warning, "found `x`")
            .file(path)
            .at(Place { line, column: 1 })
    }

    #[test]
    fn a_fingerprint_survives_moved_lines_and_tells_equal_findings_apart() {
        let before = seal(vec![draft("a", 3), draft("a", 9)]);
        let after = seal(vec![draft("a", 5), draft("a", 12)]);
        let prints = |f: &[Finding]| f.iter().map(|f| f.fingerprint.clone()).collect::<Vec<_>>();
        assert_eq!(prints(&before), prints(&after));
        assert_ne!(before[0].fingerprint, before[1].fingerprint);
        assert_ne!(seal(vec![draft("b", 3)])[0].fingerprint, before[0].fingerprint);
        assert_eq!(before[0].fingerprint.len(), 16);
    }

    #[test]
    fn the_worst_comes_first_then_path_and_line() {
        let found = seal(vec![
            draft("b", 1),
            draft("a", 2),
            draft("a", 1),
            draft("z", 9).severity(Severity::Error),
        ]);
        let order: Vec<_> =
            found.iter().map(|f| (f.path.clone().unwrap_or_default(), f.line)).collect();
        let expected = [("z", 9), ("a", 1), ("a", 2), ("b", 1)];
        assert_eq!(order, expected.map(|(path, line)| (path.to_owned(), Some(line))));
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let found = seal((0..MAX_PER_RULE as u32 + 7).map(|line| draft("a", line)).collect());
        assert_eq!(found.len(), MAX_PER_RULE + 1);
        assert!(found.iter().any(|f| f.message == "7 more findings of this rule are not listed"));
    }

    #[test]
    fn texts_cannot_steer_and_are_bounded() {
        let hostile = Draft::new("r", Severity::Note, format!("\x1b[31m{}", "x".repeat(9_000)))
            .file("a\n::error::");
        let found = seal(vec![hostile]);
        assert_eq!(found[0].path.as_deref(), Some("a\\u{a}::error::"));
        assert!(found[0].message.starts_with("\\u{1b}[31mxx"));
        assert_eq!(found[0].message.chars().count(), MAX_TEXT + 1);
    }
}
