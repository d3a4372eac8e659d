//! Whether a version is affected, and which versions decide what a requirement lets in.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::osv::{Affected, Event, Range};
use crate::version::{Order, Version};

/// What an advisory says of one package, read in the order of its versions.
pub(super) struct Judge<'a> {
    affected: &'a Affected,
    order: Order,
    /// The keys of the versions that are listed one by one.
    listed: HashSet<String>,
    ranges: Vec<Vec<Bound<'a>>>,
}

/// An event and the version that it names; `None` for `0`, `*` and what the order cannot read.
struct Bound<'a> {
    event: &'a Event,
    version: Option<Version>,
}

impl Bound<'_> {
    /// Where `version` stands to it; `None` where nobody can say.
    fn compared(&self, version: &Version) -> Option<Ordering> {
        match (self.event.text(), &self.version) {
            ("0", _) => Some(Ordering::Greater),
            ("*", _) => Some(Ordering::Less),
            (_, bound) => bound.as_ref().map(|bound| version.cmp(bound)),
        }
    }
}

impl<'a> Judge<'a> {
    pub(super) fn new(affected: &'a Affected, order: Order) -> Self {
        let read = |text: &String| match Version::parse(order, text) {
            Ok(version) => version.key().to_owned(),
            Err(_) => text.clone(),
        };
        Self {
            affected,
            order,
            listed: affected.versions.iter().map(read).collect(),
            ranges: affected.ranges.iter().map(|range| sorted(range, order)).collect(),
        }
    }

    /// Whether `version` is affected, as the schema's section "Evaluation" says. A bound that cannot be
    /// compared with it rules nothing out.
    pub(super) fn affects(&self, version: &Version) -> bool {
        self.listed.contains(version.key())
            || self.listed.contains(version.text())
            || self.ranges.iter().any(|range| holds(range, version))
    }

    /// The lowest version above `version` that mends it.
    pub(super) fn fix(&self, version: &Version) -> Option<Version> {
        let bounds = self.ranges.iter().flatten();
        let fixes = bounds.filter(|bound| matches!(bound.event, Event::Fixed(_)));
        let fixes = fixes.filter_map(|bound| bound.version.as_ref());
        fixes.filter(|fix| *fix > version && !self.affects(fix)).min().cloned()
    }

    /// The versions that stand for all others, where nobody knows which were released: those that it
    /// names and `more`, and the next one after each.
    pub(super) fn candidates<'b>(&'b self, more: impl Iterator<Item = &'b str>) -> Vec<Version> {
        let bounds = self.ranges.iter().flatten().map(|bound| bound.event.text());
        let texts = bounds.chain(self.affected.versions.iter().map(String::as_str)).chain(more);
        let mut found = Vec::new();
        for text in texts.filter(|text| *text != "*") {
            // `0` is the lowest version there is; SemVer spells it in full.
            let lowest = text == "0" && self.order == Order::SemVer;
            let text = if lowest { "0.0.0" } else { text };
            let Ok(version) = Version::parse(self.order, text) else { continue };
            found.extend(next(self.order, &version));
            found.push(version);
        }
        found
    }

    /// What it says, as a requirement would: `>=1.2, <1.4.1`.
    pub(super) fn says(&self) -> String {
        let mut said: Vec<String> = self.ranges.iter().flat_map(|range| says(range)).collect();
        if said.is_empty() {
            let versions = &self.affected.versions;
            said = versions.iter().take(5).map(|version| format!("={version}")).collect();
            let more = versions.len().saturating_sub(5);
            said.extend((more > 0).then(|| format!("{more} more")));
        }
        said.dedup();
        crate::escape::excerpt(&said.join(" || "), 200)
    }
}

/// The events of a range, lowest first. `0` and what cannot be read come before all others, so that what
/// is said behind them has the last word.
fn sorted(range: &Range, order: Order) -> Vec<Bound<'_>> {
    let mut bounds: Vec<Bound<'_>> = Vec::with_capacity(range.events.len());
    for event in &range.events {
        let text = Some(event.text()).filter(|text| !matches!(*text, "0" | "*"));
        bounds.push(Bound { event, version: text.and_then(|t| Version::parse(order, t).ok()) });
    }
    bounds
        .sort_by(|a, b| a.version.cmp(&b.version).then_with(|| rank(a.event).cmp(&rank(b.event))));
    bounds
}

/// Which of two events of one version comes first.
fn rank(event: &Event) -> u8 {
    match event {
        Event::Fixed(_) => 0,
        Event::Introduced(_) => 1,
        Event::LastAffected(_) => 2,
        Event::Limit(_) => 3,
    }
}

fn holds(range: &[Bound<'_>], version: &Version) -> bool {
    let mut limited =
        range.iter().filter(|bound| matches!(bound.event, Event::Limit(_))).peekable();
    let below = |bound: &Bound<'_>| bound.compared(version).is_none_or(Ordering::is_lt);
    if limited.peek().is_some() && !limited.any(below) {
        return false;
    }
    let mut affected = false;
    for bound in range {
        let at = bound.compared(version);
        match bound.event {
            Event::Introduced(_) if at.is_none_or(Ordering::is_ge) => affected = true,
            Event::Fixed(_) if at.is_some_and(Ordering::is_ge) => affected = false,
            Event::LastAffected(_) if at.is_some_and(Ordering::is_gt) => affected = false,
            _ => {}
        }
    }
    affected
}

/// Each stretch of a range in words.
fn says(range: &[Bound<'_>]) -> Vec<String> {
    let mut said = Vec::new();
    let mut open: Option<&str> = None;
    for bound in range {
        let (sign, to) = match bound.event {
            Event::Introduced(from) => {
                open.get_or_insert(from);
                continue;
            }
            Event::Fixed(to) => ("<", to),
            Event::LastAffected(to) => ("<=", to),
            Event::Limit(_) => continue,
        };
        match open.take() {
            Some("0") => said.push(format!("{sign}{to}")),
            Some(from) => said.push(format!(">={from}, {sign}{to}")),
            None => {}
        }
    }
    match open {
        Some("0") => said.push("all versions".to_owned()),
        Some(from) => said.push(format!(">={from}")),
        None => {}
    }
    said
}

/// The version after one, as people count: `1.4` is followed by `1.5`, `1.4.2rc1` by `1.4.3`.
fn next(order: Order, version: &Version) -> Option<Version> {
    let text = version.text();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let numbers = text[..end].trim_end_matches('.');
    let (before, last) = numbers.rsplit_once('.').unwrap_or(("", numbers));
    let last = last.parse::<u64>().ok()?.checked_add(1)?;
    let text = if before.is_empty() { last.to_string() } else { format!("{before}.{last}") };
    Version::parse(order, &text).ok()
}
