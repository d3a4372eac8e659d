//! `GET /blobs/sha256/{hex}/{file}`: archives and attachments at their permanent address.

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use packhouse_core::api::ErrorCode;
use packhouse_core::digest::Digest;
use packhouse_core::escape::printable;
use packhouse_core::release::Release;

use super::Params;
use super::package::out_of_service;
use super::range::{Wanted, wanted};
use crate::app::App;
use crate::error::{ApiError, ApiResult};
use crate::spacing::ClientAddr;
use crate::urls;

/// Releases that are looked at to find one in service; those in service come first.
const HOLDERS: u32 = 100;

/// An archive or an attachment: immutable, never redirects; ranges and `If-Range` are honoured.
#[utoipa::path(get, path = "/blobs/sha256/{hex}/{file}", tag = "read",
    params(("hex" = String, Path, description = "SHA-256 of the bytes, 64 hex digits"),
        ("file" = String, Path, description = "What to save it as; as in `download_url`")),
    responses((status = 200, description = "The bytes"), (status = 206, description = "The range asked for"),
        (status = 304, description = "The client has them"), (status = 416, description = "The range lies outside"),
        (status = 404, body = packhouse_core::api::ErrorBody), (status = 410, body = packhouse_core::api::ErrorBody),
        (status = 451, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn download(
    State(app): State<App>,
    client: Option<Extension<ClientAddr>>,
    params: Params,
    method: Method,
    request: HeaderMap,
) -> ApiResult<Response> {
    let (hex, file) =
        (params.get("hex").unwrap_or_default(), params.get("file").unwrap_or_default());
    let digest: Digest = hex.parse().map_err(|_| unknown(hex))?;
    let holders = app.ledger.holders(&digest, HOLDERS).await?;
    let named = holders.iter().find(|holder| names(holder, &digest, file));
    // A file that very many releases share (an empty one) may be named by one beyond the list.
    let more = holders.first().filter(|_| holders.len() >= HOLDERS as usize);
    let holder = named.or(more).ok_or_else(|| unknown(file))?;
    if let Some(error) = out_of_service(holder) {
        return Err(error);
    }
    let bytes = app.blobs.size(&digest).await?.ok_or_else(|| lost(&digest))?;

    let client = client.map(|Extension(client)| client);
    let tag = format!("\"{digest}\"");
    let mut headers = headers(&app, file, &tag);
    if request.get_all(header::IF_NONE_MATCH).iter().any(|value| same(value, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    // A HEAD has no range: RFC 9110 defines it for GET alone.
    let head = method == Method::HEAD;
    let (status, first, length) = match wanted(&request, bytes, &tag) {
        Wanted::Part { first, last } if !head => {
            headers.insert(header::CONTENT_RANGE, content_range(&format!("{first}-{last}"), bytes));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Wanted::Outside if !head => {
            let mut outside = HeaderMap::new();
            outside.insert(header::CONTENT_RANGE, content_range("*", bytes));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, outside).into_response());
        }
        _ => (StatusCode::OK, 0, bytes),
    };
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    if head {
        return Ok((status, headers).into_response());
    }
    app.reads.spacing.turn(client, &request).await;
    let body = app.blobs.read(&digest, first, length).await?.ok_or_else(|| lost(&digest))?;
    if first == 0 && holder.digest == digest {
        app.reads.downloads.count(holder, client, app.clock.now());
    }
    Ok((status, headers, Body::from_stream(body.stream)).into_response())
}

/// Whether `file` is the name under which `holder` offers these bytes. Only such addresses are
/// served: nobody can make the registry offer known bytes under a name of his own.
fn names(holder: &Release, digest: &Digest, file: &str) -> bool {
    if holder.digest == *digest && urls::archive_name(holder) == file {
        return true;
    }
    let attachments = holder.attachments.as_deref().unwrap_or_default();
    attachments.iter().any(|a| a.digest == *digest && urls::file_name(&a.path) == file)
}

/// The headers of every answer that may carry bytes. Bytes are strangers': they are saved and not
/// shown, their type is not guessed, and if a browser shows them all the same, nothing in them runs.
fn headers(app: &App, file: &str, tag: &str) -> HeaderMap {
    let control = if app.settings.private {
        "private, max-age=31536000, immutable"
    } else {
        "public, max-age=31536000, immutable"
    };
    let kind = if file.ends_with(".zip") { "application/zip" } else { "application/octet-stream" };
    let mut headers: HeaderMap = safe_headers().into_iter().collect();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_DISPOSITION, disposition(file));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers
}

/// What keeps a browser from running the bytes of strangers.
pub(crate) fn safe_headers() -> [(HeaderName, HeaderValue); 3] {
    [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ]
}

/// `attachment` with the file's name (RFC 6266, RFC 8187).
pub(crate) fn disposition(file: &str) -> HeaderValue {
    let value = format!("attachment; filename*=UTF-8''{}", urls::escaped(file));
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("attachment"))
}

fn content_range(range: &str, bytes: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes {range}/{bytes}"))
        .unwrap_or(HeaderValue::from_static("bytes */0"))
}

/// Whether an `If-None-Match` names the tag, weakly.
pub(super) fn same(value: &HeaderValue, tag: &str) -> bool {
    let listed = value.to_str().unwrap_or_default().split(',').map(str::trim);
    listed.map(|t| t.strip_prefix("W/").unwrap_or(t)).any(|t| t == "*" || t == tag)
}

fn unknown(what: &str) -> ApiError {
    let what = printable(&what.chars().take(128).collect::<String>());
    ApiError::new(
        ErrorCode::NotFound,
        format!("no release holds `{what}` under this address"),
        "take `download_url` from `GET /v1/package/{id}/releases`",
    )
}

/// A release whose bytes are not there: the store lost them, or they are being removed.
fn lost(digest: &Digest) -> ApiError {
    crate::log::error(&format!("the blob {digest} is referred to, and is not in the store"));
    ApiError::new(
        ErrorCode::Unavailable,
        "the bytes of this release are not available at the moment",
        "try again; if it lasts, tell the operator the request id",
    )
}
