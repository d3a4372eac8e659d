//! The review of a pull request: two commits are read as data, their packages audited and compared,
//! and the registry is asked what it would say to the releases that follow.
//!
//! Nothing of the pull request is executed or checked out. Whoever asks says where commits and
//! registry are: the command line has a checkout and HTTP, the App's worker GitHub's API and the
//! registry's own stores.

mod checkout;
mod installed;

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use packhouse_core::api::RehearsalRequest;
use packhouse_core::audit::{RegistryFacts, Strict};
use packhouse_core::digest::Digest;
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::quality::{Advisories, Claim};
use packhouse_core::report::size;
use packhouse_core::review::{
    Base, Checked, Difference, Outlook, Released, Review, Standing, Verdict,
};
use packhouse_core::snapshot::{Contents, Listing, Located, PatternError};
use packhouse_core::source::{Opened, Ready, Setting, Source};
use packhouse_core::version::Version;

use crate::github::GitHubError;

pub use installed::{Reviewed, installed};

/// The most packages that are looked at.
const PACKAGES: usize = 50;
/// The most bytes that are read of one commit. A file counts for each package that holds it: nested
/// ones are packed and audited each by itself.
const BYTES: u64 = 128 << 20;
/// The most manifests and ignore files that are read of one commit, and their bytes.
const STEERING: usize = 2_000;
const STEERING_BYTES: u64 = 8 << 20;
/// The most workflows that are looked through, and the largest in bytes.
const WORKFLOWS: usize = 30;
const WORKFLOW_BYTES: u64 = 256 << 10;

/// Why a review could not be made; printable.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// The commits cannot be read.
    #[error("the repository cannot be read: {0}")]
    Unreadable(String),
    /// GitHub's answers did not come: another try may do better.
    #[error(transparent)]
    Passing(Box<GitHubError>),
    /// A list of packages that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

/// A repository's commits as data.
#[async_trait]
pub trait Commits: Send + Sync {
    /// Every file of `commit`.
    async fn listing(&self, commit: &str) -> Result<Listing, ReviewError>;
    /// The contents of `wanted`, which are paths of `listing`.
    async fn contents(
        &self,
        commit: &str,
        listing: &Listing,
        wanted: &[String],
    ) -> Result<Contents, ReviewError>;
}

/// A registry as a review asks it. What it does not answer is left out of the review.
#[async_trait]
pub trait Registry: Send + Sync {
    /// What it knows of a package.
    async fn facts(
        &self,
        source: &Source,
        setting: &Setting,
        beside: &[Identifier],
    ) -> Option<RegistryFacts>;
    /// A package's latest release.
    async fn released(&self, identifier: &Identifier) -> Option<Released>;
    /// What it shows of a package's latest release.
    async fn standing(&self, identifier: &Identifier) -> Option<Standing>;
    /// What it would say to a release.
    async fn rehearse(&self, candidate: &Candidate) -> Verdict;
}

/// A package that could be released, without its archive: only what is asked about it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What it is called.
    pub identifier: Identifier,
    /// Its version.
    pub version: Version,
    /// SHA-256 of its archive.
    pub digest: Digest,
    /// The archive's size in bytes.
    pub archive_bytes: u64,
    /// What a registry is asked about the run that would publish it, in nobody's name yet.
    pub request: RehearsalRequest,
}

impl Candidate {
    fn of(ready: &Ready) -> Self {
        Self {
            identifier: ready.identifier.clone(),
            version: ready.version.clone(),
            digest: ready.archive.digest,
            archive_bytes: ready.archive.bytes.len() as u64,
            request: ready.rehearsal(&[], None),
        }
    }
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `owner/name`.
    pub repository: String,
    /// `https://github.com/owner/name`.
    pub repository_url: String,
    /// The commit that is audited.
    pub audited: String,
    /// The commit that links name: of a merge that GitHub made, the one that people know.
    pub head: String,
    /// The commit that it is compared with.
    pub base: Base,
    /// The packages that are meant, as folders or patterns; none means all.
    pub only: Vec<String>,
    /// Whether the strict rules of the audit are asked for. Commits hold no builds, so those that look at
    /// one are silent.
    pub strict: bool,
    /// The advisories that packages are matched with, where some were given.
    pub advisories: Option<Arc<Advisories>>,
    /// What the reports say that were given.
    pub claim: Option<Claim>,
    /// The limits in force.
    pub limits: Limits,
}

