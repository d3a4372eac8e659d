//! Claims: what a verified CI token says, and the publisher that a package is pinned to.

use serde::{Deserialize, Serialize};

use crate::api::ErrorCode;

/// The claims of a GitHub Actions ID token that decide or are recorded. All ids are texts, as
/// GitHub sends them. Unknown claims are ignored: new ones appear without notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience: one text, never an array.
    pub aud: String,
    /// Subject; recorded, never parsed.
    pub sub: String,
    /// The token's own id.
    pub jti: String,
    /// Issued at, seconds since 1970.
    pub iat: i64,
    /// Not valid before, seconds since 1970.
    #[serde(default)]
    pub nbf: Option<i64>,
    /// Expires at, seconds since 1970.
    pub exp: i64,
    /// `owner/name` at the time of the run.
    pub repository: String,
    /// The repository's number, which survives renames.
    pub repository_id: String,
    /// The owner's name at the time of the run.
    pub repository_owner: String,
    /// The owner's number.
    pub repository_owner_id: String,
    /// `public`, `private`, `internal`.
    #[serde(default)]
    pub repository_visibility: Option<String>,
    /// The event that started the run.
    pub event_name: String,
    /// `refs/tags/v1.2.3`, `refs/heads/main`, ...
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// `tag` or `branch`.
    pub ref_type: String,
    /// `true` or `false` as text; absent on some servers.
    #[serde(default)]
    pub ref_protected: Option<String>,
    /// The commit.
    pub sha: String,
    /// `owner/name/.github/workflows/file.yml@ref` of the calling workflow.
    #[serde(default)]
    pub workflow_ref: Option<String>,
    /// The same of the workflow that holds the job.
    #[serde(default)]
    pub job_workflow_ref: Option<String>,
    /// The environment's name, where the job has one.
    #[serde(default)]
    pub environment: Option<String>,
    /// `github-hosted` or `self-hosted`.
    #[serde(default)]
    pub runner_environment: Option<String>,
    /// The run.
    pub run_id: String,
    /// Which try of the run.
    #[serde(default)]
    pub run_attempt: Option<String>,
    /// Who started the run; recorded, never compared.
    #[serde(default)]
    pub actor: Option<String>,
    /// Who started the run, as a number.
    #[serde(default)]
    pub actor_id: Option<String>,
}

/// How much a claim weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Any change of it is refused, under every policy.
    Decisive,
    /// It decides where [`ClaimRule::rule`] says so, and is recorded or ignored elsewhere.
    Conditional,
    /// It decides nothing: any change of it is accepted.
    Recorded,
}

/// Who looks at a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// The verifier of the token, before anything else.
    Token,
    /// [`crate::policy::decide`].
    Decision,
    /// The publish protocol, which knows what the token was used for before.
    Protocol,
    /// Nobody.
    None,
}

/// What the registry does with one claim.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRule {
    /// The claim's name in the token.
    pub name: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// Who looks at it.
    pub check: Check,
    /// The code of a refusal that names it.
    pub code: Option<ErrorCode>,
    /// What is asked of it, in one sentence.
    pub rule: &'static str,
}

const fn rule(
    name: &'static str,
    weight: Weight,
    check: Check,
    code: Option<ErrorCode>,
    rule: &'static str,
) -> ClaimRule {
    ClaimRule { name, weight, check, code, rule }
}

