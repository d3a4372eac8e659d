//! A registry as a stream of records: what an export writes and an import reads.
//!
//! [`page`] hands out the records of a ledger piece by piece. Where it stopped is in the [`Cursor`],
//! so no call depends on an earlier one, and memory is bounded by one page. The order is: packages
//! with their releases; listings, reservations and API tokens; events with the names that they tell of; and
//! then again the packages that changed meanwhile with their events, until nothing changed. So the
//! whole has all events of every head in it, and each package at least as new as its events.

use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::{Event, Head, Release, SCHEMA};
use serde::{Deserialize, Serialize};

use crate::ports::{Ledger, Record, StoreError, StoreResult};
use crate::read::index_of;

/// A page ends behind the record that reaches this size, in bytes; with the largest record it stays
/// below what a function on AWS may answer.
pub const PAGE_BYTES: usize = 2 << 20;
/// Records after which a page ends: each may be a read of its own.
pub const PAGE_RECORDS: usize = 400;
/// The largest record's line, in bytes: a release with a full manifest and very many files.
pub const LINE_BYTES: usize = 4 << 20;
/// Packages or events that are asked for at once.
const LIST: u32 = 100;

/// One line of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The record.
    pub record: Record,
}

impl Line {
    /// The line of a record, with its line feed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] when it is not representable in JSON; no record of ours is.
    pub fn write(record: Record) -> StoreResult<Vec<u8>> {
        let mut line = serde_json::to_vec(&Self { schema: SCHEMA, record })
            .map_err(|e| StoreError::Broken(format!("a record is not JSON: {e}")))?;
        line.push(b'\n');
        Ok(line)
    }

    /// The record of a line.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(line: &[u8]) -> Result<Record, String> {
        let line: Self = serde_json::from_slice(line).map_err(|e| e.to_string())?;
        if line.schema == SCHEMA {
            return Ok(line.record);
        }
        Err(format!("it has schema {}, this program reads {SCHEMA}", line.schema))
    }
}

/// Where a dump is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The newest event of which every package that was handed out knows.
    known: u64,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    /// In the list of packages, behind this one.
    Packages { after: Option<Identifier>, inside: Option<Inside> },
    /// In the list of listings, behind this name.
    Listings { after: Option<NativeName> },
    /// In the list of reservations, behind this name.
    Reservations { after: String },
    /// In the list of API tokens, behind this id.
    Tokens { after: String },
    /// In the feed, behind this event.
    Events { after: u64 },
    /// Among the packages of the events up to `until`, behind this event.
    Changed { after: u64, until: u64, inside: Option<Inside> },
}

/// In the middle of a package, behind this version's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Inside {
    identifier: Identifier,
    version: String,
}

impl Cursor {
    /// The cursor as text for a URL.
    pub fn text(&self) -> String {
        use base64::Engine as _;
        let json = serde_json::to_vec(self).unwrap_or_default();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
    }

    /// Parses [`Cursor::text`]; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        use base64::Engine as _;
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

/// Some records, as lines, and where the next ones are.
#[derive(Debug, Default)]
pub struct Page {
    /// The lines.
    pub lines: Vec<u8>,
    /// How many.
    pub records: usize,
    /// `None` behind the last one.
    pub next: Option<Cursor>,
}

impl Page {
    fn add(&mut self, record: Record) -> StoreResult<()> {
        self.lines.extend(Line::write(record)?);
        self.records += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= PAGE_BYTES || self.records >= PAGE_RECORDS
    }
}

/// The records behind `after`, or the first ones.
///
/// # Errors
///
/// Those of the store.
pub async fn page(ledger: &dyn Ledger, after: Option<Cursor>) -> StoreResult<Page> {
    let mut page = Page::default();
    let mut cursor = match after {
        Some(cursor) => cursor,
        None => Cursor {
            known: newest_event(ledger).await?,
            place: Place::Packages { after: None, inside: None },
        },
    };
    while !page.is_full() {
        let Cursor { known, place } = cursor;
        let next = match place {
            Place::Packages { after, inside } => packages(ledger, &mut page, after, inside).await?,
            Place::Listings { after } => listings(ledger, &mut page, after).await?,
            Place::Reservations { after } => reservations(ledger, &mut page, after).await?,
            Place::Tokens { after } => tokens(ledger, &mut page, after).await?,
            Place::Events { after } => match events(ledger, &mut page, after).await? {
                Some(place) => place,
                None if after == known => return Ok(page), // nothing has changed meanwhile
                None => Place::Changed { after: known, until: after, inside: None },
            },
            Place::Changed { after, until, .. } if after >= until => {
                cursor = Cursor { known: until, place: Place::Events { after: until } };
                continue;
            }
            Place::Changed { after, until, inside } => {
                changed(ledger, &mut page, after, until, inside).await?
            }
        };
        cursor = Cursor { known, place: next };
    }
    page.next = Some(cursor);
    Ok(page)
}

/// The number of the newest event, by a search that asks for single events.
async fn newest_event(ledger: &dyn Ledger) -> StoreResult<u64> {
    let (mut low, mut high) = (0, 1);
    while !ledger.events(high - 1, 1).await?.is_empty() {
        (low, high) = (high, high.saturating_mul(2));
    }
    // Event `low` is there, event `high` is not.
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if ledger.events(middle - 1, 1).await?.is_empty() { high = middle } else { low = middle }
    }
    Ok(low)
}

