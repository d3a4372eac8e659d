//! Whether a pack can run here: the runtimes that it names, and the packs that it needs.
//!
//! The caller says what there is; nothing is started here. Attune's own installer does not look at
//! `runtime_deps` and looks one level deep; here all is applied, and what a pack needs is followed.

use std::collections::BTreeSet;

use serde::Serialize;

use super::entry::Pack;
use crate::escape::excerpt;
use crate::manifest::External;
use crate::requirement::Requirement;
use crate::version::{Order, Version};

/// How deep needs are followed, and how many packs.
const FOLLOWED: usize = 1_000;

/// The programs whose version is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// `python3`.
    Python,
    /// `node`.
    Node,
    /// `bash`, or `sh`.
    Shell,
}

impl Runtime {
    /// The runtime that a pack calls `name`; `None` for one that nobody can ask.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "python" | "python3" => Some(Self::Python),
            "node" | "nodejs" => Some(Self::Node),
            "shell" | "bash" | "sh" => Some(Self::Shell),
            _ => None,
        }
    }
}

/// One runtime, and whether it will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RuntimeResult {
    /// As the pack calls it.
    pub runtime: String,
    /// The constraint.
    pub required_version: Option<String>,
    /// What is here.
    pub detected_version: Option<String>,
    /// Whether it will do.
    pub satisfied: bool,
    /// Why not.
    pub error: Option<String>,
}

/// One pack, and whether it will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackResult {
    /// The pack.
    pub pack_ref: String,
    /// The constraint.
    pub required_version: String,
    /// What is installed.
    pub installed_version: Option<String>,
    /// Whether it will do.
    pub satisfied: bool,
    /// Why not.
    pub error: Option<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether all of it will do.
    pub valid: bool,
    /// Runtimes.
    pub runtime_deps: Vec<RuntimeResult>,
    /// Packs.
    pub pack_deps: Vec<PackResult>,
    /// What cannot be decided here.
    pub warnings: Vec<String>,
    /// What is in the way, one line each.
    pub errors: Vec<String>,
}

/// A pack that is installed, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct Installed {
    /// Its version.
    pub version: String,
    /// What it needs itself.
    pub needs: Vec<(String, Option<Requirement>)>,
}

/// Decides about `pack`: `detected` answers a runtime's version, `installed` a pack.
pub fn check(
    pack: &Pack,
    detected: &dyn Fn(Runtime) -> Option<String>,
    installed: &dyn Fn(&str) -> Option<Installed>,
) -> Report {
    let mut report = Report::default();
    for external in pack.runtimes() {
        runtime(&mut report, external, detected);
    }
    packs(&mut report, pack, installed);
    let runtimes = report.runtime_deps.iter().filter_map(|r| r.error.clone());
    report.errors =
        runtimes.chain(report.pack_deps.iter().filter_map(|p| p.error.clone())).collect();
    report.valid = report.errors.is_empty();
    report
}

fn runtime(report: &mut Report, external: &External, detected: &dyn Fn(Runtime) -> Option<String>) {
    let name = excerpt(&external.name, 80);
    // What runs the pack is not here when it is installed; `native` names the machine itself.
    if matches!(external.name.as_str(), "attune" | "native") {
        let text = external.requirement.as_ref().map_or("any", Requirement::text);
        if external.name == "attune" {
            report.warnings.push(format!("`attune` {} is not checked here", excerpt(text, 40)));
        }
        return;
    }
    let known = Runtime::named(&external.name);
    let found = known.and_then(detected);
    let required = external.requirement.as_ref().map(|r| r.text().to_owned());
    let error = match (&known, &found, &external.requirement) {
        (None, ..) => Some(format!(
            "the runtime `{name}` is not known: `python3`, `nodejs` and `shell` can be asked"
        )),
        (_, None, _) => Some(format!("the runtime `{name}` is not found: install it")),
        (_, Some(found), Some(requirement)) => match numbers(found) {
            Some(version) if requirement.admits(&version) => None,
            Some(_) => Some(format!(
                "the runtime `{name}` is version {}, the pack needs `{}`",
                excerpt(found, 40),
                requirement.text()
            )),
            None => Some(format!(
                "the runtime `{name}` says version `{}`, which is none of three numbers",
                excerpt(found, 40)
            )),
        },
        (_, Some(_), None) => None,
    };
    report.runtime_deps.push(RuntimeResult {
        runtime: name,
        required_version: required,
        detected_version: found,
        satisfied: error.is_none(),
        error,
    });
}

/// Up to three plain numbers; missing ones are zero.
fn numbers(text: &str) -> Option<Version> {
    let mut parts: Vec<&str> = text.split('.').collect();
    parts.resize(parts.len().max(3), "0");
    Version::parse(Order::SemVer, &parts.join(".")).ok().filter(|version| !version.is_prerelease())
}

