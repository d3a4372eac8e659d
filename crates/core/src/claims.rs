//! Claims: what a verified CI token says, and the publisher that a package is pinned to.

use serde::{Deserialize, Serialize};

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
            workflow_ref: self.workflow_ref.clone(),
            job_workflow_ref: self.job_workflow_ref.clone(),
            environment: self.environment.clone(),
            runner_environment: self.runner_environment.clone(),
            run_id: self.run_id.clone(),
            run_attempt: self.run_attempt.clone(),
        })
    }
}
