//! The service's state: settings and ports.

use std::sync::Arc;

use packhouse_core::limits::Limits;

use crate::oidc::Verifier;
use crate::ports::{Blobs, Clock, Ledger};

/// Where the registry is reached: scheme, host, optional port and path prefix, no final `/`. All
/// URLs that the registry hands out start with it; `Host` headers are never believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Parses `https://packages.example.org` or `http://127.0.0.1:8080/prefix`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = text.trim_end_matches('/');
        let uri: http::Uri = url.parse().map_err(|e| format!("`{text}` is not a URL: {e}"))?;
        match (uri.scheme_str(), uri.authority(), uri.query()) {
            (Some("http" | "https"), Some(authority), None)
                if !authority.as_str().contains('@') =>
            {
                Ok(Self(url.to_owned()))
            }
            _ => Err(format!("`{text}` is not a public URL: write `https://host[:port][/prefix]`")),
        }
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Scheme, host and port: what audiences are bound to.
    pub fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let end = self.0[after_scheme..].find('/').map_or(self.0.len(), |at| after_scheme + at);
        &self.0[..end]
    }

    /// `host[:port]`: the audience that `ato` asks for.
    pub fn host(&self) -> &str {
        let origin = self.origin();
        origin.find("://").map_or(origin, |at| &origin[at + 3..])
    }

    /// Whether only this machine reaches it.
    pub fn is_loopback(&self) -> bool {
        crate::guard::is_loopback(self.host())
    }

    /// An absolute URL below it.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

/// The registry's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it is reached.
    pub public_url: PublicUrl,
    /// Where archives and files of packages are had, if that is another host: what strangers wrote
    /// then shares no origin with the registry's pages.
    pub files_url: Option<PublicUrl>,
    /// Whether reads need a token too.
    pub private: bool,
    /// Whether writes go without a token: for trying out, on loopback only.
    pub open: bool,
    /// Whether requests that a web page or another host could send are refused: always with `open`
    /// and with a development issuer.
    pub loopback_only: bool,
    /// The limits in force.
    pub limits: Limits,
    /// What `ato` shows at every command.
    pub motd: Option<String>,
    /// The number of the GitHub App that reviews pull requests.
    pub github_app: Option<u64>,
}

impl Settings {
    /// Where archives and files of packages are had.
    pub fn files_url(&self) -> &PublicUrl {
        self.files_url.as_ref().unwrap_or(&self.public_url)
    }
}

/// All that a handler needs.
pub struct Service {
    /// The settings.
    pub settings: Settings,
    /// The record of what is published.
    pub ledger: Arc<dyn Ledger>,
    /// The bytes.
    pub blobs: Arc<dyn Blobs>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whose CI tokens are believed.
    pub verifier: Verifier,
    /// Turns at checking archives; start with `Turns::default()`.
    pub turns: crate::publish::Turns,
    /// What GitHub tells the registry's App, where it has one.
    pub webhook: Option<crate::webhook::Webhook>,
    /// What the paths of other ecosystems' clients are set to.
    pub ecosystems: crate::compat::Ecosystems,
    /// What the read side keeps in memory; start with `Reads::default()`.
    pub reads: crate::read::Reads,
}

/// The service's state as handlers take it.
pub type App = Arc<Service>;
