//! Versions: a text and the order it is compared by.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::apl::AplVersion;
use crate::escape::{excerpt, printable};
use crate::identifier::Identifier;

/// The longest version in bytes.
pub const VERSION_BYTES: usize = 128;

/// The order by which a format compares versions.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Semantic Versioning 2.0.0.
    SemVer,
    /// Python's PEP 440.
    Pep440,
    /// APL's: three numbers, prereleases in the order of their characters.
    Apl,
}

impl Order {
    /// What readers call it: `semantic`, `PEP 440` or `valid APL`.
    pub fn label(self) -> &'static str {
        match self {
            Order::SemVer => "semantic",
            Order::Pep440 => "PEP 440",
            Order::Apl => "valid APL",
        }
    }
}

/// A version as its publisher wrote it. Two versions are equal when their orders and keys are: build
/// metadata (PEP 440: the local version) is kept in [`Version::text`] and is no part of the key; in
/// PEP 440 `1.0` and `1.0.0` are one.
///
/// Within an order, `<` is the order's precedence. Across orders, which meet within one package only
/// where it changed its format, all semantic versions are below all of PEP 440, and those below all of
/// APL's: arbitrary, but total.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Version {
    text: String,
    key: String,
    parsed: Parsed,
}

/// A version read by its order's rules.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    SemVer(semver::Version),
    Pep440(pep440_rs::Version),
    Apl(AplVersion),
}

/// A version in JSON.
#[derive(Serialize, Deserialize)]
struct Wire {
    order: Order,
    text: String,
}

/// Why a text is no version of an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {order} version: {reason}")]
pub struct VersionError {
    /// What was found, made printable.
    pub text: String,
    /// The order that was asked for, for example `semantic`.
    pub order: &'static str,
    /// What would be right.
    pub reason: String,
}

impl VersionError {
    fn new(order: Order, text: &str, reason: impl Into<String>) -> Self {
        Self { text: excerpt(text, VERSION_BYTES), order: order.label(), reason: reason.into() }
    }
}

