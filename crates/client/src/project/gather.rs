//! What a resolver must know: the index files of everything that may be needed, in one request where
//! the registry is a service, file by file where it is a folder behind a file server, and from the
//! cache where nothing may be asked.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::api::read::{ClosureAnswer, ClosureRequest, IndexFile};
use packhouse_core::escape::excerpt;
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::Target;
use ureq::http::Method;

use crate::Client;
use crate::cache::Cache;
use crate::error::ClientError;

/// Roots of one request.
const ROOTS: usize = 1_000;
/// Packages that are looked at, at most: more is no project's closure.
const PACKAGES: usize = 20_000;
/// Index files that are asked for at once.
const AT_ONCE: usize = 16;

/// The index files of a closure.
#[derive(Default)]
pub struct Gathered {
    /// By identifier.
    pub files: BTreeMap<Identifier, IndexFile>,
    /// Asked for, and not there.
    pub missing: BTreeSet<Identifier>,
}

impl Gathered {
    fn add(&mut self, file: IndexFile) -> Result<Identifier, ClientError> {
        let identifier: Identifier = file.identifier.parse().map_err(|_| {
            ClientError::Integrity(format!(
                "the registry answered with a package called `{}`, which is no identifier",
                excerpt(&file.identifier, 200)
            ))
        })?;
        if self.files.len() >= PACKAGES {
            return Err(ClientError::Integrity(format!(
                "the registry answered with more than {PACKAGES} packages"
            )));
        }
        self.files.insert(identifier.clone(), file);
        Ok(identifier)
    }
}

/// All that the roots may need, as `client` tells it; what came is kept in `cache`.
///
/// # Errors
///
/// Those of [`Client::get`]; [`ClientError::Integrity`] for an answer that cannot be.
pub fn online(
    client: &Client,
    cache: &Cache,
    roots: &BTreeSet<Identifier>,
) -> Result<Gathered, ClientError> {
    let registry = client.registry().to_string();
    let gathered = match closure(client, roots) {
        // A folder behind a file server has no `/v1`.
        Err(error) if no_service(&error) && client.is_static() => rounds(roots, |wave| {
            let found = crate::parallel(wave, AT_ONCE, |_, identifier| client.index(identifier));
            found.into_iter().collect()
        })?,
        other => other?,
    };
    for (identifier, file) in &gathered.files {
        let bytes = serde_json::to_vec(file).map_err(std::io::Error::other)?;
        cache.put_index(&registry, &key(identifier), &bytes)?;
    }
    Ok(gathered)
}

/// The same from what `cache` holds of the registry.
///
/// # Errors
///
/// None but those of a damaged limit; a package that is not in the cache is missing.
pub fn offline(
    registry: &str,
    cache: &Cache,
    roots: &BTreeSet<Identifier>,
) -> Result<Gathered, ClientError> {
    rounds(roots, |wave| {
        let read = |identifier: &Identifier| {
            let bytes = cache.index(registry, &key(identifier))?;
            let file: IndexFile = serde_json::from_slice(&bytes).ok()?;
            let same = file.identifier.parse::<Identifier>().as_ref() == Ok(identifier);
            same.then_some(file)
        };
        Ok(wave.iter().map(read).collect())
    })
}

/// The name of a package's index file in the cache.
fn key(identifier: &Identifier) -> String {
    identifier.key().replace('/', "+")
}

fn no_service(error: &ClientError) -> bool {
    match error {
        ClientError::Refused(refusal) => matches!(refusal.status, 404 | 405 | 501),
        ClientError::NotARegistry { .. } => true,
        _ => false,
    }
}

fn closure(client: &Client, roots: &BTreeSet<Identifier>) -> Result<Gathered, ClientError> {
    let mut gathered = Gathered::default();
    let mut asked: BTreeSet<String> = roots.iter().map(|root| root.key().to_owned()).collect();
    let mut waiting: Vec<String> = asked.iter().cloned().collect();
    while !waiting.is_empty() {
        let rest = waiting.split_off(waiting.len().min(ROOTS));
        let request = ClosureRequest { roots: std::mem::replace(&mut waiting, rest) };
        let answer: ClosureAnswer =
            client.send(Method::POST, "/v1/closure", client.read_token(), Some(&request))?;
        for file in answer.packages {
            gathered.add(file)?;
        }
        let known = |name: &str| name.parse::<Identifier>().ok();
        gathered.missing.extend(answer.missing.iter().filter_map(|name| known(name)));
        for name in answer.next {
            let there =
                known(&name).is_some_and(|identifier| gathered.files.contains_key(&identifier));
            if !there && asked.len() < PACKAGES && asked.insert(name.clone()) {
                waiting.push(name);
            }
        }
    }
    Ok(gathered)
}

/// Follows dependencies from `roots`, one round of look-ups after the other.
fn rounds(
    roots: &BTreeSet<Identifier>,
    look_up: impl Fn(&[Identifier]) -> Result<Vec<Option<IndexFile>>, ClientError>,
) -> Result<Gathered, ClientError> {
    let mut gathered = Gathered::default();
    let mut seen = roots.clone();
    let mut wave: Vec<Identifier> = roots.iter().cloned().collect();
    while !wave.is_empty() {
        let mut next = Vec::new();
        for (identifier, found) in wave.iter().zip(look_up(&wave)?) {
            let Some(file) = found else {
                gathered.missing.insert(identifier.clone());
                continue;
            };
            let needs = file.versions.iter().filter(|version| version.in_service());
            for dependency in needs.flat_map(|version| &version.dependencies) {
                if let Target::Registry { identifier } = &dependency.target
                    && seen.insert(identifier.clone())
                {
                    next.push(identifier.clone());
                }
            }
            gathered.add(file)?;
        }
        wave = next;
    }
    Ok(gathered)
}
