//! The action `audit`: what a pull request changes about the packages of its repository, told as
//! annotations, in the summary, and in one comment.

use std::path::Path;
use std::sync::Arc;

use packhouse_client::event::{self, PullEvent};
use packhouse_client::quality;
use packhouse_client::token::TokenSource;
use packhouse_core::api::LocalCode;
use packhouse_core::limits::Limits;
use packhouse_core::report::comment::{self, Comment};
use packhouse_core::report::{self, Audited, FailOn, Outcome};
use packhouse_core::review::{Base, Review};
use packhouse_core::secret::Secret;
use packhouse_forge::git::{Checkout, Commit};
use packhouse_forge::github::{API, GitHub, GitHubError, Wrote};
use packhouse_forge::review::{Asked, ReviewError, review};
use serde_json::{Value, json};

use super::inputs::bad;
use super::registry;
use super::{Inputs, by_severity};
use crate::args::Global;
use crate::context;
use crate::exit::{Exit, Stop};
use crate::ui::{Ui, var};

/// The most of a summary, in bytes: GitHub drops one of more than a MiB, and a table of findings
/// stands in it as well.
const SUMMARY_BYTES: usize = 100 << 10;

pub(super) fn run(inputs: Inputs, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    // All that can be wrong with the inputs is told before anything is looked at.
    let fail_on: FailOn =
        inputs.choice("fail-on", &["error", "warning", "note", "never"])?.parse()?;
    let speaks = inputs.choice("comment", &["auto", "always", "never"])?;
    let annotates = inputs.choice("annotations", &["auto", "off"])? == "auto";
    let global = inputs.global(global)?;
    let advisories = match inputs.text("advisories") {
        Some(folder) => Some(Arc::new(quality::advisories(Path::new(folder))?)),
        None => None,
    };
    let claim = quality::claim(&inputs.paths("test-report"), &inputs.paths("coverage"))?;
    let pull = pull_request()?;
    let checkout = checkout()?;
    let asked = Asked { advisories, claim, ..asked(&inputs, &checkout, pull.as_ref())? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let registry = asks(&global, pull.as_ref(), ui)?;
    let view = registry.as_ref().map(|asked| asked as &dyn packhouse_forge::review::Registry);
    let review =
        runtime.block_on(review(&checkout, view, &asked)).map_err(|error| match error {
            ReviewError::Pattern(wrong) => {
                bad("packages", &inputs.lines("packages").join(" "), &wrong.to_string())
            }
            other => anyhow::Error::from(Stop::usage(other.to_string(), "")),
        })?;
    let audited: Vec<_> = review.changes.iter().map(|change| change.audited()).collect();
    if let Some(file) = inputs.text("sarif-file") {
        write_sarif(file, &report::sarif::render(&audited))?;
    }
    if annotates {
        ui.text(&report::github::render(&audited));
    }
    let comment = comment::render(&review, comment::AUDIT, run_url().as_deref());
    ui.text(&report::human::render(&audited, crate::commands::audit::style(ui, ui.color)));
    if let Base::Missing(why) = &review.base {
        ui.note(&format!("everything counts as new: {why}"));
    }
    ui.note(&comment::verdict(&review));
    crate::github::summary(ui, &summary(&review, &audited));
    let outcome = report::outcome(review.new_findings(), fail_on);
    outputs(&review, &comment, outcome, ui);
    if let (Some(pull), true) = (&pull, speaks != "never") {
        let always = speaks == "always" && !review.changes.is_empty();
        let comment = Comment { needed: comment.needed || always, ..comment };
        let app = registry.as_ref().and_then(|asked| asked.client.github_app().ok().flatten());
        let wrote = runtime.block_on(say(&inputs, pull, &comment, app));
        tell(wrote, pull, ui);
    }
    if ui.json {
        ui.print(&report::json::render(&audited))?;
    }
    Ok(match outcome {
        Outcome::Clean | Outcome::Passed(_) => Exit::Ok,
        Outcome::Failed(_) => Exit::Findings,
    })
}

/// The pull request that this job is about.
fn pull_request() -> anyhow::Result<Option<PullEvent>> {
    let Some(path) = var("GITHUB_EVENT_PATH") else { return Ok(None) };
    let event = event::pull_request(Path::new(&path));
    Ok(event.map_err(|error| {
        let hint = "GitHub's runner sets `GITHUB_EVENT_PATH`: remove whatever else sets it";
        Stop::usage(error.to_string(), hint).code(LocalCode::BadEvent)
    })?)
}

fn checkout() -> anyhow::Result<Checkout> {
    let here = std::env::current_dir()?;
    Checkout::find(&here)?.ok_or_else(|| {
        Stop::usage(
            "this folder is no git checkout",
            "let `uses: actions/checkout` stand before this step",
        )
        .into()
    })
}

fn asked(inputs: &Inputs, checkout: &Checkout, pull: Option<&PullEvent>) -> anyhow::Result<Asked> {
    let audited = checkout.head()?.ok_or_else(|| {
        Stop::usage("the checkout has no commit", "check a commit out before this step")
    })?;
    if let Some(pull) = pull
        && audited.as_str() != pull.head
        && !checkout.parents()?.iter().any(|parent| parent.as_str() == pull.head)
    {
        let message = format!(
            "the checkout is at `{}`, which is neither the pull request's commit `{}` nor a merge of it",
            audited.as_str(),
            pull.head
        );
        let hint = "leave `ref:` out of `actions/checkout`, and let the workflow start with `on: pull_request`";
        return Err(Stop::usage(message, hint).code(LocalCode::BadEvent).into());
    }
    let repository = pull.map(|pull| pull.repository.name.clone());
    let repository = repository.or(var("GITHUB_REPOSITORY")).or(checkout.repository()?);
    let repository = repository.unwrap_or_default();
    let server = var("GITHUB_SERVER_URL").unwrap_or_else(|| "https://github.com".to_owned());
    Ok(Asked {
        repository_url: format!("{}/{repository}", server.trim_end_matches('/')),
        repository,
        base: base(checkout, pull)?,
        head: pull.map_or(audited.as_str(), |pull| &pull.head).to_owned(),
        audited: audited.as_str().to_owned(),
        only: inputs.lines("packages"),
        strict: inputs.flag("strict")?,
        advisories: None,
        claim: None,
        limits: Limits::default(),
    })
}

/// What the pull request is compared with.
fn base(checkout: &Checkout, pull: Option<&PullEvent>) -> anyhow::Result<Base> {
    let Some(pull) = pull else {
        return Ok(Base::Missing("this job is not about a pull request".to_owned()));
    };
    let commits = pull.head.parse::<Commit>().ok().zip(pull.base.parse::<Commit>().ok());
    let found = match &commits {
        Some((head, base)) => checkout.compared_with(head, base)?,
        None => None,
    };
    Ok(match found {
        Some(commit) => Base::Commit(commit.as_str().to_owned()),
        None => Base::Missing(
            "the checkout does not hold the commit that this is compared with: give `actions/checkout` the line `fetch-depth: 2`"
                .to_owned(),
        ),
    })
}

/// The registry, where one is named.
fn asks<'a>(
    global: &Global,
    pull: Option<&PullEvent>,
    ui: &'a Ui,
) -> anyhow::Result<Option<registry::Asked<'a>>> {
    // Never the one that a manifest names: that is the pull request's to choose.
    let Some(registry) = context::registry_of(global, None)? else { return Ok(None) };
    let client = context::client(global, &registry)?;
    let job = context::job();
    let has_token = job.request_url.is_some() && job.request_token.is_some();
    let tokens = has_token.then(|| TokenSource::find(job, None)).transpose();
    Ok(Some(registry::Asked {
        client,
        tokens: tokens.map_err(packhouse_client::ClientError::from)?,
        repository: pull.map(|pull| pull.repository.clone()),
        limits: Limits::default(),
        ui,
    }))
}