async fn packages(
    ledger: &dyn Ledger,
    page: &mut Page,
    mut after: Option<Identifier>,
    mut inside: Option<Inside>,
) -> StoreResult<Place> {
    if let Some(begun) = inside.take() {
        let identifier = begun.identifier.clone();
        inside = package(ledger, page, &identifier, Some(&begun.version)).await?;
        if inside.is_some() {
            return Ok(Place::Packages { after, inside });
        }
        after = Some(identifier);
    }
    let list = ledger.packages(after.as_ref(), LIST).await?;
    if list.is_empty() {
        return Ok(Place::Listings { after: None });
    }
    for identifier in list {
        if page.is_full() {
            break;
        }
        let inside = package(ledger, page, &identifier, None).await?;
        if inside.is_some() {
            return Ok(Place::Packages { after, inside });
        }
        after = Some(identifier);
    }
    Ok(Place::Packages { after, inside: None })
}

/// The releases of a package behind a version's key, its counts, and its head; where it stopped.
async fn package(
    ledger: &dyn Ledger,
    page: &mut Page,
    identifier: &Identifier,
    after: Option<&str>,
) -> StoreResult<Option<Inside>> {
    // The head first: the releases are then at least as new as its sequence says.
    let Some(head) = ledger.head(identifier).await? else { return Ok(None) };
    let mut keys: Vec<String> = ledger
        .releases(identifier)
        .await?
        .iter()
        .map(|release| release.version.key().to_owned())
        .filter(|key| after.is_none_or(|after| key.as_str() > after))
        .collect();
    keys.sort_unstable();
    for key in keys {
        if let Some(release) = ledger.release(identifier, &key).await? {
            page.add(Record::Release { sequence: head.sequence, release })?;
        }
        if page.is_full() {
            return Ok(Some(Inside { identifier: identifier.clone(), version: key }));
        }
    }
    for count in ledger.downloads(identifier).await? {
        page.add(Record::Downloads(count))?;
    }
    page.add(Record::Head(head))?;
    Ok(None)
}

async fn listings(
    ledger: &dyn Ledger,
    page: &mut Page,
    mut after: Option<NativeName>,
) -> StoreResult<Place> {
    let list = ledger.listings(after.as_ref(), LIST).await?;
    if list.is_empty() {
        return Ok(Place::Reservations { after: String::new() });
    }
    for listing in list {
        if page.is_full() {
            break;
        }
        after = Some(listing.name.clone());
        page.add(Record::Listing(listing))?;
    }
    Ok(Place::Listings { after })
}

async fn reservations(
    ledger: &dyn Ledger,
    page: &mut Page,
    mut after: String,
) -> StoreResult<Place> {
    let mut all = ledger.reservations().await?;
    all.sort_by(|a, b| a.name.cmp(&b.name));
    for reservation in all.into_iter().filter(|held| held.name > after).collect::<Vec<_>>() {
        if page.is_full() {
            return Ok(Place::Reservations { after });
        }
        after.clone_from(&reservation.name);
        page.add(Record::Reservation(reservation))?;
    }
    Ok(Place::Tokens { after: String::new() })
}

