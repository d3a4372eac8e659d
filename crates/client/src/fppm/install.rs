//! Installing: every clone is made and checked aside, then all are put in place.

use std::path::{Path, PathBuf};

use packhouse_core::escape::excerpt;
use packhouse_core::fppm::lock::Locked;
use packhouse_core::fppm::{Commit, Shortname, cmake};
use packhouse_core::secret::Secret;

use super::location::Reader;
use super::sources::{Offered, Sources};
use super::{Workspace, address, read, shown, write};
use crate::error::ClientError;

/// Repositories as the `git` program clones them; the caller brings it.
pub trait Repositories {
    /// Clones `url` into `folder`, an empty folder, and checks out `reference`; the commit that it was.
    ///
    /// # Errors
    ///
    /// [`ClientError`] that names the repository.
    fn install(
        &self,
        url: &str,
        reference: &str,
        header: Option<&Secret>,
        folder: &Path,
    ) -> Result<String, ClientError>;

    /// The commit that is checked out in `folder`, and whether files differ from it; `None` where it is no
    /// checkout.
    ///
    /// # Errors
    ///
    /// [`ClientError`] where git cannot tell.
    fn state(&self, folder: &Path) -> Result<Option<(String, bool)>, ClientError>;
}

/// Which packages are meant.
#[derive(Clone, Debug, Default)]
pub enum What {
    /// All of the project.
    #[default]
    Project,
    /// One package that a registry offers, and perhaps its version.
    Package(Shortname, Option<String>),
    /// The package in a repository that no registry needs to know, at a tag, a commit or a branch.
    Repository(String, String),
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What is meant.
    pub what: What,
    /// The registry that is meant, of several.
    pub from: Option<String>,
    /// Whether local edits may be lost.
    pub force: bool,
    /// Whether a tag may name another commit than the lockfile says.
    pub relock: bool,
    /// Whether the lockfile must know the package already.
    pub locked: bool,
    /// Whether files of CMake and git are left alone.
    pub packages_only: bool,
}

/// What was done with a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The package.
    pub name: Shortname,
    /// Its version, as asked for.
    pub version: String,
    /// The commit.
    pub commit: String,
    /// Whether files changed; `false` where all was as it should be.
    pub changed: bool,
}

/// All that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The packages.
    pub packages: Vec<Done>,
    /// What people should know.
    pub notes: Vec<String>,
}

/// A package that is to be there.
pub(super) struct Wanted {
    pub(super) name: Shortname,
    pub(super) version: String,
    pub(super) git: String,
    /// Empty where no registry named the repository.
    pub(super) registry: String,
    /// As the lockfile says it, or the version itself; then what was cloned.
    pub(super) commit: Option<Commit>,
    pub(super) header: Option<Secret>,
    /// The clone that was made; `None` where the one in place is right.
    pub(super) made: Option<PathBuf>,
}

