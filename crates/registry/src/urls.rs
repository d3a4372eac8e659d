//! The addresses that the registry hands out. All start with the public URL, or with that of files,
//! where strangers' bytes have a host of their own; none ever redirects.

use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::{Attachment, Release};

use crate::app::Settings;

/// The archive's file name: `owner-name[-sub]-version.zip`. The key and not the text of the version,
/// so it never holds `+`, which some readers of URLs take for a blank.
pub fn archive_name(release: &Release) -> String {
    format!("{}-{}.zip", release.identifier.file_stem(), release.version.key())
}

/// The permanent address of a release's archive.
pub fn archive(settings: &Settings, release: &Release) -> String {
    settings.files_url().join(&archive_path(release))
}

/// The path of [`archive()`], below the URL of files.
pub fn archive_path(release: &Release) -> String {
    blob_path(&release.digest, &archive_name(release))
}

/// The permanent address of an attachment.
pub fn attachment(settings: &Settings, attachment: &Attachment) -> String {
    settings.files_url().join(&blob_path(&attachment.digest, file_name(&attachment.path)))
}

/// A blob under a file name: the digest decides what is served, the name what it is saved as.
fn blob_path(digest: &Digest, name: &str) -> String {
    format!("/blobs/sha256/{digest}/{}", escaped(name))
}

/// The package's page.
pub fn page(settings: &Settings, identifier: &Identifier) -> String {
    settings.public_url.join(&format!("/p/{identifier}"))
}

/// A file of a release.
pub fn file(settings: &Settings, release: &Release, path: &str) -> String {
    settings.files_url().join(&file_path(release, path))
}

/// The path of [`file()`], below the public URL.
pub fn file_path(release: &Release, path: &str) -> String {
    let path = path.split('/').map(escaped).collect::<Vec<_>>().join("/");
    let Release { identifier, version, .. } = release;
    format!("/v1/package/{identifier}/-/files/{}/{path}", version.key())
}

/// The last part of a path.
pub fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// `text` as one segment of a path: everything but RFC 3986's unreserved characters as `%XX`.
pub fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // a String takes everything
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_segment() {
        assert_eq!(escaped("a b/../%2f?#é"), "a%20b%2F..%2F%252f%3F%23%C3%A9");
        assert_eq!(file_name("default/x.step"), "x.step");
    }
}
