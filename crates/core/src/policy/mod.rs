//! Policy: who may publish a package and from where, as one pure decision.
//!
//! [`decide()`] judges verified claims against a package's pins and its [`Policy`];
//! [`Policy::normalised`] and [`Policy::check`] judge a policy before it is stored, and
//! [`is_loosening`] says whether a change needs the operator; [`audience()`] is what a token for one
//! publish must be made for. Which claim weighs what is one table: [`crate::claims::CLAIMS`].

use serde::{Deserialize, Deserializer, Serialize};

use crate::api::ErrorCode;
use crate::claims::{Claims, OwnerPin, Pins};
use crate::identifier::Identifier;
use crate::version::Version;

mod audience;
mod change;
mod decide;
mod suppose;

pub use audience::{Manage, audience, manage_audience, rehearsal_audience};
pub use change::{PolicyError, is_loosening};
pub use decide::{admitted_events, decide, decide_manage};
pub use suppose::suppose;

/// Who may publish a package and from where; lives in the package's head. Reading one refuses fields
/// that it does not have: a mistyped `enviroment` must not make a policy that asks for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Policy {
    /// From which refs.
    #[serde(flatten)]
    pub source: Source,
    /// The calling workflow's path, for example `.github/workflows/publish.yml`; compared without
    /// case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// The workflow that must hold the job, where it is a reusable one:
    /// `owner/name/.github/workflows/file.yml`, optionally with `@refs/tags/v1` or `@<commit>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_workflow: Option<String>,
    /// The job's environment; compared without case, as GitHub does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Whether `ref_protected` must be `true`; a `branch` policy asks for it always.
    #[serde(default)]
    pub protected_ref: bool,
    /// `github-hosted` or `self-hosted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
}

/// From which refs a package is published.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Source {
    /// A tag that equals the version: `v1.2.3`, `1.2.3`, `name-v1.2.3`, `name@1.2.3`.
    #[default]
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

/// A policy as JSON has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    tag: Option<String>,
    branch: Option<String>,
    workflow: Option<String>,
    job_workflow: Option<String>,
    environment: Option<String>,
    #[serde(default)]
    protected_ref: bool,
    runner: Option<String>,
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        let source = match (written.kind.as_str(), written.tag, written.branch) {
            ("tag", None, None) => Source::Tag,
            ("train", Some(tag), None) => Source::Train { tag },
            ("branch", None, Some(branch)) => Source::Branch { branch },
            _ => {
                return Err(serde::de::Error::custom(
                    "write `kind: tag`, `kind: train` with a pattern in `tag`, or `kind: branch` \
                     with a name in `branch`",
                ));
            }
        };
        Ok(Self {
            source,
            workflow: written.workflow,
            job_workflow: written.job_workflow,
            environment: written.environment,
            protected_ref: written.protected_ref,
            runner: written.runner,
        })
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
    /// The package's pins, once it has a release. They win over [`Case::owner_pin`], so that an
    /// operator can transfer one package of an owner.
    pub pins: Option<&'a Pins>,
    /// The owner's pin, once there is a release under it.
    pub owner_pin: Option<&'a OwnerPin>,
    /// The package's policy, or the default.
    pub policy: &'a Policy,
}

/// Why a publish is refused: which claim, what was expected, what was found, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("claim `{claim}` is {}, expected {expected}", quoted(actual))]
pub struct Refusal {
    /// The stable code.
    pub code: ErrorCode,
    /// The claim that decided.
    pub claim: String,
    /// What would be right: values in backticks.
    pub expected: String,
    /// What was found, made printable and cut at 200 characters; empty where the claim is absent.
    pub actual: String,
    /// The fix.
    pub help: String,
}

fn quoted(actual: &str) -> String {
    if actual.is_empty() { "absent".to_owned() } else { format!("`{actual}`") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_reads_what_it_writes() {
        let read = |text: serde_json::Value| serde_json::from_value::<Policy>(text);
        for (text, source) in [
            (json!({ "kind": "tag" }), Source::Tag),
            (json!({ "kind": "train", "tag": "r-*" }), Source::Train { tag: "r-*".into() }),
            (
                json!({ "kind": "branch", "branch": "main" }),
                Source::Branch { branch: "main".into() },
            ),
        ] {
            let policy = read(text).unwrap();
            assert_eq!(policy, Policy { source, ..Policy::default() });
            assert_eq!(read(serde_json::to_value(&policy).unwrap()).unwrap(), policy);
        }
        for wrong in [
            json!({}),
            json!({ "kind": "tags" }),
            json!({ "kind": "tag", "tag": "v*" }),
            json!({ "kind": "train" }),
            json!({ "kind": "branch", "branch": "main", "tag": "x*" }),
            json!({ "kind": "tag", "enviroment": "release" }),
            json!({ "kind": "tag", "protected_ref": "yes" }),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
