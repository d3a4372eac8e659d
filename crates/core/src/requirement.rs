//! Requirements: which versions of a dependency are admitted, in the grammar of its format.

use serde::{Deserialize, Serialize};

use crate::version::Version;

/// The grammar of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grammar {
    /// Cargo's (`^1.2`, `>=1, <2`, `~1.2`, `=1.2.3`, `*`).
    Cargo,
    /// npm's (`^1.2 || >=2 <3`, `1.x`, `1.2 - 1.4`).
    Npm,
    /// `ato`'s own: `^0.3.0` admits 0.15.9, `~` is below the next minor, `||` binds looser than `,`.
    Ato,
    /// The specifiers of PEP 508 / PEP 440 (`>=1.0,<2`, `~=1.4`, `==1.*`).
    Pep508,
    /// One exact version.
    Exact,
    /// Attune's (`>= <= > < = ^ ~ *`, one constraint).
    Attune,
}

/// Which versions are admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    grammar: Grammar,
    text: String,
}

/// Why a text is no requirement of a grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a requirement: {reason}")]
pub struct RequirementError {
    /// What was found, made printable.
    pub text: String,
    /// What would be right.
    pub reason: String,
}

impl Requirement {
    /// Parses `text` (at most 256 bytes) in `grammar`.
    pub fn parse(grammar: Grammar, text: &str) -> Result<Self, RequirementError> {
        todo!("{grammar:?} {text}")
    }
    /// The grammar.
    pub fn grammar(&self) -> Grammar {
        self.grammar
    }
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Whether `version` is admitted; a prerelease only where the requirement names one.
    pub fn admits(&self, version: &Version) -> bool {
        todo!("{version}")
    }
    /// Whether it admits one version only.
    pub fn is_exact(&self) -> bool {
        todo!()
    }
}
