//! Bringing a pack from where it is had, and holding it against what was promised.

use std::path::Path;

use packhouse_core::attune::archive;
use packhouse_core::attune::checksum::{self, Checksum};
use packhouse_core::attune::index::InstallSource;
use packhouse_core::attune::pack_folder;
use packhouse_core::escape::{excerpt, printable};
use packhouse_core::limits::Limits;
use packhouse_core::tree::Tree;

use super::event::{Event, Tell};
use super::sign::{PublicKey, SMALL_BYTES, small};
use super::source::Source;
use super::{folder, web};
use crate::error::ClientError;
use crate::project::source::Git;

/// A pack that was brought.
pub struct Fetched {
    /// Its files, the pack's own folder at the root.
    pub tree: Tree,
    /// `git`, `archive`, `folder`.
    pub kind: &'static str,
    /// The address or path.
    pub url: String,
    /// The branch, tag or commit that was asked for.
    pub git_ref: Option<String>,
    /// The commit.
    pub commit: Option<String>,
    /// Of an archive the checksum of its bytes, else that of the content.
    pub checksum: Checksum,
    /// What that was held against.
    pub verified: Option<String>,
}

/// Brings `source`, which is not an index's. An archive is held against `key` where one is given.
///
/// # Errors
///
/// [`ClientError`] that names the source.
pub fn fetch(
    source: &Source,
    git: &dyn Git,
    key: Option<&PublicKey>,
    tell: Tell,
) -> Result<Fetched, ClientError> {
    let limits = Limits::default();
    if key.is_some() && !matches!(source, Source::Archive { .. } | Source::File(_)) {
        return Err(ClientError::usage(
            "`--key` checks the signature of an archive, and this source is none",
            "pin a repository by its commit, and an index by the `key` in its configuration",
        ));
    }
    match source {
        Source::Git { url, reference } => of_git(url, reference.as_deref(), None, git, tell),
        Source::Archive { url } => {
            let bytes = web::get(url, &[], limits.archive_bytes, tell)?;
            let signature = || {
                let bytes = web::get(&format!("{url}.sig"), &[], SMALL_BYTES, tell)?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            };
            let verified = signed(url, &bytes, key, signature, tell)?;
            of_archive(url, &bytes, verified, tell)
        }
        Source::File(path) => {
            let bytes = file(path, limits.archive_bytes)?;
            let name = printable(&path.to_string_lossy());
            let beside = format!("{}.sig", path.to_string_lossy());
            let signature = || small(Path::new(&beside));
            let verified = signed(&name, &bytes, key, signature, tell)?;
            of_archive(&name, &bytes, verified, tell)
        }
        Source::Folder(path) => {
            let tree = folder::read(path, &limits)?;
            let checksum = checksum::of_tree(&tree);
            let url = printable(&path.to_string_lossy());
            whole(tree, "folder", url, None, None, checksum, None)
        }
        Source::Index { reference, .. } => Err(ClientError::usage(
            format!("`{reference}` is a pack of an index, and no index is asked here"),
            "give an address, or a path",
        )),
    }
}

/// Brings what an index lists and holds it against the checksum that stands there.
///
/// # Errors
///
/// [`ClientError::Integrity`] for another content than the index promises.
pub fn fetch_listed(
    source: &InstallSource,
    git: &dyn Git,
    tell: Tell,
) -> Result<Fetched, ClientError> {
    match source {
        InstallSource::Git { url, reference, checksum } => {
            let reference = Some(reference.as_str()).filter(|reference| *reference != "HEAD");
            of_git(url, reference, Some(checksum.as_ref()), git, tell)
        }
        InstallSource::Archive { url, checksum } => {
            let bytes = web::get(url, &[], Limits::default().archive_bytes, tell)?;
            let verified = match checksum {
                Some(expected) => {
                    tell(Event::Verifying { checksum: expected.to_string() });
                    let found = Checksum::of_bytes(&bytes);
                    if found != *expected {
                        return Err(other(url, expected, &found));
                    }
                    Some("index".to_owned())
                }
                None => unproven(url, tell),
            };
            of_archive(url, &bytes, verified, tell)
        }
    }
}

