//! `cargo bench -p packhouse-core --bench resolve`: the resolver beside plain `pubgrub` on numbers, in
//! turns, over a generated registry with fixed seeds: 10,000 packages of 20 versions.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::unwrap_used, reason = "a benchmark of generated data")]
#![allow(missing_docs, reason = "a program")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use packhouse_core::api::read::{IndexFile, IndexVersion, PublisherId};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{Dependency, Target};
use packhouse_core::requirement::{Grammar, Requirement};
use packhouse_core::resolve::{Cycles, Known, Problem, Request, resolve};
use packhouse_core::version::Order;
use pubgrub::{OfflineDependencyProvider, Ranges};

const VERSIONS: u32 = 20;
const ROUNDS: usize = 9;

/// xorshift64*, so that every run has the same registry.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32;
        ((u64::from(high) * u64::from(limit)) >> 32) as u32
    }
}

/// Version `i` of every package: 1.0.0 … 3.1.1.
fn numbers(i: u32) -> (u32, u32, u32) {
    (1 + i / 8, (i % 8) / 2, i % 2)
}

/// The package, the versions that are admitted (from, below), and how that is written.
type Need = (u32, (u32, u32), String);

/// What each version of each package needs.
type Registry = Vec<Vec<Vec<Need>>>;

/// A requirement around version `at` of one of three kinds, 65 % caret, 15 % tilde, 20 % range.
fn need(random: &mut Random, package: u32, at: u32) -> Need {
    let (major, minor, patch) = numbers(at);
    let end = |fits: &dyn Fn(u32) -> bool| (at..VERSIONS).find(|i| !fits(*i)).unwrap_or(VERSIONS);
    match random.below(100) {
        0..65 => {
            let end = end(&|i| numbers(i).0 == major);
            (package, (at, end), format!("^{major}.{minor}.{patch}"))
        }
        65..80 => {
            let end = end(&|i| (numbers(i).0, numbers(i).1) == (major, minor));
            (package, (at, end), format!("~{major}.{minor}.{patch}"))
        }
        _ => (package, (at, VERSIONS), format!(">={major}.{minor}.{patch}, <4")),
    }
}

/// Packages need packages with higher numbers: 35 % hubs (the last 2 %), else neighbours. Without
/// `noise`, every requirement admits the newest version; with it, versions other than a planted one
/// have wild requirements with that probability in percent.
fn registry(seed: u64, packages: u32, noise: u32) -> Registry {
    let mut random = Random(seed);
    let planted: Vec<u32> = (0..packages).map(|_| 12 + random.below(8)).collect();
    let hubs = (packages / 50).max(1);
    let count = [0, 1, 2, 3, 4, 5, 6, 8];
    let mut all = Vec::new();
    for package in 0..packages {
        let mut targets = Vec::new();
        for _ in 0..count[random.below(8) as usize] {
            let hub = random.below(100) < 35;
            let squared = random.below(hubs).min(random.below(hubs));
            let next = package + 1 + random.below((packages / 10).max(1));
            let target = if hub { packages - 1 - squared } else { next };
            if target > package && target < packages && !targets.contains(&target) {
                targets.push(target);
            }
        }
        let versions = (0..VERSIONS).map(|version| {
            let needs = targets.iter().map(|&target| {
                let newest = VERSIONS - 1 - random.below(2);
                let right = if noise == 0 { newest } else { planted[target as usize] };
                let wild = version != planted[package as usize] && random.below(100) < noise;
                let at = if wild { random.below(VERSIONS) } else { right };
                need(&mut random, target, at)
            });
            needs.collect()
        });
        all.push(versions.collect());
    }
    all
}

fn identifier(package: u32) -> Identifier {
    format!("bench/p{package}").parse().unwrap()
}

fn dependency((package, _, text): &Need) -> Dependency {
    let target = Target::Registry { identifier: identifier(*package) };
    let requirement = Some(Requirement::parse(Grammar::Cargo, text).unwrap());
    Dependency { target, requirement, condition: None, at: None }
}

fn ours(registry: &Registry) -> Known {
    let mut known = Known::new();
    for (package, versions) in registry.iter().enumerate() {
        let entry = |(i, needs): (usize, &Vec<Need>)| {
            let (major, minor, patch) = numbers(i as u32);
            IndexVersion {
                version: format!("{major}.{minor}.{patch}"),
                order: Order::SemVer,
                format: "packhouse".to_owned(),
                digest: String::new(),
                tree_digest: String::new(),
                bytes: 0,
                released_at: String::new(),
                publisher: PublisherId::Open,
                workflow: None,
                dependencies: needs.iter().map(dependency).collect(),
                requires: vec![],
                yanked: None,
                deprecated: None,
                quarantined: None,
                removed: None,
            }
        };
        let file = IndexFile {
            schema: 1,
            identifier: identifier(package as u32).to_string(),
            native: None,
            latest: None,
            versions: versions.iter().enumerate().map(entry).collect(),
        };
        known.add(&file).unwrap();
    }
    known
}

