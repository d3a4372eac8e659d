//! Which versions a history holds, and the commit of each.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use packhouse_core::escape::excerpt;
use packhouse_core::formats::{self, FORMATS};
use packhouse_core::limits::Limits;
use packhouse_core::snapshot::{Contents, Listing, Wanted};
use packhouse_core::source::{self, Opened, Setting, Source};
use packhouse_core::tree::Tree;
use packhouse_core::version::{Version, tag_names_version};

use super::pack::Workshop;
use super::{Candidate, RebuildError, Skipped, unread};
use crate::git::{Changed, History};

/// The most versions that one history is asked for.
const VERSIONS: usize = 20_000;
/// The most trees that are compared for one version, and that are named where they differ.
const COMPARED: usize = 16;
const TOLD: usize = 3;

/// What one manifest says, read by itself.
enum Said {
    /// No package.
    Nothing,
    /// It cannot be read.
    Broken(String),
    /// A package.
    Package(Box<Source>),
}

/// By package and version: who says so.
type Found = BTreeMap<(String, Version), Vec<Candidate>>;

/// The versions of `history`, of the packages in the folders that `only` names (all where it names
/// none), each package's in ascending order; and what is left out.
///
/// # Errors
///
/// [`RebuildError`].
pub fn find(
    history: &History,
    only: &[String],
    setting: &Setting,
    limits: &Limits,
) -> Result<(Vec<Candidate>, Vec<Skipped>), RebuildError> {
    let wanted = Wanted::new(only)?;
    let mut finder = Finder { history, setting, limits, said: HashMap::new(), skipped: Vec::new() };
    let meant = |path: &str| {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        (folder.is_empty() || !formats::is_skipped(folder)) && wanted.admits(folder)
    };
    let mut changes = history.manifests()?;
    changes.retain(|change| meant(&change.path));
    let firsts = finder.firsts(&changes)?;
    let tagged = finder.tagged(&meant)?;
    let keys: HashSet<&(String, Version)> = firsts.keys().chain(tagged.keys()).collect();
    if keys.len() > VERSIONS {
        return Err(RebuildError::TooMany(VERSIONS));
    }
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort();
    let mut candidates = Vec::new();
    for key in keys {
        let chosen = match (tagged.get(key), firsts.get(key)) {
            (Some(tagged), _) => finder.one_of(tagged.clone()),
            (None, Some(firsts)) => {
                let mut firsts = firsts.clone();
                // What nobody merged was not released from there, where the default branch says it too.
                if firsts.iter().any(|first| history.is_merged(first.commit)) {
                    firsts.retain(|first| history.is_merged(first.commit));
                }
                let starts = firsts.iter().map(|first| first.commit).collect();
                let oldest = history.oldest(&starts);
                firsts.retain(|first| oldest.contains(&first.commit));
                if let Some(cut) = firsts.iter().find(|first| history.cut.contains(&first.commit)) {
                    let reason = "the history is cut off here, so which commit first said this \
                                  version is not known: import from a full clone";
                    finder.skip(cut, "shallow", reason);
                    continue;
                }
                finder.one_of(firsts)
            }
            (None, None) => None,
        };
        candidates.extend(chosen);
    }
    Ok((candidates, finder.skipped))
}

struct Finder<'a> {
    history: &'a History,
    setting: &'a Setting,
    limits: &'a Limits,
    /// By blob and the manifest's file name.
    said: HashMap<(String, &'static str), Said>,
    skipped: Vec<Skipped>,
}