/// Every claim that the registry reads, and what it does with it. `docs/claims.md` shows this table,
/// and the tests change each claim in turn. A claim that is not in it is ignored.
pub const CLAIMS: &[ClaimRule] = {
    use Check::{Decision, Protocol, Token};
    use Weight::{Conditional, Decisive, Recorded};
    &[
        rule(
            "iss",
            Decisive,
            Token,
            Some(ErrorCode::WrongIssuer),
            "an issuer that the registry is configured with, and the one that package and owner are pinned to",
        ),
        rule(
            "aud",
            Decisive,
            Token,
            Some(ErrorCode::WrongAudience),
            "one text, equal to the audience that the registry rebuilds from the request",
        ),
        rule(
            "exp",
            Decisive,
            Token,
            Some(ErrorCode::TokenExpired),
            "not passed, and at most 900 s after `iat`",
        ),
        rule("nbf", Decisive, Token, Some(ErrorCode::TokenExpired), "passed, where present"),
        rule("iat", Decisive, Token, Some(ErrorCode::TokenExpired), "not in the future"),
        rule(
            "repository_id",
            Decisive,
            Decision,
            Some(ErrorCode::WrongRepository),
            "the repository that the package is pinned to by its first release",
        ),
        rule(
            "repository_owner_id",
            Decisive,
            Decision,
            Some(ErrorCode::WrongOwner),
            "the owner that the package, or for a new package its owner's name, is pinned to",
        ),
        rule(
            "event_name",
            Decisive,
            Decision,
            Some(ErrorCode::WrongEvent),
            "on the policy's list of events",
        ),
        rule(
            "ref",
            Decisive,
            Decision,
            Some(ErrorCode::WrongRef),
            "the tag or branch that the policy names; a tag that says another version is `tag-mismatch`",
        ),
        rule(
            "ref_type",
            Decisive,
            Decision,
            Some(ErrorCode::WrongRef),
            "`tag`, or `branch` under a `branch` policy",
        ),
        rule(
            "repository_owner",
            Conditional,
            Decision,
            Some(ErrorCode::WrongOwner),
            "equal to the identifier's owner without case, as long as neither package nor owner is pinned",
        ),
        rule(
            "repository",
            Conditional,
            Decision,
            Some(ErrorCode::WrongWorkflow),
            "where the policy pins a workflow, `workflow_ref` must lie in it; else recorded",
        ),
        rule(
            "workflow_ref",
            Conditional,
            Decision,
            Some(ErrorCode::WrongWorkflow),
            "where the policy pins a workflow, its path at the same ref",
        ),
        rule(
            "job_workflow_ref",
            Conditional,
            Decision,
            Some(ErrorCode::WrongWorkflow),
            "where the policy pins a reusable workflow, that one",
        ),
        rule(
            "ref_protected",
            Conditional,
            Decision,
            Some(ErrorCode::UnprotectedRef),
            "`true` where the policy asks for a protected ref, and under every `branch` policy",
        ),
        rule(
            "environment",
            Conditional,
            Decision,
            Some(ErrorCode::WrongEnvironment),
            "where the policy pins an environment, that one without case",
        ),
        rule(
            "runner_environment",
            Conditional,
            Decision,
            Some(ErrorCode::WrongRunner),
            "where the policy pins a kind of runner, that one",
        ),
        rule(
            "jti",
            Conditional,
            Protocol,
            Some(ErrorCode::TokenReplayed),
            "not used before, except for the very same publish",
        ),
        rule(
            "run_id",
            Conditional,
            Protocol,
            Some(ErrorCode::IntentForeign),
            "at confirm the run that opened the publish; else recorded",
        ),
        rule("run_attempt", Recorded, Check::None, None, "recorded"),
        rule(
            "sha",
            Recorded,
            Check::None,
            None,
            "recorded: the commit that the release says it was made from",
        ),
        rule(
            "sub",
            Recorded,
            Check::None,
            None,
            "never parsed: its shape is the repository's choice",
        ),
        rule(
            "repository_visibility",
            Recorded,
            Check::None,
            None,
            "recorded: the address of a public repository may be handed out",
        ),
        rule("actor", Recorded, Check::None, None, "ignored: who starts a run may change"),
        rule("actor_id", Recorded, Check::None, None, "ignored"),
    ]
};

/// The identity that a package is pinned to by its first release: any change of a part is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pins {
    /// The issuer.
    pub issuer: String,
    /// The repository's number.
    pub repository_id: String,
    /// The owner's number.
    pub owner_id: String,
}

/// The identity that an owner's name is pinned to by the first release under it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OwnerPin {
    /// The issuer.
    pub issuer: String,
    /// The owner's number.
    pub owner_id: String,
}

/// Who published a release, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Publisher {
    /// A CI job that proved who it is.
    Oidc(OidcPublisher),
    /// An API token.
    Token {
        /// The token's public id, never the token.
        token_id: String,
    },
    /// Nobody in particular: a registry that was served with `--open`.
    Open,
    /// Nobody: an operator rebuilt it from a commit of a git repository.
    Imported(Provenance),
}

