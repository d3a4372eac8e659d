//! `repository-url`: the repository is an address that a browser can open and that fits the package.
//! It does not ask the network whether it exists.

use super::finding::quote;
use super::{Draft, Facts, Rule, Severity};
use crate::manifest::Name;

pub(super) struct RepositoryUrl;

impl Rule for RepositoryUrl {
    fn id(&self) -> &'static str {
        "repository-url"
    }
    fn severity(&self) -> Severity {
        Severity::Warning
    }
    fn summary(&self) -> &'static str {
        "The repository's address is wrong, or belongs to somebody else"
    }
    fn binds_registry(&self) -> bool {
        true
    }
    fn check(&self, facts: &Facts, found: &mut Vec<Draft>) {
        let m = facts.manifest;
        let Some(repository) = &m.repository else { return };
        let text = repository.value.trim();
        let mut say = |severity, message: String, help: &str| {
            let draft = self.finding(message).severity(severity).file(&m.path).at(repository.at);
            found.push(draft.about(text).help(help));
        };
        let https = "write `https://github.com/<owner>/<repository>`";
        if carries_password(text) {
            // The message must not repeat it.
            let message = "the repository's address carries a user name or password".to_owned();
            let help = "remove what stands between `://` and `@`, and revoke it";
            return say(Severity::Error, message, help);
        }
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                say(
                    Severity::Warning,
                    format!("{} is not encrypted", quote(text)),
                    "write `https://`",
                );
                rest
            }
            _ if is_git_address(text) => {
                let message = format!("{} is an address for `git`, not for a browser", quote(text));
                return say(Severity::Warning, message, https);
            }
            // A page links to it: another scheme could run code there (`javascript:`).
            _ => return say(Severity::Error, format!("{} is no web address", quote(text)), https),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        let label = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
        if !host.bytes().all(label) || host.split('.').any(str::is_empty) {
            return say(Severity::Error, format!("{} has no valid host", quote(text)), https);
        }
        if !host.contains('.') {
            say(
                Severity::Warning,
                format!("{} has a host that only your network knows", quote(text)),
                https,
            );
        }
        if !port.is_empty() {
            say(
                Severity::Warning,
                format!("{} names a port", quote(text)),
                "write the address that browsers use",
            );
        }
        if path.contains(['?', '#']) || path.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return say(
                Severity::Warning,
                format!("{} has more than a path after the host", quote(text)),
                https,
            );
        }
        let path = path.trim_end_matches('/');
        let parts: Vec<_> = path.split('/').collect();
        if parts.len() < 2 || parts.iter().any(|part| part.is_empty()) {
            return say(Severity::Warning, format!("{} names no repository", quote(text)), https);
        }
        if !host.eq_ignore_ascii_case("github.com") {
            return;
        }
        let owner = parts[0];
        let name = parts[1].strip_suffix(".git").unwrap_or(parts[1]);
        if let Some(Name::Full(id)) = m.name.as_ref().map(|name| &name.value)
            && !id.owner().eq_ignore_ascii_case(owner)
        {
            let message = format!(
                "the package belongs to {}, its repository to {}",
                quote(id.owner()),
                quote(owner)
            );
            say(
                Severity::Warning,
                message,
                "the first publish pins the package to the repository that ran it: make sure that both are yours",
            );
        }
        if let Some(source) = facts.source_repository
            && !source.eq_ignore_ascii_case(&format!("{owner}/{name}"))
        {
            let message = format!(
                "the repository is {}, this one is {}",
                quote(format!("{owner}/{name}")),
                quote(source)
            );
            say(Severity::Warning, message, "name the repository that publishes the package");
        }
    }
}

/// `git@host:owner/name`, `ssh://…`, `git://…`, `git+https://…`: harmless, and no use to a reader.
fn is_git_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some(scheme) => matches!(scheme, "git" | "ssh" | "git+https" | "git+ssh"),
        None => text.starts_with("git@"),
    }
}

/// Whether there is something before an `@` that is not just the `git@` of an SSH address.
fn carries_password(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or(rest);
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.contains(':') || !scheme.to_ascii_lowercase().ends_with("ssh")
}
