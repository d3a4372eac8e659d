//! npm's ranges, by the grammar and the desugaring that node-semver documents (strict, not "loose").
//!
//! A range is alternatives joined by `||`; an alternative is `A - B`, or comparators joined by
//! blanks, each `< <= > >= = ^ ~` or nothing before a version whose numbers may be missing or
//! `x`, `X`, `*`. A prerelease is admitted where a comparator of its alternative names one of the
//! same three numbers.

use semver::{BuildMetadata, Prerelease, Version};

/// Alternatives of comparators; no comparator admits every release.
#[derive(Clone, Debug)]
pub(super) struct Rule(Vec<Vec<Comparator>>);

#[derive(Clone, Debug)]
struct Comparator {
    sign: Sign,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Plain(Sign),
    Caret,
    Tilde,
}

/// Longer operators stand before those that they start with.
const OPERATORS: [(&str, Operator); 8] = [
    (">=", Operator::Plain(Sign::AtLeast)),
    ("<=", Operator::Plain(Sign::AtMost)),
    (">", Operator::Plain(Sign::Above)),
    ("<", Operator::Plain(Sign::Below)),
    ("=", Operator::Plain(Sign::Equal)),
    ("^", Operator::Caret),
    ("~>", Operator::Tilde),
    ("~", Operator::Tilde),
];

/// The largest number in a version: what JavaScript counts exactly. So "the next" always exists.
const LARGEST: u64 = (1 << 53) - 1;

const HELP: &str = "write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`";

impl Rule {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        text.split("||").map(alternative).collect::<Result<Vec<_>, _>>().map(Self)
    }

    pub(super) fn admits(&self, version: &Version) -> bool {
        let named =
            |c: &Comparator| !c.version.pre.is_empty() && numbers(&c.version) == numbers(version);
        self.0.iter().any(|all| {
            all.iter().all(|c| c.admits(version))
                && (version.pre.is_empty() || all.iter().any(named))
        })
    }

    pub(super) fn is_exact(&self) -> bool {
        matches!(&self.0[..], [all] if matches!(&all[..], [one] if one.sign == Sign::Equal))
    }
}

impl Comparator {
    fn admits(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.sign {
            Sign::Below => order.is_lt(),
            Sign::AtMost => order.is_le(),
            Sign::Above => order.is_gt(),
            Sign::AtLeast => order.is_ge(),
            Sign::Equal => order.is_eq(),
        }
    }
}

fn numbers(version: &Version) -> [u64; 3] {
    [version.major, version.minor, version.patch]
}

/// A version whose last numbers may be left open.
struct Partial {
    /// One to three numbers, or none for `*`.
    numbers: Vec<u64>,
    pre: Prerelease,
}

impl Partial {
    /// Open numbers are zero.
    fn low(&self) -> Version {
        let at = |i: usize| self.numbers.get(i).copied().unwrap_or(0);
        Version {
            major: at(0),
            minor: at(1),
            patch: at(2),
            pre: self.pre.clone(),
            build: BuildMetadata::EMPTY,
        }
    }
    /// The first version whose first `kept` numbers are larger, prereleases of it included (`-0`).
    fn below_next(&self, kept: usize) -> Comparator {
        let mut version = Version { pre: Prerelease::EMPTY, ..self.low() };
        match kept {
            1 => version = Version::new(version.major + 1, 0, 0),
            2 => version = Version::new(version.major, version.minor + 1, 0),
            _ => version.patch += 1,
        }
        below_all_of(version)
    }
    fn is_full(&self) -> bool {
        self.numbers.len() == 3
    }
}

/// Below `version` and below each of its prereleases.
fn below_all_of(version: Version) -> Comparator {
    let pre = Prerelease::new("0").unwrap_or(Prerelease::EMPTY);
    Comparator { sign: Sign::Below, version: Version { pre, ..version } }
}

fn at_least(version: Version) -> Comparator {
    Comparator { sign: Sign::AtLeast, version }
}

fn alternative(text: &str) -> Result<Vec<Comparator>, String> {
    let words = text.split_whitespace().collect::<Vec<_>>();
    if let [low, "-", high] = words[..] {
        return hyphen(&partial(low)?, &partial(high)?);
    }
    let mut all = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let split = |&(sign, operator): &(&str, Operator)| {
            word.strip_prefix(sign).map(|rest| (operator, rest))
        };
        let (operator, rest) =
            OPERATORS.iter().find_map(split).unwrap_or((Operator::Plain(Sign::Equal), word));
        // Blanks may part an operator from its version.
        let rest = if rest.is_empty() { words.next().unwrap_or("") } else { rest };
        all.extend(desugar(operator, &partial(rest)?));
    }
    Ok(all)
}

