//! Advisories in the OSV schema (<https://ossf.github.io/osv-schema>), one a file.
//!
//! What is about packages of other ecosystems is read, checked and dropped. Ranges of git commits are not
//! compared: releases are matched by version.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::ReportError;
use crate::escape::excerpt;
use crate::version::{Order, Version};

/// The largest file of an advisory, in bytes.
pub const ADVISORY_BYTES: u64 = 4 << 20;
/// The longest id or alias in bytes.
const ID_BYTES: usize = 100;
/// The longest name of a package in bytes.
const NAME_BYTES: usize = 300;
/// Packages, ranges, events, aliases that one advisory may name.
const MANY: usize = 2_000;
/// Events in all ranges of one package.
const EVENTS: usize = 500;
/// Versions that one advisory may list for a package.
const VERSIONS: usize = 10_000;

const SCHEMA: &str = "write it as https://ossf.github.io/osv-schema says";

/// Where a package that an advisory is about lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ecosystem {
    /// Packages of a registry of this kind, by identifier: `Packhouse`.
    Packhouse,
    /// Distributions of Python, by normalised name: `PyPI`.
    PyPi,
}

/// An advisory that is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Its id, for example `GHSA-xxxx-xxxx-xxxx`.
    pub id: String,
    /// The same elsewhere, for example `CVE-2026-1234`.
    pub aliases: Vec<String>,
    /// One sentence; may be empty.
    pub summary: String,
    /// How bad its authors say it is: a word or a CVSS vector.
    pub severity: Option<String>,
    /// The packages that this code knows how to match.
    pub affected: Vec<Affected>,
}

/// What an advisory says of one package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// Where it lives.
    pub ecosystem: Ecosystem,
    /// Its name: an identifier in lower case, or a normalised name.
    pub name: String,
    /// Ranges of versions.
    pub ranges: Vec<Range>,
    /// Single versions.
    pub versions: Vec<String>,
}

impl Affected {
    /// The order of the versions of its package, where the ecosystem has one.
    pub(super) fn order(&self) -> Option<Order> {
        match self.ecosystem {
            Ecosystem::PyPi => Some(Order::Pep440),
            Ecosystem::Packhouse => None,
        }
    }
}

/// A range of versions: what starts and what ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Its events, as they were written.
    pub events: Vec<Event>,
}

/// Where a range begins or ends. `0` and `*` stand for the lowest and the highest version there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Affected from here on.
    Introduced(String),
    /// Mended from here on.
    Fixed(String),
    /// Affected up to here.
    LastAffected(String),
    /// Nothing is said from here on.
    Limit(String),
}

