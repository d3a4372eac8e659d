//! `GET /index/{id}.json`: one small file per package with all that a resolver needs.

use async_trait::async_trait;
use axum::extract::State;
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::IndexFile;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Head, Release};

use super::{Params, package, parse_id, view};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::{ApiError, ApiResult};
use crate::ports::StoreResult;

/// Where index files come from that were made before.
#[async_trait]
pub trait IndexFiles: Send + Sync {
    /// The index file of a package, up to a minute old; `None` where there is none yet.
    async fn get(&self, id: &Identifier) -> StoreResult<Option<IndexFile>>;
}

/// For stores whose ledger is read as fast.
pub(super) struct NoIndexFiles;

#[async_trait]
impl IndexFiles for NoIndexFiles {
    async fn get(&self, _id: &Identifier) -> StoreResult<Option<IndexFile>> {
        Ok(None)
    }
}

/// A package's index file, made before or made now, and whether it is as new as the ledger; `None`
/// where there is no such package.
pub(super) async fn find(app: &App, id: &Identifier) -> StoreResult<Option<(IndexFile, bool)>> {
    if let Some(file) = app.reads.index_files.get(id).await? {
        return Ok(Some((file, false)));
    }
    let (releases, head) = tokio::try_join!(app.ledger.releases(id), app.ledger.head(id))?;
    if releases.is_empty() {
        return Ok(None);
    }
    Ok(Some((index_of(head.as_ref(), id, releases), true)))
}

/// The index file from a package's records.
pub fn index_of(head: Option<&Head>, id: &Identifier, releases: Vec<Release>) -> IndexFile {
    let spelling = head.map_or(id, |head| &head.identifier).to_string();
    view::index(&spelling, head.and_then(|head| head.native.clone()), releases)
}

/// The index file of a package: every version that was ever released, with marks; up to 60 s old.
#[utoipa::path(get, path = "/index/{id}.json", tag = "read",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped")),
    responses((status = 200, body = IndexFile), (status = 404, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn file(State(app): State<App>, params: Params) -> ApiResult<Page> {
    let parts: Vec<_> = ["owner", "name", "sub"].iter().filter_map(|p| params.get(p)).collect();
    let path = parts.join("/");
    let name = path.strip_suffix(".json").ok_or_else(|| {
        ApiError::new(
            ErrorCode::NotFound,
            "index files end in `.json`",
            "ask for `/index/owner/name.json`",
        )
    })?;
    let id = parse_id(name)?;
    let releases = package::all(&app, &id).await?;
    let head = app.ledger.head(&id).await?;
    let index = index_of(head.as_ref(), &id, releases);
    Page::json(&index, Fresh::Minute, app.settings.private)
}
