//! The version specifiers of PEP 508, read by `pep440_rs` and matched here by PEP 440's text.
//!
//! They are matched here because `pep440_rs` 0.7 takes `1` for one of `1.2.*` and refuses 1.0rc1 for
//! `<1.0rc2`. A prerelease is admitted where a specifier other than `!=` names one.

use std::str::FromStr;

use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

#[derive(Clone, Debug)]
pub(super) struct Rule(VersionSpecifiers);

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        VersionSpecifiers::from_str(text).map(Self).map_err(|error| {
            // The crate draws the place below the text; the first line says it all.
            let error = error.to_string();
            let first = error.lines().next().unwrap_or_default().trim_end_matches(':');
            let first = first.strip_prefix("Failed to parse version: ").unwrap_or(first);
            format!("{first}; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`")
        })
    }

    pub(super) fn admits(&self, version: &Version) -> bool {
        let names = |s: &VersionSpecifier| {
            s.any_prerelease()
                && !matches!(s.operator(), Operator::NotEqual | Operator::NotEqualStar)
        };
        (!version.any_prerelease() || self.0.iter().any(names))
            && self.0.iter().all(|s| fits(s, version))
    }

    /// Its specifiers; a version must fit each.
    pub(super) fn clauses(&self) -> impl Iterator<Item = &VersionSpecifier> {
        self.0.iter()
    }

    pub(super) fn is_exact(&self) -> bool {
        #[allow(deprecated, reason = "`===` is discouraged, but written")]
        let is_exact =
            |s: &VersionSpecifier| matches!(s.operator(), Operator::Equal | Operator::ExactEqual);
        self.0.len() == 1 && self.0.iter().all(is_exact)
    }
}

/// PEP 440, "Version specifiers", one clause.
pub(super) fn fits(specifier: &VersionSpecifier, version: &Version) -> bool {
    let named = specifier.version();
    // "local version labels MUST be ignored entirely" unless the specifier has one.
    let asked = if named.is_local() { version.clone() } else { version.clone().without_local() };
    let release = named.release();
    #[allow(deprecated, reason = "`===` is discouraged, but written")]
    match specifier.operator() {
        Operator::Equal => asked == *named,
        Operator::NotEqual => asked != *named,
        Operator::ExactEqual => version.to_string() == named.to_string(),
        Operator::EqualStar => starts_with(&asked, named, release),
        Operator::NotEqualStar => !starts_with(&asked, named, release),
        Operator::TildeEqual => {
            asked >= *named
                && starts_with(&asked, named, &release[..release.len().saturating_sub(1)])
        }
        Operator::GreaterThanEqual => asked >= *named,
        Operator::LessThanEqual => asked <= *named,
        // Neither a post release of the named version, nor, below, a prerelease of it.
        Operator::GreaterThan => {
            asked > *named && (named.is_post() || !asked.is_post() || !same_release(&asked, named))
        }
        Operator::LessThan => {
            asked < *named
                && (named.any_prerelease()
                    || !asked.any_prerelease()
                    || !same_release(&asked, named))
        }
    }
}

/// Whether `asked`, padded with zeros, starts with `numbers` in the epoch of `named`.
fn starts_with(asked: &Version, named: &Version, numbers: &[u64]) -> bool {
    let at = |i: usize| asked.release().get(i).copied().unwrap_or(0);
    asked.epoch() == named.epoch() && numbers.iter().enumerate().all(|(i, &number)| at(i) == number)
}

fn same_release(a: &Version, b: &Version) -> bool {
    starts_with(a, b, b.release()) && starts_with(b, a, a.release())
}

#[cfg(test)]
mod tests {
    use crate::requirement::Grammar;
    use crate::requirement::tests::{check, errors, exact};
    use crate::version::Order;

    #[test]
    fn pep_508_specifiers_admit() {
        check(
            Grammar::Pep508,
            Order::Pep440,
            &[
                ("", "0 1.0 1!2.0 1.0.post1", "1.0rc1 1.0.dev1"),
                (">=1.0,<2", "1 1.0.0 1.9.post1 1.0+local", "2.0 0.9 1.5rc1 2.0rc1"),
                ("~=1.4", "1.4 1.9 1.4.post1", "1.3 2.0 1.5b1"),
                ("~=1.4.2", "1.4.2 1.4.9", "1.5 1.4.1"),
                ("==1.2.*", "1.2 1.2.9 1.2.0.post1", "1 1.3 1.20 1.2rc1"),
                ("!=1.2.*", "1 1.3", "1.2 1.2.1"),
                ("== 1.0", "1 1.0.0 1.0+local", "1.0.post1 1.0.1"),
                ("==1.0+cu118", "1.0+cu118", "1.0 1.0+cpu"),
                ("!=1.0", "1.1", "1.0.0"),
                ("!=1.0rc1", "1.0", "1.0rc1 1.0rc2"),
                (">1.0", "1.0.1 1.1.post1", "1.0.post1 1.0 1.0+local"),
                (">1.0.post1", "1.0.post2 1.1", "1.0.post1 1.0"),
                ("<1.0", "0.9", "1.0 1.0rc1 0.9rc1"),
                ("<1.0rc2", "1.0rc1 0.9 1.0.dev1 0.9b1", "1.0rc2 1.0"),
                (">=1.0rc1", "1.0rc1 1.0 2.0b1", "1.0b1"),
                ("===1.0", "1.0", "1.0.0 1.1"),
                (">=1!1.0", "1!1.0", "9.0"),
            ],
        );
        assert_eq!(
            exact(Grammar::Pep508, &["==1.0", "===1.0", "==1.*", "==1,<2", "~=1.0", ""]),
            ["==1.0", "===1.0"]
        );
    }

    #[test]
    fn pep_508_errors_say_what_would_be_right() {
        let texts = [
            "1.0",
            "^1.0",
            ">=",
            "~=1",
            ">=1.*",
            "==1.0 <2",
            ">=1.0;",
            "=>1",
            ">=abc",
            "\u{202e}>=1",
        ];
        insta::assert_snapshot!(errors(Grammar::Pep508, &texts), @r#"
        `1.0` is not a requirement: Unexpected end of version specifier, expected operator; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `^1.0` is not a requirement: Unexpected end of version specifier, expected operator; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `>=` is not a requirement: Unexpected end of version specifier, expected version; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `~=1` is not a requirement: The ~= operator requires at least two segments in the release version; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `>=1.*` is not a requirement: Operator >= cannot be used with a wildcard version specifier; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `==1.0 <2` is not a requirement: Trailing `<2` is not allowed; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `>=1.0;` is not a requirement: after parsing `1.0`, found `;`, which is not part of a valid version; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `=>1` is not a requirement: no such comparison operator "=>", must be one of ~= == != <= >= < > ===; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `>=abc` is not a requirement: expected version to start with a number, but no leading ASCII digits were found; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `\u{202e}>=1` is not a requirement: Unexpected end of version specifier, expected operator; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        "#);
    }
}
