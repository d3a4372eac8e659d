//! Which registry offers a package.

use packhouse_core::escape::excerpt;
use packhouse_core::fppm::Shortname;
use packhouse_core::fppm::registry::{Entry, Registry};
use packhouse_core::secret::Secret;

use super::Workspace;
use super::location::{Credential, Reader, public};
use crate::error::ClientError;
use crate::parallel;

/// Registries that are fetched at the same time.
const AT_ONCE: usize = 8;

/// The registries of a project, in their order.
pub struct Sources {
    all: Vec<Source>,
}

struct Source {
    /// As it is shown and locked.
    location: String,
    read: Result<(Registry, Option<Credential>), ClientError>,
}

/// A package, and who offers it.
#[derive(Clone, Debug)]
pub struct Offered {
    /// As the registry says it.
    pub entry: Entry,
    /// The registry, without a password.
    pub registry: String,
    /// What the registry was shown.
    pub credential: Option<Credential>,
}

impl Offered {
    /// What goes to the repository with each request, where it is on the registry's own server.
    pub fn header(&self) -> Option<Secret> {
        self.credential.as_ref()?.header(&self.entry.git)
    }
}

impl Sources {
    /// Reads all registries of a project. One that cannot be read is no error yet.
    pub fn read(workspace: &Workspace, reader: &Reader) -> Self {
        let locations = &workspace.project.registries;
        let read =
            parallel(locations, AT_ONCE, |_, location| reader.read(location, &workspace.folder));
        let sources = locations.iter().zip(read);
        let all = sources.map(|(location, read)| Source { location: public(location), read });
        Self { all: all.collect() }
    }

    /// What a registry was shown.
    pub(super) fn credential(&self, location: &str) -> Option<&Credential> {
        let source = self.all.iter().find(|source| source.location == location)?;
        source.read.as_ref().ok()?.1.as_ref()
    }

    /// What could not be read, and why.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &ClientError)> {
        self.all
            .iter()
            .filter_map(|source| Some((source.location.as_str(), source.read.as_ref().err()?)))
    }

    /// The offer of a package, in the registry `from` where one is named.
    ///
    /// # Errors
    ///
    /// [`ClientError::Missing`] where nobody offers it; [`ClientError::Usage`] where several do, and
    /// where a registry that comes before could not be read: its offer might be another.
    pub fn find(&self, package: &Shortname, from: Option<&str>) -> Result<Offered, ClientError> {
        let wanted = from.map(public);
        let asked: Vec<&Source> = self
            .all
            .iter()
            .filter(|source| wanted.as_ref().is_none_or(|from| source.location == *from))
            .collect();
        if asked.is_empty() {
            let message = match &wanted {
                Some(from) => format!("`{}` is no registry of the project", excerpt(from, 300)),
                None => "the project has no registries".to_owned(),
            };
            return Err(ClientError::usage(
                message,
                "add one: `packhouse fppm registries --add https://…/registry.yaml`",
            ));
        }
        let mut found: Vec<Offered> = Vec::new();
        let mut unread: Option<(&str, &ClientError)> = None;
        for source in asked {
            match &source.read {
                Ok((registry, credential)) => {
                    let entries = registry.packages.iter().filter(|e| e.name == *package);
                    found.extend(entries.map(|entry| Offered {
                        entry: entry.clone(),
                        registry: source.location.clone(),
                        credential: credential.clone(),
                    }));
                }
                Err(error) if found.is_empty() && unread.is_none() => {
                    unread = Some((&source.location, error));
                }
                Err(_) => {}
            }
        }
        if let Some((location, error)) = unread {
            let message = format!(
                "the registry {} cannot be read, and it is asked before others: {error}",
                excerpt(location, 300)
            );
            return Err(ClientError::usage(
                message,
                "mend or remove it, or name another with `--from`",
            ));
        }
        let same = |a: &Offered, b: &Offered| {
            (&a.entry.git, &a.entry.stable) == (&b.entry.git, &b.entry.stable)
        };
        match &found[..] {
            [] => Err(ClientError::Missing {
                message: format!("no registry of the project offers `{package}`"),
                help: "look at the spelling: upper and lower case differ".to_owned(),
            }),
            [first, rest @ ..] if rest.iter().all(|other| same(first, other)) => Ok(first.clone()),
            several => {
                let list: Vec<_> = several.iter().map(|o| excerpt(&o.registry, 200)).collect();
                Err(ClientError::usage(
                    format!("`{package}` is offered by several registries: {}", list.join(", ")),
                    "choose one with `--from`",
                ))
            }
        }
    }
}
