//! A generated registry with fixed seeds, and whether an answer is one; also of `tests/long/resolve`.
#![allow(unreachable_pub, reason = "a module of two programs")]
#![allow(dead_code, reason = "each program uses some of it")]

use std::collections::BTreeMap;

use packhouse_core::api::read::{IndexFile, IndexVersion, PublisherId};
use packhouse_core::identifier::Identifier;
use packhouse_core::manifest::{Dependency, Target};
use packhouse_core::requirement::{Grammar, Requirement};
use packhouse_core::resolve::{Cycles, Known, Request, Resolution};
use packhouse_core::version::Order;
use pubgrub::{OfflineDependencyProvider, Ranges};

/// Versions of each package.
pub const VERSIONS: u32 = 20;

/// xorshift64*, so that every run has the same registry.
pub struct Random(u64);

impl Random {
    /// Numbers that follow from `seed`, which is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32;
        ((u64::from(high) * u64::from(limit)) >> 32) as u32
    }
}

/// Version `i` of every package: 1.0.0 … 3.1.1.
pub fn numbers(i: u32) -> (u32, u32, u32) {
    (1 + i / 8, (i % 8) / 2, i % 2)
}

/// The package, the versions that are admitted (from, below), and how that is written.
pub type Need = (u32, (u32, u32), String);

/// What each version of each package needs, and a version of each that fits all others'.
pub struct Registry {
    /// By package and version.
    pub needs: Vec<Vec<Vec<Need>>>,
    /// By package; without noise the newest ones fit as well.
    pub planted: Vec<u32>,
}

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
pub fn registry(seed: u64, packages: u32, noise: u32) -> Registry {
    let mut random = Random::new(seed);
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
    Registry { needs: all, planted }
}

/// Carets on `count` packages of the lower half, each of which admits the planted version; where there
/// is no noise, the newest.
pub fn roots(seed: u64, count: u32, registry: &Registry, noise: u32) -> Vec<Need> {
    let mut random = Random::new(seed);
    let half = registry.needs.len() as u32 / 2;
    let mut packages: Vec<u32> = (0..count).map(|_| random.below(half)).collect();
    packages.sort_unstable();
    packages.dedup();
    let caret = |package: u32| {
        let at = if noise == 0 { VERSIONS - 4 } else { registry.planted[package as usize] };
        let (major, minor, patch) = numbers(at);
        let end = (at..VERSIONS).find(|i| numbers(*i).0 != major).unwrap_or(VERSIONS);
        (package, (at, end), format!("^{major}.{minor}.{patch}"))
    };
    packages.into_iter().map(caret).collect()
}

/// The easy registry with roots that have no answer: two packages that every closure has need
/// versions of one hub that exclude each other.
pub fn unsatisfiable() -> (Registry, Vec<Need>) {
    let mut registry = registry(7, 10_000, 0);
    let hub = 9_999;
    for (package, (from, below), text) in [(9_997, (0, 8), "^1.0.0"), (9_998, (16, 20), "^3.0.0")] {
        for needs in &mut registry.needs[package] {
            needs.retain(|need| need.0 != hub);
            needs.push((hub, (from, below), text.to_owned()));
        }
    }
    for (package, target) in [(5_000, 9_997), (5_001, 9_998)] {
        for needs in &mut registry.needs[package] {
            needs.retain(|need| need.0 != target);
            needs.push((target, (0, VERSIONS), ">=1.0.0, <4".to_owned()));
        }
    }
    let mut asked = roots(3, 5, &registry, 0);
    asked.extend([5_000, 5_001].map(|package| (package, (16, 20), "^3.0.0".to_owned())));
    (registry, asked)
}

/// Ends the benchmark unless `chosen` (version by package) is one that gives roots and every chosen
/// version what they need.
pub fn check(registry: &Registry, roots: &[Need], chosen: &BTreeMap<u32, u32>, whose: &str) {
    let met = |(package, (from, below), text): &Need| {
        let version = chosen.get(package);
        assert!(
            version.is_some_and(|version| (from..below).contains(&version)),
            "{whose}: p{package} {text} got {version:?}"
        );
    };
    roots.iter().for_each(met);
    for (package, version) in chosen {
        registry.needs[*package as usize][*version as usize].iter().for_each(met);
    }
}

