//! A review: what a pull request changes about the packages of a repository.
//!
//! The packages of two commits, audited, become one [`Change`] each: findings that are new, fixed
//! or carried over by their fingerprints, and an [`Outlook`] on the release that would follow.

mod outlook;
mod standing;

use std::collections::HashSet;

use crate::audit::{self, Finding, RegistryFacts, Severity};
use crate::escape::printable;
use crate::identifier::Identifier;
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::quality::Claim;
use crate::report::{self, Audited, Counts};
use crate::snapshot::{IGNORE_FILE, Located};
use crate::source::{Opened, Setting, Source};
use crate::tree::Tree;
use crate::version::Version;

pub use outlook::{Difference, FileChange, Outlook, Released, Verdict};
pub use standing::Standing;

/// A package that was audited.
#[derive(Clone)]
pub struct Checked {
    /// How people call it.
    pub title: String,
    /// Its identifier, where it has one.
    pub identifier: Option<Identifier>,
    /// The version that would be published, where it is known.
    pub version: Option<Version>,
    /// Its folder in the repository, without a final `/`; empty at the root.
    pub folder: String,
    /// What its manifest says; `None` where that cannot be read.
    pub manifest: Option<Manifest>,
    /// Its files.
    pub tree: Tree,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Audits what was opened, and lists more than reports show, so that it can be compared.
    /// `folder` is its place in the repository.
    pub fn new(
        opened: Opened,
        folder: &str,
        setting: &Setting,
        registry: Option<&RegistryFacts>,
        limits: &Limits,
    ) -> Self {
        match opened {
            Opened::Package(source) => {
                let findings = source.audit_whole(setting, registry, limits);
                Self::of(*source, folder, setting, findings)
            }
            Opened::Broken { tree, broken, .. } => Self {
                title: broken.path.to_string(),
                identifier: None,
                version: None,
                folder: folder.to_owned(),
                manifest: None,
                findings: audit::broken(&broken),
                tree,
            },
        }
    }

    /// A package with what was found in it. `folder` is its place in the repository.
    pub fn of(source: Source, folder: &str, setting: &Setting, findings: Vec<Finding>) -> Self {
        let identifier = source.identifier(setting).ok();
        let version = identifier.as_ref().and_then(|id| source.version(id, setting).ok());
        Self {
            title: source.title(setting),
            identifier,
            version,
            folder: folder.to_owned(),
            findings,
            tree: source.tree,
            manifest: Some(source.manifest),
        }
    }

    /// A package that is not read, because it could not be published.
    pub fn too_large(package: &Located, limits: &Limits) -> Self {
        let (files, bytes) = (package.count, package.bytes);
        let message = format!(
            "the package has {files} files of {} together; at most {} files of {} are published",
            report::size(bytes),
            limits.entries,
            report::size(limits.unpacked_bytes)
        );
        let help = format!("leave files out with `{IGNORE_FILE}`");
        Self {
            title: if package.folder.is_empty() { ".".to_owned() } else { package.folder.clone() },
            identifier: None,
            version: None,
            folder: package.folder.clone(),
            manifest: None,
            tree: Tree::default(),
            findings: audit::within_limits(message, help),
        }
    }

    /// It as reports want it.
    pub fn audited(&self) -> Audited<'_> {
        Audited { findings: &self.findings, ..self.named() }
    }

    /// It as reports want it, without its findings.
    fn named(&self) -> Audited<'_> {
        Audited {
            package: self.title.clone(),
            version: self.version.as_ref().map(|version| version.text().to_owned()),
            folder: self.folder.clone(),
            findings: &[],
            exports: self.manifest.as_ref().map_or(&[], |manifest| &manifest.exports),
            tree: Some(&self.tree),
        }
    }

    /// Whether `other` is the same package: in the same folder, or moved under its name.
    fn is(&self, other: &Self) -> bool {
        self.folder == other.folder
            || (self.identifier.is_some() && self.identifier == other.identifier)
    }
}

