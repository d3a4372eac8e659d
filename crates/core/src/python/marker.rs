//! Whether conditions of dependencies (markers of PEP 508) can be true in one environment.
//!
//! A handful of environments stand for all: the versions of Python that a marker could tell apart, the
//! platforms that there are. What depends on anything else is taken for never true, so that nothing
//! is said where it is not known. Extras exclude nothing: several can be installed at once.

use std::collections::BTreeSet;

use super::checks::same_name;
use crate::formats::pep508::{Token, token};
use crate::requirement::{Grammar, Requirement};
use crate::version::{Order, Version};

/// Minor versions of Python 3 that are tried.
const MINORS: u64 = 30;
/// `os_name`, `sys_platform`, `platform_system`.
const PLATFORMS: [[&str; 3]; 7] = [
    ["posix", "linux", "Linux"],
    ["posix", "darwin", "Darwin"],
    ["nt", "win32", "Windows"],
    ["posix", "cygwin", "CYGWIN_NT-10.0"],
    ["posix", "freebsd14", "FreeBSD"],
    ["posix", "emscripten", "Emscripten"],
    ["java", "java", "Java"],
];
const MACHINES: [&str; 5] = ["x86_64", "AMD64", "arm64", "aarch64", "i686"];
/// `platform_python_implementation`, `implementation_name`.
const IMPLEMENTATIONS: [[&str; 2]; 3] =
    [["CPython", "cpython"], ["PyPy", "pypy"], ["GraalVM", "graalpy"]];

/// An operand of a comparison.
#[derive(Clone, Debug)]
enum Operand {
    Variable(String),
    Text(String),
}

#[derive(Clone, Debug)]
enum Step {
    Compare(Operand, String, Operand),
    And,
    Or,
}

/// A marker, in the order in which it is worked out.
#[derive(Clone, Debug)]
struct Marker(Vec<Step>);

/// Where something may be installed.
#[derive(Clone, Copy)]
struct Environment<'e> {
    python: &'e Python,
    platform: &'e [&'e str; 3],
    machine: &'e str,
    implementation: &'e [&'e str; 2],
}

/// A version of Python, as both of its variables.
struct Python {
    short: String,
    full: String,
}

/// Conditions of dependencies, where a version of Python may be asked for.
pub(crate) struct Markers {
    pythons: Vec<Python>,
}

impl Markers {
    /// For a project of this `requires-python`.
    pub(crate) fn new(requires_python: Option<&Requirement>) -> Self {
        let admitted = |full: &str| match requires_python {
            Some(asked) => {
                Version::parse(Order::Pep440, full).is_ok_and(|version| asked.admits(&version))
            }
            None => true,
        };
        let patches = (0..MINORS).flat_map(|minor| [0, 9, 99].map(|p| format!("3.{minor}.{p}")));
        let all = ["2.7.18".to_owned()].into_iter().chain(patches).chain(["4.0.0".to_owned()]);
        let pythons = all.filter(|full| admitted(full)).map(|full| {
            let short = full.rsplit_once('.').map_or(&*full, |(short, _)| short).to_owned();
            Python { short, full }
        });
        Self { pythons: pythons.collect() }
    }

