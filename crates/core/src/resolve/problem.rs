//! A request as PubGrub takes it: packages and versions are numbers, requirements are sets of numbers.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::rc::Rc;

use pubgrub::{
    Dependencies, DependencyConstraints, DependencyProvider, DerivationTree,
    PackageResolutionStatistics, PubGrubError, Ranges,
};

use super::known::{Known, Package};
use super::{ChosenPackage, Request, Resolution};
use crate::identifier::Identifier;
use crate::manifest::{Dependency, External, Target};
use crate::requirement::{Grammar, Requirement};
use crate::version::Version;

/// Steps of one search, at most: some seconds, where real closures take some thousand.
const STEPS: u64 = 2_000_000;

/// Who asks.
pub(super) const ROOT: u32 = 0;

/// A set of version numbers of one package.
pub(super) type Set = Ranges<u32>;

/// What is needed of one package, and in whose words.
#[derive(Clone, Debug)]
pub(super) struct Need<'a> {
    pub(super) package: u32,
    pub(super) set: Set,
    /// The requirements, each text once; none for any version.
    pub(super) asked: Vec<&'a Requirement>,
}

impl Need<'_> {
    /// The requirements as they were written; empty for any version.
    pub(super) fn text(&self) -> String {
        self.asked.iter().map(|requirement| requirement.text()).collect::<Vec<_>>().join(", ")
    }

    /// Whether a requirement names this one version.
    pub(super) fn names(&self, version: &Version) -> bool {
        self.asked.iter().any(|requirement| requirement.is_exact() && requirement.admits(version))
    }
}

/// All that a version needs; shared, because a search asks for it again and again.
type Needs<'a> = Rc<Vec<Need<'a>>>;

/// What stands behind a number.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Root,
    Package(&'a Identifier, Option<&'a Package>),
    Tool(&'a str, &'a Version),
}

/// A number's place: what stands behind it, and what was found out about it.
struct Slot<'a> {
    subject: Subject<'a>,
    /// The version that is kept where it fits.
    preferred: Option<u32>,
    /// What each version needs, once the search came to it.
    needs: Vec<Option<Needs<'a>>>,
}

/// A requirement of a package, which stands for one set of its versions; `None` for any version.
type Asked<'a> = (u32, Option<(Grammar, &'a str)>);

/// A request in numbers. What a version needs is worked out when the search comes to it.
pub struct Problem<'a> {
    known: &'a Known,
    pub(super) request: &'a Request,
    slots: RefCell<Vec<Slot<'a>>>,
    numbers: RefCell<HashMap<&'a Identifier, u32>>,
    tools: BTreeMap<&'a str, u32>,
    sets: RefCell<HashMap<Asked<'a>, Set>>,
    /// The only dependencies that count, where an explanation is being sought.
    only: RefCell<Option<HashSet<(u32, u32)>>>,
    steps: Cell<u64>,
    /// Steps that are left for all searches together.
    left: Cell<u64>,
}

/// Why a search stopped.
pub(super) enum Failure {
    Unsatisfiable(Box<DerivationTree<u32, Set, Never>>),
    TooHard,
}

/// The search took more than its steps.
#[derive(Debug, thiserror::Error)]
#[error("the search took more than {STEPS} steps")]
pub struct TooHard;

/// A number, where PubGrub wants to print one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Never;

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unavailable")
    }
}

impl<'a> Problem<'a> {
    /// The problem of `request` over what is `known`.
    pub fn new(known: &'a Known, request: &'a Request) -> Self {
        let mut slots = vec![Slot::new(Subject::Root)];
        let mut tools = BTreeMap::new();
        for (name, version) in &request.tools {
            tools.insert(name.as_str(), slots.len() as u32);
            slots.push(Slot::new(Subject::Tool(name, version)));
        }
        Self {
            known,
            request,
            slots: RefCell::new(slots),
            numbers: RefCell::default(),
            tools,
            sets: RefCell::default(),
            only: RefCell::default(),
            steps: Cell::new(0),
            left: Cell::new(u64::MAX),
        }
    }

    /// With so many steps for all searches together, those of an explanation included.
    #[must_use]
    pub(super) fn within(self, steps: u64) -> Self {
        self.left.set(steps);
        self
    }

    /// Whether all steps are used up, so that what was found may be wrong.
    pub(super) fn is_exhausted(&self) -> bool {
        self.left.get() == 0
    }

    /// Chosen version numbers by package number.
    pub(super) fn solve(&self) -> Result<BTreeMap<u32, u32>, Failure> {
        self.steps.set(0);
        match pubgrub::resolve(self, ROOT, 0_u32) {
            Ok(chosen) => Ok(chosen.into_iter().collect()),
            Err(PubGrubError::NoSolution(tree)) => Err(Failure::Unsatisfiable(Box::new(tree))),
            Err(_) => Err(Failure::TooHard),
        }
    }

