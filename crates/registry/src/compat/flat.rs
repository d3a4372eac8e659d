//! Flat views: what stands under each native name of an ecosystem.
//!
//! A name is its holder's, the first package that was published under it; another owner's package of
//! that name is found by its identifier only. A listing stands under a name that no package holds.

use futures_util::{StreamExt as _, TryStreamExt as _};
use packhouse_core::api::ErrorCode;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::Release;

use crate::app::Service;
use crate::error::{ApiError, ApiResult};
use crate::ports::{IntentId, Listing, ListingChange, ListingChanged, StoreResult};

/// Entries of one page at the most.
pub const PAGE: u32 = 100;
/// Packages that are read at once.
const READS: usize = 8;

/// What stands under a native name.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Entry {
    /// A package with releases in service that are not yanked.
    Package(Held),
    /// A listing that was not taken out.
    Listing(Listing),
}

/// A package as a view shows it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The name under which it is shown.
    pub name: NativeName,
    /// The package.
    pub identifier: Identifier,
    /// Its integer in views: even, and its own for good.
    pub view_id: u64,
    /// Its releases that are neither yanked, quarantined nor removed: stable ones newest first, then
    /// prereleases. At least one. `described.original` is `null`.
    pub releases: Vec<Release>,
}

impl Held {
    /// The latest release.
    pub fn latest(&self) -> Option<&Release> {
        self.releases.first()
    }
}

impl Entry {
    /// The native name.
    pub fn name(&self) -> &NativeName {
        match self {
            Self::Package(held) => &held.name,
            Self::Listing(listing) => &listing.name,
        }
    }

    /// The integer by which views know it: never another's, and not again another's later.
    pub fn view_id(&self) -> u64 {
        match self {
            Self::Package(held) => held.view_id,
            Self::Listing(listing) => listing.view_id(),
        }
    }
}

/// Entries of a view, ascending by name.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The entries; may be few although more follow.
    pub entries: Vec<Entry>,
    /// The name behind which the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// A page of the view of an ecosystem: the names behind `after`, at most [`PAGE`] of them looked at.
///
/// # Errors
///
/// Those of the store.
pub async fn page(service: &Service, ecosystem: &str, after: Option<&str>) -> StoreResult<Page> {
    let ledger = &service.ledger;
    let name = after.unwrap_or_default().to_owned();
    let from = NativeName { ecosystem: ecosystem.to_owned(), name };
    let (natives, listings) = tokio::try_join!(
        ledger.natives(ecosystem, after, PAGE),
        ledger.listings(Some(&from), PAGE),
    )?;
    // Each list says all about the names up to its last one, or about all where it is not full.
    let full = PAGE as usize;
    let ends = [
        (natives.len() >= full).then(|| natives.last().map(|(name, _)| name.name.clone())),
        (listings.len() >= full)
            .then(|| listings.last().filter(|last| last.name.ecosystem == ecosystem))
            .map(|last| last.map(|last| last.name.name.clone())),
    ];
    let next = ends.into_iter().flatten().flatten().min();
    let within = |name: &str| next.as_deref().is_none_or(|next| name <= next);
    // Futures in a list: as a mapped stream, a handler that awaits this is not known to be `Send`.
    let listed = natives.iter().filter(|(n, _)| within(&n.name));
    let reads: Vec<_> = listed.map(|(name, id)| held(service, name, id)).collect();
    let packages = futures_util::stream::iter(reads).buffered(READS);
    let packages: Vec<Option<Held>> = packages.try_collect().await?;
    let mut entries: Vec<Entry> = packages.into_iter().flatten().map(Entry::Package).collect();
    for listing in listings {
        let shown = listing.name.ecosystem == ecosystem && listing.entry.is_some();
        let shadowed = || natives.binary_search_by(|(n, _)| n.cmp(&listing.name)).is_ok();
        if shown && within(&listing.name.name) && !shadowed() {
            entries.push(Entry::Listing(listing));
        }
    }
    entries.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(Page { entries, next })
}

/// The whole view of an ecosystem, page after page.
///
/// # Errors
///
/// Those of the store.
pub async fn all(service: &Service, ecosystem: &str) -> StoreResult<Vec<Entry>> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let page = page(service, ecosystem, after.as_deref()).await?;
        entries.extend(page.entries);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(entries),
        }
    }
}

/// What stands under one name; `None` where nothing does, or only what is yanked or not in service.
///
/// # Errors
///
/// Those of the store.
pub async fn find(service: &Service, name: &NativeName) -> StoreResult<Option<Entry>> {
    if let Some(identifier) = service.ledger.native(name).await? {
        return Ok(held(service, name, &identifier).await?.map(Entry::Package));
    }
    let listing = service.ledger.listing(name).await?;
    Ok(listing.filter(|listing| listing.entry.is_some()).map(Entry::Listing))
}