impl Finder<'_> {
    fn skip(&mut self, candidate: &Candidate, code: &'static str, reason: impl Into<String>) {
        let Candidate { identifier, version, commit, tag, folder, .. } = candidate;
        let id = self.history.commits[*commit].id.as_str();
        let skipped = Skipped::new(code, reason).of(identifier, version);
        self.skipped.push(skipped.at(id, tag.as_deref(), folder));
    }

    /// Commits whose manifests say a version, older ones first.
    fn firsts(&mut self, changes: &[Changed]) -> Result<Found, RebuildError> {
        self.read(changes.iter().map(|change| (change.path.as_str(), change.blob.as_str())))?;
        let (mut found, mut told) = (Found::new(), HashSet::new());
        for change in changes {
            let Some(file) = manifest_file(&change.path) else { continue };
            let id = self.history.commits[change.commit].id.as_str();
            match self.said.get(&(change.blob.clone(), file)) {
                Some(Said::Package(source)) => {
                    let version = source.manifest.version.as_ref().map(|field| &field.value);
                    match (source.identifier(self.setting), version) {
                        (Ok(identifier), Some(version)) => {
                            let key = (identifier.key().to_owned(), version.clone());
                            found.entry(key).or_default().push(Candidate {
                                identifier,
                                version: version.clone(),
                                format: source.format.id(),
                                of_tag: false,
                                folder: folder_of(&change.path).to_owned(),
                                commit: change.commit,
                                tag: None,
                            });
                        }
                        (Err(unfit), _)
                            if told.insert((change.path.clone(), unfit.message.clone())) =>
                        {
                            let skipped = Skipped::new("no-name", unfit.message);
                            self.skipped.push(skipped.at(id, None, &change.path));
                        }
                        _ => {}
                    }
                }
                Some(Said::Broken(why))
                    if told.insert((change.path.clone(), change.blob.clone())) =>
                {
                    let skipped = Skipped::new("broken-manifest", why.clone());
                    self.skipped.push(skipped.at(id, None, &change.path));
                }
                None if told.insert((change.path.clone(), change.blob.clone())) => {
                    let most = self.limits.manifest_bytes;
                    let reason =
                        format!("the manifest has more than {most} bytes, or is not there");
                    let skipped = Skipped::new("broken-manifest", reason);
                    self.skipped.push(skipped.at(id, None, &change.path));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// Versions that tags name.
    fn tagged(&mut self, meant: &impl Fn(&str) -> bool) -> Result<Found, RebuildError> {
        let history = self.history;
        let (mut found, mut listed) =
            (Found::new(), HashMap::<usize, Vec<(String, String)>>::new());
        for tag in &history.tags {
            let Some(commit) = tag.commit else {
                let reason = "the tag names a tree, a file, or a commit that is not here";
                let mut skipped = Skipped::new("odd-tag", reason);
                skipped.tag = Some(excerpt(&tag.name, 250));
                self.skipped.push(skipped);
                continue;
            };
            if let std::collections::hash_map::Entry::Vacant(place) = listed.entry(commit) {
                place.insert(match history.listing(commit) {
                    Ok(listing) => manifests_of(&listing, meant),
                    Err(error) => {
                        let (id, (code, reason)) =
                            (&history.commits[commit].id, unread(&error.into()));
                        let skipped = Skipped::new(code, reason);
                        self.skipped.push(skipped.at(id.as_str(), Some(&tag.name), ""));
                        Vec::new()
                    }
                });
            }
            let manifests = listed.get(&commit).cloned().unwrap_or_default();
            self.read(manifests.iter().map(|(path, blob)| (path.as_str(), blob.as_str())))?;
            for (path, blob) in &manifests {
                let Some(file) = manifest_file(path) else { continue };
                let Some(Said::Package(source)) = self.said.get(&(blob.clone(), file)) else {
                    continue;
                };
                let Ok(identifier) = source.identifier(self.setting) else { continue };
                let declared = source.manifest.version.as_ref().map(|field| field.value.clone());
                let (version, of_tag) = match declared {
                    Some(version) if tag_names_version(&tag.name, &identifier, &version) => {
                        (version, false)
                    }
                    Some(_) => continue,
                    None => {
                        let order = source.manifest.order;
                        match Version::from_tag(order, &tag.name, identifier.rest()) {
                            Ok(version) => (version, !source.manifest.version_from_tag),
                            Err(_) => continue,
                        }
                    }
                };
                let key = (identifier.key().to_owned(), version.clone());
                found.entry(key).or_default().push(Candidate {
                    identifier,
                    version,
                    format: source.format.id(),
                    of_tag,
                    folder: folder_of(path).to_owned(),
                    commit,
                    tag: Some(tag.name.clone()),
                });
            }
        }
        Ok(found)
    }

    /// Reads the manifests that were not read yet.
    fn read<'m>(
        &mut self,
        manifests: impl Iterator<Item = (&'m str, &'m str)>,
    ) -> Result<(), RebuildError> {
        let new: Vec<(&str, &'static str)> = manifests
            .filter_map(|(path, blob)| Some((blob, manifest_file(path)?)))
            .filter(|(blob, file)| !self.said.contains_key(&((*blob).to_owned(), *file)))
            .collect();
        let names: HashSet<String> = new.iter().map(|(blob, _)| (*blob).to_owned()).collect();
        if names.is_empty() {
            return Ok(());
        }
        let contents: Contents = self.history.blobs(&names, self.limits.manifest_bytes as u64)?;
        for (blob, file) in new {
            if let Some(bytes) = contents.get(blob) {
                self.said.insert((blob.to_owned(), file), said(file, bytes));
            }
        }
        Ok(())
    }

    /// The one of `candidates` that all agree with; where their files differ, none.
    fn one_of(&mut self, candidates: Vec<Candidate>) -> Option<Candidate> {
        let first = candidates.first()?;
        if candidates.iter().all(|one| place(one) == place(first)) {
            return owner(&candidates, first);
        }
        let mut workshop = Workshop::new(self.history, self.setting, self.limits);
        let (mut prints, mut chosen) = (HashSet::new(), None);
        for one in candidates.iter().take(COMPARED) {
            match workshop.print(one) {
                Ok(Some(print)) => {
                    prints.insert(print);
                    chosen.get_or_insert(one);
                }
                // The manifest is in a folder that is no package.
                Ok(None) => {}
                Err(error) => {
                    let (code, reason) = unread(&error);
                    self.skip(one, code, reason);
                    return None;
                }
            }
        }
        if prints.len() <= 1 && candidates.len() <= COMPARED {
            return owner(&candidates, chosen.unwrap_or(first));
        }
        let told = candidates.iter().take(TOLD).map(|one| {
            let id = &self.history.commits[one.commit].id.as_str()[..12];
            match &one.tag {
                Some(tag) => format!("{id} (tag `{}`)", excerpt(tag, 100)),
                None => format!("{id} (folder `/{}`)", excerpt(&one.folder, 100)),
            }
        });
        let mut told = told.collect::<Vec<_>>().join(", ");
        if let Some(more @ 1..) = candidates.len().checked_sub(TOLD) {
            told += &format!(" and {more} more");
        }
        let reason = format!("{} candidate trees differ: {told}", candidates.len());
        self.skip(first, "ambiguous", reason);
        None
    }
}

/// Where a candidate's files are.
fn place(one: &Candidate) -> (usize, &str) {
    (one.commit, &one.folder)
}

/// The candidate at the place of `chosen` whose format owns the folder: the first in `FORMATS`.
fn owner(candidates: &[Candidate], chosen: &Candidate) -> Option<Candidate> {
    let there = candidates.iter().filter(|one| place(one) == place(chosen));
    let rank = |one: &&Candidate| FORMATS.iter().position(|format| format.id() == one.format);
    there.min_by_key(rank).cloned()
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn manifest_file(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    FORMATS.iter().map(|format| format.file()).find(|file| *file == name)
}

/// Path and blob of each manifest that is meant.
fn manifests_of(listing: &Listing, meant: &impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let paths = listing.paths().filter(|path| manifest_file(path).is_some() && meant(path));
    let known = paths.filter_map(|path| Some((path.to_owned(), listing.get(path)?.id.clone())));
    known.collect()
}

fn said(file: &str, bytes: &std::sync::Arc<[u8]>) -> Said {
    let mut tree = Tree::default();
    if let Ok(path) = file.parse() {
        tree.insert(path, bytes.clone(), false);
    }
    match source::open(PathBuf::new(), tree, Vec::new(), None) {
        Some(Opened::Package(source)) => Said::Package(source),
        Some(Opened::Broken { broken, .. }) => Said::Broken(broken.to_string()),
        None => Said::Nothing,
    }
}
