//! A release becomes what an index says of it, from its record alone.

use super::checksum::Checksum;
use super::entry::described;
use super::index::{Entry, InstallSource};
use super::read::check_url;
use crate::release::Release;

/// The entry of `release`, whose archive stands at `url`; `None` where it is no pack. Addresses that
/// an index does not take are left out.
///
/// The one source is the archive: its checksum is that of the release, while a commit may hold more
/// than was published from it.
pub fn entry(release: &Release, url: &str) -> Option<Entry> {
    let about = &release.described;
    let name = about.native.as_ref().filter(|native| native.ecosystem == "attune")?;
    let checksum = Some(Checksum(release.digest));
    let sources = vec![InstallSource::Archive { url: url.to_owned(), checksum }];
    let (name, version) = (name.name.clone(), release.version.text().to_owned());
    let mut entry = described(&about.original, &about.exports, name, version, sources).ok()?;
    if entry.description.is_empty() {
        entry.description.clone_from(&about.summary);
    }
    let repository = Some(about.repository.clone()).filter(|url| !url.is_empty());
    entry.repository = entry.repository.or(repository);
    for address in [&mut entry.repository, &mut entry.homepage] {
        if address.as_deref().is_some_and(|url| check_url(url).is_err()) {
            *address = None;
        }
    }
    Some(entry)
}