impl Asked {
    /// What the strict rules need of a package in `folder`, if they are asked for.
    fn strict(&self, folder: &str) -> Option<Strict> {
        let place = if folder.is_empty() { &self.repository } else { folder };
        let name = place.rsplit('/').next().map(str::to_owned);
        self.strict.then_some(Strict { folder_name: name, build: None })
    }
}

/// One of the two commits.
struct Side {
    commit: String,
    listing: Listing,
    /// Its manifests and ignore files.
    steering: Contents,
    packages: Vec<Located>,
}

/// Reviews what is asked for; `registry` may be nobody.
///
/// # Errors
///
/// [`ReviewError`].
pub async fn review(
    commits: &dyn Commits,
    registry: Option<&dyn Registry>,
    asked: &Asked,
) -> Result<Review, ReviewError> {
    let mut head = side(commits, &asked.audited, asked).await?;
    let mut base = match &asked.base {
        Base::Commit(commit) => Some(side(commits, commit, asked).await?),
        Base::Missing(_) => None,
    };
    let all = head.packages.len();
    if let Some(base) = &mut base {
        let prints = |side: &Side| -> HashSet<(String, Digest)> {
            side.packages.iter().map(|package| (package.folder.clone(), package.print)).collect()
        };
        let (mine, theirs) = (prints(&head), prints(base));
        let key = |package: &Located| (package.folder.clone(), package.print);
        head.packages.retain(|package| !theirs.contains(&key(package)));
        base.packages.retain(|package| !mine.contains(&key(package)));
    }
    let untouched = all - head.packages.len();
    // What is not looked at is left out of both sides, or it would seem to go away.
    let left_out = head.packages.split_off(head.packages.len().min(PACKAGES));
    let mut unseen = left_out.len();
    if let Some(base) = &mut base {
        base.packages
            .retain(|package| !left_out.iter().any(|other| other.folder == package.folder));
        let stands = |package: &Located| head.packages.iter().any(|p| p.folder == package.folder);
        let gone = base.packages.iter().filter(|package| !stands(package)).count();
        let mut kept = 0;
        base.packages.retain(|package| {
            kept += usize::from(!stands(package));
            stands(package) || kept <= PACKAGES
        });
        unseen += gone.saturating_sub(PACKAGES);
    }
    let workflows = workflows(commits, &head).await?;
    let (after, candidates) = checked(commits, registry, &mut head, asked, true).await?;
    let before = match &mut base {
        Some(base) => checked(commits, registry, base, asked, false).await?.0,
        None => Vec::new(),
    };
    let mut review =
        Review::compare(&asked.repository_url, &asked.head, asked.base.clone(), after, before);
    (review.untouched, review.unseen) = (untouched, unseen);
    review.claim = asked.claim.clone();
    if let Some(registry) = registry {
        for change in &mut review.changes {
            let folder = &change.package.folder;
            let candidate = candidates.iter().find(|(known, _)| known == folder);
            if let Some((_, candidate)) = candidate {
                let mut candidate = candidate.clone();
                if let Some(suppose) = &mut candidate.request.suppose {
                    suppose.workflows = workflows.clone();
                }
                change.outlook = Some(outlook(registry, &change.package, &candidate).await);
            }
        }
    }
    Ok(review)
}

async fn side(commits: &dyn Commits, commit: &str, asked: &Asked) -> Result<Side, ReviewError> {
    let listing = commits.listing(commit).await?;
    let steering = listing.steering(&asked.limits);
    let bytes: u64 = steering.iter().filter_map(|path| Some(listing.get(path)?.bytes)).sum();
    if steering.len() > STEERING || bytes > STEERING_BYTES {
        return Err(ReviewError::Unreadable(format!(
            "{} manifests and ignore files of {} would be looked at, at most {STEERING} of {} are",
            steering.len(),
            size(bytes),
            size(STEERING_BYTES)
        )));
    }
    let contents = commits.contents(commit, &listing, &steering).await?;
    let (only, limits) = (asked.only.clone(), asked.limits.clone());
    // Patterns and manifests of strangers take their time: nobody else on this thread should wait.
    let work = tokio::task::spawn_blocking(move || {
        let packages = listing.packages(&contents, &only, &limits);
        (listing, contents, packages)
    });
    let (listing, steering, packages) = work.await.map_err(broke_off)?;
    Ok(Side { commit: commit.to_owned(), listing, steering, packages: packages? })
}

fn broke_off(_: tokio::task::JoinError) -> ReviewError {
    ReviewError::Unreadable("looking at it broke off".to_owned())
}

