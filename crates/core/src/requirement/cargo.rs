//! Cargo's requirements, by the `semver` crate: comparators joined by `,`, none stands for `^`, and
//! a prerelease is admitted where a comparator names one of the same three numbers.

#[derive(Clone, Debug)]
pub(super) struct Rule(semver::VersionReq);

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        semver::VersionReq::parse(text).map(Self).map_err(|error| {
            let fix = if text.contains("||") {
                "`||` is npm's; write for example `>=1, <3`"
            } else {
                "write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`"
            };
            format!("{error}; {fix}")
        })
    }

    pub(super) fn admits(&self, version: &semver::Version) -> bool {
        self.0.matches(version)
    }

    pub(super) fn is_exact(&self) -> bool {
        matches!(&self.0.comparators[..], [one] if one.op == semver::Op::Exact && one.minor.is_some() && one.patch.is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::requirement::tests::{check, errors, exact};
    use crate::requirement::{Grammar, Requirement};
    use crate::version::{Order, Version};

    #[test]
    fn cargo_requirements_admit() {
        check(
            Grammar::Cargo,
            Order::SemVer,
            &[
                ("1.2.3", "1.2.3 1.9.0 1.2.3+build", "1.2.2 2.0.0 1.3.0-rc.1"),
                ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
                ("^0.0.3", "0.0.3", "0.0.4"),
                ("~1.2", "1.2.0 1.2.9", "1.3.0"),
                (">=1.2, <1.5", "1.2.0 1.4.9", "1.5.0 1.1.9"),
                ("=1.2", "1.2.0 1.2.7", "1.3.0"),
                ("1.*", "1.0.0 1.9.9", "2.0.0"),
                ("*", "0.0.1 99.0.0", "1.0.0-rc.1"),
                (
                    "^1.2.3-beta.2",
                    "1.2.3-beta.2 1.2.3-beta.3 1.2.3 1.4.0",
                    "1.2.3-beta.1 1.2.4-beta.2 2.0.0",
                ),
            ],
        );
        assert_eq!(
            exact(Grammar::Cargo, &["=1.2.3", "=1.2", "1.2.3", "=1.2.3, <2", "*"]),
            ["=1.2.3"]
        );
    }

    #[test]
    fn cargo_errors_say_what_would_be_right() {
        insta::assert_snapshot!(errors(Grammar::Cargo, &["", "abc", "1 || 2", "1.2.3.4", ">=1.2 <3", "v1.2", "==1.0.0"]), @r"
        `` is not a requirement: unexpected end of input while parsing major version number; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
        `abc` is not a requirement: unexpected character 'a' while parsing major version number; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
        `1 || 2` is not a requirement: expected comma after major version number, found '|'; `||` is npm's; write for example `>=1, <3`
        `1.2.3.4` is not a requirement: expected comma after patch version number, found '.'; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
        `>=1.2 <3` is not a requirement: expected comma after minor version number, found '<'; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
        `v1.2` is not a requirement: unexpected character 'v' while parsing major version number; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
        `==1.0.0` is not a requirement: unexpected character '=' while parsing major version number; write for example `^1.2`, `>=1.2, <3`, `=1.2.3` or `*`
        ");
    }

    proptest! {
        #[test]
        fn cargo_agrees_with_the_semver_crate(
            text in "(=|>|>=|<|<=|~|\\^)?[0-2](\\.[0-2]){0,2}(, ?<[0-3])?", version in "[0-3]\\.[0-3]\\.[0-3](-rc\\.[0-2])?",
        ) {
            let ours = Requirement::parse(Grammar::Cargo, &text).unwrap();
            let theirs = semver::VersionReq::parse(&text).unwrap();
            let theirs = theirs.matches(&semver::Version::parse(&version).unwrap());
            prop_assert_eq!(ours.admits(&Version::parse(Order::SemVer, &version).unwrap()), theirs);
        }
    }
}
