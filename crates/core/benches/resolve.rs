//! `cargo bench -p packhouse-core --bench resolve`: the resolver beside plain `pubgrub` on numbers, in
//! turns, over a generated registry with fixed seeds; every answer is checked. `tests/long/resolve` has
//! the same beside `resolvo`.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(clippy::unwrap_used, reason = "a benchmark of generated data")]
#![allow(missing_docs, reason = "a program")]

mod generated;

use std::hint::black_box;
use std::time::{Duration, Instant};

use generated::{
    Need, Registry, check, check_explanation, in_numbers, ours, raw, registry, request, roots,
};
use packhouse_core::resolve::{Problem, resolve};

const ROUNDS: usize = 9;

fn median<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}

fn row(name: &str, registry: &Registry, roots: &[Need], rounds: usize, satisfiable: bool) {
    let known = ours(registry);
    let request = request(roots);
    let provider = raw(registry, roots);
    let root = registry.needs.len() as u32;
    let begun = Instant::now();
    let answer = resolve(&known, &request);
    let whole = begun.elapsed();
    assert_eq!(answer.is_ok(), satisfiable, "{name}: {:?}", answer.err());
    let problem = Problem::new(&known, &request);
    // The first search also reads requirements into sets of versions.
    let begun = Instant::now();
    problem.count();
    let first = begun.elapsed();
    let (mut own, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let begun = Instant::now();
        black_box(problem.count());
        let a = begun.elapsed();
        let begun = Instant::now();
        let plain = black_box(pubgrub::resolve(&provider, root, 0_u32));
        let b = begun.elapsed();
        assert_eq!(plain.is_ok(), satisfiable, "{name}: both find an answer, or none does");
        if let Ok(plain) = plain {
            let plain = plain.into_iter().filter(|(package, _)| *package != root).collect();
            check(registry, roots, &plain, "pubgrub");
        }
        ratios.push(a.as_secs_f64() / b.as_secs_f64());
        own.push(a);
        theirs.push(b);
    }
    let told = match answer {
        Ok(resolution) => {
            check(registry, roots, &in_numbers(&resolution), "ours");
            format!("{} packages", resolution.chosen.len())
        }
        Err(error) => {
            assert!(error.lines.len() <= 10, "{error}");
            check_explanation(registry, roots, &error.lines);
            format!("none, told in {} lines", error.lines.len())
        }
    };
    println!(
        "{name:26} ours {:>10.1?}  pubgrub {:>10.1?}  ratio {:.2}  (first {first:.1?}, with telling {whole:.1?}; {told})",
        median::<Duration>(own),
        median::<Duration>(theirs),
        median(ratios),
    );
}

fn main() {
    let easy = registry(7, 10_000, 0);
    row("10,000 easy, 5 roots", &easy, &roots(3, 5, &easy, 0), ROUNDS, true);
    row("10,000 easy, 50 roots", &easy, &roots(3, 50, &easy, 0), ROUNDS, true);
    for (packages, seed, noise, rounds) in [
        (30, 7, 10, 99),
        (100, 7, 10, 99),
        (300, 7, 10, 31),
        (1_000, 7, 10, ROUNDS),
        (1_000, 8, 10, ROUNDS),
        (1_000, 7, 30, ROUNDS),
        (10_000, 7, 10, 3),
    ] {
        let hard = registry(seed, packages, noise);
        let name = format!("{packages} back(.{}), seed {seed}", noise / 10);
        row(&name, &hard, &roots(3, 5, &hard, noise), rounds, true);
    }
    let (registry, asked) = generated::unsatisfiable();
    row("10,000 unsatisfiable", &registry, &asked, ROUNDS, false);
}
