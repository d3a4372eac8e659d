//! A release becomes what an index says of it, from its record and what its archive holds.

use super::checksum::{self, Checksum};
use super::entry::described;
use super::index::{Entry, InstallSource, strict_entry};
use super::read::{check_url, is_git_ref, is_homepage};
use crate::release::Release;
use crate::snapshot::IGNORE_FILE;
use crate::tree::Tree;

/// The checksum of a checkout that a release was published from, as its archive tells it: a package is
/// what git keeps. `None` where the package leaves out more than that.
pub fn checkout(tree: &Tree) -> Option<Checksum> {
    let whole = tree.iter().all(|(path, _)| path.file_name() != IGNORE_FILE);
    whole.then(|| checksum::of_tree(tree))
}

/// A repository as a source; `None` for an address or a name that an index does not take.
pub fn git(url: &str, reference: &str, checksum: Checksum) -> Option<InstallSource> {
    let taken = check_url(url).is_ok() && is_git_ref(reference);
    let (url, reference) = (url.to_owned(), reference.to_owned());
    taken.then_some(InstallSource::Git { url, reference, checksum: Some(checksum) })
}

/// The entry of `release`, whose archive stands at `url`, and which `git` has, too; `None` where it is no
/// pack. Addresses that an index does not take are left out.
///
/// The repository goes first, as in the public index; whose content is another than the release's, for
/// example because its commit holds several packs, leads clients on to the archive.
pub fn entry(release: &Release, url: &str, git: Option<InstallSource>) -> Option<Entry> {
    let about = &release.described;
    let name = about.native.as_ref().filter(|native| native.ecosystem == "attune")?;
    let checksum = Some(Checksum(release.digest));
    let archive = InstallSource::Archive { url: url.to_owned(), checksum };
    let sources = git.into_iter().chain([archive]).collect();
    let (name, version) = (name.name.clone(), release.version.text().to_owned());
    let mut entry = described(&about.original, &about.exports, name, version, sources).ok()?;
    if entry.description.is_empty() {
        entry.description.clone_from(&about.summary);
    }
    let repository = Some(about.repository.clone()).filter(|url| !url.is_empty());
    entry.repository = entry.repository.or(repository).filter(|url| check_url(url).is_ok());
    entry.homepage = entry.homepage.filter(|url| is_homepage(url));
    // What a publisher wrote there is no reason to leave the pack out, or to break the index.
    let flaws = serde_json::to_value(&entry).ok().and_then(|value| strict_entry(&value).err());
    let flawed = |field: &str| flaws.iter().flatten().any(|flaw| flaw.place.starts_with(field));
    entry.meta = entry.meta.take().filter(|_| !flawed("pack.meta"));
    entry.dependencies = entry.dependencies.take().filter(|_| !flawed("pack.dependencies"));
    Some(entry)
}
