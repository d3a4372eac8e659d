//! Where a registry's file is: an address or a path, and how it is read.

use std::path::Path;

use base64::Engine as _;
use packhouse_core::escape::excerpt;
use packhouse_core::fppm::registry::{self, Registry};
use packhouse_core::secret::Secret;
use ureq::http::Method;

use super::{read_within, shown, told};
use crate::error::ClientError;
use crate::http::{Call, Client, Options};
use crate::url::RegistryUrl;

/// The longest registry that is read, in bytes.
const REGISTRY_BYTES: u64 = registry::BYTES as u64;

/// Reads registries; `token` goes to addresses below `trusted` alone.
pub struct Reader<'a> {
    /// How patient it is.
    pub options: Options,
    /// The registry that the user named, and its token.
    pub trusted: Option<(&'a RegistryUrl, &'a Secret)>,
}

/// What is shown to a server.
#[derive(Clone, Debug)]
pub struct Credential {
    scheme: &'static str,
    secret: Secret,
    /// Scheme, host and port of the only server that may see it.
    origin: String,
}

impl Credential {
    /// The header of a request to `url`, where that server may see it.
    pub fn header(&self, url: &str) -> Option<Secret> {
        let rest = url.strip_prefix(&self.origin)?;
        let whole = rest.is_empty() || rest.starts_with('/');
        whole.then(|| {
            Secret::new(format!("Authorization: {} {}", self.scheme, self.secret.reveal()))
        })
    }
}

/// A location without the password that it may hold.
pub fn public(location: &str) -> String {
    split(location)
        .map_or_else(|| location.to_owned(), |(scheme, _, rest)| format!("{scheme}://{rest}"))
}

/// Scheme, user with password, and the rest of an address.
fn split(location: &str) -> Option<(&str, Option<&str>, &str)> {
    let (scheme, rest) = location.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((user, host)) => Some((scheme, Some(user), &rest[end - host.len()..])),
        None => Some((scheme, None, rest)),
    }
}

/// Whether a location is an address, and not a path.
pub fn is_remote(location: &str) -> bool {
    location.starts_with("http://") || location.starts_with("https://")
}

impl Reader<'_> {
    /// Reads the registry at `location`, a path as seen from `folder`.
    ///
    /// # Errors
    ///
    /// [`ClientError`] that names the location, without a password.
    pub fn read(
        &self,
        location: &str,
        folder: &Path,
    ) -> Result<(Registry, Option<Credential>), ClientError> {
        if !is_remote(location) {
            let path = folder.join(location);
            let text = read_within(&path, REGISTRY_BYTES)?.ok_or_else(|| ClientError::Missing {
                message: format!("there is no registry `{}`", shown(&path)),
                help: "give an address that ends in `.yaml`, or the path of a file".to_owned(),
            })?;
            let registry =
                registry::read(text.as_bytes()).map_err(|broken| told(&path, &broken))?;
            return Ok((registry, None));
        }
        let (body, credential) = self.fetch(location)?;
        let registry = registry::read(&body).map_err(|broken| {
            let place = Path::new("").join(public(location));
            told(&place, &broken)
        })?;
        Ok((registry, credential))
    }

    fn fetch(&self, location: &str) -> Result<(Vec<u8>, Option<Credential>), ClientError> {
        let address = public(location);
        let user = split(location).and_then(|(_, user, _)| user);
        let end = address.find("://").map_or(0, |at| at + 3);
        let end = address[end..].find(['/', '?', '#']).map_or(address.len(), |at| end + at);
        let origin: RegistryUrl = address[..end].parse().map_err(|e: crate::url::UrlError| {
            ClientError::usage(e.to_string(), "mend the address")
        })?;
        let credential = match (user, self.trusted) {
            (Some(user), _) => {
                let pair = base64::engine::general_purpose::STANDARD.encode(decoded(user));
                Some(Credential {
                    scheme: "Basic",
                    secret: Secret::new(pair),
                    origin: origin.as_str().to_owned(),
                })
            }
            (None, Some((url, token))) if below(&address, url) => Some(Credential {
                scheme: "Bearer",
                secret: token.clone(),
                origin: url.origin().to_owned(),
            }),
            _ => None,
        };
        let what = format!("GET {}", excerpt(&address, 300));
        let client = Client::new(origin, self.options.clone());
        let mut call = Call::new(Method::GET, address.clone(), what.clone());
        if let Some(Credential { scheme, secret, .. }) = &credential {
            call = call.authorized(scheme, secret);
        }
        let (status, body) = client.attempt(&call, |answer| {
            let status = answer.status;
            answer.read(REGISTRY_BYTES, self.options.deadline).map(|body| (status, body))
        })?;
        match status {
            200 => Ok((body, credential)),
            401 | 403 => Err(ClientError::usage(
                format!("{what}: it asks for a password (status {status})"),
                "for a Packhouse registry name it with `--registry` and set PACKHOUSE_TOKEN, or write `https://user:password@…`",
            )),
            404 | 410 => Err(ClientError::Missing {
                message: format!("there is no registry at {}", excerpt(&address, 300)),
                help: "look at the address".to_owned(),
            }),
            _ => Err(ClientError::NotARegistry { what, found: format!("status {status}") }),
        }
    }
}

/// Whether an address is the registry's or below it.
fn below(address: &str, registry: &RegistryUrl) -> bool {
    address.strip_prefix(registry.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

/// `%XX` of a user's name or password as bytes.
fn decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| byte == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_what_is_shown() {
        for (location, told) in [
            ("https://u:p@example.org/x.yaml", "https://example.org/x.yaml"),
            (
                "https://u:p@ss@example.org:8080/x.yaml?a=b@c",
                "https://example.org:8080/x.yaml?a=b@c",
            ),
            ("https://example.org/a@b.yaml", "https://example.org/a@b.yaml"),
            ("../x@y/registry.yaml", "../x@y/registry.yaml"),
            ("https://u:p@example.org", "https://example.org"),
        ] {
            assert_eq!(public(location), told);
        }
        assert_eq!(decoded("a%3Ab%zz%"), b"a:b%zz%");
    }

    #[test]
    fn a_credential_is_for_one_server() {
        let credential = Credential {
            scheme: "Basic",
            secret: Secret::new("x"),
            origin: "https://example.org".to_owned(),
        };
        assert!(credential.header("https://example.org/fppm/git/a/b.git").is_some());
        for other in
            ["https://example.org.evil/a", "http://example.org/a", "https://example.org:1/a", ""]
        {
            assert!(credential.header(other).is_none(), "{other}");
        }
        let registry: RegistryUrl = "https://example.org/r".parse().unwrap();
        assert!(below("https://example.org/r/fppm/registry.yaml", &registry));
        assert!(!below("https://example.org/r2/registry.yaml", &registry));
    }
}
