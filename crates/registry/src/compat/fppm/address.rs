//! Where a release can be cloned from: its publisher's own repository, where everybody can reach it.

use std::collections::HashMap;

use packhouse_core::claims::{OidcPublisher, Publisher};
use packhouse_core::fppm::Commit;
use packhouse_core::identifier::Identifier;
use packhouse_core::release::Release;

use crate::oidc::{GITHUB, is_loopback};

/// A commit of a repository that is not ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::compat) struct Address {
    /// What `git clone` takes.
    pub(in crate::compat) git: String,
    /// The commit that was released.
    pub(in crate::compat) commit: Commit,
    /// The branch or tag that leads to it.
    pub(in crate::compat) branch: String,
}

/// Which packages come from which repository. One that several packages come from has them in folders,
/// where F Prime's client does not find them.
#[derive(Default)]
pub(in crate::compat) struct Sources(HashMap<(String, String), Identifier>, Vec<(String, String)>);

impl Sources {
    /// Takes note of a package's releases.
    pub(in crate::compat) fn note(&mut self, identifier: &Identifier, releases: &[Release]) {
        for release in releases {
            let Publisher::Oidc(job) = &release.publisher else { continue };
            let key = (job.pins.issuer.clone(), job.pins.repository_id.clone());
            match self.0.get(&key) {
                Some(other) if other != identifier => self.1.push(key),
                Some(_) => {}
                None => {
                    self.0.insert(key, identifier.clone());
                }
            }
        }
    }

    fn is_shared(&self, job: &OidcPublisher) -> bool {
        self.1.iter().any(|(issuer, repository)| {
            *issuer == job.pins.issuer && *repository == job.pins.repository_id
        })
    }

    /// The publisher's repository at the release; `None` where it is not proven that everybody can
    /// clone it and finds the package at its root.
    pub(in crate::compat) fn address(&self, release: &Release) -> Option<Address> {
        match &release.publisher {
            Publisher::Oidc(job) if !self.is_shared(job) => of_job(job, release),
            // An operator rebuilt it from there: what he could fetch without a password, all can.
            Publisher::Imported(from) if from.path.is_empty() => Some(Address {
                git: from.repository.starts_with("https://").then(|| from.repository.clone())?,
                commit: from.commit.parse().ok()?,
                branch: from.tag.clone().unwrap_or_else(|| "HEAD".to_owned()),
            }),
            _ => None,
        }
    }
}

fn of_job(job: &OidcPublisher, release: &Release) -> Option<Address> {
    if job.repository_visibility.as_deref() != Some("public") {
        return None;
    }
    // A tag such as `sensor-v1.2.3` is that of a repository with several packages.
    let tag = job.git_ref.strip_prefix("refs/tags/");
    let bare = tag.map(|tag| tag.strip_prefix('v').unwrap_or(tag));
    if bare.is_some_and(|bare| bare != release.version.text()) {
        return None;
    }
    let branch = release.git_ref.as_deref().filter(|text| !text.is_empty()).or(tag);
    let branch = branch.or_else(|| job.git_ref.strip_prefix("refs/heads/"))?.to_owned();
    let git = match job.pins.issuer == GITHUB {
        true => format!("https://github.com/{}.git", job.repository),
        false => declared(&release.described.repository, &job.repository)?,
    };
    Some(Address { git, commit: job.sha.parse().ok()?, branch })
}

/// The address that the manifest declares, where it is that of the proven repository: of another
/// issuer it is not known which server has its repositories.
fn declared(address: &str, repository: &str) -> Option<String> {
    let uri: http::Uri = address.parse().ok()?;
    let here = uri.host().is_some_and(is_loopback);
    let scheme = matches!((uri.scheme_str(), here), (Some("https"), _) | (Some("http"), true));
    let plain = uri.query().is_none() && !uri.authority()?.as_str().contains('@');
    let path = uri.path().trim_matches('/');
    let same = path.strip_suffix(".git").unwrap_or(path).eq_ignore_ascii_case(repository);
    (scheme && plain && same).then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::fixtures::{Publish, job, train};

    fn release(change: impl FnOnce(&mut OidcPublisher, &mut String)) -> Release {
        let publish = Publish::new("acme/sensor", "1.0.0", "x");
        let mut release = publish.release(&publish.intent(&train([&publish])));
        let mut publisher = job("acme/sensor", 1);
        let Publisher::Oidc(job) = &mut publisher else { panic!() };
        job.repository_visibility = Some("public".to_owned());
        job.pins.issuer = GITHUB.to_owned();
        change(job, &mut release.described.repository);
        release.publisher = publisher;
        release.git_ref = None;
        release
    }

    fn address(release: &Release) -> Option<String> {
        let found = Sources::default().address(release)?;
        Some(format!("{} {} {}", found.git, &found.commit.as_str()[..4], found.branch))
    }

    #[test]
    fn only_what_everybody_can_clone_is_handed_out() {
        let public = release(|_, _| {});
        assert_eq!(
            address(&public).as_deref(),
            Some("https://github.com/acme/sensor.git 0000 v1.0.0")
        );
        for private in [None, Some("private".to_owned()), Some("internal".to_owned())] {
            assert_eq!(address(&release(|job, _| job.repository_visibility = private)), None);
        }
        assert_eq!(
            address(&release(|job, _| job.git_ref = "refs/tags/sensor-v1.0.0".into())),
            None
        );
        assert_eq!(address(&release(|job, _| job.sha = "abc".into())), None);
        let branch = release(|job, _| job.git_ref = "refs/heads/main".into());
        assert!(address(&branch).is_some_and(|text| text.ends_with(" main")));
    }

    #[test]
    fn another_issuers_address_is_the_declared_one_if_it_is_of_the_proven_repository() {
        let of = |declared: &str| {
            address(&release(|job, repository| {
                job.pins.issuer = "https://git.example.org/_services/token".to_owned();
                *repository = declared.to_owned();
            }))
        };
        for good in [
            "https://git.example.org/acme/sensor",
            "https://git.example.org/Acme/Sensor.git",
            "http://127.0.0.1:80/acme/sensor.git",
        ] {
            assert!(of(good).is_some_and(|text| text.starts_with(good)), "{good}");
        }
        for bad in [
            "",
            "https://git.example.org/other/sensor",
            "https://git.example.org/x/acme/sensor",
            "http://git.example.org/acme/sensor",
            "https://u:p@git.example.org/acme/sensor",
            "https://git.example.org/acme/sensor?x",
            "ssh://git@git.example.org/acme/sensor",
            "ext::sh -c x",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_repository_of_several_packages_has_none_at_its_root() {
        let (one, mut two) = (release(|_, _| {}), release(|_, _| {}));
        two.identifier = "acme/bus".parse().unwrap();
        let mut sources = Sources::default();
        sources.note(&one.identifier, std::slice::from_ref(&one));
        sources.note(&one.identifier, std::slice::from_ref(&one));
        assert!(sources.address(&one).is_some());
        sources.note(&two.identifier, std::slice::from_ref(&two));
        assert!(sources.address(&one).is_none() && sources.address(&two).is_none());
    }
}
