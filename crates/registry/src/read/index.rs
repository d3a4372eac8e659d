//! `GET /index/{id}.json`: one small file per package with all that a resolver needs.

use axum::extract::State;
use packhouse_core::api::ErrorCode;
use packhouse_core::api::read::IndexFile;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Head, Release};

use super::{Params, package, parse_id, view};
use crate::app::App;
use crate::cache::{Fresh, Page};
use crate::error::{ApiError, ApiResult};

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
