//! Which advisories are about a package: about itself, or about what it needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::candidates::Judge;
use super::osv::{Advisory, Affected, Ecosystem, normalised};
use crate::audit::target_text;
use crate::identifier::Identifier;
use crate::manifest::{Dependency, NativeName, Target};
use crate::requirement::{Grammar, Requirement};
use crate::version::{Order, Version};

/// Advisories that are read together, at most.
pub const ADVISORIES: usize = 200_000;

/// The advisories in force, by the packages that they are about.
#[derive(Clone, Debug, Default)]
pub struct Advisories {
    by_package: BTreeMap<(Ecosystem, String), Vec<Arc<Advisory>>>,
    count: usize,
}

/// A package, as it is matched.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What it is called.
    pub identifier: Option<&'a Identifier>,
    /// Its ecosystem's own name.
    pub native: Option<&'a NativeName>,
    /// Its version.
    pub version: Option<&'a Version>,
    /// What it needs.
    pub dependencies: &'a [Dependency],
    /// Released versions of what it needs, by [`target_text`], as far as they are known.
    pub held: &'a BTreeMap<String, Vec<Version>>,
}

/// An advisory that is about a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match<'a> {
    /// The advisory.
    pub advisory: &'a Advisory,
    /// Through which dependency; `None` where it is about the package itself.
    pub dependency: Option<&'a Dependency>,
    /// The version that is affected: its own, or the one that its requirement leads to.
    pub version: Version,
    /// Which versions are affected, as a requirement would say it.
    pub affected: String,
    /// The lowest version that mends it.
    pub fixed: Option<Version>,
    /// Whether the version that is chosen is affected, and not only one of those that are admitted.
    pub certain: bool,
}

impl Advisories {
    /// Adds an advisory. One that is about nothing that is matched here is dropped.
    pub fn add(&mut self, advisory: Advisory) {
        let advisory = Arc::new(advisory);
        let mut names: Vec<_> =
            advisory.affected.iter().map(|a| (a.ecosystem, a.name.clone())).collect();
        names.sort();
        names.dedup();
        self.count += usize::from(!names.is_empty());
        for name in names {
            self.by_package.entry(name).or_default().push(advisory.clone());
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What is about `subject`: about itself first, then by its dependencies in their order.
    pub fn about<'a>(&'a self, subject: &Subject<'a>) -> Vec<Match<'a>> {
        let mut found = Vec::new();
        if let Some(version) = subject.version {
            let own = subject.identifier.map(|id| (Ecosystem::Packhouse, id.key().to_owned()));
            let native = subject.native.and_then(python);
            for (advisory, affected) in own.into_iter().chain(native).flat_map(|n| self.of(n)) {
                let judge = Judge::new(affected, version.order());
                if judge.affects(version) {
                    found.push(matched(advisory, &judge, None, version, true));
                }
            }
        }
        for dependency in subject.dependencies {
            let held = subject.held.get(&target_text(&dependency.target));
            let held = held.map(Vec::as_slice).unwrap_or_default();
            let named = names(&dependency.target);
            for (advisory, affected) in named.into_iter().flat_map(|name| self.of(name)) {
                found.extend(needed(advisory, affected, dependency, held));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|m| {
            let through = m.dependency.map(|d| std::ptr::from_ref(d) as usize);
            seen.insert((m.advisory.id.clone(), through))
        });
        found
    }

    /// Whether there is any about what `target` names, whatever its version.
    pub fn concern(&self, target: &Target) -> bool {
        names(target).is_some_and(|name| self.by_package.contains_key(&name))
    }

    /// Whether there is any about this package, whatever its version.
    pub fn name(&self, identifier: &Identifier) -> bool {
        self.by_package.contains_key(&(Ecosystem::Packhouse, identifier.key().to_owned()))
    }

    fn of(&self, name: (Ecosystem, String)) -> Vec<(&Advisory, &Affected)> {
        let all = self.by_package.get(&name).into_iter().flatten();
        all.flat_map(|advisory| {
            let about = |a: &&Affected| (a.ecosystem, &a.name) == (name.0, &name.1);
            advisory.affected.iter().filter(about).map(move |affected| (&**advisory, affected))
        })
        .collect()
    }
}

/// A name of Python's, as advisories of PyPI spell it.
fn python(native: &NativeName) -> Option<(Ecosystem, String)> {
    (native.ecosystem == "python").then(|| (Ecosystem::PyPi, normalised(&native.name)))
}

/// Under which names a dependency is looked for.
fn names(target: &Target) -> Option<(Ecosystem, String)> {
    match target {
        Target::Native(native) => python(native),
        other => other.identifier().map(|id| (Ecosystem::Packhouse, id.key().to_owned())),
    }
}

/// Whether what `dependency` leads to is affected. Where released versions are known, the newest that is
/// admitted decides; else versions around the advisory's bounds and the requirement's own stand for them.
fn needed<'a>(
    advisory: &'a Advisory,
    affected: &Affected,
    dependency: &'a Dependency,
    held: &[Version],
) -> Option<Match<'a>> {
    let requirement = dependency.requirement.as_ref();
    let admits = |version: &&Version| requirement.is_none_or(|r| r.admits(version));
    let order = held.first().map(Version::order);
    let order = order.or(affected.order()).unwrap_or_else(|| order_of(requirement));
    let judge = Judge::new(affected, order);
    let guessed;
    let known = if held.is_empty() {
        guessed = judge.candidates(requirement.into_iter().flat_map(named));
        &guessed[..]
    } else {
        held
    };
    let admitted: Vec<&Version> = known.iter().filter(admits).collect();
    let newest = *admitted.iter().max_by(|a, b| a.preference().cmp(&b.preference()))?;
    let certain = judge.affects(newest);
    let version = match certain {
        true => newest,
        false => admitted.into_iter().filter(|version| judge.affects(version)).max()?,
    };
    Some(matched(advisory, &judge, Some(dependency), version, certain))
}

fn matched<'a>(
    advisory: &'a Advisory,
    judge: &Judge<'_>,
    dependency: Option<&'a Dependency>,
    version: &Version,
    certain: bool,
) -> Match<'a> {
    Match {
        advisory,
        dependency,
        version: version.clone(),
        affected: judge.says(),
        fixed: judge.fix(version),
        certain,
    }
}

