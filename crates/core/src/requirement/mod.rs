//! Requirements: which versions of a dependency are admitted, in the grammar of its format.
//!
//! A requirement is read once by its grammar's own rules; one file a grammar. It is matched against
//! a version in the grammar's native order; a version of another order is carried over where that
//! has one meaning (PEP 440's `1.2` is `1.2.0`), and is not admitted elsewhere (`1!1.2`, `1.2.post1`).

mod apl;
mod ato;
mod attune;
mod cargo;
mod exact;
mod npm;
mod pep508;
mod together;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::apl::AplVersion;
use crate::escape::excerpt;
use crate::version::{Order, Parsed, Version};

/// The longest requirement in bytes.
pub const REQUIREMENT_BYTES: usize = 256;

/// The grammar of a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Grammar {
    /// Cargo's (`^1.2`, `>=1, <2`, `~1.2`, `=1.2.3`, `*`).
    Cargo,
    /// npm's (`^1.2 || >=2 <3`, `1.x`, `1.2 - 1.4`).
    Npm,
    /// `ato`'s own: `^0.3.0` admits 0.15.9, `~` is below the next minor, `||` binds looser than `,`.
    Ato,
    /// The specifiers of PEP 508 / PEP 440 (`>=1.0,<2`, `~=1.4`, `==1.*`).
    Pep508,
    /// One exact version.
    Exact,
    /// Attune's (`>= <= > < = ^ ~ *`, one constraint).
    Attune,
    /// APL's: one exact version, or `^` and one.
    Apl,
}

/// Which versions are admitted. Two requirements are equal when grammar and text are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Requirement {
    grammar: Grammar,
    text: String,
    rule: Rule,
}

/// A requirement read by its grammar.
#[derive(Clone, Debug)]
enum Rule {
    Cargo(cargo::Rule),
    Npm(npm::Rule),
    Ato(ato::Rule),
    Pep508(pep508::Rule),
    /// A version in each order, so the largest.
    Exact(Box<exact::Rule>),
    Attune(attune::Rule),
    Apl(apl::Rule),
}

/// A requirement in JSON.
#[derive(Serialize, Deserialize)]
struct Wire {
    grammar: Grammar,
    text: String,
}

/// Why a text is no requirement of a grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a requirement: {reason}")]
pub struct RequirementError {
    /// What was found, made printable.
    pub text: String,
    /// What would be right.
    pub reason: String,
}

impl Requirement {
    /// Parses `text` (at most [`REQUIREMENT_BYTES`] bytes) in `grammar`.
    ///
    /// # Errors
    ///
    /// [`RequirementError`] with what would be right.
    pub fn parse(grammar: Grammar, text: &str) -> Result<Self, RequirementError> {
        let wrong = |reason: String| RequirementError {
            text: excerpt(text, REQUIREMENT_BYTES),
            reason: excerpt(&reason, 2 * REQUIREMENT_BYTES),
        };
        if text.len() > REQUIREMENT_BYTES {
            return Err(wrong(format!(
                "it has {} bytes, at most {REQUIREMENT_BYTES} are allowed",
                text.len()
            )));
        }
        let rule = match grammar {
            Grammar::Cargo => cargo::Rule::parse(text).map(Rule::Cargo),
            Grammar::Npm => npm::Rule::parse(text).map(Rule::Npm),
            Grammar::Ato => ato::Rule::parse(text).map(Rule::Ato),
            Grammar::Pep508 => pep508::Rule::parse(text).map(Rule::Pep508),
            Grammar::Exact => exact::Rule::parse(text).map(|rule| Rule::Exact(Box::new(rule))),
            Grammar::Attune => attune::Rule::parse(text).map(Rule::Attune),
            Grammar::Apl => apl::Rule::parse(text).map(Rule::Apl),
        };
        Ok(Self { grammar, text: text.to_owned(), rule: rule.map_err(wrong)? })
    }
    /// The grammar.
    pub fn grammar(&self) -> Grammar {
        self.grammar
    }
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// Whether `version` is admitted; a prerelease only where the requirement names one.
    ///
    /// [`Grammar::Ato`] is the exception, because `ato` is: it compares what is left of a version
    /// without its prerelease. So is [`Grammar::Apl`]: `^` admits every prerelease above its numbers.
    pub fn admits(&self, version: &Version) -> bool {
        match &self.rule {
            Rule::Cargo(rule) => as_semver(version).is_some_and(|v| rule.admits(&v)),
            Rule::Npm(rule) => as_semver(version).is_some_and(|v| rule.admits(&v)),
            Rule::Ato(rule) => numbers(version).is_some_and(|v| rule.admits(&v)),
            Rule::Pep508(rule) => as_pep440(version).is_some_and(|v| rule.admits(&v)),
            Rule::Exact(rule) => rule.admits(version),
            Rule::Attune(rule) => as_semver(version).is_some_and(|v| rule.admits(&v)),
            Rule::Apl(rule) => as_apl(version).is_some_and(|v| rule.admits(&v)),
        }
    }
    /// Whether one version could meet all of `requirements`, whatever a registry holds. Decided for
    /// [`Grammar::Pep508`]; others, and more than could be looked at, are taken to be possible.
    pub fn possible(requirements: &[&Self]) -> bool {
        let rule = |requirement: &&'_ Self| match &requirement.rule {
            Rule::Pep508(rule) => Some(rule.clone()),
            _ => None,
        };
        let rules: Option<Vec<pep508::Rule>> = requirements.iter().map(rule).collect();
        rules.is_none_or(|rules| together::possible(&rules.iter().collect::<Vec<_>>()))
    }
    /// Whether it admits one version only.
    pub fn is_exact(&self) -> bool {
        match &self.rule {
            Rule::Cargo(rule) => rule.is_exact(),
            Rule::Npm(rule) => rule.is_exact(),
            Rule::Ato(rule) => rule.is_exact(),
            Rule::Pep508(rule) => rule.is_exact(),
            Rule::Exact(_) => true,
            Rule::Attune(rule) => rule.is_exact(),
            Rule::Apl(rule) => rule.is_exact(),
        }
    }
}

