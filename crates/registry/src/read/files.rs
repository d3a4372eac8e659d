//! Files of a release, read straight from its archive: the directory at its end, then the file.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures_util::TryStreamExt as _;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use packhouse_core::api::ErrorCode;
use packhouse_core::archive::{Entry, read_entry};
use packhouse_core::digest::Digest;
use packhouse_core::escape::printable;
use packhouse_core::release::{EntryRef, Release};
use packhouse_core::tree::TreePath;

use super::blobs::{disposition, safe_headers, same};
use super::package::served;
use super::{Id, Params};
use crate::app::App;
use crate::error::{ApiError, ApiResult};

/// The largest file, in bytes, that is served on its own: it is unpacked in memory.
const FILE_BYTES: u64 = 8 << 20;

/// One file of a release, of at most 8 MiB, without downloading the archive.
#[utoipa::path(get, path = "/v1/package/{id}/-/files/{version}/{path}", tag = "read",
    params(("id" = String, Path, description = "`owner/name[/sub]`, slashes unescaped"),
        ("version" = String, Path, description = "The version"),
        ("path" = String, Path, description = "The file's path, slashes unescaped")),
    responses((status = 200, description = "The file's bytes"), (status = 404, body = packhouse_core::api::ErrorBody),
        (status = 413, body = packhouse_core::api::ErrorBody)))]
pub(crate) async fn file(
    State(app): State<App>,
    Id(id): Id,
    params: Params,
    method: Method,
    request: HeaderMap,
) -> ApiResult<Response> {
    let release = served(&app, &id, params.get("version").unwrap_or_default()).await?;
    let path = params.get("path").unwrap_or_default();
    let missing = || {
        let path = printable(&path.chars().take(240).collect::<String>());
        ApiError::new(
            ErrorCode::NotFound,
            format!("`{id}@{}` has no file `{path}`", release.version),
            "paths are compared exactly, case included",
        )
    };
    let wanted: TreePath = path.parse().map_err(|_| missing())?;
    let tag = format!("\"{}\"", Digest::of(format!("{} {wanted}", release.digest).as_bytes()));
    let mut headers: HeaderMap = safe_headers().into_iter().collect();
    let control = if app.settings.private { "private, no-cache" } else { "public, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.insert(header::CONTENT_DISPOSITION, disposition(wanted.file_name()));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(kind) = picture_type(wanted.file_name()) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Ok(tag) = HeaderValue::try_from(&tag) {
        headers.insert(header::ETAG, tag);
    }

    // The release is immutable, so the tag needs no look at the file; that it exists does.
    let entry = match release.readme.as_ref().filter(|readme| readme.path == wanted.as_str()) {
        Some(readme) => readme.clone(),
        None => find(&app, &release, &wanted).await?.ok_or_else(missing)?,
    };
    if request.get_all(header::IF_NONE_MATCH).iter().any(|value| same(value, &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    if method == Method::HEAD {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(entry.bytes));
        return Ok((StatusCode::OK, headers).into_response());
    }
    let bytes = unpack(&app, &release, &entry).await?;
    Ok((StatusCode::OK, headers, bytes).into_response())
}

/// Types that a page may show as a picture; everything else, SVG included, is bytes to be saved.
fn picture_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        _ => return None,
    })
}