impl Version {
    /// Parses `text` (1 to [`VERSION_BYTES`] bytes) in `order`. A leading `v` is refused: it belongs
    /// to tags, which [`Version::from_tag`] reads.
    ///
    /// # Errors
    ///
    /// [`VersionError`] with what would be right.
    pub fn parse(order: Order, text: &str) -> Result<Self, VersionError> {
        let wrong = |reason: String| VersionError::new(order, text, reason);
        if text.is_empty() {
            return Err(wrong(format!("it is empty, write for example `{EXAMPLE}`")));
        }
        if text.len() > VERSION_BYTES {
            return Err(wrong(format!(
                "it has {} bytes, at most {VERSION_BYTES} are allowed",
                text.len()
            )));
        }
        if let Some(rest) = text.strip_prefix(['v', 'V']) {
            return Err(wrong(format!(
                "the `{}` belongs to the tag, write `{}`",
                &text[..1],
                printable(rest)
            )));
        }
        if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii_graphic()) {
            return Err(wrong(format!("it has {c:?} at byte {at}, remove it")));
        }
        let (key, parsed) = match order {
            Order::SemVer => {
                let version =
                    semver::Version::parse(text).map_err(|e| wrong(semver_reason(text, &e)))?;
                let key = text.split('+').next().unwrap_or(text).to_owned();
                (key, Parsed::SemVer(version))
            }
            Order::Pep440 => {
                let version = pep440_rs::Version::from_str(text).map_err(|e| {
                    wrong(format!("{e}; write for example `1.2.3`, `1.2rc1` or `1.2.post1`"))
                })?;
                (pep440_key(&version), Parsed::Pep440(version))
            }
            Order::Apl => {
                let version = AplVersion::parse(text).map_err(wrong)?;
                (version.to_string(), Parsed::Apl(version))
            }
        };
        Ok(Self { text: text.to_owned(), key, parsed })
    }

    /// Reads the version that a git tag names: `v1.2.3` or `1.2.3`, alone or after one of the
    /// package's names and `-`, `@` or `/` (`sensor-v1.2.3`, `sensor@1.2.3`, `sensor/v1.2.3`).
    ///
    /// `name` is what stands behind the owner. Of `kit/sub`, the tag may name `sub`, `kit-sub` or
    /// `kit/sub`. Names are compared without case and without a difference between `-`, `_` and `.`.
    ///
    /// # Errors
    ///
    /// [`VersionError`] that lists the accepted forms.
    pub fn from_tag(order: Order, tag: &str, name: &str) -> Result<Self, VersionError> {
        let bare = |text: &str| Self::parse(order, text.strip_prefix('v').unwrap_or(text));
        if let Ok(version) = bare(tag) {
            return Ok(version);
        }
        let last = name.rsplit('/').next().unwrap_or(name);
        for prefix in [name, &name.replace('/', "-"), last] {
            let found = strip_name(tag, prefix).and_then(|rest| bare(rest).ok());
            if let Some(version) = found {
                return Ok(version);
            }
        }
        let (v, last) = (EXAMPLE, printable(last));
        Err(VersionError::new(
            order,
            tag,
            format!("a tag is `v{v}`, `{v}`, `{last}-v{v}`, `{last}@{v}` or `{last}/v{v}`"),
        ))
    }

    /// The order.
    pub fn order(&self) -> Order {
        match self.parsed {
            Parsed::SemVer(_) => Order::SemVer,
            Parsed::Pep440(_) => Order::Pep440,
            Parsed::Apl(_) => Order::Apl,
        }
    }
    /// As the publisher wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }
    /// The canonical text: what makes two versions one. ASCII letters, digits, `.`, `-` and, for an
    /// epoch of PEP 440, `!`; a digit first, so it is safe in URLs, object keys and file names. Keys
    /// of semantic versions and of APL's can differ in case alone (`1.0.0-RC`, `1.0.0-rc`).
    pub fn key(&self) -> &str {
        &self.key
    }
    /// Whether it is a prerelease (SemVer, APL: has one; PEP 440: a, b, rc or dev).
    pub fn is_prerelease(&self) -> bool {
        match &self.parsed {
            Parsed::SemVer(version) => !version.pre.is_empty(),
            Parsed::Pep440(version) => version.any_prerelease(),
            Parsed::Apl(version) => !version.pre.is_empty(),
        }
    }
    /// What a new project would rather have: any stable version before a prerelease, then the higher one.
    pub fn preference(&self) -> (bool, &Self) {
        (!self.is_prerelease(), self)
    }
    /// What stands behind `+`: build metadata, or the local version of PEP 440.
    pub fn build(&self) -> Option<&str> {
        self.text.split_once('+').map(|(_, build)| build)
    }
    /// The version, read by its order's rules.
    pub(crate) fn parsed(&self) -> &Parsed {
        &self.parsed
    }
}

/// Whether a git tag names `version` of `identifier`, compared by key: `v1.0` names `1.0.0` where
/// the order says that they are one. The forms are those of [`Version::from_tag`].
pub fn tag_names_version(tag: &str, identifier: &Identifier, version: &Version) -> bool {
    Version::from_tag(version.order(), tag, identifier.rest()).is_ok_and(|named| named == *version)
}

/// What follows `name` and one separator in `tag`.
fn strip_name<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let fold = |b: u8| if matches!(b, b'_' | b'.') { b'-' } else { b.to_ascii_lowercase() };
    let (head, rest) = tag.split_at_checked(name.len())?;
    let same = head.bytes().map(fold).eq(name.bytes().map(fold));
    if same && !name.is_empty() { rest.strip_prefix(['-', '@', '/']) } else { None }
}

/// A version in every order, for errors.
const EXAMPLE: &str = "1.2.3";

/// What is wrong with a text that is no semantic version, with the commonest slips named.
fn semver_reason(text: &str, error: &semver::Error) -> String {
    let numbers = text.split('.').collect::<Vec<_>>();
    let plain = numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    match numbers.len() {
        1 | 2 if plain => {
            format!("it needs three numbers, write `{text}{}`", &".0.0"[..2 * (3 - numbers.len())])
        }
        4.. if plain => "it has more than three numbers, write for example `1.2.3`".to_owned(),
        _ => format!("{error}; write for example `1.2.3` or `1.2.3-rc.1`"),
    }
}

/// PEP 440's normal form without trailing zeros of the release and without the local version.
fn pep440_key(version: &pep440_rs::Version) -> String {
    let release = version.release();
    let kept = release.iter().rposition(|&n| n != 0).map_or(1, |last| last + 1);
    version.clone().without_local().with_release(release.iter().take(kept).copied()).to_string()
}

