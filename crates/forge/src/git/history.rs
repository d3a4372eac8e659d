//! The history of a repository as data: its commits, its tags, and in which commits which manifest
//! changed.
//!
//! Everything is bounded and nothing is checked out. Names of tags go into no command; objects are
//! asked for by their full names, which git itself listed.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use packhouse_core::formats::FORMATS;
use packhouse_core::limits::Limits;
use packhouse_core::snapshot::{Contents, Entry, Kind, Listing};

use super::{Checkout, Commit, GitError, LISTING_BYTES, is_commit};

/// The longest history that is read, in commits.
const COMMITS: usize = 200_000;
/// Where the head of a repository that is fetched is put.
const HEAD_THERE: &str = "refs/packhouse/HEAD";
/// The most bytes of manifests that are read at once.
const BATCH_BYTES: u64 = 16 << 20;

/// A commit of a history; parents are places in [`History::commits`].
#[derive(Clone, Debug)]
pub struct Made {
    /// Its full name.
    pub id: Commit,
    /// The commits that it follows.
    pub parents: Vec<usize>,
    /// When it was made, as it says itself: seconds since 1970.
    pub seconds: i64,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its name, a stranger's text.
    pub name: String,
    /// The place of its commit; `None` where it names a tree, a file, or what is not there.
    pub commit: Option<usize>,
}

/// A commit that changed a manifest against all of its parents.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Changed {
    /// The place of the commit.
    pub commit: usize,
    /// The manifest's path.
    pub path: String,
    /// Git's name of what it holds now.
    pub blob: String,
}

/// Commits of all branches and tags, parents before children.
pub struct History {
    checkout: Checkout,
    /// The commits.
    pub commits: Vec<Made>,
    /// The tags, by name.
    pub tags: Vec<Tag>,
    /// Commits whose parents were cut off: the repository is shallow.
    pub cut: HashSet<usize>,
    /// By place: whether the default branch holds it.
    held: Vec<bool>,
}

impl History {
    /// The history of the repository that `folder` is, or lies in.
    ///
    /// # Errors
    ///
    /// [`GitError`]; [`GitError::Long`] for more than 200,000 commits.
    pub fn of(folder: &Path) -> Result<Self, GitError> {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self::read(Checkout { folder, header: None })
    }

    /// Fetches all branches and tags of `url` into `folder`, an empty folder, and reads them.
    ///
    /// # Errors
    ///
    /// As [`super::Remote::fetch`] and [`History::of`].
    pub fn fetch(url: &str, folder: &Path, limits: &Limits) -> Result<Self, GitError> {
        let all = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
        super::remote::fetch(url, &all, false, folder, limits)?;
        // Asked by itself: a repository whose head names no branch that is there refuses the question.
        let head = format!("+HEAD:{HEAD_THERE}");
        match super::remote::fetch(url, &[&head], false, folder, limits) {
            Ok(_) | Err(GitError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        Self::of(folder)
    }

    fn read(checkout: Checkout) -> Result<Self, GitError> {
        let mut args = vec!["--topo-order", "--reverse", "--parents", "--timestamp"];
        args.extend(["--branches", "--tags", "--remotes"]);
        if checkout.head()?.is_some() {
            args.push("HEAD");
        }
        let listed = checkout.run("rev-list", &args, None, LISTING_BYTES)?;
        let (mut commits, mut places) = (Vec::<Made>::new(), HashMap::<String, usize>::new());
        for line in String::from_utf8_lossy(&listed).lines() {
            let mut words = line.split(' ');
            let (Some(seconds), Some(id)) = (words.next(), words.next()) else { continue };
            let Ok(commit) = id.parse() else { continue };
            let parents = words.filter_map(|parent| places.get(parent).copied()).collect();
            if commits.len() == COMMITS {
                return Err(GitError::Long("rev-list", LISTING_BYTES));
            }
            places.insert(id.to_owned(), commits.len());
            commits.push(Made { id: commit, parents, seconds: seconds.parse().unwrap_or(0) });
        }
        let tags = tags(&checkout, &places)?;
        let cut = cut(&checkout, &places)?;
        let held = held(&checkout, &commits, &places)?;
        Ok(Self { checkout, commits, tags, cut, held })
    }

    /// Whether the default branch holds a commit: the remote's where there is one, else what is
    /// checked out.
    pub fn is_merged(&self, commit: usize) -> bool {
        self.held.get(commit).is_some_and(|held| *held)
    }

    /// `owner/name` of the repository that `origin` points at, where it is on a forge.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn repository(&self) -> Result<Option<String>, GitError> {
        self.checkout.repository()
    }

    /// Every change of a manifest of any format, older commits first. What a merge took over from
    /// one of its parents is none.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn manifests(&self) -> Result<Vec<Changed>, GitError> {
        let paths: Vec<String> =
            FORMATS.iter().map(|format| format!(":(top,glob)**/{}", format.file())).collect();
        let mut args = vec!["--stdin", "-r", "-m", "--root", "-z", "--raw", "--no-renames"];
        args.extend(["--no-abbrev", "--no-ext-diff", "--no-textconv", "--"]);
        args.extend(paths.iter().map(String::as_str));
        let asked: String =
            self.commits.iter().map(|made| format!("{}\n", made.id.as_str())).collect();
        let answer =
            self.checkout.run("diff-tree", &args, Some(asked.into_bytes()), LISTING_BYTES)?;
        let places: HashMap<&str, usize> =
            self.commits.iter().enumerate().map(|(at, made)| (made.id.as_str(), at)).collect();
        let (mut changes, mut seen) = (Vec::new(), HashMap::<Changed, usize>::new());
        let mut commit = None;
        let mut words = answer.split(|byte| *byte == 0);
        while let Some(word) = words.next() {
            let Some(about) = word.strip_prefix(b":") else {
                let word = String::from_utf8_lossy(word);
                let id = word.trim_start().split(' ').next().unwrap_or_default();
                commit = places.get(id).copied();
                continue;
            };
            // `:<mode> <mode> <object> <object> <status>`, then the path.
            let (about, path) = (String::from_utf8_lossy(about), words.next());
            let about: Vec<&str> = about.split(' ').collect();
            let (Some(commit), Some(Ok(path)), [_, mode, _, blob, _]) =
                (commit, path.map(std::str::from_utf8), &about[..])
            else {
                continue;
            };
            if matches!(super::kind(mode), Some(Kind::File { .. })) && is_commit(blob) {
                let change = Changed { commit, path: path.to_owned(), blob: (*blob).to_owned() };
                let parents = self.commits[commit].parents.len().max(1);
                let times = seen.entry(change.clone()).or_default();
                *times += 1;
                if *times == parents {
                    changes.push(change);
                }
            }
        }
        changes.sort_by_key(|change| change.commit);
        Ok(changes)
    }

