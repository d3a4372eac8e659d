//! The resolver, plain `pubgrub` on numbers and `resolvo` in turns over one generated registry; every
//! answer is checked. Prints a Markdown table.

#[path = "../../../../crates/core/benches/generated/mod.rs"]
mod generated;
mod peer;

use std::time::Instant;

use generated::{Need, Registry, check, check_explanation, in_numbers, registry, roots};
use packhouse_core::resolve::resolve;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn timed<T>(call: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let value = call();
    (begun.elapsed().as_secs_f64() * 1e3, value)
}

/// One case, with `resolvo` where it ends in a sensible time.
fn row(
    name: &str,
    registry: &Registry,
    asked: &[Need],
    rounds: usize,
    satisfiable: bool,
    with_resolvo: bool,
) {
    let known = generated::ours(registry);
    let request = generated::request(asked);
    let provider = generated::raw(registry, asked);
    let root = registry.needs.len() as u32;
    let (mut own, mut plain, mut sat) = (Vec::new(), Vec::new(), Vec::new());
    let mut answer = String::new();
    for _ in 0..rounds {
        let (ms, found) = timed(|| resolve(&known, &request));
        own.push(ms);
        assert_eq!(found.is_ok(), satisfiable, "{name}");
        answer = match &found {
            Ok(resolution) => {
                check(registry, asked, &in_numbers(resolution), "ours");
                format!("{} packages", resolution.chosen.len())
            }
            Err(error) => {
                assert!(error.lines.len() <= 10, "{error}");
                check_explanation(registry, asked, &error.lines);
                format!("none, told in {} lines", error.lines.len())
            }
        };
        let (ms, found) = timed(|| pubgrub::resolve(&provider, root, 0_u32));
        plain.push(ms);
        assert_eq!(found.is_ok(), satisfiable, "{name}");
        if with_resolvo {
            // Reading the registry in is not counted, as it is not for the others.
            let mut peer = peer::Peer::new(registry, asked);
            let (ms, found) = timed(|| peer.solve());
            sat.push(ms);
            assert_eq!(found.is_some(), satisfiable, "{name}");
            if let Some(chosen) = found {
                check(registry, asked, &chosen, "resolvo");
            }
        }
    }
    let ratio = |theirs: &[f64]| match theirs {
        [] => "-".to_owned(),
        _ => {
            let each = theirs.iter().zip(&own).map(|(theirs, own)| theirs / own).collect();
            format!("{:.2} ({:.2} ms)", median(each), median(theirs.to_vec()))
        }
    };
    let (to_plain, to_sat) = (ratio(&plain), ratio(&sat));
    println!("| {name} | {:.2} | {to_plain} | {to_sat} | {answer} |", median(own));
}

fn main() {
    println!("| case | ours, whole, ms | pubgrub | resolvo | answer |");
    println!("|---|---:|---:|---:|---|");
    let easy = registry(7, 10_000, 0);
    row("10,000 easy, 5 roots", &easy, &roots(3, 5, &easy, 0), 7, true, true);
    row("10,000 easy, 50 roots", &easy, &roots(3, 50, &easy, 0), 7, true, true);
    for (packages, seed, rounds, with_resolvo) in [
        (100, 7, 31, true),
        (300, 7, 15, true),
        (1_000, 7, 7, true),
        (1_000, 8, 7, true),
        (10_000, 7, 5, false),
    ] {
        let hard = registry(seed, packages, 10);
        let name = format!("{packages} back(.1), seed {seed}");
        row(&name, &hard, &roots(3, 5, &hard, 10), rounds, true, with_resolvo);
    }
    let (hopeless, asked) = generated::unsatisfiable();
    row("10,000 unsatisfiable", &hopeless, &asked, 7, false, true);
}
