//! The registry's address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use packhouse_core::escape::excerpt;

/// Where a registry is: `https://host[:port][/prefix]`, no final `/`. Plain `http` is for loopback
/// only: anywhere else a token or a digest could be read or changed on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryUrl {
    text: String,
    authority_end: usize,
    loopback: bool,
}

/// Why a text is no registry's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a registry's address: {reason}")]
pub struct UrlError {
    /// What was found, made printable.
    pub text: String,
    /// What would be right.
    pub reason: &'static str,
}

impl RegistryUrl {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port: what tokens are bound to.
    pub fn origin(&self) -> &str {
        &self.text[..self.authority_end]
    }

    /// Whether the registry runs on this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// An absolute address below it; `path` starts with `/`.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// Whether bytes may go to, or come from, `url`: `https` anywhere, or plain `http` to this very
    /// machine when the registry itself is on it. User names, blanks and the like are refused.
    pub fn admits(&self, url: &str) -> bool {
        split(url).is_ok_and(|(scheme, authority, _)| {
            scheme == "https" || (self.loopback && is_loopback(host(authority)))
        })
    }
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for RegistryUrl {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let wrong = |reason| UrlError { text: excerpt(text, 200), reason };
        let (scheme, authority, rest) = split(text).map_err(wrong)?;
        if rest.contains(['?', '#']) {
            return Err(wrong("leave out what follows `?` or `#`"));
        }
        let loopback = is_loopback(host(authority));
        if scheme == "http" && !loopback {
            return Err(wrong("plain `http` is for this machine only, write `https://…`"));
        }
        let default = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.strip_suffix(default).unwrap_or(authority);
        let origin = format!("{scheme}://{}", authority.to_ascii_lowercase());
        let text = format!("{origin}{}", rest.trim_end_matches('/'));
        Ok(Self { text, authority_end: origin.len(), loopback })
    }
}

/// Scheme (lower case), authority, and the rest of a URL.
fn split(text: &str) -> Result<(&'static str, &str, &str), &'static str> {
    const FORM: &str = "write `https://packages.example.org`";
    let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
    let scheme = match scheme {
        s if s.eq_ignore_ascii_case("https") => "https",
        s if s.eq_ignore_ascii_case("http") => "http",
        _ => return Err(FORM),
    };
    if text.bytes().any(|b| !b.is_ascii_graphic() || b == b'\\') {
        return Err("it has a blank or a character that is not ASCII");
    }
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("leave out user name and password; tokens come from `PACKHOUSE_TOKEN`");
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if host(authority).is_empty() || !authority.bytes().all(allowed) {
        return Err(FORM);
    }
    let named = if authority.starts_with('[') {
        let end = authority.find(']').ok_or(FORM)?;
        host(authority).parse::<std::net::Ipv6Addr>().map_err(|_| FORM)?;
        end + 1
    } else {
        host(authority).len()
    };
    match authority[named..].strip_prefix(':') {
        Some(digits) if digits.parse::<u16>().is_err() => {
            Err("its port is not a number up to 65535")
        }
        None if named < authority.len() => Err(FORM),
        _ => Ok((scheme, authority, rest)),
    }
}

/// The host of `host[:port]`, without the brackets of an IPv6 address.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    }
}

/// Whether `host` is this machine. Only addresses and the one name that RFC 6761 keeps for it: any
/// other name could resolve elsewhere.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether `url` is `http` on this machine, or `https` on a host that is, or ends in, `suffix`
/// (which starts with a dot).
pub(crate) fn is_on(url: &str, suffix: &str) -> bool {
    split(url).is_ok_and(|(scheme, authority, _)| {
        let host = host(authority);
        is_loopback(host) || (scheme == "https" && host.to_ascii_lowercase().ends_with(suffix))
    })
}

/// Whether `url` leads to this machine.
pub(crate) fn leads_here(url: &str) -> bool {
    split(url).is_ok_and(|(_, authority, _)| is_loopback(host(authority)))
}

