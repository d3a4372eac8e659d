//! Indices by address or file, in their order: the first one that has a pack answers for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use packhouse_core::attune::config;
use packhouse_core::attune::index::{self, Entry, INDEX_BYTES, Index};
use packhouse_core::escape::excerpt;

use super::event::{Event, Tell};
use super::record::state_folder;
use super::sign::{PublicKey, SMALL_BYTES, small};
use super::web;
use crate::error::ClientError;
use crate::replace;

/// Where it is remembered how new each signed index was.
const SEEN: &str = "indices.json";
/// How many signed indices are remembered.
const REMEMBERED: usize = 1_000;

/// An index that was loaded.
pub struct Loaded {
    /// What it is called.
    pub name: String,
    /// What it holds.
    pub index: Index,
}

/// A pack that an index has.
pub struct Listed {
    /// What the index is called.
    pub registry: String,
    /// What it says.
    pub entry: Entry,
}

/// Indices, and the folder of packs beside which is remembered how new the signed ones were.
pub struct Indices<'a> {
    /// In the order in which they are asked.
    pub sources: &'a [config::Source],
    /// The folder of packs.
    pub packs_dir: &'a Path,
}

impl Indices<'_> {
    /// Loads one. Where a key is configured, its bytes must be signed with it, and it must not be older
    /// than what was seen before: whoever serves an index could otherwise serve an old one for ever.
    ///
    /// # Errors
    ///
    /// [`ClientError`] that names the index.
    pub fn load(&self, source: &config::Source, tell: Tell) -> Result<Loaded, ClientError> {
        let name = excerpt(&source.name, 120);
        let bytes = bytes_of(source, &source.url, INDEX_BYTES, tell)?;
        if let Some(key) = &source.key {
            self.proven(source, key, &name, &bytes, tell)?;
        }
        let read = index::read(&bytes).map_err(|flaws| {
            let first = flaws.first().map(ToString::to_string).unwrap_or_default();
            ClientError::usage(
                format!("the index `{name}` cannot be used: {first}"),
                "tell whoever keeps it; `packhouse attune index-validate` lists all of it",
            )
        })?;
        if source.key.is_some() {
            self.remember(&source.url, &name, &read.index)?;
        }
        Ok(Loaded { name, index: read.index })
    }

    fn proven(
        &self,
        source: &config::Source,
        key: &str,
        name: &str,
        bytes: &[u8],
        tell: Tell,
    ) -> Result<(), ClientError> {
        let key = PublicKey::parse(key)?;
        let address = format!("{}.sig", source.url);
        let signature = bytes_of(source, &address, SMALL_BYTES, tell).map_err(|error| {
            ClientError::Integrity(format!("the index `{name}` is not signed: {error}"))
        })?;
        tell(Event::Verifying { checksum: format!("the signature of the index `{name}`") });
        key.verify(&format!("the index `{name}`"), bytes, &String::from_utf8_lossy(&signature))
    }

    fn remember(&self, url: &str, name: &str, index: &Index) -> Result<(), ClientError> {
        let file = state_folder(self.packs_dir).join(SEEN);
        let mut seen: BTreeMap<String, String> = match fs_err::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| {
                ClientError::usage(
                    format!("`{}` is damaged", file.display()),
                    "remove it, if you trust the indices as they are now",
                )
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        match seen.get(url) {
            Some(last) if *last == index.last_updated => return Ok(()),
            Some(last) if index.is_older_than(last) => {
                return Err(ClientError::Integrity(format!(
                    "the index `{name}` is of {}, and one of {last} was seen before: an old state is \
                     served",
                    excerpt(&index.last_updated, 40)
                )));
            }
            _ if seen.len() >= REMEMBERED => return Ok(()),
            _ => {}
        }
        seen.insert(url.to_owned(), index.last_updated.clone());
        let text = serde_json::to_vec_pretty(&seen).map_err(std::io::Error::other)?;
        Ok(replace::durably(&file, &text)?)
    }

    /// The pack `reference` of the first index that has it. An index that cannot be had ends the
    /// search: else whoever can make it fail decides that the next one answers.
    ///
    /// # Errors
    ///
    /// [`ClientError::Missing`] where no index has it, or has another version than `version`.
    pub fn find(
        &self,
        reference: &str,
        version: Option<&str>,
        tell: Tell,
    ) -> Result<Listed, ClientError> {
        let asked: Vec<_> = self.sources.iter().filter(|source| source.enabled).collect();
        for source in &asked {
            let loaded = self.load(source, tell)?;
            let Some(entry) = loaded.index.get(reference) else { continue };
            if let Some(version) = version.filter(|version| *version != entry.version) {
                return Err(ClientError::Missing {
                    message: format!(
                        "the index `{}` has `{reference}` at version {}, not at `{}`",
                        loaded.name,
                        entry.version,
                        excerpt(version, 60)
                    ),
                    help: format!(
                        "install `{reference}@{}`, or from its repository",
                        entry.version
                    ),
                });
            }
            return Ok(Listed { registry: loaded.name, entry: entry.clone() });
        }
        Err(ClientError::Missing {
            message: format!("no index has the pack `{reference}` ({} asked)", asked.len()),
            help: "look for it with `packhouse attune search`, or give `--index URL`".to_owned(),
        })
    }

    /// Every pack that `word` names, of each index in turn; an index that cannot be had is told and
    /// passed over, unless it is the only one that was asked for.
    ///
    /// # Errors
    ///
    /// Of the one index that `registry` names.
    pub fn search(
        &self,
        word: &str,
        registry: Option<&str>,
        tell: Tell,
    ) -> Result<Vec<Listed>, ClientError> {
        let word = word.to_lowercase();
        let named = |source: &&config::Source| registry.is_none_or(|name| source.name == name);
        let asked: Vec<_> = self.sources.iter().filter(|s| s.enabled).filter(named).collect();
        if let (Some(name), true) = (registry, asked.is_empty()) {
            return Err(ClientError::Missing {
                message: format!("no index is called `{}`", excerpt(name, 100)),
                help: "`packhouse attune registries` lists them".to_owned(),
            });
        }
        let mut found = Vec::new();
        for source in asked {
            match self.load(source, tell) {
                Ok(loaded) => {
                    let hits = loaded.index.packs.into_iter().filter(|pack| pack.matches(&word));
                    let registry = loaded.name;
                    found.extend(hits.map(|entry| Listed { registry: registry.clone(), entry }));
                }
                Err(error) if registry.is_some() => return Err(error),
                Err(error) => tell(Event::Warning { message: error.to_string() }),
            }
        }
        Ok(found)
    }
}

/// The bytes of a file of an index, here or elsewhere. Headers go to the index's own address only.
fn bytes_of(
    source: &config::Source,
    address: &str,
    limit: u64,
    tell: Tell,
) -> Result<Vec<u8>, ClientError> {
    if address.contains("://") {
        return web::get(address, &source.headers, limit, tell);
    }
    let path = PathBuf::from(address);
    if limit <= SMALL_BYTES {
        return Ok(small(&path)?.into_bytes());
    }
    super::fetch::file(&path, limit)
}
