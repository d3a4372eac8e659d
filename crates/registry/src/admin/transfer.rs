//! Export and import: a registry's records and blobs, in and out. Nothing here is public.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, TryStreamExt as _};
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use jiff::SignedDuration;
use packhouse_core::api::ErrorCode;
use packhouse_core::api::transfer::{
    BlobAnswer, BlobRequest, ImportAnswer, MissingBlob, NEXT_HEADER,
};
use packhouse_core::digest::Digest;
use packhouse_core::escape::printable;

use super::operator;
use super::takedown::settle_imported;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body as JsonBody;
use crate::ports::{IntentId, Part, Record, StoreError, UploadBounds};
use crate::read::Params;
use crate::transfer::{Cursor, LINE_BYTES, Line, page};

/// Within which the records of an import must be there.
const ARRIVAL: Duration = Duration::from_secs(30);
/// How long an upload of a blob may take, in seconds.
const UPLOAD: i64 = 3600;
/// Blobs that are looked for at once.
const LOOKS: usize = 16;

/// Where an export goes on.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
pub(crate) struct ExportQuery {
    /// `x-packhouse-next` of the page before; nothing for the first page.
    after: Option<String>,
}

/// Records of the registry as JSON lines, about 2 MiB at a time. The header `x-packhouse-next` says
/// what to ask for next; the last page has none. Confidential: it holds the hashes of API tokens.
#[utoipa::path(get, path = "/v1/admin/export", tag = "admin", params(ExportQuery), responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub async fn export(State(app): State<App>, uri: Uri, headers: HeaderMap) -> ApiResult<Response> {
    operator(&app, &headers, None).await?;
    let Query(query) = Query::<ExportQuery>::try_from_uri(&uri).unwrap_or_default();
    let after = query.after.filter(|text| !text.is_empty());
    let after = after.map(|text| {
        Cursor::parse(&text).ok_or_else(|| {
            ApiError::new(
                ErrorCode::BadRequest,
                "`after` is not where an export goes on",
                "send the header `x-packhouse-next` of the page before, or nothing",
            )
        })
    });
    let page = page(&*app.ledger, after.transpose()?).await?;
    let mut response = Body::from(page.lines).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(next) = page.next
        && let Ok(next) = HeaderValue::try_from(next.text())
    {
        headers.insert(NEXT_HEADER, next);
    }
    Ok(response)
}

/// Puts records of another registry in, as JSON lines of an export: at most 4 MiB a call. What
/// stands and is as new stays; what contradicts it is refused. Where blobs are missing that visible
/// releases need, nothing is put in, and they are named.
#[utoipa::path(post, path = "/v1/admin/import", tag = "admin", request_body(content = String, content_type = "application/x-ndjson"), responses((status = 200, body = ImportAnswer), (status = 409, body = packhouse_core::api::ErrorBody)))]
pub async fn import(State(app): State<App>, request: Request) -> ApiResult<Json<ImportAnswer>> {
    operator(&app, request.headers(), None).await?;
    let body = Limited::new(request.into_body(), LINE_BYTES).collect();
    let broken = |message: String| {
        ApiError::new(ErrorCode::BadRequest, message, "send the lines of an export, in one go")
    };
    let body = tokio::time::timeout(ARRIVAL, body).await.map_err(|_| {
        broken(format!("the records did not arrive within {} s", ARRIVAL.as_secs()))
    })?;
    let body = body.map_err(|e| match e.downcast_ref::<LengthLimitError>() {
        Some(_) => ApiError::new(
            ErrorCode::TooLarge,
            format!("the records have more than {LINE_BYTES} bytes"),
            "send fewer lines a call",
        ),
        None => broken("the request's body ended early".to_owned()),
    })?;
    let body = body.to_bytes();
    let mut records: Vec<Record> = Vec::new();
    for (at, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        records.push(
            Line::read(line).map_err(|why| {
                broken(format!("line {} is no record: {}", at + 1, printable(&why)))
            })?,
        );
    }
    // A visible release has its bytes, always: an import brings them first.
    let missing = missing(&app, &records).await?;
    if !missing.is_empty() {
        return Ok(Json(ImportAnswer { schema: 1, loaded: 0, missing }));
    }
    app.ledger.load(&records).await.map_err(|error| match error {
        StoreError::Broken(why) => {
            crate::log::error(&format!("an import was refused: {why}"));
            ApiError::new(
                ErrorCode::ImportConflict,
                why,
                "import into an empty registry, or into the one that this export was made for",
            )
        }
        error => error.into(),
    })?;
    for record in &records {
        if let Record::Release { release, .. } = record {
            settle_imported(&app, release).await?;
        }
    }
    Ok(Json(ImportAnswer { schema: 1, loaded: records.len() as u64, missing }))
}

