//! The review by the registry's App: GitHub's API on one side, the registry's own stores on the
//! other, a comment and a check at the end.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use packhouse_core::api::SupposedRepository;
use packhouse_core::archive;
use packhouse_core::audit::{RegistryFacts, Severity, target_text};
use packhouse_core::formats::{self, Found};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::Target;
use packhouse_core::release::Release;
use packhouse_core::report::comment;
use packhouse_core::report::markdown;
use packhouse_core::review::{Base, Released, Review, Standing, Verdict};
use packhouse_core::snapshot::{Contents, Listing};
use packhouse_core::source::{Setting, Source};
use packhouse_registry::app::Service;
use packhouse_registry::compat::fppm;
use packhouse_registry::downloads::stats;
use packhouse_registry::ports::PullRequest;
use packhouse_registry::publish::simulate;
use packhouse_registry::read::latest;

use super::{Asked, Candidate, Commits, Registry, ReviewError, review};
use crate::github::{App, Check, Conclusion, GitHub, GitHubError, Pull, Wrote};

/// The most dependencies of one package that are looked up.
const DEPENDENCIES: usize = 200;

/// The App at one repository.
struct Installed {
    github: GitHub,
    repository: String,
}

/// What a review came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// `owner/name#number`.
    pub pull: String,
    /// The commit.
    pub head: String,
    /// The check's conclusion; `None` where the pull request is closed.
    pub conclusion: Option<Conclusion>,
    /// What became of the comment: `created`, `edited`, `unchanged`, ...
    pub comment: &'static str,
}

impl Reviewed {
    /// Nothing was done yet.
    fn of(pull: &PullRequest) -> Self {
        Self {
            pull: format!("{}#{}", pull.repository, pull.number),
            head: String::new(),
            conclusion: None,
            comment: Wrote::Outdated.as_str(),
        }
    }
}

impl std::fmt::Display for Reviewed {
    /// `acme/sensor#12 at 0123456789ab: comment created, check failure`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head = self.head.get(..12).unwrap_or_default();
        let check = self.conclusion.map_or("none", Conclusion::as_str);
        write!(f, "{} at {head}: comment {}, check {check}", self.pull, self.comment)
    }
}

/// Reviews a pull request as `app`, as it is now: comment and check say what was found.
///
/// What cannot be reviewed (too large, unreadable) is a neutral check that says why, and is done.
///
/// # Errors
///
/// [`GitHubError`] where another try may do better.
pub async fn installed(
    service: &Service,
    app: &App,
    pull: &PullRequest,
) -> Result<Reviewed, GitHubError> {
    let github = GitHub::installed(app, pull.installation)?;
    let now = match github.pull(&pull.repository, pull.number).await {
        Err(error) if error.status() == Some(404) => {
            // The App was taken out of the repository, or the repository is gone.
            return Ok(Reviewed { comment: "nowhere", ..Reviewed::of(pull) });
        }
        now => now?,
    };
    let mut reviewed = Reviewed { head: now.head.clone(), ..Reviewed::of(pull) };
    if !now.open {
        return Ok(reviewed);
    }
    let repository = now.repository.name.clone();
    let (review, check) = match reviewed_at(service, app, &github, &now).await {
        Ok(review) => {
            let comment = comment::render(&review, comment::AUDIT, Some(&checks_url(app, &now)));
            let check = told(&review, now.number, comment.body.clone());
            (Some(comment), check)
        }
        Err(ReviewError::Passing(error)) => return Err(*error),
        Err(error) => (None, not_reviewed(&now, &error)),
    };
    // First the check: a conversation that is locked must not cost it.
    github.check(&repository, &check).await?;
    reviewed.conclusion = Some(check.conclusion);
    if let Some(comment) = review {
        match github.comment(&repository, now.number, &now.head, &comment, None).await {
            Ok(wrote) => reviewed.comment = wrote.as_str(),
            Err(error) if error.passes() => return Err(error),
            Err(_) => reviewed.comment = "refused",
        }
    }
    Ok(reviewed)
}