fn packs(report: &mut Report, pack: &Pack, installed: &dyn Fn(&str) -> Option<Installed>) {
    let mut seen: BTreeSet<String> = BTreeSet::from([pack.reference.clone()]);
    let mut queue: Vec<(String, Option<Requirement>, String)> = Vec::new();
    let add = |queue: &mut Vec<_>, needs: Vec<(String, Option<Requirement>)>, by: &str| {
        queue.extend(needs.into_iter().map(|(name, r)| (name, r, by.to_owned())));
    };
    add(&mut queue, pack.needs(), &pack.reference);
    let mut at = 0;
    while let Some((name, requirement, by)) = queue.get(at).cloned() {
        at += 1;
        if at > FOLLOWED {
            report.warnings.push(format!("more than {FOLLOWED} needs: the rest is not checked"));
            return;
        }
        let own = name == pack.reference;
        let found = match own {
            // What comes takes the place of what is there.
            true => Some(Installed { version: pack.version.clone(), needs: Vec::new() }),
            false => installed(&name),
        };
        let text = requirement.as_ref().map_or("*", Requirement::text).to_owned();
        let version = found.as_ref().and_then(|f| Version::parse(Order::SemVer, &f.version).ok());
        let error = match (&found, &requirement, &version) {
            (None, ..) => {
                Some(format!("`{by}` needs the pack `{name}` ({text}): it is not installed"))
            }
            (Some(_), None, _) => None,
            (Some(_), Some(requirement), Some(version)) if requirement.admits(version) => None,
            (Some(found), Some(_), _) => Some(format!(
                "`{by}` needs the pack `{name}` at `{text}`: version {} is installed",
                excerpt(&found.version, 40)
            )),
        };
        if seen.insert(name.clone())
            && let Some(found) = &found
        {
            add(&mut queue, found.needs.clone(), &name);
        }
        report.pack_deps.push(PackResult {
            pack_ref: name,
            required_version: text,
            installed_version: found.map(|found| found.version),
            satisfied: error.is_none(),
            error,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry;
    use super::*;
    use crate::tree::Tree;

    fn pack(text: &str) -> Pack {
        let mut tree = Tree::default();
        tree.insert("pack.yaml".parse().unwrap(), text.as_bytes(), false);
        entry::pack(&tree).unwrap()
    }

    fn told(text: &str) -> String {
        let detected = |runtime| match runtime {
            Runtime::Python => Some("3.13.5".to_owned()),
            Runtime::Shell => Some("5.2".to_owned()),
            Runtime::Node => None,
        };
        let installed = |name: &str| {
            let of = |version: &str, text: &str| {
                let needs = pack(text).needs();
                Some(Installed { version: version.to_owned(), needs })
            };
            match name {
                "core" => of("1.2.0", "ref: core\nversion: 1.2.0\n"),
                "maps" => {
                    of("2.0.0", "ref: maps\nversion: 2.0.0\ndependencies: ['geo@>=1.0', core]\n")
                }
                "pre" => of("1.0.0-rc.1", "ref: pre\nversion: 1.0.0-rc.1\n"),
                "ring" => of("1.0.0", "ref: ring\nversion: 1.0.0\ndependencies: [me, ring]\n"),
                _ => None,
            }
        };
        let report = check(&pack(text), &detected, &installed);
        assert_eq!(report.valid, report.errors.is_empty());
        report.errors.iter().chain(&report.warnings).map(|line| format!("{line}\n")).collect()
    }

    #[test]
    fn what_is_here_will_do() {
        assert_eq!(
            told(
                "ref: me\nversion: 1.0.0\nruntime_deps: ['python3>=3.8', shell, 'bash ~5.2', native]\npython: '3.9'\ndependencies: ['core@^1.0', ring, pre]\n"
            ),
            ""
        );
    }

    #[test]
    fn what_is_missing_is_named_with_who_needs_it() {
        insta::assert_snapshot!(told("\
ref: me
version: 1.0.0
runtime_deps: ['python3<3', 'nodejs^14.0.0', curl]
dependencies: {attune_version: '>=0.3', packs: ['core@>=2.0', maps, 'pre@1.0.0', gone]}
"), @r"
        the runtime `python3` is version 3.13.5, the pack needs `<3`
        the runtime `nodejs` is not found: install it
        the runtime `curl` is not known: `python3`, `nodejs` and `shell` can be asked
        `me` needs the pack `core` at `>=2.0`: version 1.2.0 is installed
        `me` needs the pack `pre` at `1.0.0`: version 1.0.0-rc.1 is installed
        `me` needs the pack `gone` (*): it is not installed
        `maps` needs the pack `geo` (>=1.0): it is not installed
        `attune` >=0.3 is not checked here
        ");
    }
}
