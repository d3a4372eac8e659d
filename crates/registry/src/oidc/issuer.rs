//! Issuers: which ones are believed, and which addresses belong to one.

use http::Uri;

/// GitHub's issuer.
pub const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// An issuer of CI tokens that the operator trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    url: String,
    /// Whether addresses one segment below are this issuer too.
    enterprises: bool,
}

impl Issuer {
    /// GitHub, with the addresses of enterprises (`…/<slug>`). Their tokens are signed by the same
    /// keys, so a made-up slug makes the registry fetch nothing.
    pub fn github() -> Self {
        Self { url: GITHUB.to_owned(), enterprises: true }
    }

    /// An issuer by its address, as its tokens spell it in `iss`: `https`, or plain `http` on a
    /// loopback address for trying out.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with `url`.
    pub fn parse(url: &str) -> Result<Self, String> {
        if url == GITHUB {
            return Ok(Self::github());
        }
        let wrong = |why: &str| Err(format!("`{}` is no issuer: {why}", super::error::shown(url)));
        let Ok(uri) = url.parse::<Uri>() else { return wrong("it is not a URL") };
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
            return wrong("write `https://host` or `https://host/path`");
        };
        if url.contains(['@', '?', '#']) || url.ends_with('/') {
            return wrong("write it without user, query, fragment and final `/`");
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if is_loopback(host) => {}
            _ => return wrong("it must be https; plain http is taken on loopback only"),
        }
        Ok(Self { url: url.to_owned(), enterprises: false })
    }

    /// The issuer's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Whether a token that names `iss` is this issuer's: the very same text, or for GitHub exactly
    /// one segment of `A-Z a-z 0-9 -` more.
    pub(super) fn is(&self, iss: &str) -> bool {
        let Some(rest) = iss.strip_prefix(&self.url) else { return false };
        let slug = |rest: &str| {
            rest.strip_prefix('/').is_some_and(|slug| {
                !slug.is_empty() && slug.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
        };
        rest.is_empty() || (self.enterprises && slug(rest))
    }
}

/// Whether `url` has the scheme, host and port of `issuer`.
pub(super) fn same_origin(issuer: &str, url: &str) -> bool {
    let origin = |text: &str| {
        let uri: Uri = text.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let authority = uri.authority().filter(|a| !a.as_str().contains('@'))?;
        let port = authority.port_u16().or(match scheme.as_str() {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        })?;
        Some((scheme, authority.host().to_ascii_lowercase(), port))
    };
    origin(issuer).is_some_and(|wanted| origin(url) == Some(wanted))
}

/// Whether `host` (no port) is this machine itself: `localhost` or a loopback address.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_alike_issuers_are_not_github() {
        let github = Issuer::github();
        assert!(github.is(GITHUB));
        assert!(github.is(&format!("{GITHUB}/acme-Corp1")));
        for tail in [
            "/",
            "/a/b",
            "/a/",
            "/..",
            "/%2e",
            "/a?b",
            ".evil.com",
            "@evil.com",
            "/a b",
            "/ä",
            ":443",
        ] {
            assert!(!github.is(&format!("{GITHUB}{tail}")), "{tail}");
        }
        for other in [
            "http://token.actions.githubusercontent.com",
            "https://token.actions.githubusercontent.co",
            "https://TOKEN.actions.githubusercontent.com",
            "https://token-actions.githubusercontent.com",
            "https://evil.com/https://token.actions.githubusercontent.com",
            "",
        ] {
            assert!(!github.is(other), "{other}");
        }
        let own = Issuer::parse("https://ghes.example.org/_services/token").unwrap();
        assert!(own.is("https://ghes.example.org/_services/token"));
        assert!(!own.is("https://ghes.example.org/_services/token/acme"), "GitHub's own rule");
    }

    #[test]
    fn plain_http_is_for_loopback() {
        for url in ["http://127.0.0.1:8080/_dev", "http://localhost:1", "http://[::1]:9", GITHUB] {
            assert_eq!(Issuer::parse(url).map(|issuer| issuer.url), Ok(url.to_owned()));
        }
        for url in [
            "http://example.org",
            "http://127.0.0.1.evil.com",
            "https://user@example.org",
            "https://example.org/",
            "https://example.org?x",
            "ftp://localhost",
            "localhost",
            "",
        ] {
            assert!(Issuer::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert!(same_origin("https://a.b/x", "https://A.b:443/y"));
        for other in
            ["http://a.b", "https://a.b:444", "https://a.b@c.d", "https://a.b.c", "a.b", "/x"]
        {
            assert!(!same_origin("https://a.b", other), "{other}");
        }
    }
}
