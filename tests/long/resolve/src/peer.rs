//! The generated registry as `resolvo` takes it: names and versions are interned numbers, dependencies are
//! there when they are asked for.

use std::collections::BTreeMap;
use std::fmt::Display;

use resolvo::utils::{Pool, VersionSet};
use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    Interner, KnownDependencies, NameId, Problem, Requirement, SolvableId, Solver, SolverCache,
    StringId, VersionSetId, VersionSetUnionId,
};

use crate::generated::{Need, Registry};

/// Versions from, and below.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Span(u32, u32);

impl VersionSet for Span {
    type V = u32;
}

/// What is known, interned.
struct Provider {
    pool: Pool<Span, u32>,
    candidates: BTreeMap<NameId, Vec<SolvableId>>,
    needs: BTreeMap<SolvableId, Vec<ConditionalRequirement>>,
}

/// A solver with a problem, before its first search.
pub struct Peer {
    solver: Solver<Provider>,
    asked: Vec<ConditionalRequirement>,
}

fn requirement(
    pool: &Pool<Span, u32>,
    (package, (from, below), _): &Need,
) -> ConditionalRequirement {
    let name = pool.intern_package_name(*package);
    let set = pool.intern_version_set(name, Span(*from, *below));
    ConditionalRequirement { condition: None, requirement: Requirement::Single(set) }
}

impl Peer {
    /// Reads the registry in.
    pub fn new(registry: &Registry, asked: &[Need]) -> Self {
        let pool = Pool::new();
        let (mut candidates, mut needs) = (BTreeMap::new(), BTreeMap::new());
        for (package, versions) in registry.needs.iter().enumerate() {
            let name = pool.intern_package_name(package as u32);
            let solvables: Vec<SolvableId> = (0..versions.len())
                .map(|version| pool.intern_solvable(name, version as u32))
                .collect();
            for (solvable, wanted) in solvables.iter().zip(versions) {
                needs.insert(
                    *solvable,
                    wanted.iter().map(|need| requirement(&pool, need)).collect(),
                );
            }
            candidates.insert(name, solvables);
        }
        let asked = asked.iter().map(|need| requirement(&pool, need)).collect();
        Self { solver: Solver::new(Provider { pool, candidates, needs }), asked }
    }

    /// The version of each package, or none.
    pub fn solve(&mut self) -> Option<BTreeMap<u32, u32>> {
        let problem = Problem::new().requirements(self.asked.clone());
        let chosen = self.solver.solve(problem).ok()?;
        let pool = &self.solver.provider().pool;
        let one = |id: SolvableId| {
            let solvable = pool.resolve_solvable(id);
            (*pool.resolve_package_name(solvable.name), solvable.record)
        };
        Some(chosen.into_iter().map(one).collect())
    }
}

impl Interner for Provider {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        self.pool.resolve_solvable(solvable).record
    }
    fn display_name(&self, name: NameId) -> impl Display + '_ {
        *self.pool.resolve_package_name(name)
    }
    fn display_version_set(&self, set: VersionSetId) -> impl Display + '_ {
        let Span(from, below) = self.pool.resolve_version_set(set);
        format!("{from}..{below}")
    }
    fn display_string(&self, string: StringId) -> impl Display + '_ {
        self.pool.resolve_string(string)
    }
    fn version_set_name(&self, set: VersionSetId) -> NameId {
        self.pool.resolve_version_set_package_name(set)
    }
    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        self.pool.resolve_solvable(solvable).name
    }
    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        self.pool.resolve_version_set_union(union)
    }
    fn resolve_condition(&self, condition: ConditionId) -> Condition {
        self.pool.resolve_condition(condition).clone()
    }
}

impl DependencyProvider for Provider {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let Span(from, below) = self.pool.resolve_version_set(set);
        let fits = |id: &SolvableId| {
            (from..below).contains(&&self.pool.resolve_solvable(*id).record) != inverse
        };
        candidates.iter().copied().filter(fits).collect()
    }
    async fn get_candidates(&self, name: NameId) -> Option<Candidates> {
        let candidates = self.candidates.get(&name)?.clone();
        Some(Candidates { candidates, ..Candidates::default() })
    }
    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|id| std::cmp::Reverse(self.pool.resolve_solvable(*id).record));
    }
    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let requirements = self.needs.get(&solvable).cloned().unwrap_or_default();
        Dependencies::Known(KnownDependencies { requirements, constrains: vec![] })
    }
}
