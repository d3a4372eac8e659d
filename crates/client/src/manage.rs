//! What owners do to a package besides publishing, and what the registry tells about it.

use packhouse_core::api::read::{
    GithubAppAnswer, IndexFile, PackageAnswer, QueryAnswer, ReleaseAnswer, SearchAnswer,
};
use packhouse_core::api::transfer::StaticSite;
use packhouse_core::api::{
    MarkAnswer, MarkRequest, PolicyAnswer, RehearsalAnswer, RehearsalRequest,
};
use packhouse_core::audit::{RegistryFacts, target_text};
use packhouse_core::fppm::clash;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{Manifest, Target};
use packhouse_core::policy::{Manage, Policy, manage_audience};
use packhouse_core::secret::Secret;
use packhouse_core::version::Version;
use ureq::http::Method;

use crate::error::ClientError;
use crate::http::Client;
use crate::token::TokenSource;
use crate::url::encode;

/// The path of a package's own verbs and answers.
fn package_path(identifier: &Identifier, rest: &str) -> String {
    format!("/v1/package/{}{rest}", identifier.key())
}

/// What [`Client::find`] looks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Words; blank for all there is.
    pub query: &'a str,
    /// What packages offer, of this kind; packages without one.
    pub kind: Option<&'a str>,
    /// Packages of this format only.
    pub format: Option<&'a str>,
    /// The page, from 1.
    pub page: u32,
    /// Hits of a page, 1 to 100.
    pub limit: u32,
}

impl Client {
    /// The index file of a package; `None` where there is no such package.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`], and [`ClientError::Integrity`] for the file of another package.
    pub fn index(&self, identifier: &Identifier) -> Result<Option<IndexFile>, ClientError> {
        let found = self.get::<IndexFile>(&format!("/index/{}.json", identifier.key()));
        match found {
            Ok(index) if index.identifier.parse::<Identifier>().as_ref() == Ok(identifier) => {
                Ok(Some(index))
            }
            Ok(index) => Err(ClientError::Integrity(format!(
                "asked for `{identifier}`, the registry answered with `{}`",
                packhouse_core::escape::excerpt(&index.identifier, 200)
            ))),
            Err(ClientError::Refused(refusal)) if refusal.status == 404 => Ok(None),
            // A file server has no words of a registry for what is not there.
            Err(ClientError::NotARegistry { found, .. })
                if found.starts_with("status 404 ") && self.is_static() =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether this is no registry but the files of an export behind any file server: it has index
    /// files and blobs, and no `/v1`.
    pub fn is_static(&self) -> bool {
        self.get::<StaticSite>("/registry.json")
            .is_ok_and(|site| site.schema == 1 && site.is_static)
    }

    /// A package as its latest release describes it.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn package(&self, identifier: &Identifier) -> Result<PackageAnswer, ClientError> {
        self.get(&package_path(identifier, ""))
    }

    /// One release, as a reader sees it who shows `token`, or nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn release_as(
        &self,
        identifier: &Identifier,
        version: &str,
        token: Option<&Secret>,
    ) -> Result<ReleaseAnswer, ClientError> {
        let path = package_path(identifier, &format!("/releases/{}", encode(version)));
        self.get_as(&path, token)
    }