/// `text` with everything but RFC 3986's unreserved characters percent-encoded.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte as char);
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, String> {
        text.parse::<RegistryUrl>().map(|u| u.to_string()).map_err(|e| e.to_string())
    }

    #[test]
    fn an_address_is_normalised() {
        assert_eq!(
            url("HTTPS://Packages.Example.org:443/").as_deref(),
            Ok("https://packages.example.org")
        );
        assert_eq!(url("https://x.org/Prefix/").as_deref(), Ok("https://x.org/Prefix"));
        let here: RegistryUrl = "http://[::1]:8080/p".parse().unwrap();
        assert_eq!((here.origin(), here.is_loopback()), ("http://[::1]:8080", true));
        assert_eq!(here.join("/v1"), "http://[::1]:8080/p/v1");
    }

    #[test]
    fn errors_say_what_would_be_right() {
        let texts = [
            "packages.example.org",
            "ftp://x.org",
            "http://packages.example.org",
            "https://",
            "https://u:p@x.org",
            "https://x.org/?a",
            "https://x.org:99999",
            "https://x .org",
            "https://[::1",
            "http://localhost.evil.org",
            "http://127.0.0.1.evil.org",
            "https://x.org\\@evil.org",
            "https://[::1]x:1",
        ];
        let table: String = texts
            .map(|t| match url(t) {
                Ok(url) => format!("ACCEPTED {url}\n"),
                Err(error) => format!("{error}\n"),
            })
            .concat();
        insta::assert_snapshot!(table, @r"
        `packages.example.org` is not a registry's address: write `https://packages.example.org`
        `ftp://x.org` is not a registry's address: write `https://packages.example.org`
        `http://packages.example.org` is not a registry's address: plain `http` is for this machine only, write `https://…`
        `https://` is not a registry's address: write `https://packages.example.org`
        `https://u:p@x.org` is not a registry's address: leave out user name and password; tokens come from `PACKHOUSE_TOKEN`
        `https://x.org/?a` is not a registry's address: leave out what follows `?` or `#`
        `https://x.org:99999` is not a registry's address: its port is not a number up to 65535
        `https://x .org` is not a registry's address: it has a blank or a character that is not ASCII
        `https://[::1` is not a registry's address: write `https://packages.example.org`
        `http://localhost.evil.org` is not a registry's address: plain `http` is for this machine only, write `https://…`
        `http://127.0.0.1.evil.org` is not a registry's address: plain `http` is for this machine only, write `https://…`
        `https://x.org\@evil.org` is not a registry's address: it has a blank or a character that is not ASCII
        `https://[::1]x:1` is not a registry's address: write `https://packages.example.org`
        ");
    }

    #[test]
    fn bytes_go_to_https_or_stay_on_this_machine() {
        let here: RegistryUrl = "http://127.0.0.1:1".parse().unwrap();
        let far: RegistryUrl = "https://x.org".parse().unwrap();
        for (url, from_here, from_far) in [
            ("https://bucket.example.com/a?b=c", true, true),
            ("http://127.0.0.1:9/a", true, false),
            ("http://10.0.0.1/a", false, false),
            ("file:///etc/passwd", false, false),
            ("https://u@x.org/", false, false),
        ] {
            assert_eq!((here.admits(url), far.admits(url)), (from_here, from_far), "{url}");
        }
    }

    #[test]
    fn a_host_suffix_is_a_suffix_of_the_host() {
        let suffix = ".actions.githubusercontent.com";
        assert!(is_on("https://pipelines.actions.githubusercontent.com/x?y", suffix));
        assert!(is_on("http://127.0.0.1:5/t?a", suffix));
        for url in [
            "https://evil.org/.actions.githubusercontent.com",
            "https://evil.org?.actions.githubusercontent.com",
            "https://evil.org#.actions.githubusercontent.com",
            "http://a.actions.githubusercontent.com",
            "https://a.actions.githubusercontent.com.evil.org",
            "https://a.actions.githubusercontent.com@evil.org",
            "https://evil.org\\.actions.githubusercontent.com",
        ] {
            assert!(!is_on(url, suffix), "{url}");
        }
    }

    #[test]
    fn what_is_not_unreserved_is_encoded() {
        assert_eq!(
            encode("packhouse:https://x@1~a ü"),
            "packhouse%3Ahttps%3A%2F%2Fx%401~a%20%C3%BC"
        );
    }
}
