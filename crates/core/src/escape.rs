//! The one function through which outside text reaches a terminal, a log or a workflow command.

/// `text` with everything that could steer a terminal or forge a line made visible: control
/// characters, line breaks, and the Unicode characters that reorder or hide text become `\u{..}`.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    // GitHub's runner takes `##[name]` for a command wherever in a line it stands.
    if out.contains("##[") { out.replace("##[", "##\\u{5b}") } else { out }
}

/// [`printable`] text of at most `limit_chars` characters of `text`, and `…` where more was there.
pub fn excerpt(text: &str, limit_chars: usize) -> String {
    match text.char_indices().nth(limit_chars) {
        Some((end, _)) => printable(&text[..end]) + "…",
        None => printable(text),
    }
}

/// A text of several lines: [`excerpt`] of each of the first ten. Those after the first are items of a
/// list, so that none of them looks like a line of ours or like a command to a CI's log.
pub fn excerpt_lines(text: &str, limit_chars: usize) -> String {
    let mut lines = text.split('\n').take(10).map(|line| excerpt(line, limit_chars));
    let first = lines.next().unwrap_or_default();
    lines.fold(first, |all, line| all + "\n  - " + line.trim_start())
}

/// Whether `c` steers a terminal, breaks a line, or is invisible (Unicode Bidi_Control, zero width, tags).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// `text` as the data of a GitHub workflow command (`::error::…`): `%`, CR and LF encoded, and
/// everything else that [`printable`] makes visible.
pub fn workflow_data(text: &str) -> String {
    text.split('\n')
        .map(|line| printable(line.strip_suffix('\r').unwrap_or(line)).replace('%', "%25"))
        .collect::<Vec<_>>()
        .join("%0A")
}

/// `text` as a property of a GitHub workflow command: as [`workflow_data`], and `:` and `,` encoded.
pub fn workflow_property(text: &str) -> String {
    workflow_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// What may be chosen from, in a sentence: `` `a`, `b` or `c` ``.
pub fn one_of(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// `text` inside HTML text or a double-quoted attribute.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_steer() {
        assert_eq!(printable("a\x1b[31mb\u{202e}c\nd"), "a\\u{1b}[31mb\\u{202e}c\\u{a}d");
        assert_eq!(printable("x##[stop-commands]k"), "x##\\u{5b}stop-commands]k");
        assert_eq!(excerpt("\u{202e}äbc", 2), "\\u{202e}ä…");
        assert_eq!(excerpt("äb", 2), "äb");
        assert_eq!(excerpt_lines("a\n  ::error::b\n\x1b", 11), "a\n  - ::error::…\n  - \\u{1b}");
        assert_eq!(workflow_data("50%\r\n::error::x"), "50%25%0A::error::x");
        assert_eq!(workflow_property("a,b:c"), "a%2Cb%3Ac");
        assert_eq!(
            (one_of(&["a"]), one_of(&["a", "b", "c"])),
            ("`a`".into(), "`a`, `b` or `c`".into())
        );
        assert_eq!(html("<a href=\"'&"), "&lt;a href=&quot;&#39;&amp;");
    }
}