    /// The contents of blobs, by their names; those over `most` bytes, or not there, are left out.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn blobs(&self, names: &HashSet<String>, most: u64) -> Result<Contents, GitError> {
        let asked: String = names.iter().map(|name| format!("{name}\n")).collect();
        let answer = self.checkout.run(
            "cat-file",
            &["--batch-check"],
            Some(asked.into_bytes()),
            LISTING_BYTES,
        )?;
        let (mut all, mut listing, mut batch, mut bytes) =
            (Contents::new(), Listing::default(), Vec::new(), 0);
        for line in String::from_utf8_lossy(&answer).lines() {
            let [id, "blob", size] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            let Some(size) = size.parse().ok().filter(|size| *size <= most) else { continue };
            let kind = Kind::File { executable: false };
            listing.insert(id.to_owned(), Entry { kind, id: id.to_owned(), bytes: size });
            batch.push(id.to_owned());
            bytes += size;
            if bytes >= BATCH_BYTES {
                all.extend(self.checkout.contents(&listing, &batch)?);
                (batch, bytes) = (Vec::new(), 0);
            }
        }
        all.extend(self.checkout.contents(&listing, &batch)?);
        Ok(all)
    }

    /// Every file of a commit.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn listing(&self, commit: usize) -> Result<Listing, GitError> {
        self.checkout.listing(&self.commits[commit].id)
    }

    /// The contents of `wanted`, which are paths of `listing`. The caller bounds what is wanted.
    ///
    /// # Errors
    ///
    /// [`GitError`].
    pub fn contents(&self, listing: &Listing, wanted: &[String]) -> Result<Contents, GitError> {
        self.checkout.contents(listing, wanted)
    }

    /// Those of `starts` that follow on no other one.
    pub fn oldest(&self, starts: &HashSet<usize>) -> HashSet<usize> {
        let first = starts.iter().copied().min().unwrap_or_default();
        let (mut oldest, mut behind) = (HashSet::new(), vec![false; self.commits.len()]);
        for at in first..self.commits.len() {
            let follows = self.commits[at].parents.iter().any(|parent| behind[*parent]);
            let starts = starts.contains(&at);
            if starts && !follows {
                oldest.insert(at);
            }
            behind[at] = follows || starts;
        }
        oldest
    }
}

/// All tags; an annotated one is followed to what it names.
fn tags(checkout: &Checkout, places: &HashMap<String, usize>) -> Result<Vec<Tag>, GitError> {
    let format = "--format=%(objectname) %(*objectname) %(refname:strip=2)";
    let listed = checkout.run("for-each-ref", &[format, "refs/tags/"], None, LISTING_BYTES)?;
    let listed = String::from_utf8_lossy(&listed);
    let read = listed.lines().filter_map(|line| {
        let [object, peeled, name] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return None;
        };
        let target = if peeled.is_empty() { object } else { peeled };
        Some(Tag { name: name.to_owned(), commit: places.get(target).copied() })
    });
    Ok(read.collect())
}

/// Which commits the default branch holds.
fn held(
    checkout: &Checkout,
    commits: &[Made],
    places: &HashMap<String, usize>,
) -> Result<Vec<bool>, GitError> {
    let mut held = vec![false; commits.len()];
    for name in [HEAD_THERE, "refs/remotes/origin/HEAD", "HEAD"] {
        let name = format!("{name}^{{commit}}");
        let args = ["--verify", "--quiet", "--end-of-options", name.as_str()];
        match checkout.git("rev-parse", &args) {
            Ok(id) => {
                if let Some(place) = places.get(id.trim()) {
                    held[*place] = true;
                }
                break;
            }
            Err(GitError::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    // Parents come first, so going backwards meets each commit after all that follow on it.
    for at in (0..commits.len()).rev() {
        if held[at] {
            commits[at].parents.iter().for_each(|parent| held[*parent] = true);
        }
    }
    Ok(held)
}

/// Where a shallow repository is cut.
fn cut(checkout: &Checkout, places: &HashMap<String, usize>) -> Result<HashSet<usize>, GitError> {
    let path = checkout.git("rev-parse", &["--git-path", "shallow"])?;
    let path = checkout.folder.join(PathBuf::from(path.trim_end_matches('\n')));
    let mut text = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        let mut file = std::io::Read::take(file, LISTING_BYTES);
        std::io::Read::read_to_end(&mut file, &mut text)
            .map_err(|e| GitError::Io("rev-parse", e))?;
    }
    let text = String::from_utf8_lossy(&text);
    Ok(text.lines().filter_map(|id| places.get(id.trim()).copied()).collect())
}

#[cfg(test)]
mod tests;
