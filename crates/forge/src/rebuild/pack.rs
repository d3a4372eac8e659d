//! The tree of a version, read and packed as a publish from that commit would be.

use packhouse_core::audit::{self, Finding, Severity};
use packhouse_core::digest::Digest;
use packhouse_core::escape::excerpt;
use packhouse_core::limits::Limits;

use packhouse_core::snapshot::{Contents, Listing, Located};
use packhouse_core::source::{Opened, Ready, Setting};

use super::{Candidate, RebuildError, Skipped, unread};
use crate::git::{GitError, History};

/// The most manifests and ignore files that are read of one commit, and their bytes.
const STEERING: usize = 20_000;
const STEERING_BYTES: u64 = 32 << 20;
/// Rules whose errors make files unsafe or useless for whoever fetches them.
const UNSAFE: [&str; 7] = [
    "links",
    "unsafe-path",
    "special-file",
    "non-utf8-names",
    "lfs-pointer",
    "case-twins",
    "limits",
];

/// A version that is ready to be sent.
pub struct Rebuilt {
    /// The archive and its names.
    pub ready: Ready,
    /// The full name of the commit.
    pub commit: String,
    /// When it was made: seconds since 1970.
    pub seconds: i64,
}

/// Reads and packs the trees of one history; the commit that was read last stays at hand.
pub struct Workshop<'a> {
    history: &'a History,
    setting: &'a Setting,
    limits: &'a Limits,
    last: Option<(usize, Commit)>,
}

/// A commit's files and packages.
struct Commit {
    listing: Listing,
    steering: Contents,
    packages: Vec<Located>,
}

impl<'a> Workshop<'a> {
    /// A workshop for one history.
    pub fn new(history: &'a History, setting: &'a Setting, limits: &'a Limits) -> Self {
        Self { history, setting, limits, last: None }
    }

    fn commit(&mut self, place: usize) -> Result<&Commit, RebuildError> {
        if self.last.as_ref().is_none_or(|(held, _)| *held != place) {
            let listing = self.history.listing(place)?;
            let names = listing.steering(self.limits);
            let bytes: u64 =
                names.iter().filter_map(|name| listing.get(name)).map(|e| e.bytes).sum();
            if names.len() > STEERING || bytes > STEERING_BYTES {
                return Err(GitError::Long("cat-file", STEERING_BYTES).into());
            }
            let steering = self.history.contents(&listing, &names)?;
            let packages = listing.packages(&steering, &[], self.limits)?;
            self.last = Some((place, Commit { listing, steering, packages }));
        }
        match &self.last {
            Some((_, commit)) => Ok(commit),
            None => Err(GitError::Long("cat-file", 0).into()),
        }
    }

    /// What the candidate's tree is told apart by; `None` where there is no package.
    pub(super) fn print(&mut self, candidate: &Candidate) -> Result<Option<Digest>, RebuildError> {
        let commit = self.commit(candidate.commit)?;
        let found = commit.packages.iter().find(|package| package.folder == candidate.folder);
        Ok(found.map(|package| package.print))
    }

    /// Packs a candidate.
    ///
    /// What stands against it is a [`Skipped`], also that git cannot read its commit; `None` where the
    /// folder turns out to hold a package of another format.
    pub fn pack(&mut self, candidate: &Candidate) -> Option<Result<Rebuilt, Skipped>> {
        let (history, setting, limits) = (self.history, self.setting, self.limits);
        let made = &history.commits[candidate.commit];
        let skipped = |code, reason: String| {
            let skipped = Skipped::new(code, reason).of(&candidate.identifier, &candidate.version);
            Some(Err(skipped.at(made.id.as_str(), candidate.tag.as_deref(), &candidate.folder)))
        };
        let commit = match self.commit(candidate.commit) {
            Ok(commit) => commit,
            Err(error) => {
                let (code, reason) = unread(&error);
                return skipped(code, reason);
            }
        };
        let Commit { listing, steering, packages } = commit;
        let found = packages.iter().find(|package| package.folder == candidate.folder);
        let Some(mut package) = found.cloned() else {
            return skipped("not-a-package", "no package is found in this folder".to_owned());
        };
        if !package.fits(limits) {
            let (files, bytes) = (package.count, package.bytes);
            let (most, most_bytes) = (limits.entries, limits.unpacked_bytes);
            let reason = format!(
                "it has {files} files of {bytes} bytes; at most {most} files (`entries`) of \
                 {most_bytes} bytes (`unpacked_bytes`) are packed"
            );
            return skipped("too-large", reason);
        }
        if let Some(path) = listing.submodule(&candidate.folder, steering) {
            let path = excerpt(path, 200);
            let reason = format!("`{path}` is a submodule, whose files are not here");
            return skipped("submodule", reason);
        }
        listing.fill(steering, std::slice::from_mut(&mut package), limits);
        let contents = match history.contents(listing, &package.files) {
            Ok(contents) => contents,
            Err(error) => {
                let (code, reason) = unread(&error.into());
                return skipped(code, reason);
            }
        };
        let mut source = match package.open(listing, &contents) {
            Some(Opened::Package(source)) => source,
            Some(Opened::Broken { broken, .. }) => {
                return skipped("broken-manifest", broken.to_string());
            }
            None => return skipped("not-a-package", "its manifest is left out".to_owned()),
        };
        if source.format.id() != candidate.format {
            return None;
        }
        if candidate.of_tag
            && let Err(unfit) = source.set_version(candidate.version.text())
        {
            return skipped("no-version", unfit.message);
        }
        let setting = Setting { tag: candidate.tag.clone(), branch: None, ..setting.clone() };
        let findings = source.audit(&setting, None, limits);
        let stops = |rule: &str| {
            UNSAFE.contains(&rule) || audit::rule(rule).is_some_and(|rule| rule.binds_registry())
        };
        let stop = findings.iter().find(|f| f.severity == Severity::Error && stops(&f.rule));
        // A path that cannot be packed is told by its finding, however much that weighs.
        let odd = source.oddities.first().map(|odd| &*odd.path);
        let about_odd = |f: &&Finding| odd.is_some() && f.path.as_deref() == odd;
        if let Some(finding) = stop.or_else(|| findings.iter().find(about_odd)) {
            let place = finding.path.as_ref().map(|path| format!("`{path}`: ")).unwrap_or_default();
            let reason = format!("{place}{} ({})", finding.message, finding.rule);
            return skipped("refused", reason);
        }
        if let Some(odd) = odd {
            return skipped("refused", format!("`{odd}` cannot be packed"));
        }
        let ready = match source.pack(&setting) {
            Ok(ready) => ready,
            Err(unfit) => return skipped("refused", unfit.message),
        };
        if ready.archive.bytes.len() as u64 > limits.archive_bytes {
            let (bytes, most) = (ready.archive.bytes.len(), limits.archive_bytes);
            let reason = format!("its archive has {bytes} bytes; at most {most} (`archive_bytes`)");
            return skipped("too-large", reason);
        }
        if (&ready.identifier, &ready.version) != (&candidate.identifier, &candidate.version) {
            let reason = format!("its whole tree says `{}`", ready.title());
            return skipped("not-a-package", reason);
        }
        let commit = made.id.as_str().to_owned();
        Some(Ok(Rebuilt { ready, commit, seconds: made.seconds }))
    }
}