fn hyphen(low: &Partial, high: &Partial) -> Result<Vec<Comparator>, String> {
    let mut all = Vec::new();
    if !low.numbers.is_empty() {
        all.push(at_least(low.low()));
    }
    match high.numbers.len() {
        0 => {}
        3 => all.push(Comparator { sign: Sign::AtMost, version: high.low() }),
        open => all.push(high.below_next(open)),
    }
    Ok(all)
}

fn desugar(operator: Operator, named: &Partial) -> Vec<Comparator> {
    let open = named.numbers.len();
    let low = named.low();
    match operator {
        Operator::Plain(Sign::Above | Sign::Below) if open == 0 => vec![below_all_of(low)],
        _ if open == 0 => Vec::new(),
        Operator::Plain(sign) if named.is_full() => vec![Comparator { sign, version: low }],
        Operator::Plain(Sign::Equal) => vec![at_least(low), named.below_next(open)],
        Operator::Plain(Sign::AtLeast) => vec![at_least(low)],
        Operator::Plain(Sign::Below) => vec![below_all_of(low)],
        Operator::Plain(Sign::AtMost) => vec![named.below_next(open)],
        Operator::Plain(Sign::Above) => {
            let next = named.below_next(open).version;
            vec![at_least(Version::new(next.major, next.minor, next.patch))]
        }
        Operator::Tilde => vec![at_least(low), named.below_next(open.min(2))],
        Operator::Caret => {
            // The first number that is not zero stays, or the last one that is there.
            let kept = named.numbers.iter().position(|&n| n != 0).map_or(open, |first| first + 1);
            vec![at_least(low), named.below_next(kept)]
        }
    }
}

fn partial(text: &str) -> Result<Partial, String> {
    if text.is_empty() {
        return Err(format!("a version is missing behind an operator; {HELP}"));
    }
    let wrong = || match text.contains(',') {
        true => format!("npm joins by blanks, not by commas; {HELP}"),
        false => format!("`{text}` is not a version or an operator with one; {HELP}"),
    };
    let bare = text.strip_prefix('v').unwrap_or(text);
    let (bare, build) =
        bare.split_once('+').map_or((bare, None), |(bare, build)| (bare, Some(build)));
    let (core, pre) = bare.split_once('-').map_or((bare, None), |(core, pre)| (core, Some(pre)));
    let mut given = Vec::new();
    for part in core.split('.') {
        given.push(match part {
            "x" | "X" | "*" => None,
            digits => Some(number(digits).ok_or_else(wrong)?),
        });
    }
    let numbers = given.iter().map_while(|&n| n).collect::<Vec<_>>();
    if given.len() > 3 || ((pre.is_some() || build.is_some()) && numbers.len() < 3) {
        return Err(wrong());
    }
    if build.is_some_and(|build| BuildMetadata::new(build).map_or(true, |b| b.is_empty())) {
        return Err(wrong());
    }
    let pre = match pre {
        Some(pre) => Prerelease::new(pre).ok().filter(|pre| !pre.is_empty()).ok_or_else(wrong)?,
        None => Prerelease::EMPTY,
    };
    Ok(Partial { numbers, pre })
}

/// A number without leading zeros, at most [`LARGEST`].
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|&n| plain && n <= LARGEST)
}

#[cfg(test)]
mod tests {
    use crate::requirement::Grammar;
    use crate::requirement::tests::{check, errors, exact};
    use crate::version::Order;

