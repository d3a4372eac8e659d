//! A policy before it is stored: typos put right, shapes checked, loosening told from tightening.

use super::{Policy, Source};

/// Why a policy cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A train that any writer could start.
    #[error(
        "policy `train` needs a pinned `environment` or `protected_ref: true`: its tag does not \
         bind the version, so one of them has to guard it"
    )]
    Unguarded,
    /// A tag pattern that is none.
    #[error(
        "tag pattern `{0}` is not one: write a tag with exactly one `*`, for example `release-*`"
    )]
    Pattern(String),
    /// A branch's name that is none.
    #[error("branch `{0}` is not one name: write it without `*`, for example `main`")]
    Branch(String),
    /// A workflow's path that is none.
    #[error("workflow `{0}` is not a path: write for example `.github/workflows/publish.yml`")]
    Workflow(String),
    /// A reusable workflow that is none.
    #[error(
        "job workflow `{0}` is not one: write `owner/name/.github/workflows/file.yml`, optionally \
         with `@refs/tags/v1` or `@` and a full commit"
    )]
    JobWorkflow(String),
    /// An environment's name that is none.
    #[error("environment `{0}` is not a name: write 1 to 255 printable characters")]
    Environment(String),
    /// A kind of runner that does not exist.
    #[error("runner `{0}` does not exist: write `github-hosted` or `self-hosted`")]
    Runner(String),
}

/// Where workflows live.
const WORKFLOWS: &str = ".github/workflows/";

impl Policy {
    /// The policy with what people mistype put right, and checked: a workflow's file name alone gets
    /// its folder, a pasted `workflow_ref` loses repository and ref, `refs/heads/` and `refs/tags/`
    /// go, the runner's case is folded, empty texts are none.
    ///
    /// # Errors
    ///
    /// As [`Policy::check`].
    pub fn normalised(self) -> Result<Self, PolicyError> {
        let text = |text: Option<String>| {
            text.map(|t| t.trim().to_owned()).filter(|trimmed| !trimmed.is_empty())
        };
        let short = |name: String, prefix: &str| {
            name.trim().strip_prefix(prefix).map_or(name.trim().to_owned(), str::to_owned)
        };
        let policy = Self {
            source: match self.source {
                Source::Tag => Source::Tag,
                Source::Train { tag } => Source::Train { tag: short(tag, "refs/tags/") },
                Source::Branch { branch } => {
                    Source::Branch { branch: short(branch, "refs/heads/") }
                }
            },
            workflow: text(self.workflow).map(|path| workflow_path(&path)),
            job_workflow: text(self.job_workflow),
            environment: text(self.environment),
            protected_ref: self.protected_ref,
            runner: text(self.runner).map(|runner| runner.to_ascii_lowercase()),
        };
        policy.check().map(|()| policy)
    }

    /// Whether the policy can hold.
    ///
    /// # Errors
    ///
    /// The first field that is wrong, with what would be right.
    pub fn check(&self) -> Result<(), PolicyError> {
        match &self.source {
            Source::Tag => {}
            Source::Train { tag } => {
                if tag.matches('*').count() != 1 || !is_ref_name(&tag.replacen('*', "x", 1)) {
                    return Err(PolicyError::Pattern(shown(tag)));
                }
                if self.environment.is_none() && !self.protected_ref {
                    return Err(PolicyError::Unguarded);
                }
            }
            Source::Branch { branch } if is_ref_name(branch) => {}
            Source::Branch { branch } => return Err(PolicyError::Branch(shown(branch))),
        }
        if let Some(path) = self.workflow.as_deref().filter(|path| !is_workflow(path)) {
            return Err(PolicyError::Workflow(shown(path)));
        }
        if let Some(path) = self.job_workflow.as_deref().filter(|path| !is_job_workflow(path)) {
            return Err(PolicyError::JobWorkflow(shown(path)));
        }
        if let Some(name) = self.environment.as_deref().filter(|name| !is_environment(name)) {
            return Err(PolicyError::Environment(shown(name)));
        }
        match self.runner.as_deref() {
            None | Some("github-hosted" | "self-hosted") => Ok(()),
            Some(runner) => Err(PolicyError::Runner(shown(runner))),
        }
    }

    /// Whether `ref_protected` must be `true`: where it is asked for, and at every branch.
    pub fn asks_protected_ref(&self) -> bool {
        self.protected_ref || matches!(self.source, Source::Branch { .. })
    }
}

