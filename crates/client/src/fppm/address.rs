//! Packages by the address of their repository, which no registry needs to know.

use std::path::Path;

use packhouse_core::escape::excerpt;
use packhouse_core::formats::{self, Found};
use packhouse_core::fppm::Shortname;
use packhouse_core::fppm::registry::Entry;
use packhouse_core::manifest::{Name, Place};
use packhouse_core::tree::Tree;

use super::install::{Repositories, Request, Wanted};
use super::sources::Offered;
use super::{Workspace, read};
use crate::error::ClientError;

/// The manifest of a package, which has its name.
const MANIFEST: &str = "package.yaml";

/// Whether a text is the address of a repository, and no `Namespace/Package`.
pub fn is_address(text: &str) -> bool {
    let scp = |(host, _): (&str, &str)| host.contains('@') && !host.contains('/');
    text.contains("://") || text.starts_with('/') || text.split_once(':').is_some_and(scp)
}

/// Clones a repository into `folder`; the package is called as its own manifest says.
pub(super) fn cloned(
    url: &str,
    version: &str,
    git: &dyn Repositories,
    folder: &Path,
) -> Result<Wanted, ClientError> {
    fs_err::create_dir(folder)?;
    let commit = git.install(url, version, None, folder)?;
    Ok(Wanted {
        name: name(url, folder)?,
        version: version.to_owned(),
        git: url.to_owned(),
        registry: String::new(),
        commit: Some(commit.parse().map_err(ClientError::Integrity)?),
        header: None,
        made: Some(folder.to_owned()),
    })
}

/// The package's name, `package_info.id` of the manifest at the repository's root.
fn name(url: &str, folder: &Path) -> Result<Shortname, ClientError> {
    let shown = excerpt(url, 200);
    let help = "the package is called as `package_info: {id: Namespace/Package}` says";
    let text = read(&folder.join(MANIFEST))?.ok_or_else(|| {
        ClientError::usage(format!("`{shown}` has no `{MANIFEST}` at its root"), help)
    })?;
    let path = MANIFEST.parse().map_err(|_| ClientError::usage(shown.clone(), help))?;
    let mut tree = Tree::default();
    tree.insert(path, text.into_bytes(), false);
    let found = formats::by_id("fppm").map(|format| format.read(&tree));
    let found = match found {
        Some(Found::Package(manifest)) => manifest.name,
        Some(Found::Broken(broken)) => {
            return Err(ClientError::usage(format!("`{shown}`: {broken}"), broken.help));
        }
        _ => None,
    };
    match found.map(|name| name.value) {
        Some(Name::Native(native)) => {
            native.name.parse().map_err(|e| ClientError::usage(format!("`{shown}`: {e}"), help))
        }
        _ => {
            let message = format!("`{shown}` has no `package_info.id` in its `{MANIFEST}`");
            Err(ClientError::usage(message, help))
        }
    }
}

/// The offer of a package that was installed by its address: the address, as the lockfile has it.
pub(super) fn known(workspace: &Workspace, name: &Shortname, request: &Request) -> Option<Offered> {
    let held = workspace.lock.packages.get(name)?;
    if !held.registry.is_empty() || request.from.is_some() {
        return None;
    }
    let entry = Entry {
        name: name.clone(),
        git: held.git.clone(),
        stable: Some(held.version.clone()),
        branch: None,
        at: Place { line: 1, column: 1 },
    };
    Some(Offered { entry, registry: String::new(), credential: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_name() {
        for address in
            ["https://example.org/x.git", "git@example.org:x.git", "/srv/x.git", "file:///x"]
        {
            assert!(is_address(address), "{address}");
        }
        for name in ["acme/Sensor", "acme", "a:b", "a/b@c:d"] {
            assert!(!is_address(name), "{name}");
        }
    }
}