/// The root is a package of its own behind all others.
fn raw(registry: &Registry, roots: &[Need]) -> OfflineDependencyProvider<u32, Ranges<u32>> {
    let mut provider = OfflineDependencyProvider::new();
    let range = |(package, (from, below), _): &Need| (*package, Ranges::between(*from, *below));
    for (package, versions) in registry.iter().enumerate() {
        for (version, needs) in versions.iter().enumerate() {
            provider.add_dependencies(package as u32, version as u32, needs.iter().map(range));
        }
    }
    provider.add_dependencies(registry.len() as u32, 0_u32, roots.iter().map(range));
    provider
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn row(name: &str, registry: &Registry, roots: &[Need]) {
    let known = ours(registry);
    let request = Request {
        title: "bench/root".to_owned(),
        dependencies: roots.iter().map(dependency).collect(),
        requires: vec![],
        tools: BTreeMap::new(),
        prefer: BTreeMap::new(),
        cycles: Cycles::Allowed,
    };
    let provider = raw(registry, roots);
    let root = registry.len() as u32;
    let begun = Instant::now();
    let problem = Problem::new(&known, &request);
    let closure = problem.count();
    let first = begun.elapsed();
    let (mut own, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        black_box(problem.count());
        let a = begun.elapsed();
        let begun = Instant::now();
        let plain = black_box(pubgrub::resolve(&provider, root, 0_u32))
            .map(|chosen| chosen.into_iter().count());
        let b = begun.elapsed();
        assert_eq!(plain.is_ok(), closure.is_some(), "both find an answer, or none does");
        ratios.push(a.as_secs_f64() / b.as_secs_f64());
        own.push(a);
        theirs.push(b);
    }
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ratios.len() / 2];
    let answer = match closure {
        Some(packages) => format!("{} packages", packages - 1),
        None => {
            let begun = Instant::now();
            let error = resolve(&known, &request).unwrap_err();
            format!(
                "none; told in {} lines, {:.1?} with the search",
                error.lines.len(),
                begun.elapsed()
            )
        }
    };
    println!(
        "{name:24} ours {:>10.1?}  pubgrub {:>10.1?}  ratio {ratio:.2}  (first, with requirements read into sets, {first:.1?}; {answer})",
        median(own),
        median(theirs)
    );
}

fn main() {
    let roots = |seed: u64, count: u32, packages: u32| -> Vec<Need> {
        let mut random = Random(seed);
        let one = |_| (random.below(packages / 2), (16, VERSIONS), "^3.0.0".to_owned());
        let mut roots: Vec<Need> = (0..count).map(one).collect();
        roots.sort();
        roots.dedup();
        roots
    };
    let mut easy = registry(7, 10_000, 0);
    row("10,000 easy, 5 roots", &easy, &roots(3, 5, 10_000));
    row("10,000 easy, 50 roots", &easy, &roots(3, 50, 10_000));
    for (packages, seed) in [(100, 7), (300, 7), (1_000, 7), (1_000, 8)] {
        let hard = registry(seed, packages, 10);
        row(&format!("{packages} back(.1), seed {seed}"), &hard, &roots(3, 5, packages));
    }
    // Two packages that every closure has need versions of one hub that exclude each other.
    let hub = 9_999;
    for (package, (from, below), text) in [(9_997, (0, 8), "^1.0.0"), (9_998, (16, 20), "^3.0.0")] {
        for needs in &mut easy[package] {
            needs.retain(|need| need.0 != hub);
            needs.push((hub, (from, below), text.to_owned()));
        }
    }
    for package in [5_000, 5_001] {
        let target = if package == 5_000 { 9_997 } else { 9_998 };
        for needs in &mut easy[package] {
            needs.retain(|need| need.0 != target);
            needs.push((target, (0, VERSIONS), ">=1.0.0, <4".to_owned()));
        }
    }
    let mut ends = roots(3, 5, 10_000);
    ends.extend([(5_000, (16, 20), "^3.0.0".to_owned()), (5_001, (16, 20), "^3.0.0".to_owned())]);
    row("10,000 unsatisfiable", &easy, &ends);
}
