//! Whether a version is affected, and which versions decide what a requirement lets in.

use super::osv::{Affected, Ecosystem, Event, Range};
use crate::version::{Order, Version};

impl Affected {
    /// Whether `version` is affected, as the schema's section "Evaluation" says. A bound that cannot be
    /// compared with it rules nothing out.
    pub(super) fn affects(&self, version: &Version) -> bool {
        let listed = |text: &String| {
            text == version.text()
                || Version::parse(version.order(), text).is_ok_and(|listed| listed == *version)
        };
        self.versions.iter().any(listed) || self.ranges.iter().any(|range| range.holds(version))
    }

    /// The lowest version above `version` that mends it.
    pub(super) fn fix(&self, version: &Version) -> Option<Version> {
        let fixes = self.ranges.iter().flat_map(|range| {
            range.events.iter().filter_map(|event| match event {
                Event::Fixed(text) => parse(version.order(), text),
                _ => None,
            })
        });
        fixes.filter(|fix| fix > version && !self.affects(fix)).min()
    }

    /// The order of the versions of its package, where the ecosystem has one.
    pub(super) fn order(&self) -> Option<Order> {
        match self.ecosystem {
            Ecosystem::PyPi => Some(Order::Pep440),
            Ecosystem::Packhouse => None,
        }
    }

    /// The versions that stand for all others, where nobody knows which were released: those that it
    /// names and `more`, and the next one after each.
    pub(super) fn candidates<'a>(
        &'a self,
        order: Order,
        more: impl Iterator<Item = &'a str>,
    ) -> Vec<Version> {
        let bounds =
            self.ranges.iter().flat_map(|range| range.events.iter().map(|event| event.text()));
        let texts = bounds.chain(self.versions.iter().map(String::as_str)).chain(more);
        let mut found = Vec::new();
        for text in texts.filter(|text| *text != "*") {
            // `0` is the lowest version there is; SemVer spells it in full.
            let text = if text == "0" && order == Order::SemVer { "0.0.0" } else { text };
            let Ok(version) = Version::parse(order, text) else { continue };
            found.extend(next(order, &version));
            found.push(version);
        }
        found
    }

    /// What it says, as a requirement would: `>=1.2, <1.4.1`.
    pub(super) fn says(&self) -> String {
        let mut said: Vec<String> = self.ranges.iter().flat_map(|range| range.says()).collect();
        if said.is_empty() {
            said = self.versions.iter().take(5).map(|version| format!("={version}")).collect();
            let more = self.versions.len().saturating_sub(5);
            said.extend((more > 0).then(|| format!("{more} more")));
        }
        said.dedup();
        crate::escape::excerpt(&said.join(" || "), 200)
    }
}

impl Range {
    fn holds(&self, version: &Version) -> bool {
        let at = |text: &str| match text {
            "0" => Some(std::cmp::Ordering::Greater),
            "*" => Some(std::cmp::Ordering::Less),
            text => parse(version.order(), text).map(|bound| version.cmp(&bound)),
        };
        let mut limits = self.events.iter().filter_map(|event| match event {
            Event::Limit(text) => Some(at(text)),
            _ => None,
        });
        let within = match limits.next() {
            None => true,
            Some(first) => {
                std::iter::once(first).chain(limits).any(|at| at.is_none_or(|at| at.is_lt()))
            }
        };
        within && self.last_word(&at) == Some(true)
    }

    /// What the last event at or below a version says of it: affected or mended.
    fn last_word(&self, at: &impl Fn(&str) -> Option<std::cmp::Ordering>) -> Option<bool> {
        let mut sorted: Vec<(&Event, Option<Version>)> =
            self.events.iter().map(|event| (event, None)).collect();
        let order = self.order_of_events();
        for (event, version) in &mut sorted {
            *version = order.and_then(|order| parse(order, event.text()));
        }
        // `0` and what cannot be read come first: what is said behind them has the last word.
        sorted.sort_by(|a, b| a.1.cmp(&b.1).then_with(|| rank(a.0).cmp(&rank(b.0))));
        let mut word = None;
        for (event, _) in sorted {
            match event {
                Event::Introduced(text) if at(text).is_none_or(|at| at.is_ge()) => {
                    word = Some(true)
                }
                Event::Fixed(text) if at(text).is_some_and(|at| at.is_ge()) => word = Some(false),
                Event::LastAffected(text) if at(text).is_some_and(|at| at.is_gt()) => {
                    word = Some(false);
                }
                _ => {}
            }
        }
        word
    }

    /// The order in which all its events can be read.
    fn order_of_events(&self) -> Option<Order> {
        let reads = |order: &Order| {
            self.events
                .iter()
                .filter(|event| !matches!(event.text(), "0" | "*"))
                .all(|event| parse(*order, event.text()).is_some())
        };
        [Order::SemVer, Order::Pep440, Order::Apl].into_iter().find(reads)
    }

    /// Each stretch of it in words.
    fn says(&self) -> Vec<String> {
        let order = self.order_of_events();
        let mut events: Vec<&Event> =
            self.events.iter().filter(|event| !matches!(event, Event::Limit(_))).collect();
        events
            .sort_by_key(|event| (order.and_then(|order| parse(order, event.text())), rank(event)));
        let mut said: Vec<String> = Vec::new();
        let mut open: Option<String> = None;
        for event in events {
            match event {
                Event::Introduced(from) => {
                    open.get_or_insert_with(|| from.clone());
                }
                Event::Fixed(to) | Event::LastAffected(to) => {
                    let sign = if matches!(event, Event::Fixed(_)) { "<" } else { "<=" };
                    match open.take().as_deref() {
                        Some("0") => said.push(format!("{sign}{to}")),
                        Some(from) => said.push(format!(">={from}, {sign}{to}")),
                        None => {}
                    }
                }
                Event::Limit(_) => {}
            }
        }
        match open.as_deref() {
            Some("0") => said.push("all versions".to_owned()),
            Some(from) => said.push(format!(">={from}")),
            None => {}
        }
        said
    }
}

/// A bound, read in the order of the versions that it is compared with.
fn parse(order: Order, text: &str) -> Option<Version> {
    Version::parse(order, text).ok()
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

/// The version after one, as people count: `1.4` is followed by `1.5`, `1.4.2rc1` by `1.4.3`.
fn next(order: Order, version: &Version) -> Option<Version> {
    let text = version.text();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let numbers = text[..end].trim_end_matches('.');
    let (before, last) = numbers.rsplit_once('.').map_or(("", numbers), |(b, l)| (b, l));
    let last = last.parse::<u64>().ok()?.checked_add(1)?;
    let text = if before.is_empty() { last.to_string() } else { format!("{before}.{last}") };
    Version::parse(order, &text).ok()
}
