//! `ato`'s requirements on itself (`requires-atopile`), as its 0.12 to 0.15 match them; meant to
//! look like npm's and different in what counts:
//!
//! - `^x` is below the next major for 0.x as well: `^0.3.0` admits 0.15.9;
//! - `||` binds looser than `,`, and blanks are allowed around these two only;
//! - `!1.0.0` is "not"; `==` is "equal", while `=` is nothing at all;
//! - a short version is padded, a leading `v` dropped, and what follows a third dot is a prerelease;
//! - the version that is asked about loses prerelease and build first.
//!
//! `ato` finds an error when it gets that far (`^1||abc` works until 1 fails); here it is one at once.

use semver::Version;

#[derive(Clone, Debug)]
pub(super) struct Rule(Vec<Vec<Term>>);

#[derive(Clone, Debug)]
enum Term {
    Any,
    Compare(Operator, Version),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Caret,
    Tilde,
    Not,
    Equal,
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// Two-character operators stand before those that they start with.
const OPERATORS: [(&str, Operator); 8] = [
    ("^", Operator::Caret),
    ("~", Operator::Tilde),
    ("!", Operator::Not),
    ("==", Operator::Equal),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    (">", Operator::Above),
    ("<", Operator::Below),
];

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let all =
            |alternative: &str| alternative.split(',').map(term).collect::<Result<Vec<_>, _>>();
        text.split("||").map(all).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// `version` has no prerelease and no build.
    pub(super) fn admits(&self, version: &Version) -> bool {
        self.0.iter().any(|all| all.iter().all(|term| term.admits(version)))
    }

    pub(super) fn is_exact(&self) -> bool {
        matches!(&self.0[..], [all] if matches!(&all[..], [Term::Compare(Operator::Equal, _)]))
    }
}

impl Term {
    fn admits(&self, version: &Version) -> bool {
        let Term::Compare(operator, named) = self else { return true };
        let order = version.cmp_precedence(named);
        match operator {
            Operator::Caret => order.is_ge() && version.major == named.major,
            Operator::Tilde => {
                order.is_ge() && (version.major, version.minor) == (named.major, named.minor)
            }
            Operator::Not => order.is_ne(),
            Operator::Equal => order.is_eq(),
            Operator::AtLeast => order.is_ge(),
            Operator::AtMost => order.is_le(),
            Operator::Above => order.is_gt(),
            Operator::Below => order.is_lt(),
        }
    }
}

fn term(text: &str) -> Result<Term, String> {
    const HELP: &str = "write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`";
    let text = text.trim();
    if text == "*" {
        return Ok(Term::Any);
    }
    let split =
        |&(sign, operator): &(&str, Operator)| text.strip_prefix(sign).map(|rest| (operator, rest));
    let (operator, rest) = OPERATORS.iter().find_map(split).unwrap_or((Operator::Caret, text));
    if rest.is_empty() {
        return Err(format!("a version is missing; {HELP}"));
    }
    if rest.contains(char::is_whitespace) {
        return Err(format!(
            "`ato` takes no blanks inside `{text}`, and `,` instead of a blank between two; {HELP}"
        ));
    }
    if let Some(bare) = rest.strip_prefix('=') {
        let fix = if operator == Operator::Not { "!" } else { "==" };
        return Err(format!(
            "`ato` does not know the operator of `{text}`; write `{fix}{}`",
            bare.trim_start_matches('=')
        ));
    }
    match version(rest) {
        Some(version) => Ok(Term::Compare(operator, version)),
        None => Err(format!("`{rest}` is not a version; {HELP}")),
    }
}

/// A version as `ato` reads it: padded to three numbers, the rest a prerelease.
fn version(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    if let Ok(version) = Version::parse(text) {
        return Some(version);
    }
    let mut parts = text.splitn(4, '.');
    let mut next = || parts.next().unwrap_or("0");
    let numbers = format!("{}.{}.{}", next(), next(), next());
    match parts.next() {
        Some(rest) => Version::parse(&format!("{numbers}-{rest}")).ok(),
        None => Version::parse(&numbers).ok(),
    }
}

#[cfg(test)]
mod tests {
    use crate::requirement::Grammar;
    use crate::requirement::tests::{check, errors, exact};
    use crate::version::Order;

    #[test]
    fn ato_requirements_admit_what_ato_admits() {
        check(
            Grammar::Ato,
            Order::SemVer,
            &[
                ("^0.3.0", "0.3.0 0.15.9 0.15.9-rc.1 0.15.9+build", "0.2.9 1.0.0"),
                ("0.3", "0.3.0 0.15.9", "0.2.9 1.0.0"),
                ("v0.3", "0.3.0 0.15.9", "1.0.0"),
                (" 1 ", "1.0.0 1.9.9", "0.9.0 2.0.0"),
                ("~0.3.1", "0.3.1 0.3.9", "0.3.0 0.4.0"),
                ("!1.0.0", "1.0.1 0.9.0", "1.0.0 1.0.0-rc.1"),
                ("==1.0.0", "1.0.0 1.0.0-rc.1", "1.0.1"),
                (">=0.2,<0.5.0", "0.2.0 0.4.9 0.4.9-rc.1", "0.5.0 0.5.0-rc.1 0.1.9"),
                (">1.0.0 , <=2", "1.0.1 2.0.0", "1.0.0 2.0.1"),
                ("<0.2.0 || >=0.4,<0.5", "0.1.0 0.4.1", "0.3.0 0.5.0"),
                ("*", "0.0.0 9.9.9", ""),
                ("<1||*", "5.0.0", ""),
                ("^0.14.0-rc.1", "0.14.0 0.15.0", "0.13.9 1.0.0"),
                ("^0.14.0.post1.dev35+g1bd", "0.14.0 0.14.1", "0.13.0"),
                ("==1.0.0-rc.1", "", "1.0.0 1.0.0-rc.1"),
            ],
        );
        assert_eq!(
            exact(Grammar::Ato, &["==1.0.0", "1.0.0", "*", "==1.0.0,<2", "==1||==2"]),
            ["==1.0.0"]
        );
    }

    #[test]
    fn ato_errors_are_errors_here_too() {
        let texts = [
            "=1.0.0", "1.x", "", "abc", "> 1.0.0", ">=1 <2", "*1.0", "!=1.0.0", "===1.0.0", "^1||",
            "^1,", ">=", "01.2.3", "1-rc",
        ];
        insta::assert_snapshot!(errors(Grammar::Ato, &texts), @r"
        `=1.0.0` is not a requirement: `ato` does not know the operator of `=1.0.0`; write `==1.0.0`
        `1.x` is not a requirement: `1.x` is not a version; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `` is not a requirement: a version is missing; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `abc` is not a requirement: `abc` is not a version; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `> 1.0.0` is not a requirement: `ato` takes no blanks inside `> 1.0.0`, and `,` instead of a blank between two; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `>=1 <2` is not a requirement: `ato` takes no blanks inside `>=1 <2`, and `,` instead of a blank between two; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `*1.0` is not a requirement: `*1.0` is not a version; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `!=1.0.0` is not a requirement: `ato` does not know the operator of `!=1.0.0`; write `!1.0.0`
        `===1.0.0` is not a requirement: `ato` does not know the operator of `===1.0.0`; write `==1.0.0`
        `^1||` is not a requirement: a version is missing; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `^1,` is not a requirement: a version is missing; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `>=` is not a requirement: a version is missing; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `01.2.3` is not a requirement: `01.2.3` is not a version; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        `1-rc` is not a requirement: `1-rc` is not a version; write for example `^0.9.0`, `>=0.9.0,<0.12.0` or `*`
        ");
    }
}