async fn held(
    service: &Service,
    name: &NativeName,
    identifier: &Identifier,
) -> StoreResult<Option<Held>> {
    let (releases, first) = tokio::try_join!(
        service.ledger.releases(identifier),
        service.ledger.first_event(identifier),
    )?;
    let mut releases = crate::read::listed(releases);
    releases.retain(|release| release.marks.yanked.is_none());
    let Some(latest) = releases.first() else { return Ok(None) };
    let identifier = latest.identifier.clone();
    let view_id = first.map_or(0, |event| event.number.saturating_mul(2));
    Ok(Some(Held { name: name.clone(), identifier, view_id, releases }))
}

/// The sequence by which [`change`] knows what was seen. Of a listing that was taken out only the row is left,
/// and its name is free: as of one that never was.
pub fn seen(held: Option<&Listing>) -> u64 {
    held.filter(|held| held.entry.is_some()).map_or(0, |held| held.sequence)
}

/// Changes a listing; the answer is what stands now, or `None` where there is none to change.
///
/// # Errors
///
/// [`Taken`] says who has the name, and [`Taken::from`] a fault of the store.
pub async fn change(
    service: &Service,
    writer: &super::auth::Writer,
    name: &NativeName,
    sequence: u64,
    entry: Option<crate::ports::Entry>,
) -> Result<Option<Listing>, Taken> {
    let change = ListingChange {
        id: IntentId::random().map_err(ApiError::from)?,
        name: name.clone(),
        sequence,
        owner: writer.owner.clone(),
        operator: writer.operator,
        entry,
    };
    let changed = service.ledger.change_listing(&change, service.clock.now()).await;
    match changed.map_err(ApiError::from)? {
        ListingChanged::Done(listing) => Ok(Some(listing)),
        ListingChanged::Missing => Ok(None),
        ListingChanged::Package(identifier) => Err(Taken::Package(identifier)),
        ListingChanged::Listing(listing) => Err(Taken::Listing(listing)),
        ListingChanged::Reserved(reservation) => Err(Taken::Refused(ApiError::new(
            ErrorCode::NameReserved,
            format!("the name `{}` is reserved: {}", name.name, reservation.reason),
            "choose another name, or ask an operator",
        ))),
    }
}

/// Why a listing was not changed.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Taken {
    /// A package holds the name: 409 in views.
    Package(Identifier),
    /// A listing has it: another token's, or one that changed meanwhile; 409 in views.
    Listing(Listing),
    /// Something else.
    Refused(ApiError),
}

impl From<ApiError> for Taken {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl Taken {
    /// Who has the name, for a message.
    pub fn holder(&self) -> String {
        match self {
            Self::Package(identifier) => format!("the package `{identifier}`"),
            Self::Listing(listing) => {
                format!("listing {} of the API token `{}`", listing.view_id(), listing.owner)
            }
            Self::Refused(error) => error.to_string(),
        }
    }
}

/// The entry of a view with this integer.
///
/// # Errors
///
/// Those of the store.
pub async fn by_id(service: &Service, ecosystem: &str, id: u64) -> ApiResult<Option<Entry>> {
    let ledger = &service.ledger;
    if id.is_multiple_of(2) {
        // The number of a package's first event says which one it is.
        let event = match (id / 2).checked_sub(1) {
            Some(before) => ledger.events(before, 1).await?.into_iter().next(),
            None => None,
        };
        let Some(event) = event.filter(|event| event.sequence == 1) else { return Ok(None) };
        let head = ledger.head(&event.identifier).await?;
        let name = head.and_then(|head| head.native).filter(|name| name.ecosystem == ecosystem);
        let found = match name {
            Some(name) => find(service, &name).await?,
            None => None,
        };
        return Ok(found.filter(|entry| entry.view_id() == id));
    }
    let mut after = NativeName { ecosystem: ecosystem.to_owned(), name: String::new() };
    loop {
        let page = ledger.listings(Some(&after), PAGE).await?;
        let mine = page.iter().filter(|listing| listing.name.ecosystem == ecosystem);
        if let Some(listing) = mine.clone().find(|listing| listing.view_id() == id) {
            let found = find(service, &listing.name).await?;
            return Ok(found.filter(|entry| entry.view_id() == id));
        }
        match page.last() {
            Some(last) if last.name.ecosystem == ecosystem => after.clone_from(&last.name),
            _ => return Ok(None),
        }
    }
}