    /// Solves with only some of the dependencies.
    pub(super) fn solve_part(&self, edges: HashSet<(u32, u32)>) -> Result<(), Failure> {
        self.only.replace(Some(edges));
        let solved = self.solve();
        self.only.replace(None);
        solved.map(|_| ())
    }

    pub(super) fn known_packages(&self) -> impl Iterator<Item = &'a Identifier> {
        self.known.packages.keys()
    }

    /// Solves and says how many packages there are; for measuring the search alone.
    pub fn count(&self) -> Option<usize> {
        self.solve().ok().map(|chosen| chosen.len())
    }

    pub(super) fn subject(&self, package: u32) -> Subject<'a> {
        self.slots.borrow().get(package as usize).map_or(Subject::Root, |slot| slot.subject)
    }

    fn number(&self, identifier: &'a Identifier) -> u32 {
        if let Some(number) = self.numbers.borrow().get(identifier) {
            return *number;
        }
        let package = self.known.packages.get(identifier);
        let mut slot = Slot::new(Subject::Package(identifier, package));
        if let (Some(package), Some(version)) = (package, self.request.prefer.get(identifier)) {
            let at = package.candidates.iter().position(|c| c.version.as_ref() == Some(version));
            slot.preferred = at.map(|at| at as u32);
        }
        let mut slots = self.slots.borrow_mut();
        let number = slots.len() as u32;
        slots.push(slot);
        self.numbers.borrow_mut().insert(identifier, number);
        number
    }

    /// The versions of a package that a requirement admits and that may be taken.
    fn set(&self, package: u32, requirement: Option<&'a Requirement>) -> Set {
        let key = (package, requirement.map(|r| (r.grammar(), r.text())));
        if let Some(set) = self.sets.borrow().get(&key) {
            return set.clone();
        }
        let set = match self.subject(package) {
            Subject::Root => Set::singleton(0_u32),
            Subject::Tool(_, version) => {
                let fits = requirement.is_none_or(|requirement| requirement.admits(version));
                if fits { Set::singleton(0_u32) } else { Set::empty() }
            }
            Subject::Package(_, None) => Set::empty(),
            Subject::Package(_, Some(known)) => {
                let preferred = self.preferred(package);
                let stable = requirement.is_none()
                    && known.candidates.iter().enumerate().any(|(at, c)| {
                        usable(c, preferred == Some(at as u32))
                            && c.version.as_ref().is_some_and(|v| !v.is_prerelease())
                    });
                let admitted = known.candidates.iter().enumerate().filter(|(at, candidate)| {
                    let locked = preferred == Some(*at as u32);
                    let fits = match (requirement, &candidate.version) {
                        (_, None) => true,
                        (Some(requirement), Some(version)) => requirement.admits(version),
                        (None, Some(version)) => locked || !(stable && version.is_prerelease()),
                    };
                    fits && usable(candidate, locked)
                });
                of(admitted.map(|(at, _)| at as u32))
            }
        };
        self.sets.borrow_mut().insert(key, set.clone());
        set
    }

    /// What a version of a package needs.
    pub(super) fn needs(&self, package: u32, version: u32) -> Needs<'a> {
        let (place, at) = (package as usize, version as usize);
        let found = self.slots.borrow().get(place).and_then(|slot| slot.needs.get(at)?.clone());
        if let Some(needs) = found {
            return needs;
        }
        let needs = Rc::new(match self.subject(package) {
            Subject::Root => self.worked_out(&self.request.dependencies, &self.request.requires),
            Subject::Package(_, Some(known)) => {
                let candidate = known.candidates.get(at);
                candidate.map(|c| self.worked_out(&c.dependencies, &c.requires)).unwrap_or_default()
            }
            Subject::Package(_, None) | Subject::Tool(..) => Vec::new(),
        });
        let mut slots = self.slots.borrow_mut();
        if let Some(place) = slots.get_mut(place).and_then(|slot| slot.needs.get_mut(at)) {
            *place = Some(needs.clone());
        }
        needs
    }

    fn worked_out(
        &self,
        dependencies: &'a [Dependency],
        requires: &'a [External],
    ) -> Vec<Need<'a>> {
        let mut needs: Vec<Need<'a>> = Vec::new();
        for dependency in dependencies.iter().filter(|d| d.condition.is_none()) {
            let identifier = match &dependency.target {
                Target::Registry { identifier } => identifier,
                Target::Native(name) => match self.known.natives.get(name) {
                    Some(identifier) => identifier,
                    None => continue, // another registry's business
                },
                Target::Git { identifier: Some(identifier), .. }
                | Target::File { identifier: Some(identifier), .. }
                    if self.known.contains(identifier) =>
                {
                    identifier
                }
                Target::Git { .. } | Target::File { .. } | Target::Url { .. } => continue,
            };
            let package = self.number(identifier);
            let set = self.set(package, dependency.requirement.as_ref());
            match needs.iter_mut().find(|need| need.package == package) {
                // Named twice: both count.
                Some(need) => {
                    need.set = need.set.intersection(&set);
                    let known = |r: &&Requirement| need.asked.iter().all(|a| a.text() != r.text());
                    let fresh = dependency.requirement.as_ref().filter(known);
                    need.asked.extend(fresh);
                }
                None => {
                    let asked = dependency.requirement.iter().collect();
                    needs.push(Need { package, set, asked });
                }
            }
        }
        for external in requires {
            if let Some(tool) = self.tools.get(external.name.as_str()) {
                let set = self.set(*tool, external.requirement.as_ref());
                let asked = external.requirement.iter().collect();
                needs.push(Need { package: *tool, set, asked });
            }
        }
        needs
    }

    /// The resolution of chosen numbers.
    pub(super) fn resolution(&self, chosen: &BTreeMap<u32, u32>) -> Resolution {
        let mut packages = Vec::new();
        for (package, version) in chosen {
            let Subject::Package(identifier, Some(known)) = self.subject(*package) else {
                continue;
            };
            let needed: BTreeSet<&Identifier> = self
                .needs(*package, *version)
                .iter()
                .filter_map(|need| match self.subject(need.package) {
                    Subject::Package(identifier, _) => Some(identifier),
                    _ => None,
                })
                .collect();
            packages.push(ChosenPackage {
                identifier: identifier.clone(),
                version: known.candidates.get(*version as usize).and_then(|c| c.version.clone()),
                dependencies: needed.into_iter().cloned().collect(),
                from_source: known.source.is_some(),
            });
        }
        packages.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        Resolution { chosen: packages }
    }

    /// How many versions of a package there are.
    pub(super) fn versions(&self, package: u32) -> u32 {
        self.slots.borrow().get(package as usize).map_or(0, |slot| slot.needs.len() as u32)
    }

    fn preferred(&self, package: u32) -> Option<u32> {
        self.slots.borrow().get(package as usize).and_then(|slot| slot.preferred)
    }
}