/// What a package is called.
pub fn identifier(package: u32) -> Identifier {
    format!("bench/p{package}").parse().unwrap()
}

/// A need as a manifest has it.
pub fn dependency((package, _, text): &Need) -> Dependency {
    let target = Target::Registry { identifier: identifier(*package) };
    let requirement = Some(Requirement::parse(Grammar::Cargo, text).unwrap());
    Dependency { target, requirement, condition: None, at: None }
}

/// The registry as ours reads it.
pub fn ours(registry: &Registry) -> Known {
    let mut known = Known::new();
    for (package, versions) in registry.needs.iter().enumerate() {
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
            exports: Vec::new(),
            versions: versions.iter().enumerate().map(entry).collect(),
        };
        known.add(&file).unwrap();
    }
    known
}

/// The registry as plain `pubgrub` reads it. The root is a package of its own behind all others.
pub fn raw(registry: &Registry, roots: &[Need]) -> OfflineDependencyProvider<u32, Ranges<u32>> {
    let mut provider = OfflineDependencyProvider::new();
    let range = |(package, (from, below), _): &Need| (*package, Ranges::between(*from, *below));
    for (package, versions) in registry.needs.iter().enumerate() {
        for (version, needs) in versions.iter().enumerate() {
            provider.add_dependencies(package as u32, version as u32, needs.iter().map(range));
        }
    }
    provider.add_dependencies(registry.needs.len() as u32, 0_u32, roots.iter().map(range));
    provider
}

/// The request for `roots`.
pub fn request(roots: &[Need]) -> Request {
    Request {
        title: "bench/root".to_owned(),
        dependencies: roots.iter().map(dependency).collect(),
        requires: vec![],
        tools: BTreeMap::new(),
        prefer: BTreeMap::new(),
        cycles: Cycles::Allowed,
    }
}

/// What ours chose, in numbers.
pub fn in_numbers(resolution: &Resolution) -> BTreeMap<u32, u32> {
    let texts: BTreeMap<String, u32> = (0..VERSIONS).map(|i| (written(i), i)).collect();
    let one = |chosen: &packhouse_core::resolve::ChosenPackage| {
        let package = chosen.identifier.key().trim_start_matches("bench/p").parse().unwrap();
        (package, texts[chosen.version.as_ref().unwrap().text()])
    };
    resolution.chosen.iter().map(one).collect()
}

fn written(i: u32) -> String {
    let (major, minor, patch) = numbers(i);
    format!("{major}.{minor}.{patch}")
}

/// Ends the benchmark unless the chains of an explanation are in the registry, and what their last links
/// ask of one package has no version in common.
pub fn check_explanation(registry: &Registry, roots: &[Need], lines: &[String]) {
    let number = |name: &str| name.strip_prefix("bench/p").and_then(|n| n.parse::<u32>().ok());
    let mut left: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.contains(" → ")) {
        // What asks, in all versions that the chain so far admits.
        let mut asking: Vec<&[Need]> = vec![roots];
        let mut last = None;
        for link in line.split(" → ").skip(1) {
            let to = number(link.split(' ').next().unwrap()).unwrap();
            let asked = asking.iter().flat_map(|needs| needs.iter()).filter(|need| need.0 == to);
            let asked: Vec<&Need> = asked.collect();
            assert_eq!(asked.len(), asking.len(), "not all versions ask: {link} of {line}");
            let admitted: Vec<u32> = (0..VERSIONS)
                .filter(|v| asked.iter().any(|(_, (from, below), _)| (from..below).contains(&v)))
                .collect();
            let versions = &registry.needs[to as usize];
            asking = admitted.iter().map(|v| &versions[*v as usize][..]).collect();
            last = Some((to, admitted));
        }
        let (to, admitted) = last.unwrap();
        left.entry(to).or_insert_with(|| (0..VERSIONS).collect()).retain(|v| admitted.contains(v));
    }
    assert!(left.values().any(Vec::is_empty), "the chains do not exclude each other: {lines:?}");
}