    /// Whether all of `conditions` (`None`: always) can be true at once. A condition that cannot be read,
    /// or that depends on what is not tried, is never true.
    pub(crate) fn together(&self, conditions: &[Option<&str>]) -> bool {
        let read = |text: &&str| Marker::read(text);
        let markers: Option<Vec<Marker>> = conditions.iter().flatten().map(read).collect();
        let Some(markers) = markers else { return false };
        let names = |name: &str| markers.iter().any(|marker| marker.names(name));
        if ["platform_release", "platform_version", "implementation_version"].into_iter().any(names)
        {
            return false;
        }
        // What no marker looks at need not be tried more than once.
        let cut = |all: usize, looked: bool| if looked { all } else { all.min(1) };
        let pythons =
            cut(self.pythons.len(), names("python_version") || names("python_full_version"));
        let platform = ["os_name", "sys_platform", "platform_system"].into_iter().any(names);
        let platforms = cut(PLATFORMS.len(), platform);
        let machines = cut(MACHINES.len(), names("platform_machine"));
        let implementation =
            ["platform_python_implementation", "implementation_name"].into_iter().any(names);
        let implementations = cut(IMPLEMENTATIONS.len(), implementation);
        for python in &self.pythons[..pythons] {
            for platform in &PLATFORMS[..platforms] {
                for machine in &MACHINES[..machines] {
                    for implementation in &IMPLEMENTATIONS[..implementations] {
                        let here = Environment { python, platform, machine, implementation };
                        if markers.iter().all(|marker| marker.can_be_true(&here)) {
                            return true;
                        }
                    }
                }
            }
        }
        false
    }
}

impl Marker {
    /// Reads a marker that [`crate::formats`] took; without recursion, however deep it nests.
    fn read(text: &str) -> Option<Self> {
        let (mut rest, mut steps, mut waiting) = (text.trim_start(), Vec::new(), Vec::new());
        let (mut left, mut operator) = (None, None);
        while !rest.is_empty() {
            let (token, length) = token(rest).ok()?;
            match token {
                Token::Word("(") => waiting.push("("),
                Token::Word(")") => {
                    while let Some(word) = waiting.pop().filter(|word| *word != "(") {
                        steps.push(if word == "and" { Step::And } else { Step::Or });
                    }
                }
                Token::Word(word) => {
                    // `and` binds closer than `or`.
                    while let Some(before) = waiting
                        .pop_if(|before| *before == "and" || (*before == "or" && word == "or"))
                    {
                        steps.push(if before == "and" { Step::And } else { Step::Or });
                    }
                    waiting.push(word);
                }
                Token::Operator(word) => operator = Some(word.to_owned()),
                Token::Variable(_) | Token::Text(_) => {
                    let operand = match token {
                        Token::Variable(name) => Operand::Variable(name.to_owned()),
                        Token::Text(text) | Token::Operator(text) | Token::Word(text) => {
                            Operand::Text(text.to_owned())
                        }
                    };
                    match (left.take(), operator.take()) {
                        (Some(left), Some(operator)) => {
                            steps.push(Step::Compare(left, operator, operand));
                        }
                        _ => left = Some(operand),
                    }
                }
            }
            rest = rest[length..].trim_start();
        }
        while let Some(word) = waiting.pop() {
            steps.push(if word == "and" { Step::And } else { Step::Or });
        }
        Some(Self(steps))
    }

    fn operands(&self) -> impl Iterator<Item = &Operand> {
        self.0.iter().flat_map(|step| match step {
            Step::Compare(left, _, right) => vec![left, right],
            Step::And | Step::Or => Vec::new(),
        })
    }

    fn names(&self, name: &str) -> bool {
        self.operands().any(|operand| matches!(operand, Operand::Variable(known) if known == name))
    }

    /// Whether it is true with some extra, or without any. An installer asks once for each.
    fn can_be_true(&self, here: &Environment) -> bool {
        let mut extras = BTreeSet::from([""]);
        if self.names("extra") {
            extras.extend(self.operands().filter_map(|operand| match operand {
                Operand::Text(text) => Some(text.as_str()),
                Operand::Variable(_) => None,
            }));
        }
        extras.into_iter().any(|extra| self.is_true(here, extra))
    }

    fn is_true(&self, here: &Environment, extra: &str) -> bool {
        let mut stack: Vec<bool> = Vec::new();
        for step in &self.0 {
            let truth = match step {
                Step::Compare(left, operator, right) => compare(left, operator, right, here, extra),
                Step::And | Step::Or => {
                    let (Some(b), Some(a)) = (stack.pop(), stack.pop()) else { return false };
                    if matches!(step, Step::And) { a && b } else { a || b }
                }
            };
            stack.push(truth);
        }
        stack.pop().unwrap_or(true)
    }
}

