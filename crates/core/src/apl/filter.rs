//! Lists by regular expressions: group, name and version, all of those that are given.
//!
//! The expressions are strangers', so the engine is one that takes linear time, and programs over a
//! mebibyte are refused.

use regex::{Regex, RegexBuilder};

use super::id::PackageId;
use crate::escape::excerpt;

/// The longest expression in bytes.
const PATTERN_BYTES: usize = 512;
/// The largest compiled expression in bytes.
const PROGRAM_BYTES: usize = 1 << 20;

/// Which packages are listed. Expressions are searched anywhere in the text, and case counts.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    group: Option<Regex>,
    name: Option<Regex>,
    version: Option<Regex>,
}

/// Why an expression is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is no regular expression that can be used: `{pattern}`: {reason}")]
pub struct FilterError {
    /// `group`, `name` or `version`.
    pub field: &'static str,
    /// What was given, made printable.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Filter {
    /// A filter of the expressions that are given; none admits everything.
    ///
    /// # Errors
    ///
    /// [`FilterError`] for the first one that cannot be used: back references and look-around, which
    /// have no linear time, are among them.
    pub fn new(
        group: Option<&str>,
        name: Option<&str>,
        version: Option<&str>,
    ) -> Result<Self, FilterError> {
        Ok(Self {
            group: compile("group", group)?,
            name: compile("name", name)?,
            version: compile("version", version)?,
        })
    }

    /// Whether all expressions are found in the package's parts.
    pub fn admits(&self, id: &PackageId) -> bool {
        let found = |regex: &Option<Regex>, text: &str| {
            regex.as_ref().is_none_or(|regex| regex.is_match(text))
        };
        found(&self.group, id.project.group())
            && found(&self.name, id.project.name())
            && found(&self.version, id.version.text())
    }
}

fn compile(field: &'static str, pattern: Option<&str>) -> Result<Option<Regex>, FilterError> {
    let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else { return Ok(None) };
    let wrong = |reason: String| FilterError { field, pattern: excerpt(pattern, 80), reason };
    if pattern.len() > PATTERN_BYTES {
        let message =
            format!("it has {} bytes, at most {PATTERN_BYTES} are allowed", pattern.len());
        return Err(wrong(message));
    }
    let built = RegexBuilder::new(pattern)
        .size_limit(PROGRAM_BYTES)
        .dfa_size_limit(PROGRAM_BYTES)
        .nest_limit(32)
        .build();
    let reason = |error: regex::Error| match error {
        regex::Error::CompiledTooBig(limit) => {
            format!("it compiles to more than {limit} bytes, repeat less")
        }
        // The last line says what is wrong, those before draw the expression.
        error => excerpt(error.to_string().lines().last().unwrap_or_default(), 200),
    };
    built.map(Some).map_err(|error| wrong(reason(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admits(group: &str, name: &str, version: &str) -> bool {
        let id = "Dyalog-Conga-v3.1.3".parse().unwrap();
        Filter::new(Some(group), Some(name), Some(version)).unwrap().admits(&id)
    }

    #[test]
    fn all_expressions_count_and_are_searched_anywhere() {
        assert!(admits("", "", "") && admits("yal", "^Con", r"\.3$") && admits("D|x", "", "^3"));
        assert!(!admits("dyalog", "", "") && !admits("D", "conga", "") && !admits("", "", "^1"));
    }

    #[test]
    fn expressions_that_cannot_be_used_are_refused() {
        let long = "x".repeat(513);
        let deep = "(".repeat(40) + &")".repeat(40);
        let table: String = ["(", "[a", "*", r"(a)\1", "(?=a)", "a{100000}{100000}", &long, &deep]
            .iter()
            .map(|text| format!("{}\n", Filter::new(None, Some(text), None).unwrap_err()))
            .collect();
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_expression_that_would_hang_a_backtracking_engine_takes_no_time() {
        let id = PackageId::new("g", &"a".repeat(90), "1.0.0").unwrap();
        let start = std::time::Instant::now();
        for pattern in ["(a+)+$b", "^(a|aa)+$1", "(a*)*c", "(.*a){30}b"] {
            let filter = Filter::new(None, Some(pattern), None).unwrap();
            assert!((0..150).all(|_| !filter.admits(&id)), "{pattern}");
        }
        assert!(start.elapsed().as_secs() < 10);
    }
}
