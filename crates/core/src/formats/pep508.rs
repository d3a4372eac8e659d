//! A dependency of `pyproject.toml` (PEP 508) as a target, a requirement and a condition.
//!
//! Names, extras, addresses and markers are read here, in one pass and without recursion; specifiers
//! by [`Requirement`]. The usual library is not for text from strangers: it panics on names that end
//! in `-`, fills in environment variables, and keeps what it reads of markers for the life of the
//! process.

use super::pyproject::normalised;
use super::value::shown;
use crate::manifest::{NativeName, Target};
use crate::requirement::{Grammar, Requirement};

/// The longest dependency text in bytes.
const TEXT_BYTES: usize = 1024;

/// What a dependency's text says.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) target: Target,
    pub(super) requirement: Option<Requirement>,
    pub(super) condition: Option<String>,
}

/// Reads `name[extra] >=1.0; marker` and `name @ address ; marker`.
pub(super) fn parse(text: &str) -> Result<Parsed, String> {
    if text.len() > TEXT_BYTES {
        return Err(format!("has {} bytes, a dependency has at most {TEXT_BYTES}", text.len()));
    }
    let (head, marker) = split_marker(text);
    let (target, requirement) =
        read_head(head).map_err(|why| format!("`{}` is no dependency: {why}", shown(text)))?;
    let condition = match marker {
        Some(marker) => check_marker(marker).map(|()| Some(marker.to_owned()))?,
        None => None,
    };
    Ok(Parsed { target, requirement, condition })
}

/// What stands before the marker.
fn read_head(head: &str) -> Result<(Target, Option<Requirement>), String> {
    let end = head.find(|c: char| !is_name(c)).unwrap_or(head.len());
    let (name, rest) = head.split_at(end);
    if name.is_empty() || rest.starts_with([':', '/', '\\']) {
        return Err(
            "it does not start with a name; write `name @ address` for an address".to_owned()
        );
    }
    let name = NativeName { ecosystem: "python".to_owned(), name: normalised(name)? };
    let rest = skip_extras(rest.trim_start())?;
    if let Some(url) = rest.strip_prefix('@') {
        let url = url.trim();
        if url.is_empty() || url.contains(char::is_whitespace) {
            return Err("no address follows the `@`".to_owned());
        }
        return Ok((address(url), None));
    }
    let specifiers = match rest.strip_prefix('(') {
        Some(inner) => inner.strip_suffix(')').ok_or("a `)` is missing")?.trim(),
        None => rest,
    };
    if specifiers.is_empty() {
        return Ok((Target::Native(name), None));
    }
    if !specifiers.starts_with(['=', '<', '>', '!', '~']) {
        return Err(format!("`{}` does not belong after the name", shown(specifiers)));
    }
    let requirement = Requirement::parse(Grammar::Pep508, specifiers).map_err(|e| e.to_string())?;
    Ok((Target::Native(name), Some(requirement)))
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// What follows `[extra, extra]`. Which extras are asked for stays in the manifest's original.
fn skip_extras(text: &str) -> Result<&str, String> {
    let Some(inner) = text.strip_prefix('[') else { return Ok(text) };
    let (extras, rest) = inner.split_once(']').ok_or("a `]` is missing")?;
    let mut names = extras.split(',').map(str::trim);
    match names.find(|name| !extras.trim().is_empty() && normalised(name).is_err()) {
        Some(name) => Err(format!("`{}` is no extra", shown(name))),
        None => Ok(rest.trim_start()),
    }
}

/// The text before the `;` of the marker, and the marker. In an address, a `;` counts after a blank.
fn split_marker(text: &str) -> (&str, Option<&str>) {
    let cut = match text.split_once(';') {
        Some((head, _)) if head.contains('@') => text.find(" ;").map(|i| i + 1),
        Some((head, _)) => Some(head.len()),
        None => None,
    };
    match cut {
        Some(at) => (text[..at].trim(), Some(text[at + 1..].trim())),
        None => (text.trim(), None),
    }
}

/// `git+https://host/x.git@ref#subdirectory=path`, a `file:` address, or any other.
fn address(text: &str) -> Target {
    if let Some(path) = text.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path).to_owned();
        return Target::File { path, identifier: None };
    }
    let Some(git) = text.strip_prefix("git+") else { return Target::Url { url: text.to_owned() } };
    let (address, fragment) = git.split_once('#').unwrap_or((git, ""));
    let path = fragment.split('&').find_map(|part| part.strip_prefix("subdirectory="));
    // An `@` in the host's part belongs to a user name.
    let host = address.find("://").map_or(0, |i| i + 3);
    let path_start = address[host..].find('/').map_or(address.len(), |i| host + i);
    let (url, reference) = match address[path_start..].find('@') {
        Some(i) => (&address[..path_start + i], Some(&address[path_start + i + 1..])),
        None => (address, None),
    };
    Target::Git {
        url: url.to_owned(),
        reference: reference.filter(|r| !r.is_empty()).map(str::to_owned),
        path: path.map(str::to_owned),
        identifier: None,
    }
}

