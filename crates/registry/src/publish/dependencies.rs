//! What a publisher and every consumer should know of a release's dependencies: a pin that the registry
//! does not hold, versions that exclude each other further down, packages that need each other, a
//! folder that nobody else can follow.
//!
//! It never stops a publish: what cannot be looked up, or takes too long, is not warned about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{Dependency, Target};
use packhouse_core::release::Release;
use packhouse_core::resolve::{self, Cycles, Known, Request, SourcePackage, UnresolvedKind};
use packhouse_core::version::Version;
use tokio::time::{Instant, timeout_at};

use crate::app::Service;
use crate::log;
use crate::ports::{StoreResult, Train};
use crate::read::index_of;

/// How many packages are looked at for one release, itself and all that it leads to; closures of
/// real packages have some dozen.
const PACKAGES: usize = 200;
/// How many versions all of them may have together.
const VERSIONS: usize = 5_000;
/// Packages that are looked up side by side.
const AT_ONCE: usize = 16;
/// How long looking up may take: clients wait ten seconds for the whole confirmation.
const TIME: Duration = Duration::from_secs(1);
/// Steps of the resolver: some tenths of a second, where a real closure takes some hundred.
const STEPS: u64 = 20_000;

/// The release that is asked about.
pub(super) struct Asked<'a> {
    pub(super) identifier: &'a Identifier,
    pub(super) version: &'a Version,
    pub(super) dependencies: &'a [Dependency],
    /// Its members count as released, with what they need where they are prepared already: what the
    /// others need is not known before their bytes are read.
    pub(super) train: &'a Train,
}

/// Releases by package, or why they could not be looked up.
type Found = BTreeMap<Identifier, StoreResult<Vec<Release>>>;

/// One text for each dependency that consumers will not get, and one for what is wrong further
/// down: lines of an explanation, separated by line feeds.
pub(super) async fn warnings(service: &Service, asked: &Asked<'_>) -> Vec<String> {
    let until = Instant::now() + TIME;
    let Some(beside) = beside(service, asked, until).await else {
        unknown(asked, "what rides its train was not looked up");
        return Vec::new();
    };
    let direct = registry(asked.dependencies).take(PACKAGES);
    let theirs = beside.iter().flat_map(|member| registry(&member.described.dependencies));
    let first: BTreeSet<Identifier> = direct.chain(theirs.take(PACKAGES)).collect();
    let Some(found) = look_up(service, &first, until).await else {
        unknown(asked, "its dependencies were not looked up in time");
        return Vec::new();
    };
    let mut warnings = Vec::new();
    let mut sound = Vec::new();
    let mut complete = asked.dependencies.len() <= PACKAGES;
    for dependency in asked.dependencies.iter().take(PACKAGES) {
        match &dependency.target {
            Target::Registry { identifier } => match found.get(identifier) {
                Some(Ok(releases)) => match direct_warning(identifier, dependency, releases, asked)
                {
                    Some(warning) => warnings.push(warning),
                    None => sound.push(dependency.clone()),
                },
                Some(Err(error)) => {
                    unknown(asked, &format!("`{identifier}` was not looked up: {error}"));
                    complete = false;
                }
                None => complete = false,
            },
            Target::File { path, .. } => warnings.push(format!(
                "dependency `{}` is a folder on the publisher's machine",
                packhouse_core::escape::printable(path)
            )),
            Target::Native(_) | Target::Git { .. } | Target::Url { .. } => {}
        }
    }
    if complete && !sound.is_empty() {
        match closure(service, found, until).await {
            Ok(known) => warnings.extend(explained(known, sound, asked, beside).await),
            Err(why) => unknown(asked, &why),
        }
    }
    warnings
}

/// The other members of the train that are prepared; `None` where they could not be looked up.
async fn beside(service: &Service, asked: &Asked<'_>, until: Instant) -> Option<Vec<Release>> {
    if asked.train.members.len() < 2 || registry(asked.dependencies).next().is_none() {
        return Some(Vec::new());
    }
    let found = timeout_at(until, service.ledger.prepared(asked.train)).await.ok()?.ok()?;
    Some(found.into_iter().filter(|release| release.identifier != *asked.identifier).collect())
}

fn unknown(asked: &Asked, why: &str) {
    log::info(&format!("{}@{} has no warnings: {why}", asked.identifier, asked.version));
}