/// Where an imported release was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The repository's address without credentials, or its folder's name where it lay on a disk.
    pub repository: String,
    /// The full name of the commit.
    pub commit: String,
    /// The tag that named the version; absent where the manifest of the commit was the first to say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The package's folder in the repository; empty at its root.
    pub path: String,
    /// When the commit was made, as it says itself.
    #[schema(value_type = String)]
    pub committed_at: jiff::Timestamp,
}

/// What is wrong with a [`Provenance`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is not {right}")]
pub struct ProvenanceError {
    /// The field.
    pub field: &'static str,
    /// What would be right.
    pub right: &'static str,
}

impl Provenance {
    /// Whether it can be recorded and shown: bounded, printable, without a password.
    ///
    /// # Errors
    ///
    /// The first field that is not right.
    pub fn check(&self) -> Result<(), ProvenanceError> {
        let plain =
            |text: &str, most: usize| text.len() <= most && crate::escape::printable(text) == text;
        let userinfo = self.repository.split_once("://").and_then(|(scheme, rest)| {
            let user = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?.0;
            Some((scheme, user))
        });
        // `git@` of an SSH address says who serves, not who asks.
        let secret = userinfo.is_some_and(|(scheme, user)| scheme != "ssh" || user.contains(':'));
        let hex = self.commit.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let tag = self.tag.as_deref().unwrap_or("v1");
        for (right, field, what) in [
            (
                !self.repository.is_empty() && plain(&self.repository, 500) && !secret,
                "repository",
                "an address of at most 500 printable characters without credentials",
            ),
            (
                matches!(self.commit.len(), 40 | 64) && hex,
                "commit",
                "a commit's full name: 40 hex digits",
            ),
            (
                !tag.is_empty() && plain(tag, 250),
                "tag",
                "a tag of at most 250 printable characters",
            ),
            (plain(&self.path, 1_000), "path", "a folder of at most 1000 printable characters"),
        ] {
            if !right {
                return Err(ProvenanceError { field, right: what });
            }
        }
        Ok(())
    }
}

/// What is recorded of a CI job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct OidcPublisher {
    /// What the package is pinned to.
    #[serde(flatten)]
    pub pins: Pins,
    /// `owner/name` at the time.
    pub repository: String,
    /// `refs/tags/v1.2.3`.
    #[serde(rename = "ref")]
    pub git_ref: String,
    /// The commit.
    pub sha: String,
    /// `public`, `private`, `internal` at the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository_visibility: Option<String>,
    /// The workflow, `owner/name/.github/workflows/file.yml@ref`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_ref: Option<String>,
    /// The workflow that holds the job, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_workflow_ref: Option<String>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// `github-hosted` or `self-hosted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_environment: Option<String>,
    /// The run.
    pub run_id: String,
    /// Which try of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_attempt: Option<String>,
}

impl Claims {
    /// What a package is pinned to by these claims.
    pub fn pins(&self) -> Pins {
        Pins {
            issuer: self.iss.clone(),
            repository_id: self.repository_id.clone(),
            owner_id: self.repository_owner_id.clone(),
        }
    }

    /// What an owner's name is pinned to by these claims.
    pub fn owner_pin(&self) -> OwnerPin {
        OwnerPin { issuer: self.iss.clone(), owner_id: self.repository_owner_id.clone() }
    }

    /// What is recorded of these claims.
    pub fn publisher(&self) -> Publisher {
        Publisher::Oidc(OidcPublisher {
            pins: self.pins(),
            repository: self.repository.clone(),
            git_ref: self.git_ref.clone(),
            sha: self.sha.clone(),
            repository_visibility: self.repository_visibility.clone(),
            workflow_ref: self.workflow_ref.clone(),
            job_workflow_ref: self.job_workflow_ref.clone(),
            environment: self.environment.clone(),
            runner_environment: self.runner_environment.clone(),
            run_id: self.run_id.clone(),
            run_attempt: self.run_attempt.clone(),
        })
    }
}