/// The semantic version with the meaning of `version`. From PEP 440 only final releases of at most
/// three numbers have one: its prereleases, post releases and epochs sort differently.
fn as_semver(version: &Version) -> Option<Cow<'_, semver::Version>> {
    match version.parsed() {
        Parsed::SemVer(version) => Some(Cow::Borrowed(version)),
        Parsed::Pep440(v) if v.is_stable() && !v.is_post() && v.epoch() == 0 => {
            numbers(version).map(Cow::Owned)
        }
        Parsed::Pep440(_) => None,
        // A prerelease such as `01` is APL's alone.
        Parsed::Apl(_) => semver::Version::parse(version.key()).ok().map(Cow::Owned),
    }
}

/// APL's version with the meaning of `version`.
fn as_apl(version: &Version) -> Option<AplVersion> {
    match version.parsed() {
        Parsed::Apl(version) => Some(version.clone()),
        _ => AplVersion::parse(&as_semver(version)?.to_string()).ok(),
    }
}

/// The PEP 440 version with the meaning of `version`. Of semantic prereleases only those that PEP 440
/// reads as prereleases too have one (`1.0.0-rc.1`).
fn as_pep440(version: &Version) -> Option<Cow<'_, pep440_rs::Version>> {
    match version.parsed() {
        Parsed::Pep440(version) => Some(Cow::Borrowed(version)),
        Parsed::SemVer(_) | Parsed::Apl(_) => {
            let peer = Version::parse(Order::Pep440, version.key()).ok()?;
            match peer.parsed() {
                Parsed::Pep440(v)
                    if v.any_prerelease() == version.is_prerelease() && !v.is_post() =>
                {
                    Some(Cow::Owned(v.clone()))
                }
                _ => None,
            }
        }
    }
}

/// The three numbers of a version, without prerelease and build; `None` where there is a fourth.
fn numbers(version: &Version) -> Option<semver::Version> {
    match version.parsed() {
        Parsed::SemVer(v) => Some(semver::Version::new(v.major, v.minor, v.patch)),
        Parsed::Apl(AplVersion { numbers: [major, minor, patch], .. }) => {
            Some(semver::Version::new(*major, *minor, *patch))
        }
        Parsed::Pep440(v) => {
            let at = |i: usize| v.release().get(i).copied().unwrap_or(0);
            let longer = v.release().iter().skip(3).any(|&n| n != 0);
            (!longer).then(|| semver::Version::new(at(0), at(1), at(2)))
        }
    }
}

