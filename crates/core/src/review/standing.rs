//! How a package stands with its readers: what its registry shows of the latest release.

use crate::api::read::PackageInfo;
use crate::escape::excerpt;
use crate::quality::{Advised, Claim, Notice};
use crate::release::Release;

/// What a registry shows of a package's latest release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The latest release's version.
    pub version: String,
    /// Downloads of all releases.
    pub downloads: u64,
    /// What its publisher claims of tests and coverage.
    pub claim: Option<Claim>,
    /// Advisories about it; `None` where it was not looked at.
    pub advisories: Option<Vec<Notice>>,
}

impl Standing {
    /// As the ledger has it.
    pub fn of(latest: &Release, downloads: u64, advised: Option<Advised>) -> Self {
        let advised = advised.filter(|advised| advised.version == latest.version.text());
        Self {
            version: latest.version.text().to_owned(),
            downloads,
            claim: latest.quality.clone(),
            advisories: advised.map(|advised| advised.notices),
        }
    }
}

impl From<PackageInfo> for Standing {
    fn from(info: PackageInfo) -> Self {
        Self {
            version: excerpt(&info.version, 200),
            downloads: info.stats.total_downloads,
            claim: info.quality,
            advisories: info.advisories,
        }
    }
}
