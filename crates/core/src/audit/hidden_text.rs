//! `hidden-text`: no text shows something else than it is. Characters that reorder text can make
//! code read like other code (CVE-2021-42574); tag characters hide whole sentences. Zero-width
//! characters in contents are left alone: scripts and emoji need them. In paths nothing invisible is.

use rayon::prelude::*;

use super::finding::quote;
use super::text::{is_text, place_of};
use super::{Draft, Facts, Rule, Severity};
use crate::escape::printable;

pub(super) struct HiddenText;

impl Rule for HiddenText {
    fn id(&self) -> &'static str {
        "hidden-text"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "Invisible characters make text look like other text"
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let files: Vec<_> = facts.tree.iter().collect();
        let places: Vec<_> = files.par_iter().map(|(_, file)| first_hidden(&file.bytes)).collect();
        for ((path, file), hidden) in files.into_iter().zip(places) {
            if printable(path.as_str()) != path.as_str() {
                let message = format!(
                    "the path has invisible characters: {}",
                    quote(printable(path.as_str()))
                );
                found.push(self.finding(message).file(path).about("path").help("rename the file"));
            }
            if let Some((offset, c)) = hidden {
                let message =
                    format!("U+{:04X} makes the text look other than it is", u32::from(c));
                let draft = self.finding(message).file(path).at(place_of(&file.bytes, offset));
                found.push(draft.help("remove it, or write it as an escape of the language"));
            }
        }
    }
}

/// The first character in a text that reorders or hides others, and its offset.
fn first_hidden(bytes: &[u8]) -> Option<(usize, char)> {
    // U+202A to U+202E, U+2066 to U+2069 and U+E0020 to U+E007F begin with one of two bytes in
    // UTF-8: anything else is skipped at the speed of memory.
    let mut candidates = memchr::memchr2_iter(0xE2, 0xF3, bytes).peekable();
    candidates.peek()?;
    if !is_text(bytes) {
        return None;
    }
    candidates.find_map(|at| match bytes[at..] {
        [0xE2, 0x80, low @ 0xAA..=0xAE, ..] => {
            Some((at, char::from_u32(0x2000 | u32::from(low & 0x3F))?))
        }
        [0xE2, 0x81, low @ 0xA6..=0xA9, ..] => {
            Some((at, char::from_u32(0x2040 | u32::from(low & 0x3F))?))
        }
        [0xF3, 0xA0, mid @ 0x80..=0x81, low @ 0x80..=0xBF, ..] => {
            // Flags of Scotland, Wales and England are the one use: a black flag, then tags.
            let flag = at
                .checked_sub(4)
                .is_some_and(|from| bytes[from..].starts_with("\u{1F3F4}".as_bytes()));
            let tag =
                at.checked_sub(4).is_some_and(|from| bytes[from..].starts_with(&[0xF3, 0xA0]));
            let code = 0xE0000 | u32::from(mid & 0x3F) << 6 | u32::from(low & 0x3F);
            if flag || tag { None } else { Some((at, char::from_u32(code)?)) }
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reorders_or_hides_is_found() {
        for c in ['\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}', '\u{E0001}', '\u{E0041}'] {
            assert_eq!(first_hidden(format!("“a” {c}").as_bytes()), Some((8, c)), "{c:?}");
        }
    }

    #[test]
    fn ordinary_unicode_is_not() {
        for text in [
            "“quoted” – dash …",
            "👩\u{200d}💻",
            "العربية\u{200f}",
            "🏴\u{E0067}\u{E0062}\u{E007F}",
            "a\0\u{202E}",
        ] {
            assert_eq!(first_hidden(text.as_bytes()), None, "{text:?}");
        }
    }
}
