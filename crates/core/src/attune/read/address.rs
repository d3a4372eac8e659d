//! Addresses and names of git, as an index takes them.

use crate::escape::excerpt;

/// Whether git can take `text` for a name and for nothing else.
pub(in crate::attune) fn is_git_ref(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 250
        && !text.starts_with('-')
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// What an address in an index may be: https, without user, query and fragment.
pub(in crate::attune) fn check_url(url: &str) -> Result<(), String> {
    let wrong = |reason: &str| Err(format!("is `{}`: {reason}", excerpt(url, 120)));
    let Some(rest) = url.strip_prefix("https://") else {
        return wrong("write `https://…`");
    };
    if url.len() > 2_000 || !url.bytes().all(|b| b.is_ascii_graphic()) {
        return wrong("it is too long, or has a blank or a character that is not ASCII");
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() {
        return wrong("it has no host");
    }
    if host.contains('@') || rest.contains(['?', '#']) {
        return wrong("leave out user, query and fragment");
    }
    Ok(())
}

/// Whether `url` is the address of a page: `http` or `https`, and a host.
pub(in crate::attune) fn is_homepage(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    url.len() <= 2_000 && url.bytes().all(|b| b.is_ascii_graphic()) && !host.is_empty()
}
