//! `packhouse add`, `remove`, `sync`, `update`: what changes a project.

use std::collections::BTreeSet;

use packhouse_client::project::Project;
use packhouse_client::project::lock::Upgrade;
use packhouse_client::project::source::is_from;
use packhouse_client::project::sync;
use packhouse_core::escape::excerpt;
use packhouse_core::formats::{self, Edit, Found};
use packhouse_core::identifier::Identifier;
use packhouse_core::lock::Lock;
use packhouse_core::manifest::{Dependency, Target};
use packhouse_core::requirement::{Grammar, Requirement};

use super::{Work, open, run, stopped};
use crate::args::{Add, Global, RemoveDependency, Sync, Syncing, Update};
use crate::exit::{Exit, Stop};
use crate::suggest::nearest;
use crate::ui::Ui;

pub(crate) fn sync(args: &Sync, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    let project = open(&args.syncing.place)?;
    let work = Work::new(&args.syncing, global, &project)?;
    run(&project, &work, &args.syncing, Upgrade::No, false, ui)
}

pub(crate) fn add(args: &Add, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    editable(&args.syncing)?;
    let project = open(&args.syncing.place)?;
    let work = Work::new(&args.syncing, global, &project)?;
    let asked: Vec<Dependency> =
        args.specs.iter().map(|spec| dependency(&project, spec)).collect::<anyhow::Result<_>>()?;
    let named: BTreeSet<Identifier> = asked.iter().filter_map(identifier).cloned().collect();
    let upgrade = Upgrade::Some(named);
    let mut edited = project;
    // What was asked for without a version gets the one that the resolver chooses.
    if asked.iter().any(|d| matches!(d.target, Target::Registry { .. }) && d.requirement.is_none())
    {
        let lock = decided(&probe(&edited, &asked), &work, &args.syncing, &upgrade)?;
        for dependency in &asked {
            edited = pinned(&edited, dependency, &lock)?;
        }
    } else {
        for dependency in &asked {
            edited = with(&edited, &Edit::Add(dependency))?;
        }
    }
    run(&edited, &work, &args.syncing, upgrade, true, ui)
}

pub(crate) fn remove(args: &RemoveDependency, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    editable(&args.syncing)?;
    let mut project = open(&args.syncing.place)?;
    let work = Work::new(&args.syncing, global, &project)?;
    for name in &args.packages {
        let identifier = super::super::identifier(name)?;
        let Some(target) = target(&project, &identifier)? else {
            let there = project.manifest.dependencies.iter().filter_map(self::identifier);
            let there: Vec<String> = there.map(ToString::to_string).collect();
            let near = nearest(name, there.iter().map(String::as_str));
            let hint = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`packhouse list` shows what there is".to_owned(),
            };
            let message = format!("`{identifier}` is no dependency in `{}`", project.manifest.path);
            return Err(Stop::new(Exit::NotFound, message, hint).into());
        };
        project = with(&project, &Edit::Remove(&target))?;
    }
    run(&project, &work, &args.syncing, Upgrade::No, true, ui)
}

/// The dependency that a name means: the one that says so or, where it names a folder or a repository
/// only, the one that the lockfile has the package from.
fn target(project: &Project, name: &Identifier) -> anyhow::Result<Option<Target>> {
    let dependencies = &project.manifest.dependencies;
    if let Some(known) = dependencies.iter().find(|d| identifier(d) == Some(name)) {
        return Ok(Some(known.target.clone()));
    }
    let lock = project.lock()?;
    let Some(locked) = lock.as_ref().and_then(|lock| lock.get(name)) else { return Ok(None) };
    let mut targets = dependencies.iter().map(|d| &d.target);
    Ok(targets.find(|target| is_from(project, target, &locked.source)).cloned())
}

pub(crate) fn update(args: &Update, global: &Global, ui: &Ui) -> anyhow::Result<Exit> {
    editable(&args.syncing)?;
    let project = open(&args.syncing.place)?;
    let work = Work::new(&args.syncing, global, &project)?;
    let named: BTreeSet<Identifier> = args
        .packages
        .iter()
        .map(|name| super::super::identifier(name))
        .collect::<anyhow::Result<_>>()?;
    if let Some(lock) = project.lock()? {
        for name in &named {
            if lock.get(name).is_none() {
                let message = format!("`{name}` is not in `packhouse.lock`");
                return Err(Stop::new(
                    Exit::NotFound,
                    message,
                    "`packhouse list` shows what there is",
                )
                .into());
            }
        }
    }
    let upgrade = if named.is_empty() { Upgrade::All } else { Upgrade::Some(named.clone()) };
    if !project.is_ato() {
        return run(&project, &work, &args.syncing, upgrade, false, ui);
    }
    // `ato` knows exact pins only: to update is to move them.
    let moved: Vec<Dependency> = project
        .manifest
        .dependencies
        .iter()
        .filter(|d| d.requirement.is_some())
        .filter(|d| identifier(d).is_some_and(|id| named.is_empty() || named.contains(id)))
        .map(|d| Dependency { requirement: None, ..d.clone() })
        .collect();
    let mut edited = project;
    let probe = probe(&edited, &moved);
    let lock = decided(&probe, &work, &args.syncing, &upgrade)?;
    for dependency in &moved {
        edited = pinned(&edited, dependency, &lock)?;
    }
    run(&edited, &work, &args.syncing, upgrade, true, ui)
}