/// What is wrong with one dependency of the release's own.
fn direct_warning(
    identifier: &Identifier,
    dependency: &Dependency,
    releases: &[Release],
    asked: &Asked,
) -> Option<String> {
    let fits = |version| dependency.requirement.as_ref().is_none_or(|r| r.admits(version));
    let riding = asked.train.members.iter().filter(|m| m.identifier == *identifier);
    let riding = riding.map(|member| &member.version);
    let usable = || releases.iter().filter(|r| usable(r));
    let mut known = usable().map(|r| &r.version).chain(riding.clone()).peekable();
    if known.peek().is_none() {
        return Some(format!("dependency `{identifier}` is not in this registry"));
    }
    let requirement = dependency.requirement.as_ref()?.text();
    if !known.any(fits) {
        return Some(format!("no release of dependency `{identifier}` fits `{requirement}`"));
    }
    // New projects will not get it, although older ones keep it.
    let yanked = usable().filter(|r| fits(&r.version)).all(|r| r.marks.yanked.is_some());
    (yanked && !riding.clone().any(fits)).then(|| {
        format!("every release of dependency `{identifier}` that fits `{requirement}` is yanked")
    })
}

fn usable(release: &Release) -> bool {
    release.marks.removed.is_none() && release.marks.quarantined.is_none()
}

/// The packages of a registry that are named.
fn registry(dependencies: &[Dependency]) -> impl Iterator<Item = Identifier> {
    dependencies.iter().filter_map(|dependency| match &dependency.target {
        Target::Registry { identifier } => Some(identifier.clone()),
        _ => None,
    })
}

/// The releases of some packages; `None` when time is up.
async fn look_up(
    service: &Service,
    packages: &BTreeSet<Identifier>,
    until: Instant,
) -> Option<Found> {
    let each: Vec<_> = packages.iter().map(|id| releases(service, id.clone())).collect();
    timeout_at(until, stream::iter(each).buffered(AT_ONCE).collect()).await.ok()
}

async fn releases(service: &Service, of: Identifier) -> (Identifier, StoreResult<Vec<Release>>) {
    let found = service.ledger.releases(&of).await;
    (of, found)
}

/// All that the packages lead to; else why it is not known.
async fn closure(service: &Service, first: Found, until: Instant) -> Result<Known, String> {
    let mut known = Known::new();
    let mut seen: BTreeSet<Identifier> = first.keys().cloned().collect();
    let (mut wave, mut versions) = (first, 0);
    while !wave.is_empty() {
        let mut next = BTreeSet::new();
        for (identifier, releases) in wave {
            let releases =
                releases.map_err(|e| format!("`{identifier}` was not looked up: {e}"))?;
            versions += releases.len();
            for release in releases.iter().filter(|release| usable(release)) {
                let needed = registry(&release.described.dependencies);
                next.extend(needed.filter(|id| seen.insert(id.clone())));
            }
            // What has no release is not there.
            if !releases.is_empty() {
                let index = index_of(None, &identifier, releases);
                known.add(&index).map_err(|error| error.to_string())?;
            }
        }
        if seen.len() > PACKAGES || versions > VERSIONS {
            return Err(format!("it leads to {} packages and {versions} versions", seen.len()));
        }
        let found = look_up(service, &next, until).await;
        wave = found.ok_or("what it leads to was not looked up in time")?;
    }
    Ok(known)
}

/// Why no set of versions gives the release what it needs, if none does.
async fn explained(
    mut known: Known,
    sound: Vec<Dependency>,
    asked: &Asked<'_>,
    mut beside: Vec<Release>,
) -> Option<String> {
    for member in asked.train.members.iter().filter(|m| m.identifier != *asked.identifier) {
        let prepared = beside.iter_mut().find(|release| release.identifier == member.identifier);
        let needs = prepared.map(|release| std::mem::take(&mut release.described.dependencies));
        let needs = needs.unwrap_or_default();
        known.add_version(member.identifier.clone(), member.version.clone(), needs);
    }
    // Whoever needs this package further down gets this very release, or there is a conflict.
    known.add_source(SourcePackage {
        identifier: asked.identifier.clone(),
        version: Some(asked.version.clone()),
        dependencies: sound.clone(),
        requires: Vec::new(),
        origin: "this publish".to_owned(),
    });
    let request = Request {
        title: format!("{}@{}", asked.identifier, asked.version),
        dependencies: sound,
        requires: Vec::new(),
        tools: BTreeMap::new(),
        prefer: BTreeMap::new(),
        cycles: Cycles::Refused,
    };
    let work = move || resolve::resolve_within(&known, &request, STEPS);
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(_)) => None,
        Ok(Err(found)) if found.kind != UnresolvedKind::TooHard => Some(found.lines.join("\n")),
        Ok(Err(found)) => {
            unknown(asked, &found.to_string());
            None
        }
        Err(error) => {
            unknown(asked, &error.to_string());
            None
        }
    }
}
