//! How deeply source text nests, before anything recurses over it.
//!
//! A syntax tree is as deep as its text nests, and freeing it recurses. CPython itself reads at most
//! 200 open brackets and 100 levels of indentation, and its compiler gives up on longer chains of
//! operators than are counted here.

use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, lexer};

/// Open brackets, as in CPython.
const BRACKETS: usize = 200;
/// Levels of indentation, as in CPython.
const INDENTS: usize = 100;
/// Tokens that could nest in one another.
const TOKENS: usize = 10_000;

/// The bound on the depth of the syntax tree of `text`; `None` where it nests deeper than any Python
/// reads.
pub(super) fn depth(text: &str) -> Option<usize> {
    let mut lexer = lexer::lex(text, Mode::Module);
    // Of each open bracket: tokens since the last comma, and lambdas, whose parameters have commas too.
    let mut open = vec![(0_usize, 0_usize)];
    let (mut sum, mut deepest, mut indents) = (0_usize, 0_usize, 0_usize);
    loop {
        match lexer.next_token() {
            TokenKind::EndOfFile => return Some(deepest),
            // They are no part of the tree, however many there are.
            TokenKind::Comment | TokenKind::NonLogicalNewline => continue,
            TokenKind::Newline => {
                open.clear();
                open.push((0, 0));
                sum = 0;
            }
            TokenKind::Indent => indents += 1,
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Comma | TokenKind::Semi => {
                if let Some((tokens, _)) = open.last_mut() {
                    sum -= std::mem::take(tokens);
                }
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if open.len() > 1
                    && let Some((tokens, lambdas)) = open.pop()
                {
                    sum -= tokens + lambdas;
                }
            }
            kind => {
                sum += 1;
                if let Some((tokens, lambdas)) = open.last_mut() {
                    *(if kind == TokenKind::Lambda { lambdas } else { tokens }) += 1;
                }
                if matches!(
                    kind,
                    TokenKind::Lpar
                        | TokenKind::Lsqb
                        | TokenKind::Lbrace
                        | TokenKind::FStringStart
                        | TokenKind::TStringStart
                ) {
                    open.push((0, 0));
                }
            }
        }
        deepest = deepest.max(sum + indents);
        if open.len() > BRACKETS || indents > INDENTS || sum > TOKENS {
            return None;
        }
    }
}

/// The longest beginning of `text` that [`depth`] admits, for messages. The lexer does not tell where
/// it stands, so this looks for the place.
pub(super) fn readable(text: &str) -> &str {
    let (mut good, mut bad) = (0, text.len());
    while bad - good > 1 {
        let middle = text.floor_char_boundary(good + (bad - good) / 2);
        if middle <= good {
            break;
        }
        if depth(&text[..middle]).is_some() { good = middle } else { bad = middle }
    }
    &text[..good]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_cannot_nest_is_refused() {
        let deep = [
            "(".repeat(201),
            "-".repeat(20_000) + "1",
            "1".to_owned() + &"+1".repeat(20_000),
            "lambda x, y: ".repeat(11_000) + "0",
            format!("f'{{{}1}}'", "-".repeat(20_000)),
            (0..120).map(|n| " ".repeat(n) + "if x:\n").collect(),
            format!("x = 1\ny = {}", "not ".repeat(10_001)),
        ];
        for text in deep {
            assert!(depth(&text).is_none(), "{}", &text[..20]);
            assert!(depth(readable(&text)).is_some());
        }
        let table = format!("x = [\n{}]\n", "  (-1, 2 + 3, 'a' 'b'),\n".repeat(20_000));
        assert!(depth(&table).is_some_and(|depth| depth < 50));
        assert!(depth(&"x = 1\n".repeat(50_000)).is_some());
        let comments = "# (\n".repeat(20_000) + "x = (1,\n" + &"\n".repeat(20_000) + "2)\n";
        assert!(depth(&comments).is_some_and(|depth| depth < 20));
    }
}
