//! What no output of the suite may ever show: everything that a command, an action or a server of a
//! story prints goes through here.

/// What opens something in `text`; `None` where nothing does. Lines that tell GitHub's runner to mask a
/// token are what hides it, and are left out.
pub fn leak(text: &str) -> Option<String> {
    text.lines().filter(|line| !line.contains("::add-mask::")).find_map(|line| {
        let token = |start: &str, length: usize| {
            line.match_indices(start).any(|(at, _)| {
                let rest = &line[at + start.len()..];
                let run =
                    rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-_".contains(b));
                run.count() >= length
            })
        };
        let dots = |start: &str| {
            line.match_indices(start).any(|(at, _)| {
                let end =
                    line[at..].find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
                let word = &line[at..end.map_or(line.len(), |end| at + end)];
                word.len() > 100 && word.matches('.').count() == 2
            })
        };
        let what = if dots("eyJ") {
            "a CI token"
        } else if token("pkh_", 40) {
            "an API token"
        } else if token("ghs_", 6) {
            "a token of GitHub's"
        } else if line.contains(crate::issuer::REQUEST_TOKEN) {
            "the job's own credential"
        } else if line.contains("X-Amz-Signature=") || line.contains("&signature=") {
            "an upload's address"
        } else if line.contains("PRIVATE KEY") || line.contains("secret-of-the-archive") {
            "a key or a secret address"
        } else {
            return None;
        };
        Some(format!("{what} in `{line}`"))
    })
}

/// Fails where `text` shows a secret.
#[track_caller]
pub fn none_in(text: &str) {
    if let Some(leak) = leak(text) {
        panic!("the output shows {leak}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_seen_wherever_it_stands() {
        let jwt = format!("eyJ{0}.eyJ{0}.{0}", "a".repeat(60));
        for secret in [
            jwt.as_str(),
            &format!("pkh_{}", "a".repeat(49)),
            "https://s3/x?X-Amz-Signature=abc",
            "ghs_abcdefgh",
            crate::issuer::REQUEST_TOKEN,
        ] {
            assert!(leak(&format!("one\nbefore {secret} after")).is_some(), "{secret}");
            assert!(leak(&format!("::add-mask::{secret}")).is_none(), "{secret}");
        }
        assert_eq!(leak("pkh_... `eyJ` ghs_ version 1.2.3"), None);
    }
}