/// What findings a review of a pull request leaves to the release: a version that is not raised is no
/// mistake of a change that is no release.
fn of_the_release(finding: &Finding) -> bool {
    matches!(finding.rule.as_str(), "version-not-above" | "tag-mismatch")
}

/// What the change was compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The packages of this commit.
    Commit(String),
    /// Nothing, and why: then everything counts as new.
    Missing(String),
}

/// What a pull request changes about packages.
#[derive(Clone)]
pub struct Review {
    /// `https://github.com/owner/name` of the repository that files are linked in.
    pub repository_url: String,
    /// The commit that was reviewed.
    pub head: String,
    /// What it was compared with.
    pub base: Base,
    /// The packages that it changes, in the order of folders.
    pub changes: Vec<Change>,
    /// How many packages it does not touch.
    pub untouched: usize,
    /// How many packages it changes beyond those that were looked at.
    pub unseen: usize,
    /// What the reports say that were given with it.
    pub claim: Option<Claim>,
}

/// What is done to a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is new.
    Added,
    /// Files of it change.
    Changed,
    /// It goes away.
    Removed,
}

/// What a pull request does to one package.
#[derive(Clone)]
pub struct Change {
    /// The package as it would be; as it was, where it goes away.
    pub package: Checked,
    /// What is done to it.
    pub kind: Kind,
    /// Findings that the base does not have.
    pub new: Vec<Finding>,
    /// Findings that the base has and the change mends.
    pub fixed: Vec<Finding>,
    /// Findings that both have.
    pub carried: Vec<Finding>,
    /// The release that would follow, where the registry was asked.
    pub outlook: Option<Outlook>,
}

impl Change {
    fn new(head: Checked, base: Option<&Checked>) -> Self {
        let prints = |of: &[Finding]| -> HashSet<String> {
            of.iter().map(|finding| finding.fingerprint.clone()).collect()
        };
        let found: Vec<_> = head.findings.iter().filter(|f| !of_the_release(f)).cloned().collect();
        let before = base.into_iter().flat_map(|base| &base.findings);
        let before: Vec<_> = before.filter(|f| !of_the_release(f)).cloned().collect();
        let (known, stands) = (prints(&before), prints(&found));
        // Compared whole, and only then cut: a cut list would call new what had no room before.
        let (carried, new): (Vec<_>, Vec<_>) =
            found.iter().cloned().partition(|finding| known.contains(&finding.fingerprint));
        let fixed: Vec<_> =
            before.iter().filter(|f| !stands.contains(&f.fingerprint)).cloned().collect();
        let [new, fixed, carried] = [new, fixed, carried].map(audit::cut);
        let kind = if base.is_some() { Kind::Changed } else { Kind::Added };
        Self { package: head, kind, new, fixed, carried, outlook: None }
    }

    fn removed(base: Checked) -> Self {
        let fixed = base.findings.iter().filter(|f| !of_the_release(f)).cloned().collect();
        let fixed = audit::cut(fixed);
        let (new, carried) = (Vec::new(), Vec::new());
        Self { package: base, kind: Kind::Removed, new, fixed, carried, outlook: None }
    }

    /// The code of the refusal that its release would get.
    pub fn refused(&self) -> Option<&str> {
        match &self.outlook.as_ref()?.verdict {
            Verdict::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Its new findings as reports want them.
    pub fn audited(&self) -> Audited<'_> {
        Audited { findings: &self.new, ..self.package.named() }
    }
}

impl Review {
    /// Compares the packages that differ between two commits.
    pub fn compare(
        repository_url: &str,
        head_commit: &str,
        base: Base,
        head: Vec<Checked>,
        mut before: Vec<Checked>,
    ) -> Self {
        let mut changes: Vec<_> = head
            .into_iter()
            .map(|package| {
                let at = before.iter().position(|other| package.is(other));
                let other = at.map(|at| before.swap_remove(at));
                Change::new(package, other.as_ref())
            })
            .collect();
        changes.extend(before.into_iter().map(Change::removed));
        changes.sort_by(|a, b| a.package.folder.cmp(&b.package.folder));
        Self {
            repository_url: printable(repository_url),
            head: head_commit.to_owned(),
            base,
            changes,
            untouched: 0,
            unseen: 0,
            claim: None,
        }
    }

