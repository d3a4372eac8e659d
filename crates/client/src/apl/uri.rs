//! Addresses of registries: `file://` and `http(s)://`.

use std::path::PathBuf;

use packhouse_core::escape::excerpt;

use super::{AplError, AplResult};
use crate::url::RegistryUrl;

/// A folder of this machine, or a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Uri {
    Folder(PathBuf),
    Server(RegistryUrl),
}

pub(super) fn parse(uri: &str) -> AplResult<Uri> {
    let wrong = |reason: String| AplError::Uri { uri: excerpt(uri, 200), reason };
    let (scheme, rest) = uri.split_once("://").ok_or_else(|| {
        wrong("write `file:///path/to/registry` or `https://host/apl`".to_owned())
    })?;
    if scheme.eq_ignore_ascii_case("file") {
        return folder(rest).map(Uri::Folder).map_err(|reason| wrong(reason.to_owned()));
    }
    // The server's own base may be named as well.
    let uri = uri.trim_end_matches('/');
    let base = uri.strip_suffix("/api/v1").or_else(|| uri.strip_suffix("/v1")).unwrap_or(uri);
    base.parse()
        .map(Uri::Server)
        .map_err(|error: crate::url::UrlError| wrong(error.reason.to_owned()))
}

/// The folder behind `file://`: absolute, of this machine, percent-decoded.
fn folder(rest: &str) -> Result<PathBuf, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err("write three slashes and an absolute path: `file:///path/to/registry`");
    }
    if path.contains(['?', '#']) {
        return Err("write `%3F` for `?` and `%23` for `#`");
    }
    let path = decode(path).ok_or("behind each `%` stand two hexadecimal digits, in all UTF-8")?;
    if path.contains('\0') {
        return Err("a path has no NUL");
    }
    // `/C:/registry` of Windows.
    let drive = path.as_bytes().get(2) == Some(&b':') && cfg!(windows);
    Ok(PathBuf::from(if drive { &path[1..] } else { &path }))
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest.split_at_checked(2)?;
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        bytes.push(digit(digits.0[0])? << 4 | digit(digits.0[1])?);
        rest = digits.1;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_folders_or_servers() {
        for (uri, path) in [
            ("file:///srv/apl", "/srv/apl"),
            ("FILE://localhost/srv/my%20apl/%E2%8D%A4", "/srv/my apl/⍤"),
            ("file:///srv/100%25", "/srv/100%"),
        ] {
            assert_eq!(parse(uri).unwrap(), Uri::Folder(path.into()), "{uri}");
        }
        for uri in [
            "https://x.org/apl",
            "https://x.org/apl/",
            "https://x.org/apl/v1",
            "https://x.org/apl/api/v1/",
        ] {
            assert_eq!(
                parse(uri).unwrap(),
                Uri::Server("https://x.org/apl".parse().unwrap()),
                "{uri}"
            );
        }
    }

    #[test]
    fn other_addresses_are_refused_with_what_would_be_right() {
        for (uri, reason) in [
            ("/srv/apl", "write `file:///path"),
            ("", "write `file:///path"),
            ("file://srv/apl", "three slashes"),
            ("file:///srv/%2", "two hexadecimal digits"),
            ("file:///srv/%zz", "two hexadecimal digits"),
            ("file:///srv/%ff", "in all UTF-8"),
            ("file:///srv/%00", "NUL"),
            ("file:///srv?x", "%3F"),
            ("ftp://x.org", "write `https://"),
            ("http://x.org", "plain `http` is for this machine only"),
            ("https://u:p@x.org", "leave out user name"),
        ] {
            let error = parse(uri).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert_eq!(error.rc(), 2);
        }
    }
}