/// Installs what is asked for.
///
/// # Errors
///
/// [`ClientError`], and nothing of the project has changed: [`ClientError::Integrity`] where a tag names
/// another commit than the lockfile says, [`ClientError::Usage`] over local edits without `force`.
pub fn install(
    workspace: &mut Workspace,
    request: &Request,
    reader: &Reader,
    git: &dyn Repositories,
) -> Result<Outcome, ClientError> {
    let mut outcome = Outcome::default();
    let scratch = scratch(workspace)?;
    let asked: Vec<(Shortname, Option<String>)> = match &request.what {
        What::Package(name, version) => vec![(name.clone(), version.clone())],
        What::Repository(..) => Vec::new(),
        What::Project => {
            let all = workspace.project.packages.iter();
            all.map(|package| (package.name.clone(), Some(package.version.clone()))).collect()
        }
    };
    // What is locked needs no registry, and one that is gone blocks nothing.
    let mut sources: Option<Sources> = None;
    let mut wanted = Vec::new();
    for (name, version) in asked {
        let held = workspace.lock.packages.get(&name);
        let held = held.filter(|held| {
            version.as_deref() == Some(&*held.version) && request.from.is_none() && !request.relock
        });
        if let Some(held) = held {
            let header = header_of(workspace, held, reader, &mut sources);
            let Locked { version, commit, git, registry } = held.clone();
            let commit = Some(commit);
            wanted.push(Wanted { name, version, git, registry, commit, header, made: None });
            continue;
        }
        if request.locked {
            return Err(ClientError::usage(
                format!("`{name}` is not in the lockfile at that version"),
                "install it without `--locked`, and keep `fppm.lock` under version control",
            ));
        }
        let offered = match address::known(workspace, &name, request) {
            Some(offered) => offered,
            None => {
                let sources = sources.get_or_insert_with(|| Sources::read(workspace, reader));
                sources.find(&name, request.from.as_deref())?
            }
        };
        let version = version.or_else(|| offered.entry.stable.clone()).ok_or_else(|| {
            ClientError::usage(
                format!("the registry names no stable version of `{name}`"),
                "give one with `--version`",
            )
        })?;
        wanted.push(resolve(workspace, name, version, &offered));
    }
    if let Some(sources) = &sources {
        for (location, error) in sources.failures() {
            let location = excerpt(location, 300);
            outcome.notes.push(format!("the registry {location} cannot be read: {error}"));
        }
    }
    for (at, one) in wanted.iter_mut().enumerate() {
        let folder = scratch.path().join(at.to_string());
        prepare(workspace, one, request, git, &folder)?;
    }
    if let What::Repository(url, version) = &request.what {
        let mut one = address::cloned(url, version, git, &scratch.path().join("0"))?;
        if is_in_place(workspace, &one, request, git)? {
            one.made = None;
        }
        wanted.push(one);
    }
    carry_out(workspace, &wanted, scratch.path())?;
    for one in wanted {
        let Wanted { name, version, git, registry, commit, made, .. } = one;
        let Some(commit) = commit else { continue };
        workspace.project.set(&name, &version);
        outcome.packages.push(Done {
            name: name.clone(),
            version: version.clone(),
            commit: commit.to_string(),
            changed: made.is_some(),
        });
        workspace.lock.packages.insert(name, Locked { version, commit, git, registry });
    }
    workspace.save()?;
    if !request.packages_only {
        outcome.notes.extend(build_files(workspace, &outcome.packages)?);
    }
    Ok(outcome)
}

/// The credential of a locked repository: that of the registry which named it.
fn header_of(
    workspace: &Workspace,
    held: &Locked,
    reader: &Reader,
    sources: &mut Option<Sources>,
) -> Option<Secret> {
    let known = workspace.project.registries.iter().any(|location| {
        super::location::public(location) == held.registry && *location != held.registry
    });
    // Only a location with a password, or the registry that the user named, has one to give.
    let trusted = reader.trusted.is_some_and(|(url, _)| held.git.starts_with(url.origin()));
    if !known && !trusted {
        return None;
    }
    let sources = sources.get_or_insert_with(|| Sources::read(workspace, reader));
    sources.credential(&held.registry)?.header(&held.git)
}

/// What is to be installed. The commit is not known yet, unless the version is one.
fn resolve(workspace: &Workspace, name: Shortname, version: String, offered: &Offered) -> Wanted {
    let held = workspace.lock.packages.get(&name);
    let same = |held: &&Locked| held.version == version && held.git == offered.entry.git;
    let commit = version.parse().ok().or_else(|| held.filter(same).map(|held| held.commit.clone()));
    Wanted {
        name,
        version,
        commit,
        git: offered.entry.git.clone(),
        registry: offered.registry.clone(),
        header: offered.header(),
        made: None,
    }
}

/// A folder for clones on the project's own file system, gone in the end.
fn scratch(workspace: &Workspace) -> Result<tempfile::TempDir, ClientError> {
    Ok(tempfile::Builder::new().prefix(".packhouse-").tempdir_in(&workspace.folder)?)
}