/// The blobs that releases among `records` need and that are not here. What was removed here needs
/// none, whatever the record says.
async fn missing(app: &App, records: &[Record]) -> ApiResult<Vec<MissingBlob>> {
    let mut needed = std::collections::BTreeMap::new();
    for record in records {
        let Record::Release { release, .. } = record else { continue };
        if release.marks.removed.is_some() {
            continue;
        }
        let held = app.ledger.release(&release.identifier, release.version.key()).await?;
        if held.is_none_or(|held| held.marks.removed.is_none()) {
            let blobs = crate::transfer::blobs_of(release).into_iter();
            needed.extend(blobs.map(|(digest, bytes, _)| (digest, bytes)));
        }
    }
    let looks = futures_util::stream::iter(needed).map(async |(digest, bytes)| {
        let size = app.blobs.size(&digest).await?;
        Ok::<_, StoreError>(size.is_none().then(|| MissingBlob { digest: digest.hex(), bytes }))
    });
    let found: Vec<_> = looks.buffer_unordered(LOOKS).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Asks for the upload of a blob that an import needs; answers that it is there where it is.
#[utoipa::path(post, path = "/v1/admin/blobs/{hex}", tag = "admin", params(("hex" = String, Path, description = "SHA-256 of the bytes")), request_body = BlobRequest, responses((status = 200, body = BlobAnswer)))]
pub async fn ask_blob(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    JsonBody(request): JsonBody<BlobRequest>,
) -> ApiResult<Json<BlobAnswer>> {
    operator(&app, &headers, None).await?;
    let digest = digest(&params)?;
    if let Some(bytes) = app.blobs.size(&digest).await? {
        return Ok(Json(there(&digest, bytes)));
    }
    let limits = &app.settings.limits;
    let largest = (limits.archive_bytes).max(limits.file_bytes);
    if request.bytes > largest {
        return Err(ApiError::new(
            ErrorCode::TooLarge,
            format!("the blob {digest} has {} bytes, this registry takes {largest}", request.bytes),
            "raise `archive_bytes` or `file_bytes` with `--limit`",
        ));
    }
    let now = app.clock.now();
    let bounds = UploadBounds {
        intent: intent(&digest),
        part: Part::Archive,
        bytes: request.bytes,
        digest: Some(digest),
        expires_at: now.checked_add(SignedDuration::from_secs(UPLOAD)).unwrap_or(now),
    };
    let upload = app.blobs.upload(&bounds, now).await?;
    Ok(Json(BlobAnswer { schema: 1, digest: digest.hex(), bytes: None, upload: upload.put }))
}

/// Takes an uploaded blob in, once its bytes are proven.
#[utoipa::path(post, path = "/v1/admin/blobs/{hex}/complete", tag = "admin", params(("hex" = String, Path, description = "SHA-256 of the bytes")), responses((status = 200, body = BlobAnswer), (status = 422, body = packhouse_core::api::ErrorBody)))]
pub async fn complete_blob(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Json<BlobAnswer>> {
    operator(&app, &headers, None).await?;
    let digest = digest(&params)?;
    if let Some(bytes) = app.blobs.size(&digest).await? {
        return Ok(Json(there(&digest, bytes)));
    }
    let wrong = |message: String| {
        ApiError::new(ErrorCode::UploadMismatch, message, "ask for the upload again, and upload")
    };
    let intent = intent(&digest);
    let staged = app.blobs.pin(&intent, Part::Archive).await?;
    let staged = staged.ok_or_else(|| wrong(format!("nothing was uploaded for {digest}")))?;
    let right = app.blobs.promote(&staged, &digest).await?;
    app.blobs.discard(&intent).await?;
    if !right {
        return Err(wrong(format!("what was uploaded is not {digest}")));
    }
    Ok(Json(there(&digest, staged.bytes)))
}

/// The bytes of any blob, whatever marks its releases have: for exports of what is quarantined.
#[utoipa::path(get, path = "/v1/admin/blobs/{hex}", tag = "admin", params(("hex" = String, Path, description = "SHA-256 of the bytes")), responses((status = 200, description = "The bytes"), (status = 404, body = packhouse_core::api::ErrorBody)))]
pub async fn read_blob(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
) -> ApiResult<Response> {
    operator(&app, &headers, None).await?;
    let digest = digest(&params)?;
    let unknown = || {
        ApiError::new(
            ErrorCode::NotFound,
            format!("there is no blob {digest}"),
            "an export's records name the blobs that there are",
        )
    };
    let bytes = app.blobs.size(&digest).await?.ok_or_else(unknown)?;
    let body = app.blobs.read(&digest, 0, bytes).await?.ok_or_else(unknown)?;
    let mut response = Body::from_stream(body.stream).into_response();
    let headers = response.headers_mut();
    headers.extend(crate::read::safe_headers());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn there(digest: &Digest, bytes: u64) -> BlobAnswer {
    BlobAnswer { schema: 1, digest: digest.hex(), bytes: Some(bytes), upload: None }
}

/// The place where a blob is staged: the same for everybody who brings it.
fn intent(digest: &Digest) -> IntentId {
    IntentId::of(&Digest::of(format!("import {digest}").as_bytes()))
}

fn digest(params: &Params) -> ApiResult<Digest> {
    let hex = params.get("hex").unwrap_or_default();
    hex.parse().map_err(|_| {
        ApiError::new(
            ErrorCode::BadRequest,
            format!("`{}` is no SHA-256", printable(&hex.chars().take(80).collect::<String>())),
            "write 64 lower-case hex digits",
        )
    })
}
