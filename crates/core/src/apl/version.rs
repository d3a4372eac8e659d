//! APL's versions: three numbers, `-` and a prerelease, `+` and one word of build metadata.

use std::cmp::Ordering;
use std::fmt;

/// A version without its build metadata. Prereleases are compared in character order, so `rc.10`
/// sorts before `rc.2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AplVersion {
    pub(crate) numbers: [u64; 3],
    pub(crate) pre: String,
}

const HELP: &str = "write for example `1.2.3` or `1.2.3-rc.1`";

impl AplVersion {
    /// Reads `1.2.3-rc.1+build`. Leading zeros are allowed: APM's schema allows them.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (rest, build) = match text.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (text, None),
        };
        let (triple, pre) = match rest.split_once('-') {
            Some((triple, pre)) => (triple, Some(pre)),
            None => (rest, None),
        };
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let parts: Vec<&str> = triple.split('.').collect();
        let &[major, minor, patch] = parts.as_slice() else {
            return Err(format!("it needs three numbers and has {}; {HELP}", parts.len()));
        };
        let mut numbers = [0; 3];
        for (slot, part) in numbers.iter_mut().zip([major, minor, patch]) {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            *slot = part.parse().ok().filter(|_| digits).ok_or_else(|| {
                format!("`{}` is no number; {HELP}", crate::escape::excerpt(part, 40))
            })?;
        }
        if !pre.unwrap_or("x").split('.').all(word) {
            return Err(format!(
                "behind `-` stand words of letters, digits and `-`, parted by dots; {HELP}"
            ));
        }
        if !build.is_none_or(word) {
            return Err(format!("behind `+` stands one word of letters, digits and `-`; {HELP}"));
        }
        Ok(Self { numbers, pre: pre.unwrap_or_default().to_owned() })
    }

    /// Whether it is what `^base` asks for: not below its numbers, and the same major number, below
    /// 1.0 the same minor number. Prereleases of either do not matter.
    pub(crate) fn is_compatible_with(&self, base: &Self) -> bool {
        let kept = if base.numbers[0] > 0 { 1 } else { 2 };
        self.numbers >= base.numbers && self.numbers[..kept] == base.numbers[..kept]
    }
}

impl fmt::Display for AplVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.pre.is_empty() { Ok(()) } else { write!(f, "-{}", self.pre) }
    }
}

impl PartialOrd for AplVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for AplVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let finals = self.pre.is_empty().cmp(&other.pre.is_empty());
        self.numbers.cmp(&other.numbers).then(finals).then_with(|| self.pre.cmp(&other.pre))
    }
}
