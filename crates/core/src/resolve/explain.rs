//! Why there is no set of versions that fits, in a few lines that are true.
//!
//! PubGrub's proof names the dependencies that it used, hundreds of them. What is printed is a smallest
//! part of those: without any one of them there would be an answer. It is found by solving again
//! with fewer, so nothing is printed that was not tried.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use pubgrub::{DerivationTree, External};

use super::known::Package;
use super::problem::{Failure, Never, Problem, ROOT, Set, Subject};
use super::{Unresolved, UnresolvedKind};
use crate::escape::excerpt;
use crate::identifier::Identifier;
use crate::version::Version;

/// Times that a part of a proof is solved again.
const TRIES: usize = 600;
/// Lines of an explanation.
const LINES: usize = 10;
/// Versions that are listed.
const VERSIONS: usize = 8;

/// A dependency of one package on another.
type Edge = (u32, u32);

pub(super) fn explain(problem: &Problem, failure: Failure) -> Unresolved {
    let tree = match failure {
        Failure::Unsatisfiable(tree) => tree,
        Failure::TooHard => return too_hard(problem),
    };
    let edges = core(problem, &tree);
    told(problem, &edges)
}

pub(super) fn too_hard(problem: &Problem) -> Unresolved {
    let title = &problem.request.title;
    Unresolved {
        kind: UnresolvedKind::TooHard,
        lines: vec![format!("no set of versions for `{title}` was found in time")],
        help: "name versions of what it needs more narrowly".to_owned(),
    }
}

/// PubGrub's proof that there is no answer.
type Proof = DerivationTree<u32, Set, Never>;

/// The smallest part of what a proof used that has no answer.
pub(super) fn core(problem: &Problem, proof: &Proof) -> Vec<Edge> {
    smallest(problem, used(proof))
}

/// The dependencies that a proof used.
fn used(tree: &Proof) -> Vec<Edge> {
    let mut found = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut queue = vec![tree];
    while let Some(tree) = queue.pop() {
        match tree {
            DerivationTree::External(External::FromDependencyOf(from, _, to, _)) => {
                found.insert((*from, *to));
            }
            DerivationTree::External(_) => {}
            DerivationTree::Derived(derived) => {
                // A part that is used twice is looked at once.
                if derived.shared_id.is_none_or(|id| seen.insert(id)) {
                    queue.extend([&*derived.cause1, &*derived.cause2]);
                }
            }
        }
    }
    found.into_iter().collect()
}

/// A part of `edges` that has no answer, and has one without any edge of it.
fn smallest(problem: &Problem, mut edges: Vec<Edge>) -> Vec<Edge> {
    let mut tries = 0;
    let mut chunk = edges.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < edges.len() && tries < TRIES {
            let end = (at + chunk).min(edges.len());
            let without: Vec<Edge> = edges[..at].iter().chain(&edges[end..]).copied().collect();
            tries += 1;
            if is_unsatisfiable(problem, &without) { edges = without } else { at = end }
        }
        if chunk == 1 || tries >= TRIES {
            return edges;
        }
        chunk = chunk.div_ceil(2);
    }
}

/// Whether there is no answer where only `edges` count.
pub(super) fn is_unsatisfiable(problem: &Problem, edges: &[Edge]) -> bool {
    let part = problem.solve_part(edges.iter().copied().collect());
    matches!(part, Err(Failure::Unsatisfiable(_)))
}

fn told(problem: &Problem, edges: &[Edge]) -> Unresolved {
    let mut into: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (from, to) in edges {
        into.entry(*to).or_default().push(*from);
    }
    let title = &problem.request.title;
    // One requirement that nothing meets says it all.
    for (to, froms) in &into {
        if let [from] = froms[..]
            && let Some(one) = single(problem, edges, from, *to)
        {
            return one;
        }
    }
    let contended: Vec<(&u32, &Vec<u32>)> =
        into.iter().filter(|(_, from)| from.len() > 1).collect();
    let names: Vec<String> =
        contended.iter().map(|(to, _)| format!("`{}`", name(problem, **to))).collect();
    let mut lines = vec![match &names[..] {
        [] => format!("no set of versions fits what `{title}` needs:"),
        [one] => format!("`{title}` needs versions of {one} that exclude each other:"),
        many => {
            format!("`{title}` needs versions that exclude each other, of {}:", many.join(", "))
        }
    }];
    let mut last = Vec::new();
    for (to, froms) in &contended {
        lines.extend(froms.iter().map(|from| format!("  {}", chain(problem, edges, *from, **to))));
        if let Subject::Package(identifier, Some(package)) = problem.subject(**to) {
            last.push(format!("`{identifier}` has {}", versions(package)));
        }
    }
    if contended.is_empty() {
        lines.extend(
            edges.iter().map(|(from, to)| format!("  {}", chain(problem, edges, *from, *to))),
        );
    }
    lines.extend(last);
    if lines.len() > LINES {
        let more = lines.len() - LINES + 1;
        lines.truncate(LINES - 1);
        lines.push(format!("  and {more} more lines"));
    }
    let help = match contended.first() {
        Some((to, _)) => format!(
            "ask for other versions of what needs `{}`, or ask its authors to agree on one",
            name(problem, **to)
        ),
        None => "ask for other versions".to_owned(),
    };
    Unresolved { kind: UnresolvedKind::Conflict, lines, help }
}