/// Whether the right commit is in place.
///
/// # Errors
///
/// [`ClientError::Usage`] over local edits without `force`.
fn is_in_place(
    workspace: &Workspace,
    wanted: &Wanted,
    request: &Request,
    git: &dyn Repositories,
) -> Result<bool, ClientError> {
    let name = &wanted.name;
    let known = wanted.commit.as_ref().map(Commit::as_str);
    let place = workspace.place(name);
    if workspace.is_installed(name)? {
        let state = git.state(&place)?;
        let (commit, dirty) = state.unwrap_or_default();
        if !dirty && known == Some(&*commit) {
            return Ok(true);
        }
        if !request.force && (dirty || commit.is_empty()) {
            let found = if dirty { "has local edits" } else { "is no clone" };
            return Err(ClientError::usage(
                format!("`{}` {found}", shown(&place)),
                "commit them elsewhere, or overwrite them with `--force`",
            ));
        }
    }
    Ok(false)
}

/// Makes the clone of a package, unless the one in place is right.
fn prepare(
    workspace: &Workspace,
    wanted: &mut Wanted,
    request: &Request,
    git: &dyn Repositories,
    folder: &Path,
) -> Result<(), ClientError> {
    if is_in_place(workspace, wanted, request, git)? {
        return Ok(());
    }
    let name = &wanted.name;
    let known = wanted.commit.as_ref().map(Commit::as_str);
    fs_err::create_dir(folder)?;
    let found = git.install(&wanted.git, &wanted.version, wanted.header.as_ref(), folder)?;
    if let Some(known) = known.filter(|known| *known != found && !request.relock) {
        return Err(ClientError::Integrity(format!(
            "`{name}`: `{}` of {} names the commit {found}, and the lockfile has {known}: `--relock` takes the new one",
            wanted.version,
            excerpt(&wanted.git, 200)
        )));
    }
    wanted.commit = Some(found.parse().map_err(ClientError::Integrity)?);
    wanted.made = Some(folder.to_owned());
    Ok(())
}

/// Puts clones in place, and the old ones aside; where one cannot be moved, all are moved back.
fn carry_out(workspace: &Workspace, wanted: &[Wanted], scratch: &Path) -> Result<(), ClientError> {
    fs_err::create_dir_all(workspace.packages())?;
    let mut moved: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut step = |from: PathBuf, to: PathBuf| {
        let done = fs_err::rename(&from, &to);
        if done.is_ok() {
            moved.push((from, to));
        }
        done
    };
    let work = wanted.iter().enumerate().try_for_each(|(at, one)| {
        let Some(made) = &one.made else { return Ok(()) };
        let place = workspace.place(&one.name);
        if std::fs::symlink_metadata(&place).is_ok() {
            step(place.clone(), scratch.join(format!("{at}-old")))?;
        }
        step(made.clone(), place)
    });
    if work.is_err() {
        for (from, to) in moved.into_iter().rev() {
            let _ = fs_err::rename(to, from);
        }
    }
    Ok(work?)
}

/// Adds packages to the files of CMake and git; what could not be added is a note.
fn build_files(workspace: &Workspace, done: &[Done]) -> Result<Vec<String>, ClientError> {
    let mut notes = Vec::new();
    let list = workspace.packages().join(cmake::LIST);
    let before = read(&list)?.unwrap_or_default();
    let after = done
        .iter()
        .fold(before.clone(), |text, one| cmake::listed(&text, &one.name).unwrap_or(text));
    if after != before {
        write(&list, &after)?;
    }
    let mut roots: Vec<PathBuf> = Vec::new();
    for entry in fs_err::read_dir(&workspace.folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cmake") && path.is_file() {
            roots.push(path);
        }
    }
    roots.sort();
    let mut texts = Vec::new();
    for root in &roots {
        texts.push(cmake::included(&read(root)?.unwrap_or_default()));
    }
    match (roots.first(), texts.first()) {
        (Some(root), Some(Some(text))) if texts.iter().all(Option::is_some) => write(root, text)?,
        (Some(_), _) => {}
        _ => notes.push(format!(
            "there is no `*.cmake` in the project's folder: add `{}` to the build yourself",
            cmake::FOLDER
        )),
    }
    let ignore = workspace.folder.join(".gitignore");
    if let Some(text) = read(&ignore)?.and_then(|text| cmake::ignored(&text)) {
        write(&ignore, &text)?;
    }
    Ok(notes)
}
