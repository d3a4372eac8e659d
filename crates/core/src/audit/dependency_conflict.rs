//! `dependency-conflict`: a Python package asks for versions of one dependency that no version meets:
//! in one text, in two that apply together, or in all that always apply. It reads versions and
//! conditions, and asks no index what there is.

use std::collections::BTreeMap;

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity, target_text};
use crate::manifest::{Dependency, Target};
use crate::python::Markers;
use crate::requirement::{Grammar, Requirement};

/// Requirements of one dependency that are held against one another.
const EACH: usize = 24;

pub(super) struct DependencyConflict;

/// A dependency and what it asks for.
type Asked<'m> = (&'m Dependency, &'m Requirement);

impl Rule for DependencyConflict {
    fn id(&self) -> &'static str {
        "dependency-conflict"
    }
    fn severity(&self) -> Severity {
        Severity::Error
    }
    fn summary(&self) -> &'static str {
        "No version of a dependency can meet what is asked of it"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let mut by_name: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
        for dependency in &m.dependencies {
            if let (Target::Native(_), Some(asked)) = (&dependency.target, &dependency.requirement)
                && asked.grammar() == Grammar::Pep508
            {
                let of_name = by_name.entry(target_text(&dependency.target)).or_default();
                if of_name.len() < EACH {
                    of_name.push((dependency, asked));
                }
            }
        }
        if by_name.is_empty() {
            return;
        }
        let python = m.requires.iter().find(|external| external.name == "python");
        let markers = Markers::new(python.and_then(|external| external.requirement.as_ref()));
        for (name, all) in &by_name {
            if let Some(clash) = clash(all, &markers) {
                found.push(self.told(facts, name, &clash));
            }
        }
    }
}

/// The first requirements of one dependency that apply together and cannot be met.
fn clash<'m>(all: &[Asked<'m>], markers: &Markers) -> Option<Vec<Asked<'m>>> {
    let clashes = |some: &[Asked<'m>]| {
        let asked: Vec<&Requirement> = some.iter().map(|(_, asked)| *asked).collect();
        let conditions: Vec<Option<&str>> =
            some.iter().map(|(dependency, _)| dependency.condition.as_deref()).collect();
        !Requirement::possible(&asked) && markers.together(&conditions)
    };
    let one = all.iter().map(|one| vec![*one]);
    let two = all.iter().enumerate().flat_map(|(nth, a)| all[..nth].iter().map(|b| vec![*b, *a]));
    let always = all.iter().filter(|(dependency, _)| dependency.condition.is_none()).copied();
    one.chain(two).chain([always.collect()]).find(|some| clashes(some))
}

impl DependencyConflict {
    fn told(&self, facts: &Facts, name: &str, clash: &[Asked]) -> Draft {
        let asked = |(dependency, asked): &Asked| match &dependency.condition {
            Some(condition) => format!("{} where {}", quote(asked.text()), quote(condition)),
            None => quote(asked.text()),
        };
        let all = clash.iter().map(asked).collect::<Vec<_>>().join(", and ");
        let message = format!("{} is asked for as {all}: no version is that", quote(name));
        // With a condition, others can still install the package.
        let always = clash.iter().all(|(dependency, _)| dependency.condition.is_none());
        let severity = if always { Severity::Error } else { Severity::Warning };
        let help =
            "write one range that versions can meet; nobody can install the package with these";
        let draft = self.finding(message).severity(severity).file(&facts.manifest.path);
        let draft = draft.about(name.to_owned()).help(help);
        match clash.iter().rev().find_map(|(dependency, _)| dependency.at) {
            Some(at) => draft.at(at),
            None => draft,
        }
    }
}
