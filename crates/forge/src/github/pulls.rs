//! Pull requests.

use packhouse_core::api::SupposedRepository;
use serde::Deserialize;

use super::{GitHub, GitHubError, GitHubResult, named};

/// A pull request as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    /// The repository that it is to be merged into.
    pub repository: SupposedRepository,
    /// Its number.
    pub number: u64,
    /// Whether it is open.
    pub open: bool,
    /// The commit that is proposed.
    pub head: String,
    /// The commit that its target is at.
    pub base: String,
}

#[derive(Deserialize)]
struct Wire {
    number: u64,
    state: String,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    sha: String,
    repo: Option<Repo>,
}

#[derive(Deserialize)]
struct Repo {
    id: u64,
    full_name: String,
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    id: u64,
}

impl GitHub {
    /// The pull request `number` of `repository` (`owner/name`).
    ///
    /// # Errors
    ///
    /// [`GitHubError`]; 404 where it is gone, or the token may not see it.
    pub async fn pull(&self, repository: &str, number: u64) -> GitHubResult<Pull> {
        let path = format!("/repos/{repository}/pulls/{number}");
        let odd = |why: &str| GitHubError::Odd { call: named("GET", &path), why: why.to_owned() };
        let pull: Wire = self.get(&path).await?;
        let repo = pull.base.repo.ok_or_else(|| odd("it names no repository"))?;
        let commits = [&pull.head.sha, &pull.base.sha];
        if !commits.into_iter().all(|sha| crate::git::is_commit(sha)) {
            return Err(odd("its commits are none"));
        }
        Ok(Pull {
            repository: SupposedRepository {
                name: repo.full_name,
                id: repo.id.to_string(),
                owner_id: repo.owner.id.to_string(),
            },
            number: pull.number,
            open: pull.state == "open",
            head: pull.head.sha,
            base: pull.base.sha,
        })
    }

    /// The commit that `base` and `head` have in common.
    ///
    /// # Errors
    ///
    /// [`GitHubError`].
    pub async fn merge_base(
        &self,
        repository: &str,
        base: &str,
        head: &str,
    ) -> GitHubResult<String> {
        #[derive(Deserialize)]
        struct Compared {
            merge_base_commit: Commit,
        }
        #[derive(Deserialize)]
        struct Commit {
            sha: String,
        }
        // Its second page holds one commit at most, and no files.
        let path = format!("/repos/{repository}/compare/{base}...{head}?per_page=1&page=2");
        let compared: Compared = self.get(&path).await?;
        let sha = compared.merge_base_commit.sha;
        if crate::git::is_commit(&sha) {
            Ok(sha)
        } else {
            Err(GitHubError::Odd { call: named("GET", &path), why: "it is no commit".to_owned() })
        }
    }
}
