//! `cargo bench -p packhouse-core --bench search`: sizes and times of the search index over the
//! corpus. `tests/long/search` has the same beside a peer.
#![allow(clippy::print_stdout, reason = "a benchmark prints")]
#![allow(missing_docs, reason = "a program")]
#![allow(unreachable_pub, reason = "the corpus is shared with another program")]

mod corpus;

use std::hint::black_box;
use std::time::{Duration, Instant};

use packhouse_core::search::{Document, Facet, Index, IndexError};

const ROUNDS: usize = 7;
const LIMIT: usize = 10;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) / 1_000
}

fn main() -> Result<(), IndexError> {
    let corpus = corpus::make(corpus::PACKAGES);
    let text: usize =
        corpus.documents.iter().map(|d| d.identifier.to_string().len() + d.summary.len()).sum();
    println!(
        "{} packages, {} bytes of text each",
        corpus.documents.len(),
        text / corpus.documents.len()
    );
    let before = peak_mb();
    let index = Index::build(corpus.documents.iter().cloned());
    println!("peak memory: {before} MB with the corpus, {} MB after the first build", peak_mb());
    let builds = (0..3).map(|_| {
        let start = Instant::now();
        black_box(Index::build(corpus.documents.iter().cloned()));
        start.elapsed()
    });
    println!("build: {:.0?}", median(builds.collect()));
    for (name, bytes) in index.sections() {
        println!("{bytes:>10} bytes {name}");
    }
    println!("{:>10} bytes in all", index.to_bytes().len());

    let opens = (0..1_001).map(|_| {
        let start = Instant::now();
        black_box(Index::from_bytes(black_box(index.to_bytes()))).map(|_| start.elapsed())
    });
    println!("open: {:?}", median(opens.collect::<Result<_, _>>()?));
    let (_, first) = corpus.queries.get(1).cloned().unwrap_or_default();
    let mut firsts = Vec::new();
    for query in &first {
        let start = Instant::now();
        black_box(Index::from_bytes(black_box(index.to_bytes()))?.search(query, LIMIT));
        firsts.push(start.elapsed());
    }
    println!("open and first query: {:?}", median(firsts));
    println!("{:<28} {:>10} {:>10} {:>10}", "query, µs", "p50", "p90", "p99");
    for (kind, queries) in &corpus.queries {
        times(kind, queries, |query| drop(black_box(index.search(query, LIMIT))));
    }
    with_facets(corpus);
    Ok(())
}

/// The same packages with a format and kinds each: what that adds to the index, and to a query.
fn with_facets(corpus: corpus::Corpus) {
    let documents = corpus.documents.into_iter().enumerate().map(|(n, document)| {
        // Of a hundred packages 60 have builds, 25 processes or steps, the others something else.
        let (format, kinds): (_, &[&str]) = match n * 7 % 100 {
            0..60 => ("ato", &["build"]),
            60..75 => ("pyproject", &["process", "step"]),
            75..85 => ("pyproject", &["process", "script"]),
            85..95 => ("kicad", &["block", "footprint", "symbol"]),
            _ => ("attune", &["action", "rule"]),
        };
        let kinds = kinds.iter().map(|kind| (Facet::Kind((*kind).to_owned()), 1 + n % 5));
        let format = (Facet::Format(format.to_owned()), 1);
        Document { facets: kinds.chain([format]).collect(), ..document }
    });
    let index = Index::build(documents);
    println!("{:>10} bytes in all, with a format and kinds each", index.to_bytes().len());
    let nothing = Index::build(std::iter::empty());
    for (name, facets) in [
        ("none", vec![]),
        ("rare", vec![Facet::Kind("rule".to_owned())]),
        ("usual", vec![Facet::Kind("process".to_owned())]),
        ("two", vec![Facet::Kind("process".to_owned()), Facet::Format("pyproject".to_owned())]),
    ] {
        for (kind, queries) in &corpus.queries {
            // What a page of exports asks for: all that are counted.
            times(&format!("{kind}, {name}"), queries, |query| {
                drop(black_box(index.search_with(&nothing, query, &facets, 1_000)));
            });
        }
        times(&format!("browsing, {name}"), &[String::new()], |_| {
            drop(black_box(index.counts(&facets)));
        });
    }
}

/// Prints how long each of `queries` takes.
fn times(what: &str, queries: &[String], mut search: impl FnMut(&str)) {
    let mut times = Vec::new();
    for query in queries {
        let rounds = (0..ROUNDS).map(|_| {
            let start = Instant::now();
            search(black_box(query));
            start.elapsed()
        });
        times.push(median(rounds.collect()));
    }
    times.sort_unstable();
    let at = |percent: usize| {
        times.get(times.len() * percent / 100).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    println!("{what:<28} {:>10.1} {:>10.1} {:>10.1}", at(50), at(90), at(99));
}
