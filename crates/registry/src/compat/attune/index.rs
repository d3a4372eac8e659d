//! `GET /attune/index.json`: the latest stable release of each pack, in format 1.0.

use axum::extract::State;
use futures_util::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use packhouse_core::api::ErrorCode;
use packhouse_core::attune::export;
use packhouse_core::attune::index::{Entry, Index, PACKS};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::NativeName;

use crate::app::{App, Service};
use crate::cache::{Fresh, Page};
use crate::compat::flat;
use crate::error::{ApiError, ApiResult};
use crate::ports::StoreResult;
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
/// Left out are yanked releases and prereleases. `last_updated` is when anything of any pack last
/// changed, so it never goes back: readers refuse an index that is older than one they saw.
///
/// # Errors
///
/// Those of the store.
pub async fn text(service: &Service) -> ApiResult<String> {
    let mut names: Vec<(NativeName, Identifier)> = Vec::new();
    loop {
        let after = names.last().map(|(name, _)| name.name.clone());
        let page = service.ledger.natives("attune", after.as_deref(), flat::PAGE).await?;
        let full = page.len() >= flat::PAGE as usize;
        names.extend(page);
        if !full || names.len() >= PACKS {
            break;
        }
    }
    let found: Vec<(Timestamp, Option<Entry>)> = futures_util::stream::iter(names)
        .map(|(name, identifier)| one(service, name, identifier))
        .buffered(READS)
        .try_collect()
        .await?;
    let changed = found.iter().map(|(at, _)| *at).max().unwrap_or(Timestamp::UNIX_EPOCH);
    let changed = Timestamp::from_second(changed.as_second()).unwrap_or(changed);
    let url = service.settings.public_url.as_str();
    let mut index = Index::new("Packhouse", url, &changed.to_string());
    index.packs = found.into_iter().filter_map(|(_, entry)| entry).collect();
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

/// When a pack last changed, and its entry where it has a stable release in service.
async fn one(
    service: &Service,
    name: NativeName,
    identifier: Identifier,
) -> StoreResult<(Timestamp, Option<Entry>)> {
    let head = service.ledger.head(&identifier).await?;
    let changed = head.map_or(Timestamp::UNIX_EPOCH, |head| head.updated_at);
    let Some(flat::Entry::Package(held)) = flat::find(service, &name).await? else {
        return Ok((changed, None));
    };
    let Some(latest) = held.latest().filter(|release| !release.version.is_prerelease()) else {
        return Ok((changed, None));
    };
    // Lists of releases leave manifests out.
    let whole = service.ledger.release(&identifier, latest.version.key()).await?;
    let entry = whole
        .filter(|release| release.digest == latest.digest)
        .and_then(|release| export::entry(&release, &urls::archive(&service.settings, &release)));
    Ok((changed, entry))
}