fn compare(
    left: &Operand,
    operator: &str,
    right: &Operand,
    here: &Environment,
    extra: &str,
) -> bool {
    let value = |operand: &Operand| match operand {
        Operand::Text(text) => text.clone(),
        Operand::Variable(name) => here.value(name, extra).to_owned(),
    };
    let (a, b) = (value(left), value(right));
    let is = |name: &str| {
        [left, right].iter().any(|o| matches!(o, Operand::Variable(known) if known == name))
    };
    match operator {
        "in" => return b.contains(&a),
        "not in" => return !b.contains(&a),
        "==" if is("extra") => return same_name(&a, &b),
        "!=" if is("extra") => return !same_name(&a, &b),
        _ => {}
    }
    if is("python_version") || is("python_full_version") {
        // `"3.9" < python_version` asks what `python_version > "3.9"` does.
        let (version, asked, operator) = match left {
            Operand::Variable(_) => (&a, &b, operator),
            Operand::Text(_) => (&b, &a, mirrored(operator)),
        };
        let asked = Requirement::parse(Grammar::Pep508, &format!("{operator}{asked}"));
        let version = Version::parse(Order::Pep440, version);
        return asked.ok().zip(version.ok()).is_some_and(|(asked, version)| asked.admits(&version));
    }
    match operator {
        "==" | "===" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        ">=" => a >= b,
        _ => false,
    }
}

fn mirrored(operator: &str) -> &str {
    match operator {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}

impl Environment<'_> {
    fn value<'v>(&'v self, name: &str, extra: &'v str) -> &'v str {
        match name {
            "python_version" => &self.python.short,
            "python_full_version" => &self.python.full,
            "os_name" => self.platform[0],
            "sys_platform" => self.platform[1],
            "platform_system" => self.platform[2],
            "platform_machine" => self.machine,
            "platform_python_implementation" => self.implementation[0],
            "implementation_name" => self.implementation[1],
            "extra" => extra,
            _ => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_meet_where_one_environment_has_both() {
        let requires = Requirement::parse(Grammar::Pep508, ">=3.11").unwrap();
        let markers = Markers::new(Some(&requires));
        for (a, b) in [
            ("python_version < '3.13'", "python_version >= '3.12'"),
            ("python_version >= '3.9'", "'3.12' < python_version"),
            ("extra == 'a'", "extra == 'B_b'"),
            ("sys_platform == 'win32' and extra == 'a'", "os_name == 'nt' or extra == 'b'"),
            ("platform_system == 'Linux'", "platform_machine in 'x86_64 arm64'"),
            ("python_full_version >= '3.12.4'", "python_version == '3.12'"),
            ("(os_name == 'nt' or os_name == 'posix') and extra == 'a'", "sys_platform != 'win32'"),
            ("python_version ~= '3.11'", "implementation_name == 'pypy'"),
        ] {
            assert!(markers.together(&[Some(a), Some(b), None]), "{a} | {b}");
        }
        for (a, b) in [
            ("python_version < '3.12'", "python_version >= '3.12'"),
            ("python_version < '3.11'", "extra == 'a'"),
            ("sys_platform == 'win32'", "platform_system == 'Linux'"),
            ("sys_platform == 'linux'", "os_name == 'nt' and extra == 'a' or os_name == 'java'"),
            ("implementation_name == 'cpython'", "platform_python_implementation == 'PyPy'"),
            ("platform_release == '5'", "extra == 'a'"),
            ("python_version not in '3.11 3.12'", "python_version == '3.12'"),
        ] {
            assert!(!markers.together(&[Some(a), Some(b)]), "{a} | {b}");
        }
        let deep = format!("{}os_name == 'nt'{}", "(".repeat(300), ")".repeat(300));
        assert!(markers.together(&[Some(&deep), None]));
        assert!(markers.together(&[None, None]));
    }
}
