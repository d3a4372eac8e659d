//! The outlook: what the release that follows a change would hold, and whether it would be let in.

use std::collections::BTreeMap;

use super::{Checked, Standing};
use crate::api::{ErrorCode, RehearsalAnswer};
use crate::audit::target_text;
use crate::escape::excerpt;
use crate::manifest::{Dependency, Manifest};
use crate::tree::Tree;
use crate::version::Version;

/// The release that a package's next one follows.
pub struct Released {
    /// Its version.
    pub version: Version,
    /// Its files.
    pub tree: Tree,
    /// Its manifest, where it can be read.
    pub manifest: Option<Manifest>,
}

/// A file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path in the package.
    pub path: String,
    /// Its size in bytes before; 0 where it is new.
    pub before: u64,
    /// Its size in bytes after; 0 where it goes away.
    pub after: u64,
}

/// How a package differs from its latest release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Files that are new.
    pub added: Vec<FileChange>,
    /// Files that go away.
    pub removed: Vec<FileChange>,
    /// Files whose content or mode differs.
    pub changed: Vec<FileChange>,
    /// Size of all files before, in bytes.
    pub bytes_before: u64,
    /// Size of all files after, in bytes.
    pub bytes_after: u64,
    /// Dependencies: target, requirement before and after; `None` where there is none.
    pub dependencies: Vec<(String, Option<String>, Option<String>)>,
    /// The licence before and after, where it differs.
    pub license: Option<(String, String)>,
    /// Things that the package offers no more, as `kind name`.
    pub exports_removed: Vec<String>,
    /// Things that it newly offers.
    pub exports_added: Vec<String>,
}

impl Difference {
    /// Compares a package with its latest release.
    pub fn between(released: &Released, now: &Checked) -> Self {
        let mut difference = Self {
            bytes_before: released.tree.bytes(),
            bytes_after: now.tree.bytes(),
            ..Self::default()
        };
        let size = |file: &crate::tree::TreeFile| file.bytes.len() as u64;
        for (path, file) in now.tree.iter() {
            let (path, after) = (path.as_str(), size(file));
            let change = |before| FileChange { path: path.to_owned(), before, after };
            match released.tree.get(path) {
                None => difference.added.push(change(0)),
                Some(old) if old != file => difference.changed.push(change(size(old))),
                Some(_) => {}
            }
        }
        for (path, file) in released.tree.iter() {
            if now.tree.get(path.as_str()).is_none() {
                let (path, before) = (path.to_string(), size(file));
                difference.removed.push(FileChange { path, before, after: 0 });
            }
        }
        if let (Some(old), Some(new)) = (&released.manifest, &now.manifest) {
            difference.manifests(old, new);
        }
        difference
    }

    fn manifests(&mut self, old: &Manifest, new: &Manifest) {
        let (before, after) = (requirements(old), requirements(new));
        let targets = before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>();
        for target in targets {
            let (before, after) = (before.get(target), after.get(target));
            if before != after {
                self.dependencies.push((target.clone(), before.cloned(), after.cloned()));
            }
        }
        let license = |manifest: &Manifest| {
            manifest.license.as_ref().map(|field| field.value.clone()).unwrap_or_default()
        };
        let (before, after) = (license(old), license(new));
        self.license = (before != after).then_some((before, after));
        let exports = |manifest: &Manifest| {
            let named = manifest.exports.iter();
            named
                .map(|e| format!("{} {}", e.kind, e.name))
                .collect::<std::collections::BTreeSet<_>>()
        };
        let (before, after) = (exports(old), exports(new));
        self.exports_removed = before.difference(&after).cloned().collect();
        self.exports_added = after.difference(&before).cloned().collect();
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty()
    }

    /// A version that would fit after `latest` by what differs: something that the package offered is
    /// gone, it offers more, or neither. `None` where `latest` is not of numbers, as `1.2.3`.
    pub fn suggested(&self, latest: &Version) -> Option<String> {
        let mut parts = latest.text().split('.').map(|part| part.parse::<u64>().ok());
        let (major, minor) = (parts.next()??, parts.next()??);
        let patch = match parts.next() {
            Some(patch) => patch?,
            None => 0,
        };
        if parts.next().is_some() {
            return None;
        }
        let up = |n: u64| n.saturating_add(1);
        let breaks = !self.exports_removed.is_empty();
        Some(match (breaks, !self.exports_added.is_empty()) {
            // Before 1.0 the second number says what the first one says later (SemVer §4).
            (true, _) if major == 0 => format!("0.{}.0", up(minor)),
            (true, _) => format!("{}.0.0", up(major)),
            (false, true) if major > 0 => format!("{major}.{}.0", up(minor)),
            _ => format!("{major}.{minor}.{}", up(patch)),
        })
    }
}

/// What a manifest needs: target and requirement, as written.
fn requirements(manifest: &Manifest) -> BTreeMap<String, String> {
    let text = |dependency: &Dependency| {
        let wanted = dependency.requirement.as_ref().map(|r| r.text().to_owned());
        let condition = dependency.condition.as_ref().map(|c| format!(" ({c})"));
        format!("{}{}", wanted.unwrap_or_else(|| "any".to_owned()), condition.unwrap_or_default())
    };
    manifest.dependencies.iter().map(|d| (target_text(&d.target), text(d))).collect()
}

