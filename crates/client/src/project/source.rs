//! Dependencies that no registry holds: folders beside the project, and git repositories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use packhouse_core::escape::{excerpt, printable};
use packhouse_core::formats::{self, Found};
use packhouse_core::identifier::Identifier;
use packhouse_core::limits::Limits;
use packhouse_core::lock::Source;
use packhouse_core::manifest::{Dependency, Manifest, Name, Target};
use packhouse_core::resolve::SourcePackage;
use packhouse_core::tree::Tree;

use super::Project;
use crate::error::ClientError;
use crate::walk::{Choice, walk};

/// Dependencies of this kind that are followed, at most.
const SOURCES: usize = 500;

/// Reads packages out of git repositories; the caller brings the `git` program.
pub trait Git: Sync {
    /// The tree of `folder` (the root where none) at `reference`, or at `commit` where one is locked,
    /// and the full name of that commit.
    ///
    /// # Errors
    ///
    /// [`ClientError`] that names the repository.
    fn tree(
        &self,
        url: &str,
        reference: Option<&str>,
        commit: Option<&str>,
        folder: Option<&str>,
    ) -> Result<(String, Tree), ClientError>;
}

/// A package from a folder or a git repository.
#[derive(Clone, Debug)]
pub struct SourceTree {
    /// The package.
    pub identifier: Identifier,
    /// Its manifest.
    pub manifest: Manifest,
    /// Its files.
    pub tree: Tree,
    /// Where it is from, as the lockfile says it.
    pub source: Source,
}

impl SourceTree {
    /// As the resolver wants it.
    pub fn package(&self) -> SourcePackage {
        let origin = match &self.source {
            Source::File { path } => format!("the folder {}", printable(path)),
            Source::Git { url, commit, .. } => {
                format!("{} at {}", printable(url), commit.get(..12).unwrap_or(commit))
            }
            Source::Registry { url } => printable(url),
        };
        SourcePackage {
            identifier: self.identifier.clone(),
            version: self.manifest.version.as_ref().map(|field| field.value.clone()),
            dependencies: self.manifest.dependencies.clone(),
            requires: self.manifest.requires.clone(),
            origin,
        }
    }
}

/// Every folder and git dependency of the project, and of those, by identifier.
///
/// A path is relative to the manifest that names it, which must itself be on this disk: a package out
/// of a repository names no folders of this machine. `pinned` gives the commit of a dependency that is
/// locked.
///
/// # Errors
///
/// [`ClientError`] that names the dependency: a folder that is not there, a manifest that is broken, a
/// name that is another one than was asked for, two sources of one package.
pub fn find(
    project: &Project,
    git: &dyn Git,
    pinned: &dyn Fn(&Target) -> Option<String>,
) -> Result<BTreeMap<Identifier, SourceTree>, ClientError> {
    let mut found: BTreeMap<Identifier, SourceTree> = BTreeMap::new();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let root = Some(project.folder.clone());
    let mut queue: Vec<(Dependency, Option<std::path::PathBuf>, String)> = project
        .manifest
        .dependencies
        .iter()
        .map(|dependency| (dependency.clone(), root.clone(), project.title()))
        .collect();
    while let Some((dependency, base, by)) = queue.pop() {
        let (tree, source, expected, folder) = match &dependency.target {
            Target::File { path, identifier } => {
                let Some(base) = &base else {
                    return Err(ClientError::usage(
                        format!(
                            "`{by}` needs the folder `{}`, which is on its author's machine",
                            excerpt(path, 200)
                        ),
                        "ask its author to publish that, or name it in your own manifest",
                    ));
                };
                let folder = base.join(path);
                let walked = walk(&folder, &Choice::default(), &Limits::default())?;
                if let Some(odd) = walked.oddities.first() {
                    return Err(ClientError::usage(
                        format!(
                            "`{}` in `{}` cannot be part of a package",
                            odd.path,
                            excerpt(path, 200)
                        ),
                        "remove it, or name it in `.packhouseignore`",
                    ));
                }
                let shown = relative(&project.folder, &folder);
                (walked.tree, Source::File { path: shown }, identifier, Some(folder))
            }
            Target::Git { url, reference, path, identifier } => {
                let pin = pinned(&dependency.target);
                let (commit, tree) =
                    git.tree(url, reference.as_deref(), pin.as_deref(), path.as_deref())?;
                let (url, reference, path) = (url.clone(), reference.clone(), path.clone());
                (tree, Source::Git { url, reference, path, commit }, identifier, None)
            }
            Target::Registry { .. } | Target::Native(_) | Target::Url { .. } => continue,
        };
        if !seen.insert(format!("{source:?}")) {
            continue;
        }
        if seen.len() > SOURCES {
            return Err(ClientError::usage(
                format!("there are more than {SOURCES} folders and repositories to follow"),
                "look for a dependency that names new ones without end",
            ));
        }
        let one = read(tree, source, expected.as_ref(), &by)?;
        for next in &one.manifest.dependencies {
            queue.push((next.clone(), folder.clone(), one.identifier.to_string()));
        }
        match found.get(&one.identifier) {
            Some(other) if other.source != one.source => {
                return Err(ClientError::usage(
                    format!(
                        "`{}` comes from two places: {} and {}",
                        one.identifier,
                        other.package().origin,
                        one.package().origin
                    ),
                    "name one of them in all manifests",
                ));
            }
            Some(_) => {}
            None => {
                found.insert(one.identifier.clone(), one);
            }
        }
    }
    Ok(found)
}

