//! The review of a pull request: two commits are read as data, their packages audited and compared,
//! and the registry is asked what it would say to the releases that follow.
//!
//! Nothing of the pull request is executed or checked out. Whoever asks says where commits and
//! registry are: the command line has a checkout and HTTP, the App's worker GitHub's API and the
//! registry's own stores.

mod checkout;
mod installed;

use async_trait::async_trait;
use packhouse_core::audit::RegistryFacts;
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::review::{Base, Checked, Difference, Outlook, Released, Review, Verdict};
use packhouse_core::snapshot::{Contents, Listing, Located, PatternError};
use packhouse_core::source::{Opened, Ready, Setting, Source};

use crate::github::GitHubError;

pub use installed::{Installed, Reviewed, installed};

/// The most packages that are looked at.
const PACKAGES: usize = 50;
/// The most bytes that are read of one commit.
const BYTES: u64 = 256 << 20;
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
    /// What it would say to a release. `workflows` are those that seem to publish.
    async fn rehearse(&self, ready: &Ready, workflows: &[String]) -> Verdict;
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
    /// The limits in force.
    pub limits: Limits,
}

/// One of the two commits.
struct Side {
    commit: String,
    listing: Listing,
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
        let same =
            |one: &Located, other: &Located| one.folder == other.folder && one.print == other.print;
        let (mine, theirs) = (head.packages.clone(), base.packages.clone());
        head.packages.retain(|package| !theirs.iter().any(|other| same(package, other)));
        base.packages.retain(|package| !mine.iter().any(|other| same(package, other)));
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
    let (after, ready) = checked(commits, registry, &head, asked, true).await?;
    let before = match &base {
        Some(base) => checked(commits, registry, base, asked, false).await?.0,
        None => Vec::new(),
    };
    let workflows = workflows(commits, &head).await?;
    let mut review =
        Review::compare(&asked.repository_url, &asked.head, asked.base.clone(), after, before);
    (review.untouched, review.unseen) = (untouched, unseen);
    if let Some(registry) = registry {
        for change in &mut review.changes {
            let ready = ready.iter().find(|(folder, _)| *folder == change.package.folder);
            if let Some((_, ready)) = ready {
                let outlook = outlook(registry, &change.package, ready, &workflows).await;
                change.outlook = Some(outlook);
            }
        }
    }
    Ok(review)
}

async fn side(commits: &dyn Commits, commit: &str, asked: &Asked) -> Result<Side, ReviewError> {
    let listing = commits.listing(commit).await?;
    let steering = listing.steering(&asked.limits);
    bounded(&listing, &steering)?;
    let contents = commits.contents(commit, &listing, &steering).await?;
    let packages = listing.packages(&contents, &asked.only, &asked.limits)?;
    Ok(Side { commit: commit.to_owned(), listing, packages })
}

fn bounded(listing: &Listing, wanted: &[String]) -> Result<(), ReviewError> {
    let bytes: u64 = wanted.iter().filter_map(|path| Some(listing.get(path)?.bytes)).sum();
    if bytes <= BYTES {
        return Ok(());
    }
    Err(ReviewError::Unreadable(format!(
        "{} MiB of it would be looked at, at most {} are; name the packages that are meant",
        bytes >> 20,
        BYTES >> 20
    )))
}

/// Audits the packages of one side; with `pack`, those that could be released are packed as well.
async fn checked(
    commits: &dyn Commits,
    registry: Option<&dyn Registry>,
    side: &Side,
    asked: &Asked,
    pack: bool,
) -> Result<(Vec<Checked>, Vec<(String, Ready)>), ReviewError> {
    let fits = |package: &&Located| package.fits(&asked.limits);
    let mut wanted: Vec<String> =
        side.packages.iter().filter(fits).flat_map(|package| package.files.clone()).collect();
    wanted.sort();
    wanted.dedup();
    bounded(&side.listing, &wanted)?;
    let contents = commits.contents(&side.commit, &side.listing, &wanted).await?;
    let setting = Setting { repository: Some(asked.repository.clone()), ..Setting::default() };
    let opened: Vec<(&Located, Opened)> = side
        .packages
        .iter()
        .filter_map(|package| match package.fits(&asked.limits) {
            true => Some((package, package.open(&side.listing, &contents)?)),
            false => None,
        })
        .collect();
    let beside: Vec<Identifier> = opened
        .iter()
        .filter_map(|(_, opened)| match opened {
            Opened::Package(source) => source.identifier(&setting).ok(),
            Opened::Broken { .. } => None,
        })
        .collect();
    let mut all: Vec<Checked> = side
        .packages
        .iter()
        .filter(|package| !package.fits(&asked.limits))
        .map(|package| Checked::too_large(package, &asked.limits))
        .collect();
    let mut ready = Vec::new();
    for (package, opened) in opened {
        let facts = match (&opened, registry) {
            (Opened::Package(source), Some(registry)) => {
                registry.facts(source, &setting, &beside).await
            }
            _ => None,
        };
        let (folder, setting, limits) =
            (package.folder.clone(), setting.clone(), asked.limits.clone());
        // Seconds of work for a large package: nobody else on this thread should wait for it.
        let work = tokio::task::spawn_blocking(move || {
            let packed = match &opened {
                Opened::Package(source) if pack => source.pack(&setting).ok(),
                _ => None,
            };
            (Checked::new(opened, &folder, &setting, facts.as_ref(), &limits), packed)
        });
        let (checked, packed) = work
            .await
            .map_err(|_| ReviewError::Unreadable("the audit of a package broke off".to_owned()))?;
        ready.extend(packed.map(|packed| (checked.folder.clone(), packed)));
        all.push(checked);
    }
    all.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok((all, ready))
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

async fn outlook(
    registry: &dyn Registry,
    package: &Checked,
    ready: &Ready,
    workflows: &[String],
) -> Outlook {
    let released = registry.released(&ready.identifier).await;
    let difference = released.as_ref().map(|released| Difference::between(released, package));
    let verdict = registry.rehearse(ready, workflows).await;
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
        archive_bytes: ready.archive.bytes.len() as u64,
        verdict,
    }
}