impl TryFrom<Wire> for Version {
    type Error = VersionError;
    fn try_from(wire: Wire) -> Result<Self, VersionError> {
        Self::parse(wire.order, &wire.text)
    }
}
impl From<Version> for Wire {
    fn from(version: Version) -> Self {
        Self { order: version.order(), text: version.text }
    }
}
impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order() && self.key == other.key
    }
}
impl Eq for Version {}
impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let precedence = match (&self.parsed, &other.parsed) {
            (Parsed::SemVer(a), Parsed::SemVer(b)) => a.cmp_precedence(b),
            (Parsed::Pep440(a), Parsed::Pep440(b)) if !a.is_local() && !b.is_local() => a.cmp(b),
            (Parsed::Pep440(a), Parsed::Pep440(b)) => {
                a.clone().without_local().cmp(&b.clone().without_local())
            }
            (Parsed::Apl(a), Parsed::Apl(b)) => a.cmp(b),
            _ => self.order().cmp(&other.order()),
        };
        // pep440_rs takes a missing number for the largest one, so two keys can tie.
        precedence.then_with(|| self.key.cmp(&other.key))
    }
}
impl Hash for Version {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.order().hash(state);
        self.key.hash(state);
    }
}
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sem(text: &str) -> Version {
        Version::parse(Order::SemVer, text).unwrap()
    }
    fn pep(text: &str) -> Version {
        Version::parse(Order::Pep440, text).unwrap()
    }

    #[test]
    fn semantic_versions_are_ordered_by_precedence() {
        let rising = [
            "0.9.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1",
        ];
        assert!(rising.windows(2).all(|pair| sem(pair[0]) < sem(pair[1])));
        assert_eq!(sem("1.0.0+a"), sem("1.0.0+b"));
        assert_eq!(
            (sem("1.0.0+a").key(), sem("1.0.0+a").text(), sem("1.0.0+a-b").build()),
            ("1.0.0", "1.0.0+a", Some("a-b"))
        );
        assert_eq!(sem("1.0.0-rc.1+5").key(), "1.0.0-rc.1");
        assert!(sem("1.0.0-rc.1").is_prerelease() && !sem("1.0.0+rc.1").is_prerelease());
        assert_ne!(sem("1.0.0-RC"), sem("1.0.0-rc"));
    }

    #[test]
    fn apl_orders_prereleases_by_their_characters() {
        let apl = |text: &str| Version::parse(Order::Apl, text).unwrap();
        let rising =
            ["0.9.10", "1.0.0-a", "1.0.0-rc.1", "1.0.0-rc.10", "1.0.0-rc.2", "1.0.0", "1.0.1-x"];
        assert!(rising.windows(2).all(|pair| apl(pair[0]) < apl(pair[1])));
        assert_eq!((apl("01.02.3-rc.1+b").key(), apl("1.0.0+a-b")), ("1.2.3-rc.1", apl("1.0.0")));
        assert!(apl("1.0.0-01").is_prerelease() && pep("9.0") < apl("1.0.0"));
    }

    #[test]
    fn pep_440_spellings_of_one_version_share_a_key() {
        for (text, key) in [
            ("1.0", "1"),
            ("1.0.0", "1"),
            ("0.0", "0"),
            ("1.10", "1.10"),
            ("1.0RC1", "1rc1"),
            ("1.0-c.1", "1rc1"),
            ("1.0a", "1a0"),
            ("1.0-1", "1.post1"),
            ("1.0.post", "1.post0"),
            ("1.0.dev", "1.dev0"),
            ("2!1.0.0", "2!1"),
            ("0!1.2", "1.2"),
            ("1.2+cu118", "1.2"),
            ("1.2.0b2.post3.dev4+L.1", "1.2b2.post3.dev4"),
            ("01.02", "1.2"),
        ] {
            assert_eq!(pep(text).key(), key, "{text}");
            assert_eq!(pep(text), pep(key), "{text}");
            assert_eq!(pep(text).cmp(&pep(key)), Ordering::Equal, "{text}");
        }
        let rising = [
            "1.dev1", "1a1", "1b1.dev2", "1b1", "1rc1", "1", "1.post1", "1.0.1", "1.1", "1.10",
            "1!0.1",
        ];
        assert!(rising.windows(2).all(|pair| pep(pair[0]) < pep(pair[1])));
        assert!(
            pep("1.dev1").is_prerelease()
                && pep("1b1").is_prerelease()
                && !pep("1.post1").is_prerelease()
        );
        assert!(sem("9.0.0") < pep("1.0"));
    }

    #[test]
    fn errors_say_what_would_be_right() {
        let table: String = [
            (Order::SemVer, ""),
            (Order::SemVer, "v1.2.3"),
            (Order::SemVer, "1"),
            (Order::SemVer, "1.2"),
            (Order::SemVer, "1.2.3.4"),
            (Order::SemVer, "01.2.3"),
            (Order::SemVer, "1.2.3-"),
            (Order::SemVer, "1.2.x"),
            (Order::SemVer, " 1.2.3"),
            (Order::SemVer, "1.2.99999999999999999999"),
            (Order::SemVer, "1.2.3\u{202e}"),
            (Order::Apl, "1.2"),
            (Order::Apl, "1.2.3-rc_1"),
            (Order::Apl, "1.2.3+a.b"),
            (Order::Apl, "1..3"),
            (Order::Pep440, "v1.0"),
            (Order::Pep440, "1.0-final"),
            (Order::Pep440, "abc"),
            (Order::Pep440, "1.99999999999999999999"),
            (Order::Pep440, "1.0 "),
        ]
        .iter()
        .map(|(order, text)| format!("{}\n", Version::parse(*order, text).unwrap_err()))
        .collect();
        insta::assert_snapshot!(table, @r#"
        `` is not a semantic version: it is empty, write for example `1.2.3`
        `v1.2.3` is not a semantic version: the `v` belongs to the tag, write `1.2.3`
        `1` is not a semantic version: it needs three numbers, write `1.0.0`
        `1.2` is not a semantic version: it needs three numbers, write `1.2.0`
        `1.2.3.4` is not a semantic version: it has more than three numbers, write for example `1.2.3`
        `01.2.3` is not a semantic version: invalid leading zero in major version number; write for example `1.2.3` or `1.2.3-rc.1`
        `1.2.3-` is not a semantic version: empty identifier segment in pre-release identifier; write for example `1.2.3` or `1.2.3-rc.1`
        `1.2.x` is not a semantic version: unexpected character 'x' while parsing patch version number; write for example `1.2.3` or `1.2.3-rc.1`
        ` 1.2.3` is not a semantic version: it has ' ' at byte 0, remove it
        `1.2.99999999999999999999` is not a semantic version: value of patch version number exceeds u64::MAX; write for example `1.2.3` or `1.2.3-rc.1`
        `1.2.3\u{202e}` is not a semantic version: it has '\u{202e}' at byte 5, remove it
        `1.2` is not a valid APL version: it needs three numbers and has 2; write for example `1.2.3` or `1.2.3-rc.1`
        `1.2.3-rc_1` is not a valid APL version: behind `-` stand words of letters, digits and `-`, parted by dots; write for example `1.2.3` or `1.2.3-rc.1`
        `1.2.3+a.b` is not a valid APL version: behind `+` stands one word of letters, digits and `-`; write for example `1.2.3` or `1.2.3-rc.1`
        `1..3` is not a valid APL version: `` is no number; write for example `1.2.3` or `1.2.3-rc.1`
        `v1.0` is not a PEP 440 version: the `v` belongs to the tag, write `1.0`
        `1.0-final` is not a PEP 440 version: after parsing `1.0`, found `-final`, which is not part of a valid version; write for example `1.2.3`, `1.2rc1` or `1.2.post1`
        `abc` is not a PEP 440 version: expected version to start with a number, but no leading ASCII digits were found; write for example `1.2.3`, `1.2rc1` or `1.2.post1`
        `1.99999999999999999999` is not a PEP 440 version: expected number less than or equal to 18446744073709551615, but number found in "99999999999999999999" exceeds it; write for example `1.2.3`, `1.2rc1` or `1.2.post1`
        `1.0 ` is not a PEP 440 version: it has ' ' at byte 3, remove it
        "#);
        let long = format!("1.2.3-{}", "a".repeat(200));
        assert!(
            Version::parse(Order::SemVer, &long)
                .unwrap_err()
                .to_string()
                .ends_with("it has 206 bytes, at most 128 are allowed")
        );
    }

    #[test]
    fn a_tag_names_a_version() {
        let id = |text: &str| text.parse::<Identifier>().unwrap();
        let named =
            |tag: &str, to: &str, version: &Version| tag_names_version(tag, &id(to), version);
        for tag in [
            "v1.2.3",
            "1.2.3",
            "sensor-v1.2.3",
            "sensor-1.2.3",
            "sensor@1.2.3",
            "sensor@v1.2.3",
            "sensor/v1.2.3",
            "Sensor-v1.2.3",
            "v1.2.3+5",
        ] {
            assert!(named(tag, "acme/sensor", &sem("1.2.3")), "{tag}");
        }
        for tag in [
            "vv1.2.3",
            "V1.2.3",
            "v1.2",
            "v1.2.4",
            "v1.2.3-rc.1",
            "sensors-v1.2.3",
            "sensorv1.2.3",
            "other@1.2.3",
            "acme/sensor@1.2.3",
            "sensor--v1.2.3",
            "-v1.2.3",
            "release",
            "",
            "v",
            "sensor-",
            "refs/tags/v1.2.3",
        ] {
            assert!(!named(tag, "acme/sensor", &sem("1.2.3")), "{tag}");
        }
        for tag in ["sub-v1.0.0", "kit-sub@1.0.0", "kit/sub/v1.0.0", "v1.0.0"] {
            assert!(named(tag, "acme/kit/sub", &sem("1.0.0")), "{tag}");
        }
        assert!(!named("kit-v1.0.0", "acme/kit/sub", &sem("1.0.0")));
        assert!(named("v1.0", "acme/pbg-x", &pep("1.0.0")));
        assert!(named("pbg_x-1.0rc1", "acme/pbg-x", &pep("1.0.0-rc.1")));
        insta::assert_snapshot!(Version::from_tag(Order::SemVer, "release-7", "kit/sub").unwrap_err(), @r"
        `release-7` is not a semantic version: a tag is `v1.2.3`, `1.2.3`, `sub-v1.2.3`, `sub@1.2.3` or `sub/v1.2.3`
        ");
    }

    #[test]
    fn json_holds_order_and_text_and_is_checked() {
        let json = serde_json::to_string(&pep("1.0+x")).unwrap();
        assert_eq!(json, r#"{"order":"pep440","text":"1.0+x"}"#);
        assert_eq!(serde_json::from_str::<Version>(&json).unwrap().text(), "1.0+x");
        assert!(serde_json::from_str::<Version>(r#"{"order":"semver","text":"1.0"}"#).is_err());
    }

    fn any_version() -> impl Strategy<Value = Version> {
        let sem = "[0-9]{1,2}\\.[0-2]\\.[0-2](-(a|b|rc|[0-9]|a-[0-9])(\\.[0-9]{1,2})?)?(\\+[a-z0-9]{1,3})?";
        let pep = "([0-1]!)?[0-2](\\.[0-2]){0,3}(a|b|rc)?[0-2]?(\\.post[0-2]?)?(\\.dev[0-9]?)?(\\+[a-z0-9]{1,3})?";
        prop_oneof![
            sem.prop_filter_map("semantic", |text| Version::parse(Order::SemVer, &text).ok()),
            pep.prop_filter_map("PEP 440", |text| Version::parse(Order::Pep440, &text).ok()),
        ]
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_kept(text in "\\PC{0,60}|[0-9.a-z+!*-]{0,140}", pep440 in any::<bool>()) {
            let order = if pep440 { Order::Pep440 } else { Order::SemVer };
            if let Ok(version) = Version::parse(order, &text) {
                prop_assert_eq!(version.text(), text.as_str());
                prop_assert_eq!(Version::parse(order, version.key()).unwrap(), version.clone());
                prop_assert!(version.key().starts_with(|c: char| c.is_ascii_digit()));
                prop_assert!(version.key().bytes().all(|b| b.is_ascii_alphanumeric() || b".-!".contains(&b)));
            }
            let _ = Version::from_tag(order, &text, "x");
        }

        #[test]
        fn the_order_is_total_and_agrees_with_equality(a in any_version(), b in any_version(), c in any_version()) {
            prop_assert_eq!(a == b, a.cmp(&b) == Ordering::Equal);
            prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
            if a <= b && b <= c { prop_assert!(a <= c); }
        }
    }
}