/// A requirement that no version of `to` meets, whoever else asks.
fn single(problem: &Problem, edges: &[Edge], from: u32, to: u32) -> Option<Unresolved> {
    let all_empty = (0..problem.versions(from)).all(|version| {
        let needs = problem.needs(from, version);
        needs.iter().filter(|need| need.package == to).all(|need| need.set == Set::empty())
    });
    if !all_empty {
        return None;
    }
    let title = &problem.request.title;
    let chain = format!("  {}", chain(problem, edges, from, to));
    let done = |kind, first: String, rest: Option<String>, help: String| {
        let lines = [Some(first), Some(chain.clone()), rest].into_iter().flatten().collect();
        Some(Unresolved { kind, lines, help })
    };
    match problem.subject(to) {
        Subject::Root => None,
        Subject::Tool(tool, version) => done(
            UnresolvedKind::Tool,
            format!(
                "`{title}` needs another version of {} than {version}, which is here:",
                excerpt(tool, 60)
            ),
            None,
            format!(
                "install a version of {} that fits, or ask for an older version of the package",
                excerpt(tool, 60)
            ),
        ),
        Subject::Package(identifier, None) => done(
            UnresolvedKind::Missing,
            format!("`{title}` needs `{identifier}`, which the registry does not have:"),
            None,
            match near(problem, identifier) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "look for it with `packhouse search`, or name another registry".to_owned(),
            },
        ),
        Subject::Package(identifier, Some(package)) => {
            let names = |version: &Version| {
                (0..problem.versions(from)).any(|at| {
                    let needs = problem.needs(from, at);
                    needs.iter().any(|need| need.package == to && need.names(version))
                })
            };
            let named = |c: &&super::known::Candidate| c.version.as_ref().is_some_and(names);
            let gone = package
                .candidates
                .iter()
                .find(|c| named(c) && (c.yanked.is_some() || !c.in_service));
            if let Some((version, mark)) =
                gone.and_then(|c| Some((c.version.as_ref()?, c.yanked.as_ref()?)))
            {
                let instead = match &mark.replacement {
                    Some(replacement) => format!("use {} instead", excerpt(replacement, 200)),
                    None => format!("`{identifier}` has {}", versions(package)),
                };
                return done(
                    UnresolvedKind::Yanked,
                    format!(
                        "`{title}` needs `{identifier}@{version}`, which is yanked: {}",
                        excerpt(&mark.reason, 500)
                    ),
                    None,
                    instead,
                );
            }
            let usable = package.candidates.iter().any(|c| c.in_service && c.yanked.is_none());
            let kind = if usable { UnresolvedKind::NoVersion } else { UnresolvedKind::Yanked };
            done(
                kind,
                format!("`{title}` needs a version of `{identifier}` that there is not:"),
                Some(format!("`{identifier}` has {}", versions(package))),
                match usable {
                    true => "ask for one of those".to_owned(),
                    false => "ask its authors for a new release, or do without it".to_owned(),
                },
            )
        }
    }
}

/// The words in which versions of `from` ask for `to`, each once, newest first.
fn asked(problem: &Problem, from: u32, to: u32) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for version in (0..problem.versions(from)).rev() {
        for need in problem.needs(from, version).iter().filter(|need| need.package == to) {
            let text = need.text();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    texts
}

/// `acme/board → acme/a ^1 → acme/hub ^2`.
fn chain(problem: &Problem, edges: &[Edge], from: u32, to: u32) -> String {
    let mut came: BTreeMap<u32, u32> = BTreeMap::new();
    let mut queue = VecDeque::from([ROOT]);
    while let Some(at) = queue.pop_front() {
        for (_, next) in edges.iter().filter(|(a, b)| *a == at && *b != to) {
            if *next != ROOT && !came.contains_key(next) {
                came.insert(*next, at);
                queue.push_back(*next);
            }
        }
    }
    let mut way = vec![to, from];
    let mut at = from;
    while at != ROOT {
        let Some(before) = came.get(&at).filter(|before| !way.contains(before)) else { break };
        at = *before;
        way.push(at);
    }
    way.reverse();
    let mut text = name(problem, way[0]);
    for pair in way.windows(2) {
        let texts = asked(problem, pair[0], pair[1]);
        let words = match &texts[..] {
            [one] => one.clone(),
            [one, two] if one.is_empty() || two.is_empty() => String::new(),
            [one, two] => format!("{one} or {two}"),
            [one, .., last] => format!("{one} … {last}"),
            [] => String::new(),
        };
        text.push_str(format!(" → {} {words}", name(problem, pair[1])).trim_end());
    }
    excerpt(text.trim_end(), 400)
}

fn name(problem: &Problem, package: u32) -> String {
    match problem.subject(package) {
        Subject::Root => problem.request.title.clone(),
        Subject::Tool(name, _) => excerpt(name, 60),
        Subject::Package(identifier, _) => identifier.to_string(),
    }
}

fn versions(package: &Package) -> String {
    if let Some(origin) = &package.source {
        return format!("one version, from {origin}");
    }
    let usable: Vec<String> = package
        .candidates
        .iter()
        .rev()
        .filter(|c| c.in_service && c.yanked.is_none())
        .filter_map(|c| c.version.as_ref().map(ToString::to_string))
        .collect();
    match usable.len() {
        0 => "no version that is in service and not yanked".to_owned(),
        1..=VERSIONS => usable.join(", "),
        more => format!("{} and {} more", usable[..VERSIONS].join(", "), more - VERSIONS),
    }
}

/// A known package that was probably meant.
fn near(problem: &Problem, identifier: &Identifier) -> Option<Identifier> {
    let likeness = |known: &Identifier| strsim::jaro_winkler(known.key(), identifier.key());
    let known = problem.known_packages().map(|known| (likeness(known), known));
    let best = known.filter(|(likeness, _)| *likeness > 0.9).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map(|(_, known)| known.clone())
}