async fn reviewed_at(
    service: &Service,
    app: &App,
    github: &GitHub,
    now: &Pull,
) -> Result<Review, ReviewError> {
    let repository = now.repository.name.clone();
    let base = github.merge_base(&repository, &now.base, &now.head).await.map_err(unreadable)?;
    let asked = Asked {
        repository_url: format!("{}/{repository}", web(&app.api)),
        repository: repository.clone(),
        audited: now.head.clone(),
        head: now.head.clone(),
        base: Base::Commit(base),
        only: Vec::new(),
        strict: false,
        advisories: None,
        claim: None,
        limits: service.settings.limits.clone(),
    };
    let commits = Installed { github: github.clone(), repository };
    let view = Stores { service, repository: &now.repository };
    review(&commits, Some(&view), &asked).await
}

/// Where the check's own page is, with everything that a comment has no room for.
fn checks_url(app: &App, now: &Pull) -> String {
    format!("{}/{}/pull/{}/checks", web(&app.api), now.repository.name, now.number)
}

fn not_reviewed(now: &Pull, why: &ReviewError) -> Check {
    Check {
        head: now.head.clone(),
        number: now.number,
        conclusion: Conclusion::Neutral,
        title: "Not reviewed".to_owned(),
        summary: format!(
            "This pull request was not reviewed: {}.",
            markdown::prose(&why.to_string())
        ),
        annotations: Vec::new(),
    }
}

/// Where people look at what the API at `api` tells.
fn web(api: &str) -> String {
    if api == crate::github::API {
        return "https://github.com".to_owned();
    }
    api.trim_end_matches('/').trim_end_matches("/api/v3").to_owned()
}

/// A review as a check: red where a release would be stopped.
fn told(review: &Review, number: u64, summary: String) -> Check {
    let errors = review.new_findings().any(|finding| finding.severity == Severity::Error);
    let conclusion = match errors {
        true => Conclusion::Failure,
        // That the registry would refuse is not for the author of a change to mend.
        false if review.changes.iter().any(|change| change.refused().is_some()) => {
            Conclusion::Neutral
        }
        false => Conclusion::Success,
    };
    Check {
        head: review.head.clone(),
        number,
        conclusion,
        title: comment::verdict(review),
        summary,
        annotations: crate::github::annotations(review),
    }
}

#[async_trait]
impl Commits for Installed {
    async fn listing(&self, commit: &str) -> Result<Listing, ReviewError> {
        self.github.listing(&self.repository, commit).await.map_err(unreadable)
    }

    async fn contents(
        &self,
        commit: &str,
        listing: &Listing,
        wanted: &[String],
    ) -> Result<Contents, ReviewError> {
        let read = self.github.contents(&self.repository, commit, listing, wanted).await;
        read.map_err(unreadable)
    }
}

fn unreadable(error: GitHubError) -> ReviewError {
    match error.passes() {
        true => ReviewError::Passing(Box::new(error)),
        false => ReviewError::Unreadable(error.to_string()),
    }
}

/// The registry's own stores.
struct Stores<'a> {
    service: &'a Service,
    repository: &'a SupposedRepository,
}

impl Stores<'_> {
    /// Whether the pull request may be told of `identifier`. Its author is a stranger, who chooses the
    /// identifier: a private registry speaks only of what is pinned to the very repository.
    async fn tells(&self, identifier: &Identifier) -> bool {
        if !self.service.settings.private {
            return true;
        }
        let head = self.service.ledger.head(identifier).await.ok().flatten();
        head.and_then(|head| head.pins).is_some_and(|pins| {
            pins.repository_id == self.repository.id && pins.owner_id == self.repository.owner_id
        })
    }

    async fn releases(&self, identifier: &Identifier) -> Option<Vec<Release>> {
        self.service.ledger.releases(identifier).await.ok()
    }
}

fn in_service(release: &Release) -> bool {
    release.marks.removed.is_none() && release.marks.quarantined.is_none()
}