fn read(
    tree: Tree,
    source: Source,
    expected: Option<&Identifier>,
    by: &str,
) -> Result<SourceTree, ClientError> {
    let origin = |source: &Source| match source {
        Source::File { path } => printable(path),
        Source::Git { url, path, .. } => printable(&format!(
            "{url}{}",
            path.as_deref().map(|p| format!(":{p}")).unwrap_or_default()
        )),
        Source::Registry { url } => printable(url),
    };
    let manifest = match formats::read_root(&tree) {
        Found::Package(manifest) => manifest,
        Found::Broken(broken) => {
            return Err(ClientError::usage(
                format!("`{by}` needs `{}`, whose manifest is broken: {broken}", origin(&source)),
                broken.help,
            ));
        }
        Found::Missing => {
            return Err(ClientError::Missing {
                message: format!("`{by}` needs `{}`, which holds no package", origin(&source)),
                help: "name the folder with its manifest; in a repository with `:folder` behind the address".to_owned(),
            });
        }
    };
    let identifier = match manifest.name.as_ref().map(|field| &field.value) {
        Some(Name::Full(identifier)) => Some(identifier.clone()),
        _ => expected.cloned(),
    };
    let Some(identifier) = identifier else {
        return Err(ClientError::usage(
            format!("`{by}` needs `{}`, whose manifest names no package", origin(&source)),
            "write `identifier: owner/name` beside the dependency",
        ));
    };
    match expected {
        Some(expected) if *expected != identifier => Err(ClientError::usage(
            format!(
                "`{by}` needs `{expected}` from `{}`, which holds `{identifier}`",
                origin(&source)
            ),
            format!("write `identifier: {identifier}`, or name another place"),
        )),
        _ => Ok(SourceTree { identifier, manifest, tree, source }),
    }
}

/// Whether what `project` itself asks for as `target` is what the lockfile has from `source`.
pub fn is_from(project: &Project, target: &Target, source: &Source) -> bool {
    match (target, source) {
        (Target::File { path, .. }, Source::File { path: locked }) => {
            relative(&project.folder, &project.folder.join(path)) == *locked
        }
        (
            Target::Git { url, reference, path, .. },
            Source::Git { url: u, reference: r, path: p, .. },
        ) => (url, reference, path) == (u, r, p),
        _ => false,
    }
}

/// `path` as seen from `base`, with `/` between parts, so that a lockfile is the same on every machine.
fn relative(base: &Path, path: &Path) -> String {
    let plain = |path: &Path| {
        let mut parts: Vec<String> = Vec::new();
        for part in path.components() {
            match part {
                std::path::Component::ParentDir => {
                    parts.pop();
                }
                std::path::Component::CurDir => {}
                part => parts.push(part.as_os_str().to_string_lossy().into_owned()),
            }
        }
        parts
    };
    let (base, path) = (plain(base), plain(path));
    let common = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), base.len() - common);
    let parts: Vec<String> = up.chain(path[common..].iter().cloned()).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_the_project() {
        for (base, path, told) in [
            ("/a/b", "/a/b/../c", "../c"),
            ("/a/b", "/a/b/./c/d", "c/d"),
            ("/a/b", "/x", "../../x"),
            ("/a/b", "/a/b", "."),
        ] {
            assert_eq!(relative(Path::new(base), Path::new(path)), told);
        }
    }
}