impl Event {
    /// The version that it names.
    pub fn text(&self) -> &str {
        let (Self::Introduced(text)
        | Self::Fixed(text)
        | Self::LastAffected(text)
        | Self::Limit(text)) = self;
        text
    }
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    modified: String,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    severity: Option<Vec<WireSeverity>>,
    #[serde(default)]
    affected: Option<Vec<WireAffected>>,
    #[serde(default)]
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct WireSeverity {
    score: String,
}

#[derive(Deserialize)]
struct WireAffected {
    #[serde(default)]
    package: Option<WirePackage>,
    #[serde(default)]
    ranges: Option<Vec<WireRange>>,
    #[serde(default)]
    versions: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct WirePackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct WireRange {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<BTreeMap<String, Value>>,
}

/// Reads the advisory in a file of at most [`ADVISORY_BYTES`]; `None` for one that was withdrawn.
///
/// # Errors
///
/// [`ReportError`] with the line or the field that is wrong.
pub fn read(bytes: &[u8]) -> Result<Option<Advisory>, ReportError> {
    if bytes.len() as u64 > ADVISORY_BYTES {
        let message = format!("it has {} bytes, at most {ADVISORY_BYTES} are read", bytes.len());
        return Err(ReportError::new("the file", message, "one file holds one advisory"));
    }
    // Its members have names: a list of the same values is none.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(ReportError::new("line 1, column 1", "it is no JSON object", SCHEMA));
    }
    let wire: Wire = serde_json::from_slice(bytes).map_err(|error| {
        let at = format!("line {}, column {}", error.line(), error.column());
        let text = error.to_string();
        let message = text.split(" at line ").next().unwrap_or_default();
        ReportError::new(at, excerpt(message, 200), SCHEMA)
    })?;
    if !is_id(&wire.id) {
        let message = format!("`{}` is no id", excerpt(&wire.id, ID_BYTES));
        let help = format!("1 to {ID_BYTES} letters, digits, `-`, `.`, `_` and `:`");
        return Err(ReportError::new("`id`", message, help));
    }
    timestamp("`modified`", &wire.modified)?;
    if let Some(withdrawn) = &wire.withdrawn {
        timestamp("`withdrawn`", withdrawn)?;
    }
    let aliases = wire.aliases.unwrap_or_default();
    bounded("`aliases`", aliases.len(), MANY)?;
    let listed = wire.affected.unwrap_or_default();
    bounded("`affected`", listed.len(), MANY)?;
    let mut affected = Vec::new();
    for (at, entry) in listed.into_iter().enumerate() {
        affected.extend(package(&format!("affected[{at}]"), entry)?);
    }
    if wire.withdrawn.is_some() {
        return Ok(None);
    }
    // GitHub's word, else the first vector.
    let word = wire.database_specific.as_ref().and_then(|more| more.get("severity")?.as_str());
    let vector = wire.severity.iter().flatten().map(|severity| severity.score.as_str()).next();
    Ok(Some(Advisory {
        id: wire.id,
        aliases: aliases.into_iter().filter(|alias| is_id(alias)).take(20).collect(),
        summary: excerpt(&wire.summary.unwrap_or_default(), 200),
        severity: word.or(vector).map(|text| excerpt(text, 100)),
        affected,
    }))
}

fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    (1..=ID_BYTES).contains(&text.len()) && text.bytes().all(plain)
}

fn timestamp(field: &str, text: &str) -> Result<(), ReportError> {
    match text.parse::<jiff::Timestamp>() {
        Ok(_) => Ok(()),
        Err(_) => {
            let message = format!("`{}` is no time", excerpt(text, 60));
            Err(ReportError::new(field, message, "write it as `2026-03-01T12:00:00Z`"))
        }
    }
}

fn bounded(field: &str, found: usize, limit: usize) -> Result<(), ReportError> {
    if found <= limit {
        return Ok(());
    }
    let message = format!("it has {found} entries, at most {limit} are read");
    Err(ReportError::new(field, message, "split the advisory"))
}

/// One entry of `affected`; `None` for a package of another ecosystem, or of none.
fn package(at: &str, entry: WireAffected) -> Result<Option<Affected>, ReportError> {
    let wire_ranges = entry.ranges.unwrap_or_default();
    let versions = entry.versions.unwrap_or_default();
    bounded(&format!("`{at}.ranges`"), wire_ranges.len(), MANY)?;
    bounded(&format!("`{at}.versions`"), versions.len(), VERSIONS)?;
    let known = match &entry.package {
        Some(package) => named(at, package)?,
        None => None,
    };
    let events = wire_ranges.iter().map(|range| range.events.len()).sum();
    // Ranges of commits are not compared, so they may have as many as they like.
    bounded(&format!("events in `{at}.ranges`"), if known.is_some() { events } else { 0 }, EVENTS)?;
    let mut ranges = Vec::new();
    for (number, wire) in wire_ranges.into_iter().enumerate() {
        let at = format!("{at}.ranges[{number}]");
        ranges.extend(range(&at, wire, known.as_ref().map(|(ecosystem, _)| *ecosystem))?);
    }
    let Some((ecosystem, name)) = known else { return Ok(None) };
    if ranges.is_empty() && versions.is_empty() {
        let help = "name `ranges` of versions, or `versions`";
        return Err(ReportError::new(format!("`{at}`"), "it says nothing of versions", help));
    }
    Ok(Some(Affected { ecosystem, name, ranges, versions }))
}