async fn tokens(ledger: &dyn Ledger, page: &mut Page, mut after: String) -> StoreResult<Place> {
    let mut all = ledger.tokens().await?;
    all.sort_by(|a, b| a.id.cmp(&b.id));
    for token in all.into_iter().filter(|held| held.id > after).collect::<Vec<_>>() {
        if page.is_full() {
            return Ok(Place::Tokens { after });
        }
        after.clone_from(&token.id);
        page.add(Record::Token(token))?;
    }
    Ok(Place::Events { after: 0 })
}

/// Events, and the names that they tell of; `None` when there are no more.
async fn events(ledger: &dyn Ledger, page: &mut Page, after: u64) -> StoreResult<Option<Place>> {
    let list = ledger.events(after, LIST).await?;
    let mut after = after;
    if list.is_empty() {
        return Ok(None);
    }
    for event in list {
        if page.is_full() {
            break;
        }
        after = event.number;
        names(ledger, page, &event).await?;
        page.add(Record::Event(event))?;
    }
    Ok(Some(Place::Events { after }))
}

/// Owners' pins and native names as they are now: an event tells when each came to be.
async fn names(ledger: &dyn Ledger, page: &mut Page, event: &Event) -> StoreResult<()> {
    if event.data.get("owner_pinned").is_some() {
        let owner = event.identifier.owner().to_owned();
        if let Some(pin) = ledger.owner_pin(&owner).await? {
            page.add(Record::OwnerPin { owner, pin })?;
        }
    }
    if let Some(name) = native_of(event)
        && let Some(holder) = ledger.native(&name).await?
    {
        page.add(Record::Native { name, holder })?;
    }
    Ok(())
}

/// The native name that an event gives to a package: `native` of a release or of a package that
/// lost it, `transfer.native` (`python:numpy`) of one that an operator gave it to.
fn native_of(event: &Event) -> Option<NativeName> {
    if let Some(name) = event.data.get("native") {
        return serde_json::from_value(name.clone()).ok();
    }
    let text = event.data.pointer("/transfer/native")?.as_str()?;
    let (ecosystem, name) = text.split_once(':')?;
    Some(NativeName { ecosystem: ecosystem.to_owned(), name: name.to_owned() })
}

/// The packages that the events after `after` are of, up to `until`.
async fn changed(
    ledger: &dyn Ledger,
    page: &mut Page,
    after: u64,
    until: u64,
    inside: Option<Inside>,
) -> StoreResult<Place> {
    let mut after = after;
    let list = ledger.events(after, LIST).await?;
    let list: Vec<_> = list.into_iter().filter(|event| event.number <= until).collect();
    if list.is_empty() {
        return Ok(Place::Changed { after: until, until, inside: None });
    }
    for (at, event) in list.iter().enumerate() {
        if page.is_full() {
            break;
        }
        // Several changes of one package are one.
        if !list[at + 1..].iter().any(|later| later.identifier == event.identifier) {
            let begun = inside.as_ref().filter(|begun| begun.identifier == event.identifier);
            let begun = begun.map(|begun| begun.version.as_str());
            let stopped = package(ledger, page, &event.identifier, begun).await?;
            if stopped.is_some() {
                return Ok(Place::Changed { after, until, inside: stopped });
            }
        }
        after = event.number;
    }
    Ok(Place::Changed { after, until, inside: None })
}

/// The index file of a package from its records, byte for byte as the registry serves it.
///
/// # Errors
///
/// [`StoreError::Broken`] when it is not representable in JSON; no package of ours is.
pub fn index_file(head: &Head, releases: Vec<Release>) -> StoreResult<Vec<u8>> {
    serde_json::to_vec(&index_of(Some(head), &head.identifier, releases))
        .map_err(|e| StoreError::Broken(format!("the index of `{}`: {e}", head.identifier)))
}

