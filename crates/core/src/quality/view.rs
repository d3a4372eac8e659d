//! What a registry keeps of the advisories about a package: a view that is made anew, never a part of a
//! release.

use serde::{Deserialize, Serialize};

use super::Match;
use crate::audit::target_text;
use crate::escape::excerpt;
use crate::identifier::Identifier;
use crate::release::SCHEMA;
use crate::version::Version;

/// Advisories that are kept of one package, at most.
const NOTICES: usize = 100;

/// The advisories about one release, as they were when it was last looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advised {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The package.
    pub identifier: Identifier,
    /// The version that was looked at, as text.
    pub version: String,
    /// What was found, at most 100.
    pub notices: Vec<Notice>,
}

/// An advisory about a release, in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Notice {
    /// Its id, for example `GHSA-xxxx-xxxx-xxxx`.
    pub id: String,
    /// The same elsewhere, for example `CVE-2026-1234`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// One sentence; may be empty.
    pub summary: String,
    /// How bad its authors say it is: a word or a CVSS vector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The dependency that it is about, as the manifest spells it; absent where it is about the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency: Option<String>,
    /// Which versions are affected, for example `>=1.2, <1.4.1`.
    pub affected: String,
    /// The lowest version that mends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
}

impl Advised {
    /// The view of a release, of which `found` is known. What is only possible is left out: readers see
    /// what a release leads to today.
    pub fn of(identifier: &Identifier, version: &Version, found: &[Match<'_>]) -> Self {
        let certain = found.iter().filter(|found| found.certain).take(NOTICES);
        Self {
            schema: SCHEMA,
            identifier: identifier.clone(),
            version: version.text().to_owned(),
            notices: certain.map(Notice::of).collect(),
        }
    }
}

impl Notice {
    fn of(found: &Match<'_>) -> Self {
        let advisory = found.advisory;
        Self {
            id: advisory.id.clone(),
            aliases: advisory.aliases.clone(),
            summary: advisory.summary.clone(),
            severity: advisory.severity.clone(),
            dependency: found.dependency.map(|d| excerpt(&target_text(&d.target), 200)),
            affected: found.affected.clone(),
            fixed: found.fixed.as_ref().map(|version| version.text().to_owned()),
        }
    }
}