/// Whether `new` could admit a publish that `old` refuses: such a change needs the operator. Where
/// in doubt it is one; so `false` promises that everything `new` admits, `old` admits too.
pub fn is_loosening(old: &Policy, new: &Policy) -> bool {
    let dropped = |old: &Option<String>, new: &Option<String>| match (old, new) {
        (None, _) => false,
        (Some(old), Some(new)) => old.to_lowercase() != new.to_lowercase(),
        (Some(_), None) => true,
    };
    let other_source = match (&old.source, &new.source) {
        (Source::Tag, Source::Tag) => false,
        (Source::Train { tag }, Source::Tag) => tag != "*",
        (Source::Train { tag: old }, Source::Train { tag: new }) => {
            let (old, new) = (old.split_once('*'), new.split_once('*'));
            !old.zip(new).is_some_and(|((old_head, old_tail), (head, tail))| {
                head.starts_with(old_head) && tail.ends_with(old_tail)
            })
        }
        (Source::Branch { branch: old }, Source::Branch { branch: new }) => old != new,
        _ => true,
    };
    // From any ref of a reusable workflow to one of its refs.
    let narrowed = match (&old.job_workflow, &new.job_workflow) {
        (Some(old), Some(new)) => {
            new.to_lowercase().starts_with(&format!("{}@", old.to_lowercase()))
        }
        _ => false,
    };
    other_source
        || dropped(&old.workflow, &new.workflow)
        || (dropped(&old.job_workflow, &new.job_workflow) && !narrowed)
        || dropped(&old.environment, &new.environment)
        || dropped(&old.runner, &new.runner)
        || (old.asks_protected_ref() && !new.asks_protected_ref())
}

/// A full commit: 40 hex digits, or 64 in repositories on SHA-256.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The path inside the repository, of whatever was pasted.
fn workflow_path(text: &str) -> String {
    let text = text.trim_start_matches("./").trim_start_matches('/');
    let lower = text.to_ascii_lowercase();
    if let Some(at) = lower.find(WORKFLOWS) {
        let path = &text[at..];
        return path.find("@refs/").map_or(path, |end| &path[..end]).to_owned();
    }
    if text.contains('/') { text.to_owned() } else { format!("{WORKFLOWS}{text}") }
}

fn is_workflow(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let file = lower.strip_prefix(WORKFLOWS).unwrap_or_default();
    let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
    path.len() <= 255
        && stem.is_some_and(|stem| !stem.is_empty() && !stem.contains('/') && is_plain(stem))
}

fn is_job_workflow(text: &str) -> bool {
    let (path, at) = match text.find("@refs/").or_else(|| text.rfind('@')) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let mut parts = path.splitn(3, '/');
    let mut part = || parts.next().filter(|part| !part.is_empty() && is_plain(part));
    part().is_some()
        && part().is_some()
        && part().is_some_and(|path| is_workflow(path) && !path.contains('@'))
        && at.is_none_or(|at| is_commit(at) || (at.starts_with("refs/") && is_ref_name(at)))
}

fn is_environment(name: &str) -> bool {
    let length = name.chars().count();
    (1..=255).contains(&length)
        && crate::escape::printable(name) == name
        && name.trim() == name
        && !name.contains('`')
}

/// Of what git takes as a ref's name (`git check-ref-format`) the part that is plain in a shell too,
/// since refusals show it inside commands that people paste.
fn is_ref_name(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "._-/@+=,%".contains(c);
    (1..=244).contains(&name.len())
        && name.chars().all(plain)
        && !name.contains("..")
        && !name.contains("//")
        && !name.starts_with(['-', '/', '.'])
        && !name.ends_with(['/', '.'])
}

/// Nothing that could steer a terminal, break a line of YAML or end a quoted word.
fn is_plain(text: &str) -> bool {
    crate::escape::printable(text) == text
        && !text.contains(|c: char| c.is_whitespace() || matches!(c, '`' | '\'' | '"' | '$'))
}