/// The README of a release as text; bytes that are no UTF-8 are replaced. `None` where there is
/// none, or one over the limit.
pub(crate) async fn readme(app: &App, release: &Release) -> ApiResult<Option<String>> {
    let limit = u64::try_from(app.settings.limits.readme_bytes).unwrap_or(u64::MAX);
    let Some(entry) = release.readme.as_ref().filter(|entry| entry.bytes <= limit) else {
        return Ok(None);
    };
    let bytes = unpack(app, release, entry).await?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Reads and unpacks one file of a release's archive.
async fn unpack(app: &App, release: &Release, entry: &EntryRef) -> ApiResult<Vec<u8>> {
    if entry.bytes > FILE_BYTES {
        return Err(ApiError::new(
            ErrorCode::TooLarge,
            format!(
                "the file has {} bytes: single files are served up to {FILE_BYTES}",
                entry.bytes
            ),
            "download the archive and unpack it",
        ));
    }
    let path = entry.path.parse::<TreePath>().map_err(|e| damaged(release, &e))?;
    // Closed only when the service is dropped, and then nobody waits for the answer.
    let _turn = app.reads.unpacking.acquire().await;
    let packed = range(app, release, entry.data_offset, entry.packed_bytes).await?;
    let entry = Entry {
        path,
        executable: false,
        method: entry.method,
        data_offset: 0,
        packed_bytes: entry.packed_bytes,
        bytes: entry.bytes,
        crc32: entry.crc32,
    };
    let limits = app.settings.limits.clone();
    let work = move || read_entry(&packed, &entry, &limits);
    let unpacked = tokio::task::spawn_blocking(work).await.map_err(|e| damaged(release, &e))?;
    unpacked.map_err(|e| damaged(release, &e))
}

/// The largest directory, in bytes, that is read: 10,000 files with long names.
const DIRECTORY_BYTES: u64 = 4 << 20;

const END_BYTES: u64 = 22;

/// Looks a file up in the directory at the archive's end. The archive passed our scan before it was
/// released: it ends in an end record without a comment, needs no zip64, and its directory tells the
/// truth. Every number is checked against its bounds all the same.
async fn find(app: &App, release: &Release, wanted: &TreePath) -> ApiResult<Option<EntryRef>> {
    let broken = |what: &'static str| damaged(release, &what);
    let end_at = release.bytes.checked_sub(END_BYTES).ok_or_else(|| broken("no end record"))?;
    let end = range(app, release, end_at, END_BYTES).await?;
    let (size, offset) = match (end.get(..4), u32_at(&end, 12), u32_at(&end, 16)) {
        (Some(b"PK\x05\x06"), Some(size), Some(offset)) => (u64::from(size), u64::from(offset)),
        _ => return Err(broken("no end record")),
    };
    if size > DIRECTORY_BYTES || offset + size != end_at {
        return Err(broken("the directory does not end where the end record starts"));
    }
    let _turn = app.reads.unpacking.acquire().await;
    let directory = range(app, release, offset, size).await?;
    let Some(found) = look_up(&directory, wanted.as_str()) else { return Ok(None) };
    let local_at = found.data_offset; // of the local header, until its length is known
    if local_at + 30 > offset {
        return Err(broken("a file's header lies outside of the archive"));
    }
    let local = range(app, release, local_at, 30).await?;
    let data_offset = match (local.get(..4), u16_at(&local, 26), u16_at(&local, 28)) {
        (Some(b"PK\x03\x04"), Some(name), Some(extra)) => {
            local_at + 30 + u64::from(name) + u64::from(extra)
        }
        _ => return Err(broken("a file's header is not where the directory says")),
    };
    if data_offset + found.packed_bytes > offset {
        return Err(broken("a file lies outside of the archive"));
    }
    Ok(Some(EntryRef { data_offset, ..found }))
}

/// The entry of `path` in a central directory (APPNOTE.TXT 4.3.12); its `data_offset` is that of the
/// local header.
fn look_up(mut directory: &[u8], path: &str) -> Option<EntryRef> {
    while directory.get(..4) == Some(b"PK\x01\x02") {
        let length = |at| u16_at(directory, at).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        if directory.get(46..46 + name)? == path.as_bytes() {
            return Some(EntryRef {
                path: path.to_owned(),
                method: u16_at(directory, 10)?,
                crc32: u32_at(directory, 16)?,
                packed_bytes: u32_at(directory, 20)?.into(),
                bytes: u32_at(directory, 24)?.into(),
                data_offset: u32_at(directory, 42)?.into(),
            });
        }
        directory = directory.get(46 + name + extra + comment..)?;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// `length` bytes of a release's archive; the caller bounds the length.
async fn range(app: &App, release: &Release, offset: u64, length: u64) -> ApiResult<Vec<u8>> {
    if length == 0 {
        return Ok(Vec::new());
    }
    if offset.checked_add(length).is_none_or(|end| end > release.bytes) {
        return Err(damaged(release, &"a file lies outside of the archive"));
    }
    let body = app.blobs.read(&release.digest, offset, length).await?;
    let mut stream = body.ok_or_else(|| damaged(release, &"its blob is not in the store"))?.stream;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    while let Some(chunk) = stream.try_next().await.map_err(|e| damaged(release, &e))? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A released archive that cannot be read: the store is at fault, not the client.
fn damaged(release: &Release, cause: &dyn std::fmt::Display) -> ApiError {
    let Release { identifier, version, digest, .. } = release;
    crate::log::error(&format!("{identifier}@{version} ({digest}) cannot be read: {cause}"));
    ApiError::new(
        ErrorCode::Internal,
        format!("the archive of `{identifier}@{version}` cannot be read"),
        "tell the operator the request id; the log has the cause",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_directory_that_can_be_looked_into(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut directory = b"PK\x01\x02".to_vec();
            directory.extend(bytes);
            look_up(&directory, "a");
        }
    }
}