#[async_trait]
impl Registry for Stores<'_> {
    async fn facts(
        &self,
        source: &Source,
        setting: &Setting,
        beside: &[Identifier],
    ) -> Option<RegistryFacts> {
        let identifier = source.identifier(setting).ok()?;
        if !self.tells(&identifier).await {
            return None;
        }
        let version = source.version(&identifier, setting).ok();
        let mut facts = RegistryFacts::default();
        for release in self.releases(&identifier).await? {
            if Some(&release.version) == version.as_ref() && in_service(&release) {
                facts.same_version = Some(release.tree_digest);
            }
            facts.versions.push(release.version);
        }
        // What else a private registry holds is nobody's to find out.
        let private = self.service.settings.private;
        if source.manifest.format == "fppm" && !private {
            facts.clashes = fppm::clashes(self.service, &identifier).await.ok()?;
        }
        let asked = if private { 0 } else { DEPENDENCIES };
        for dependency in source.manifest.dependencies.iter().take(asked) {
            let Target::Registry { identifier: needed } = &dependency.target else { continue };
            if *needed == identifier || beside.contains(needed) {
                continue;
            }
            if self.service.ledger.head(needed).await.ok()?.is_none() {
                facts.missing_dependencies.push(target_text(&dependency.target));
                continue;
            }
            let releases = self.releases(needed).await?;
            let usable = releases.iter().filter(|r| in_service(r) && r.marks.yanked.is_none());
            let usable = usable.map(|release| release.version.clone()).collect();
            facts.held.insert(target_text(&dependency.target), usable);
            let Some(wanted) = &dependency.requirement else { continue };
            if !releases.iter().any(|r| in_service(r) && wanted.admits(&r.version)) {
                let missing = (target_text(&dependency.target), wanted.text().to_owned());
                facts.missing_releases.push(missing);
            }
        }
        Some(facts)
    }

    async fn released(&self, identifier: &Identifier) -> Option<Released> {
        if !self.tells(identifier).await {
            return None;
        }
        let releases = self.releases(identifier).await?;
        let usable = releases.iter().filter(|r| in_service(r) && r.marks.yanked.is_none());
        let latest = usable.max_by(|a, b| a.version.preference().cmp(&b.version.preference()))?;
        let body = self.service.blobs.read(&latest.digest, 0, latest.bytes).await.ok()??;
        let bytes: Vec<u8> = body
            .stream
            .try_fold(Vec::new(), |mut all, piece| async move {
                all.extend_from_slice(&piece);
                Ok(all)
            })
            .await
            .ok()?;
        let limits = self.service.settings.limits.clone();
        let (format, version) = (latest.described.format.clone(), latest.version.clone());
        let unpacked = tokio::task::spawn_blocking(move || archive::unpack(&bytes, &limits));
        let (tree, _) = unpacked.await.ok()?.ok()?;
        let manifest = match formats::by_id(&format)?.read(&tree) {
            Found::Package(manifest) => Some(manifest),
            _ => None,
        };
        Some(Released { version, tree, manifest })
    }

    async fn standing(&self, identifier: &Identifier) -> Option<Standing> {
        if !self.tells(identifier).await {
            return None;
        }
        let latest = latest(self.releases(identifier).await?)?;
        let ledger = &self.service.ledger;
        let counts = ledger.downloads(identifier).await.ok()?;
        let downloads = stats(&counts, None, self.service.clock.now()).total_downloads;
        Some(Standing::of(&latest, downloads, ledger.advised(identifier).await.ok()?))
    }

    async fn rehearse(&self, candidate: &Candidate) -> Verdict {
        if !self.tells(&candidate.identifier).await {
            return Verdict::Unknown("this registry is private".to_owned());
        }
        match simulate(self.service, &candidate.request, self.repository).await {
            Ok(answer) => answer.into(),
            Err(error) => Verdict::refused(error.code, error.message, error.help),
        }
    }
}