/// The package, where it is of an ecosystem that is matched. One with a suffix (`Packhouse:https://…`) is
/// of another place.
fn named(at: &str, package: &WirePackage) -> Result<Option<(Ecosystem, String)>, ReportError> {
    let name = package.name.trim();
    if name.is_empty() || name.len() > NAME_BYTES {
        let message = format!("a name of {} bytes", name.len());
        let help = format!("a package's name has 1 to {NAME_BYTES} bytes");
        return Err(ReportError::new(format!("`{at}.package.name`"), message, help));
    }
    Ok(match package.ecosystem.as_str() {
        "Packhouse" => Some((Ecosystem::Packhouse, name.to_ascii_lowercase())),
        "PyPI" => Some((Ecosystem::PyPi, normalised(name))),
        _ => None,
    })
}

/// A distribution's name as PEP 503 compares it.
pub(super) fn normalised(name: &str) -> String {
    let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// One range; `None` for one of git commits.
fn range(
    at: &str,
    wire: WireRange,
    ecosystem: Option<Ecosystem>,
) -> Result<Option<Range>, ReportError> {
    let semver = match wire.kind.as_str() {
        "SEMVER" => true,
        "ECOSYSTEM" => false,
        "GIT" => return Ok(None),
        other => {
            let message = format!("`{}` is no type of a range", excerpt(other, 40));
            let help = "types are `SEMVER`, `ECOSYSTEM` and `GIT`";
            return Err(ReportError::new(format!("`{at}.type`"), message, help));
        }
    };
    let mut events = Vec::new();
    for (number, object) in wire.events.iter().enumerate() {
        let at = format!("`{at}.events[{number}]`");
        let event = event(&at, object)?;
        // What no order but the package's own can tell is found out when it is matched.
        let order = match ecosystem {
            _ if semver => Some(Order::SemVer),
            Some(Ecosystem::PyPi) => Some(Order::Pep440),
            _ => None,
        };
        if let Some(order) = order.filter(|_| !matches!(event.text(), "0" | "*")) {
            Version::parse(order, event.text())
                .map_err(|error| ReportError::new(&at, error.to_string(), SCHEMA))?;
        }
        events.push(event);
    }
    if !events.iter().any(|event| matches!(event, Event::Introduced(_))) {
        let help = "add `{\"introduced\": \"0\"}` for all versions from the first";
        return Err(ReportError::new(format!("`{at}.events`"), "nothing is `introduced`", help));
    }
    Ok(Some(Range { events }))
}

fn event(at: &str, object: &BTreeMap<String, Value>) -> Result<Event, ReportError> {
    let help =
        "an event is one of `introduced`, `fixed`, `last_affected` and `limit`, with a version";
    let mut found = object.iter();
    let (Some((kind, value)), None) = (found.next(), found.next()) else {
        let message = format!("it has {} members, not one", object.len());
        return Err(ReportError::new(at, message, help));
    };
    let text = value.as_str().filter(|text| (1..=NAME_BYTES).contains(&text.len()));
    let Some(text) = text.map(str::to_owned) else {
        return Err(ReportError::new(at, format!("`{}` is no version", excerpt(kind, 40)), help));
    };
    match kind.as_str() {
        "introduced" => Ok(Event::Introduced(text)),
        "fixed" => Ok(Event::Fixed(text)),
        "last_affected" => Ok(Event::LastAffected(text)),
        "limit" => Ok(Event::Limit(text)),
        other => {
            let message = format!("`{}` is no event", excerpt(other, 40));
            Err(ReportError::new(at, message, help))
        }
    }
}