/// Refuses packages that are too much together, long before memory or time run out.
fn bounded(packages: &[Located]) -> Result<(), ReviewError> {
    let bytes: u64 = packages.iter().map(|package| package.bytes).sum();
    if bytes <= BYTES {
        return Ok(());
    }
    Err(ReviewError::Unreadable(format!(
        "the packages that change have {} together, at most {} are looked at; name those that are meant",
        size(bytes),
        size(BYTES)
    )))
}

/// Audits the packages of one side; with `pack`, those that could be released are packed as well.
async fn checked(
    commits: &dyn Commits,
    registry: Option<&dyn Registry>,
    side: &mut Side,
    asked: &Asked,
    pack: bool,
) -> Result<(Vec<Checked>, Vec<(String, Candidate)>), ReviewError> {
    let (large, mut packages): (Vec<Located>, Vec<Located>) =
        std::mem::take(&mut side.packages).into_iter().partition(|p| !p.fits(&asked.limits));
    bounded(&packages)?;
    side.listing.fill(&side.steering, &mut packages, &asked.limits);
    let mut wanted: Vec<String> =
        packages.iter().flat_map(|package| package.files.clone()).collect();
    wanted.sort();
    wanted.dedup();
    let contents = commits.contents(&side.commit, &side.listing, &wanted).await?;
    let setting = Setting {
        repository: Some(asked.repository.clone()),
        advisories: asked.advisories.clone(),
        ..Setting::default()
    };
    let opened: Vec<(&Located, Opened)> = packages
        .iter()
        .filter_map(|package| Some((package, package.open(&side.listing, &contents)?)))
        .collect();
    let beside: Vec<Identifier> = opened
        .iter()
        .filter_map(|(_, opened)| match opened {
            Opened::Package(source) => source.identifier(&setting).ok(),
            Opened::Broken { .. } => None,
        })
        .collect();
    let mut all: Vec<Checked> =
        large.iter().map(|package| Checked::too_large(package, &asked.limits)).collect();
    let mut candidates = Vec::new();
    for (package, opened) in opened {
        let facts = match (&opened, registry) {
            (Opened::Package(source), Some(registry)) => {
                registry.facts(source, &setting, &beside).await
            }
            _ => None,
        };
        let (folder, limits) = (package.folder.clone(), asked.limits.clone());
        let setting = Setting { strict: asked.strict(&folder), ..setting.clone() };
        // Seconds of work for a large package: nobody else on this thread should wait for it.
        let work = tokio::task::spawn_blocking(move || {
            let packed = match &opened {
                Opened::Package(source) if pack => source.pack(&setting).ok(),
                _ => None,
            };
            let packed = packed.map(|ready| Candidate::of(&ready));
            (Checked::new(opened, &folder, &setting, facts.as_ref(), &limits), packed)
        });
        let (checked, packed) = work.await.map_err(broke_off)?;
        candidates.extend(packed.map(|packed| (checked.folder.clone(), packed)));
        all.push(checked);
    }
    all.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok((all, candidates))
}

/// The workflows that seem to publish: what they say is looked at, and never run.
async fn workflows(commits: &dyn Commits, head: &Side) -> Result<Vec<String>, ReviewError> {
    let small = |path: &&str| head.listing.get(path).is_some_and(|e| e.bytes <= WORKFLOW_BYTES);
    let of_github = |path: &&str| {
        let name = path.strip_prefix(".github/workflows/");
        name.is_some_and(|name| {
            !name.contains('/') && (name.ends_with(".yml") || name.ends_with(".yaml"))
        })
    };
    let wanted: Vec<String> = head
        .listing
        .paths()
        .filter(of_github)
        .filter(small)
        .take(WORKFLOWS)
        .map(str::to_owned)
        .collect();
    let contents = commits.contents(&head.commit, &head.listing, &wanted).await?;
    let publishes = |path: &String| {
        contents.get(path).is_some_and(|bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.contains("packhouse publish") || text.contains("action/publish@")
        })
    };
    Ok(wanted.into_iter().filter(publishes).collect())
}

async fn outlook(registry: &dyn Registry, package: &Checked, candidate: &Candidate) -> Outlook {
    let released = registry.released(&candidate.identifier).await;
    let difference = released.as_ref().map(|released| Difference::between(released, package));
    let verdict = registry.rehearse(candidate).await;
    let suggested = match (&verdict, &released, &difference) {
        (Verdict::Taken, Some(released), Some(difference)) => {
            difference.suggested(&released.version)
        }
        _ => None,
    };
    Outlook {
        latest: released.map(|released| released.version.text().to_owned()),
        difference,
        suggested,
        archive_bytes: candidate.archive_bytes,
        standing: registry.standing(&candidate.identifier).await,
        verdict,
    }
}
