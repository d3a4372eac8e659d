//! `GET /attune/index.json`: the latest stable release of each pack, and what is listed, in format 1.0.

use std::collections::HashSet;

use axum::extract::State;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use packhouse_core::api::ErrorCode;
use packhouse_core::attune::export;
use packhouse_core::attune::index::{Entry, Index, InstallSource, PACKS, strict_entry};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;
use packhouse_core::release::Release;

use super::ECOSYSTEM;
use crate::app::{App, Service};
use crate::cache::{Fresh, Page};
use crate::compat::flat;
use crate::compat::fppm::Sources;
use crate::error::{ApiError, ApiResult};
use crate::ports::{Listing, StoreResult};
use crate::urls;

/// Packs that are read at once.
const READS: usize = 8;

/// The index; up to 60 s old.
pub(super) async fn show(State(app): State<App>) -> ApiResult<Page> {
    let text = text(&app).await?;
    Ok(Page::new(text, "application/json", Fresh::Minute, app.settings.private))
}

/// The exact bytes of the index, a function of the record: whoever signs them signs what is served.
///
/// Left out are yanked releases and prereleases. `last_updated` is when anything of any pack or listing
/// last changed, so it never goes back: readers refuse an index that is older than one they saw.
///
/// # Errors
///
/// Those of the store.
pub async fn text(service: &Service) -> ApiResult<String> {
    let names = names(service).await?;
    let listings = listings(service).await?;
    let taken: HashSet<&str> = names.iter().map(|(name, _)| name.name.as_str()).collect();
    let reads: Vec<_> = names.iter().map(|(name, id)| package(service, name, id)).collect();
    let mut found = futures_util::stream::iter(reads).buffered(READS);
    let (mut latest, mut sources) = (Vec::new(), Sources::default());
    let mut changed = listings.iter().map(|listing| listing.updated_at).max();
    while let Some((at, held)) = found.try_next().await? {
        changed = changed.max(Some(at));
        let Some(held) = held else { continue };
        sources.note(&held.identifier, &held.releases);
        latest.extend(held.releases.into_iter().next().filter(|r| !r.version.is_prerelease()));
    }
    let reads: Vec<_> = latest.iter().map(|release| entry(service, release, &sources)).collect();
    let packs = futures_util::stream::iter(reads).buffered(READS);
    let packs: Vec<Option<Entry>> = packs.try_collect().await?;
    // A package comes before what somebody says of a pack of its name, even where it has nothing to show.
    let listed = listings.iter().filter(|listing| !taken.contains(listing.name.name.as_str()));
    let changed = changed.unwrap_or(Timestamp::UNIX_EPOCH);
    let changed = Timestamp::from_second(changed.as_second()).unwrap_or(changed);
    let url = service.settings.public_url.as_str();
    let mut index = Index::new("Packhouse", url, &changed.to_string());
    index.packs = packs.into_iter().flatten().chain(listed.filter_map(pointer)).collect();
    index.packs.sort_by(|a, b| a.reference.cmp(&b.reference));
    serde_json::to_string_pretty(&index).map(|text| text + "\n").map_err(|e| {
        crate::log::error(&format!("the index of packs cannot be written as JSON: {e}"));
        ApiError::new(
            ErrorCode::Internal,
            "the registry could not write its answer",
            "tell the operator the request id; its log has the cause",
        )
    })
}

/// The names that packages hold.
async fn names(service: &Service) -> StoreResult<Vec<(NativeName, Identifier)>> {
    let mut names: Vec<(NativeName, Identifier)> = Vec::new();
    loop {
        let after = names.last().map(|(name, _)| name.name.clone());
        let page = service.ledger.natives(ECOSYSTEM, after.as_deref(), flat::PAGE).await?;
        let full = page.len() >= flat::PAGE as usize;
        names.extend(page);
        if !full || names.len() >= PACKS {
            return Ok(names);
        }
    }
}

/// The listings, and what is left of those that were taken out.
async fn listings(service: &Service) -> StoreResult<Vec<Listing>> {
    let mut listings: Vec<Listing> = Vec::new();
    let mut after = NativeName { ecosystem: ECOSYSTEM.to_owned(), name: String::new() };
    loop {
        let page = service.ledger.listings(Some(&after), flat::PAGE).await?;
        let full = page.len() >= flat::PAGE as usize;
        let last = page.last().map(|listing| listing.name.clone());
        listings.extend(page.into_iter().filter(|listing| listing.name.ecosystem == ECOSYSTEM));
        match last.filter(|last| full && last.ecosystem == ECOSYSTEM) {
            Some(last) if listings.len() < PACKS => after = last,
            _ => return Ok(listings),
        }
    }
}

/// What a listing says; `None` where it was taken out.
fn pointer(listing: &Listing) -> Option<Entry> {
    strict_entry(listing.entry.as_ref()?.outline()).ok()
}

/// When a pack last changed, and its releases where it has any in service.
async fn package(
    service: &Service,
    name: &NativeName,
    identifier: &Identifier,
) -> StoreResult<(Timestamp, Option<flat::Held>)> {
    let head = service.ledger.head(identifier).await?;
    let changed = head.map_or(Timestamp::UNIX_EPOCH, |head| head.updated_at);
    match flat::find(service, name).await? {
        Some(flat::Entry::Package(held)) => Ok((changed, Some(held))),
        _ => Ok((changed, None)),
    }
}

/// What the index says of a release.
async fn entry(service: &Service, latest: &Release, sources: &Sources) -> ApiResult<Option<Entry>> {
    // Lists of releases leave manifests out.
    let whole = service.ledger.release(&latest.identifier, latest.version.key()).await?;
    let Some(release) = whole.filter(|release| release.digest == latest.digest) else {
        return Ok(None);
    };
    let git = checkout(service, &release, sources).await?;
    Ok(export::entry(&release, &urls::archive(&service.settings, &release), git))
}

/// The publisher's repository at the commit of a release, where everybody can reach it.
async fn checkout(
    service: &Service,
    release: &Release,
    sources: &Sources,
) -> ApiResult<Option<InstallSource>> {
    let Some(address) = sources.address(release) else { return Ok(None) };
    let checksum = service.reads.checkouts.of(service, release).await?;
    Ok(checksum.and_then(|sum| export::git(&address.git, address.commit.as_str(), sum)))
}