/// The project as if its manifest asked for `dependencies`; nothing is written.
fn probe(project: &Project, dependencies: &[Dependency]) -> Project {
    let mut manifest = project.manifest.clone();
    manifest.dependencies.retain(|old| {
        identifier(old).is_none()
            || dependencies.iter().all(|new| identifier(new) != identifier(old))
    });
    manifest.dependencies.extend(dependencies.iter().cloned());
    Project { folder: project.folder.clone(), manifest, text: project.text.clone() }
}

/// A command that edits the manifest needs a lockfile that may change.
fn editable(syncing: &Syncing) -> anyhow::Result<()> {
    if syncing.locked || syncing.frozen {
        let flag = if syncing.locked { "--locked" } else { "--frozen" };
        return Err(Stop::usage(
            format!("`{flag}` leaves the lockfile as it is, and this command changes it"),
            format!("leave `{flag}` out; it belongs to `packhouse sync`"),
        )
        .into());
    }
    Ok(())
}

fn identifier(dependency: &Dependency) -> Option<&Identifier> {
    dependency.target.identifier()
}

/// The lockfile that `project` would get.
fn decided(
    project: &Project,
    work: &Work,
    syncing: &Syncing,
    upgrade: &Upgrade,
) -> anyhow::Result<Lock> {
    let options = work.options(syncing, upgrade.clone(), &|_| {});
    let git = work.git();
    sync::decide(project, &work.places(&git), &options).map(|decided| decided.lock).map_err(stopped)
}

/// What `spec` means in the project's own format.
fn dependency(project: &Project, spec: &str) -> anyhow::Result<Dependency> {
    let format = format_of(project)?;
    // The format reads its own grammar; JSON's texts are YAML's, too.
    let text = format!("dependencies: [{}]\n", serde_json::to_string(spec)?);
    let mut tree = packhouse_core::tree::Tree::default();
    tree.insert(format.file().parse()?, text.as_bytes(), false);
    let wrong = |message: String, help: String| anyhow::Error::from(Stop::usage(message, help));
    match format.read(&tree) {
        Found::Package(mut manifest) => {
            match (manifest.dependencies.pop(), manifest.problems.pop()) {
                (Some(dependency), None) => Ok(dependency),
                (_, Some(problem)) => Err(wrong(problem.message, problem.help)),
                (None, None) => Err(wrong(
                    format!("`{}` names no package", excerpt(spec, 200)),
                    "write `owner/name` or `owner/name@1.2.3`".to_owned(),
                )),
            }
        }
        _ => Err(wrong(
            format!("`{}` names no package", excerpt(spec, 200)),
            "write `owner/name` or `owner/name@1.2.3`".to_owned(),
        )),
    }
}

fn format_of(project: &Project) -> anyhow::Result<&'static dyn formats::Format> {
    formats::by_id(project.manifest.format)
        .ok_or_else(|| anyhow::anyhow!("the format `{}` is not known", project.manifest.format))
}

/// The project after an edit of its manifest; nothing is written.
fn with(project: &Project, edit: &Edit) -> anyhow::Result<Project> {
    let format = format_of(project)?;
    let text = format.edit_dependencies(&project.text, edit).map_err(|error| {
        Stop::usage(
            format!("`{}`: {error}", project.manifest.path),
            "edit it by hand, then run `packhouse sync`",
        )
    })?;
    let mut tree = packhouse_core::tree::Tree::default();
    tree.insert(format.file().parse()?, text.as_bytes(), false);
    match format.read(&tree) {
        Found::Package(manifest) => Ok(Project { folder: project.folder.clone(), manifest, text }),
        _ => Err(anyhow::anyhow!("the edited `{}` cannot be read", project.manifest.path)),
    }
}

/// The project with the version that `lock` has of an open-ended dependency written down.
fn pinned(project: &Project, dependency: &Dependency, lock: &Lock) -> anyhow::Result<Project> {
    if dependency.requirement.is_some() || !matches!(dependency.target, Target::Registry { .. }) {
        return with(project, &Edit::Add(dependency));
    }
    let version =
        identifier(dependency).and_then(|id| lock.get(id)).and_then(|p| p.version.as_ref());
    let Some(version) = version else { return with(project, &Edit::Add(dependency)) };
    let requirement = if project.is_ato() {
        Requirement::parse(Grammar::Exact, version.text())?
    } else {
        Requirement::parse(Grammar::Cargo, &format!("^{}", version.key()))?
    };
    let dependency = Dependency { requirement: Some(requirement), ..dependency.clone() };
    with(project, &Edit::Add(&dependency))
}
