//! One exact version, as `ato` and others pin: the text is a version, compared by key in the order
//! of the version that it meets.

use crate::version::{Order, Version};

#[derive(Clone, Debug)]
pub(super) struct Rule {
    semver: Option<Version>,
    pep440: Option<Version>,
    apl: Option<Version>,
}

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let semver = Version::parse(Order::SemVer, text);
        let pep440 = Version::parse(Order::Pep440, text).ok();
        let apl = Version::parse(Order::Apl, text).ok();
        match semver {
            Err(error) if pep440.is_none() && apl.is_none() => {
                Err(format!("it must be one exact version: {}", error.reason))
            }
            semver => Ok(Self { semver: semver.ok(), pep440, apl }),
        }
    }

    pub(super) fn admits(&self, version: &Version) -> bool {
        let pinned = match version.order() {
            Order::SemVer => &self.semver,
            Order::Pep440 => &self.pep440,
            Order::Apl => &self.apl,
        };
        pinned.as_ref() == Some(version)
    }
}

#[cfg(test)]
mod tests {
    use crate::requirement::Grammar;
    use crate::requirement::tests::{check, errors};
    use crate::version::Order;

    #[test]
    fn an_exact_requirement_admits_one_version() {
        check(
            Grammar::Exact,
            Order::SemVer,
            &[
                ("1.2.3", "1.2.3 1.2.3+build", "1.2.4 1.2.3-rc.1"),
                ("1.2.3-rc.1", "1.2.3-rc.1", "1.2.3 1.2.3-rc.2"),
                ("1.0", "", "1.0.0"),
            ],
        );
        check(
            Grammar::Exact,
            Order::Pep440,
            &[("1.0", "1.0 1.0.0 1", "1.0.1 1.0rc1"), ("1.0-rc1", "1.0rc1", "1.0")],
        );
    }

    #[test]
    fn a_range_is_no_exact_requirement() {
        insta::assert_snapshot!(errors(Grammar::Exact, &["", "^1.0", "*", "v1.0.0", "1.0.x"]), @r"
        `` is not a requirement: it must be one exact version: it is empty, write for example `1.2.3`
        `^1.0` is not a requirement: it must be one exact version: unexpected character '^' while parsing major version number; write for example `1.2.3` or `1.2.3-rc.1`
        `*` is not a requirement: it must be one exact version: unexpected character '*' while parsing major version number; write for example `1.2.3` or `1.2.3-rc.1`
        `v1.0.0` is not a requirement: it must be one exact version: the `v` belongs to the tag, write `1.0.0`
        `1.0.x` is not a requirement: it must be one exact version: unexpected character 'x' while parsing patch version number; write for example `1.2.3` or `1.2.3-rc.1`
        ");
    }
}
