//! Attune's constraints on packs and runtimes: one operator or none, and up to three plain numbers.
//!
//! None is `=`. `^` keeps the first number that is not zero, `~` major and minor. Missing numbers
//! are zero. Attune orders no prereleases, so none is ever admitted.

use semver::Version;

#[derive(Clone, Debug)]
pub(super) enum Rule {
    Any,
    Compare(Operator, [u64; 3]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    AtLeast,
    AtMost,
    Caret,
    Tilde,
    Above,
    Below,
    Equal,
}

const OPERATORS: [(&str, Operator); 7] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("^", Operator::Caret),
    ("~", Operator::Tilde),
    (">", Operator::Above),
    ("<", Operator::Below),
    ("=", Operator::Equal),
];

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        const HELP: &str = "write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`";
        let text = text.trim();
        if text == "*" {
            return Ok(Rule::Any);
        }
        if text.is_empty() {
            return Err(format!("it is empty; {HELP}"));
        }
        if text.contains(',') {
            return Err(format!("Attune takes one constraint and no comma; {HELP}"));
        }
        let split = |&(sign, operator): &(&str, Operator)| {
            text.strip_prefix(sign).map(|rest| (operator, rest.trim_start()))
        };
        let (operator, rest) = OPERATORS.iter().find_map(split).unwrap_or((Operator::Equal, text));
        let mut numbers = [0; 3];
        for (i, part) in rest.split('.').enumerate() {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            match (numbers.get_mut(i), part.parse()) {
                (Some(slot), Ok(number)) if digits => *slot = number,
                (None, _) => return Err(format!("`{rest}` has more than three numbers; {HELP}")),
                _ => return Err(format!("`{part}` is not a plain number; {HELP}")),
            }
        }
        Ok(Rule::Compare(operator, numbers))
    }

    pub(super) fn admits(&self, version: &Version) -> bool {
        if !version.pre.is_empty() {
            return false;
        }
        let Rule::Compare(operator, named) = self else { return true };
        let asked = [version.major, version.minor, version.patch];
        match operator {
            Operator::AtLeast => asked >= *named,
            Operator::AtMost => asked <= *named,
            Operator::Above => asked > *named,
            Operator::Below => asked < *named,
            Operator::Equal => asked == *named,
            Operator::Tilde => asked >= *named && asked[..2] == named[..2],
            Operator::Caret => {
                let kept = named.iter().position(|&n| n != 0).map_or(3, |first| first + 1);
                asked >= *named && asked[..kept] == named[..kept]
            }
        }
    }

    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Rule::Compare(Operator::Equal, _))
    }
}

#[cfg(test)]
mod tests {
    use crate::requirement::Grammar;
    use crate::requirement::tests::{check, errors, exact};
    use crate::version::Order;

    #[test]
    fn attune_constraints_admit() {
        check(
            Grammar::Attune,
            Order::SemVer,
            &[
                ("*", "0.0.0 9.1.0", "1.0.0-rc.1"),
                (">=3.8", "3.8.0 3.12.1 4.0.0", "3.7.9 3.9.0-rc.1"),
                ("<= 3", "3.0.0 2.9.9", "3.0.1"),
                (">1.2.3", "1.2.4", "1.2.3"),
                ("<1.2.3", "1.2.2", "1.2.3 1.2.3-rc.1"),
                ("1.2", "1.2.0 1.2.0+build", "1.2.1"),
                ("=1.2.3", "1.2.3", "1.2.4"),
                ("^14.0.0", "14.0.0 14.9.1", "15.0.0 13.9.9"),
                ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
                ("^0.0.3", "0.0.3", "0.0.4"),
                ("^0", "0.0.0", "0.0.1"),
                ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
                ("~1", "1.0.0 1.0.5", "1.1.0"),
            ],
        );
        assert_eq!(exact(Grammar::Attune, &["=1.2.3", "1.2", "^0.0.3", "*"]), ["=1.2.3", "1.2"]);
    }

    #[test]
    fn attune_errors_say_what_would_be_right() {
        let texts = [
            "",
            ">=1,<2",
            "1.2.3.4",
            "1.x",
            ">=1.0-rc.1",
            "==1.0",
            "+1",
            "v1",
            "99999999999999999999",
        ];
        insta::assert_snapshot!(errors(Grammar::Attune, &texts), @r"
        `` is not a requirement: it is empty; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `>=1,<2` is not a requirement: Attune takes one constraint and no comma; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `1.2.3.4` is not a requirement: `1.2.3.4` has more than three numbers; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `1.x` is not a requirement: `x` is not a plain number; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `>=1.0-rc.1` is not a requirement: `0-rc` is not a plain number; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `==1.0` is not a requirement: `=1` is not a plain number; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `+1` is not a requirement: `+1` is not a plain number; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `v1` is not a requirement: `v1` is not a plain number; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        `99999999999999999999` is not a requirement: `99999999999999999999` is not a plain number; write for example `>=3.8`, `^1.2.3`, `1.2.3` or `*`
        ");
    }
}
