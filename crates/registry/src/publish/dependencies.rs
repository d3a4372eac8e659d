//! What a publisher and every consumer should know of a release's own dependencies: a pin that the
//! registry does not hold, a folder or git address that nobody else can follow.

use packhouse_core::manifest::{Dependency, Target};
use packhouse_core::release::Release;

use crate::app::Service;
use crate::error::ApiResult;
use crate::ports::Train;

/// How many dependencies of one release are looked up; a manifest is small, so real packages are
/// far below.
const LOOKED_UP: usize = 200;

/// One sentence for each dependency that consumers will not get.
pub(super) async fn warnings(
    service: &Service,
    dependencies: &[Dependency],
    train: &Train,
) -> ApiResult<Vec<String>> {
    let mut warnings = Vec::new();
    for dependency in dependencies.iter().take(LOOKED_UP) {
        match &dependency.target {
            Target::Registry { identifier } => {
                let releases = service.ledger.releases(identifier).await?;
                let riding = train.members.iter().filter(|m| m.identifier == *identifier);
                let usable = releases.iter().filter(|r| usable(r)).map(|r| &r.version);
                let mut known = usable.chain(riding.map(|m| &m.version)).peekable();
                if known.peek().is_none() {
                    warnings.push(format!("dependency `{identifier}` is not in this registry"));
                } else if let Some(requirement) = &dependency.requirement
                    && !known.any(|version| requirement.admits(version))
                {
                    warnings.push(format!(
                        "no release of dependency `{identifier}` fits `{}`",
                        requirement.text()
                    ));
                } else if let Some(requirement) = &dependency.requirement
                    && only_yanked(&releases, train, dependency)
                {
                    warnings.push(format!(
                        "every release of dependency `{identifier}` that fits `{}` is yanked",
                        requirement.text()
                    ));
                }
            }
            Target::File { path, .. } => warnings.push(format!(
                "dependency `{}` is a folder on the publisher's machine",
                packhouse_core::escape::printable(path)
            )),
            Target::Native(_) | Target::Git { .. } | Target::Url { .. } => {}
        }
    }
    Ok(warnings)
}

/// Whether new projects will not get the dependency, although older ones keep it.
fn only_yanked(releases: &[Release], train: &Train, dependency: &Dependency) -> bool {
    let fits = |version| dependency.requirement.as_ref().is_none_or(|r| r.admits(version));
    let riding = train.members.iter().any(|m| match &dependency.target {
        Target::Registry { identifier } => m.identifier == *identifier && fits(&m.version),
        _ => false,
    });
    let mut fitting = releases.iter().filter(|r| usable(r) && fits(&r.version));
    !riding && fitting.all(|release| release.marks.yanked.is_some())
}

fn usable(release: &Release) -> bool {
    release.marks.removed.is_none() && release.marks.quarantined.is_none()
}
