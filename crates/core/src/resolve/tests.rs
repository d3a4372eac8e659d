use proptest::prelude::*;

use super::explain::is_unsatisfiable;
use super::*;
use crate::api::read::{IndexFile, IndexMark, IndexVersion, PublisherId};
use crate::manifest::Target;
use crate::requirement::{Grammar, Requirement};
use crate::version::Order;

pub(super) fn needs(text: &str) -> Vec<Dependency> {
    text.split_whitespace()
        .map(|spec| {
            let (name, requirement) = spec.split_once('@').unwrap_or((spec, ""));
            let grammar = if requirement.starts_with(['^', '~', '>', '<', '*', '=']) {
                Grammar::Cargo
            } else {
                Grammar::Exact
            };
            let requirement = (!requirement.is_empty())
                .then(|| Requirement::parse(grammar, requirement).unwrap());
            let target = Target::Registry { identifier: format!("t/{name}").parse().unwrap() };
            Dependency { target, requirement, condition: None, at: None }
        })
        .collect()
}

fn entry(version: &str, dependencies: &str) -> IndexVersion {
    IndexVersion {
        version: version.to_owned(),
        order: Order::SemVer,
        format: "packhouse".to_owned(),
        digest: "0".repeat(64),
        tree_digest: "0".repeat(64),
        bytes: 1,
        released_at: String::new(),
        publisher: PublisherId::Open,
        workflow: None,
        dependencies: needs(dependencies),
        requires: vec![],
        yanked: None,
        deprecated: None,
        quarantined: None,
        removed: None,
    }
}

/// `(package, version, needs)`; a version that ends in `!` is yanked, `tool:X` needs the tool.
pub(super) fn known(rows: &[(&str, &str, &str)]) -> Known {
    let mut files: BTreeMap<String, IndexFile> = BTreeMap::new();
    for (name, version, dependencies) in rows {
        let (tools, plain): (Vec<&str>, Vec<&str>) =
            dependencies.split_whitespace().partition(|d| d.starts_with("tool:"));
        let mut entry = entry(version.trim_end_matches('!'), &plain.join(" "));
        entry.requires = tools
            .iter()
            .map(|tool| crate::manifest::External {
                name: "atopile".to_owned(),
                requirement: Some(Requirement::parse(Grammar::Ato, &tool[5..]).unwrap()),
            })
            .collect();
        if version.ends_with('!') {
            entry.yanked = Some(IndexMark {
                at: String::new(),
                reason: "burns".to_owned(),
                replacement: None,
            });
        }
        let identifier = format!("t/{name}");
        let file = files.entry(identifier.clone()).or_insert_with(|| IndexFile {
            schema: 1,
            identifier,
            native: None,
            latest: None,
            exports: Vec::new(),
            versions: vec![],
        });
        file.versions.push(entry);
    }
    let mut known = Known::new();
    files.values().for_each(|file| known.add(file).unwrap());
    known
}

fn request(dependencies: &str) -> Request {
    Request {
        title: "my/board".to_owned(),
        dependencies: needs(dependencies),
        requires: vec![],
        tools: BTreeMap::new(),
        prefer: BTreeMap::new(),
        cycles: Cycles::Refused,
    }
}

