//! Identifiers: what a package is called on every registry of this kind.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::escape::excerpt;

/// The longest owner in bytes, as on GitHub.
pub const OWNER_BYTES: usize = 39;
/// The longest name, and the longest sub, in bytes, as a repository on GitHub.
pub const NAME_BYTES: usize = 100;

/// Parts that routes and views need for themselves: `/v1/package/{id}/releases`, `/v1/package/{id}/-/...`.
const ROUTES: [&str; 2] = ["-", "releases"];

/// `owner/name` or `owner/name/sub`: compared, ordered and hashed by its key (lower case), shown in
/// the spelling that was given.
///
/// A part holds ASCII letters, digits, `_` and `-`; it does not start with `-` and has a letter or
/// a digit. The owner is at most [`OWNER_BYTES`] long, the others [`NAME_BYTES`]. No part is `-`,
/// `releases`, or a device name of Windows (`con`, `nul`, `com1`, ...). There is no dot, so an
/// identifier is safe as it stands in URLs, object keys and paths, and a suffix such as `.json` or
/// an ecosystem's `owner.name` folder can never be mistaken for a part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identifier {
    key: String,
    spelling: String,
}

/// Why a text is no identifier. Texts are made printable and cut to a sensible length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// One part only.
    #[error("`{0}` has no owner: write `owner/name`, for example `acme/sensor`")]
    NoOwner(String),
    /// More than three parts.
    #[error(
        "`{0}` has more than three parts, the fourth from byte {1}: write `owner/name` or `owner/name/sub`"
    )]
    TooManyParts(String, usize),
    /// Nothing before, between or after slashes.
    #[error(
        "`{0}` has an empty part at byte {1}: write `owner/name` or `owner/name/sub`, with no slash around it"
    )]
    EmptyPart(String, usize),
    /// A character that is not allowed at this place.
    #[error(
        "`{0}` has {1:?} at byte {2}: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`"
    )]
    Character(String, char, usize),
    /// A part of `_` and `-` only.
    #[error("`{0}` has neither a letter nor a digit in `{1}` at byte {2}: add one")]
    NoWord(String, String, usize),
    /// A part that is too long.
    #[error("`{0}` has a part of {1} bytes at byte {2}: at most {3} are allowed there, shorten it")]
    TooLong(String, usize, usize, usize),
    /// A part that routes or operating systems need for themselves.
    #[error("`{0}` has the reserved part `{1}` at byte {2}: {3}, choose another name")]
    Reserved(String, String, usize, &'static str),
}

impl Identifier {
    /// An identifier from an owner and the rest, `name` or `name/sub`.
    ///
    /// # Errors
    ///
    /// As of parsing `owner/rest`.
    pub fn new(owner: &str, rest: &str) -> Result<Self, IdentifierError> {
        format!("{owner}/{rest}").parse()
    }
    /// The lower-case form by which identifiers are compared; safe in URLs, object keys and paths.
    pub fn key(&self) -> &str {
        &self.key
    }
    /// The owner's part, as spelled.
    pub fn owner(&self) -> &str {
        self.spelling.split('/').next().unwrap_or(&self.spelling)
    }
    /// The owner's part of the key: lower case.
    pub fn owner_key(&self) -> &str {
        self.key.split('/').next().unwrap_or(&self.key)
    }
    /// The last part, as spelled.
    pub fn name(&self) -> &str {
        self.spelling.rsplit('/').next().unwrap_or(&self.spelling)
    }
    /// All but the owner, as spelled: `name` or `name/sub`.
    pub fn rest(&self) -> &str {
        self.spelling.split_once('/').map_or("", |(_, rest)| rest)
    }
    /// The two or three parts, as spelled.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.spelling.split('/')
    }
    /// The key as one file name, `owner-name` or `owner-name-sub`. Several identifiers can share it
    /// (`a-b/c` and `a/b-c`), so it is for people and never the only thing that tells files apart.
    pub fn file_stem(&self) -> String {
        self.key.replace('/', "-")
    }
    /// The form that look-alikes share.
    pub fn skeleton(&self) -> String {
        skeleton(&self.key)
    }
}

