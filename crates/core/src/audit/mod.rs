//! The audit: rules look at facts and report findings.

use serde::{Deserialize, Serialize};

use crate::manifest::Manifest;
use crate::tree::Tree;
use crate::version::Version;

/// How bad a finding is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Should be mended; does not stop a publish.
    Warning,
    /// Stops a publish.
    Error,
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// The rule's id, for example `case-twins`; its page is `docs/rules/<id>.md`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the package's folder; made printable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What was found.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// 16 hex digits that stay the same when lines move: rule, path and the text found.
    pub fingerprint: String,
}

/// Something in the package's folder that cannot be in a tree; gathered by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oddity {
    /// The path, made printable where it is not UTF-8.
    pub path: String,
    /// What it is.
    pub kind: OddityKind,
}

/// Why something cannot be in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OddityKind {
    /// A symbolic link, with its target.
    Link(String),
    /// A name that is not UTF-8.
    NotUtf8,
    /// A device, socket or pipe.
    Special,
    /// A path that is not safe on every system.
    Path(crate::tree::PathError),
    /// A file over the limit, with its size in bytes.
    TooLarge(u64),
}

/// What the registry holds of a package, as far as the caller asked.
#[derive(Clone, Debug, Default)]
pub struct RegistryFacts {
    /// Released versions, yanked ones included.
    pub versions: Vec<Version>,
    /// Dependencies (their text) that the registry does not hold.
    pub missing_dependencies: Vec<String>,
}

/// What a rule may look at; the caller gathers it.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The files that would be packed.
    pub tree: &'a Tree,
    /// What lies in the folder and cannot be packed.
    pub oddities: &'a [Oddity],
    /// The package's manifest.
    pub manifest: &'a Manifest,
    /// The tag that is being released, without `refs/tags/`.
    pub tag: Option<&'a str>,
    /// What the registry holds, when it was asked.
    pub registry: Option<&'a RegistryFacts>,
    /// The limits of the registry.
    pub limits: &'a crate::limits::Limits,
}

/// One check.
pub trait Rule: Send + Sync {
    /// The rule's id, for example `case-twins`.
    fn id(&self) -> &'static str;
    /// The severity of its findings.
    fn severity(&self) -> Severity;
    /// One sentence for lists and SARIF.
    fn summary(&self) -> &'static str;
    /// Looks at `facts` and pushes what it finds.
    fn check(&self, facts: &Facts, findings: &mut Vec<Finding>);
}

/// Runs every rule; findings are sorted worst first, then by path, line and rule.
pub fn audit(facts: &Facts) -> Vec<Finding> {
    todo!("{}", facts.limits.entries)
}