    /// One release.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn release(
        &self,
        identifier: &Identifier,
        version: &str,
    ) -> Result<ReleaseAnswer, ClientError> {
        self.release_as(identifier, version, self.read_token())
    }

    /// Packages that match `query`.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn search(&self, query: &str) -> Result<QueryAnswer, ClientError> {
        self.get(&format!("/v1/packages?query={}", encode(query)))
    }

    /// A page of packages of any format, or of what they offer.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn find(&self, wanted: &Wanted<'_>) -> Result<SearchAnswer, ClientError> {
        let Wanted { query, kind, format, page, limit } = wanted;
        let mut path = format!("/v1/search?page={page}&limit={limit}&query={}", encode(query));
        for (key, value) in [("kind", kind), ("format", format)] {
            if let Some(value) = value {
                path.push_str(&format!("&{key}={}", encode(value)));
            }
        }
        self.get(&path)
    }

    /// Asks what a publish would answer; nothing is stored. Without a token it is about what the
    /// request supposes.
    ///
    /// # Errors
    ///
    /// The refusal that a publish would get, and those of [`Client::get`].
    pub fn rehearse(
        &self,
        request: &RehearsalRequest,
        token: Option<&Secret>,
    ) -> Result<RehearsalAnswer, ClientError> {
        self.send(Method::POST, "/v1/publish/rehearse", token, Some(request))
    }

    /// The number of the registry's GitHub App; `None` where it has none.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn github_app(&self) -> Result<Option<u64>, ClientError> {
        match self.get::<GithubAppAnswer>("/github/app") {
            Ok(app) => Ok(Some(app.id)),
            Err(ClientError::Refused(refusal)) if refusal.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Yanks, or takes a yank back.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`] and of [`TokenSource::token`].
    pub fn yank(
        &self,
        tokens: &TokenSource,
        identifier: &Identifier,
        mark: &MarkRequest,
        mask: &dyn Fn(&Secret),
    ) -> Result<MarkAnswer, ClientError> {
        let audience = manage_audience(self.registry().origin(), identifier, Manage::Yank);
        let token = tokens.token(self, &audience, mask)?;
        self.send(Method::POST, &package_path(identifier, "/-/yank"), Some(&token), Some(mark))
    }

    /// Deprecates, or takes a deprecation back.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`] and of [`TokenSource::token`].
    pub fn deprecate(
        &self,
        tokens: &TokenSource,
        identifier: &Identifier,
        mark: &MarkRequest,
        mask: &dyn Fn(&Secret),
    ) -> Result<MarkAnswer, ClientError> {
        let audience = manage_audience(self.registry().origin(), identifier, Manage::Deprecate);
        let token = tokens.token(self, &audience, mask)?;
        self.send(Method::POST, &package_path(identifier, "/-/deprecate"), Some(&token), Some(mark))
    }

    /// A package's policy and pins.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn policy(&self, identifier: &Identifier) -> Result<PolicyAnswer, ClientError> {
        self.get(&package_path(identifier, "/-/policy"))
    }

    /// Changes a package's policy.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`] and of [`TokenSource::token`].
    pub fn set_policy(
        &self,
        tokens: &TokenSource,
        identifier: &Identifier,
        policy: &Policy,
        mask: &dyn Fn(&Secret),
    ) -> Result<PolicyAnswer, ClientError> {
        let audience = manage_audience(self.registry().origin(), identifier, Manage::Policy);
        let token = tokens.token(self, &audience, mask)?;
        self.send(Method::PUT, &package_path(identifier, "/-/policy"), Some(&token), Some(policy))
    }

    /// What the registry holds of a package and of what it needs, for the audit. `beside` are
    /// packages that will be published together with it, and so are not missing.
    ///
    /// # Errors
    ///
    /// Those of [`Client::get`].
    pub fn facts(
        &self,
        identifier: &Identifier,
        version: Option<&Version>,
        manifest: &Manifest,
        beside: &[Identifier],
    ) -> Result<RegistryFacts, ClientError> {
        let mut facts = RegistryFacts::default();
        if let Some(index) = self.index(identifier)? {
            for entry in &index.versions {
                let Ok(held) = Version::parse(entry.order, &entry.version) else { continue };
                if Some(&held) == version && entry.in_service() {
                    facts.same_version =
                        entry.tree_digest.parse().ok().map(packhouse_core::digest::TreeDigest);
                }
                facts.versions.push(held);
            }
        }
        if manifest.format == "fppm" {
            let mut others = self.fppm_packages(identifier.owner())?;
            others.extend_from_slice(beside);
            others.sort();
            others.dedup();
            facts.clashes = clash::beside(identifier, &others);
        }
        let needed: std::collections::BTreeMap<_, _> = manifest
            .dependencies
            .iter()
            .filter_map(|dependency| match &dependency.target {
                Target::Registry { identifier } => Some((identifier, &dependency.target)),
                _ => None,
            })
            .filter(|(needed, _)| *needed != identifier && !beside.contains(needed))
            .collect();
        let needed: Vec<_> = needed.into_iter().collect();
        let found = crate::parallel(&needed, 8, |_, (needed, _)| self.index(needed));
        for ((_, target), index) in needed.iter().zip(found) {
            let Some(index) = index? else {
                facts.missing_dependencies.push(target_text(target));
                continue;
            };
            let entries = index.versions.iter().filter(|entry| entry.in_service());
            let held: Vec<_> =
                entries.filter_map(|e| Version::parse(e.order, &e.version).ok()).collect();
            let usable = index.versions.iter().filter(|e| e.in_service() && e.yanked.is_none());
            let usable = usable.filter_map(|e| Version::parse(e.order, &e.version).ok());
            facts.held.insert(target_text(target), usable.collect());
            let same = manifest.dependencies.iter().filter(|d| d.target == **target);
            for wanted in same.filter_map(|d| d.requirement.as_ref()) {
                if !held.iter().any(|version| wanted.admits(version)) {
                    let missing = (target_text(target), wanted.text().to_owned());
                    facts.missing_releases.push(missing);
                }
            }
        }
        Ok(facts)
    }
}