    /// All new findings.
    pub fn new_findings(&self) -> impl Iterator<Item = &Finding> {
        self.changes.iter().flat_map(|change| &change.new)
    }

    /// How many findings are new, fixed and carried over.
    pub fn counts(&self) -> (Counts, usize, usize) {
        let fixed = self.changes.iter().map(|change| change.fixed.len()).sum();
        let carried = self.changes.iter().map(|change| change.carried.len()).sum();
        (Counts::of(self.new_findings()), fixed, carried)
    }

    /// Whether there is something to act on: a new error or warning, or a release that would be
    /// refused.
    pub fn needs_action(&self) -> bool {
        self.new_findings().any(|finding| finding.severity >= Severity::Warning)
            || self.changes.iter().any(|change| change.refused().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A package in `folder` whose `identifier` is what the folder's last part says.
    fn package(folder: &str, files: &[(&str, &str)]) -> Checked {
        let name = folder.rsplit('/').next().unwrap();
        let manifest = format!("package:\n  identifier: acme/{name}\n  version: 1.0.0\n");
        let mut tree = Tree::default();
        tree.insert("packhouse.yaml".parse().unwrap(), manifest.into_bytes(), false);
        for (path, text) in files {
            tree.insert(path.parse().unwrap(), text.as_bytes(), false);
        }
        let opened = crate::source::open(folder.into(), tree, Vec::new(), None).unwrap();
        Checked::new(opened, folder, &Setting::default(), None, &Limits::default())
    }

    fn rules(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.rule.as_str()).collect()
    }

    fn compare(head: Vec<Checked>, base: Vec<Checked>) -> Review {
        let commit = Base::Commit("b".repeat(40));
        Review::compare("https://github.com/acme/x", &"a".repeat(40), commit, head, base)
    }

    #[test]
    fn findings_are_new_fixed_or_carried_whatever_line_they_stand_in() {
        let conflict = "<<<<<<< a\n1\n=======\n2\n>>>>>>> b\n";
        let base = package("p/a", &[("x.txt", conflict), ("old.txt", conflict)]);
        let moved = format!("one\ntwo\n{conflict}");
        let head = package("p/a", &[("x.txt", &moved), ("new.txt", conflict)]);
        let review = compare(vec![head], vec![base]);
        let change = &review.changes[0];
        assert_eq!(change.kind, Kind::Changed);
        let paths = |findings: &[Finding]| {
            let of = findings.iter().filter(|f| f.rule == "conflict-markers");
            of.filter_map(|f| f.path.clone()).collect::<Vec<_>>()
        };
        assert_eq!(paths(&change.new), ["new.txt"]);
        assert_eq!(paths(&change.fixed), ["old.txt"]);
        assert_eq!(paths(&change.carried), ["x.txt"]);
        assert!(rules(&change.carried).contains(&"readme-missing"), "{:?}", change.carried);
        assert!(review.needs_action());
    }

    #[test]
    fn a_package_may_come_go_and_move() {
        let head = vec![package("new", &[]), package("lib/moved", &[])];
        let base = vec![package("old", &[]), package("moved", &[])];
        let review = compare(head, base);
        let kinds: Vec<_> =
            review.changes.iter().map(|c| (c.package.folder.as_str(), c.kind)).collect();
        assert_eq!(
            kinds,
            [("lib/moved", Kind::Changed), ("new", Kind::Added), ("old", Kind::Removed)]
        );
        assert!(review.changes[0].new.is_empty());
        assert!(!review.changes[1].new.is_empty() && !review.changes[2].fixed.is_empty());
    }
}
