//! Findings and records, rendered for people and programs.
//!
//! All renderers take the same [`Audited`] packages and answer text. Everything that comes from
//! outside goes through [`crate::escape`]; no renderer knows a terminal, a file or an environment.

pub mod comment;
pub mod github;
pub mod human;
pub mod json;
pub mod markdown;
pub mod sarif;
mod standing;

use serde::{Deserialize, Serialize};

use crate::audit::{Finding, Severity};
use crate::manifest::{Export, Manifest, Name};
use crate::tree::Tree;

/// Where the rules' pages stand.
const RULE_PAGES: &str = "https://github.com/packhouse/packhouse/blob/main/docs/rules";

/// A package and what its audit found.
#[derive(Clone, Debug)]
pub struct Audited<'a> {
    /// Its identifier or native name; its manifest's path where it has neither.
    pub package: String,
    /// Its version, where it is known.
    pub version: Option<String>,
    /// Its folder in the repository, without a final `/`; empty at the root. Reports name files from
    /// the repository's root, as forges do.
    pub folder: String,
    /// What was found, worst first, as [`crate::audit::audit`] answers it.
    pub findings: &'a [Finding],
    /// What it offers.
    pub exports: &'a [Export],
    /// Its files, for excerpts.
    pub tree: Option<&'a Tree>,
}

impl<'a> Audited<'a> {
    /// A package by its manifest, in `folder` of the repository.
    pub fn new(
        manifest: &'a Manifest,
        folder: &str,
        tree: &'a Tree,
        findings: &'a [Finding],
    ) -> Self {
        let package = match manifest.name.as_ref().map(|name| &name.value) {
            Some(Name::Full(identifier)) => identifier.to_string(),
            Some(Name::Native(native)) => native.name.clone(),
            None => manifest.path.to_string(),
        };
        let version = manifest.version.as_ref().map(|version| version.value.text().to_owned());
        let (folder, exports) = (folder.to_owned(), manifest.exports.as_slice());
        Self { package, version, folder, findings, exports, tree: Some(tree) }
    }

    /// A finding's path from the repository's root; the manifest-less ones have none.
    pub fn path(&self, finding: &Finding) -> Option<String> {
        let path = finding.path.as_deref()?;
        let folder = crate::escape::printable(&self.folder);
        Some(if folder.is_empty() { path.to_owned() } else { format!("{folder}/{path}") })
    }

    /// `name version`, printable.
    fn title(&self) -> String {
        let version = self.version.as_deref().map(|v| format!(" {v}")).unwrap_or_default();
        crate::escape::printable(&format!("{}{version}", self.package))
    }
}

/// How many findings of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// Findings that stop a publish.
    pub errors: usize,
    /// Findings that should be mended.
    pub warnings: usize,
    /// Findings that are good to know.
    pub notes: usize,
}

impl Counts {
    /// Counts `findings`.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            match finding.severity {
                Severity::Error => counts.errors += 1,
                Severity::Warning => counts.warnings += 1,
                Severity::Note => counts.notes += 1,
            }
        }
        counts
    }

    /// Counts the findings of all `packages`.
    pub fn all(packages: &[Audited]) -> Self {
        Self::of(packages.iter().flat_map(|package| package.findings))
    }
}

impl std::fmt::Display for Counts {
    /// `1 error, 2 warnings`; `no findings` where there are none.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        if parts.is_empty() { f.write_str("no findings") } else { f.write_str(&parts.join(", ")) }
    }
}

/// From which severity on an audit fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// At an error.
    #[default]
    Error,
    /// At a warning or worse.
    Warning,
    /// At any finding.
    Note,
    /// Never.
    Never,
}

/// A text that is no [`FailOn`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no severity to fail on: write `error`, `warning`, `note` or `never`")]
pub struct FailOnError(String);

impl std::str::FromStr for FailOn {
    type Err = FailOnError;
    fn from_str(text: &str) -> Result<Self, FailOnError> {
        match text {
            "error" => Ok(Self::Error),
            "warning" => Ok(Self::Warning),
            "note" => Ok(Self::Note),
            "never" => Ok(Self::Never),
            _ => Err(FailOnError(crate::escape::printable(
                &text.chars().take(80).collect::<String>(),
            ))),
        }
    }
}

/// How an audit ended; the CLI maps it to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was found.
    Clean,
    /// Something was found, all of it below what fails; with the worst severity.
    Passed(Severity),
    /// Something was found that fails; with the worst severity.
    Failed(Severity),
}

/// How an audit that found `findings` ends under `fail_on`.
pub fn outcome<'a>(findings: impl IntoIterator<Item = &'a Finding>, fail_on: FailOn) -> Outcome {
    let Some(worst) = findings.into_iter().map(|finding| finding.severity).max() else {
        return Outcome::Clean;
    };
    let fails = match fail_on {
        FailOn::Error => worst >= Severity::Error,
        FailOn::Warning => worst >= Severity::Warning,
        FailOn::Note => true,
        FailOn::Never => false,
    };
    if fails { Outcome::Failed(worst) } else { Outcome::Passed(worst) }
}

/// A size as people see it: `812 B`, `4.2 KiB`, `18.3 MiB`.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// The address of a rule's page.
pub fn rule_page(rule: &str) -> String {
    format!("{RULE_PAGES}/{rule}.md")
}

#[cfg(test)]
pub(crate) mod tests;
