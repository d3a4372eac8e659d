//! The one comment of a pull request.

use packhouse_core::report::comment::{self, Comment};
use serde::Deserialize;
use serde_json::json;

use super::{GitHub, GitHubResult};

/// The most comments that are looked through. Of the longest ones a page has some eight megabytes.
const PAGES: u32 = 50;
const PER_PAGE: usize = 30;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// A comment was written.
    Created,
    /// The comment was edited.
    Edited,
    /// It said the same already.
    Unchanged,
    /// It was taken away: there is nothing to act on.
    Removed,
    /// It was folded to one line: there is nothing to act on, and people had answered.
    Settled,
    /// There is nothing to say, and there was no comment.
    Nothing,
    /// The pull request has moved on, or is closed: a newer run speaks.
    Outdated,
    /// The registry's App speaks here.
    LeftToApp,
}

impl Wrote {
    /// It in one word: `created`, `edited`, ...
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Unchanged => "unchanged",
            Self::Removed => "removed",
            Self::Settled => "settled",
            Self::Nothing => "nothing",
            Self::Outdated => "outdated",
            Self::LeftToApp => "left-to-app",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Posted {
    id: u64,
    #[serde(default)]
    body: Option<String>,
    user: Option<User>,
    performed_via_github_app: Option<Via>,
}

#[derive(Debug, Deserialize)]
struct Via {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct User {
    login: String,
    #[serde(default, rename = "type")]
    kind: String,
}

impl Posted {
    fn says(&self) -> &str {
        self.body.as_deref().unwrap_or_default()
    }

    fn by(&self, login: &str) -> bool {
        self.user.as_ref().is_some_and(|user| user.login == login)
    }

    fn by_a_person(&self) -> bool {
        self.user.as_ref().is_none_or(|user| user.kind != "Bot")
    }
}

impl GitHub {
    /// Makes `comment` the one comment of the pull request `number`, in place of an earlier one of the
    /// same key by the same author; takes that away where nothing needs to be said. Nothing is
    /// written once the pull request is at another commit than `head`, or where the App `app` speaks.
    ///
    /// # Errors
    ///
    /// [`super::GitHubError`]; 403 where the token may not write.
    pub async fn comment(
        &self,
        repository: &str,
        number: u64,
        head: &str,
        comment: &Comment,
        app: Option<u64>,
    ) -> GitHubResult<Wrote> {
        let me = self.login().await?;
        let posted = self.comments(repository, number).await?;
        let ours = |posted: &&Posted| comment::is_ours(posted.says(), &comment.key);
        let by_app = |posted: &Posted| {
            app.is_some() && posted.performed_via_github_app.as_ref().map(|via| via.id) == app
        };
        let mine: Vec<&Posted> =
            posted.iter().filter(ours).filter(|posted| posted.by(&me)).collect();
        let (first, twins) = match &mine[..] {
            [] => (None, &[][..]),
            [first, twins @ ..] => (Some(*first), twins),
        };
        let app_speaks = posted.iter().filter(ours).any(by_app)
            || match app {
                Some(app) => self.has_app(repository, app, head).await.unwrap_or(false),
                None => false,
            };
        if app_speaks {
            // What was said before the App came would stand beside what it says.
            for mine in &mine {
                self.delete_comment(repository, mine.id).await?;
            }
            return Ok(Wrote::LeftToApp);
        }
        if first.is_none() && !comment.needed {
            return Ok(Wrote::Nothing);
        }
        // Asked right before the first write: a run that took long must not speak of an old commit.
        let pull = self.pull(repository, number).await?;
        if !pull.open || pull.head != head {
            return Ok(Wrote::Outdated);
        }
        // Two runs at once may each have written one.
        for twin in twins {
            self.delete_comment(repository, twin.id).await?;
        }
        let Some(first) = first else {
            let path = format!("/repos/{repository}/issues/{number}/comments");
            self.call("POST", &path, Some(&json!({ "body": comment.body }))).await?;
            return Ok(Wrote::Created);
        };
        if comment.needed {
            if comment::says_the_same(first.says(), &comment.body) {
                return Ok(Wrote::Unchanged);
            }
            self.edit_comment(repository, first.id, &comment.body).await?;
            return Ok(Wrote::Edited);
        }
        let answered = posted.iter().any(|other| other.id > first.id && other.by_a_person());
        if !answered {
            self.delete_comment(repository, first.id).await?;
            return Ok(Wrote::Removed);
        }
        let settled = comment::settled(&comment.key, head);
        if comment::says_the_same(first.says(), &settled) {
            return Ok(Wrote::Unchanged);
        }
        self.edit_comment(repository, first.id, &settled).await?;
        Ok(Wrote::Settled)
    }

    async fn comments(&self, repository: &str, number: u64) -> GitHubResult<Vec<Posted>> {
        let mut all = Vec::new();
        for page in 1..=PAGES {
            let path = format!(
                "/repos/{repository}/issues/{number}/comments?per_page={PER_PAGE}&page={page}"
            );
            let mut found: Vec<Posted> = self.get(&path).await?;
            let last = found.len() < PER_PAGE;
            all.append(&mut found);
            if last {
                break;
            }
        }
        Ok(all)
    }

    async fn edit_comment(&self, repository: &str, id: u64, body: &str) -> GitHubResult<()> {
        let path = format!("/repos/{repository}/issues/comments/{id}");
        self.call("PATCH", &path, Some(&json!({ "body": body }))).await.map(drop)
    }

    /// Deletes a comment; one that is gone is no error.
    async fn delete_comment(&self, repository: &str, id: u64) -> GitHubResult<()> {
        let path = format!("/repos/{repository}/issues/comments/{id}");
        match self.call("DELETE", &path, None::<&()>).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            other => other.map(drop),
        }
    }
}