impl TryFrom<Wire> for Requirement {
    type Error = RequirementError;
    fn try_from(wire: Wire) -> Result<Self, RequirementError> {
        Self::parse(wire.grammar, &wire.text)
    }
}
impl From<Requirement> for Wire {
    fn from(requirement: Requirement) -> Self {
        Self { grammar: requirement.grammar, text: requirement.text }
    }
}
impl PartialEq for Requirement {
    fn eq(&self, other: &Self) -> bool {
        self.grammar == other.grammar && self.text == other.text
    }
}
impl Eq for Requirement {}
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRAMMARS: [Grammar; 7] = [
        Grammar::Cargo,
        Grammar::Npm,
        Grammar::Ato,
        Grammar::Pep508,
        Grammar::Exact,
        Grammar::Attune,
        Grammar::Apl,
    ];

    /// Checks rows of `(requirement, admitted versions, refused versions)`, versions parted by blanks.
    pub(crate) fn check(grammar: Grammar, order: Order, rows: &[(&str, &str, &str)]) {
        for (text, admitted, refused) in rows {
            let requirement = Requirement::parse(grammar, text).unwrap();
            let admits = |v: &str| requirement.admits(&Version::parse(order, v).unwrap());
            for v in admitted.split_whitespace() {
                assert!(admits(v), "`{text}` should admit {v}");
            }
            for v in refused.split_whitespace() {
                assert!(!admits(v), "`{text}` should not admit {v}");
            }
        }
    }

    /// The errors of `texts`, one a line.
    pub(crate) fn errors(grammar: Grammar, texts: &[&str]) -> String {
        texts
            .iter()
            .map(|text| format!("{}\n", Requirement::parse(grammar, text).unwrap_err()))
            .collect()
    }

    /// Which of `texts` admit one version only.
    pub(crate) fn exact<'a>(grammar: Grammar, texts: &[&'a str]) -> Vec<&'a str> {
        let is_exact = |text: &&&str| Requirement::parse(grammar, text).unwrap().is_exact();
        texts.iter().filter(is_exact).copied().collect()
    }

    #[test]
    fn a_version_of_the_other_order_is_carried_over_where_it_has_one_meaning() {
        check(
            Grammar::Cargo,
            Order::Pep440,
            &[("^1.2", "1.2 1.2.0 1.9.9.0 1.2+local", "2 1.2.0.1 1.3rc1 1.3.post1 1!1.3 1.3.dev1")],
        );
        check(
            Grammar::Pep508,
            Order::SemVer,
            &[
                (">=1.2,<2", "1.2.0 1.9.9+build", "2.0.0 1.3.0-rc.1"),
                (">=1.2rc1", "1.2.0-rc.1+x 1.3.0-alpha", "1.2.0-1 1.2.0-beta.1 1.3.0-nightly"),
            ],
        );
        check(
            Grammar::Ato,
            Order::Pep440,
            &[("^0.3", "0.15.9 0.15.9rc1 0.15.9.post1.dev2", "1.0 0.2")],
        );
    }

    #[test]
    fn json_holds_grammar_and_text_and_is_checked() {
        let requirement = Requirement::parse(Grammar::Npm, "1.x || ^2").unwrap();
        let json = serde_json::to_string(&requirement).unwrap();
        assert_eq!(json, r#"{"grammar":"npm","text":"1.x || ^2"}"#);
        assert_eq!(serde_json::from_str::<Requirement>(&json).unwrap(), requirement);
        assert!(
            serde_json::from_str::<Requirement>(r#"{"grammar":"cargo","text":"1.x || ^2"}"#)
                .is_err()
        );
        let long = " ".repeat(257);
        assert!(
            Requirement::parse(Grammar::Npm, &long).unwrap_err().reason.contains("at most 256")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]
        #[test]
        fn no_text_panics_and_prereleases_are_admitted_by_name_only(
            text in "\\PC{0,40}|[v0-9.x*^~<>=!|, a-c+-]{0,40}|[\\^~<>=!]{0,2} ?[0-9]{1,20}(\\.[0-9x*]{1,3}){0,3}(-[a-c][0-9]?)?",
            numbers in "[0-3]\\.[0-3]\\.[0-3]", pre in "(-(a|b|rc)\\.[0-9])?",
        ) {
            for grammar in GRAMMARS {
                let Ok(requirement) = Requirement::parse(grammar, &text) else { continue };
                prop_assert_eq!(requirement.text(), text.as_str());
                requirement.is_exact();
                for order in [Order::SemVer, Order::Pep440, Order::Apl] {
                    let version = Version::parse(order, &format!("{numbers}{pre}")).unwrap();
                    let admitted = requirement.admits(&version);
                    let plain = !text.contains(['a', 'b', 'c', '-']);
                    if version.is_prerelease() && plain && !matches!(grammar, Grammar::Ato | Grammar::Apl) {
                        prop_assert!(!admitted, "{:?} {} admits {}", grammar, text, version);
                    }
                }
            }
        }
    }
}