/// What the registry would say to a release of the package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It would be published.
    Publishes {
        /// From which ref, for example `refs/tags/v1.4.0`.
        git_ref: String,
        /// Whether it would be the first one, which pins the package.
        first: bool,
        /// Whether a token proved which repository asks.
        proved: bool,
    },
    /// The version is released with this very content: nothing would happen.
    Unchanged,
    /// The version is released with other content: a release needs another version.
    Taken,
    /// It would be refused.
    Refused {
        /// The stable code.
        code: String,
        /// What was found.
        message: String,
        /// What would be right.
        help: String,
    },
    /// Nobody could say, and why.
    Unknown(String),
}

impl Verdict {
    /// What a refusal means: a version that is taken is no mistake, a fault says nothing.
    pub fn refused(code: ErrorCode, message: String, help: String) -> Self {
        match code {
            ErrorCode::VersionExists => Self::Taken,
            ErrorCode::Unavailable
            | ErrorCode::IssuerUnavailable
            | ErrorCode::RateLimited
            | ErrorCode::Internal
            // About the question, and not about the release.
            | ErrorCode::TokenMissing
            | ErrorCode::TokenInvalid
            | ErrorCode::TokenExpired
            | ErrorCode::WrongAudience => Self::Unknown(message),
            code => Self::Refused { code: code.as_str().to_owned(), message, help },
        }
    }
}

impl From<RehearsalAnswer> for Verdict {
    fn from(answer: RehearsalAnswer) -> Self {
        match answer.outcome.as_str() {
            "already-released" => Self::Unchanged,
            _ => Self::Publishes {
                git_ref: excerpt(&answer.git_ref.unwrap_or_default(), 200),
                first: answer.first_release,
                proved: answer.proved,
            },
        }
    }
}

/// The release that would follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The latest release's version.
    pub latest: Option<String>,
    /// How the package differs from it; `None` where there is none, or it could not be read.
    pub difference: Option<Difference>,
    /// A version that would fit by what differs.
    pub suggested: Option<String>,
    /// Size of the archive that would be published, in bytes.
    pub archive_bytes: u64,
    /// What the registry shows of the latest release.
    pub standing: Option<Standing>,
    /// What the registry would say.
    pub verdict: Verdict,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::source::{Setting, open};
    use crate::version::Order;

    fn package(manifest: &str, files: &[(&str, &str)]) -> Checked {
        let mut tree = Tree::default();
        tree.insert("ato.yaml".parse().unwrap(), manifest.as_bytes(), false);
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes(), false);
        }
        let opened = open("".into(), tree, Vec::new(), None).unwrap();
        Checked::new(opened, "", &Setting::default(), None, &Limits::default())
    }

    const OLD: &str = "requires-atopile: ^0.9.0\npackage:\n  identifier: acme/x\n  version: 1.2.3\n  license: MIT\nbuilds:\n  a:\n    entry: a.ato:A\ndependencies:\n  - type: registry\n    identifier: acme/base\n    release: 1.0.0\n";

    #[test]
    fn what_differs_from_the_latest_release_is_told() {
        let old = package(OLD, &[("a.ato", "module A"), ("gone", "12345")]);
        let new = OLD.replace("MIT", "Apache-2.0").replace("release: 1.0.0", "release: 1.1.0");
        let now = package(
            &new.replace("  a:\n    entry: a.ato:A", "  b:\n    entry: a.ato:B"),
            &[("a.ato", "module B "), ("b.ato", "x")],
        );
        let version = |text| Version::parse(Order::SemVer, text).unwrap();
        let released =
            Released { version: version("1.2.3"), tree: old.tree, manifest: old.manifest };
        let difference = Difference::between(&released, &now);
        let paths = |of: &[FileChange]| of.iter().map(|f| f.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&difference.added), ["b.ato"]);
        assert_eq!(paths(&difference.removed), ["gone"]);
        assert_eq!(paths(&difference.changed), ["a.ato", "ato.yaml"]);
        assert_eq!(difference.changed[0].before, 8);
        assert_eq!(difference.license, Some(("MIT".to_owned(), "Apache-2.0".to_owned())));
        assert_eq!(
            difference.dependencies,
            [("acme/base".to_owned(), Some("1.0.0".to_owned()), Some("1.1.0".to_owned()))]
        );
        assert_eq!(difference.exports_removed, ["build a"]);
        assert_eq!(difference.suggested(&version("1.2.3")).as_deref(), Some("2.0.0"));
        assert_eq!(difference.suggested(&version("0.2.3")).as_deref(), Some("0.3.0"));
        assert_eq!(Difference::default().suggested(&version("1.2.3")).as_deref(), Some("1.2.4"));
        assert_eq!(difference.suggested(&version("1.2.3-rc.1")), None);
    }
}