/// `expected`: `None` where nothing is promised, `Some(None)` where the index should and does not.
fn of_git(
    url: &str,
    reference: Option<&str>,
    expected: Option<Option<&Checksum>>,
    git: &dyn Git,
    tell: Tell,
) -> Result<Fetched, ClientError> {
    let shown = excerpt(url, 200);
    tell(Event::Info {
        message: format!("fetching {shown} at {}", excerpt(reference.unwrap_or("HEAD"), 100)),
    });
    let (commit, tree) = git.tree(url, reference, None, None)?;
    let verified = match expected {
        None => None,
        Some(None) => unproven(url, tell),
        Some(Some(expected)) => {
            tell(Event::Verifying { checksum: expected.to_string() });
            let rule = checksum::verify(&tree, expected)
                .ok_or_else(|| other(url, expected, &checksum::of_tree(&tree)))?;
            let rule = serde_json::to_value(rule).ok();
            let rule = rule.as_ref().and_then(|rule| rule.as_str()).unwrap_or_default().to_owned();
            Some(format!("index, rule {rule}"))
        }
    };
    let checksum = checksum::of_tree(&tree);
    let git_ref = reference.map(str::to_owned);
    whole(tree, "git", url.to_owned(), git_ref, Some(commit), checksum, verified)
}

fn of_archive(
    url: &str,
    bytes: &[u8],
    verified: Option<String>,
    tell: Tell,
) -> Result<Fetched, ClientError> {
    tell(Event::Extracting { file: excerpt(url, 200) });
    let tree = archive::read(url, bytes, &Limits::default()).map_err(|error| {
        ClientError::usage(
            error.to_string(),
            "pack it anew: regular files with plain names, as `.zip` or `.tar.gz`",
        )
    })?;
    let checksum = Checksum::of_bytes(bytes);
    whole(tree, "archive", url.to_owned(), None, None, checksum, verified)
}

fn whole(
    tree: Tree,
    kind: &'static str,
    url: String,
    git_ref: Option<String>,
    commit: Option<String>,
    checksum: Checksum,
    verified: Option<String>,
) -> Result<Fetched, ClientError> {
    let Some(folder) = pack_folder(&tree) else {
        return Err(ClientError::usage(
            format!("`{}` holds no pack", excerpt(&url, 200)),
            "a pack has `pack.yaml` at its root, in `pack/`, or in one folder below",
        ));
    };
    let tree = tree.subtree(folder);
    Ok(Fetched { tree, kind, url, git_ref, commit, checksum, verified })
}

fn signed(
    what: &str,
    bytes: &[u8],
    key: Option<&PublicKey>,
    signature: impl FnOnce() -> Result<String, ClientError>,
    tell: Tell,
) -> Result<Option<String>, ClientError> {
    let Some(key) = key else { return Ok(None) };
    let what = excerpt(what, 200);
    let signature = signature()
        .map_err(|error| ClientError::Integrity(format!("`{what}` is not signed: {error}")))?;
    tell(Event::Verifying { checksum: format!("the signature of {what}") });
    key.verify(&format!("`{what}`"), bytes, &signature)?;
    Ok(Some("signature".to_owned()))
}

fn other(url: &str, expected: &Checksum, found: &Checksum) -> ClientError {
    ClientError::Integrity(format!(
        "`{}` is not what the index promises: expected {expected}, found {found}",
        excerpt(url, 200)
    ))
}

fn unproven(url: &str, tell: Tell) -> Option<String> {
    let message =
        format!("the index names no checksum of `{}`: it is not proven", excerpt(url, 200));
    tell(Event::Warning { message });
    None
}

/// The bytes of a file here, at most `limit`.
pub(super) fn file(path: &Path, limit: u64) -> Result<Vec<u8>, ClientError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ClientError::usage(
            format!("`{}` has more than {limit} bytes", printable(&path.to_string_lossy())),
            "name the right file",
        ));
    }
    Ok(bytes)
}