impl<'a> Slot<'a> {
    fn new(subject: Subject<'a>) -> Self {
        let versions = match subject {
            Subject::Root | Subject::Tool(..) => 1,
            Subject::Package(_, known) => known.map_or(0, |known| known.candidates.len()),
        };
        Self { subject, preferred: None, needs: vec![None; versions] }
    }
}

/// Whether a resolution may take a version; a yanked one only where it is locked.
fn usable(candidate: &super::known::Candidate, locked: bool) -> bool {
    candidate.in_service && (candidate.yanked.is_none() || locked)
}

/// The set of ascending numbers, in as few pieces as there are gaps.
fn of(numbers: impl Iterator<Item = u32>) -> Set {
    let mut pieces: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match pieces.last_mut() {
            Some((_, end)) if *end == number => *end = number + 1,
            _ => pieces.push((number, number + 1)),
        }
    }
    let piece = |(start, end): (u32, u32)| Set::between(start, end);
    pieces.into_iter().map(piece).fold(Set::empty(), |all, piece| all.union(&piece))
}

impl DependencyProvider for Problem<'_> {
    type P = u32;
    type V = u32;
    type VS = Set;
    type Priority = (u32, Reverse<u32>);
    type M = Never;
    type Err = TooHard;

    fn prioritize(
        &self,
        package: &u32,
        range: &Set,
        statistics: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let left = (0..self.versions(*package)).filter(|version| range.contains(version)).count();
        (statistics.conflict_count(), Reverse(left as u32))
    }

    fn choose_version(&self, package: &u32, range: &Set) -> Result<Option<u32>, TooHard> {
        let preferred = self.preferred(*package);
        if let Some(version) = preferred.filter(|version| range.contains(version)) {
            return Ok(Some(version));
        }
        Ok((0..self.versions(*package)).rev().find(|version| range.contains(version)))
    }

    fn get_dependencies(
        &self,
        package: &u32,
        version: &u32,
    ) -> Result<Dependencies<u32, Set, Never>, TooHard> {
        let only = self.only.borrow();
        let counts = |need: &&Need| {
            only.as_ref().is_none_or(|only| only.contains(&(*package, need.package)))
        };
        let needs = self.needs(*package, *version);
        let constraints: DependencyConstraints<u32, Set> =
            needs.iter().filter(counts).map(|need| (need.package, need.set.clone())).collect();
        Ok(Dependencies::Available(constraints))
    }

    fn should_cancel(&self) -> Result<(), TooHard> {
        self.steps.set(self.steps.get() + 1);
        self.left.set(self.left.get().saturating_sub(1));
        if self.steps.get() > STEPS || self.is_exhausted() { Err(TooHard) } else { Ok(()) }
    }
}