/// The form that look-alike names share: two names that a hurried reader takes for one another have
/// equal skeletons. It is only compared, never shown.
///
/// | seen | folded to |
/// |---|---|
/// | upper and lower case | lower case |
/// | `-`, `_`, `.`, space | nothing |
/// | `0` `o` | `o` |
/// | `1` `l` `i` | `l` |
/// | `rn` `m` | `m` |
/// | `vv` `w` | `w` |
///
/// Parts stay apart: nothing is folded across `/`. The table is conservative on purpose (`5`/`s`,
/// `cl`/`d`, plurals are not in it): whoever shares a skeleton with a taken name is refused.
pub fn skeleton(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().flat_map(char::to_lowercase) {
        let c = match c {
            '-' | '_' | '.' | ' ' => continue,
            '0' => 'o',
            '1' | 'i' => 'l',
            c => c,
        };
        match (out.chars().next_back(), c) {
            (Some('r'), 'n') => replace_last(&mut out, 'm'),
            (Some('v'), 'v') => replace_last(&mut out, 'w'),
            _ => out.push(c),
        }
    }
    out
}

fn replace_last(text: &mut String, c: char) {
    text.pop();
    text.push(c);
}

/// Whether Windows keeps `part` (lower case) for a device, whatever the folder.
fn is_device(part: &str) -> bool {
    matches!(part, "con" | "prn" | "aux" | "nul")
        || part
            .strip_prefix("com")
            .or_else(|| part.strip_prefix("lpt"))
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()))
}

/// `text` as an error shows it: printable, and no longer than an identifier can be.
fn shown(text: &str) -> String {
    excerpt(text, OWNER_BYTES + 2 * NAME_BYTES + 2)
}

/// Checks one part, which starts at byte `at` of `text`.
fn check_part(
    text: &str,
    part: &str,
    at: usize,
    limit_bytes: usize,
) -> Result<(), IdentifierError> {
    if part.is_empty() {
        return Err(IdentifierError::EmptyPart(shown(text), at));
    }
    let key = part.to_ascii_lowercase();
    if ROUTES.contains(&key.as_str()) {
        return Err(IdentifierError::Reserved(
            shown(text),
            key,
            at,
            "the registry's own addresses use it",
        ));
    }
    let wrong =
        |(i, c): &(usize, char)| !(c.is_ascii_alphanumeric() || *c == '_' || (*c == '-' && *i > 0));
    if let Some((i, c)) = part.char_indices().find(wrong) {
        return Err(IdentifierError::Character(shown(text), c, at + i));
    }
    if part.len() > limit_bytes {
        return Err(IdentifierError::TooLong(shown(text), part.len(), at, limit_bytes));
    }
    if !part.bytes().any(|b| b.is_ascii_alphanumeric()) {
        return Err(IdentifierError::NoWord(shown(text), part.to_owned(), at));
    }
    if is_device(&key) {
        return Err(IdentifierError::Reserved(
            shown(text),
            key,
            at,
            "Windows keeps it for a device",
        ));
    }
    Ok(())
}

impl FromStr for Identifier {
    type Err = IdentifierError;
    fn from_str(text: &str) -> Result<Self, IdentifierError> {
        let (mut at, mut count) = (0, 0);
        for part in text.split('/') {
            if count == 3 {
                return Err(IdentifierError::TooManyParts(shown(text), at));
            }
            check_part(text, part, at, if count == 0 { OWNER_BYTES } else { NAME_BYTES })?;
            at += part.len() + 1;
            count += 1;
        }
        if count == 1 {
            return Err(IdentifierError::NoOwner(shown(text)));
        }
        Ok(Self { key: text.to_ascii_lowercase(), spelling: text.to_owned() })
    }
}
impl TryFrom<String> for Identifier {
    type Error = IdentifierError;
    fn try_from(text: String) -> Result<Self, IdentifierError> {
        text.parse()
    }
}
impl From<Identifier> for String {
    fn from(id: Identifier) -> Self {
        id.spelling
    }
}
impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.spelling)
    }
}
impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Identifier {}
impl PartialOrd for Identifier {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Identifier {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}
impl std::hash::Hash for Identifier {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> Identifier {
        text.parse().unwrap()
    }

    #[test]
    fn case_is_shown_and_not_compared() {
        let (a, b) = (id("Dyalog/Conga"), id("dyalog/conga"));
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "Dyalog/Conga");
        assert_eq!(a.key(), "dyalog/conga");
        assert_eq!(
            (a.owner(), a.owner_key(), a.name(), a.rest()),
            ("Dyalog", "dyalog", "Conga", "Conga")
        );
        let sub = id("acme/kit/3V3_rail-");
        assert_eq!(
            (sub.name(), sub.rest(), sub.file_stem().as_str()),
            ("3V3_rail-", "kit/3V3_rail-", "acme-kit-3v3_rail-")
        );
        assert_eq!(sub.parts().collect::<Vec<_>>(), ["acme", "kit", "3V3_rail-"]);
    }

