//! Check runs: what an App says of a commit.

use packhouse_core::audit::Severity;
use packhouse_core::review::Review;
use serde::{Deserialize, Serialize};

use super::{GitHub, GitHubResult};

/// The name of the App's check.
const NAME: &str = "packhouse";
/// The most annotations of one call.
const ANNOTATIONS: usize = 50;
/// The longest summary, in bytes.
const SUMMARY_BYTES: usize = 60_000;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Conclusion {
    /// Nothing stands against a release.
    Success,
    /// Something does.
    Failure,
    /// Nobody could say.
    Neutral,
}

impl Conclusion {
    /// It in GitHub's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
        }
    }
}

/// A check of a commit.
#[derive(Clone, Debug)]
pub struct Check {
    /// The commit.
    pub head: String,
    /// The pull request's number, by which a request to run it again is understood.
    pub number: u64,
    /// How it ended.
    pub conclusion: Conclusion,
    /// One line.
    pub title: String,
    /// Markdown.
    pub summary: String,
    /// At most 50; what is over is left out.
    pub annotations: Vec<Annotation>,
}

/// A remark on a line.
#[derive(Clone, Debug, Serialize)]
pub struct Annotation {
    /// The file, from the repository's root.
    pub path: String,
    /// The line, from 1.
    pub start_line: u32,
    /// The same line.
    pub end_line: u32,
    /// `failure`, `warning` or `notice`.
    pub annotation_level: &'static str,
    /// What was found.
    pub message: String,
    /// The rule.
    pub title: String,
}

/// The new findings of `review`, worst first, as many as one call takes.
pub fn annotations(review: &Review) -> Vec<Annotation> {
    let mut found: Vec<(Severity, Annotation)> = Vec::new();
    for change in &review.changes {
        let package = change.audited();
        for finding in &change.new {
            let Some(path) = package.path(finding) else { continue };
            let line = finding.line.unwrap_or(1);
            let help = finding.help.as_deref().map(|help| format!("\n{help}")).unwrap_or_default();
            found.push((
                finding.severity,
                Annotation {
                    path,
                    start_line: line,
                    end_line: line,
                    annotation_level: match finding.severity {
                        Severity::Error => "failure",
                        Severity::Warning => "warning",
                        Severity::Note => "notice",
                    },
                    message: format!("{}{help}", finding.message),
                    title: finding.rule.clone(),
                },
            ));
        }
    }
    found.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    found.into_iter().take(ANNOTATIONS).map(|(_, annotation)| annotation).collect()
}

impl GitHub {
    /// Says `check` of its commit; an App's later one takes the place of an earlier one. An earlier one is
    /// not changed: its annotations would stay and add up.
    ///
    /// # Errors
    ///
    /// [`super::GitHubError`]; 403 where the App may not.
    pub async fn check(&self, repository: &str, check: &Check) -> GitHubResult<()> {
        let mut summary = check.summary.clone();
        let cut = (0..=SUMMARY_BYTES.min(summary.len())).rev();
        summary.truncate(cut.into_iter().find(|at| summary.is_char_boundary(*at)).unwrap_or(0));
        let annotations = &check.annotations[..check.annotations.len().min(ANNOTATIONS)];
        let body = serde_json::json!({
            "name": NAME,
            "head_sha": check.head,
            "external_id": check.number.to_string(),
            "status": "completed",
            "conclusion": check.conclusion,
            "output": { "title": check.title, "summary": summary, "annotations": annotations },
        });
        let path = format!("/repos/{repository}/check-runs");
        self.call("POST", &path, Some(&body)).await.map(drop)
    }

    /// Whether the App `app` has a check suite at `head`: GitHub makes one for each App that is
    /// installed and may write checks.
    ///
    /// # Errors
    ///
    /// [`super::GitHubError`]; 403 where the token may not read checks.
    pub async fn has_app(&self, repository: &str, app: u64, head: &str) -> GitHubResult<bool> {
        #[derive(Deserialize)]
        struct Suites {
            total_count: u64,
        }
        let path =
            format!("/repos/{repository}/commits/{head}/check-suites?app_id={app}&per_page=1");
        let suites: Suites = self.get(&path).await?;
        Ok(suites.total_count > 0)
    }
}