/// The blobs of a release with the names under which they are served: the archive, then files.
pub fn blobs_of(release: &Release) -> Vec<(Digest, u64, String)> {
    let archive = (release.digest, release.bytes, crate::urls::archive_name(release));
    let attached = release.attachments.iter().flatten();
    let attached =
        attached.map(|a| (a.digest, a.bytes, crate::urls::file_name(&a.path).to_owned()));
    std::iter::once(archive).chain(attached).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::conformance::fixtures::{Publish, at, id};
    use crate::memory::MemoryLedger;
    use crate::ports::MarkChange;

    fn records(page: &Page) -> Vec<Record> {
        let lines = page.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| Line::read(line).unwrap()).collect()
    }

    async fn copy(from: &dyn Ledger, to: &dyn Ledger) -> usize {
        let (mut cursor, mut pages) = (None, 0);
        loop {
            let page = page(from, cursor).await.unwrap();
            pages += 1;
            to.load(&records(&page)).await.unwrap();
            let Some(next) = page.next else { return pages };
            cursor = Some(Cursor::parse(&next.text()).unwrap());
        }
    }

    async fn same(a: &dyn Ledger, b: &dyn Ledger) {
        let packages = a.packages(None, 10_000).await.unwrap();
        assert_eq!(b.packages(None, 10_000).await.unwrap(), packages);
        for package in packages {
            assert_eq!(a.head(&package).await.unwrap(), b.head(&package).await.unwrap());
            let whole = a.releases(&package).await.unwrap();
            assert_eq!(b.releases(&package).await.unwrap(), whole);
            let owner = package.owner();
            assert_eq!(a.owner_pin(owner).await.unwrap(), b.owner_pin(owner).await.unwrap());
        }
        let events = a.events(0, 100_000).await.unwrap();
        assert_eq!(b.events(0, 100_000).await.unwrap(), events);
    }

    #[tokio::test]
    async fn a_dump_in_pages_is_the_whole_registry() {
        let source = Arc::new(MemoryLedger::new());
        for package in 0..150 {
            for version in 0..5 {
                let name = format!("owner-{}/package-{package}", package % 7);
                let text = format!("1.{version}.0");
                let publish = Publish::new(&name, &text, &format!("{name} {text}"));
                publish.python(&format!("p{package}")).released(&*source).await;
            }
        }
        let target = Arc::new(MemoryLedger::new());
        let pages = copy(&*source, &*target).await;
        assert!(pages > 3, "{pages} pages");
        same(&*source, &*target).await;
        let name = NativeName { ecosystem: "python".to_owned(), name: "p149".to_owned() };
        assert_eq!(target.native(&name).await.unwrap(), source.native(&name).await.unwrap());
        assert!(target.native(&name).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn what_changes_during_a_dump_is_in_it() {
        let source = Arc::new(MemoryLedger::new());
        for package in 0..300 {
            let name = format!("acme/package-{package:03}");
            Publish::new(&name, "1.0.0", &name).released(&*source).await;
        }
        let target = Arc::new(MemoryLedger::new());
        let first = page(&*source, None).await.unwrap();
        target.load(&records(&first)).await.unwrap();
        // Behind and before where the dump is: a release, a mark, a package.
        Publish::new("acme/package-000", "2.0.0", "new").released(&*source).await;
        let mark = packhouse_core::release::Mark {
            at: at(9),
            by: packhouse_core::claims::Publisher::Open,
            reason: "broken".to_owned(),
            replacement: None,
        };
        let yank = MarkChange::Yank(mark);
        source.mark(&id("acme/package-001"), "1.0.0", &yank, at(9)).await.unwrap().unwrap();
        Publish::new("aaaa/first", "1.0.0", "first").released(&*source).await;
        let mut cursor = first.next;
        let mut seen = BTreeSet::new();
        while let Some(at) = cursor {
            assert!(seen.insert(at.text()), "a cursor goes on");
            let next = page(&*source, Some(at)).await.unwrap();
            target.load(&records(&next)).await.unwrap();
            cursor = next.next;
        }
        same(&*source, &*target).await;
    }

    #[test]
    fn a_line_says_its_schema() {
        assert!(Line::read(b"{\"schema\":2,\"record\":{\"reservation\":{\"name\":\"a\",\"holder\":null,\"reason\":\"\",\"at\":\"2026-01-01T00:00:00Z\"}}}").unwrap_err().contains("schema 2"));
        assert!(Line::read(b"{}").is_err());
        assert_eq!(Cursor::parse("?"), None);
    }
}