    #[test]
    fn errors_name_the_byte_and_the_fix() {
        let long = format!("acme/{}", "x".repeat(101));
        let table: String = [
            "",
            "acme",
            "acme/",
            "/x",
            "a/b/c/d",
            "a//b",
            "acme/sen sor",
            "acme/-x",
            "acme/-",
            "acme/x.y",
            "acme/..",
            "ünit/x",
            "acme/Releases",
            "Con/x",
            "acme/lpt1",
            "acme/__",
            "acme/\u{202e}x",
            &long,
        ]
        .iter()
        .map(|text| {
            format!("{}\n", text.parse::<Identifier>().unwrap_err())
                .replace(&"x".repeat(101), "(x 101 times)")
        })
        .collect();
        insta::assert_snapshot!(table, @r"
        `` has an empty part at byte 0: write `owner/name` or `owner/name/sub`, with no slash around it
        `acme` has no owner: write `owner/name`, for example `acme/sensor`
        `acme/` has an empty part at byte 5: write `owner/name` or `owner/name/sub`, with no slash around it
        `/x` has an empty part at byte 0: write `owner/name` or `owner/name/sub`, with no slash around it
        `a/b/c/d` has more than three parts, the fourth from byte 6: write `owner/name` or `owner/name/sub`
        `a//b` has an empty part at byte 2: write `owner/name` or `owner/name/sub`, with no slash around it
        `acme/sen sor` has ' ' at byte 8: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`
        `acme/-x` has '-' at byte 5: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`
        `acme/-` has the reserved part `-` at byte 5: the registry's own addresses use it, choose another name
        `acme/x.y` has '.' at byte 6: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`
        `acme/..` has '.' at byte 5: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`
        `ünit/x` has 'ü' at byte 0: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`
        `acme/Releases` has the reserved part `releases` at byte 5: the registry's own addresses use it, choose another name
        `Con/x` has the reserved part `con` at byte 0: Windows keeps it for a device, choose another name
        `acme/lpt1` has the reserved part `lpt1` at byte 5: Windows keeps it for a device, choose another name
        `acme/__` has neither a letter nor a digit in `__` at byte 5: add one
        `acme/\u{202e}x` has '\u{202e}' at byte 5: allowed are a-z, A-Z, 0-9, `_` and `-`, and a part does not start with `-`
        `acme/(x 101 times)` has a part of 101 bytes at byte 5: at most 100 are allowed there, shorten it
        ");
        assert!(id("acme/console").key() == "acme/console" && id("acme/com10").name() == "com10");
    }

    #[test]
    fn look_alikes_share_a_skeleton() {
        for (a, b) in [
            ("acme/sensor", "acme/sens0r"),
            ("acme/sensor", "ACME/Sen-sor"),
            ("acme/led_driver", "acme/1ed-drlver"),
            ("acme/modem", "acme/rnodern"),
            ("acme/wave", "acme/vvave"),
            ("a/b_c", "a/bc"),
        ] {
            assert_eq!(id(a).skeleton(), id(b).skeleton(), "{a} {b}");
        }
        for (a, b) in [
            ("acme/sensor", "acme/sensors"),
            ("ab/c", "a/bc"),
            ("acme/s5", "acme/ss"),
            ("ar/nx", "a/mx"),
        ] {
            assert_ne!(id(a).skeleton(), id(b).skeleton(), "{a} {b}");
        }
    }

    #[test]
    fn json_holds_the_spelling_and_is_checked() {
        assert_eq!(serde_json::to_string(&id("Acme/X")).unwrap(), "\"Acme/X\"");
        assert_eq!(serde_json::from_str::<Identifier>("\"Acme/X\"").unwrap(), id("acme/x"));
        assert!(serde_json::from_str::<Identifier>("\"acme\"").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_shown_as_it_was(text in "\\PC*|[a-zA-Z0-9_./-]{0,20}/[a-zA-Z0-9_./\u{0}\\\\-]{0,120}") {
            if let Ok(id) = text.parse::<Identifier>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn a_key_is_lower_case_and_safe_as_a_path(text in "[a-zA-Z0-9_-]{1,8}(/[a-zA-Z0-9_-]{1,8}){1,2}") {
            if let Ok(id) = text.parse::<Identifier>() {
                prop_assert_eq!(id.key(), id.key().to_lowercase());
                prop_assert_eq!(id.key().parse::<Identifier>().unwrap(), id.clone());
                for part in id.key().split('/') {
                    prop_assert!(!part.is_empty() && !part.contains(['.', '\\', ':']) && !part.starts_with('-'));
                }
            }
        }

        #[test]
        fn a_skeleton_is_its_own_skeleton(text in "\\PC{0,40}|[a-z01_/-]{0,40}|[rnmvw]{0,12}") {
            let once = skeleton(&text);
            prop_assert_eq!(skeleton(&once), once);
        }
    }
}
