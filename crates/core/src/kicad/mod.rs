//! KiCad's files, as far as the registry looks into them: what a file is, and which libraries it names.
//!
//! Schematics, footprints and symbol libraries are S-expressions
//! (<https://dev-docs.kicad.org/en/file-formats/sexpr-intro/>).

mod libraries;
mod sexpr;

pub use libraries::{Reference, is_standard, references};
pub use sexpr::{Token, Tokens};

use crate::escape::excerpt;
use crate::manifest::Place;

/// A kind of file, by the end of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `.kicad_sch`.
    Schematic,
    /// `.kicad_mod`.
    Footprint,
    /// `.kicad_sym`.
    Symbols,
}

impl Kind {
    /// The kind of the file at `path`; `None` for other files.
    pub fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        match ending {
            "kicad_sch" => Some(Self::Schematic),
            "kicad_mod" => Some(Self::Footprint),
            "kicad_sym" => Some(Self::Symbols),
            _ => None,
        }
    }

    /// The words that its first form may begin with; KiCad 5 called footprints modules.
    fn words(self) -> &'static [&'static str] {
        match self {
            Self::Schematic => &["kicad_sch"],
            Self::Footprint => &["footprint", "module"],
            Self::Symbols => &["kicad_symbol_lib"],
        }
    }
}

/// Why a file is not of its kind, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HeaderError {
    /// Where.
    pub at: Place,
    /// What was found, and what would be right.
    pub message: String,
}

/// Reads the head of a file, `(kicad_sch (version 20231120) …`, and not further; its version, where
/// it has one. A footprint may have none.
///
/// # Errors
///
/// [`HeaderError`] where something else stands.
pub fn header(kind: Kind, bytes: &[u8]) -> Result<Option<u64>, HeaderError> {
    let mut tokens = Tokens::new(bytes);
    let words = kind.words();
    let mut expect = |wanted: &str, fits: &dyn Fn(&Token) -> bool| {
        let at = tokens.place();
        match tokens.next() {
            Some((_, token)) if fits(&token) => Ok((at, token)),
            Some((at, token)) => {
                let message = format!("{} stands where {wanted} should", shown(&token));
                Err(HeaderError { at, message })
            }
            None => {
                let message = format!("ends where {wanted} should stand");
                Err(HeaderError { at, message })
            }
        }
    };
    let whole = format!("`({}`", words[0]);
    expect(&whole, &|token| *token == Token::Open)?;
    let is_word = |token: &Token| matches!(token, Token::Word(word) if words.iter().any(|w| *word == w.as_bytes()));
    expect(&format!("`{}`", words[0]), &is_word)?;
    if kind == Kind::Footprint {
        expect("the footprint's name", &|token| matches!(token, Token::Word(_) | Token::Text(_)))?;
    }
    expect("`(version …)`", &|token| *token == Token::Open)?;
    let word = expect("`version`", &|token| matches!(token, Token::Word(_)))?;
    if word.1 != Token::Word(b"version") {
        // Old footprints go on with their layer.
        return match kind {
            Kind::Footprint => Ok(None),
            _ => Err(HeaderError {
                at: word.0,
                message: format!("{} stands where `version` should", shown(&word.1)),
            }),
        };
    }
    let (at, number) = expect("a version's number", &|token| matches!(token, Token::Word(_)))?;
    let Token::Word(digits) = number else { return Ok(None) };
    let version = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    let wrong = || HeaderError {
        at,
        message: format!("the version is {}, it should be a number", shown(&Token::Word(digits))),
    };
    version.map(Some).ok_or_else(wrong)
}

fn shown(token: &Token) -> String {
    match token {
        Token::Open => "`(`".to_owned(),
        Token::Close => "`)`".to_owned(),
        Token::Word(text) => format!("`{}`", excerpt(&String::from_utf8_lossy(text), 40)),
        Token::Text(text) => format!("the text `{}`", excerpt(&String::from_utf8_lossy(text), 40)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(path: &str, text: &str) -> String {
        match header(Kind::of(path).unwrap(), text.as_bytes()) {
            Ok(version) => format!("{version:?}"),
            Err(error) => format!("{}:{}: {error}", error.at.line, error.at.column),
        }
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert_eq!(head("a.kicad_sch", "(kicad_sch (version 20231120) (x"), "Some(20231120)");
        assert_eq!(head("a.kicad_sch", "\n( kicad_sch\n\t(version 20250114)"), "Some(20250114)");
        assert_eq!(head("a.kicad_mod", "(footprint \"a b\" (version 1)"), "Some(1)");
        assert_eq!(head("a.kicad_mod", "(module R_0402 (layer F.Cu)"), "None");
        assert_eq!(head("a.kicad_sym", "(kicad_symbol_lib (version 2)"), "Some(2)");
        assert_eq!(Kind::of("a.kicad_pcb"), None);
    }

    #[test]
    fn what_is_something_else_is_refused_with_its_place() {
        let cases = [
            ("a.kicad_sch", "", "1:1: ends where `(kicad_sch` should stand"),
            (
                "a.kicad_sch",
                "EESchema Schematic",
                "1:1: `EESchema` stands where `(kicad_sch` should",
            ),
            (
                "a.kicad_sch",
                "(kicad_pcb (version 1)",
                "1:2: `kicad_pcb` stands where `kicad_sch` should",
            ),
            ("a.kicad_sch", "(kicad_sch\n  (uuid x)", "2:4: `uuid` stands where `version` should"),
            (
                "a.kicad_sch",
                "(kicad_sch (version new)",
                "1:21: the version is `new`, it should be a number",
            ),
            (
                "a.kicad_sch",
                "(kicad_sch (version \"1\")",
                "1:21: the text `1` stands where a version's number should",
            ),
            ("a.kicad_sym", "(kicad_symbol_lib)", "1:18: `)` stands where `(version …)` should"),
            (
                "a.kicad_mod",
                "(footprint (version 1)",
                "1:12: `(` stands where the footprint's name should",
            ),
            ("a.kicad_sch", "\u{1b}[31m", "1:1: `\\u{1b}[31m` stands where `(kicad_sch` should"),
        ];
        for (path, text, expected) in cases {
            assert_eq!(head(path, text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for kind in [Kind::Schematic, Kind::Footprint, Kind::Symbols] {
                let _ = header(kind, &bytes);
            }
            let _ = references(&bytes);
        }
    }
}
