//! Looks through the latest releases for what advisories are about, and keeps what was found.
//!
//! What is kept is a view: any number may make it at once, and the next scan mends what got lost.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::audit::target_text;
use packhouse_core::identifier::Identifier;
use packhouse_core::quality::{Advised, Advisories, Subject};
use packhouse_core::release::Release;
use packhouse_core::version::Version;

use crate::app::Service;
use crate::log;
use crate::ports::{StoreError, StoreResult};
use crate::read::latest;

/// Packages that are read from the ledger in one call.
const PORTION: u32 = 1_000;

/// Which packages are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// These.
    Some(BTreeSet<Identifier>),
}

/// Keeps the advisories about the latest release of each package in `scope`; the packages of which
/// something else was kept before. A package whose records are damaged is logged and left out.
///
/// # Errors
///
/// Those of the store; what was kept before is kept.
pub async fn scan(
    service: &Service,
    advisories: &Advisories,
    scope: &Scope,
) -> StoreResult<Vec<Identifier>> {
    let mut scan = Scan { service, advisories, held: BTreeMap::new(), changed: Vec::new() };
    match scope {
        Scope::Some(packages) => {
            for package in packages {
                scan.keep(package).await?;
            }
        }
        Scope::All => {
            let mut after = None;
            loop {
                let portion = service.ledger.packages(after.as_ref(), PORTION).await?;
                for package in &portion {
                    scan.keep(package).await?;
                }
                match portion.into_iter().next_back() {
                    Some(last) => after = Some(last),
                    None => break,
                }
            }
        }
    }
    service.reads.catalogue.recount(scan.changed.clone());
    Ok(scan.changed)
}

struct Scan<'a> {
    service: &'a Service,
    advisories: &'a Advisories,
    /// Versions in service of dependencies that advisories are about.
    held: BTreeMap<String, Vec<Version>>,
    changed: Vec<Identifier>,
}

impl Scan<'_> {
    async fn keep(&mut self, package: &Identifier) -> StoreResult<()> {
        match self.look(package).await {
            Err(StoreError::Broken(why)) => {
                log::error(&format!("`{package}` is not looked through for advisories: {why}"));
                Ok(())
            }
            other => other,
        }
    }

    async fn look(&mut self, package: &Identifier) -> StoreResult<()> {
        let ledger = &self.service.ledger;
        let Some(latest) = latest(ledger.releases(package).await?) else { return Ok(()) };
        let dependencies = &latest.described.dependencies;
        for dependency in dependencies.iter().filter(|d| self.advisories.concern(&d.target)) {
            let text = target_text(&dependency.target);
            let Some(needed) = dependency.target.identifier() else { continue };
            if let Entry::Vacant(unknown) = self.held.entry(text) {
                let releases = ledger.releases(needed).await?;
                let usable = releases.into_iter().filter(usable).map(|release| release.version);
                unknown.insert(usable.collect());
            }
        }
        let subject = Subject {
            identifier: Some(package),
            native: latest.described.native.as_ref(),
            version: Some(&latest.version),
            dependencies,
            held: &self.held,
        };
        let found = Advised::of(package, &latest.version, &self.advisories.about(&subject));
        // A write for every package at every scan would be most of what a quiet registry does.
        if ledger.advised(package).await?.as_ref() != Some(&found) {
            ledger.set_advised(&found).await?;
            self.changed.push(package.clone());
        }
        Ok(())
    }
}

/// Whether a new resolution may choose it.
fn usable(release: &Release) -> bool {
    let marks = &release.marks;
    marks.yanked.is_none() && marks.quarantined.is_none() && marks.removed.is_none()
}