/// Writes a file of the workspace or the job's temporary folder. The tree may be a stranger's: no link in
/// it leads the file elsewhere.
fn write_sarif(file: &str, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let path = Path::new(file);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = fs_err::canonicalize(parent.unwrap_or(Path::new(".")))?;
    let rooms = [std::env::current_dir().ok(), var("RUNNER_TEMP").map(Into::into)];
    let mut rooms = rooms.into_iter().flatten().filter_map(|room| fs_err::canonicalize(room).ok());
    let name = path.file_name().filter(|_| rooms.any(|room| folder.starts_with(room)));
    let name = name.ok_or_else(|| bad("sarif-file", file, "name a file in the workspace"))?;
    let mut written = tempfile::NamedTempFile::new_in(&folder)?;
    written.write_all(text.as_bytes())?;
    // Takes the place of whatever stands there, a link included.
    written.persist(folder.join(name))?;
    Ok(())
}

/// The run's own page, which has the whole report in its summary.
fn run_url() -> Option<String> {
    let (server, repository) = (var("GITHUB_SERVER_URL")?, var("GITHUB_REPOSITORY")?);
    Some(format!("{server}/{repository}/actions/runs/{}", var("GITHUB_RUN_ID")?))
}

/// The comment's text, and every finding in a table.
fn summary(review: &Review, audited: &[Audited]) -> String {
    let told = comment::whole(review, SUMMARY_BYTES);
    let all = report::markdown::render(audited);
    let untouched = match review.untouched {
        0 => String::new(),
        1 => "\nOne more package is not touched.\n".to_owned(),
        more => format!("\n{more} more packages are not touched.\n"),
    };
    format!(
        "{told}{untouched}\n<details><summary>All new findings</summary>\n\n{all}\n</details>\n"
    )
}

