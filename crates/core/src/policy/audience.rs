//! Audiences: what a token for one publish must be made for.
//!
//! The client builds the text from what it is about to send, the registry rebuilds it from what it
//! was sent, and compares. Nobody parses one, and no registry ever hands one out: a hostile registry
//! cannot obtain a token that another registry, package or content would accept.

use crate::digest::Digest;
use crate::identifier::Identifier;
use crate::version::Version;

/// The audience of a publish: `packhouse:<registry origin>:<identifier>@<version>:sha256:<hex>`,
/// identifier and version as their keys. `registry_origin` is scheme, host and port as in
/// `https://packages.example.org`; a final `/` is dropped, case is folded.
pub fn audience(
    registry_origin: &str,
    identifier: &Identifier,
    version: &Version,
    digest: &Digest,
) -> String {
    bound("packhouse", registry_origin, identifier, version, digest)
}

/// The audience of a rehearsal, which decides all that a publish would and writes nothing:
/// as [`audience`] with `packhouse-rehearse:` in front, so that neither passes for the other.
pub fn rehearsal_audience(
    registry_origin: &str,
    identifier: &Identifier,
    version: &Version,
    digest: &Digest,
) -> String {
    bound("packhouse-rehearse", registry_origin, identifier, version, digest)
}

/// What an owner's CI does to a package besides publishing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manage {
    /// Yank, or take a yank back.
    Yank,
    /// Deprecate, or take a deprecation back.
    Deprecate,
    /// Change the policy.
    Policy,
}

/// The audience of a token that manages `identifier`: `packhouse-yank:<registry origin>:<identifier>`,
/// good for nothing else.
pub fn manage_audience(registry_origin: &str, identifier: &Identifier, what: Manage) -> String {
    let what = match what {
        Manage::Yank => "yank",
        Manage::Deprecate => "deprecate",
        Manage::Policy => "policy",
    };
    format!("packhouse-{what}:{}:{}", folded(registry_origin), identifier.key())
}

fn bound(
    purpose: &str,
    registry_origin: &str,
    identifier: &Identifier,
    version: &Version,
    digest: &Digest,
) -> String {
    let origin = folded(registry_origin);
    format!("{purpose}:{origin}:{}@{}:sha256:{digest}", identifier.key(), version.key())
}

/// Scheme and host have no case (RFC 3986 §6.2.2.1): both sides fold, so that a registry configured
/// as `https://Example.org` is the one that is called `https://example.org`.
fn folded(registry_origin: &str) -> String {
    registry_origin.trim_end_matches('/').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Order;

    #[test]
    fn an_audience_binds_registry_package_version_and_bytes() {
        let id: Identifier = "Acme/Sensor".parse().unwrap();
        let version = Version::parse(Order::SemVer, "1.2.3+build.7").unwrap();
        let digest = Digest::of(b"abc");
        let made = audience("https://Packages.example.org/", &id, &version, &digest);
        insta::assert_snapshot!(made, @"packhouse:https://packages.example.org:acme/sensor@1.2.3:sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let rehearsed = rehearsal_audience("https://packages.example.org", &id, &version, &digest);
        assert_eq!(rehearsed, made.replacen("packhouse:", "packhouse-rehearse:", 1));
        let others = [
            audience("https://packages.example.org:8443", &id, &version, &digest),
            audience("http://packages.example.org", &id, &version, &digest),
            audience(
                "https://packages.example.org",
                &"acme/sensor/x".parse().unwrap(),
                &version,
                &digest,
            ),
            audience("https://packages.example.org", &id, &version, &Digest::of(b"abd")),
        ];
        assert!(others.iter().all(|other| *other != made));
    }
}