fn chosen(resolution: Result<Resolution, Unresolved>) -> String {
    match resolution {
        Ok(resolution) => {
            let one = |p: &ChosenPackage| {
                format!("{}@{}", p.identifier.rest(), p.version.as_ref().unwrap())
            };
            resolution.chosen.iter().map(one).collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("{:?}: {error}\nhelp: {}", error.kind, error.help),
    }
}

const ROWS: &[(&str, &str, &str)] = &[
    ("hub", "1.0.0", ""),
    ("hub", "1.5.0", ""),
    ("hub", "2.0.0", ""),
    ("hub", "2.1.0-rc.1", ""),
    ("hub", "1.6.0!", ""),
    ("a", "1.0.0", "hub@^1"),
    ("a", "2.0.0", "hub@^2"),
    ("b", "1.0.0", "hub@^1"),
    ("c", "1.0.0", "b@^1 hub@^2"),
    ("gone", "1.0.0!", ""),
    ("pre", "0.1.0-alpha.1", ""),
    ("new", "1.0.0", "tool:^0.9.0"),
    ("new", "1.1.0", "tool:^1.0.0"),
    ("lost", "1.0.0", "hbu"),
    ("round", "1.0.0", "trip@1.0.0"),
    ("trip", "1.0.0", "round@1.0.0"),
];

#[test]
fn the_newest_set_of_versions_that_fits_is_chosen() {
    let known = known(ROWS);
    for (asked, answer) in [
        ("hub", "hub@2.0.0"),
        ("hub@^1", "hub@1.5.0"),
        ("a", "a@2.0.0 hub@2.0.0"),
        ("a b", "a@1.0.0 b@1.0.0 hub@1.5.0"),
        ("pre", "pre@0.1.0-alpha.1"),
        ("hub@^2.1.0-rc.0", "hub@2.1.0-rc.1"),
        ("hub hub@^1", "hub@1.5.0"),
        ("", ""),
    ] {
        assert_eq!(chosen(resolve(&known, &request(asked))), answer, "{asked}");
    }
}

#[test]
fn what_is_locked_stays_and_a_yanked_version_only_so() {
    let known = known(ROWS);
    let mut request = request("hub@^1");
    for (locked, answer) in [("1.0.0", "hub@1.0.0"), ("1.6.0", "hub@1.6.0"), ("2.0.0", "hub@1.5.0")]
    {
        let version = Version::parse(Order::SemVer, locked).unwrap();
        request.prefer = BTreeMap::from([("t/hub".parse().unwrap(), version)]);
        assert_eq!(chosen(resolve(&known, &request)), answer);
    }
}

#[test]
fn a_tool_decides_which_version_of_a_package_works() {
    let known = known(ROWS);
    let mut request = request("new");
    for (tool, answer) in
        [(None, "new@1.1.0"), (Some("0.15.9"), "new@1.0.0"), (Some("1.2.0"), "new@1.1.0")]
    {
        request.tools = tool
            .into_iter()
            .map(|v| ("atopile".to_owned(), Version::parse(Order::SemVer, v).unwrap()))
            .collect();
        assert_eq!(chosen(resolve(&known, &request)), answer);
    }
    request.tools =
        BTreeMap::from([("atopile".to_owned(), Version::parse(Order::SemVer, "2.0.0").unwrap())]);
    insta::assert_snapshot!(chosen(resolve(&known, &request)));
}

#[test]
fn a_failure_is_explained() {
    let known = known(ROWS);
    for (name, asked) in [
        ("conflict", "c"),
        ("conflict_of_two", "a@2.0.0 b"),
        ("missing", "lost"),
        ("no_version", "hub@^7"),
        ("yanked", "hub@1.6.0"),
        ("yanked_in_other_words", "hub@=1.6.0"),
        ("only_yanked", "gone@^1"),
        ("cycle", "round"),
    ] {
        insta::assert_snapshot!(name, chosen(resolve(&known, &request(asked))));
    }
}

#[test]
fn versions_of_both_orders_in_one_package_are_ordered_by_order_first() {
    let mut file = IndexFile {
        schema: 1,
        identifier: "t/mixed".to_owned(),
        native: None,
        latest: None,
        exports: Vec::new(),
        versions: vec![entry("2.0.0", ""), entry("1.0.0", ""), entry("9.0.0", "")],
    };
    file.versions[0].order = Order::Pep440;
    file.versions[1].order = Order::Pep440;
    let mut known = Known::new();
    known.add(&file).unwrap();
    assert_eq!(chosen(resolve(&known, &request("mixed"))), "mixed@2.0.0");
    assert_eq!(chosen(resolve(&known, &request("mixed@9.0.0"))), "mixed@9.0.0");
}

#[test]
fn a_source_takes_the_place_of_the_registrys_package() {
    let mut known = known(ROWS);
    known.add_source(SourcePackage {
        identifier: "t/hub".parse().unwrap(),
        version: Some(Version::parse(Order::SemVer, "1.9.0").unwrap()),
        dependencies: needs("pre"),
        requires: vec![],
        origin: "the folder ../hub".to_owned(),
    });
    assert_eq!(chosen(resolve(&known, &request("a"))), "a@1.0.0 hub@1.9.0 pre@0.1.0-alpha.1");
}

/// A package, its version, and the packages and versions that it needs.
type Row = (usize, u64, Vec<(usize, u64)>);

/// Every choice of one version or none of each package, tried out.
fn brute_force(rows: &[Row], roots: &[(usize, u64)]) -> bool {
    fn go(at: usize, picked: &mut Vec<Option<u64>>, rows: &[Row], roots: &[(usize, u64)]) -> bool {
        if at == picked.len() {
            let met = |(p, major): &(usize, u64)| picked[*p] == Some(*major);
            return roots.iter().all(met)
                && rows
                    .iter()
                    .filter(|(p, v, _)| picked[*p] == Some(*v))
                    .all(|(.., deps)| deps.iter().all(met));
        }
        for choice in [None, Some(1), Some(2), Some(3)] {
            let there = choice.is_none_or(|v| rows.iter().any(|(p, w, _)| *p == at && *w == v));
            if there {
                picked[at] = choice;
                if go(at + 1, picked, rows, roots) {
                    return true;
                }
            }
        }
        picked[at] = None;
        false
    }
    go(0, &mut vec![None; 5], rows, roots)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn an_answer_is_found_exactly_where_there_is_one_and_an_explanation_is_real(
        rows in prop::collection::btree_map((0..5_usize, 1..4_u64), prop::collection::btree_map(0..5_usize, 1..4_u64, 0..3), 1..12),
        roots in prop::collection::btree_map(0..5_usize, 1..4_u64, 1..4),
    ) {
        let rows: Vec<Row> =
            rows.into_iter().map(|((p, v), deps)| (p, v, deps.into_iter().collect())).collect();
        let roots: Vec<(usize, u64)> = roots.into_iter().collect();
        let text = |deps: &[(usize, u64)]| deps.iter().map(|(p, v)| format!("p{p}@{v}.0.0")).collect::<Vec<_>>().join(" ");
        let spelt: Vec<(String, String, String)> =
            rows.iter().map(|(p, v, deps)| (format!("p{p}"), format!("{v}.0.0"), text(deps))).collect();
        let borrowed: Vec<(&str, &str, &str)> = spelt.iter().map(|(a, b, c)| (&**a, &**b, &**c)).collect();
        let known = known(&borrowed);
        let mut request = request(&text(&roots));
        request.cycles = Cycles::Allowed;
        let answer = resolve(&known, &request);
        prop_assert_eq!(answer.is_ok(), brute_force(&rows, &roots));
        match answer {
            Ok(resolution) => {
                let version = |p: usize| {
                    let id = format!("t/p{p}");
                    resolution.chosen.iter().find(|c| c.identifier.key() == id).map(|c| c.version.as_ref().unwrap().text().to_owned())
                };
                for (p, v) in &roots {
                    prop_assert_eq!(version(*p), Some(format!("{v}.0.0")));
                }
                for (p, v, deps) in &rows {
                    if version(*p) == Some(format!("{v}.0.0")) {
                        for (q, w) in deps {
                            prop_assert_eq!(version(*q), Some(format!("{w}.0.0")));
                        }
                    }
                }
            }
            Err(error) => {
                prop_assert!(error.lines.len() <= 10);
                // The smallest part has no answer, and has one without any of its dependencies.
                let problem = Problem::new(&known, &request);
                let Err(problem::Failure::Unsatisfiable(tree)) = problem.solve() else { panic!("solved") };
                let edges = explain::core(&problem, &tree);
                prop_assert!(is_unsatisfiable(&problem, &edges));
                for at in 0..edges.len() {
                    let mut without = edges.clone();
                    without.remove(at);
                    prop_assert!(!is_unsatisfiable(&problem, &without));
                }
            }
        }
    }
}