/// The variables of PEP 508.
const VARIABLES: [&str; 12] = [
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform_machine",
    "platform_python_implementation",
    "implementation_name",
    "implementation_version",
    "extra",
];

/// A piece of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    /// One of [`VARIABLES`].
    Variable(&'t str),
    /// What stands between quotes.
    Text(&'t str),
    /// `==`, `not in`, ...; of words as they are written.
    Operator(&'t str),
    /// `(`, `)`, `and`, `or`.
    Word(&'t str),
}

/// Checks that `text` is a marker expression, in one pass and without recursion.
fn check_marker(text: &str) -> Result<(), String> {
    let wrong = |reason: String| {
        format!(
            "`{}` is no marker: {reason}; write for example `python_version < \"3.12\"`",
            shown(text)
        )
    };
    let (mut rest, mut open, mut previous) = (text.trim_start(), 0_u32, None::<Token>);
    let mut side = 0; // 0: before the operator, 1: after it, 2: the comparison is complete
    while !rest.is_empty() {
        let (token, length) = token(rest).map_err(wrong)?;
        match &token {
            Token::Word("(") if side == 0 && !is_operand(previous.as_ref()) => open += 1,
            Token::Word(")") if side == 2 && open > 0 => open -= 1,
            Token::Word("and" | "or") if side == 2 => side = 0,
            Token::Variable(_) | Token::Text(_) if side == 0 && !is_operand(previous.as_ref()) => {}
            Token::Operator(_) if side == 0 && is_operand(previous.as_ref()) => side = 1,
            Token::Variable(_) | Token::Text(_) if side == 1 => side = 2,
            _ => return Err(wrong(format!("`{}` does not belong there", shown(&rest[..length])))),
        }
        previous = Some(token);
        rest = rest[length..].trim_start();
    }
    match (side, open) {
        (2, 0) => Ok(()),
        (2, _) => Err(wrong("a `)` is missing".to_owned())),
        _ => Err(wrong("it ends too early".to_owned())),
    }
}

fn is_operand(token: Option<&Token>) -> bool {
    matches!(token, Some(Token::Variable(_) | Token::Text(_)))
}

/// The first token of `text`, which is not empty, and its length in bytes.
pub(crate) fn token(text: &str) -> Result<(Token<'_>, usize), String> {
    if text.starts_with(['(', ')']) {
        return Ok((Token::Word(&text[..1]), 1));
    }
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let end = text[1..].find(quote).ok_or("a quote is not closed")?;
        return Ok((Token::Text(&text[1..=end]), end + 2));
    }
    for operator in ["===", "==", "~=", "!=", "<=", ">=", "<", ">"] {
        if text.starts_with(operator) {
            return Ok((Token::Operator(operator), operator.len()));
        }
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    match &text[..end] {
        word @ ("and" | "or") => Ok((Token::Word(word), end)),
        "in" => Ok((Token::Operator("in"), end)),
        "not" => {
            let after = text[end..].trim_start();
            let skipped = text.len() - after.len();
            match after.strip_prefix("in") {
                Some(_) => Ok((Token::Operator("not in"), skipped + 2)),
                None => Err("`not` stands only before `in`".to_owned()),
            }
        }
        word if VARIABLES.contains(&word) => Ok((Token::Variable(word), end)),
        word => {
            Err(format!("`{}` is no variable", shown(if word.is_empty() { text } else { word })))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown_parts(text: &str) -> String {
        match parse(text) {
            Ok(p) => format!(
                "{} {}{}",
                serde_json::to_string(&p.target).unwrap(),
                p.requirement.as_ref().map_or("any", |r| r.text()),
                p.condition.map(|c| format!(" if {c}")).unwrap_or_default()
            ),
            Err(error) => error,
        }
    }

    #[test]
    fn dependencies_are_read() {
        let texts = [
            "Process_Bigraph",
            "numpy>=1.26,<3",
            "pandas[excel, sql] ~= 2.1 ; python_version < '3.13'",
            "foo (>=1)",
            "x @ git+https://github.com/acme/x.git@feature/a#subdirectory=py&egg=x",
            "y @ git+ssh://git@github.com/acme/y.git",
            "z @ https://acme.example/z-1.0.zip ; extra == \"all\"",
            "w @ file:///home/ada/w",
        ];
        let all: Vec<_> = texts.iter().map(|t| shown_parts(t)).collect();
        insta::assert_snapshot!(all.join("\n"), @r#"
        {"type":"native","ecosystem":"python","name":"process-bigraph"} any
        {"type":"native","ecosystem":"python","name":"numpy"} >=1.26,<3
        {"type":"native","ecosystem":"python","name":"pandas"} ~= 2.1 if python_version < '3.13'
        {"type":"native","ecosystem":"python","name":"foo"} >=1
        {"type":"git","url":"https://github.com/acme/x.git","ref":"feature/a","path":"py","identifier":null} any
        {"type":"git","url":"ssh://git@github.com/acme/y.git","ref":null,"path":null,"identifier":null} any
        {"type":"url","url":"https://acme.example/z-1.0.zip"} any if extra == "all"
        {"type":"file","path":"/home/ada/w","identifier":null} any
        "#);
    }

    #[test]
    fn what_is_no_dependency_is_refused_with_the_reason() {
        let texts = [
            "",
            "-x",
            "a b",
            "./local",
            "https://acme.example/a.zip",
            "a >=",
            "a >= one",
            "a; python_version",
            "a; (python_version < '3'",
            "a; python_version < '3')",
            "a; shoe_size > '3'",
            "a; os_name == 'x",
            "a; os_name 'x' == 'y'",
            "a; not os_name",
            "a;",
            "A-[x]",
            "a[x",
            "a[x!]",
            "a @ ",
            "a (>=1",
        ];
        let all: Vec<_> = texts.iter().map(|t| shown_parts(t)).collect();
        insta::assert_snapshot!(all.join("\n"), @r#"
        `` is no dependency: it does not start with a name; write `name @ address` for an address
        `-x` is no dependency: `-x` is no name of Python: letters, digits, `-`, `_` and `.`, a letter or digit first and last
        `a b` is no dependency: `b` does not belong after the name
        `./local` is no dependency: it does not start with a name; write `name @ address` for an address
        `https://acme.example/a.zip` is no dependency: it does not start with a name; write `name @ address` for an address
        `a >=` is no dependency: `>=` is not a requirement: Unexpected end of version specifier, expected version; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `a >= one` is no dependency: `>= one` is not a requirement: expected version to start with a number, but no leading ASCII digits were found; write for example `>=1.2,<2`, `~=1.4`, `==1.2.*` or `==1.2.3`
        `python_version` is no marker: it ends too early; write for example `python_version < "3.12"`
        `(python_version < '3'` is no marker: a `)` is missing; write for example `python_version < "3.12"`
        `python_version < '3')` is no marker: `)` does not belong there; write for example `python_version < "3.12"`
        `shoe_size > '3'` is no marker: `shoe_size` is no variable; write for example `python_version < "3.12"`
        `os_name == 'x` is no marker: a quote is not closed; write for example `python_version < "3.12"`
        `os_name 'x' == 'y'` is no marker: `'x'` does not belong there; write for example `python_version < "3.12"`
        `not os_name` is no marker: `not` stands only before `in`; write for example `python_version < "3.12"`
        `` is no marker: it ends too early; write for example `python_version < "3.12"`
        `A-[x]` is no dependency: `A-` is no name of Python: letters, digits, `-`, `_` and `.`, a letter or digit first and last
        `a[x` is no dependency: a `]` is missing
        `a[x!]` is no dependency: `x!` is no extra
        `a @ ` is no dependency: no address follows the `@`
        `a (>=1` is no dependency: a `)` is missing
        "#);
        let deep = format!("a; {}os_name == 'x'{}", "(".repeat(400), ")".repeat(400));
        assert!(parse(&deep).is_ok());
        assert!(parse(&"a".repeat(2_000)).unwrap_err().contains("at most 1024"));
        assert!(
            check_marker("python_version in '3.1 3.2' and (os_name not in 'x' or 'a' == extra)")
                .is_ok()
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            parse(&text).ok();
            check_marker(&text).ok();
        }
        #[test]
        fn no_mix_of_signs_makes_it_panic(
            parts in prop::collection::vec(prop::sample::select(vec![
                "a", "[", "]", "@", " ", ";", "(", ")", ">=", "1.0", ",", "'", "\"", "and", "not", "in", "extra", "==", "git+",
                "https://", "#", "/", "${HOME}", "é", ".", "-", "*", "~=",
            ]), 0..30)
        ) {
            parse(&parts.concat()).ok();
            check_marker(&parts.concat()).ok();
        }
    }
}