    #[test]
    fn npm_ranges_admit() {
        check(
            Grammar::Npm,
            Order::SemVer,
            &[
                ("1.2.3", "1.2.3 1.2.3+b", "1.2.4 1.2.3-rc.1"),
                ("=v1.2.3+b", "1.2.3", "1.2.4"),
                ("1.2", "1.2.0 1.2.9", "1.3.0 1.3.0-0"),
                ("1.x || >=2.5.0 || 5.0.0 - 7.2.3", "1.9.0 2.5.0 6.0.0 9.0.0", "2.4.9"),
                ("1.x.x", "1.0.0 1.9.9", "2.0.0"),
                ("", "0.0.1 9.0.0", "1.0.0-rc.1"),
                ("*", "0.0.1", "1.0.0-rc.1"),
                ("||", "0.0.1", "1.0.0-rc.1"),
                (">*", "", "0.0.0 1.0.0"),
                (">=*", "0.0.0", ""),
                ("^1.2.3", "1.2.3 1.9.9", "2.0.0 1.2.2 2.0.0-0 1.3.0-rc.1"),
                ("^0.2.3", "0.2.3 0.2.9", "0.3.0"),
                ("^0.0.3", "0.0.3", "0.0.4 0.0.2"),
                ("^0.0", "0.0.0 0.0.9", "0.1.0"),
                ("^0.x", "0.0.0 0.9.9", "1.0.0"),
                ("^0", "0.9.9", "1.0.0"),
                ("^1.x", "1.0.0", "2.0.0"),
                ("^0.1.x", "0.1.5", "0.2.0"),
                ("^1.2.3-beta.2", "1.2.3-beta.2 1.2.3 1.5.0", "1.2.3-beta.1 1.2.4-beta.2"),
                ("~1.2.3", "1.2.3 1.2.9", "1.3.0"),
                ("~1.2", "1.2.0", "1.3.0"),
                ("~1", "1.0.0 1.9.0", "2.0.0"),
                ("~> 1.2.3", "1.2.4", "1.3.0"),
                ("~0", "0.5.0", "1.0.0"),
                (">1", "2.0.0", "1.9.9"),
                (">1.2", "1.3.0", "1.2.9"),
                (">=1.2", "1.2.0", "1.1.9"),
                ("<1.2", "1.1.9", "1.2.0 1.2.0-rc.1"),
                ("<=1", "1.9.9", "2.0.0"),
                ("<=1.2", "1.2.9", "1.3.0"),
                (">= 1.2.7 < 1.3.0", "1.2.7 1.2.99", "1.2.6 1.3.0"),
                ("1.2.3 - 2.3.4", "1.2.3 2.3.4", "2.3.5 1.2.2"),
                ("1.2 - 2.3", "1.2.0 2.3.9", "2.4.0"),
                ("1.2.3 - 2", "2.9.9", "3.0.0"),
                ("* - 2", "0.0.1 2.9.9", "3.0.0"),
                ("1.2.3 - *", "9.0.0", "1.2.2"),
                (">1.2.3-alpha.3", "1.2.3-alpha.7 3.4.5", "3.4.5-alpha.9 1.2.3-alpha.3"),
            ],
        );
        assert_eq!(
            exact(Grammar::Npm, &["1.2.3", "=1.2.3", "1.2", "^1.2.3", "1.2.3 || 1.2.4", ""]),
            ["1.2.3", "=1.2.3"]
        );
    }

    #[test]
    fn npm_errors_say_what_would_be_right() {
        let texts = [
            "abc",
            ">=",
            "1.2.3.4",
            "01.2.3",
            ">=1,<2",
            "==1.0.0",
            "!1",
            "1.2-rc",
            "1.x-rc",
            "1.2.3-",
            "1.2.3-é",
            "1 - ",
            "9007199254740992",
            "latest",
        ];
        insta::assert_snapshot!(errors(Grammar::Npm, &texts), @r"
        `abc` is not a requirement: `abc` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `>=` is not a requirement: a version is missing behind an operator; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `1.2.3.4` is not a requirement: `1.2.3.4` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `01.2.3` is not a requirement: `01.2.3` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `>=1,<2` is not a requirement: npm joins by blanks, not by commas; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `==1.0.0` is not a requirement: `=1.0.0` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `!1` is not a requirement: `!1` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `1.2-rc` is not a requirement: `1.2-rc` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `1.x-rc` is not a requirement: `1.x-rc` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `1.2.3-` is not a requirement: `1.2.3-` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `1.2.3-é` is not a requirement: `1.2.3-é` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `1 - ` is not a requirement: `-` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `9007199254740992` is not a requirement: `9007199254740992` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        `latest` is not a requirement: `latest` is not a version or an operator with one; write for example `^1.2.3`, `>=1.2 <3`, `1.x || 2.x`, `1.2 - 1.4` or `*`
        ");
    }
}