/// The versions that a requirement names.
fn named(requirement: &Requirement) -> impl Iterator<Item = &str> {
    let parts = requirement.text().split(|c: char| ",|<>=!~^ ".contains(c) || c.is_whitespace());
    parts.map(|part| part.trim_end_matches(".*").trim_end_matches('*')).filter(|p| !p.is_empty())
}

/// The order that versions of a requirement's grammar most likely have.
fn order_of(requirement: Option<&Requirement>) -> Order {
    match requirement.map(Requirement::grammar) {
        Some(Grammar::Pep508) => Order::Pep440,
        Some(Grammar::Apl) => Order::Apl,
        _ => Order::SemVer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::osv;

    fn advisories(ecosystem: &str, name: &str, affected: &str) -> Advisories {
        let json = format!(
            r#"{{"id": "X-1", "modified": "2026-01-01T00:00:00Z", "affected": [
                {{"package": {{"ecosystem": "{ecosystem}", "name": "{name}"}}, {affected}}}]}}"#
        );
        let mut all = Advisories::default();
        all.add(osv::read(json.as_bytes()).unwrap().unwrap());
        all
    }

    fn range(events: &str) -> String {
        format!(r#""ranges": [{{"type": "ECOSYSTEM", "events": [{events}]}}]"#)
    }

    fn dependency(name: &str, requirement: &str) -> Dependency {
        let target = match name.contains('/') {
            true => Target::Registry { identifier: name.parse().unwrap() },
            false => {
                Target::Native(NativeName { ecosystem: "python".to_owned(), name: name.to_owned() })
            }
        };
        let grammar = if name.contains('/') { Grammar::Cargo } else { Grammar::Pep508 };
        let requirement =
            (!requirement.is_empty()).then(|| Requirement::parse(grammar, requirement).unwrap());
        Dependency { target, requirement, condition: None, at: None }
    }

    /// What is found of one dependency: `certain` or `possible`, the version, the fix.
    fn found(all: &Advisories, dependency: &Dependency, held: &[&str]) -> Option<(bool, String)> {
        let held: Vec<_> =
            held.iter().map(|text| Version::parse(Order::SemVer, text).unwrap()).collect();
        let held = BTreeMap::from([(target_text(&dependency.target), held)]);
        let subject = Subject {
            identifier: None,
            native: None,
            version: None,
            dependencies: std::slice::from_ref(dependency),
            held: &held,
        };
        let matches = all.about(&subject);
        assert!(matches.len() < 2);
        let first = matches.first()?;
        Some((first.certain, first.fixed.as_ref().map(Version::to_string).unwrap_or_default()))
    }

    #[test]
    fn the_newest_version_that_a_requirement_admits_decides() {
        let all =
            advisories("PyPI", "Some_Lib", &range(r#"{"introduced": "1.0"}, {"fixed": "1.5"}"#));
        let (certain, possible) = (Some((true, "1.5".into())), Some((false, "1.5".into())));
        for (requirement, expected) in [
            ("==1.2", &certain),
            ("<1.5", &certain),
            (">=1.0,<1.4", &certain),
            ("~=1.4.0", &certain),
            ("", &possible),
            (">=1.2", &possible),
            (">=1.5", &None),
            (">1.5", &None),
            ("<1.0", &None),
            ("==1.5", &None),
            ("==0.9", &None),
        ] {
            let dependency = dependency("some-lib", requirement);
            assert_eq!(&found(&all, &dependency, &[]), expected, "{requirement}");
        }
        assert_eq!(found(&all, &dependency("some-other", "==1.2"), &[]), None);
    }

    #[test]
    fn a_range_without_an_end_holds_all_that_follows() {
        let all = advisories("PyPI", "lib", &range(r#"{"introduced": "2.0"}"#));
        let certain = Some((true, String::new()));
        for (requirement, expected) in
            [(">3.0", &certain), (">=1.0", &certain), ("<2.0", &None), ("<=2.0", &certain)]
        {
            assert_eq!(
                &found(&all, &dependency("lib", requirement), &[]),
                expected,
                "{requirement}"
            );
        }
        let all =
            advisories("PyPI", "lib", &range(r#"{"introduced": "0"}, {"last_affected": "1.4"}"#));
        let possible = Some((false, String::new()));
        for (requirement, expected) in
            [(">=1.0", &possible), ("<=1.4", &certain), (">=1.5", &None), ("==1.4", &certain)]
        {
            assert_eq!(
                &found(&all, &dependency("lib", requirement), &[]),
                expected,
                "{requirement}"
            );
        }
    }

    #[test]
    fn released_versions_decide_where_they_are_known() {
        let events = r#"{"introduced": "1.0.0"}, {"fixed": "1.2.0"}"#;
        let all = advisories("Packhouse", "Acme/Sensor", &range(events));
        let needs = dependency("acme/sensor", "^1.0");
        assert_eq!(found(&all, &needs, &["1.1.0"]), Some((true, "1.2.0".into())));
        assert_eq!(found(&all, &needs, &["1.1.0", "1.2.0"]), Some((false, "1.2.0".into())));
        assert_eq!(found(&all, &needs, &["1.2.0", "2.0.0"]), None);
        assert_eq!(found(&all, &needs, &["0.9.0"]), None);
        assert_eq!(found(&all, &needs, &[]), Some((false, "1.2.0".into())));
    }

    #[test]
    fn a_package_is_matched_by_its_identifier_and_its_name_in_python() {
        let own: Identifier = "acme/lib".parse().unwrap();
        let native = NativeName { ecosystem: "python".into(), name: "lib".into() };
        let held = BTreeMap::new();
        let check = |all: Advisories, version: &str, expected: Option<&str>| {
            let version = Version::parse(Order::Pep440, version).unwrap();
            let subject = Subject {
                identifier: Some(&own),
                native: Some(&native),
                version: Some(&version),
                dependencies: &[],
                held: &held,
            };
            let found = all.about(&subject);
            assert_eq!(found.first().map(|m| m.affected.as_str()), expected, "{version}");
        };
        let split =
            r#"{"fixed": "1.1"}, {"introduced": "2.0"}, {"introduced": "0"}, {"fixed": "2.4"}"#;
        let said = Some("<1.1 || >=2.0, <2.4");
        for (version, expected) in [
            ("1.0", said),
            ("1.1", None),
            ("1.9", None),
            ("2.0", said),
            ("2.3.9", said),
            ("2.4", None),
        ] {
            check(advisories("Packhouse", "acme/lib", &range(split)), version, expected);
            check(advisories("PyPI", "LIB", &range(split)), version, expected);
        }
        let listed = r#""versions": ["1.0.0", "not-a-version"]"#;
        check(advisories("PyPI", "lib", listed), "1.0", Some("=1.0.0 || =not-a-version"));
        check(advisories("PyPI", "lib", listed), "1.1", None);
        let limited = range(r#"{"introduced": "0"}, {"limit": "2.0"}"#);
        check(advisories("PyPI", "lib", &limited), "1.9", Some("all versions"));
        check(advisories("PyPI", "lib", &limited), "2.0", None);
        check(
            advisories("Packhouse:https://x", "acme/lib", &range(r#"{"introduced": "0"}"#)),
            "1.0",
            None,
        );
    }
}
