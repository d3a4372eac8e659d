//! Policy: who may publish a package and from where, as one pure decision.

use serde::{Deserialize, Serialize};

use crate::api::ErrorCode;
use crate::claims::{Claims, OwnerPin, Pins};
use crate::identifier::Identifier;
use crate::version::Version;

/// Who may publish a package and from where; lives in the package's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Policy {
    /// From which refs.
    #[serde(flatten)]
    pub source: Source,
    /// The calling workflow's path, for example `.github/workflows/publish.yml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The job's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether `ref_protected` must be `true`.
    #[serde(default)]
    pub protected_ref: bool,
    /// `github-hosted` or `self-hosted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
}

/// From which refs a package is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Source {
    /// A tag that equals the version: `v1.2.3`, `1.2.3`, `name-v1.2.3`, `name@1.2.3`.
    Tag,
    /// A tag that fits a pattern with one `*`; versions are what the manifests declare. Needs a
    /// pinned environment or protected ref.
    Train {
        /// For example `release-*`.
        tag: String,
    },
    /// One named protected branch; versions are what the manifests declare.
    Branch {
        /// For example `main`.
        branch: String,
    },
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            source: Source::Tag,
            workflow: None,
            environment: None,
            protected_ref: false,
            runner: None,
        }
    }
}

/// What is asked, and what the registry knows.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The verified claims.
    pub claims: &'a Claims,
    /// What would be published.
    pub identifier: &'a Identifier,
    /// Which version.
    pub version: &'a Version,
    /// The package's pins, once it has a release.
    pub pins: Option<&'a Pins>,
    /// The owner's pin, once there is a release under it.
    pub owner_pin: Option<&'a OwnerPin>,
    /// The package's policy, or the default.
    pub policy: &'a Policy,
}

/// Why a publish is refused: which claim, what was expected, what was found, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("claim `{claim}` is `{actual}`, expected {expected}")]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// The claim that decided.
    pub claim: String,
    /// What would be right.
    pub expected: String,
    /// What was found, made printable.
    pub actual: String,
    /// The fix.
    pub help: String,
}

/// Decides whether `case` may publish. Pure: the token itself (signature, audience, times) was
/// verified before.
///
/// # Errors
///
/// The first decisive claim that is wrong.
pub fn decide(case: &Case) -> Result<(), Refusal> {
    todo!("{case:?}")
}
