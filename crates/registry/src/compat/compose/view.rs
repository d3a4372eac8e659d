//! What stands in the view: releases of packages with processes or steps, and listings.

use packhouse_core::compose::{
    Audited, Compute, ComputeOutline, PackageListing, PackageOutline, RegisteredPackage, as_code,
};
use packhouse_core::manifest::Target;
use packhouse_core::python::Kind;
use packhouse_core::release::Release;

use super::ECOSYSTEM;
use crate::app::App;
use crate::compat::flat::{self, Entry};
use crate::error::ApiResult;

/// Classes of a package have numbers behind this many times the package's.
const NUMBERS: u64 = 10_000;

/// A package of the view.
pub(super) struct Shown {
    pub(super) id: u64,
    outline: PackageOutline,
    /// `None` where the registry answers as the first program's code.
    created_at: Option<String>,
    audit: Option<Audited>,
}

impl Shown {
    pub(super) fn of(app: &App, entry: &Entry) -> Option<Self> {
        let as_code = app.ecosystems.compose.as_code;
        let (outline, created_at, audit) = match entry {
            Entry::Package(held) => {
                let latest = held.latest()?;
                if !belongs(latest) {
                    return None;
                }
                let exports = latest.described.exports.iter();
                let compute = match as_code {
                    true => exports.filter_map(as_code::of_export).collect(),
                    false => exports.filter_map(ComputeOutline::of_export).collect(),
                };
                let (package_type, name) = ("pypi".to_owned(), held.name.name.clone());
                let first = held.releases.iter().map(|release| release.released_at).min()?;
                (PackageOutline { package_type, name, compute }, first, None)
            }
            Entry::Listing(listing) => {
                let said = listing.entry.as_ref()?.outline();
                let outline = serde_json::from_value(said.get("outline")?.clone()).ok()?;
                let audit = said.get("audit").and_then(|a| serde_json::from_value(a.clone()).ok());
                (outline, listing.created_at, audit)
            }
        };
        Some(Self {
            id: entry.view_id(),
            outline,
            created_at: (!as_code).then(|| created_at.to_string()),
            audit: audit.filter(|_| !as_code),
        })
    }

    /// Its processes and steps.
    pub(super) fn compute(&self) -> impl Iterator<Item = Compute> {
        let numbers = self.id.saturating_mul(NUMBERS)..;
        let compute = self.outline.compute.iter().cloned().zip(numbers.skip(1));
        compute.map(|(compute, number)| compute.numbered(number))
    }

    /// As the list of packages shows it.
    pub(super) fn listing(&self) -> PackageListing {
        let count = |kind| self.outline.compute.iter().filter(|c| c.compute_type == kind).count();
        PackageListing {
            id: self.id,
            name: self.outline.name.clone(),
            package_type: self.outline.package_type.clone(),
            num_processes: count(Kind::Process),
            num_steps: count(Kind::Step),
            created_at: self.created_at.clone(),
        }
    }

    /// As it is answered alone.
    pub(super) fn registered(&self) -> RegisteredPackage {
        let of = |kind| self.compute().filter(|c| c.compute_type == kind).collect();
        RegisteredPackage {
            database_id: self.id,
            package_type: self.outline.package_type.clone(),
            name: self.outline.name.clone(),
            processes: of(Kind::Process),
            steps: of(Kind::Step),
            audit: self.audit.clone(),
        }
    }
}

/// Whether a release is of a package for process-bigraph; the view of Python's names holds others, too.
fn belongs(release: &Release) -> bool {
    let offers = |kind: &str| matches!(kind, "process" | "step");
    release.described.exports.iter().any(|export| offers(&export.kind))
        || release.described.dependencies.iter().any(|dependency| {
            matches!(&dependency.target, Target::Native(name)
                if name.ecosystem == ECOSYSTEM
                    && matches!(name.name.as_str(), "bigraph-schema" | "process-bigraph"))
        })
}

/// All packages of the view, by name.
pub(super) async fn all(app: &App) -> ApiResult<Vec<Shown>> {
    let entries = flat::all(app, ECOSYSTEM).await?;
    Ok(entries.iter().filter_map(|entry| Shown::of(app, entry)).collect())
}

/// The package of this number.
pub(super) async fn find(app: &App, id: u64) -> ApiResult<Option<Shown>> {
    Ok(flat::by_id(app, ECOSYSTEM, id).await?.as_ref().and_then(|entry| Shown::of(app, entry)))
}