fn shown(text: &str) -> String {
    crate::escape::printable(&text.chars().take(200).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(tag: &str) -> Policy {
        Policy {
            source: Source::Train { tag: tag.to_owned() },
            environment: Some("release".to_owned()),
            ..Policy::default()
        }
    }

    #[test]
    fn typos_are_put_right() {
        let workflow = |text: &str| {
            let policy = Policy { workflow: Some(text.to_owned()), ..Policy::default() };
            policy.normalised().map(|policy| policy.workflow.unwrap_or_default())
        };
        let path = Ok(".github/workflows/publish.yml".to_owned());
        assert_eq!(workflow("publish.yml"), path);
        assert_eq!(workflow(" ./.github/workflows/publish.yml "), path);
        assert_eq!(workflow("acme/sensor/.github/workflows/publish.yml@refs/tags/v1@2"), path);
        assert_eq!(workflow("  "), Ok(String::new()));
        assert!(workflow("ci/publish.yml").is_err());
        assert!(workflow("publish").is_err());
        assert!(workflow("../publish.yml").is_err());

        let typed = Policy {
            source: Source::Branch { branch: "refs/heads/main".to_owned() },
            runner: Some("GitHub-Hosted".to_owned()),
            ..Policy::default()
        };
        let policy = typed.normalised().unwrap();
        assert_eq!(policy.source, Source::Branch { branch: "main".to_owned() });
        assert_eq!(policy.runner.as_deref(), Some("github-hosted"));
    }

    #[test]
    fn a_policy_that_cannot_hold_says_what_would() {
        let error = |policy: Policy| policy.check().unwrap_err().to_string();
        insta::assert_snapshot!(error(Policy { environment: None, ..train("release-*") }), @"policy `train` needs a pinned `environment` or `protected_ref: true`: its tag does not bind the version, so one of them has to guard it");
        insta::assert_snapshot!(error(train("release")), @"tag pattern `release` is not one: write a tag with exactly one `*`, for example `release-*`");
        insta::assert_snapshot!(error(Policy { runner: Some("mine".into()), ..Policy::default() }), @"runner `mine` does not exist: write `github-hosted` or `self-hosted`");
        for tag in ["*-*", "a b*", "$(id)*", "-*", "a..*", "x'*", "", "a\n*"] {
            assert!(train(tag).check().is_err(), "{tag:?}");
        }
        for branch in
            ["", "a*", "main branch", "/main", "a//b", "a`b", "a;id", "a&&b", "a|b", "a>b"]
        {
            let source = Source::Branch { branch: branch.to_owned() };
            assert!(Policy { source, ..Policy::default() }.check().is_err(), "{branch:?}");
        }
        for (job, right) in [
            ("acme/ci/.github/workflows/publish.yml", true),
            ("acme/ci/.github/workflows/publish.yml@refs/tags/v1", true),
            (
                "acme/ci/.github/workflows/publish.yml@0123456789012345678901234567890123456789",
                true,
            ),
            ("acme/ci/.github/workflows/publish.yml@v1", false),
            ("acme/.github/workflows/publish.yml", false),
            ("acme/ci/.github/workflows/publish.yml@evil.yml@refs/tags/v1", false),
        ] {
            let policy = Policy { job_workflow: Some(job.to_owned()), ..Policy::default() };
            assert_eq!(policy.check().is_ok(), right, "{job}");
        }
    }

    #[test]
    fn loosening_is_told_from_tightening() {
        let tag = Policy::default();
        let branch =
            Policy { source: Source::Branch { branch: "main".to_owned() }, ..Policy::default() };
        let guarded = Policy { environment: Some("release".to_owned()), ..Policy::default() };
        assert!(!is_loosening(&tag, &guarded));
        assert!(is_loosening(&guarded, &tag));
        assert!(is_loosening(&tag, &branch));
        assert!(is_loosening(&branch, &tag));
        assert!(is_loosening(&guarded, &train("*")));
        assert!(!is_loosening(&train("*"), &guarded));
        assert!(is_loosening(&train("v*"), &guarded));
        assert!(!is_loosening(&train("v*"), &train("v1.*")));
        assert!(is_loosening(&train("v1.*"), &train("v*")));
        let any =
            Policy { job_workflow: Some("a/b/.github/workflows/x.yml".into()), ..tag.clone() };
        let one =
            Policy { job_workflow: Some("a/b/.github/workflows/x.yml@refs/tags/v1".into()), ..tag };
        assert!(!is_loosening(&any, &one));
        assert!(is_loosening(&one, &any));
        let renamed = Policy { environment: Some("Release".to_owned()), ..Policy::default() };
        assert!(!is_loosening(&guarded, &renamed));
    }
}
