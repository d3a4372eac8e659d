//! APL's requests: a version means that one, `^1.2.3` whatever is compatible with it, prereleases
//! included.

use crate::apl::AplVersion;

#[derive(Clone, Debug)]
pub(super) struct Rule {
    caret: bool,
    version: AplVersion,
}

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (caret, version) = match text.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Ok(Self { caret, version: AplVersion::parse(version)? })
    }

    pub(super) fn admits(&self, version: &AplVersion) -> bool {
        match self.caret {
            true => version.is_compatible_with(&self.version),
            false => *version == self.version,
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        !self.caret
    }
}

#[cfg(test)]
mod tests {
    use crate::requirement::Grammar;
    use crate::requirement::tests::{check, errors, exact};
    use crate::version::Order;

    #[test]
    fn apl_requests_admit() {
        let rows: &[(&str, &str, &str)] = &[
            ("1.0.0", "1.0.0 1.0.0+build 01.0.0", "1.0.1 1.0.0-rc.1"),
            ("1.0.0-rc.2", "1.0.0-rc.2", "1.0.0 1.0.0-rc.1"),
            ("^1.2.3", "1.2.3 1.9.0 1.2.3-rc.1 1.4.0-a", "1.2.2 2.0.0 2.0.0-rc.1"),
            ("^0.5.1", "0.5.1 0.5.9 0.5.2-rc.1", "0.5.0 0.6.0 1.0.0"),
            ("^0.0.1", "0.0.1 0.0.9", "0.1.0"),
            ("^1.0.0-rc.2", "1.0.0-rc.1 1.3.1", "0.9.0"),
        ];
        check(Grammar::Apl, Order::Apl, rows);
        check(Grammar::Apl, Order::SemVer, &rows[1..5]);
        check(Grammar::Apl, Order::Pep440, &[("^1.2.3", "1.3 1.2.3", "2.0 1.4rc1 1.2.3.1")]);
        check(Grammar::Cargo, Order::Apl, &[("^1.2", "1.2.0 1.9.0", "1.3.0-rc.1 2.0.0 1.2.0-01")]);
        check(Grammar::Exact, Order::Apl, &[("1.2.0", "1.2.0", "1.2.0-rc.1")]);
        assert_eq!(exact(Grammar::Apl, &["1.2.3", "^1.2.3"]), ["1.2.3"]);
    }

    #[test]
    fn apl_errors_say_what_would_be_right() {
        let texts = ["", "^", "1.2", ">=1.0.0", "1.2.3-", "1.2.3-a..b", "1.2.3+a.b", "^v1.0.0"];
        insta::assert_snapshot!(errors(Grammar::Apl, &texts));
    }
}