fn outputs(review: &Review, comment: &Comment, outcome: Outcome, ui: &Ui) {
    let status = match outcome {
        Outcome::Clean => "clean",
        Outcome::Passed(_) => "passed",
        Outcome::Failed(_) => "failed",
    };
    let changes = || review.changes.iter();
    let all = by_severity(changes().flat_map(|change| change.new.iter().chain(&change.carried)));
    let results: Vec<Value> = changes()
        .map(|change| {
            let outlook = change.outlook.as_ref();
            json!({
                "identifier": change.package.identifier,
                "folder": change.package.folder,
                "version": change.package.version.as_ref().map(|version| version.text()),
                "new": change.new.len(), "fixed": change.fixed.len(), "carried": change.carried.len(),
                "latest": outlook.and_then(|outlook| outlook.latest.as_deref()),
                "suggested": outlook.and_then(|outlook| outlook.suggested.as_deref()),
            })
        })
        .collect();
    let (new, fixed) = (
        by_severity(review.new_findings()),
        by_severity(changes().flat_map(|change| &change.fixed)),
    );
    crate::github::outputs(
        ui,
        &[
            ("status", status),
            ("findings", &all.to_string()),
            ("findings-new", &new.to_string()),
            ("findings-fixed", &fixed.to_string()),
            ("comment-content", &comment.body),
            ("results", &Value::from(results).to_string()),
        ],
    );
}

/// Writes the comment. The App, where the repository has it, speaks instead.
async fn say(
    inputs: &Inputs,
    pull: &PullEvent,
    comment: &Comment,
    app: Option<u64>,
) -> Result<Wrote, GitHubError> {
    let token = inputs.text("github-token").map(Secret::new);
    let token = token.ok_or_else(|| {
        GitHubError::Credentials("there is no `github-token`, so no comment is written".to_owned())
    })?;
    let api = var("GITHUB_API_URL").unwrap_or_else(|| API.to_owned());
    let github = GitHub::with_token(api.trim_end_matches('/'), &token)?;
    github.comment(&pull.repository.name, pull.number, &pull.head, comment, app).await
}

/// Tells what became of the comment; that it could not be written fails nothing.
fn tell(wrote: Result<Wrote, GitHubError>, pull: &PullEvent, ui: &Ui) {
    match wrote {
        Ok(wrote) => {
            crate::github::outputs(ui, &[("comment", wrote.as_str())]);
            ui.note(&format!("comment on #{}: {}", pull.number, wrote.as_str()));
        }
        Err(error) if error.status() == Some(403) && pull.fork.is_some() => ui.note(
            "a pull request from a fork gets no token that may comment: the summary has all of it",
        ),
        Err(error) if error.status() == Some(403) => ui.warn(&format!(
            "no comment was written: {error}; add `pull-requests: write` to the job's `permissions`"
        )),
        Err(error) => ui.warn(&format!("no comment was written: {error}")),
    }
}
